"""Frames into RTP packets, for sources that do not speak RTP."""

import struct
from collections.abc import Sequence
from typing import Final

from gateway.domain.media import AccessUnit, PacketBlock, TrackDescription
from gateway.protocols.rtp.depacketize import depacketizer
from gateway.protocols.rtp.packet import HEADER_SIZE

_HEAD = struct.Struct("!BBHBBHII")
"""Interleaved frame header and RTP header."""
_NUMBERS: Final = struct.pack("!65536H", *range(65536)) * 2
"""All sequence numbers, from any of them on."""
_VERSION: Final = 0x80
_MARKER: Final = 0x80
_EXTENDED: Final = 0x10
"""The bit X."""

Part = bytes | bytearray | memoryview


class Packetizer:
    """Makes access units of one track: sequence numbers run on from unit to unit."""

    def __init__(self, track_index: int, track: TrackDescription, ssrc: int, sequence: int, mtu: int = 1400) -> None:
        self._track = track_index
        self.channel = 2 * track_index
        """Channel in the interleaved frame headers; other ones are only for packets that make no access units."""
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
        parts, sizes = self.packets(payload, rtp_time, extension)
        block = PacketBlock(b"".join(parts), sum(count for count, _ in sizes))
        return AccessUnit(self._track, rtp_time, utc_ns, keyframe, block, self._format)

    def packets(
        self, payload: Sequence[bytes | memoryview], rtp_time: int, extension: bytes = b""
    ) -> tuple[list[Part], list[tuple[int, int]]]:
        """Return the packets of a unit as parts to be joined, and how many of which size follow each other."""
        parts: list[Part] = []
        sizes: list[tuple[int, int]] = []
        sequence, room = self.sequence, self._room
        for first, middle, last, content in self._format.pieces(payload, room):
            step, left = room - len(last), len(content)
            rest = content
            if left > step:
                count = (left - 1) // step
                run = self._run(content, count, sequence, rtp_time, middle)
                run[_HEAD.size : _HEAD.size + len(first)] = first
                parts.append(run)
                sizes.append((count, _HEAD.size + room))
                sequence += count
                left -= count * step
                rest = content[count * step :]
            parts += (self._head(HEADER_SIZE + len(last) + left, sequence, rtp_time) + last, rest)
            sizes.append((1, _HEAD.size + len(last) + left))
            sequence += 1
        self.sequence = sequence & 0xFFFF
        if parts and self._marker:
            parts[-2] = _changed(parts[-2], 5, parts[-2][5] | self._marker)
        if parts and extension:
            parts[:1] = _extended(memoryview(parts[0]), extension)
            count, size = sizes[0]
            sizes[:1] = [(1, size + len(extension)), (count - 1, size)]
        return parts, sizes

    def _head(self, size: int, sequence: int, rtp_time: int) -> bytes:
        return _HEAD.pack(
            0x24,
            self.channel,
            size,
            _VERSION,
            self._payload_type,
            sequence & 0xFFFF,
            rtp_time & 0xFFFFFFFF,
            self._ssrc,
        )

    def _run(self, content: bytes | memoryview, count: int, sequence: int, rtp_time: int, prefix: bytes) -> bytearray:
        """Return full packets, whose heads differ by their numbers only; columns of bytes are set at once."""
        size, step, first = HEADER_SIZE + self._room, self._room - len(prefix), sequence & 0xFFFF
        head = bytearray(self._head(size, sequence, rtp_time) + prefix)
        run = head.join((b"", *[content[at : at + step] for at in range(0, count * step, step)]))
        size += _HEAD.size - HEADER_SIZE
        numbers = _NUMBERS[2 * first : 2 * (first + count)]
        run[6::size], run[7::size] = numbers[::2], numbers[1::2]
        return run


def _changed(head: Part, at: int, value: int) -> bytes:
    """Return a head with another byte in one place."""
    return b"".join((head[:at], bytes((value,)), head[at + 1 :]))


def _extended(packet: memoryview, extension: bytes) -> tuple[bytes, memoryview]:
    """Return what a packet begins with, up to and with its new header extension, and what comes behind."""
    size = int.from_bytes(packet[2:4], "big") + len(extension)
    begin = (packet[:2], size.to_bytes(2, "big"), bytes((packet[4] | _EXTENDED,)), packet[5 : _HEAD.size], extension)
    return b"".join(begin), packet[_HEAD.size :]
