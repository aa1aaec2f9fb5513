"""Boxes, of which every file of the ISO base media format is made (ISO/IEC 14496-12 §4.2)."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.domain.errors import ErrorKind, GatewayError

SMALL_HEADER: Final = 8
LARGE_HEADER: Final = 16
LARGEST_SMALL: Final = (1 << 32) - 1
_HEAD = struct.Struct("!I4s")
_LARGE = struct.Struct("!I4sQ")
_UNIX_EPOCH: Final = 2_082_844_800
"""Seconds from the file format's epoch (1904) to Unix's (1970)."""
_NS: Final = 1_000_000_000


class Box(NamedTuple):
    """Where a box is: its four-character code, its first byte, its content, and the byte after it."""

    kind: bytes
    start: int
    content: int
    end: int


def box(kind: bytes, *parts: bytes | memoryview) -> bytes:
    """Return a box."""
    return b"".join((_HEAD.pack(SMALL_HEADER + sum(map(len, parts)), kind), *parts))


def full_box(kind: bytes, version: int, flags: int, *parts: bytes | memoryview) -> bytes:
    """Return a box with version and flags."""
    return box(kind, (version << 24 | flags).to_bytes(4, "big"), *parts)


def header(kind: bytes, content: int) -> bytes:
    """Return what comes before `content` bytes of a box: 8 bytes, or 16 where its size needs them."""
    if content + SMALL_HEADER > LARGEST_SMALL:
        return _LARGE.pack(1, kind, content + LARGE_HEADER)
    return _HEAD.pack(content + SMALL_HEADER, kind)


def walk(data: memoryview, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes in a part of the data. Raises GatewayError INVALID where one does not fit into it."""
    end = len(data) if end is None else end
    while start < end:
        found = peek(data, start, end)
        if found is None or found.end > end:
            raise invalid(f"the box at byte {start} does not fit into the {end - start} bytes that there are")
        yield found
        start = found.end


def peek(data: memoryview, start: int, end: int) -> Box | None:
    """Return the box that begins at a position; None when its header is cut short or no header at all."""
    if end - start < SMALL_HEADER:
        return None
    size, kind = _HEAD.unpack_from(data, start)
    content = start + SMALL_HEADER
    if size == 1:
        if end - start < LARGE_HEADER:
            return None
        size = _LARGE.unpack_from(data, start)[2]
        content = start + LARGE_HEADER
    return Box(kind, start, content, start + size) if start + size >= content else None


def child(data: memoryview, start: int, end: int, *path: bytes) -> Box:
    """Return a box by the codes that lead to it. Raises GatewayError INVALID when it is missing."""
    found = None
    for kind in path:
        found = next((each for each in walk(data, start, end) if each.kind == kind), None)
        if found is None:
            raise invalid(f"the file has no {'/'.join(map(bytes.decode, path))} box")
        start, end = found.content, found.end
    if found is None:
        raise ValueError("a path has at least one code")
    return found


def unpack(layout: struct.Struct, data: memoryview, at: int, end: int) -> tuple[int, ...]:
    """Return fields of a box. Raises GatewayError INVALID when they do not lie before `end`."""
    if at + layout.size > end:
        raise invalid(f"the box around byte {at} is cut short")
    return layout.unpack_from(data, at)


def seconds(utc_ns: int) -> int:
    """Return a time as the boxes' creation times have it: seconds since 1904 (§8.2.2), 32 bits of them."""
    return max(utc_ns // _NS + _UNIX_EPOCH, 0) & LARGEST_SMALL


def to_ticks(ns: int, timescale: int) -> int:
    """Return nanoseconds in units of a timescale, rounded to the nearest."""
    return (ns * timescale + _NS // 2) // _NS


def to_ns(ticks: int, timescale: int) -> int:
    """Return units of a timescale in nanoseconds, rounded to the nearest."""
    return (ticks * _NS + timescale // 2) // timescale


def invalid(message: str) -> GatewayError:
    """Return the error of a file that is not as it should be."""
    return GatewayError(ErrorKind.INVALID, message)
