"""Gaps of recordings filled with what the cameras have recorded themselves: found, fetched slowly, fitted in."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import TypeVar

from gateway.domain.camera import ConnectionState
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, MediaKind, StreamDescription
from gateway.domain.recording import Assignment, Extent, Fragment, Segment, Span
from gateway.sdk.clock import Clock
from gateway.sdk.driver import EdgeArchive
from gateway.services.archive import LATEST_NS, TOUCH_NS, Archive
from gateway.services.backfill_gaps import Gap, gaps
from gateway.services.backfill_pauses import Memory, Pauses
from gateway.services.backfill_splice import MARGIN_NS, Edge, Splice, identified
from gateway.services.cameras import Cameras, CameraSpec
from gateway.services.playback import Format
from gateway.services.recorder_gops import Gop, GopCollector
from gateway.services.recorder_ports import Assignments, RecorderPorts
from gateway.services.recorder_writer import FormatError, NoStorageError, RecordingWriter, recorded_tracks
from gateway.services.schedule import Schedule
from gateway.services.storages import Storages

LOOK_SECONDS = 5.0
"""How often gaps are looked for."""
FIRST_WAIT, LONGEST_WAIT = 30.0, 3600.0
"""Seconds until a gap that could not be filled is tried again: doubled each time."""
ATTEMPTS = 8
"""After so many a gap is left as it is, until the gateway starts anew."""
_PAGE = 100
_NS = 1_000_000_000
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BackfillRules:
    """What is fetched, and how fast."""

    hours: float
    """How far back gaps are looked for; 0 for not at all."""
    pace: float
    """How much faster than it was recorded footage is fetched."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A camera that records itself, as the recordings of one stream know it."""

    edge: EdgeArchive
    camera: str
    profile: str


@dataclass(slots=True)
class _Try:
    """What became of a gap so far."""

    count: int = 0
    again: float = 0.0


