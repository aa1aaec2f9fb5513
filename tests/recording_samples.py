"""An archive in memory, with recordings over it, that the tests of recording, search and replay share."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from media_samples import AAC, channel, main_and_sub, media_profiles

from gateway.domain.event import Event
from gateway.domain.media import MediaKind, StreamDescription
from gateway.domain.recording import (
    AUDIO_TRACK,
    METADATA_TRACK,
    VIDEO_TRACK,
    Extent,
    Fragment,
    JobMode,
    JobSource,
    JobState,
    JobTrack,
    Recording,
    RecordingJob,
    RecordingSource,
    RecordingTrack,
    Retention,
    Segment,
    SourceKind,
    Span,
)
from gateway.onvif.context import Context
from gateway.onvif.recording_sources import RecordingSources
from gateway.services.archive import JOINT_NS, Archive, _joined
from gateway.services.metadata import base_path
from gateway.services.metadata_stream import with_metadata
from gateway.services.receivers import Receiver, Receivers, ReceiverState, ReceiverTransport
from gateway.services.recordings import Recordings
from gateway.services.recordings_editing import RecordingEditor
from gateway.services.recordings_store import Table

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z, when the clock of the tests begins."""

CONFIGURED = (("yard", "main"), ("yard", "sub"), ("door", "main"))
BOTH = (VIDEO_TRACK, AUDIO_TRACK)
STREAM = main_and_sub(audio=AAC)[0]


class MemoryObjects:
    """An ObjectStore that lasts as long as the test."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}

    def load(self) -> dict[str, dict[str, Any]]:
        return dict(self.records)

    def save(self, token: str, record: dict[str, Any]) -> None:
        self.records[token] = record

    def delete(self, token: str) -> None:
        self.records.pop(token, None)


class MemoryCatalogue:
    """A Catalogue of closed segments."""

    def __init__(self) -> None:
        self.all: dict[tuple[str, int], Segment] = {}
        self.asked = 0
        """How many questions there were."""

    def add(self, segment: Segment) -> None:
        self.all[segment.recording, segment.start_ns] = segment

    async def remove(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            del self.all[segment.recording, segment.start_ns]

    def _of(self, recording: str, span: Span) -> list[Segment]:
        self.asked += 1
        found = [each for each in self.all.values() if each.recording == recording and each.closed]
        found = [each for each in found if each.start_ns < span.end_ns and each.end_ns > span.start_ns]
        return sorted(found, key=lambda each: each.start_ns)

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        found = self._of(recording, span)
        return (found[::-1] if descending else found)[:limit]

    async def runs(self, recording: str, span: Span) -> list[Span]:
        return (await self.runs_of_tracks([recording], span))[recording][""]

    async def runs_of_tracks(self, recordings: Sequence[str], span: Span) -> dict[str, dict[str, list[Span]]]:
        return {each: self._runs(each, span) for each in recordings}

    def _runs(self, recording: str, span: Span) -> dict[str, list[Span]]:
        chains: dict[tuple[str, int], list[Span]] = {("", 0): []}
        for each in self._of(recording, Span(0, 1 << 62)):
            for track in ("", *each.tracks):
                runs = chains.setdefault((track, each.run_ns), [])
                joined = runs and each.start_ns <= runs[-1].end_ns + JOINT_NS
                runs.append(Span(runs.pop().start_ns, each.end_ns) if joined else each.span)
        found: dict[str, list[Span]] = {}
        for (track, _), runs in chains.items():
            overlapping = (run for run in runs if run.start_ns < span.end_ns and run.end_ns > span.start_ns)
            found[track] = sorted([*found.get(track, ()), *overlapping], key=lambda run: run.start_ns)
        return found

    async def extents(self) -> dict[str, Extent]:
        found: dict[str, Extent] = {}
        for each in self.all.values():
            found[each.recording] = _joined(found.get(each.recording), each)
        return found

    async def extent(self, recording: str) -> Extent | None:
        return (await self.extents()).get(recording)


class NoBytes:
    async def read(self, _segment: Segment, _offset: int, _size: int) -> bytes:
        return b""


class FakeConnections:
    """Connections that a test moves on."""

    def __init__(self) -> None:
        self.open_now: dict[str, tuple[str, ReceiverTransport]] = {}
        self.states: dict[str, ReceiverState] = {}

    def open(self, token: str, uri: str, transport: ReceiverTransport) -> str:
        self.open_now[token] = (uri, transport)
        return f"/receiver/{token}"

    def close(self, token: str) -> None:
        del self.open_now[token]

    def state(self, token: str) -> ReceiverState:
        return self.states.get(token, ReceiverState.CONNECTING)


@dataclass
class Recorder:
    """What the recorder reports, as a test sets it."""

    states: dict[str, tuple[JobState, str]] = field(default_factory=dict)

    def state(self, recording: str, _track: str) -> tuple[JobState, str]:
        return self.states.get(recording, (JobState.IDLE, ""))


def segment(
    recording: str, start: float, end: float, run: float | None = None, tracks: Sequence[str] = BOTH
) -> Segment:
    """Return a segment between seconds after START; `run` is where its gap-free run began, else itself."""
    start_ns, end_ns = START + round(start * SECOND), START + round(end * SECOND)
    run_ns = start_ns if run is None else START + round(run * SECOND)
    fragments = (Fragment(100, 900, start_ns, end_ns),)
    return Segment(recording, start_ns, end_ns, run_ns, "disk", f"{recording}/{start}", 1000, tuple(tracks), fragments)


def recording(camera: str, profile: str = "main", *, configured: bool = True) -> Recording:
    """Return the recording of a camera's profile."""
    name = camera if profile == "main" else f"{camera}_{profile}"
    source = RecordingSource(f"VideoSource_{camera}", camera.title(), "north gate", f"{camera}, {profile} profile")
    tracks = (
        RecordingTrack(VIDEO_TRACK, MediaKind.VIDEO),
        RecordingTrack(AUDIO_TRACK, MediaKind.AUDIO),
        RecordingTrack(METADATA_TRACK, MediaKind.APPLICATION),
    )
    return Recording(f"Recording_{name}", source, f"{camera} continuous", Retention(30), tracks, configured)


