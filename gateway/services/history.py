"""The history of recordings: when each, and each of its tracks, had data, as property events (Recording Search §5.24).

Times are whole seconds, as clients see them: data begins in the second of its first sample and ends with the second of
its last one, but never begins before the stretch ahead of it has ended. So the states of a property alternate exactly.
"""

from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.domain.event import Event, PropertyOperation, value_text
from gateway.domain.event_history import Place, place_at
from gateway.domain.recording import Recording, Span
from gateway.services.archive import LATEST_NS
from gateway.services.search_windows import Windows
from gateway.services.searches import Step
from gateway.services.searches_scope import Archive, shown
from gateway.services.stored_events import FoundEvent, RecordingEvents

RECORDING_STATE = "tns1:RecordingHistory/Recording/State"
TRACK_STATE = "tns1:RecordingHistory/Track/State"

_AROUND_NS = 2_000_000_000
"""What is looked at beyond a window, to see what a stretch in its first or last second joins."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a recording, or a track of it, has data: stretches in order; one that still grows has no end."""

    recording: str
    track: str
    """Empty for the recording itself."""
    spans: tuple[Span, ...]

    def state(self, time_ns: int) -> FoundEvent:
        """Return the state at a time, as a virtual event."""
        present = any(span.start_ns <= time_ns < span.end_ns for span in self.spans)
        event = self._event(PropertyOperation.INITIALIZED, time_ns, present=present)
        return FoundEvent(self.recording, self.track, event, start_state=True)

    def events(self, window: Span) -> Iterator[FoundEvent]:
        """Yield the changes in a window, in order."""
        for span in self.spans:
            for time_ns, present in ((span.start_ns, True), (span.end_ns, False)):
                if window.start_ns <= time_ns < window.end_ns:
                    event = self._event(PropertyOperation.CHANGED, time_ns, present=present)
                    yield FoundEvent(self.recording, self.track, event)

    def _event(self, operation: PropertyOperation, time_ns: int, *, present: bool) -> Event:
        value = value_text(present)
        source = (("RecordingToken", self.recording),)
        if self.track:
            track = ("Track", self.track)
            return Event(
                TRACK_STATE, (*source, track), (("IsDataPresent", value),), utc_ns=time_ns, operation=operation
            )
        return Event(RECORDING_STATE, source, (("IsRecording", value),), utc_ns=time_ns, operation=operation)


async def find_events(
    recordings: Sequence[Recording],
    archive: Archive,
    stored: RecordingEvents,
    start_ns: int,
    end_ns: int,
    *,
    start_states: bool,
    takes: Callable[[str], bool] = lambda _: True,
) -> AsyncIterator[Step]:
    """Yield all events from one time to another in order, backwards where the end is the earlier one; both included.

    With `start_states` the state of each property at the start comes first; backwards, that at the end comes last.
    Topics that `takes` refuses need not be looked up.
    """
    backward = end_ns < start_ns
    looked_at = Looked(recordings if takes(RECORDING_STATE) or takes(TRACK_STATE) else (), archive, takes(TRACK_STATE))
    if start_states:
        yield await _states(looked_at, stored, start_ns)
    low, high = min(start_ns, end_ns), max(start_ns, end_ns)
    windows = Windows(_searched(recordings, archive, stored.extent(), low, high), backward=backward)
    for window in windows:
        found = await looked_at.events(window)
        windows.found = len(found)
        async for step in _merged(found[::-1] if backward else found, stored, window, backward=backward):
            yield step
    if backward and start_states:
        yield await _states(looked_at, stored, end_ns)
    if end_ns < LATEST_NS:
        yield Step((), end_ns)


@dataclass(frozen=True, slots=True)
class Looked:
    """Recordings whose history is looked at, their tracks' too where that is asked for."""

    recordings: Sequence[Recording]
    archive: Archive
    tracks: bool

    async def events(self, window: Span) -> list[FoundEvent]:
        """Return what began and ended in a window, in order."""
        return sorted((event for line in await self._lines(window) for event in line.events(window)), key=_time)

    async def states(self, time_ns: int) -> list[FoundEvent]:
        """Return the states at a time; a track without any data has none."""
        return [line.state(time_ns) for line in await self._lines(Span(time_ns, time_ns + 1))]

    async def _lines(self, window: Span) -> list[Timeline]:
        return await timelines(self.archive, self.recordings, window, tracks=self.tracks)


