"""When replayed frames are due, and at which playing time they are shown."""

from typing import Final

from gateway.services.playback import Frame

LATE_SECONDS: Final = 1.0
"""What is later than this, as after a wait for a slow client or for what is yet to be recorded, is on time."""
_NS: Final = 1_000_000_000


class Pace:
    """When frames are due, and at which playing time they are shown. Gaps are passed over at once.

    Backward, a GOP is sent at once, forward, and shown from its last frame to its first (ONVIF Streaming §6.7.3): the
    playing time of its frames decreases, that of GOPs increases.
    """

    def __init__(self, now: float, played_ns: float, scale: float, *, backward: bool) -> None:
        self.played_ns = played_ns
        """Where playing has come to: the end of what was sent."""
        self.frame_ns = played_ns
        """The playing time of the frame that was asked about last."""
        self._began = now - played_ns / _NS
        self._scale = scale
        self._backward = backward
        self._anchor_ns: int | None = None
        self._base_ns = played_ns
        self._gop = -1
        self._earlier_ns: int | None = None
        """Backward, where the GOP that was sent before begins."""

    def due(self, frame: Frame, now: float) -> float:
        """Return the monotonic time at which to send a frame. What is very late is not caught up with."""
        new_gop, self._gop = frame.gop != self._gop, frame.gop
        if self._anchor_ns is None or (new_gop and (self._backward or frame.begins)):
            self._anchor_ns = frame.until_ns if self._backward else frame.utc_ns
            self._base_ns = self.played_ns + self._left_out_ns(frame)
        if self._backward:
            self._earlier_ns = frame.utc_ns if new_gop else self._earlier_ns
            end_ns = frame.utc_ns + frame.duration_ns
            self.frame_ns = self._base_ns + max(self._anchor_ns - end_ns, 0) / self._scale
            due_ns = self._base_ns
        else:
            due_ns = self.frame_ns = self._base_ns + (frame.utc_ns - self._anchor_ns) / self._scale
        self.played_ns = max(self.played_ns, self.frame_ns + frame.duration_ns / self._scale)
        due = self._began + due_ns / _NS
        if now - due > LATE_SECONDS:
            self._began += now - due
            due = now
        return due

    def _left_out_ns(self, frame: Frame) -> float:
        """Return the playing time, backward, of what is not sent between two GOPs, such as all but key frames."""
        if self._earlier_ns is None or frame.after_gap:
            return 0.0
        return max(self._earlier_ns - frame.until_ns, 0) / self._scale