def job(camera: str, profile: str = "main", *, priority: int = 10, mode: JobMode = JobMode.ACTIVE) -> RecordingJob:
    """Return the job of a camera's profile."""
    name = camera if profile == "main" else f"{camera}_{profile}"
    tracks = tuple(JobTrack(token, token) for token in (VIDEO_TRACK, AUDIO_TRACK, METADATA_TRACK))
    source = JobSource(SourceKind.PROFILE, f"{camera}_{profile}", tracks)
    return RecordingJob(f"Job_{name}", f"Recording_{name}", mode, priority, (source,), configured=True)


class Site:
    """Two recorded cameras: `yard` with sound, and `door`; the sub stream of `yard` has a recording of its own."""

    def __init__(
        self,
        cameras: Sequence[tuple[str, str]] = CONFIGURED,
        *,
        stores: dict[str, MemoryObjects] | None = None,
    ) -> None:
        self.stores = stores or {name: MemoryObjects() for name in ("recordings", "jobs", "receivers")}
        self.catalogue = MemoryCatalogue()
        self.archive = Archive(self.catalogue, NoBytes())
        self.connections = FakeConnections()
        self.recorder = Recorder()
        self.erased: list[str] = []
        self.refusal: Exception | None = None
        self.audited: list[tuple[str, str, str]] = []
        self.events: list[Event] = []
        self.profiles = media_profiles(channel("yard", main_and_sub(audio=AAC)), channel("door"))
        self.receivers = Receivers(Table(Receiver, (), self.stores["receivers"]), self.connections)
        self.sources = RecordingSources(self.profiles, self.receivers, self.description)
        self.recordings = Recordings(
            Table(Recording, [recording(*each) for each in cameras], self.stores["recordings"]),
            Table(RecordingJob, [job(*each) for each in cameras], self.stores["jobs"]),
            self.sources,
            self.archive,
            self.receivers.use,
        )
        self.recordings.reported = self.recorder.state
        self.receivers.needed = self.recordings.refers_to
        self.editor = RecordingEditor(self.recordings, self.sources, self.receivers, self._stopped, self._erase)
        self.recordings.refresh()

    async def _stopped(self, token: str) -> None:
        while self.archive.writing(token) is not None:
            await self.archive.growth(token).wait()

    def restarted(self, cameras: Sequence[tuple[str, str]] = CONFIGURED) -> "Site":
        """Return the site after a restart of the gateway, with these recordings configured."""
        return Site(cameras, stores=self.stores)

    def description(self, path: str) -> StreamDescription | None:
        """Return what is known of a live stream."""
        found = {"/live/yard/main": STREAM, "/live/door/main": main_and_sub()[0]}.get(base_path(path))
        return found if found is None or base_path(path) == path else with_metadata(found)

    async def describe(self, _segment: Segment) -> StreamDescription | None:
        """Return what every segment holds, while its storage is there."""
        return STREAM if self.refusal is None else None

    def audit(self, context: Context, operation: str, detail: str) -> None:
        """Note what was done."""
        self.audited.append((context.account.name, operation, detail))

    def record(self, *segments: Segment) -> None:
        """Put closed segments into the archive."""
        for each in segments:
            self.archive.closed(each)

    def write(self, each: Segment) -> None:
        """Let a segment be written, in place of what was written before."""
        self.archive.grown(replace(each, closed=False))

    async def _erase(self, token: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.erased.append(token)
        await self.archive.removed([each for each in self.catalogue.all.values() if each.recording == token])
