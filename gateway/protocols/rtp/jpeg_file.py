"""Baseline JPEG files, as far as RTP needs them taken apart and put together (ITU-T T.81 Annex B)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.protocols.rtp.jpeg_tables import HUFFMAN

_SOI: Final = b"\xff\xd8"
_EOI: Final = b"\xff\xd9"
_SOF0, _DHT, _SOS, _DQT, _DRI = 0xC0, 0xC4, 0xDA, 0xDB, 0xDD
_TABLE: Final = 64
_COMPONENTS: Final = 3
_CHROMA_SAMPLING: Final = 0x11
_FRAME = struct.Struct("!BHHB")


@dataclass(frozen=True, slots=True)
class Picture:
    """A YCbCr picture with the typical Huffman tables."""

    width: int
    height: int
    sampling: int
    """Sampling factors of the luminance: 0x21 for 4:2:2, 0x22 for 4:2:0."""
    tables: bytes
    """Quantization tables of luminance and chrominance, 64 bytes each, in zigzag order."""
    restart_interval: int
    """In MCUs; 0 without restart markers."""
    scan: memoryview
    """Entropy-coded data."""


def parse(data: bytes | memoryview) -> Picture:
    """Take a file apart. Raises ValueError, naming the reason, for one that RTP can't carry."""
    tables: dict[int, bytes] = {}
    last: dict[int, memoryview] = {}
    huffman = b""
    for marker, content in _segments(memoryview(data)):
        last[marker] = content
        if marker == _DQT:
            tables |= _quantization_tables(content)
        elif marker == _DHT:
            huffman += bytes(content)
        elif marker & 0xF0 == _SOF0 and marker != _SOF0:
            raise ValueError(f"a JPEG with frame type 0x{marker:02x} can't be sent by RTP, only baseline ones")
    if not last.get(_SOF0) or not last.get(_SOS):
        raise ValueError("a JPEG without a baseline frame or without a scan can't be sent by RTP")
    if not _typical(huffman):
        raise ValueError("a JPEG with Huffman tables of its own can't be sent by RTP")
    width, height, sampling, selectors = _frame(bytes(last[_SOF0]))
    try:
        both = tables[selectors[0]] + tables[selectors[1]]
    except KeyError as error:
        raise ValueError(f"the JPEG's quantization table {error.args[0]} is missing") from None
    interval = int.from_bytes(last[_DRI][:2], "big") if _DRI in last else 0
    return Picture(width, height, sampling, both, interval, last[_SOS])


def serialize(picture: Picture) -> bytes:
    """Put a file together."""
    sampling = bytes((1, picture.sampling, 0, 2, _CHROMA_SAMPLING, 1, 3, _CHROMA_SAMPLING, 1))
    parts: list[bytes | memoryview] = [
        _SOI,
        _segment(_DQT, b"\0" + picture.tables[:_TABLE]),
        _segment(_DQT, b"\1" + picture.tables[_TABLE:]),
        _segment(_DRI, picture.restart_interval.to_bytes(2, "big")) if picture.restart_interval else b"",
        _segment(_SOF0, _FRAME.pack(8, picture.height, picture.width, _COMPONENTS) + sampling),
        HUFFMAN,
        _segment(_SOS, bytes((_COMPONENTS, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0))),
        picture.scan,
    ]
    if bytes(picture.scan[-2:]) != _EOI:
        parts.append(_EOI)
    return b"".join(parts)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack("!BBH", 0xFF, marker, 2 + len(content)) + content


def _segments(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the segments by marker; of SOS, instead of its header, the scan that follows up to the end of image."""
    if bytes(data[:2]) != _SOI:
        raise ValueError("the picture is no JPEG: it does not begin with FF D8")
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:  # noqa: PLR2004 - what every marker begins with
            raise ValueError(f"the JPEG has no marker at byte {position}")
        marker = data[position + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fill bytes
            position += 1
            continue
        size = data[position + 2] << 8 | data[position + 3]
        end = position + 2 + size
        if marker == _SOS:
            stop = len(data) - 2 if bytes(data[-2:]) == _EOI else len(data)
            yield marker, data[end:stop]
            return
        yield marker, data[position + 4 : end]
        position = end


def _quantization_tables(content: memoryview) -> dict[int, bytes]:
    tables = {}
    while len(content) > _TABLE:
        if content[0] > 0x0F:  # noqa: PLR2004 - the precision above the number
            raise ValueError("a JPEG with 16-bit quantization tables can't be sent by RTP")
        tables[content[0]] = bytes(content[1 : 1 + _TABLE])
        content = content[1 + _TABLE :]
    return tables


def _frame(frame: bytes) -> tuple[int, int, int, tuple[int, int]]:
    """Return width, height, luminance sampling and the selectors of both quantization tables."""
    if len(frame) < _FRAME.size + 3 * _COMPONENTS or frame[5] != _COMPONENTS:
        raise ValueError("a JPEG without three components can't be sent by RTP")
    _, height, width, _ = _FRAME.unpack_from(frame)
    (_, luma, table), (_, blue, blue_table), (_, red, red_table) = (
        frame[start : start + 3] for start in range(_FRAME.size, _FRAME.size + 9, 3)
    )
    if luma not in {0x21, 0x22} or (blue, red) != (_CHROMA_SAMPLING, _CHROMA_SAMPLING) or blue_table != red_table:
        raise ValueError(f"a JPEG with sampling factors {luma:02x} {blue:02x} {red:02x} can't be sent by RTP")
    return width, height, luma, (table, blue_table)


def _typical(huffman: bytes) -> bool:
    return all(table in HUFFMAN for table in _huffman_tables(huffman))


def _huffman_tables(content: bytes) -> Iterator[bytes]:
    position = 0
    while position + 17 <= len(content):
        end = position + 17 + sum(content[position + 1 : position + 17])
        yield content[position:end]
        position = end