class Backfill:
    """Fills the gaps of recordings that follow a camera all the time or on a schedule. One is fetched at a time.

    Nothing is fetched for recordings that wait for events: nobody knows which events there were.
    """

    def __init__(
        self,
        ports: RecorderPorts,
        archive: Archive,
        storages: Storages,
        form: Format,
        assignments: Assignments,
        edge: Callable[[str], EdgeArchive | None],
        zone: tzinfo,
        rules: BackfillRules,
        memory: Memory,
    ) -> None:
        """`edge` returns a camera's own archive by the camera's id, while the camera is online."""
        self._ports = replace(ports, archive=_Fetched(archive), motion=lambda *_: 0)
        self._archive, self._storages, self._form = archive, storages, form
        self._assignments, self._edge, self._zone, self._rules = assignments, edge, zone, rules
        self._clock: Clock = ports.clock
        self._tries: dict[tuple[str, int], _Try] = {}
        self._settled: set[str] = set()
        self._pauses = Pauses(memory, ports.clock)
        self._filling: dict[str, asyncio.Task[float]] = {}
        """What is fetched now, by recording."""

    async def stopped(self, recording: str) -> None:
        """Fetch no more of what is fetched for a recording now; returns when its file is closed."""
        if (task := self._filling.get(recording)) is not None:
            task.cancel()
            await asyncio.wait([task])

    async def run(self) -> None:
        """Look for gaps and fill them, until cancelled."""
        await self._clock.sleep(LOOK_SECONDS)  # until all jobs have found their sources
        self._assignments.subscribe(self._follow)
        while self._rules.hours:
            self._follow()
            for assignment in self._assignments.assignments():
                await self._look(assignment)
            await self._clock.sleep(LOOK_SECONDS)

    def _follow(self) -> None:
        """Note what is recorded all the time, and what is not: what was not wanted then is not missing."""
        wanted = [each.recording for each in self._assignments.assignments() if not each.trigger.topics]
        self._pauses.follow(self._archive.recordings(), wanted)

    async def _look(self, assignment: Assignment) -> None:
        """Fill the first gap of a recording that is due."""
        source = self._source(assignment)
        if source is None:
            return
        since_ns = self._clock.utc_ns() - round(self._rules.hours * 3600 * _NS)
        if assignment.recording not in self._settled:
            await self._settle_all(assignment.recording, since_ns)
            self._settled.add(assignment.recording)
        gap = await self._due(assignment, since_ns)
        if gap is None:
            return
        attempt = self._tries.setdefault((assignment.recording, gap.span.end_ns), _Try())
        attempt.count += 1
        attempt.again = self._clock.monotonic() + min(FIRST_WAIT * 2 ** (attempt.count - 1), LONGEST_WAIT)
        try:
            seconds = await self._filled(assignment, source, gap)
        except GatewayError as error:
            level = logging.WARNING if attempt.count == 1 else logging.DEBUG
            if error.kind is ErrorKind.UNSUPPORTED:  # most cameras do not record
                attempt.count, level = ATTEMPTS, logging.INFO
            message = "recording %s: a gap of %.1f s can't be filled: %s"
            _log.log(level, message, assignment.recording, _seconds(gap.span), error.message)
            return
        if seconds:
            message = "recording %s: %.1f s were fetched from camera %s for a gap of %.1f s"
            _log.info(message, assignment.recording, seconds, source.camera, _seconds(gap.span))

    def _source(self, assignment: Assignment) -> _Source | None:
        if assignment.trigger.topics or not assignment.path.startswith("/live/"):
            return None
        _, _, camera, profile, *_ = assignment.path.split("/")
        edge = self._edge(camera)
        return None if edge is None else _Source(edge, camera, profile)

    async def _due(self, assignment: Assignment, since_ns: int) -> Gap | None:
        for key in [each for each in self._tries if each[1] < since_ns]:
            del self._tries[key]
        runs = await self._archive.runs(assignment.recording, Span(since_ns, LATEST_NS))
        periods, now = assignment.trigger.schedule, self._clock.monotonic()
        schedule = Schedule(periods, self._zone) if periods else None
        for gap in gaps(runs, since_ns, schedule, self._pauses.of(assignment.recording)):
            known = self._tries.get((assignment.recording, gap.span.end_ns), _Try())
            due = known.count < ATTEMPTS and known.again <= now
            if due and not await self._was_deleted(assignment.recording, gap):
                return gap
        return None

    async def _was_deleted(self, recording: str, gap: Gap) -> bool:
        """Tell whether a gap is of footage that was there: what follows a loss begins a run, what is left does not."""
        following = await self._archive.segments(recording, Span(gap.next_ns, gap.next_ns + TOUCH_NS), limit=1)
        return bool(following) and following[0].run_ns < following[0].start_ns

    # One gap

    async def _filled(self, assignment: Assignment, source: _Source, gap: Gap) -> float:
        """Do `_fill`, unless that is stopped, or the job has gone meanwhile."""
        if assignment not in self._assignments.assignments():
            return 0.0
        task = self._filling[assignment.recording] = asyncio.create_task(self._fill(assignment, source, gap))
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            await asyncio.wait([task])
            del self._filling[assignment.recording]
        return 0.0 if task.cancelled() else task.result()

    async def _fill(self, assignment: Assignment, source: _Source, gap: Gap) -> float:
        """Fetch what there is of a gap; returns the seconds that were stored. Raises GatewayError."""
        metadata = [token for kind, token in assignment.tracks if kind is MediaKind.APPLICATION]
        tracks = tuple(each for each in assignment.tracks if each[0] is not MediaKind.APPLICATION)
        assignment = replace(assignment, tracks=tracks)  # a camera's metadata names things that we name otherwise
        before, cut = await self._before(assignment.recording, gap)
        after = await self._after(assignment.recording, gap)
        splice: Splice | None = None
        writer = RecordingWriter(assignment.recording, self._ports, origin=f"camera {source.camera}")
        start_ns = (before.time_ns if before else gap.span.start_ns) - MARGIN_NS
        fetched = source.edge.recorded(source.profile, start_ns, gap.span.end_ns + MARGIN_NS)
        stored_ns = 0
        try:
            async with aclosing(self._gops(fetched)) as gops:
                async for gop, picture in gops:
                    if splice is None:
                        whole = cut is not None and {*cut.tracks} - {*metadata} <= {*self._tokens(gop, assignment)}
                        splice = Splice(gap.span, before if whole else None, after)
                    stored_ns += await self._store_all(writer, splice.take(gop, picture), assignment)
                    if splice.done:
                        break
            if splice is not None:
                stored_ns += await self._store_all(writer, splice.flush(), assignment)
        finally:
            joins = splice is not None and splice.joins and stored_ns
            await _whatever_comes(self._end(writer, cut if joins else None))
        return stored_ns / _NS

    @staticmethod
    def _tokens(gop: Gop, assignment: Assignment) -> Iterable[str]:
        return recorded_tracks(gop.description, assignment).values()

    async def _gops(
        self, fetched: AsyncGenerator[StreamDescription | AccessUnit, None]
    ) -> AsyncGenerator[tuple[Gop, bytes], None]:
        """Yield GOPs with what identifies their first picture, no faster than the pace."""
        collector, described = GopCollector(), StreamDescription(())
        began, start_ns = self._clock.monotonic(), 0
        async with aclosing(fetched):
            async for item in fetched:
                if isinstance(item, StreamDescription):
                    described, gop = item, collector.described(item, self._stored(item))
                else:
                    gop = collector.deliver(item)
                if gop is None:
                    continue
                yield gop, _picture(gop)
                start_ns = start_ns or gop.start_ns
                due = began + (gop.end_ns - start_ns) / _NS / self._rules.pace
                if (early := due - self._clock.monotonic()) > 0:
                    await self._clock.sleep(early)
        if described.tracks and (gop := collector.flush()) is not None:
            yield gop, _picture(gop)

    def _stored(self, description: StreamDescription) -> frozenset[int]:
        stored: dict[MediaKind, int] = {}
        for index in self._ports.muxer(description, {}, 0).tracks:
            if description.tracks[index].kind is MediaKind.APPLICATION:
                continue
            stored.setdefault(description.tracks[index].kind, index)
        return frozenset(stored.values())

    async def _store_all(self, writer: RecordingWriter, gops: Iterable[Gop], assignment: Assignment) -> int:
        return sum([await self._store(writer, gop, assignment) for gop in gops])

    async def _store(self, writer: RecordingWriter, gop: Gop, assignment: Assignment) -> int:
        """Write a GOP; returns the nanoseconds that it lasts. Raises GatewayError."""
        if not self._tokens(gop, assignment):
            return 0
        try:
            written = await _whatever_comes(writer.write(gop, assignment))
        except (NoStorageError, FormatError) as error:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"it could not be stored: {error}") from error
        return gop.end_ns - gop.start_ns if written else 0

    async def _end(self, writer: RecordingWriter, cut: Segment | None) -> None:
        """Close the last file, and make the whole GOP take the place of the one that was cut short."""
        await writer.close()
        if cut is not None:
            with contextlib.suppress(GatewayError):
                await self._shorten(cut)

    # What is next to a gap

    async def _before(self, recording: str, gap: Gap) -> tuple[Edge | None, Segment | None]:
        """Return the last key frame before a gap, and the segment that it is in."""
        around = Span(gap.span.start_ns - TOUCH_NS, gap.span.start_ns)
        segments = await self._archive.segments(recording, around, descending=True, limit=1) if gap.after else []
        if not segments or not segments[0].fragments or self._archive.is_written(segments[0]):
            return None, None
        [segment] = segments
        edge = await self._stored_edge(segment, len(segment.fragments) - 1)
        if edge is not None and len(segment.fragments) == 1:
            edge = replace(edge, time_ns=edge.time_ns + 1)  # two segments can't begin in the same nanosecond
        return edge, segment

    async def _after(self, recording: str, gap: Gap) -> Edge | None:
        """Return the first key frame after a gap."""
        around = Span(gap.span.end_ns, gap.span.end_ns + TOUCH_NS)
        segments = await self._archive.segments(recording, around, limit=1) if gap.before else []
        return await self._stored_edge(segments[0], 0) if segments and segments[0].fragments else None

    async def _stored_edge(self, segment: Segment, number: int) -> Edge | None:
        """Return the key frame that a fragment begins with; None where it can't be read, or begins with none."""
        fragment = segment.fragments[number]
        try:
            header = self._form.read_header(await self._archive.read(segment, 0, segment.fragments[0].offset))
            samples = self._form.read_fragment(
                await self._archive.read(segment, fragment.offset, fragment.size), header
            )
        except GatewayError:
            return None
        videos = [each for each in samples if header.description.tracks[each.track].kind is MediaKind.VIDEO]
        if not videos or not videos[0].keyframe:
            return None
        return Edge(fragment.start_ns, identified(videos[0].payload), len(videos))

    # What takes the place of what was cut short

    async def _settle_all(self, recording: str, since_ns: int) -> None:
        """Finish what was fetched when the gateway ended."""
        cursor, last = since_ns, None
        while page := await self._archive.segments(recording, Span(cursor, LATEST_NS), limit=_PAGE):
            for segment in page:
                if last is not None and segment.origin and last.end_ns - segment.start_ns > TOUCH_NS:
                    with contextlib.suppress(GatewayError):
                        await self._shorten(last, segment.start_ns)
                last = segment
            if len(page) < _PAGE or page[-1].start_ns < cursor:
                return
            cursor = page[-1].end_ns

    async def _shorten(self, segment: Segment, from_ns: int | None = None) -> None:
        """Take the last fragment out of a segment, if it begins at a time. Raises GatewayError."""
        last = segment.fragments[-1]
        if from_ns is not None and abs(last.start_ns - from_ns) > TOUCH_NS:
            return
        rest = segment.fragments[:-1]
        if not rest:
            await self._archive.removed(await self._storages.delete([segment]))
            return
        end_ns, tracks = max(each.end_ns for each in rest), await self._tracks(segment, rest)
        self._archive.shortened(replace(segment, fragments=rest, end_ns=end_ns, size=last.offset, tracks=tracks))
        await self._storages.truncate(segment, last.offset)

    async def _tracks(self, segment: Segment, fragments: Sequence[Fragment]) -> tuple[str, ...]:
        """Return the tracks that some fragments of a segment have. Raises GatewayError."""
        header = self._form.read_header(await self._archive.read(segment, 0, segment.fragments[0].offset))
        found: set[int] = set()
        for fragment in fragments:
            data = await self._archive.read(segment, fragment.offset, fragment.size)
            found |= {sample.track for sample in self._form.read_fragment(data, header)}
            if len(found) == len(segment.tracks):
                break
        return tuple(header.info[f"track.{index}"] for index in sorted(found))


