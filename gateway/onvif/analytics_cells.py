"""The active cells of a CellMotionDetector as bytes: a bitmap, PackBits over it (ONVIF Analytics annex B.3.2).

A bit for each cell, row by row from the top left, the most significant bit first.
"""

from collections.abc import Iterator
from itertools import groupby

from gateway.domain.motion_rules import COLUMNS, ROWS

_BYTES = (COLUMNS * ROWS + 7) // 8
_LONGEST = 128
_NOTHING = 128
"""A header that stands for nothing."""


def pack_cells(cells: frozenset[int]) -> bytes:
    """Return active cells, packed."""
    bitmap = bytearray(_BYTES)
    for cell in cells:
        bitmap[cell // 8] |= 0x80 >> cell % 8
    return pack_bits(bytes(bitmap))


def unpack_cells(data: bytes) -> frozenset[int]:
    """Return the active cells of what `pack_cells` made. Raises ValueError."""
    bitmap = unpack_bits(data)
    if len(bitmap) != _BYTES:
        raise ValueError(f"the active cells are {len(bitmap)} bytes, not {_BYTES} for {COLUMNS} by {ROWS} cells")
    return frozenset(cell for cell in range(COLUMNS * ROWS) if bitmap[cell // 8] & 0x80 >> cell % 8)


def pack_bits(data: bytes) -> bytes:
    """Return bytes by PackBits (TIFF 6.0 §9): runs of equal bytes, and stretches of others as they are."""
    out, plain = bytearray(), bytearray()
    for value, run in _runs(data):
        if run > 1:
            out += _plain(plain) + bytes((257 - run, value))
            plain.clear()
        else:
            plain.append(value)
    return bytes(out + _plain(plain))


def unpack_bits(data: bytes) -> bytes:
    """Return what `pack_bits` made these bytes of. Raises ValueError when they end too early."""
    out, position = bytearray(), 0
    while position < len(data):
        header = data[position]
        if header == _NOTHING:
            position += 1
            continue
        count = header + 1 if header < _NOTHING else 1
        part = data[position + 1 : position + 1 + count]
        if len(part) < count:
            raise ValueError(f"{data.hex()!r} end too early for PackBits")
        out += part if header < _NOTHING else part * (257 - header)
        position += 1 + count
    return bytes(out)


def _runs(data: bytes) -> Iterator[tuple[int, int]]:
    for value, group in groupby(data):
        left = sum(1 for _ in group)
        while left:
            run = min(left, _LONGEST)
            yield value, run
            left -= run


def _plain(data: bytearray) -> bytes:
    parts = [data[start : start + _LONGEST] for start in range(0, len(data), _LONGEST)]
    return b"".join(bytes((len(part) - 1,)) + bytes(part) for part in parts)
