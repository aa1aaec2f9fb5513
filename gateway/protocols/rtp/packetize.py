"""Frames into RTP packets, for sources that do not speak RTP."""

import struct
from collections.abc import Sequence
from typing import Final

from gateway.domain.media import AccessUnit, PacketBlock, TrackDescription
from gateway.protocols.rtp.depacketize import depacketizer
from gateway.protocols.rtp.packet import HEADER_SIZE

_HEAD = struct.Struct("!BBHBBHII")
"""Interleaved frame header and RTP header."""
_VERSION: Final = 0x80
_MARKER: Final = 0x80
_EXTENDED: Final = 0x10
"""The bit X."""


class Packetizer:
    """Makes access units of one track: sequence numbers run on from unit to unit."""

    def __init__(self, track_index: int, track: TrackDescription, ssrc: int, sequence: int, mtu: int = 1400) -> None:
        self._track = track_index
        self._payload_type = track.payload_type
        self._format = depacketizer(track)
        self._marker = _MARKER if self._format.marks_end() else 0
        self._ssrc = ssrc
        self.sequence = sequence & 0xFFFF
        """Sequence number of the next packet."""
        self._room = mtu - HEADER_SIZE

    def unit(
        self,
        payload: Sequence[bytes | memoryview],
        rtp_time: int,
        utc_ns: int,
        keyframe: bool,  # noqa: FBT001
        extension: bytes = b"",
    ) -> AccessUnit:
        """Return the access unit of one frame: NAL units, or one JPEG file, or audio frames.

        Its first packet gets the header extension (RFC 3550 §5.3.1), by which it is longer than the others at most.

        Raises ValueError when the payload format can't carry the frame.
        """
        parts: list[bytes | memoryview] = []  # heads and contents of packets in turn
        offsets: list[int] = []
        sequence, position = self.sequence, 0
        for prefix, content in self._format.pieces(payload, self._room):
            step = self._room - len(prefix)
            alike = max(len(content) - 1, 0) // step
            last = content
            if alike:
                size = HEADER_SIZE + self._room
                heads = self._heads(size, sequence, rtp_time, prefix, alike)
                run: list[bytes | memoryview] = [b""] * (2 * alike)
                run[::2] = heads
                run[1::2] = [content[at : at + step] for at in range(0, alike * step, step)]
                parts += run
                offsets += range(position, position + alike * (4 + size), 4 + size)
                position += alike * (4 + size)
                sequence += alike
                last = content[alike * step :]
            size = HEADER_SIZE + len(prefix) + len(last)
            parts += (self._head(size, sequence, rtp_time) + prefix, last)
            offsets.append(position)
            position += 4 + size
            sequence += 1
        self.sequence = sequence & 0xFFFF
        if parts and self._marker:
            parts[-2] = _changed(parts[-2], 5, parts[-2][5] | self._marker)
        if parts and extension:
            parts[0] = _extended(parts[0], extension)
            offsets[1:] = [offset + len(extension) for offset in offsets[1:]]
        block = PacketBlock(b"".join(parts), offsets)
        return AccessUnit(self._track, rtp_time, utc_ns, keyframe, block, self._format)

    def _head(self, size: int, sequence: int, rtp_time: int) -> bytes:
        return _HEAD.pack(
            0x24,
            2 * self._track,
            size,
            _VERSION,
            self._payload_type,
            sequence & 0xFFFF,
            rtp_time & 0xFFFFFFFF,
            self._ssrc,
        )

    def _heads(self, size: int, sequence: int, rtp_time: int, prefix: bytes, count: int) -> list[memoryview]:
        """Return the heads of packets that differ by their numbers only; columns of bytes are set at once."""
        head = self._head(size, sequence, rtp_time) + prefix
        length = len(head)
        heads = bytearray(head * count)
        numbers = struct.pack(f"!{count}H", *[number & 0xFFFF for number in range(sequence, sequence + count)])
        heads[6::length], heads[7::length] = numbers[::2], numbers[1::2]
        view = memoryview(heads)
        return [view[at : at + length] for at in range(0, count * length, length)]


def _changed(head: bytes | memoryview, at: int, value: int) -> bytes:
    """Return a head with another byte in one place."""
    return b"".join((head[:at], bytes((value,)), head[at + 1 :]))


def _extended(head: bytes | memoryview, extension: bytes) -> bytes:
    """Return a packet's head with a header extension behind its RTP header."""
    size = int.from_bytes(head[2:4], "big") + len(extension)
    fixed = _changed(head, 4, head[4] | _EXTENDED)
    return b"".join((fixed[:2], size.to_bytes(2, "big"), fixed[4 : _HEAD.size], extension, fixed[_HEAD.size :]))
