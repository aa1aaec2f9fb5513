"""JPEG in RTP: pictures without their headers (RFC 2435)."""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.domain.media import PacketBlock
from gateway.protocols.rtp import block, jpeg_file
from gateway.protocols.rtp.jpeg_tables import quantization
from gateway.protocols.rtp.payload import PayloadFormat, Piece

_MAIN = struct.Struct("!IBBBB")
_RESTART = struct.Struct("!HH")
_TABLES = struct.Struct("!BBH")
_RESTARTING: Final = 64
"""Added to the type when the picture has restart markers."""
_WITH_TABLES: Final = 128
"""From this Q on the tables come in the first packet."""
_ALWAYS_WITH_TABLES: Final = 255
_MAX_SIZE: Final = 2040
_SAMPLINGS: Final = {0: 0x21, 1: 0x22}
"""Sampling factors of the luminance by type: 4:2:2 and 4:2:0 (§4.1)."""


class JpegFormat(PayloadFormat):
    """RFC 2435, types 0, 1, 64 and 65; each unit is a complete JPEG file."""

    def __init__(self, size: tuple[int, int] = (0, 0)) -> None:
        self._size = size
        """Used for pictures that are too large for the header's fields."""
        self._known_tables: dict[int, bytes] = {}
        """Tables by Q; below 255 a camera may send them once only (§4.2)."""

    def size(self, packets: PacketBlock) -> tuple[int, int] | None:
        """Return width and height of the picture in a block, or None."""
        for _, _, payload in block.payloads(packets):
            if len(payload) >= _MAIN.size:
                width, height = self._dimensions(payload)
                return (width, height) if width and height else None
        return None

    def pieces(self, frame: Sequence[bytes | memoryview], room: int) -> Iterator[Piece]:
        """Yield the fragments of JPEG files. Raises ValueError for what RFC 2435 can't carry."""
        for unit in frame:
            picture = jpeg_file.parse(unit)
            if max(picture.width, picture.height) > _MAX_SIZE:
                raise ValueError(
                    f"a JPEG of {picture.width}x{picture.height} is too large for RTP; at most {_MAX_SIZE} either way"
                )
            yield from self._pieces(picture, room)

    def marks_end(self) -> bool:
        """The last packet of a picture is marked (§3.1)."""
        return True

    def _pieces(self, picture: jpeg_file.Picture, room: int) -> Iterator[Piece]:
        kind = next(kind for kind, sampling in _SAMPLINGS.items() if sampling == picture.sampling)
        restart = b""
        if picture.restart_interval:
            kind += _RESTARTING
            restart = _RESTART.pack(picture.restart_interval, 0xFFFF)
        tables = _TABLES.pack(0, 0, len(picture.tables)) + picture.tables
        position = 0
        while position < len(picture.scan):
            main = _MAIN.pack(position, kind, _ALWAYS_WITH_TABLES, (picture.width + 7) // 8, (picture.height + 7) // 8)
            header = main + restart + (b"" if position else tables)
            part = picture.scan[position : position + room - len(header)]
            yield header, header, header, part
            position += len(part)

    def _take(self, payload: memoryview, fragments: list[memoryview], units: list[memoryview], *, last: bool) -> None:
        if len(payload) < _MAIN.size:
            return
        if not int.from_bytes(payload[1:4], "big"):
            fragments.clear()
        elif not fragments:
            return
        fragments.append(payload)
        if last:
            picture = self._picture(fragments)
            if picture is not None:
                units.append(memoryview(jpeg_file.serialize(picture)))
            fragments.clear()

    def _picture(self, fragments: Sequence[memoryview]) -> jpeg_file.Picture | None:
        """Join fragments without a hole between them."""
        first = fragments[0]
        kind, q = first[4], first[5]
        sampling = _SAMPLINGS.get(kind & ~_RESTARTING)
        width, height = self._dimensions(first)
        if sampling is None or kind >= 2 * _RESTARTING or not width or not height:
            return None
        skip = _MAIN.size + (_RESTART.size if kind & _RESTARTING else 0)
        interval = int.from_bytes(first[8:10], "big") if kind & _RESTARTING else 0
        tables, begin = self._tables(first, q, skip)
        parts = [first[begin:], *(fragment[skip:] for fragment in fragments[1:])]
        if tables is None or not _contiguous(fragments, parts):
            return None
        return jpeg_file.Picture(width, height, sampling, tables, interval, memoryview(b"".join(parts)))

    def _tables(self, first: memoryview, q: int, position: int) -> tuple[bytes | None, int]:
        """Return both quantization tables, and where the scan begins."""
        if q < _WITH_TABLES:
            return (quantization(q) if q else None), position
        if len(first) < position + _TABLES.size:
            return None, position
        _, precision, size = _TABLES.unpack_from(first, position)
        begin = position + _TABLES.size + size
        if not size:
            return self._known_tables.get(q), begin
        if precision or size not in {64, 128} or len(first) < begin:
            return None, begin
        tables = bytes(first[begin - size : begin])
        tables = tables if size == 128 else tables * 2  # noqa: PLR2004 - one table serves both
        self._known_tables[q] = tables
        return tables, begin

    def _dimensions(self, payload: memoryview) -> tuple[int, int]:
        return payload[6] * 8 or self._size[0], payload[7] * 8 or self._size[1]


def _contiguous(fragments: Sequence[memoryview], parts: Sequence[memoryview]) -> bool:
    position = 0
    for fragment, part in zip(fragments, parts, strict=True):
        if int.from_bytes(fragment[1:4], "big") != position:
            return False
        position += len(part)
    return True
