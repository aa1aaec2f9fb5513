"""Which segment and which gap-free run a GOP belongs to: decisions without I/O."""

from dataclasses import dataclass
from zlib import crc32

from gateway.domain.media import StreamDescription
from gateway.services.recorder_gops import Gop

SEGMENT_NS = 60_000_000_000
"""Segments end at the first key frame past a minute, each recording's at a second of its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a GOP goes."""

    begins_segment: bool
    run_ns: int
    """Start of the run that it belongs to."""


class Segmenter:
    """Places the GOPs of one recording, in order.

    A segment begins with a key frame, holds one description, and belongs to one run; a run ends where data is missing
    (an interruption, a gap, a dropped GOP) and where the clock steps, never merely because the codec changes.
    """

    def __init__(self, recording: str) -> None:
        self._offset_ns = crc32(recording.encode()) * SEGMENT_NS >> 32
        self._run_ns = 0
        self._number: int | None = None
        """Of the last GOP; None when the next one can't follow it."""
        self._minute = 0
        """Minute that the last segment was begun in."""
        self._description = StreamDescription(())
        self._before = self._state

    def place(self, gop: Gop, *, is_open: bool) -> Place | None:
        """Return where a GOP goes, given whether a segment is open; None when its key frame is missing."""
        self._before = self._state
        goes_on = self._number is not None and gop.follows and gop.number == self._number + 1
        minute = (gop.start_ns + self._offset_ns) // SEGMENT_NS
        same = is_open and goes_on and gop.description == self._description
        begins = not same or (gop.keyed and minute != self._minute)
        if begins and not gop.keyed:
            self.interrupted()
            return None
        if not goes_on:
            self._run_ns = gop.start_ns
        if begins:
            self._minute, self._description = minute, gop.description
        self._number = gop.number
        return Place(begins, self._run_ns)

    def retry(self) -> None:
        """Take back the last placing: its GOP was not written. It may be placed again, or be given up."""
        self._run_ns, self._number, self._minute, self._description = self._before

    def interrupted(self) -> None:
        """Take that something is missing from here; the next GOP begins another run."""
        self._number = None

    @property
    def _state(self) -> tuple[int, int | None, int, StreamDescription]:
        return self._run_ns, self._number, self._minute, self._description
