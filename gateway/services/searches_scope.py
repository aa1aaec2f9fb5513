"""What a search looks at, and what is said of the recordings it finds (tt:RecordingInformation)."""

from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from gateway.domain.recording import Extent, Recording, RecordingTrack, Segment, Span
from gateway.services.recordings import Recordings
from gateway.services.recordings_errors import Reason, RecordingError
from gateway.services.search_windows import Windows
from gateway.services.searches import Step

_SECOND = 1_000_000_000


class Archive(Protocol):
    """What searches need of the archive."""

    def extent(self, recording: str) -> Extent | None:
        """Return what a recording holds; None where there is no data."""
        ...

    def writing(self, recording: str) -> Segment | None:
        """Return the segment being written, None while nothing is recorded."""
        ...

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        """Return segments that overlap a span, in order of their starts."""
        ...

    async def runs(self, recording: str, span: Span) -> list[Span]:
        """Return the gap-free stretches that overlap a span, in order, whole."""
        ...

    async def runs_of_tracks(self, recordings: Sequence[str], span: Span) -> dict[str, dict[str, list[Span]]]:
        """Return, by recording and track, the stretches that have the track; of the track "" the recording's own."""
        ...


class RecordingStatus(StrEnum):
    """What happens to a recording (tt:RecordingStatus)."""

    INITIATED = "Initiated"
    RECORDING = "Recording"
    STOPPED = "Stopped"
    REMOVING = "Removing"


@dataclass(frozen=True, slots=True)
class Information:
    """A recording and its data: whole, or one gap-free stretch of it. Times are whole seconds, as clients see them."""

    recording: Recording
    status: RecordingStatus
    tracks: tuple[tuple[RecordingTrack, Span], ...]
    """Tracks with data."""

    @property
    def span(self) -> Span | None:
        """Return the time from first to last data, None without any."""
        return None if not self.tracks else _cover([span for _, span in self.tracks])


@dataclass(frozen=True, slots=True)
class Around:
    """Which stretches are wanted: so many of those before a moment, the latest first choice, and so many after."""

    at_ns: int
    before_ns: int
    before_count: int
    after_ns: int
    after_count: int

    def choose(self, runs: Sequence[Span]) -> list[Span]:
        """Return the wanted stretches, in order."""
        before = [run for run in runs if run.start_ns <= self.at_ns and run.end_ns > self.at_ns - self.before_ns]
        after = [run for run in runs if self.at_ns < run.start_ns < self.at_ns + self.after_ns]
        return [*before[max(0, len(before) - self.before_count) :], *after[: self.after_count]]


def shown(span: Span) -> Span:
    """Return a span in whole seconds, so that it covers the true one: clients choke on fractions."""
    return Span(span.start_ns // _SECOND * _SECOND, -(-span.end_ns // _SECOND) * _SECOND)


def information(recordings: Recordings, recording: Recording) -> Information:
    """Return what a recording holds up to now."""
    extent = recordings.extent(recording.token)
    held = {each.token: each.span for each in extent.tracks} if extent is not None else {}
    tracks = tuple((track, shown(held[track.token])) for track in recording.tracks if track.token in held)
    return Information(recording, _status(recordings, recording.token, tracks), tracks)


def included(recordings: Recordings, sources: Iterable[str], tokens: Iterable[str]) -> tuple[Recording, ...]:
    """Return the recordings that a scope names, all when it names none (Recording Search §5.2.3).

    Raises RecordingError InvalidSource or InvalidToken for unknown ones.
    """
    chosen: dict[str, Recording] = {}
    for reason, noun, names in (
        (Reason.NO_SOURCE, "recording source", sources),
        (Reason.NO_SESSION, "recording", tokens),
    ):
        for name in names:
            found = recordings.matching(name)
            if not found:
                raise RecordingError(reason, f"{noun} token {name!r} does not exist")
            chosen |= {recording.token: recording for recording in found}
    if not chosen:
        return recordings.all()
    return tuple(recording for recording in recordings.all() if recording.token in chosen)


async def find_recordings(found: Sequence[Information]) -> AsyncIterator[Step]:
    """Yield each recording as one result."""
    for each in found:
        yield Step((each,), each.span.end_ns if each.span is not None else 0)


async def find_runs(
    found: Sequence[Information], archive: Archive, around: Around | None = None
) -> AsyncIterator[Step]:
    """Yield each recording's gap-free stretches, one result each, in order of their starts."""
    for each in found:
        extent = archive.extent(each.recording.token)
        if extent is None:
            continue
        pages = _runs(archive, each.recording.token, extent.span) if around is None else _near(archive, each, around)
        async for runs, end_ns in pages:
            tracks = await _tracks(archive, each.recording.token, runs)
            pieces = [piece for run in runs if (piece := _piece(each, run, tracks)).tracks]
            yield Step(tuple(pieces), end_ns)


async def _runs(archive: Archive, token: str, span: Span) -> AsyncIterator[tuple[list[Span], int]]:
    """Yield the stretches that begin in one window after the other, with the window's end."""
    windows = Windows(Span(span.start_ns, max(span.end_ns, span.start_ns + 1)))
    for window in windows:
        overlapping = await archive.runs(token, window)
        first = window.start_ns == span.start_ns
        runs = [run for run in overlapping if first or run.start_ns >= window.start_ns]
        windows.found = len(runs)
        yield runs, window.end_ns


async def _near(archive: Archive, each: Information, around: Around) -> AsyncIterator[tuple[list[Span], int]]:
    """Yield the stretches that are asked for around a time."""
    span = Span(around.at_ns - around.before_ns, around.at_ns + around.after_ns)
    runs = await archive.runs(each.recording.token, Span(span.start_ns, max(span.end_ns, span.start_ns + 1)))
    yield list(around.choose(runs)), span.end_ns


async def _tracks(archive: Archive, token: str, runs: Sequence[Span]) -> dict[str, list[Span]]:
    """Return the stretches of each track in a recording's stretches."""
    if not runs:
        return {}
    span = _cover(runs)
    return (await archive.runs_of_tracks([token], Span(span.start_ns, max(span.end_ns, span.start_ns + 1))))[token]


def _piece(whole: Information, run: Span, tracks: Mapping[str, Sequence[Span]]) -> Information:
    """Return one stretch; a track that has no data in it is left out."""
    held = ((track, _held(tracks.get(track.token, ()), run)) for track, _ in whole.tracks)
    return replace(whole, tracks=tuple((track, shown(span)) for track, span in held if span is not None))


def _held(stretches: Sequence[Span], run: Span) -> Span | None:
    """Return the time from first to last data of a track in a stretch of its recording."""
    first, last = (bisect_left(stretches, time_ns, key=_start) for time_ns in (run.start_ns, run.end_ns))
    return _cover(stretches[first:last]) if first < last else None


def _start(span: Span) -> int:
    return span.start_ns


def _cover(spans: Sequence[Span]) -> Span:
    return Span(min(span.start_ns for span in spans), max(span.end_ns for span in spans))


def _status(recordings: Recordings, token: str, tracks: Sequence[object]) -> RecordingStatus:
    if recordings.removing(token):
        return RecordingStatus.REMOVING
    segment = recordings.writing(token)
    if segment is not None and segment.fragments:
        return RecordingStatus.RECORDING
    return RecordingStatus.STOPPED if tracks else RecordingStatus.INITIATED
