"""Sending on the packets of somebody else as a source of one's own (RFC 3550 §7)."""

from dataclasses import replace
from typing import Final

from gateway.protocols.rtp.packet import RtpPacket, parse, serialize

_SEQUENCES: Final = 1 << 16
_TIMES: Final = 1 << 32


class Restamper:
    """Gives packets its own SSRC, sequence numbers and timestamps; the steps between them stay as they are.

    So a receiver sees what was lost before. Another source that takes over goes on behind the last packet.
    """

    def __init__(self, payload_type: int, ssrc: int, sequence: int, timestamp: int) -> None:
        """`sequence` and `timestamp` are those of the first packet."""
        self.ssrc = ssrc
        self._payload_type = payload_type
        self._next = sequence, timestamp
        self._source: int | None = None
        self._shift = 0, 0

    def packet(self, data: bytes) -> bytes | None:
        """Return a packet as it is sent on, without CSRCs, extension and padding; None for what is no RTP packet."""
        packet = parse(data)
        if packet is None:
            return None
        if packet.ssrc != self._source:
            self._take_over(packet)
        sequence = (packet.sequence + self._shift[0]) % _SEQUENCES
        timestamp = (packet.timestamp + self._shift[1]) % _TIMES
        self._next = (sequence + 1) % _SEQUENCES, timestamp
        own = replace(packet, payload_type=self._payload_type, ssrc=self.ssrc, sequence=sequence, timestamp=timestamp)
        return serialize(replace(own, csrcs=(), extension_profile=None, extension=b""))

    def _take_over(self, packet: RtpPacket) -> None:
        self._source = packet.ssrc
        self._shift = self._next[0] - packet.sequence, self._next[1] - packet.timestamp
