"""Doubles for the recorder's tests: storages in memory, a disk that obeys, an archive that remembers."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any

from gateway.domain.event import Event
from gateway.domain.media import AccessUnit, MediaKind, StreamDescription
from gateway.domain.recording import AUDIO_TRACK, VIDEO_TRACK, Assignment, Extent, Fragment, Segment, Span, Trigger
from gateway.protocols.mp4.reader import read_fragment, read_header
from gateway.protocols.mp4.writer import Muxer
from gateway.sdk.storage import SegmentWriter
from gateway.services.eventbus import EventReader
from gateway.services.recorder import Recorder
from gateway.services.recorder_ports import RecorderPorts, no_motion
from gateway.services.streams import LiveStream
from gateway.testing.clock import FakeClock, settle

PATH = "/live/door/main"
RECORDING = "Recording_door"


class Disk(Executor):
    """Runs calls at once, or, while `stuck`, keeps them until `release`."""

    def __init__(self) -> None:
        self.stuck = False
        self._kept: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self._kept.append((future, lambda: fn(*args, **kwargs)))
        if not self.stuck:
            self.release()
        return future

    def release(self) -> None:
        self.stuck = False
        while self._kept:
            future, call = self._kept.pop(0)
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001 - handed on as an executor does
                future.set_exception(error)


class MemoryFile:
    def __init__(self, storage: "MemoryStorage") -> None:
        self.data = b""
        self.synced = 0
        self.is_open = True
        self._storage = storage

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        whole = b"".join(parts)
        if self._storage.broken is not None:
            self.data += whole[: len(whole) // 2]
            raise self._storage.broken
        self.data += whole

    def sync(self) -> None:
        self.synced = len(self.data)

    def close(self) -> None:
        self.sync()
        self.is_open = False


class MemoryStorage:
    def __init__(self) -> None:
        self.files: dict[str, MemoryFile] = {}
        self.broken: Exception | None = None


class MemoryStorages:
    """Storages by id, the first that works is written to."""

    def __init__(self, *names: str) -> None:
        self.all = {name: MemoryStorage() for name in names}
        self.off: set[str] = set()
        self.failures: list[tuple[str, str]] = []
        self.one_failed = asyncio.Event()

    def writable(self, exclude: Sequence[str] = ()) -> str | None:
        return next((name for name in self.all if name not in self.off and name not in exclude), None)

    def create(self, storage: str, name: str) -> SegmentWriter:
        if name in self.all[storage].files:
            raise FileExistsError(errno.EEXIST, "there is one", name)
        file = self.all[storage].files[name] = MemoryFile(self.all[storage])
        return file

    def failed(self, storage: str, error: Exception) -> None:
        self.failures.append((storage, str(error)))
        self.off.add(storage)
        self.one_failed.set()

    async def delete(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            del self.all[segment.storage].files[segment.name]

    def data(self, segment: Segment) -> bytes:
        return self.all[segment.storage].files[segment.name].data


def _unmarked(segment: Segment) -> list[Fragment]:
    """Return the fragments without their motion, which may become known later."""
    return [replace(each, motion=0) for each in segment.fragments]


class Ledger:
    """An archive that keeps what it is told, and checks the order."""

    def __init__(self) -> None:
        self.growing: dict[str, Segment] = {}
        self.segments: list[Segment] = []

    def grown(self, segment: Segment) -> None:
        known = self.growing.get(segment.recording)
        assert segment.fragments
        assert known is None or (
            known.start_ns == segment.start_ns and _unmarked(known) == _unmarked(segment)[: len(known.fragments)]
        )
        self.growing[segment.recording] = segment

    def closed(self, segment: Segment) -> None:
        assert segment.closed
        assert _unmarked(self.growing.pop(segment.recording)) == _unmarked(segment)
        self.segments.append(segment)

    def extent(self, recording: str) -> Extent | None:
        spans = [each.span for each in (*self.segments, *self.growing.values()) if each.recording == recording]
        if not spans:
            return None
        return Extent(Span(min(span.start_ns for span in spans), max(span.end_ns for span in spans)), (), 0)


class Jobs:
    """Assignments that a test sets."""

    def __init__(self, *assignments: Assignment) -> None:
        self._assignments = assignments
        self._subscribers: list[Callable[[], None]] = []

    def assignments(self) -> tuple[Assignment, ...]:
        return self._assignments

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        self._subscribers.append(subscriber)

    def set(self, *assignments: Assignment) -> None:
        self._assignments = assignments
        for subscriber in self._subscribers:
            subscriber()


class Bus:
    """An event bus that a test plays."""

    def __init__(self) -> None:
        self.readers: list[EventReader] = []
        self.known: tuple[Event, ...] = ()

    def attach(self, reader: EventReader) -> None:
        self.readers.append(reader)

    def detach(self, reader: EventReader) -> None:
        self.readers.remove(reader)

    def properties(self) -> tuple[Event, ...]:
        return self.known

    def publish(self, event: Event) -> None:
        for reader in self.readers:
            reader.deliver(event)


def job(trigger: Trigger = Trigger(), path: str = PATH, name: str = "Job_door", *, audio: bool = True) -> Assignment:  # noqa: B008 - frozen
    tracks = [(MediaKind.VIDEO, VIDEO_TRACK), *([(MediaKind.AUDIO, AUDIO_TRACK)] if audio else [])]
    return Assignment(RECORDING, name, path, tuple(tracks), trigger)


@dataclass
class Kit:
    """A recorder with everything around it."""

    storages: MemoryStorages = field(default_factory=lambda: MemoryStorages("one", "two"))
    jobs: Jobs = field(default_factory=lambda: Jobs(job()))
    clock: FakeClock = field(default_factory=FakeClock)
    disk: Disk = field(default_factory=Disk)
    archive: Ledger = field(default_factory=Ledger)
    bus: Bus = field(default_factory=Bus)
    streams: dict[str, LiveStream] = field(default_factory=lambda: {PATH: LiveStream(PATH)})
    states: list[tuple[str, str]] = field(default_factory=list)
    room: list[str] = field(default_factory=list)
    write_seconds: float = 10.0
    motion: Callable[[str, int, int], int] = no_motion

    def __post_init__(self) -> None:
        self.freed = False
        ports = RecorderPorts(
            self.streams.get,
            self.archive,
            self.storages,
            Muxer,
            self.clock,
            self.disk,
            self._make_room,
            self.write_seconds,
            self.motion,
        )
        self.recorder = Recorder(ports, self.jobs, self.bus, UTC)
        self.recorder.watch(self._told)

    @property
    def stream(self) -> LiveStream:
        return self.streams[PATH]

    async def feed(self, *units: AccessUnit, description: StreamDescription | None = None) -> None:
        """Deliver units; whatever they complete is written."""
        if description is not None:
            self.stream.describe(description)
        for unit in units:
            self.stream.deliver(unit)
            if unit.keyframe:
                await settle()
        await settle()

    def samples(self, track: int = 0) -> list[tuple[int, bytes]]:
        """Return capture time and payload of every recorded sample of a track, over all closed segments."""
        return [
            (sample.utc_ns, b"".join(sample.payload))
            for segment in self.archive.segments
            for sample in self.samples_of(segment)
            if sample.track == track
        ]

    def samples_of(self, segment: Segment) -> list[Any]:
        data = self.storages.data(segment)
        header = read_header(data[: segment.fragments[0].offset])
        return [
            sample
            for fragment in segment.fragments
            for sample in read_fragment(data[fragment.offset : fragment.offset + fragment.size], header)
        ]

    async def _make_room(self, storage: str) -> bool:
        self.room.append(storage)
        if self.freed:
            self.storages.all[storage].broken = None
        return self.freed

    def _told(self, recording: str) -> None:
        state, error = self.recorder.state(recording)
        self.states.append((str(state), error))


@asynccontextmanager
async def recording(kit: Kit) -> AsyncIterator[Kit]:
    """Record while the body runs; then the recorder has stopped."""
    task = asyncio.create_task(kit.recorder.run())
    await settle()
    try:
        yield kit
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def expected(units: Sequence[AccessUnit]) -> list[tuple[int, bytes]]:
    """Return what `Kit.samples` has to return for these units."""
    return [(unit.utc_ns, b"".join(unit.payload())) for unit in units]
