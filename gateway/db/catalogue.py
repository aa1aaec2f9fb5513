"""The index of all segments: what is where in time. `gateway.services.archive.Catalogue` is what readers ask of it."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import date
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from gateway.db import catalogue_index
from gateway.db.catalogue_queries import Queries
from gateway.db.stores import HoldStore
from gateway.db.writer import DEADLINE, DamagedError, Work, Writer
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Extent, Segment, Span

MAX_WAITING = 10_000
"""Segments that may wait while nothing can be written, as on a full disk: hours of many cameras."""

_BATCH = 500
"""Segments in one transaction."""

Remember = Callable[[str, bool], None]
"""Keeps a fault for the next start, and whether the catalogue is then to be put aside."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Catalogue:
    """Keeps segments and finds them again. Nothing here blocks the event loop."""

    def __init__(self, writer: Writer, reader: Writer, holds: HoldStore, fault: str, remember: Remember) -> None:
        self._writer = writer
        self._reader = reader
        self._fault = fault
        self._remember = remember
        self._queries = Queries()
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, int], Segment] = {}
        """Added, but not yet written."""
        self._asked = False
        """Whether the writer will still look at what is waiting."""
        self._writing: Future[dict[tuple[str, int], Segment]] | None = None
        self._failure = ""
        self.holds = holds.holds
        self.add_hold = holds.add_hold
        self.remove_hold = holds.remove_hold

    @property
    def fault(self) -> str:
        """Return why segments may be missing, until `restored`: then a search through all storages must add them."""
        return self._fault

    async def restored(self) -> None:
        """Take that every segment there is has been added again. Raises GatewayError when some could not be written."""
        if self._waiting:
            await self._written()
        if self._waiting:
            message = f"{len(self._waiting)} segments are not catalogued yet: {self._failure}"
            raise GatewayError(ErrorKind.UNAVAILABLE, message)
        self._set_fault("")

    def add(self, segment: Segment) -> None:
        """Keep a segment, in place of what was known of the same recording and start; returns at once.

        When it can't be written, that is logged, and tried again with the next one.
        """
        key = segment.recording, segment.start_ns
        with self._lock:
            full = len(self._waiting) >= MAX_WAITING and key not in self._waiting
            if not full:
                self._waiting[key] = segment
        if full:
            self._set_fault(f"{MAX_WAITING} segments could not be catalogued, and others after them are not in it")
        self._write()

    async def add_all(self, segments: Sequence[Segment]) -> None:
        """Keep many segments, as when the catalogue is made anew. Raises GatewayError."""
        for batch in _batches(segments):
            await self._change(partial(catalogue_index.add, segments=batch))

    async def remove(self, segments: Sequence[Segment]) -> None:
        """Forget segments; returns when that is kept. Unknown ones are no error. Raises GatewayError."""
        with self._lock:
            for segment in segments:
                self._waiting.pop((segment.recording, segment.start_ns), None)
        for batch in _batches(segments):
            await self._change(partial(catalogue_index.remove, segments=batch))

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        """Return the closed segments of a recording that overlap a span, in order of their starts."""
        return await self._read(
            lambda connection: self._queries.segments(connection, recording, span, limit, descending=descending)
        )

    async def open_segments(self) -> list[Segment]:
        """Return the segments that are not closed: being written now, or left so by a crash."""
        return await self._read(self._queries.open_segments)

    async def oldest(self, *, storage: str | None = None, recording: str | None = None, limit: int) -> list[Segment]:
        """Return the closed segments with the earliest starts, of one storage, one recording, or all."""
        return await self._read(lambda connection: self._queries.oldest(connection, storage, recording, limit))

    async def runs(self, recording: str, span: Span) -> list[Span]:
        """Return the gap-free stretches of closed segments that overlap a span, in order, whole."""
        return await self._read(lambda connection: self._queries.runs(connection, recording, span))

    async def runs_of(self, recordings: Sequence[str], span: Span) -> dict[str, list[Span]]:
        """Return the same of several recordings at once, which costs less than to ask for each."""
        return await self._read(
            lambda connection: {each: self._queries.runs(connection, each, span) for each in recordings}
        )

    async def runs_of_tracks(self, recordings: Sequence[str], span: Span) -> dict[str, dict[str, list[Span]]]:
        """Return, by recording and track, the stretches that have the track; of the track "" the recording's own."""
        return await self._read(
            lambda connection: {each: self._queries.runs_of_tracks(connection, each, span) for each in recordings}
        )

    async def days(self, recording: str, first_day: date, last_day: date) -> dict[date, bytes]:
        """Return the minutes that have data, in UTC, of every day that has any: 180 bytes, the first minute bit 0."""
        return await self._read(lambda connection: self._queries.days(connection, recording, first_day, last_day))

    async def usage(self) -> dict[tuple[str, str], int]:
        """Return the bytes of every recording on every storage, in closed segments."""
        return await self._read(self._queries.usage)

    async def extents(self) -> dict[str, Extent]:
        """Return what every recording with closed segments holds."""
        return await self._read(self._queries.extents)

    async def extent(self, recording: str) -> Extent | None:
        """Return what one recording holds in closed segments."""
        return await self._read(lambda connection: self._queries.extent(connection, recording))

    def close(self) -> None:
        """Write what waits and close both connections; blocks for milliseconds."""
        self._write()
        self._writer.close()
        self._reader.close()

    async def _read(self, work: Work[T]) -> T:
        """Read what is written, after what was added before has been."""
        if self._waiting:
            await self._written()
        try:
            return await self._reader.run(work)
        except DamagedError as error:
            self._set_fault(described(error), useless=True)
            raise

    async def _change(self, work: Work[None]) -> None:
        try:
            await self._writer.run(work)
        except DamagedError as error:
            self._set_fault(described(error), useless=True)
            raise

    async def _written(self) -> None:
        """Wait until the writer has been through what waits. Where it failed, that is logged."""
        self._write()
        if self._writing is not None:
            future = asyncio.wrap_future(self._writing)
            future.add_done_callback(lambda done: done.exception())
            await asyncio.wait([future], timeout=DEADLINE)

    def _write(self) -> None:
        with self._lock:
            if self._asked or not self._waiting:
                return
            self._asked = True
        try:
            self._writing = self._writer.submit(self._write_waiting)
            self._writing.add_done_callback(self._forget_written)
        except GatewayError as error:
            self._asked = False
            _log.error("%s", error.message)

    def _write_waiting(self, connection: Connection) -> dict[tuple[str, int], Segment]:
        """Write everything that waits; in the writer's thread."""
        with self._lock:
            self._asked = False
            segments = dict(self._waiting)
        catalogue_index.add(connection, segments.values())
        return segments

    def _forget_written(self, future: "Future[dict[tuple[str, int], Segment]]") -> None:
        """Take what became of it; in the writer's thread too, before it does anything else."""
        if (error := future.exception()) is None:
            with self._lock:
                for key, segment in future.result().items():
                    if self._waiting.get(key) is segment:
                        del self._waiting[key]
            self._failure = ""
            return
        with self._lock:
            self._asked = False  # the work may not even have begun
        if str(error) != self._failure:
            _log.error("segments can't be catalogued, and wait: %s", error)
        self._failure = str(error)
        if isinstance(error, DamagedError):
            self._set_fault(described(error), useless=True)

    def _set_fault(self, fault: str, *, useless: bool = False) -> None:
        if fault != self._fault:
            self._fault = fault
            self._remember(fault, useless)


def described(error: DamagedError) -> str:
    """Return what is wrong, without the advice: for a catalogue there is a better one."""
    return error.message.partition(";")[0].replace("the database", "the catalogue", 1)


def _batches(segments: Sequence[Segment]) -> Iterator[Sequence[Segment]]:
    return (segments[first : first + _BATCH] for first in range(0, len(segments), _BATCH))