def edge_archives(specs: Sequence[CameraSpec], cameras: Cameras) -> Callable[[str], EdgeArchive | None]:
    """Return what finds the archive of a camera that is online by its id."""
    archives = {spec.id: spec.driver for spec in specs if isinstance(spec.driver, EdgeArchive)}

    def found(camera: str) -> EdgeArchive | None:
        online = any(each.id == camera and each.state is ConnectionState.ONLINE for each in cameras.channels())
        return archives.get(camera) if online else None

    return found


class _Fetched:
    """The archive as the writer of fetched footage tells it (`Growing`)."""

    def __init__(self, archive: Archive) -> None:
        self.closed = archive.closed
        self.extent: Callable[[str], Extent | None] = archive.extent
        self.grown = archive.fetching


def _picture(gop: Gop) -> bytes:
    """Return what identifies the key frame that a GOP begins with."""
    kinds = [track.kind for track in gop.description.tracks]
    frame = [unit for unit in gop.units if kinds[unit.track] is MediaKind.VIDEO]
    parts = [unit.payload() for unit in frame if unit.rtp_time == frame[0].rtp_time]
    return identified(next((part for part in reversed(parts) if part), ()))


async def _whatever_comes(work: Coroutine[None, None, _T]) -> _T:
    """Do some work to its end, even when cancelled meanwhile: a file must not be left in the middle of a write."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _seconds(span: Span) -> float:
    return (span.end_ns - span.start_ns) / _NS
