"""One RTP packet: parse and serialise (RFC 3550 §5.1)."""

import struct
from dataclasses import dataclass
from typing import Final

HEADER_SIZE: Final = 12
VERSION: Final = 2

_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """An RTP packet with its header fields."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes | memoryview
    csrcs: tuple[int, ...] = ()
    extension_profile: int | None = None
    """The extension's 16-bit identifier, or None without an extension (RFC 3550 §5.3.1)."""
    extension: bytes = b""
    """The extension's content; a multiple of four bytes."""


def payload_bounds(data: Buffer, start: int, end: int) -> tuple[int, int] | None:
    """Return where the payload of the packet `data[start:end]` begins and ends, or None when it is no RTP packet.

    CSRCs, the header extension and padding are left out.
    """
    if end - start < HEADER_SIZE:
        return None
    first = data[start]
    if first >> 6 != VERSION:
        return None
    begin = start + HEADER_SIZE + 4 * (first & 0x0F)
    if first & 0x10:
        if begin + 4 > end:
            return None
        begin += 4 + 4 * (data[begin + 2] << 8 | data[begin + 3])
    if first & 0x20:
        end -= data[end - 1]
    return (begin, end) if begin <= end else None


def parse(data: Buffer) -> RtpPacket | None:
    """Read a packet; None when the bytes are no RTP packet. The payload is a view of `data`."""
    bounds = payload_bounds(data, 0, len(data))
    if bounds is None:
        return None
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
    csrcs = struct.unpack_from(f"!{first & 0x0F}I", data, HEADER_SIZE)
    profile, extension = None, b""
    if first & 0x10:
        position = HEADER_SIZE + 4 * len(csrcs)
        profile, words = _EXTENSION.unpack_from(data, position)
        extension = bytes(data[position + 4 : position + 4 + 4 * words])
    return RtpPacket(
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        marker=bool(second & 0x80),
        payload=memoryview(data)[bounds[0] : bounds[1]],
        csrcs=csrcs,
        extension_profile=profile,
        extension=extension,
    )


def serialize(packet: RtpPacket) -> bytes:
    """Write a packet, without padding."""
    extended = packet.extension_profile is not None
    first = VERSION << 6 | extended << 4 | len(packet.csrcs)
    second = packet.marker << 7 | packet.payload_type
    parts = [
        _FIXED.pack(first, second, packet.sequence, packet.timestamp, packet.ssrc),
        struct.pack(f"!{len(packet.csrcs)}I", *packet.csrcs),
    ]
    if packet.extension_profile is not None:
        parts += [_EXTENSION.pack(packet.extension_profile, len(packet.extension) // 4), packet.extension]
    return b"".join([*parts, packet.payload])
