"""A time that machines can read in a picture: a row of black and white cells along its top edge.

The row has 56 cells: white, black, 44 bits of UTC in milliseconds, 8 bits of CRC, black, white; a bit is 1 where
its cell is white. It survives compression and scaling as long as a cell is several pixels wide.
"""

import numpy as np
from numpy.typing import NDArray

CELLS = 56
_TIME_BITS, _CHECK_BITS = 44, 8
_POLYNOMIAL = 0x107
"""CRC-8, x^8 + x^2 + x + 1."""
_LEAST_CONTRAST = 48


def row_height(height: int) -> int:
    """Return the row's height in pixels in a picture of some height; it is even."""
    return max(4, height // 90 * 2)


def cells(utc_ms: int) -> NDArray[np.bool_]:
    """Return the cells of a time, true where white."""
    value = (utc_ms << _CHECK_BITS) | _check(utc_ms)
    bits = [bool(value >> shift & 1) for shift in range(_TIME_BITS + _CHECK_BITS - 1, -1, -1)]
    return np.array([True, False, *bits, False, True])


def read_time(gray: NDArray[np.uint8]) -> int | None:
    """Return the UTC in milliseconds that a picture of shape (height, width) carries, or None."""
    height, width = gray.shape
    middle = row_height(height) // 2
    centres = ((np.arange(CELLS) + 0.5) * width / CELLS).astype(int)
    levels = gray[middle - 1 : middle + 1, centres].mean(axis=0)
    white, black = levels[[0, -1]].min(), levels[[1, -2]].max()
    if white - black < _LEAST_CONTRAST:
        return None
    value = 0
    for level in levels[2:-2]:
        value = value << 1 | int(level > (white + black) / 2)
    utc_ms, check = value >> _CHECK_BITS, value & (1 << _CHECK_BITS) - 1
    return utc_ms if check == _check(utc_ms) else None


def _check(utc_ms: int) -> int:
    remainder = utc_ms << _CHECK_BITS
    for shift in range(_TIME_BITS - 1, -1, -1):
        if remainder >> (shift + _CHECK_BITS) & 1:
            remainder ^= _POLYNOMIAL << shift
    return remainder
