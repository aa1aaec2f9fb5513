"""The packets of a source that has begun anew, numbered on from the last ones that viewers were sent.

A camera that reconnects, or whose encoder is set, comes with another SSRC and other sequence numbers. RFC 3550 §8.2
has receivers follow that, but FFmpeg over UDP takes lower numbers for late packets, and shows nothing until they grow.
"""

from dataclasses import replace

from gateway.domain.media import AccessUnit
from gateway.protocols.rtp.renumber import Renumbering, first_numbers

_NS = 1_000_000_000


class Continuation:
    """One track as its viewers see it: one source, without a gap in its numbers."""

    __slots__ = ("_clock_rate", "_last", "_renumbering")

    def __init__(self, clock_rate: int) -> None:
        """`clock_rate` is the track's."""
        self._clock_rate = clock_rate
        self._last: AccessUnit | None = None
        self._renumbering: Renumbering | None = None

    def after(self, last: AccessUnit | None) -> None:
        """Number the next source on from the last unit that was sent, if there is one."""
        if last is not None:
            self._last = last

    def next(self, unit: AccessUnit) -> AccessUnit:
        """Return a unit as it is sent. Call it for every unit, in order."""
        if self._last is not None:
            self._renumbering = self._from(self._last, unit)
            self._last = None
        return self.told(unit)

    def told(self, unit: AccessUnit) -> AccessUnit:
        """Return a unit of the present source with the numbers that viewers know."""
        on = self._renumbering
        if on is None:
            return unit
        return replace(unit, rtp_time=unit.rtp_time + on.timestamp, packets=on(unit.packets))

    def _from(self, last: AccessUnit, unit: AccessUnit) -> Renumbering | None:
        before, now = first_numbers(last.packets), first_numbers(unit.packets)
        sequence = before.sequence + last.packets.count & 0xFFFF
        if (sequence, before.ssrc) == (now.sequence, now.ssrc):
            return None
        elapsed = max(1, (unit.utc_ns - last.utc_ns) * self._clock_rate // _NS)
        return Renumbering(sequence - now.sequence, last.rtp_time + elapsed - unit.rtp_time, before.ssrc)
