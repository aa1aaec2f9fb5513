"""When a frame was captured: UTC of a track's timestamps, from sender reports, else from arrival."""

from typing import Final

from gateway.protocols.rtp import ntp

TRUSTED_NS: Final = 5 * ntp.NS
"""A camera whose clock is within this of ours is believed; recordings of one that is not would be out of place."""

_CREEP: Final = 10
"""Arrival times follow a slower camera clock by 1/1024 of the difference at each frame."""
_JUMP_NS: Final = 10 * ntp.NS
"""Timestamps that leave the arrival time by this much have started anew."""


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
    """Turns the unwrapped timestamps of one track into UTC nanoseconds."""

    __slots__ = ("_clock", "_offset_ns", "_rate", "_reported")

    def __init__(self, clock_rate: int, clock: CameraClock) -> None:
        self._rate = clock_rate
        self._clock = clock
        self._offset_ns: int | None = None
        self._reported = False

    def sender_report(self, ntp_time: int, rtp_time: int, arrival_ns: int) -> None:
        """Learn which time an unwrapped timestamp is. A camera without a clock sends 0, which says nothing."""
        if ntp_time:
            self._offset_ns = self._clock.correct(ntp.to_utc_ns(ntp_time), arrival_ns) - rtp_time * ntp.NS // self._rate
            self._reported = True

    def utc_ns(self, rtp_time: int, arrival_ns: int) -> int:
        """Return the capture time of a timestamp.

        Without sender reports it is the earliest arrival seen so far plus the time that the timestamps count, since
        the network can only delay; a drift of the camera's clock is followed slowly.
        """
        elapsed = rtp_time * ntp.NS // self._rate
        offset = arrival_ns - elapsed
        if self._offset_ns is None or abs(offset - self._offset_ns) > _JUMP_NS:
            self._offset_ns, self._reported = offset, False
        elif not self._reported:
            late = offset - self._offset_ns
            self._offset_ns += late if late < 0 else late >> _CREEP
        return elapsed + self._offset_ns
