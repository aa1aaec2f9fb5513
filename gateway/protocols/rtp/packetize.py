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
    ) -> AccessUnit:
        """Return the access unit of one frame: NAL units, or one JPEG file, or audio frames.

        Raises ValueError when the payload format can't carry the frame.
        """
        pieces = list(self._format.pieces(payload, self._room))
        parts: list[bytes | memoryview] = []
        offsets = []
        position = 0
        last = len(pieces) - 1
        for index, (prefix, content) in enumerate(pieces):
            size = HEADER_SIZE + len(prefix) + len(content)
            second = self._payload_type | (self._marker if index == last else 0)
            head = _HEAD.pack(
                0x24, 2 * self._track, size, _VERSION, second, self.sequence, rtp_time & 0xFFFFFFFF, self._ssrc
            )
            parts += (head, prefix, content)
            offsets.append(position)
            position += 4 + size
            self.sequence = (self.sequence + 1) & 0xFFFF
        block = PacketBlock(b"".join(parts), tuple(offsets))
        return AccessUnit(self._track, rtp_time, utc_ns, keyframe, block, self._format)
