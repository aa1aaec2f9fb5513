"""The simulated camera's picture: a quiet backdrop on which only a clock, a time code and a ball change."""

import colorsys
import math
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.lettering import Lettering
from gateway_testpattern import timecode

Plane: TypeAlias = NDArray[np.uint8]

_BLACK, _WHITE = 16, 235
"""Luma of limited range (ITU-R BT.601)."""
_NEUTRAL = 128
_LAP_SECONDS = 12.0
_HORIZON = 0.58
_NS = 1_000_000_000
_BARS = ((180, 128, 128), (168, 44, 136), (145, 147, 44), (133, 63, 52), (63, 193, 204), (51, 109, 212), (28, 212, 120))
"""White, yellow, cyan, green, magenta, red and blue at 75 %, as Y, Cb and Cr."""


class Scene:
    """Draws pictures of one size in planar YUV 4:2:0; width and height must be multiples of four."""

    def __init__(self, name: str, width: int, height: int, hue: float) -> None:
        """`hue`, 0 to 1, colours the backdrop."""
        self._width, self._height = width, height
        self._row = timecode.row_height(height)
        self._clock = _clock_glyphs(width * 9 // 10, height * 0.1)
        self._backdrop = np.empty((height * 3 // 2, width), np.uint8)
        _paint_backdrop(*self._planes(self._backdrop), hue)
        _paint_bars(*self._planes(self._backdrop))
        title = Lettering(height * 0.06).fit(name, width * 9 // 10)
        self._write(self._backdrop[:height], title, height * 0.27, _WHITE - 35)
        self._radius = height // 24 * 2
        self._ball = _disc(self._radius)
        self._area = (height * 62 // 100, height * 84 // 100)

    def draw(self, utc_ns: int) -> NDArray[np.uint8]:
        """Return the picture of a moment, of shape (height * 3 / 2, width): Y, then Cb, then Cr."""
        picture = self._backdrop.copy()
        luma, blue, red = self._planes(picture)
        self._draw_code(luma, blue, red, utc_ns // 1_000_000)
        self._draw_ball(luma, blue, red, utc_ns / 1e9)
        self._write(luma, self._line(utc_ns), self._height * 0.4, _WHITE)
        return picture

    def _planes(self, picture: Plane) -> tuple[Plane, Plane, Plane]:
        """Return the views of Y, Cb and Cr in a picture."""
        height, half = self._height, (self._height // 2, self._width // 2)
        chroma = picture[height:].reshape(2, *half)
        return picture[:height], chroma[0], chroma[1]

    def _draw_code(self, luma: Plane, blue: Plane, red: Plane, utc_ms: int) -> None:
        edges = np.arange(self._width) * timecode.CELLS // self._width
        luma[: self._row] = np.where(timecode.cells(utc_ms), _WHITE, _BLACK)[edges]
        for plane in (blue, red):
            plane[: self._row // 2] = _NEUTRAL

    def _draw_ball(self, luma: Plane, blue: Plane, red: Plane, seconds: float) -> None:
        turn = 2 * math.pi * (seconds % _LAP_SECONDS) / _LAP_SECONDS
        top, bottom = self._area
        size = 2 * self._radius
        x = int((self._width - 2 * size) * (0.5 - 0.5 * math.cos(turn)) + size / 2) // 2 * 2
        y = int(top + (bottom - top - size) * (0.5 + 0.5 * math.sin(2 * turn))) // 2 * 2
        spot = luma[y : y + size, x : x + size]
        spot[:] = _blend(spot, self._ball, _WHITE - 20)
        half = self._ball[::2, ::2]
        for plane, level in ((blue, 90), (red, 190)):
            part = plane[y // 2 : (y + size) // 2, x // 2 : (x + size) // 2]
            part[:] = _blend(part, half, level)

    def _line(self, utc_ns: int) -> Plane:
        moment = datetime.fromtimestamp(utc_ns // _NS, UTC)
        return _typeset(self._clock, f"{moment:%Y-%m-%d %H:%M:%S}.{utc_ns // 1_000_000 % 1000:03d}")

    def _write(self, luma: Plane, line: Plane, top: float, level: int) -> None:
        line = line[:, : self._width]
        left, start = (self._width - line.shape[1]) // 2, int(top)
        spot = luma[start : start + line.shape[0], left : left + line.shape[1]]
        spot[:] = _blend(spot, line, level)


def hue_of(name: str) -> float:
    """Return a hue that is a camera's own, 0 to 1."""
    return sum(name.encode()) * 0.381966 % 1.0


def _clock_glyphs(width: int, cap_height: float) -> dict[str, Plane]:
    """Return the clock's glyphs at the largest size, up to a height, at which it fits a width.

    All digits are equally wide, so that the clock does not jump.
    """
    drawn = _typeset(_fixed(Lettering(cap_height)), "0000-00-00 00:00:00.000").shape[1]
    return _fixed(Lettering(cap_height * min(1.0, width / (drawn * 1.05))))


def _fixed(lettering: Lettering) -> dict[str, Plane]:
    glyphs = {character: lettering.glyph(character) for character in "0123456789-: ."}
    digit = max(glyphs[character].shape[1] for character in "0123456789")
    for character in "0123456789":
        missing = digit - glyphs[character].shape[1]
        glyphs[character] = np.pad(glyphs[character], ((0, 0), (missing // 2, missing - missing // 2)))
    return glyphs


def _typeset(glyphs: dict[str, Plane], text: str) -> Plane:
    return np.concatenate([glyphs[character] for character in text], axis=1)


def _paint_bars(luma: Plane, blue: Plane, red: Plane) -> None:
    height, width = luma.shape
    start = height * 92 // 100 // 2 * 2
    edges = [width * index // len(_BARS) // 2 * 2 for index in range(len(_BARS))] + [width]
    for left, right, (y, cb, cr) in zip(edges[:-1], edges[1:], _BARS, strict=True):
        luma[start:, left:right] = y
        blue[start // 2 :, left // 2 : right // 2] = cb
        red[start // 2 :, left // 2 : right // 2] = cr


def _paint_backdrop(luma: Plane, blue: Plane, red: Plane, hue: float) -> None:
    height, width = luma.shape
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    light = 38 + 52 * (1 - y) + 22 * np.exp(-((x - 0.5) ** 2) * 8)
    depth = np.maximum(y - _HORIZON, 0.004)
    stripe = np.abs(((x - 0.5) / depth * 0.9 + 0.5) % 1 - 0.5)
    light += 24 * np.clip(1.5 - stripe / 0.02, 0, 1) * np.clip((y - _HORIZON - 0.03) * 8, 0, 1)
    luma[:] = np.clip(light, _BLACK, _WHITE).astype(np.uint8)
    colour = colorsys.hls_to_rgb(hue, 0.5, 0.5)
    blue[:] = int(_NEUTRAL + (colour[2] - 0.5) * 70)
    red[:] = int(_NEUTRAL + (colour[0] - 0.5) * 70)


def _disc(radius: int) -> Plane:
    y, x = np.mgrid[0 : 2 * radius, 0 : 2 * radius] - radius + 0.5
    disc: Plane = np.clip((radius - np.hypot(x, y)) * 255, 0, 255).astype(np.uint8)
    return disc


def _blend(under: Plane, coverage: Plane, level: int) -> Plane:
    share = coverage.astype(np.uint16)
    blended: Plane = ((under * (255 - share) + level * share) // 255).astype(np.uint8)
    return blended
