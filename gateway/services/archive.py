"""The archive as its readers see it: what the catalogue knows, joined with what is being written now."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from gateway.domain.recording import Extent, Segment, Span, TrackExtent

LATEST_NS = (1 << 63) - 1
"""An end for ranges without one."""

JOINT_NS = 2_000_000_000
"""Segments of one run that are no further apart have nothing missing between them."""

TOUCH_NS = 1_000_000
"""Footage that begins so near to where other footage ends follows it, whatever their runs: no frame is that short."""


class Catalogue(Protocol):
    """The index of all segments, as the archive needs it. A range takes what overlaps it."""

    def add(self, segment: Segment) -> None:
        """Keep a segment, in place of what was known of the same recording and start; returns at once."""
        ...

    async def remove(self, segments: Sequence[Segment]) -> None:
        """Forget segments; returns when that is kept."""
        ...

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        """Return the closed segments of a recording that overlap a span, in order of their starts."""
        ...

    async def runs(self, recording: str, span: Span) -> list[Span]:
        """Return the gap-free stretches that overlap a span, in order, whole (not cut to the span)."""
        ...

    async def runs_of_tracks(self, recordings: Sequence[str], span: Span) -> dict[str, dict[str, list[Span]]]:
        """Return, by recording and track, the stretches that have the track; of the track "" the recording's own."""
        ...

    async def extents(self) -> dict[str, Extent]:
        """Return what every recording with closed segments holds."""
        ...

    async def extent(self, recording: str) -> Extent | None:
        """Return what one recording holds in closed segments."""
        ...


class SegmentReader(Protocol):
    """Where the bytes of segments are."""

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        """Return bytes of a segment's file. Raises GatewayError NOT_FOUND or UNAVAILABLE."""
        ...


class Archive:
    """All recordings' data, the segments being written included."""

    def __init__(self, catalogue: Catalogue, reader: SegmentReader) -> None:
        self._catalogue = catalogue
        self._reader = reader
        self._open: dict[str, Segment] = {}
        """The segment being written, by recording; it grows by whole fragments."""
        self._fetched: dict[str, Segment] = {}
        """The segment that is being fetched from a camera, by recording."""
        self._extents: dict[str, Extent] = {}
        self._growth: dict[str, asyncio.Event] = {}

    async def start(self) -> None:
        """Learn what there is."""
        self._extents = await self._catalogue.extents()

    def grown(self, segment: Segment) -> None:
        """Take the new state of a segment that is being written: just opened, or one fragment longer."""
        if segment.recording not in self._open or self._open[segment.recording].start_ns != segment.start_ns:
            self._catalogue.add(replace(segment, closed=False))
        self._open[segment.recording] = segment
        if segment.fragments:
            self._tell(segment.recording)

    def fetching(self, segment: Segment) -> None:
        """Take the new state of a segment that is being fetched; nobody reads it before it is closed."""
        if len(segment.fragments) <= 1:
            self._catalogue.add(replace(segment, closed=False))
        self._fetched[segment.recording] = segment

    def is_written(self, segment: Segment) -> bool:
        """Tell whether a segment is being written now."""
        writing = (self._open.get(segment.recording), self._fetched.get(segment.recording))
        return any(each is not None and each.start_ns == segment.start_ns for each in writing)

    def closed(self, segment: Segment) -> None:
        """Take a finished segment; one without fragments has to be removed instead."""
        if (fetched := self._fetched.get(segment.recording)) and fetched.start_ns == segment.start_ns:
            del self._fetched[segment.recording]
        self._catalogue.add(segment)
        self._extents[segment.recording] = _joined(self._extents.get(segment.recording), segment)
        self._forget_open(segment)
        self._tell(segment.recording)

    def shortened(self, segment: Segment) -> None:
        """Take that the last fragments of a finished segment are gone: others have taken their place."""
        self._catalogue.add(segment)
        self._tell(segment.recording)

    async def removed(self, segments: Sequence[Segment]) -> None:
        """Take that segments' files are gone."""
        await self._catalogue.remove(segments)
        for segment in segments:
            self._forget_open(segment)
        for recording in {segment.recording for segment in segments}:
            extent = await self._catalogue.extent(recording)
            if extent is None:
                self._extents.pop(recording, None)
            else:
                self._extents[recording] = extent
            self._tell(recording)

    def extent(self, recording: str) -> Extent | None:
        """Return what a recording holds up to now; None where there is no data."""
        extent, segment = self._extents.get(recording), self._open.get(recording)
        return extent if segment is None or not segment.fragments else _joined(extent, segment)

    def recordings(self) -> tuple[str, ...]:
        """Return the tokens of the recordings that hold data."""
        return tuple(sorted({*self._extents, *(token for token, segment in self._open.items() if segment.fragments)}))

    def writing(self, recording: str) -> Segment | None:
        """Return the segment being written, None while nothing is recorded."""
        return self._open.get(recording)

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        """Return segments that overlap a span, in order of their starts, the one being written included."""
        found = await self._catalogue.segments(recording, span, descending=descending, limit=limit)
        segment = self._open_in(recording, span)
        if segment is None:
            return found
        found = [each for each in found if each.start_ns != segment.start_ns]
        found = sorted([*found, segment], key=lambda each: each.start_ns, reverse=descending)
        return found[:limit]

    async def runs(self, recording: str, span: Span) -> list[Span]:
        """Return the gap-free stretches that overlap a span, in order, whole."""
        found = await self._catalogue.runs(recording, span)
        segment = self._open_in(recording, span)
        return joined(found if segment is None else _grown(found, segment))

    async def runs_of_tracks(self, recordings: Sequence[str], span: Span) -> dict[str, dict[str, list[Span]]]:
        """Return, by recording and track, the stretches that have the track; of the track "" the recording's own."""
        found = await self._catalogue.runs_of_tracks(recordings, span)
        for recording, runs in found.items():
            if (segment := self._open_in(recording, span)) is not None:
                for track in ("", *segment.tracks):
                    runs[track] = _grown(runs.get(track, []), segment)
        return {recording: {track: joined(spans) for track, spans in runs.items()} for recording, runs in found.items()}

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        """Return bytes of a segment's file. Raises GatewayError NOT_FOUND or UNAVAILABLE."""
        return await self._reader.read(segment, offset, size)

    def growth(self, recording: str) -> asyncio.Event:
        """Return what is set as soon as a fragment is added to a recording, or a segment closed, from now on."""
        return self._growth.setdefault(recording, asyncio.Event())

    def _tell(self, recording: str) -> None:
        if event := self._growth.pop(recording, None):
            event.set()

    def _open_in(self, recording: str, span: Span) -> Segment | None:
        """Return the segment being written, if it has anything in a span."""
        segment = self._open.get(recording)
        if segment is None or not segment.fragments or not _overlap(segment.span, span):
            return None
        return segment

    def _forget_open(self, segment: Segment) -> None:
        known = self._open.get(segment.recording)
        if known is not None and known.start_ns == segment.start_ns:
            del self._open[segment.recording]


