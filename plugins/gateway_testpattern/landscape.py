"""What a simulated camera looks at: hills at an hour of the day, and a balloon to drift over them."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gateway_testpattern.colour import Levels, Planes, to_coverage, to_yuv

Colour: TypeAlias = tuple[float, float, float]
"""Red, green and blue from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of an hour."""

    zenith: Colour
    horizon: Colour
    light: Colour
    """Sun or moon."""
    far: Colour
    near: Colour
    envelope: tuple[Colour, Colour]
    """The balloon's stripes."""
    stars: bool = False


DAWN = Palette(
    (0.20, 0.34, 0.62),
    (1.00, 0.76, 0.58),
    (1.00, 0.93, 0.72),
    (0.60, 0.56, 0.70),
    (0.10, 0.15, 0.24),
    ((0.93, 0.27, 0.24), (1.00, 0.93, 0.82)),
)
DAY = Palette(
    (0.16, 0.45, 0.80),
    (0.78, 0.91, 0.97),
    (1.00, 0.99, 0.90),
    (0.50, 0.70, 0.78),
    (0.06, 0.27, 0.22),
    ((0.98, 0.62, 0.12), (0.16, 0.24, 0.52)),
)
DUSK = Palette(
    (0.20, 0.12, 0.36),
    (0.98, 0.48, 0.30),
    (1.00, 0.84, 0.50),
    (0.52, 0.26, 0.42),
    (0.11, 0.06, 0.17),
    ((0.10, 0.62, 0.66), (0.98, 0.86, 0.62)),
)
NIGHT = Palette(
    (0.02, 0.04, 0.11),
    (0.16, 0.28, 0.44),
    (0.94, 0.96, 1.00),
    (0.13, 0.21, 0.34),
    (0.02, 0.04, 0.08),
    ((0.86, 0.35, 0.52), (0.95, 0.78, 0.46)),
    stars=True,
)

_RIDGES = 5
_WICKER = (0.30, 0.19, 0.12)


@dataclass(frozen=True, slots=True)
class Sprite:
    """A small picture with its coverage; its sides are even."""

    planes: Planes
    coverage: Planes
    width: int
    height: int


def landscape(width: int, height: int, palette: Palette, seed: int) -> Planes:
    """Draw the scene; the same seed gives the same hills at every size. Width and height must be even."""
    random = np.random.default_rng(seed)
    x, y = _grid(width, height)
    rgb = _mix(_colour(palette.zenith), _colour(palette.horizon), np.clip(y / 0.72, 0, 1)[..., None] ** 1.3)
    place = random.uniform(0.62, 0.8), random.uniform(0.24, 0.36)
    _light(rgb, np.hypot((x - place[0]) * width / height, y - place[1]), palette)
    if palette.stars:
        _stars(rgb, random)
    for index in range(_RIDGES):
        depth = index / (_RIDGES - 1)
        top = _ridge(x[0], 0.52 + 0.36 * depth, 0.10 - 0.05 * depth, random)
        if index == _RIDGES - 1:
            top = _firs(x[0], top, random)
        _hill(rgb, y, top, depth, palette)
    return to_yuv(rgb, random)


