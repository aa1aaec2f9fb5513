"""The simulated camera's picture: a still landscape on which only a clock, a time code and a balloon change."""

import math
from datetime import UTC, datetime
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.lettering import Lettering
from gateway_testpattern import timecode
from gateway_testpattern.colour import BLACK, NEUTRAL, WHITE, Plane, Planes, lay
from gateway_testpattern.landscape import DAWN, DAY, DUSK, NIGHT, balloon, landscape
from gateway_testpattern.optics import PLAIN, View, chroma_table, luma_table, warp

LOOKS = (DAWN, DAY, DUSK, NIGHT)
_LAP_SECONDS = 48.0
_SHADE, _SHADE_COVERAGE = 24, 150
"""The panel behind the text."""
_NS = 1_000_000_000


class Scene:
    """Draws pictures of one size in planar YUV 4:2:0; width and height must be multiples of four."""

    def __init__(self, name: str, width: int, height: int, seed: int) -> None:
        """`seed` chooses the hour, by its last two bits, and the hills."""
        look = LOOKS[seed % len(LOOKS)]
        self._width, self._height = width, height
        self._row = timecode.row_height(height)
        self._backdrop = np.empty((height * 3 // 2, width), np.uint8)
        for plane, drawn in zip(self._planes(self._backdrop), landscape(width, height, look, seed), strict=True):
            plane[:] = drawn
        for plane in self._planes(self._backdrop)[1:]:
            plane[: self._row // 2] = NEUTRAL
        self._balloon = balloon(min(width, height) * 22 // 100, look)
        self._glyphs = _clock_glyphs(width * 84 // 100, height * 0.042)
        self._bare = self._backdrop.copy()
        """The landscape without panel."""
        self._panel: tuple[slice, slice]
        self._text = self._paint_panel(name)
        self._picture = self._backdrop.copy()
        self._balloon_at = 0, 0
        self._head_start = seed * 11 % _LAP_SECONDS

    def draw(self, utc_ns: int, view: View = PLAIN) -> NDArray[np.uint8]:
        """Return the picture of a moment, of shape (height * 3 / 2, width): Y, then Cb, then Cr.

        It is drawn over at the next call: most of a picture is that of the moment before.
        """
        self._draw_balloon(utc_ns / _NS)
        self._draw_clock(self._line(utc_ns))
        self._draw_code(utc_ns // 1_000_000)
        return self._picture if view == PLAIN else self._seen(view)

    def _seen(self, view: View) -> NDArray[np.uint8]:
        """Return the picture as head and settings make it; panel and time code stay as they are."""
        seen = np.empty_like(self._picture)
        tables = luma_table(view), chroma_table(view, view.blue), chroma_table(view, view.red)
        drawn = zip(*(self._planes(picture) for picture in (seen, self._picture, self._bare)), tables, strict=True)
        for number, (plane, picture, bare, table) in enumerate(drawn):
            panel, code = self._overlays(halved=number > 0)
            scene = picture.copy()
            scene[panel], scene[code] = bare[panel], bare[code]
            plane[:] = table[scene if view.at_home and not view.blur else warp(scene, view)]
            plane[panel], plane[code] = picture[panel], picture[code]
        if not view.at_home:
            line = _typeset(self._letters(), f"P{view.pan:+.2f} T{view.tilt:+.2f} Z{view.zoom:.2f}")[:, : self._width]
            area = _area(0, self._row, line)
            luma = self._planes(seen)[0]
            lay(luma[area], _SHADE, _SHADE_COVERAGE)
            lay(luma[area], WHITE, line)
        return seen

    def _letters(self) -> dict[str, Plane]:
        """Return the clock's glyphs with those that tell a position."""
        missing = [character for character in "PZ+" if character not in self._glyphs]
        lettering = Lettering(self._height * 0.042)
        self._glyphs |= {
            character: _as_high(lettering.glyph(character), self._glyphs["0"].shape[0]) for character in missing
        }
        return self._glyphs

    def _overlays(self, *, halved: bool) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return where the panel and the time code are in a plane."""
        step = 2 if halved else 1
        rows, columns = self._panel
        panel = slice(rows.start // step, rows.stop // step), slice(columns.start // step, columns.stop // step)
        return panel, (slice(self._row // step), slice(None))

    def _planes(self, picture: Plane) -> Planes:
        """Return the views of Y, Cb and Cr in a picture."""
        blue, red = picture[self._height :].reshape(2, self._height // 2, self._width // 2)
        return picture[: self._height], blue, red

    def _draw_code(self, utc_ms: int) -> None:
        edges = np.arange(self._width) * timecode.CELLS // self._width
        self._picture[: self._row] = np.where(timecode.cells(utc_ms), np.uint8(WHITE), np.uint8(BLACK))[edges]

    def _draw_balloon(self, seconds: float) -> None:
        """Move the balloon on its way to and fro, in steps of two pixels: those of chroma."""
        sprite = self._balloon
        turn = 2 * math.pi * ((seconds + self._head_start) % _LAP_SECONDS) / _LAP_SECONDS
        sky = self._height * 3 // 5 - self._row - sprite.height
        x = int((self._width - sprite.width) * (0.5 - 0.45 * math.cos(turn))) // 2
        y = (self._row + int(sky * (0.5 + 0.4 * math.sin(3 * turn)))) // 2
        both = zip(self._planes(self._picture), self._planes(self._backdrop), strict=True)
        for (plane, still), drawn, coverage, step in zip(both, sprite.planes, sprite.coverage, (2, 1, 1), strict=True):
            old, new = (_area(left * step, top * step, drawn) for left, top in (self._balloon_at, (x, y)))
            plane[old] = still[old]
            lay(plane[new], drawn, coverage)
        self._balloon_at = x, y

    def _draw_clock(self, line: Plane) -> None:
        area = _area(*self._text, line)
        self._picture[area] = self._backdrop[area]
        lay(self._picture[area], WHITE, line)

    def _line(self, utc_ns: int) -> Plane:
        moment = datetime.fromtimestamp(utc_ns // _NS, UTC)
        line = _typeset(self._glyphs, f"{moment:%Y-%m-%d %H:%M:%S}.{utc_ns // 1_000_000 % 1000:03d} UTC")
        return line[:, : self._width * 86 // 100]

    def _paint_panel(self, name: str) -> tuple[int, int]:
        """Paint a dark panel with the name into the backdrop; return where the clock's line begins, x and y."""
        title = Lettering(self._height * 0.055, 0.16).fit(name, self._width * 84 // 100)
        clock = self._line(0)
        margin = min(self._width, self._height) // 60 * 2
        height = (title.shape[0] + clock.shape[0] + 2 * margin) // 2 * 2
        left, top = self._width // 50 * 2, (self._height * 96 // 100 - height) // 2 * 2
        width = (max(title.shape[1], clock.shape[1]) + 2 * margin) // 2 * 2
        self._panel = slice(top, top + height), slice(left, left + width)
        luma, blue, red = self._planes(self._backdrop)
        lay(luma[self._panel], _SHADE, _SHADE_COVERAGE)
        for plane in (blue, red):
            part = plane[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
            lay(part, NEUTRAL, _SHADE_COVERAGE)
        lay(luma[_area(left + margin, top + margin, title)], WHITE, title)
        return left + margin, top + margin + title.shape[0]


def seed_of(camera_id: str) -> int:
    """Return a seed that is a camera's own."""
    return crc32(camera_id.encode()) >> 8


def _area(left: int, top: int, drawn: Plane) -> tuple[slice, slice]:
    """Return the rows and columns that something drawn covers."""
    height, width = drawn.shape
    return slice(top, top + height), slice(left, left + width)


def _clock_glyphs(width: int, cap_height: float) -> dict[str, Plane]:
    """Return the clock's glyphs at the largest size, up to a height, at which it fits a width."""
    drawn = _typeset(_fixed(Lettering(cap_height)), "0000-00-00 00:00:00.000 UTC").shape[1]
    return _fixed(Lettering(cap_height * min(1.0, width / (drawn * 1.05))))


def _fixed(lettering: Lettering) -> dict[str, Plane]:
    """Return glyphs of which all digits are equally wide, so that the clock does not jump."""
    glyphs = {character: lettering.glyph(character) for character in "0123456789-: .UTC"}
    digit = max(glyphs[character].shape[1] for character in "0123456789")
    for character in "0123456789":
        missing = digit - glyphs[character].shape[1]
        glyphs[character] = np.pad(glyphs[character], ((0, 0), (missing // 2, missing - missing // 2)))
    return glyphs


def _as_high(glyph: Plane, height: int) -> Plane:
    """Return a glyph cut or filled at its foot."""
    return np.pad(glyph[:height], ((0, max(0, height - glyph.shape[0])), (0, 0)))


def _typeset(glyphs: dict[str, Plane], text: str) -> Plane:
    return np.concatenate([glyphs[character] for character in text], axis=1)
