"""The recording half of the running gateway: there while a storage is configured, come and gone without a restart."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from gateway.archive_store import ArchiveStore
from gateway.config import Config
from gateway.db import COMMAND_LINE, AuditTrail, Database
from gateway.domain.errors import GatewayError
from gateway.domain.event import Event, TopicDescription
from gateway.domain.media import StreamDescription
from gateway.domain.recording import Recording, RecordingJob, Segment, Span
from gateway.domain.storage import StorageState, StorageStatus
from gateway.onvif.camera_tokens import camera_of, camera_tokens
from gateway.onvif.codec import Codec
from gateway.onvif.context import Service
from gateway.onvif.contract import Contract
from gateway.onvif.media_profiles import MediaProfiles
from gateway.onvif.receiver import ReceiverService
from gateway.onvif.recording import RecordingService
from gateway.onvif.recording_events import RecordingEvents, tell_receivers
from gateway.onvif.recording_sources import RecordingSources
from gateway.onvif.replay import ReplayService
from gateway.onvif.search import SearchService
from gateway.protocols.mp4.reader import read_fragment, read_header
from gateway.protocols.mp4.writer import Muxer
from gateway.protocols.rtp.parameter_sets import from_fmtp
from gateway.receivers import ReceiverStreams
from gateway.registry import Registry
from gateway.sdk.clock import Clock
from gateway.sdk.driver import EdgeArchive
from gateway.servers.rtsp import RtspServer
from gateway.servers.rtsp_playback import Replays
from gateway.services.backfill import Backfill, BackfillRules
from gateway.services.cameras import Cameras
from gateway.services.eventbus import EventBus
from gateway.services.metadata import MetadataStreams
from gateway.services.playback import Format, Player
from gateway.services.receivers import Receiver, Receivers
from gateway.services.recorder import Recorder
from gateway.services.recorder_ports import RecorderPorts
from gateway.services.recordings import Recordings
from gateway.services.recordings_editing import RecordingEditor
from gateway.services.recordings_store import Table
from gateway.services.searches import Searches
from gateway.services.stored_events import StoredEvents
from gateway.services.streams import LiveStream

WATCH_SECONDS = 1.0
AGAIN_SECONDS = 5.0
STORAGE_FAILURE = TopicDescription(
    "tns1:Device/HardwareFailure/StorageFailure",
    source=(("Token", "tt:ReferenceToken"),),
    data=(("Failed", "xs:boolean"),),
    is_property=True,
)
FORM = Format(read_header, read_fragment, lambda track: from_fmtp(track.encoding, track.fmtp))
_LOCAL_TIME = Path("/etc/localtime")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The parts of the running gateway that recording works with."""

    registry: Registry
    database: Database
    installation: str
    cameras: Cameras
    live: MetadataStreams
    """Their streams, with and without metadata."""
    profiles: MediaProfiles
    bus: EventBus
    contract: Contract
    codec: Codec
    clock: Clock
    rtsp: RtspServer
    websocket: str
    """URI of RTSP over WebSocket."""
    motion: Callable[[str, int, int], int]
    """How strong motion lately was in a camera's picture, by its id and a stretch of time."""
    past: StoredEvents | None
    """Past events, where they are kept."""
    edge: Callable[[str], EdgeArchive | None]
    """A camera's own archive, while the camera is online."""