def balloon(height: int, palette: Palette) -> Sprite:
    """Draw the balloon, about as high as asked."""
    height += height % 2
    width = 2 * round(height * 0.36)
    x, y = _grid(width, height)
    across = (x - 0.5) * width / height
    neck = np.clip((y - 0.36) / 0.36, 0, 1)
    half = np.where(y < 0.36, np.sqrt(np.clip(0.1225 - (y - 0.36) ** 2, 0, None)), 0.35 - 0.27 * neck**1.35)  # noqa: PLR2004 - where the envelope is widest
    envelope = np.clip((half - abs(across)) * height + 0.5, 0, 1) * ((y > 0.01) & (y < 0.74))  # noqa: PLR2004 - its ends
    gore = np.arcsin(np.clip(across / np.maximum(half, 1e-3), -1, 1)) * 8 / np.pi
    striped = np.clip((0.25 - abs((gore + 0.5) % 2 / 2 - 0.5)) * height / 10 + 0.5, 0, 1)[..., None]
    shade = 1.12 - 0.55 * np.clip(np.hypot(across + 0.12, y - 0.26) / 0.55, 0, 1)
    rgb = np.clip(_mix(_colour(palette.envelope[0]), _colour(palette.envelope[1]), striped) * shade[..., None], 0, 1)
    below = y > 0.735  # noqa: PLR2004 - ropes and basket
    spread = 0.078 - 0.025 * np.clip((y - 0.74) / 0.12, 0, 1)
    ropes = np.clip(1.2 - abs(abs(across) - spread) * height, 0, 1) * (below & (y < 0.87))  # noqa: PLR2004 - basket's rim
    corner = np.hypot(np.maximum(abs(across) - 0.035, 0), np.maximum(abs(y - 0.91) - 0.035, 0))
    basket = np.clip((0.02 - corner) * height + 0.5, 0, 1)
    rgb = np.where(below[..., None], _colour(_WICKER), rgb).astype(np.float32)
    return Sprite(to_yuv(rgb), to_coverage(np.clip(envelope + ropes + basket, 0, 1)), width, height)


def _grid(width: int, height: int) -> tuple[Levels, Levels]:
    """Return x and y of every pixel's middle, from 0 to 1."""
    x, y = (np.arange(size, dtype=np.float32) + 0.5 for size in (width, height))
    return np.broadcast_to(x / width, (height, width)), np.broadcast_to((y / height)[:, None], (height, width))


def _colour(colour: Colour) -> Levels:
    return np.array(colour, np.float32)


def _mix(first: Levels, second: Levels, part: Levels | float) -> Levels:
    mixed: Levels = first + (second - first) * np.float32(part)
    return mixed


def _light(rgb: Levels, distance: Levels, palette: Palette) -> None:
    glow = (0.55 * np.exp(distance * -5.5) + 0.25 * np.exp(distance * -1.8)) * (0.5 if palette.stars else 1.0)
    disc = np.clip((0.055 - distance) * rgb.shape[0] * 0.55, 0, 1)
    rgb[:] = _mix(rgb, _colour(palette.light), np.clip(glow + disc, 0, 1)[..., None])


def _stars(rgb: Levels, random: np.random.Generator) -> None:
    height, width, _ = rgb.shape
    for x, y, size in random.random((90, 3)):
        side = max(1, round(height / 720 * (1 + size)))
        row, column = int(y * 0.55 * height), int(x * (width - side))
        rgb[row : row + side, column : column + side] += np.float32(0.25 + 0.5 * size)
    np.clip(rgb, 0, 1, out=rgb)


def _ridge(x: Levels, level: float, swing: float, random: np.random.Generator) -> Levels:
    waves = [
        swing / 1.75**octave * np.sin(1.8 * 1.9**octave * x + random.uniform(0, 2 * np.pi)) for octave in range(1, 7)
    ]
    return np.asarray(np.sum(waves, axis=0) + level, np.float32)


def _firs(x: Levels, ground: Levels, random: np.random.Generator) -> Levels:
    """Return the skyline of a ridge with firs on it: each is three triangles, the lower the wider."""
    top = ground.copy()
    for place, size in random.random((70, 2)):
        height = 0.035 + 0.05 * size**2
        foot = float(np.interp(place, x, ground)) + 0.01
        for part, width in ((1.0, 0.08), (0.72, 0.16), (0.45, 0.23)):
            rise = 1 - abs(x - place) / (height * width)
            np.minimum(top, np.where(rise > 0, foot - height * part * rise, top), out=top)
    return top


def _hill(rgb: Levels, y: Levels, top: Levels, depth: float, palette: Palette) -> None:
    """Paint everything below a skyline; the farther, the lighter towards its foot."""
    height = rgb.shape[0]
    first = max(0, int(top.min() * height) - 1)
    below = (y[first:] - top)[..., None]
    haze = np.clip(below / 0.3, 0, 1) * ((1 - depth) * 0.35)
    shade = _mix(_colour(palette.far), _colour(palette.near), depth**0.8)
    rgb[first:] = _mix(rgb[first:], _mix(shade, _colour(palette.horizon), haze), np.clip(below * height + 0.5, 0, 1))
