"""The configured storages: which of them work, which is written to next, and reading and deleting what they hold."""

import asyncio
import errno
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Segment
from gateway.domain.storage import StorageState, StorageStatus, Volume
from gateway.sdk.clock import Clock
from gateway.sdk.storage import SegmentWriter, StorageBackend

CHECK_SECONDS = 5.0
ANSWER_SECONDS = 20.0
"""A medium that takes longer than this to be looked at is an error, as a network share that hangs."""

FIRST_RETRY, LONGEST_RETRY = 5.0, 60.0
"""Seconds until a storage that failed is tried again."""

FORGET_SECONDS = 600.0
"""A failure that is so long ago does not make the next one wait longer."""

RELEASE_SECONDS = 30.0
_MOST_RESERVE = 512 * 2**20
_UNSEEN = StorageStatus(StorageState.NOT_INSTALLED, "it was not looked at yet")
_FINE = {StorageState.OK, StorageState.FORMATTING}
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a storage the archive uses, and how much it may still write. Bytes."""

    volume: Volume
    status: StorageStatus
    used: int

    @property
    def reserve(self) -> int:
        """What stays free in any case: file systems get slow and other programs break when there is nothing left."""
        return min(max(self.status.capacity // 100, _MOST_RESERVE), self.status.capacity // 20)

    @property
    def left(self) -> int:
        """What may still be written; negative when something has to go."""
        left = self.status.free - self.reserve
        return left if self.volume.limit is None else min(left, self.volume.limit - self.used)


@dataclass(slots=True)
class _Failure:
    cause: str
    until: float
    delay: float


class Storages:
    """All storages. `create`, `writable` and `failed` are called in disk threads, the rest on the event loop."""

    def __init__(
        self,
        volumes: Sequence[tuple[Volume, StorageBackend]],
        disk: Executor,
        clock: Clock,
        usage: Callable[[], Awaitable[Mapping[str, int]]],
        changed: Callable[[str, StorageStatus, StorageStatus], None] = lambda *_: None,
    ) -> None:
        """`usage` returns the archive's bytes by storage; `changed` is told each change of a state, old and new."""
        self._volumes = {volume.id: volume for volume, _ in volumes}
        self._backends = {volume.id: backend for volume, backend in volumes}
        self._disk = disk
        self._clock = clock
        self._usage = usage
        self._changed = changed
        self._lock = threading.Lock()
        self._seen = dict.fromkeys(self._volumes, _UNSEEN)
        self._used: Mapping[str, int] = {}
        self._failures: dict[str, _Failure] = {}
        self._released: set[str] = set()
        self._formatting: set[str] = set()
        self._writers: dict[str, int] = dict.fromkeys(self._volumes, 0)

    # Looking

    async def run(self) -> None:
        """Look at every storage each few seconds until cancelled."""
        while True:
            await self.check()
            await self._clock.sleep(CHECK_SECONDS)

    async def check(self) -> None:
        """Look at every storage now."""
        self._used = await self._usage()
        await asyncio.gather(*(self._check(name) for name in self._volumes))

    async def _check(self, name: str) -> None:
        if name in self._formatting:
            return
        failure = self._failures.get(name)
        if failure is not None and self._clock.monotonic() > failure.until + FORGET_SECONDS:
            del self._failures[name]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = await self._in_thread(self._backends[name].status)
        except TimeoutError:
            found = StorageStatus(StorageState.ERROR, f"storage {name!r} does not answer")
        if found.state is StorageState.FORMATTING_REQUIRED and self._used.get(name):
            cause = f"the medium with the recordings of storage {name!r} is not there: {found.cause}"
            found = replace(found, state=StorageState.NOT_INSTALLED, cause=cause)
        self._set(name, found)

    def _set(self, name: str, found: StorageStatus) -> None:
        before = self._status(name)
        self._seen[name] = found
        self._tell(name, before)

    def _tell(self, name: str, before: StorageStatus) -> None:
        after = self._status(name)
        if before.state is not after.state:
            level = logging.INFO if after.state in _FINE else logging.ERROR
            _log.log(
                logging.DEBUG if before is _UNSEEN and level == logging.INFO else level,
                "storage %s: %s%s",
                name,
                after.state,
                f": {after.cause}" if after.cause else "",
            )
            self._changed(name, before, after)

    def _status(self, name: str) -> StorageStatus:
        seen = self._seen[name]
        if name in self._formatting:
            return replace(seen, state=StorageState.FORMATTING, cause="")
        if name in self._released:
            return replace(seen, state=StorageState.NOT_INSTALLED, cause=f"storage {name!r} is safe to remove")
        failure = self._failures.get(name)
        if seen.state is StorageState.OK and failure is not None and self._clock.monotonic() < failure.until:
            return replace(seen, state=StorageState.ERROR, cause=failure.cause)
        return seen

    def statuses(self) -> dict[str, StorageStatus]:
        """Return where every storage stands."""
        return {name: self._status(name) for name in self._volumes}

    def rooms(self) -> list[Room]:
        """Return the storages that work, with how much room they have."""
        found = ((volume, self._status(name)) for name, volume in self._volumes.items())
        return [
            Room(volume, status, self._used.get(volume.id, 0))
            for volume, status in found
            if status.state is StorageState.OK
        ]

    # Writing

    def writable(self, exclude: Sequence[str] = ()) -> str | None:
        """Return the storage to write to: one with room, the highest in priority, the one with most room left.

        Where none has room, the same without that: retention is about to make some.
        """
        rooms = [room for room in self.rooms() if room.volume.id not in exclude]
        best = max(rooms, key=lambda room: (room.left > 0, room.volume.priority, room.left), default=None)
        return None if best is None else best.volume.id

    def create(self, storage: str, name: str) -> SegmentWriter:
        """Make a new object. Raises OSError or GatewayError."""
        writer = self._backend(storage).create(name)
        with self._lock:
            self._writers[storage] += 1
        return _Watched(writer, lambda: storage in self._released or storage in self._formatting, self._ended(storage))

    def _ended(self, storage: str) -> Callable[[], None]:
        def ended() -> None:
            with self._lock:
                self._writers[storage] -= 1

        return ended

    def failed(self, storage: str, error: Exception) -> None:
        """Leave a storage alone for a while: writing to it failed."""
        if storage in self._released or storage in self._formatting:
            return
        cause = f"storage {storage!r} can't be written to: {error}"
        with self._lock:
            last = self._failures.get(storage)
            delay = FIRST_RETRY if last is None else min(last.delay * 2, LONGEST_RETRY)
            before = self._status(storage)
            self._failures[storage] = _Failure(cause, self._clock.monotonic() + delay, delay)
        self._tell(storage, before)

    # Reading and deleting

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        """Return bytes of a segment's file. Raises GatewayError NOT_FOUND or UNAVAILABLE."""
        backend = self._backend(segment.storage)
        try:
            return await self._in_thread(lambda: backend.read(segment.name, offset, size))
        except FileNotFoundError:
            message = f"{segment.name!r} is not on storage {segment.storage!r}"
            raise GatewayError(ErrorKind.NOT_FOUND, message) from None
        except OSError as error:
            message = f"{segment.name!r} on storage {segment.storage!r} can't be read: {error.strerror}"
            raise GatewayError(ErrorKind.UNAVAILABLE, message) from error

    async def delete(self, segments: Sequence[Segment]) -> list[Segment]:
        """Delete segments' files; returns those that are gone. The others are logged, and stay in the catalogue."""
        return await self._in_thread(lambda: [segment for segment in segments if self._delete(segment)])

    def _delete(self, segment: Segment) -> bool:
        try:
            if self._status(segment.storage).state is not StorageState.OK:
                return False
            self._backend(segment.storage).delete(segment.name)
        except (OSError, KeyError, GatewayError) as error:
            _log.warning("%s on storage %s can't be deleted: %s", segment.name, segment.storage, error)
            return False
        return True

    # What an owner does

    async def format(self, name: str) -> None:
        """Delete all that a storage holds and make it ready. Raises GatewayError."""
        backend = self._backend(name)
        before = self._status(name)
        self._formatting.add(name)
        self._tell(name, before)
        try:
            await self._idle(name)
            await self._in_thread(backend.format)
        finally:
            before = self._status(name)
            self._formatting.discard(name)
            self._released.discard(name)
            self._failures.pop(name, None)
            self._seen[name] = await self._in_thread(backend.status)
            self._tell(name, before)

    async def release(self, name: str) -> None:
        """Stop writing to a storage and sync it, so that it can be taken out; `format` or `restore` uses it again."""
        self._backend(name)
        before = self._status(name)
        self._released.add(name)
        await self._idle(name)
        self._tell(name, before)

    def restore(self, name: str) -> None:
        """Use a released storage again."""
        before = self._status(name)
        self._released.discard(name)
        self._tell(name, before)

    def writing(self, name: str) -> int:
        """Return how many objects are being written to a storage."""
        return self._writers[name]

    async def _idle(self, name: str) -> None:
        """Wait until nothing writes to a storage; whoever does gets an error with the next fragment."""
        waited = 0.0
        while self._writers[name]:
            if waited >= RELEASE_SECONDS:
                raise GatewayError(ErrorKind.CONFLICT, f"storage {name!r} is still written to")
            await self._clock.sleep(0.5)
            waited += 0.5

    def _backend(self, name: str) -> StorageBackend:
        backend = self._backends.get(name)
        if backend is None:
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no storage {name!r}")
        return backend

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)


class _Watched:
    """A writer that stops when its storage is let go of, and is counted until it is closed."""

    def __init__(self, writer: SegmentWriter, gone: Callable[[], bool], ended: Callable[[], None]) -> None:
        self._writer = writer
        self._gone = gone
        self._ended: Callable[[], None] | None = ended

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        if self._gone():
            raise OSError(errno.ESHUTDOWN, "the storage is let go of")
        self._writer.write(parts)

    def sync(self) -> None:
        self._writer.sync()

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            ended, self._ended = self._ended, None
            if ended is not None:
                ended()
