"""Colours and coverage into planar YUV 4:2:0: ITU-R BT.709 in limited range."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.uint8]
Levels: TypeAlias = NDArray[np.float32]
"""Levels from 0 to 1, of shape (height, width), or (height, width, 3) for red, green and blue."""
Planes: TypeAlias = tuple[Plane, Plane, Plane]
"""Y, Cb and Cr; chroma has half the height and half the width."""

BLACK, WHITE, NEUTRAL = 16, 235, 128
_WEIGHTS = np.array((0.2126, 0.7152, 0.0722), np.float32)


def to_yuv(rgb: Levels, random: np.random.Generator | None = None) -> Planes:
    """Convert a picture; with a generator it is dithered, so that soft gradients show no bands."""
    luma = rgb @ _WEIGHTS
    small = halved(rgb)
    grey = small @ _WEIGHTS
    chroma = ((small[..., 2] - grey) / 1.8556, (small[..., 0] - grey) / 1.5748)
    noise = 0.5 if random is None else random.random(luma.shape, np.float32)
    blue, red = ((NEUTRAL + 224 * part + 0.5).astype(np.uint8) for part in chroma)
    return (BLACK + (WHITE - BLACK) * luma + noise).astype(np.uint8), blue, red


def to_coverage(alpha: Levels) -> Planes:
    """Return a coverage of shape (height, width) as 0 to 255, in full for Y and halved for Cb and Cr."""
    full, half = (np.rint(level * 255).astype(np.uint8) for level in (alpha, halved(alpha)))
    return full, half, half


def halved(levels: Levels) -> Levels:
    """Return the means of every two by two pixels."""
    total = levels[::2, ::2] + levels[1::2, ::2] + levels[::2, 1::2] + levels[1::2, 1::2]
    return np.asarray(total / 4, np.float32)


def lay(under: Plane, over: Plane | int, coverage: Plane | int) -> None:
    """Draw `over` on `under`, in place, as far as a coverage of 0 to 255 says."""
    share = np.asarray(coverage, np.uint16)
    under[:] = (under * (255 - share) + np.asarray(over, np.uint16) * share + 127) // 255
