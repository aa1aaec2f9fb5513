"""Where fetched footage fits into a gap, to the frame: decisions without I/O.

The clocks of camera and gateway may differ, and so may the times that the same frame has here and there. So the frames
next to the gap are looked for by what they show; by their times only where they are not found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from gateway.domain.media import MediaKind
from gateway.domain.recording import Span
from gateway.services.recorder_gops import Gop

NEAR_NS = 15_000_000
"""Key frames whose times differ by no more are the same: frames are farther apart."""
_JOINT_NS = 1_000_000_000
"""What is fetched up to so long before the footage behind the gap reaches it: its last frame lasts that long."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A key frame of stored footage next to a gap."""

    time_ns: int
    picture: bytes
    """What identifies it (`identified`)."""
    frames: int = 0
    """How many frames of its GOP are stored."""


class Splice:
    """Fits the GOPs fetched for a gap into it.

    The last GOP before a gap is mostly cut short; then what is fetched begins with that one whole, to take its place.
    """

    def __init__(self, span: Span, before: Edge | None, after: Edge | None) -> None:
        """`before` is the last key frame before the gap, `after` the first behind it; None where there is none."""
        self.joins = False
        """What was fetched begins with the GOP of `before`, which takes the place of what is stored of it."""
        self.done = False
        """The footage behind the gap is reached: what follows is not wanted."""
        self._span, self._before, self._after = span, before, after
        self._shift_ns = 0
        self._begun = False
        self._held: Gop | None = None
        """Kept back until it is known what it ends with."""
        self._known = False
        """It is that of `before`, and nothing of it is missing."""

    def take(self, gop: Gop, picture: bytes) -> Gop | None:
        """Take the next GOP and the identity of its key frame; returns what is to be stored now."""
        if self.done or not (self._begun or self._begins(gop, picture)):
            return None
        gop = _shifted(gop, self._shift_ns)
        if self._is_after(gop, picture):
            self.done = True
            return self._last(self._after.time_ns if self._after else self._span.end_ns)
        held, self._held, self._known = self._held, gop, self._held is None and self._is_known(gop)
        return held

    def flush(self) -> Gop | None:
        """Return what was kept back, when the camera has no more; not what is there already."""
        held, self._held = self._held, None
        self.joins = self.joins and not self._known
        return None if self._known else held

    def _begins(self, gop: Gop, picture: bytes) -> bool:
        """Tell whether what is stored begins with a GOP, and learn how its clock differs from ours."""
        before = self._before
        if before is not None and (picture == before.picture or abs(gop.start_ns - before.time_ns) <= NEAR_NS):
            self._shift_ns = before.time_ns - gop.start_ns
            self.joins = True
        self._begun = self.joins or gop.start_ns >= self._span.start_ns
        return self._begun

    def _is_known(self, gop: Gop) -> bool:
        return self.joins and self._before is not None and frames(gop) <= self._before.frames

    def _is_after(self, gop: Gop, picture: bytes) -> bool:
        if self._after is not None and picture == self._after.picture:
            return True
        return gop.start_ns >= self._span.end_ns - NEAR_NS

    def _last(self, end_ns: int) -> Gop | None:
        """Return the last GOP without what is there already, lasting up to the footage behind the gap."""
        held, self._held = self._held, None
        if held is None:
            return None
        units = tuple(unit for unit in held.units if unit.utc_ns < end_ns)
        reaches = held.end_ns > end_ns - _JOINT_NS
        return replace(held, units=units, end_ns=end_ns) if reaches and units else held


def frames(gop: Gop) -> int:
    """Return how many pictures a GOP has."""
    kinds = [track.kind for track in gop.description.tracks]
    return len({unit.rtp_time for unit in gop.units if kinds[unit.track] is MediaKind.VIDEO})


def identified(payload: Sequence[bytes | memoryview]) -> bytes:
    """Return what identifies a picture: its last part, since parameter sets may come with it or not."""
    return blake2b(payload[-1], digest_size=16).digest() if payload else b""


def _shifted(gop: Gop, shift_ns: int) -> Gop:
    if not shift_ns:
        return gop
    units = tuple(replace(unit, utc_ns=unit.utc_ns + shift_ns) for unit in gop.units)
    return replace(gop, units=units, start_ns=gop.start_ns + shift_ns, end_ns=gop.end_ns + shift_ns)