class Archiving:
    """Records, keeps, searches and offers for replay. `run` does it until cancelled."""

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        """Raises ConfigError for storages that can't be."""
        self._with = around = surroundings
        self._loop = asyncio.get_running_loop()
        self._came_back = asyncio.Event()
        self._running = False
        """Cameras and profiles go on telling of their changes when archiving is over."""
        database, clock = around.database, around.clock
        self._trail = AuditTrail(database.audit, clock)
        self.store = store = ArchiveStore(
            config, around.registry, database, around.installation, clock, self._storage_changed
        )
        self._streams = ReceiverStreams(around.registry, database.channels, clock)
        self._receivers = Receivers(Table(Receiver, (), database.receivers), self._streams)
        sources = RecordingSources(around.profiles, self._receivers, self._description)
        self.recordings = Recordings(
            Table(Recording, store.recordings, database.recordings),
            Table(RecordingJob, store.jobs, database.jobs),
            sources,
            store.archive,
            self._receivers.use,
        )
        store.kept = self.recordings.all
        store.deleted = self._deleted
        self._receivers.needed = self._is_recorded
        self._streams.changed = self._look_again
        ports = self._recorder_ports()
        self._recorder = Recorder(ports, self.recordings, around.bus, local_zone(), self._concerns)
        rules = BackfillRules(config.edge.hours, config.edge.pace)
        self._backfill = Backfill(
            ports,
            store.archive,
            store.storages,
            FORM,
            self.recordings,
            around.edge,
            local_zone(),
            rules,
            database.settings,
        )
        editor = RecordingEditor(self.recordings, sources, self._receivers, self._stopped, store.erase)
        self.recordings.reported = self._recorder.track_state
        self._recorder.watch(lambda _: self._look_again())
        around.cameras.watch(lambda _: self._look_again())
        around.profiles.stored.watch(lambda *_: self._look_again())
        self._searches = Searches(clock)
        self._events = RecordingEvents(self.recordings, around.bus)
        tell_receivers(self._receivers, around.bus)
        around.bus.declare(STORAGE_FAILURE)
        self.replay = ReplayService(self.recordings, database.settings, self._trail.by, around.websocket)
        self.services: tuple[Service, ...] = (
            RecordingService(self.recordings, editor, self._trail.by),
            SearchService(
                self.recordings,
                store.archive,
                self._searches,
                around.contract,
                around.codec,
                clock,
                store.describe,
                stored=around.past,
                names=self._names,
                topics=around.bus.topics,
                by_run=config.search.by_run,
            ),
            self.replay,
            ReceiverService(self._receivers, self._trail.by),
        )

    def replays(self) -> Replays:
        """Return what opens recordings for the RTSP server."""

        def resolve(name: str) -> str | None:
            found = self.recordings.resolve(unquote(name))
            return None if found is None else found.token

        player = Player(self.store.archive, FORM)
        return Replays(player, resolve, lambda: self.replay.session_timeout, self._with.clock)

    def withdraw(self) -> None:
        """Take back the states that were told, once nothing runs any more."""
        self._running = False
        self._events.withdraw()

    async def run(self) -> None:
        """Record until cancelled; then the files are closed."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.store)
            stack.push_async_callback(self._streams.stop)
            stack.push_async_callback(self._searches.close)
            await self._recover()
            self._running = True
            self._look_again()
            async with asyncio.TaskGroup() as tasks:
                for name, work in (
                    ("recorder", self._recorder.run),
                    ("storages", self.store.storages.run),
                    ("retention", self.store.sweeper.run),
                    ("recording history", self._watch),
                    ("catalogue", self._rebuild),
                    ("edge recordings", self._backfill.run),
                ):
                    tasks.create_task(self._supervise(name, work), name=name)

    def stream(self, path: str) -> LiveStream | None:
        """Return the live stream of a camera or receiver."""
        return self._with.live.stream(path) or self._streams.stream(path)

    async def _stopped(self, recording: str) -> None:
        """Wait until nothing is written to a recording that has no job any more."""
        await self._recorder.stopped(recording)
        await self._backfill.stopped(recording)

    # Commands of a person

    async def format(self, storage: str) -> None:
        """Delete what a storage holds, and use it from then on. Raises GatewayError."""
        used = {each["id"]: each["used"] for each in await self.store.listed()}
        await self.store.storages.format(storage)
        await self.store.forget(storage)
        self._trail.record("", COMMAND_LINE, "FormatStorage", f"storage {storage}, {used.get(storage, 0)} bytes")

    async def remove(self, storage: str) -> None:
        """Let go of a storage. Raises GatewayError."""
        await self.store.storages.release(storage)
        self._trail.record("", COMMAND_LINE, "RemoveStorage", f"storage {storage}")

    # What happens

    def _recorder_ports(self) -> RecorderPorts:
        return RecorderPorts(
            self.stream,
            self.store.archive,
            self.store.storages,
            Muxer,
            self._with.clock,
            self.store.disk,
            self.store.sweeper.make_room,
            motion=self._motion,
        )

    async def _recover(self) -> None:
        """Close what a crash left open, also on a storage that comes back."""
        if count := await self.store.fsck.recover(self.store.archive.is_written):
            _log.warning("%d segments were being written when the gateway ended: what is whole of them is kept", count)

    async def _supervise(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do some work until it is done or cancelled; when it fails, as with a lost database, begin again."""
        while True:
            try:
                return await work()
            except Exception as error:  # noqa: BLE001 - a supervisor
                known = isinstance(error, GatewayError)
                _log.error("%s: %s", name, error, exc_info=None if known else error)
            await self._with.clock.sleep(AGAIN_SECONDS)

    async def _rebuild(self) -> None:
        """Make a lost catalogue anew from the files, while recording goes on."""
        if not self.store.catalogue.fault:
            return
        _log.warning("the catalogue is made anew from the files: %s", self.store.catalogue.fault)
        writing = {segment.name for segment in await self.store.catalogue.open_segments()}
        report = await self.store.fsck.check(repair=True, writing=frozenset(writing))
        await self.store.catalogue.restored()
        await self.store.archive.start()
        _log.warning("the catalogue is made anew: %d files", report.files)

    async def _watch(self) -> None:
        """Tell of recordings that begin and end, not of new files; recover storages that return."""
        silent: set[str] = set()
        while True:
            await self._with.clock.sleep(WATCH_SECONDS)
            if self._came_back.is_set():
                self._came_back.clear()
                await self._recover()
            for recording in self.recordings.all():
                token = recording.token
                writing = self.store.archive.writing(token) is not None
                if writing or token in silent:
                    self._events.tell_history(token)
                silent = silent - {token} if writing else silent | {token}

    def _deleted(self, segments: Sequence[Segment]) -> None:
        """Tell of each recording from when to when data is gone."""
        spans: dict[str, Span] = {}
        for segment in segments:
            span = spans.get(segment.recording, segment.span)
            spans[segment.recording] = Span(min(span.start_ns, segment.start_ns), max(span.end_ns, segment.end_ns))
        for recording, span in spans.items():
            self.recordings.data_deleted(recording, span)

    def _look_again(self) -> None:
        if not self._running:
            return
        self._receivers.refresh()
        self.recordings.refresh()

    def _is_recorded(self, receiver: str) -> bool:
        return any(receiver in {source.token for source in job.sources} for job in self.recordings.jobs())

    def _description(self, path: str) -> StreamDescription | None:
        return self._with.live.description(path) or self._streams.description(path)

    def _concerns(self, event: Event, path: str) -> bool:
        """Tell whether an event is about the camera of a stream: it names that one, or no camera at all."""
        named = camera_of(event, {each.id for each in self._with.cameras.channels()})
        return not named or path.startswith(f"/live/{named}/")

    def _names(self, recording: Recording) -> set[str]:
        """Return the tokens that events may name a recording by: its own, its jobs', and those of its source."""
        jobs = [job for job in self.recordings.jobs() if job.recording == recording.token]
        source = recording.source.source_id
        cameras = [tokens for each in self._with.cameras.channels() if source in (tokens := camera_tokens(each.id))]
        return {
            *(recording.token, source),
            *(job.token for job in jobs),
            *(each.token for job in jobs for each in job.sources),
            *(token for tokens in cameras for token in tokens),
        }

    def _motion(self, path: str, start_ns: int, end_ns: int) -> int:
        """Return how strong motion was in a stream's picture, 0 to 255."""
        return self._with.motion(path.split("/")[2], start_ns, end_ns) if path.startswith("/live/") else 0

    def _storage_changed(self, name: str, old: StorageStatus, new: StorageStatus) -> None:
        """Tell of a storage; may be called in a disk thread."""
        failed = new.state not in {StorageState.OK, StorageState.FORMATTING}
        event = Event.of(STORAGE_FAILURE.topic, {"Token": name}, {"Failed": failed})
        self._loop.call_soon_threadsafe(self._with.bus.publish, event)
        if new.state is StorageState.OK and old.state in {StorageState.NOT_INSTALLED, StorageState.ERROR}:
            self._loop.call_soon_threadsafe(self._came_back.set)


def local_zone() -> tzinfo:
    """Return the time zone of this machine, with its changes to summer time; UTC where it does not say."""
    try:
        with _LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC
