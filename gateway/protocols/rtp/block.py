"""Packet blocks: RTP packets framed for interleaved TCP in one bytes object (RFC 2326 §10.12)."""

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.domain.media import PacketBlock
from gateway.protocols.rtp.packet import payload_bounds

FRAME_HEADER: Final = 4
"""`$`, the channel and a 16-bit length."""


def frame(packets: Iterable[bytes | memoryview], channel: int) -> PacketBlock:
    """Put packets into one block, each behind its frame header."""
    parts: list[bytes | memoryview] = []
    for packet in packets:
        parts += [bytes((0x24, channel)) + len(packet).to_bytes(2, "big"), packet]
    return PacketBlock(b"".join(parts), len(parts) // 2)


def on_channel(block: PacketBlock, channel: int) -> PacketBlock:
    """Return a block whose packets are framed for another channel."""
    data = bytearray(block.data)
    for offset in block.offsets:
        data[offset + 1] = channel
    return PacketBlock(bytes(data), block.count)


def packets(block: PacketBlock) -> Iterator[memoryview]:
    """Yield every packet of a block without its frame header."""
    view = memoryview(block.data)
    for start, end in _bounds(block):
        yield view[start:end]


def payloads(block: PacketBlock) -> Iterator[tuple[int, bool, memoryview]]:
    """Yield sequence number, marker and payload of every packet; what is no RTP packet is left out.

    Payloads come without header extension and padding.
    """
    data, view = block.data, memoryview(block.data)
    for start, end in _bounds(block):
        bounds = payload_bounds(data, start, end)
        if bounds is not None:
            yield data[start + 2] << 8 | data[start + 3], data[start + 1] > 127, view[bounds[0] : bounds[1]]  # noqa: PLR2004 - the marker is the top bit


def payload(block: PacketBlock, view: memoryview, index: int) -> tuple[int, bool, memoryview] | None:
    """Return the same of one packet, None when it is no RTP packet; `view` is of the block's data."""
    data, offset = block.data, block.offsets[index]
    start = offset + FRAME_HEADER
    end = min(start + (data[offset + 2] << 8 | data[offset + 3]), len(data))
    bounds = payload_bounds(data, start, end) if start <= end else None
    if bounds is None:
        return None
    return data[start + 2] << 8 | data[start + 3], data[start + 1] > 127, view[bounds[0] : bounds[1]]  # noqa: PLR2004 - the marker is the top bit


def ends_frame(block: PacketBlock) -> bool:
    """Tell whether the last packet has the marker, which ends a frame of video (RFC 6184 §5.1, RFC 7798 §4.1)."""
    second = block.offsets[-1] + FRAME_HEADER + 1 if block.offsets else len(block.data)
    return second < len(block.data) and block.data[second] > 127  # noqa: PLR2004 - the marker is the top bit


def _bounds(block: PacketBlock) -> Iterator[tuple[int, int]]:
    data, size = block.data, len(block.data)
    for offset in block.offsets:
        start = offset + FRAME_HEADER
        if start <= size:
            yield start, min(start + (data[offset + 2] << 8 | data[offset + 3]), size)
