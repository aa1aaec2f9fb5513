"""What is recorded, whether or not the gateway runs: storages, catalogue, archive, fsck and retention."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from gateway.config import Config, data_directory
from gateway.db import Database
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import StreamDescription
from gateway.domain.recording import Recording, Segment, Span
from gateway.domain.storage import StorageState, StorageStatus
from gateway.protocols.mp4.check import check_samples
from gateway.protocols.mp4.join import MoviePlan
from gateway.protocols.mp4.reader import read_header
from gateway.protocols.mp4.runs import head_size
from gateway.protocols.mp4.scan import Scanner
from gateway.recordings import configured_recordings, global_retention
from gateway.registry import Registry
from gateway.sdk.clock import Clock
from gateway.services.archive import LATEST_NS, Archive
from gateway.services.exports import Export, Exports
from gateway.services.fsck import Fsck
from gateway.services.retention import Rules, Sweeper
from gateway.services.storage_turns import THREADS_AT_ONCE
from gateway.services.storages import Storages
from gateway.storages import storages as configured_storages

SPARE_THREADS = 2
"""Disk threads besides those that the storages would keep if all of them hung."""
_BATCH = 500
_log = logging.getLogger(__name__)


class ArchiveStore:
    """Storages, catalogue, archive, fsck and retention: what is recorded, whether or not the gateway runs.

    `changed` is told each change of a storage's state; it may be called in a disk thread.
    """

    def __init__(
        self,
        config: Config,
        registry: Registry,
        database: Database,
        installation: str,
        clock: Clock,
        changed: Callable[[str, StorageStatus, StorageStatus], None] = lambda *_: None,
    ) -> None:
        """Raises ConfigError for storages that can't be."""
        volumes = configured_storages(config, registry, installation)
        self._config = config
        self._database = database
        self._own = data_directory(config)
        self.catalogue = database.catalogue
        self.backends = {volume.id: backend for volume, backend in volumes}
        self.disk = ThreadPoolExecutor(SPARE_THREADS + THREADS_AT_ONCE * len(volumes), "disk")
        self.storages = Storages(volumes, self.disk, clock, self._used, changed)
        self.archive = Archive(self.catalogue, self.storages)
        self.fsck = Fsck(self.catalogue, self.backends, Scanner, check_samples, self.disk, self.storages.writing)
        names = {camera.id: camera.name or camera.id for camera in config.cameras}
        self.recordings, self.jobs = configured_recordings(config, names)
        self._exports = Exports(self.archive, MoviePlan, head_size)
        self.kept: Callable[[], Iterable[Recording]] = lambda: self.recordings
        """Returns the recordings with their present rules: also those that clients made, while the gateway runs."""
        self.deleted: Callable[[Sequence[Segment]], None] = lambda _: None
        """Told what retention has deleted."""
        self.sweeper = Sweeper(self.catalogue, self.storages, self._removed, self.rules, clock)

    async def __aenter__(self) -> Self:
        """Look at the storages, and learn what there is."""
        await self._prepare()
        await self.storages.check()
        await self.archive.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let the disk threads end."""
        await asyncio.to_thread(self.disk.shutdown)

    async def rules(self) -> Rules:
        """Return what retention goes by now."""
        retentions = {recording.token: recording.retention for recording in self.kept()}
        return Rules(retentions, global_retention(self._config), tuple(await self._database.holds.holds()))

    async def describe(self, segment: Segment) -> StreamDescription | None:
        """Return the tracks of a segment, None when it can't be read."""
        if not segment.fragments:
            return None
        try:
            return read_header(await self.storages.read(segment, 0, segment.fragments[0].offset)).description
        except GatewayError:
            return None

    async def movie(self, name: str, start_ns: int, end_ns: int) -> Export:
        """Return a time range of a recording, or of a camera's first recording, as one movie. Raises GatewayError."""
        return await self._exports.movie(self.token(name), start_ns, end_ns)

    def token(self, name: str) -> str:
        """Return the token of a recording, or of a camera's first recording. Raises GatewayError NOT_FOUND."""
        token = next((token for token in (name, f"Recording_{name}") if self.archive.extent(token)), None)
        if token is None:
            raise GatewayError(ErrorKind.NOT_FOUND, f"nothing is recorded of {name!r}")
        return token

    async def erase(self, recording: str) -> None:
        """Delete all data of a recording. Raises GatewayError when some of it can't be deleted now."""
        while segments := await self.catalogue.segments(recording, Span(0, LATEST_NS), limit=_BATCH):
            gone = await self.storages.delete(segments)
            await self.archive.removed(gone)
            if len(gone) < len(segments):
                message = f"{len(segments) - len(gone)} segments of recording {recording!r} can't be deleted now"
                raise GatewayError(ErrorKind.UNAVAILABLE, message)

    async def forget(self, storage: str) -> None:
        """Take out of the catalogue what a storage held that was formatted."""
        while segments := await self.catalogue.oldest(storage=storage, limit=_BATCH):
            await self.archive.removed(segments)

    async def listed(self) -> list[dict[str, Any]]:
        """Return every storage as a person or a program reads it."""
        used = await self._used()
        rooms = {room.volume.id: room for room in self.storages.rooms()}
        return [
            {
                "id": name,
                "state": status.state.value,
                "cause": status.cause,
                "used": used.get(name, 0),
                "free": status.free,
                "capacity": status.capacity,
                "left": rooms[name].left if name in rooms else 0,
            }
            for name, status in self.storages.statuses().items()
        ]

    async def recorded(self) -> list[dict[str, Any]]:
        """Return every recording that holds data, with its gap-free stretches; times in UTC nanoseconds."""
        found = []
        for token in self.archive.recordings():
            if (extent := self.archive.extent(token)) is not None:
                runs = await self.archive.runs(token, Span(0, LATEST_NS))
                tracks = {track.token: [track.span.start_ns, track.span.end_ns] for track in extent.tracks}
                found.append(
                    {
                        "recording": token,
                        "start_ns": extent.span.start_ns,
                        "end_ns": extent.span.end_ns,
                        "bytes": extent.size,
                        "tracks": tracks,
                        "runs": [[run.start_ns, run.end_ns] for run in runs],
                    }
                )
        return found

    async def _removed(self, segments: Sequence[Segment]) -> None:
        await self.archive.removed(segments)
        self.deleted(segments)

    async def _used(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (_, storage), size in (await self.catalogue.usage()).items():
            found[storage] = found.get(storage, 0) + size
        return found

    async def _prepare(self) -> None:
        """Format new storages in the data directory: nothing of anybody's can be there."""
        for storage in self._config.storages:
            path = storage.settings.get("path")
            backend = self.backends[storage.id]
            if not isinstance(path, str) or not _inside(self._config.directory / path, self._own):
                continue
            status = await asyncio.to_thread(backend.status)
            empty = status.state is StorageState.NOT_INSTALLED and not (self._config.directory / path).exists()
            if empty and not (await self._used()).get(storage.id):
                await asyncio.to_thread(backend.format)


def _inside(path: Path, directory: Path) -> bool:
    return path.absolute().is_relative_to(directory.absolute())
