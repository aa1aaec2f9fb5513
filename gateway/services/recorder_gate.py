"""Which GOPs are recorded: all, those in a schedule, or those around events, from memory before each."""

from collections import deque
from collections.abc import Hashable

from gateway.domain.recording import Trigger
from gateway.services.recorder_gops import Gop
from gateway.services.schedule import Schedule

MAX_HELD_BYTES = 64 * 1024 * 1024
"""Memory of one recording for what comes before events."""
LATENESS_NS = 5_000_000_000
"""Events tell of moments that are past; so much longer than `before_seconds` is kept in memory."""

_NS = 1_000_000_000
_FOREVER = 1 << 63
_MAX_TRUE = 1024
"""States that are true at once; a source that invents them must not fill the memory."""


class Gate:
    """Decides for one recording, GOP by GOP. Whole GOPs are recorded, so that each can be played."""

    def __init__(self, trigger: Trigger, schedule: Schedule | None) -> None:
        self._schedule = schedule
        self._waits = bool(trigger.topics)
        self._before_ns = round(trigger.before_seconds * _NS)
        self._after_ns = round(trigger.after_seconds * _NS)
        self._true: set[Hashable] = set()
        self._windows: list[tuple[int, int]] = []
        """Times to record, in order of their starts; the last one is without end while an event lasts."""
        self._held: deque[Gop] = deque()
        self._held_bytes = 0

    def take(self, gop: Gop) -> list[Gop] | None:
        """Take a GOP; returns what is to be recorded now, in order; None when the file can be closed."""
        if self._waits:
            self._hold(gop)
            found = self._release()
            self._forget(gop)
            return found if found or self._recording(gop.end_ns) else None
        return [gop] if self._scheduled(gop) else None

    def told(self, state: Hashable, utc_ns: int, *, true: bool) -> list[Gop]:
        """Take that a state became true or false at a time; returns what is to be recorded now, in order."""
        if true and len(self._true) < _MAX_TRUE:
            if not self._true:
                self._begin(utc_ns - self._before_ns)
            self._true.add(state)
        elif not true and state in self._true:
            self._true.discard(state)
            if not self._true:
                start_ns, _ = self._windows.pop()
                self._windows.append((start_ns, max(start_ns, utc_ns + self._after_ns)))
        return self._release()

    def _begin(self, start_ns: int) -> None:
        """Begin to record at a time, or go on if that is in the last window."""
        if self._windows and start_ns <= self._windows[-1][1]:
            start_ns = min(start_ns, self._windows.pop()[0])
        self._windows.append((start_ns, _FOREVER))

    def _recording(self, utc_ns: int) -> bool:
        """Tell whether a moment is to be recorded as far as is known."""
        return any(start_ns < utc_ns < end_ns for start_ns, end_ns in self._windows)

    def _wanted(self, gop: Gop) -> bool:
        overlaps = any(start_ns < gop.end_ns and gop.start_ns < end_ns for start_ns, end_ns in self._windows)
        return overlaps and self._scheduled(gop)

    def _scheduled(self, gop: Gop) -> bool:
        schedule = self._schedule
        return schedule is None or schedule.active(gop.start_ns) or schedule.active(gop.end_ns - 1)

    def _hold(self, gop: Gop) -> None:
        self._held.append(gop)
        self._held_bytes += gop.size

    def _release(self) -> list[Gop]:
        """Hand out what is wanted of the held; what is older than it can't be recorded any more."""
        wanted = [gop for gop in self._held if self._wanted(gop)]
        while wanted and self._held and self._held[0] is not wanted[-1]:
            self._held_bytes -= self._held.popleft().size
        if wanted:
            self._held_bytes -= self._held.popleft().size
        return wanted

    def _forget(self, newest: Gop) -> None:
        """Let go of GOPs that no event can want any more, and of windows that are over."""
        oldest_ns = newest.end_ns - self._before_ns - LATENESS_NS
        while self._held and (self._held[0].end_ns <= oldest_ns or self._held_bytes > MAX_HELD_BYTES):
            self._held_bytes -= self._held.popleft().size
        self._windows = [window for window in self._windows if window[1] > oldest_ns]
