"""Turns at using a storage, so that one that hangs keeps its own disk threads, and no others."""

import asyncio
import errno
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.storage import SegmentWriter

WRITES_AT_ONCE, READS_AT_ONCE = 4, 2
THREADS_AT_ONCE = WRITES_AT_ONCE + READS_AT_ONCE + 1
"""Disk threads that one storage may keep: those, and one that looks at its state."""

TURN_SECONDS = 5.0
"""How long to wait for one of those."""

_T = TypeVar("_T")


class Turns:
    """Turns at one storage."""

    def __init__(self, storage: str) -> None:
        self._hangs = f"storage {storage!r} does not answer"
        self._writes = threading.BoundedSemaphore(WRITES_AT_ONCE)
        self._reads = asyncio.Semaphore(READS_AT_ONCE)

    @contextmanager
    def write(self, *, patient: bool) -> Iterator[None]:
        """Have a turn at writing, in a disk thread. Raises OSError when there is none, at once unless patient."""
        if not self._writes.acquire(timeout=TURN_SECONDS if patient else 0):
            raise TimeoutError(errno.ETIMEDOUT, self._hangs)
        try:
            yield
        finally:
            self._writes.release()

    async def read(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Have work done that reads or deletes. Raises GatewayError UNAVAILABLE when there is no turn.

        Whoever is cancelled leaves his turn to the work until it is through.
        """
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._reads.acquire()
        except TimeoutError:
            raise GatewayError(ErrorKind.UNAVAILABLE, self._hangs) from None
        task = asyncio.create_task(work())
        task.add_done_callback(self._through)
        return await asyncio.shield(task)

    def _through(self, task: "asyncio.Task[Any]") -> None:
        self._reads.release()
        if not task.cancelled():
            task.exception()  # known to whoever still waits


class Turn(Protocol):
    """Gives turns at writing."""

    def __call__(self, *, last: bool = False) -> AbstractContextManager[None]:
        """Have a turn; the last calls of a writer get one even when the storage is let go of."""
        ...


class WatchedWriter:
    """A writer that stops when its storage is let go of, and is known as open until it is closed."""

    def __init__(self, writer: SegmentWriter, turn: Turn, wrote: Callable[[], None], ended: Callable[[], None]) -> None:
        self._writer = writer
        self._turn = turn
        self._wrote = wrote
        self._ended = ended

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Append all parts, or raise."""
        with self._turn():
            self._writer.write(parts)

    def sync(self) -> None:
        """Return when all that was written would survive a power cut."""
        with self._turn(last=True):
            self._writer.sync()
        self._wrote()

    def close(self) -> None:
        """Sync and close."""
        try:
            with self._turn(last=True):
                self._writer.close()
        finally:
            self._ended()