async def _merged(
    history: Sequence[FoundEvent], stored: RecordingEvents, window: Span, *, backward: bool
) -> AsyncIterator[Step]:
    """Yield a window's history, in the order of the search, with what is stored between: a page at a time.

    At the same time the history comes first; backwards, last.
    """
    first_ns, last_ns = (window.end_ns - 1, window.start_ns) if backward else (window.start_ns, window.end_ns - 1)
    place: Place | None = place_at(first_ns, reverse=backward)
    taken = 0
    while place is not None:
        others, place = await stored.page(place, last_ns, reverse=backward)
        end = len(history) if place is None else taken + _before(history[taken:], place[0], backward=backward)
        part, taken = history[taken:end], end
        results = sorted([*others, *part], key=_time, reverse=True) if backward else sorted([*part, *others], key=_time)
        yield Step(tuple(results), last_ns if place is None else place[0])


def _before(history: Sequence[FoundEvent], time_ns: int, *, backward: bool) -> int:
    """Return how many events come before what follows a time in the order of the search."""
    if backward:
        return bisect_left(history, -time_ns, key=lambda each: -each.event.utc_ns)
    return bisect_right(history, time_ns, key=_time)


def _time(found: FoundEvent) -> int:
    return found.event.utc_ns


async def timelines(
    archive: Archive, recordings: Sequence[Recording], window: Span, *, tracks: bool = True
) -> list[Timeline]:
    """Return the timelines of recordings, each followed by those of its tracks with data, true within a window."""
    if not recordings:
        return []
    growing = {each.token: _growing(archive, each.token) for each in recordings}
    around = Span(
        min(window.start_ns - _AROUND_NS, *(end_ns - 1 for end_ns in growing.values())),
        min(window.end_ns, LATEST_NS - _AROUND_NS) + _AROUND_NS,
    )
    runs = await archive.runs_of_tracks([each.token for each in recordings], around)
    return [
        Timeline(each.token, track, _shown(runs[each.token].get(track, ()), growing[each.token]))
        for each in recordings
        for track in ("", *(_held(archive, each) if tracks else ()))
    ]


def _growing(archive: Archive, recording: str) -> int:
    """Return the end of what is being written: what reaches as far has not ended."""
    segment = archive.writing(recording)
    return segment.end_ns if segment is not None and segment.fragments else LATEST_NS


def _held(archive: Archive, recording: Recording) -> list[str]:
    """Return the tracks of a recording that there is any data of."""
    extent = archive.extent(recording.token)
    held = {each.token for each in extent.tracks} if extent is not None else set()
    return [track.token for track in recording.tracks if track.token in held]


def _shown(spans: Iterable[Span], growing: int) -> tuple[Span, ...]:
    """Return stretches in whole seconds, none beginning before the end of another.

    One that reaches as far as what is being written, until `growing`, has not ended.
    """
    found: list[Span] = []
    earliest = 0
    for span in spans:
        whole = shown(span)
        start_ns = max(whole.start_ns, earliest)
        end_ns = LATEST_NS if span.end_ns >= growing else max(whole.end_ns, start_ns)
        earliest = end_ns
        found.append(Span(start_ns, end_ns))
    return tuple(found)


def _searched(recordings: Sequence[Recording], archive: Archive, stored: Span | None, low: int, high: int) -> Span:
    """Return what there is to search of a time, both ends included: no more than there is data and events."""
    spans = [shown(extent.span) for each in recordings if (extent := archive.extent(each.token)) is not None]
    if stored is not None:
        spans.append(stored)
    if not spans:
        return Span(low, low)
    return Span(max(low, min(span.start_ns for span in spans)), min(high, max(span.end_ns for span in spans)) + 1)


async def _states(looked_at: Looked, stored: RecordingEvents, time_ns: int) -> Step:
    """Return the states of all properties at a time."""
    return Step((*await looked_at.states(time_ns), *await stored.states(time_ns)), time_ns)
