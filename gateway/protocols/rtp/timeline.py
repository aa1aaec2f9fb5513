"""When a frame was captured: UTC of a track's timestamps, from sender reports, else from arrival."""

import math
from typing import Final

from gateway.protocols.rtp import ntp

TRUSTED_NS: Final = 5 * ntp.NS
"""A camera whose clock is within this of ours is believed; recordings of one that is not would be out of place."""

_CREEP: Final = 10
"""Arrival times follow a slower camera clock by 1/1024 of the difference at each frame."""
_JUMP_NS: Final = 10 * ntp.NS
"""Timestamps that leave the arrival time by this much have started anew."""
_MASK: Final = 0xFFFFFFFF
_HALF: Final = 1 << 31
_FIRST: Final = 1 << 32
"""More than any timestamp, so that the first one is not taken as a step."""
_UNKNOWN: Final = -(1 << 80)
"""So far from any time that the first arrival counts as a jump."""


class CameraClock:
    """The difference between a camera's clock and ours, one for all its tracks, so that they stay in step."""

    __slots__ = ("skew_ns",)

    def __init__(self) -> None:
        self.skew_ns = 0

    def correct(self, camera_ns: int, arrival_ns: int) -> int:
        """Return the camera's time as ours: as it is when near, else moved to the arrival of its first report."""
        if abs(camera_ns - arrival_ns) <= TRUSTED_NS:
            self.skew_ns = 0
        elif abs(camera_ns + self.skew_ns - arrival_ns) > TRUSTED_NS:
            self.skew_ns = arrival_ns - camera_ns
        return camera_ns + self.skew_ns


class Timeline:
    """Turns the 32-bit timestamps of one track into ones that do not wrap, and into UTC nanoseconds."""

    __slots__ = ("_clock", "_low", "_offset_ns", "_rate", "_reported", "_rtp_time", "_scale")

    def __init__(self, clock_rate: int, clock: CameraClock) -> None:
        shared = math.gcd(ntp.NS, clock_rate)
        self._scale, self._rate = ntp.NS // shared, clock_rate // shared
        """Nanoseconds are ticks times the one divided by the other; small numbers cost less."""
        self._clock = clock
        self._rtp_time = -1
        """The last timestamp, unwrapped; negative before the first."""
        self._low = _FIRST
        """The same as it came."""
        self._offset_ns = _UNKNOWN
        self._reported = False

    def sender_report(self, ntp_time: int, timestamp: int, arrival_ns: int) -> None:
        """Learn which time a timestamp is. A camera without a clock sends 0, which says nothing."""
        if ntp_time:
            elapsed = self._near(timestamp) * self._scale // self._rate
            self._offset_ns = self._clock.correct(ntp.to_utc_ns(ntp_time), arrival_ns) - elapsed
            self._reported = True

    def capture(self, timestamp: int, arrival_ns: int) -> tuple[int, int]:
        """Return the next frame's timestamp, unwrapped, and its capture time.

        A timestamp is taken as the nearest to the one before it; its low 32 bits stay what they are.

        Without sender reports a time is the earliest arrival seen so far plus the time that the timestamps count,
        since the network can only delay; a drift of the camera's clock is followed slowly.
        """
        step = timestamp - self._low
        forward = 0 <= step < _HALF  # nearly always, and not around
        rtp_time = self._rtp_time + step if forward else self._near(timestamp)
        self._rtp_time, self._low = rtp_time, timestamp
        elapsed = rtp_time * self._scale // self._rate
        late = arrival_ns - elapsed - self._offset_ns
        if not -_JUMP_NS <= late <= _JUMP_NS:
            self._offset_ns += late
            self._reported = False
        elif not self._reported:
            self._offset_ns += late if late < 0 else late >> _CREEP
        return rtp_time, elapsed + self._offset_ns

    def _near(self, timestamp: int) -> int:
        """Return a timestamp unwrapped; it may be less than the last one."""
        if self._rtp_time < 0:
            return timestamp
        step = (timestamp - self._low) & _MASK
        extended = self._rtp_time + (step if step < _HALF else step - _MASK - 1)
        return extended if extended >= 0 else extended + _MASK + 1
