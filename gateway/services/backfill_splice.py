"""Where fetched footage fits into a gap, to the frame: decisions without I/O.

The clocks of camera and gateway may differ, and so may the times that the same frame has here and there. So the frames
next to the gap are looked for by what they show; by their times only where they are not found, or where several show
the same, as those of a covered camera do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from gateway.domain.media import MediaKind
from gateway.domain.recording import Span
from gateway.services.recorder_gops import Gop

NEAR_NS = 15_000_000
"""Key frames whose times differ by no more are the same: frames are farther apart."""
MARGIN_NS = 3_000_000_000
"""The same frame is not farther from itself by the two clocks."""
MAX_EARLY_BYTES = 64 * 1024 * 1024
"""What is kept back at most while the frame next to the gap is looked for."""
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
        self._early: list[tuple[Gop, bytes]] = []
        """Kept back until all that may be the GOP of `before` is seen."""
        self._shift_ns = 0
        self._begun = False
        self._alike = before is not None and after is not None and before.picture == after.picture
        """Key frames show the same, so that a picture does not say which one it is."""
        self._held: Gop | None = None
        """Kept back until it is known what it ends with."""
        self._known = False
        """It is that of `before`, and nothing of it is missing."""

    def take(self, gop: Gop, picture: bytes) -> list[Gop]:
        """Take the next GOP and the identity of its key frame; returns what is to be stored now."""
        if self._begun:
            return self._fitted([(gop, picture)])
        self._early.append((gop, picture))
        last_ns = self._before.time_ns + MARGIN_NS if self._before else gop.start_ns
        enough = gop.start_ns >= last_ns or sum(each.size for each, _ in self._early) > MAX_EARLY_BYTES
        return self._begin() if enough else []

    def flush(self) -> list[Gop]:
        """Return what was kept back, when the camera has no more; not what is there already."""
        found = [] if self._begun else self._begin()
        held, self._held = self._held, None
        self.joins = self.joins and not self._known
        return found if self._known or held is None else [*found, held]

    def _begin(self) -> list[Gop]:
        """Find what is stored first, and learn how the camera's clock differs from ours."""
        early, self._early = self._early, []
        pictures = [picture for _, picture in early]
        self._alike = self._alike or len({*pictures}) < len(pictures)
        same = self._same([gop for gop, _ in early], pictures)
        if same is not None and self._before is not None:
            self._shift_ns = self._before.time_ns - early[same][0].start_ns
            self.joins = True
        else:
            same = next((number for number, (gop, _) in enumerate(early) if gop.start_ns >= self._span.start_ns), None)
        self._begun = same is not None
        return [] if same is None else self._fitted(early[same:])

    def _same(self, gops: Sequence[Gop], pictures: Sequence[bytes]) -> int | None:
        """Return which GOP is that of `before`: of those that show the same, the nearest."""
        before = self._before
        if before is None:
            return None
        away = [abs(gop.start_ns - before.time_ns) for gop in gops]
        shown = [number for number, picture in enumerate(pictures) if picture == before.picture]
        found = shown or [number for number, each in enumerate(away) if each <= NEAR_NS]
        return min(found, key=away.__getitem__, default=None)

    def _fitted(self, gops: Sequence[tuple[Gop, bytes]]) -> list[Gop]:
        found = (self._fit(_shifted(gop, self._shift_ns), picture) for gop, picture in gops)
        return [gop for gop in found if gop is not None]

    def _fit(self, gop: Gop, picture: bytes) -> Gop | None:
        """Take a GOP in our time; returns what is to be stored now."""
        if self.done:
            return None
        if self._is_after(gop, picture):
            self.done = True
            return self._last(self._after.time_ns if self._after else self._span.end_ns)
        held, self._held, self._known = self._held, gop, self._held is None and self._is_known(gop)
        return held

    def _is_known(self, gop: Gop) -> bool:
        return self.joins and self._before is not None and frames(gop) <= self._before.frames

    def _is_after(self, gop: Gop, picture: bytes) -> bool:
        if self._after is not None and picture == self._after.picture:
            near_ns = (gop.end_ns - gop.start_ns) // 2 if self._alike else MARGIN_NS
            return gop.start_ns >= self._after.time_ns - near_ns
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