def joined(runs: Sequence[Span]) -> list[Span]:
    """Return stretches as one where a run begins as another ends: fetched footage has closed the gap between them."""
    found: list[Span] = []
    for run in runs:
        if found and abs(run.start_ns - found[-1].end_ns) <= TOUCH_NS:
            run = Span(found.pop().start_ns, run.end_ns)  # noqa: PLW2901
        found.append(run)
    return found


def _overlap(one: Span, other: Span) -> bool:
    return one.start_ns < other.end_ns and other.start_ns < one.end_ns


def _grown(runs: Sequence[Span], segment: Segment) -> list[Span]:
    """Return stretches with one more segment, joined to what is there of its run."""
    own = [run for run in runs if segment.run_ns <= run.start_ns and segment.start_ns - JOINT_NS <= run.end_ns]
    start_ns = min((run.start_ns for run in own), default=segment.start_ns)
    others = [run for run in runs if run not in own]
    return sorted([*others, Span(start_ns, max(segment.end_ns, start_ns))], key=lambda run: run.start_ns)


def _joined(extent: Extent | None, segment: Segment) -> Extent:
    """Return an extent with one more segment in it."""
    if extent is None:
        return Extent(segment.span, tuple(TrackExtent(token, segment.span) for token in segment.tracks), segment.size)
    tracks = {track.token: track.span for track in extent.tracks}
    for token in segment.tracks:
        tracks[token] = _cover(tracks.get(token, segment.span), segment.span)
    return Extent(
        _cover(extent.span, segment.span),
        tuple(TrackExtent(token, span) for token, span in sorted(tracks.items())),
        extent.size + segment.size,
    )


def _cover(one: Span, other: Span) -> Span:
    return Span(min(one.start_ns, other.start_ns), max(one.end_ns, other.end_ns))
