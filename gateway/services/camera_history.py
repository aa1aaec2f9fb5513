"""The history of all cameras: what is told of them is kept, when it is news, and written behind."""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from gateway.domain.camera import CameraInfo, Channel, ConnectionState
from gateway.domain.camera_history import HistoryEntry, HistoryKind
from gateway.domain.errors import GatewayError
from gateway.domain.media import StreamDescription
from gateway.sdk.clock import Clock
from gateway.sdk.driver import Inspection
from gateway.services import camera_changes as changes
from gateway.services.camera_changes import Changes
from gateway.services.camera_health import RESTART_NS, Errors, Outages

WRITE_SECONDS: Final = 10.0
"""Between two writes: what happens meanwhile is one transaction."""
BEAT_SECONDS: Final = 60.0
"""Between two notes that the gateway still runs."""
MAX_WAITING: Final = 10_000
"""Entries that wait for a database that is away."""
_log = logging.getLogger(__name__)


class HistoryStore(Protocol):
    """Where entries are kept."""

    def latest(self) -> Iterable[HistoryEntry]:
        """Return the last entry of each camera, kind and subject, but for errors."""
        ...

    async def write(self, entries: Sequence[HistoryEntry]) -> None:
        """Keep entries, each in place of one with the same key. Raises GatewayError."""
        ...


class Cameras(Protocol):
    """Who tells how the cameras are reached."""

    def channels(self) -> tuple[Channel, ...]:
        """Return every camera."""
        ...

    def watch(self, watcher: Callable[[Channel], None]) -> None:
        """Have a function called for every change of a camera's state."""
        ...

    def watch_failures(self, watcher: Callable[[str, str, str], None]) -> None:
        """Have a function called with camera, profile and error for every attempt to play that has failed."""
        ...


