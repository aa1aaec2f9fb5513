"""The configured storages: which of them work, which is written to next, and reading and deleting what they hold."""

import asyncio
import errno
import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Segment
from gateway.domain.storage import StorageState, StorageStatus, Volume
from gateway.sdk.clock import Clock
from gateway.sdk.storage import SegmentWriter, StorageBackend
from gateway.services.storage_health import UNSEEN, Health, Room
from gateway.services.storage_turns import Turns, WatchedWriter

CHECK_SECONDS = 5.0
ANSWER_SECONDS = 20.0
"""A medium that takes longer than this to be looked at is an error, as a network share that hangs."""

RELEASE_SECONDS = 30.0
_FINE = {StorageState.OK, StorageState.FORMATTING}
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Storages:
    """All storages. `create`, what it returns, and `failed` are called in disk threads, the rest on the event loop."""

    def __init__(
        self,
        volumes: Sequence[tuple[Volume, StorageBackend]],
        disk: Executor,
        clock: Clock,
        usage: Callable[[], Awaitable[Mapping[str, int]]],
        changed: Callable[[str, StorageStatus, StorageStatus], None] = lambda *_: None,
    ) -> None:
        """`usage` returns the archive's bytes by storage; `changed` is told each change of a state, old and new."""
        self._health = {volume.id: Health(volume) for volume, _ in volumes}
        self._backends = {volume.id: backend for volume, backend in volumes}
        self._disk = disk
        self._clock = clock
        self._usage = usage
        self._changed = changed
        self._lock = threading.RLock()
        """Of all `Health`, of what was told of it, and of the open names."""
        self._told = dict.fromkeys(self._health, UNSEEN)
        self._looks: dict[str, asyncio.Future[StorageStatus]] = {}
        """The last look at each medium; one that hangs is waited for, so that it keeps only one thread."""
        self._open: dict[str, set[str]] = {name: set() for name in self._health}
        self._turns = {name: Turns(name) for name in self._health}

    # Looking

    async def run(self) -> None:
        """Look at every storage each few seconds until cancelled."""
        while True:
            await self.check()
            await self._clock.sleep(CHECK_SECONDS)

    async def check(self) -> None:
        """Look at every storage now."""
        used = await self._usage()
        for name, health in self._health.items():
            health.used = used.get(name, 0)
        await asyncio.gather(*(self._check(name) for name in self._health))

    async def _check(self, name: str) -> None:
        health = self._health[name]
        if health.formatting:
            return
        look = self._looks.get(name)
        hangs = look is not None and not look.done() and health.silent
        if look is None or look.done():
            look = self._looks[name] = asyncio.ensure_future(self._look(name))
        await asyncio.wait([look], timeout=0 if hangs else ANSWER_SECONDS)
        with self._lock:
            if look.done():
                health.see(look.result(), self._clock.monotonic())
            else:
                health.silent = True
            self._tell(name)

    async def _look(self, name: str) -> StorageStatus:
        try:
            return await self._in_thread(self._backends[name].status)
        except OSError as error:
            return StorageStatus(StorageState.ERROR, f"storage {name!r} can't be looked at: {error}")

    def _tell(self, name: str) -> None:
        """Tell a change of state once; with the lock."""
        before, after = self._told[name], self._health[name].status
        self._told[name] = after
        if before.state is after.state and before is not UNSEEN:
            return
        level = logging.ERROR if after.state not in _FINE else logging.DEBUG if before is UNSEEN else logging.INFO
        _log.log(level, "storage %s: %s%s", name, after.state, f": {after.cause}" if after.cause else "")
        self._changed(name, before, after)

    def statuses(self) -> dict[str, StorageStatus]:
        """Return where every storage stands."""
        return {name: health.status for name, health in self._health.items()}

    def rooms(self) -> list[Room]:
        """Return how much room there is on each storage whose medium is there, so that it can be deleted from."""
        return [health.room for health in self._health.values() if health.present]

    # Writing

    def writable(self, exclude: Collection[str] = ()) -> str | None:
        """Return the storage to write to: one with room, the highest in priority, the one with most room left.

        Where none has room, the same without that: retention is about to make some, unless it said that it can't.
        """
        now = self._clock.monotonic()
        found = [each for each in self._health.values() if each.volume.id not in exclude and each.writable(now)]
        rooms = [health.room for health in found]
        best = max(rooms, key=lambda room: (room.left > 0, room.volume.priority, room.left), default=None)
        return None if best is None else best.volume.id

    def create(self, storage: str, name: str) -> SegmentWriter:
        """Make a new object. Raises OSError or GatewayError."""
        backend = self._backend(storage)
        with self._lock:
            if self._health[storage].let_go:
                raise GatewayError(ErrorKind.UNAVAILABLE, f"storage {storage!r} is let go of")
            if name in self._open[storage]:
                raise FileExistsError(errno.EEXIST, f"{name!r} is being written already")
            self._open[storage].add(name)
        try:
            with self._turn(storage):
                writer = backend.create(name)
        except BaseException:
            self._ended(storage, name)
            raise
        return WatchedWriter(
            writer, partial(self._turn, storage), partial(self._wrote, storage), partial(self._ended, storage, name)
        )

    def failed(self, storage: str, error: Exception) -> None:
        """Leave a storage alone for a while: writing to it failed."""
        with self._lock:
            cause = f"storage {storage!r} can't be written to: {error}"
            self._health[storage].failed(cause, self._clock.monotonic())
            self._tell(storage)

    def full(self, storages: Collection[str]) -> None:
        """Take which storages are full and have nothing on them that may be deleted."""
        with self._lock:
            for name, health in self._health.items():
                health.held = name in storages
                if self._told[name] is not UNSEEN:
                    self._tell(name)

    def writing(self, storage: str, name: str) -> bool:
        """Tell whether an object is being written right now; safe in any thread."""
        with self._lock:
            return name in self._open.get(storage, ())

    @contextmanager
    def _turn(self, storage: str, *, last: bool = False) -> Iterator[None]:
        """Have a turn at writing. Raises OSError when the storage is let go of, but for `last` calls, or hangs."""
        health = self._health[storage]
        if health.let_go and not last:
            raise OSError(errno.ESHUTDOWN, f"storage {storage!r} is let go of")
        with self._turns[storage].write(patient=health.status.state is StorageState.OK):
            yield

    def _wrote(self, storage: str) -> None:
        with self._lock:
            self._health[storage].wrote(self._clock.monotonic())
            self._tell(storage)

    def _ended(self, storage: str, name: str) -> None:
        with self._lock:
            self._open[storage].discard(name)

    # Reading and deleting

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        """Return bytes of a segment's file. Raises GatewayError NOT_FOUND or UNAVAILABLE."""
        backend = self._backend(segment.storage)
        if self._health[segment.storage].silent:
            raise GatewayError(ErrorKind.UNAVAILABLE, self._health[segment.storage].status.cause)
        try:
            return await self._in_turn(segment.storage, lambda: backend.read(segment.name, offset, size))
        except FileNotFoundError:
            status = self._health[segment.storage].status
            if status.state is StorageState.NOT_INSTALLED:
                raise GatewayError(ErrorKind.UNAVAILABLE, status.cause) from None
            message = f"{segment.name!r} is not on storage {segment.storage!r}"
            raise GatewayError(ErrorKind.NOT_FOUND, message) from None
        except OSError as error:
            message = f"{segment.name!r} on storage {segment.storage!r} can't be read: {error.strerror}"
            raise GatewayError(ErrorKind.UNAVAILABLE, message) from error

    async def delete(self, segments: Sequence[Segment]) -> list[Segment]:
        """Delete segments' files; returns those that are gone. The others are logged, and stay in the catalogue."""
        gone: list[Segment] = []
        for name, health in self._health.items():
            some = [segment for segment in segments if segment.storage == name]
            if not some or not health.present:
                continue
            try:
                gone += await self._in_turn(name, partial(self._delete, name, some))
            except GatewayError as error:
                _log.warning("%s", error.message)
        return gone

    async def truncate(self, segment: Segment, size: int) -> None:
        """Cut a segment's file. Raises GatewayError."""
        backend = self._backend(segment.storage)
        try:
            await self._in_turn(segment.storage, partial(backend.truncate, segment.name, size))
        except OSError as error:
            message = f"{segment.name!r} on storage {segment.storage!r} can't be cut: {error.strerror}"
            raise GatewayError(ErrorKind.UNAVAILABLE, message) from error

    def _delete(self, storage: str, segments: Sequence[Segment]) -> list[Segment]:
        gone = []
        for segment in segments:
            if not self._health[storage].present:
                break
            try:
                self._backends[storage].delete(segment.name)
            except (OSError, GatewayError) as error:
                _log.warning("%s on storage %s can't be deleted: %s", segment.name, storage, error)
            else:
                gone.append(segment)
        return gone

    async def _in_turn(self, storage: str, call: Callable[[], _T]) -> _T:
        return await self._turns[storage].read(lambda: self._in_thread(call))

    # What an owner does

    async def format(self, name: str) -> None:
        """Delete all that a storage holds and make it ready. Raises GatewayError."""
        backend, health = self._backend(name), self._health[name]
        if health.formatting:
            raise GatewayError(ErrorKind.CONFLICT, f"storage {name!r} is being formatted already")
        with self._lock:
            health.formatting = True
            self._tell(name)
        try:
            await self._idle(name)
            await self._in_thread(backend.format)
            health.used = 0
            health.take_back()
        finally:
            found = await self._in_thread(backend.status)
            with self._lock:
                health.formatting = False
                health.see(found, self._clock.monotonic())
                self._tell(name)

    async def release(self, name: str) -> None:
        """Stop writing to a storage and sync it, so that it can be taken out.

        It is used again when its medium was away and is back, and after `format` or `restore`. Raises GatewayError.
        """
        self._backend(name)
        health = self._health[name]
        health.release()
        try:
            await self._idle(name)
        except GatewayError:
            health.take_back()
            raise
        with self._lock:
            health.idle = True
            self._tell(name)

    def restore(self, name: str) -> None:
        """Use a released storage again. Raises GatewayError."""
        self._backend(name)
        with self._lock:
            self._health[name].take_back()
            self._tell(name)

    async def _idle(self, name: str) -> None:
        """Wait until nothing writes to a storage; whoever does gets an error with the next fragment."""
        waited = 0.0
        while self._open[name]:
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