class CameraHistory:
    """Keeps what becomes of cameras. `run` writes it until cancelled, and at the end the rest."""

    def __init__(self, store: HistoryStore, clock: Clock) -> None:
        """Read what is known; blocks, so call it at the start. Raises GatewayError."""
        self._store = store
        self._clock = clock
        self._latest = {(entry.camera, entry.kind, entry.subject): entry for entry in store.latest()}
        self._changes: dict[tuple[str, HistoryKind, str], Changes] = {}
        self._errors: dict[str, Errors] = {}
        self._complaints: dict[str, str] = {}
        """What each camera that is followed last failed with."""
        self._outages: dict[str, Outages] = {}
        self._watches: dict[str, HistoryEntry] = {}
        self._waiting: dict[tuple[str, HistoryKind, int, str], HistoryEntry] = {}
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()
        self._complained = False

    def known(self, camera: str) -> CameraInfo:
        """Return what a camera was when it last told."""
        last = self._changes_of(camera, HistoryKind.IDENTITY).last
        return CameraInfo() if last is None else changes.info_of(last.value)

    def follow(self, cameras: Cameras) -> None:
        """Keep from now on how cameras are reached."""
        now_ns = self._clock.utc_ns()
        for channel in cameras.channels():
            self._begin(channel.id, now_ns)
        cameras.watch(self._changed)
        cameras.watch_failures(self._not_played)

    def inspected(self, camera: str, inspection: Inspection) -> None:
        """Take what a camera has told of itself."""
        self._told(camera, HistoryKind.IDENTITY, changes.of_info(inspection.info))
        if inspection.capabilities:
            self._told(camera, HistoryKind.CAPABILITIES, changes.of_capabilities(inspection.capabilities))
        if inspection.clock_offset is not None and math.isfinite(inspection.clock_offset):
            self._told(camera, HistoryKind.CLOCK, changes.of_clock(inspection.clock_offset))

    def described(self, camera: str, profile: str, description: StreamDescription) -> None:
        """Take what a profile of a camera is."""
        self._told(camera, HistoryKind.STREAM, changes.of_stream(description), profile)

    def credentials(self, camera: str, fingerprint: str) -> None:
        """Take by what a camera is logged in to, told by something from which that can't be found out."""
        self._told(camera, HistoryKind.CREDENTIALS, {"fingerprint": fingerprint})

    def failed(self, camera: str, what: str, error: str) -> None:
        """Take that something of a camera has failed once more."""
        self._keep(self._errors[camera].seen(self._clock.utc_ns(), f"{what}: {error}"))

    async def run(self) -> None:
        """Write until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_behind(), name="camera history")
                tasks.create_task(self._beat(), name="camera watch")
        finally:
            self._still_here()
            await self.flush()

    async def flush(self) -> None:
        """Write what waits; where that can't be, it waits on."""
        async with self._writing:
            waiting, self._waiting = self._waiting, {}
            try:
                if waiting:
                    await self._store.write(list(waiting.values()))
                self._complained = False
            except GatewayError as error:
                self._waiting = waiting | self._waiting
                if not self._complained:
                    _log.error("the history of cameras waits: %s", error.message)
                self._complained = True
            except BaseException:
                self._waiting = waiting | self._waiting
                raise

    def _begin(self, camera: str, now_ns: int) -> None:
        watch = self._latest.get((camera, HistoryKind.WATCH, ""))
        watched_ns = now_ns if watch is None or watch.end_ns is None else watch.end_ns
        outages = Outages(camera, self._latest.get((camera, HistoryKind.OUTAGE, "")), watched_ns, now_ns)
        if watch is not None and 0 <= now_ns - watched_ns < RESTART_NS:
            watch = replace(watch, end_ns=now_ns, count=watch.count + 1)
        else:
            watch = HistoryEntry(camera, HistoryKind.WATCH, now_ns, end_ns=now_ns)
        self._outages[camera], self._watches[camera], self._errors[camera] = outages, watch, Errors(camera)
        self._keep(watch)

    def _changed(self, channel: Channel) -> None:
        outages, now_ns = self._outages[channel.id], self._clock.utc_ns()
        if channel.state is ConnectionState.OFFLINE:
            self._keep(outages.lost(now_ns, self._complaints.get(channel.id, "")))
        elif channel.state is ConnectionState.ONLINE:
            self._told(channel.id, HistoryKind.IDENTITY, changes.of_info(channel.info))
            if (entry := outages.over(now_ns)) is not None:
                self._keep(entry)

    def _not_played(self, camera: str, profile: str, error: str) -> None:
        self._complaints[camera] = error
        self.failed(camera, profile, error)

    def _told(self, camera: str, kind: HistoryKind, value: dict[str, object], subject: str = "") -> None:
        entry = self._changes_of(camera, kind, subject).told(self._clock.utc_ns(), value)
        if entry is not None:
            self._keep(entry)

    def _changes_of(self, camera: str, kind: HistoryKind, subject: str = "") -> Changes:
        key = (camera, kind, subject)
        if key not in self._changes:
            self._changes[key] = Changes(camera, kind, subject, self._latest.get(key))
        return self._changes[key]

    def _keep(self, entry: HistoryEntry) -> None:
        if len(self._waiting) < MAX_WAITING or entry.key in self._waiting:
            self._waiting[entry.key] = entry
        self._news.set()

    async def _write_behind(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self.flush()
            await self._clock.sleep(WRITE_SECONDS)

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(BEAT_SECONDS)
            self._still_here()

    def _still_here(self) -> None:
        now_ns = self._clock.utc_ns()
        for camera, watch in self._watches.items():
            last_ns = watch.start_ns if watch.end_ns is None else watch.end_ns
            if 0 <= now_ns - last_ns < RESTART_NS:
                self._watches[camera] = replace(watch, end_ns=now_ns)
            else:  # the machine slept, or its clock was set
                self._watches[camera] = HistoryEntry(camera, HistoryKind.WATCH, now_ns, end_ns=now_ns)
            self._keep(self._watches[camera])
