"""Past events: written behind the event bus in batches, and found again after a restart."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, func, insert, select

from gateway.db import events_queries
from gateway.db.events_packing import number_of, pack, pack_subject, unpack_subject
from gateway.db.events_schema import EVENTS, SUBJECTS
from gateway.db.writer import Work, Writer
from gateway.domain.errors import GatewayError
from gateway.domain.event import Event, PropertyKey
from gateway.domain.event_history import EventPage, Place
from gateway.domain.recording import Span
from gateway.sdk.clock import Clock

WRITE_SECONDS = 1.0
"""Between two writes: what a crash loses is younger, but for the time that a write takes."""

MAX_WAITING = 20_000
"""Events that wait while nothing can be written; then the oldest are lost."""

MAX_SUBJECTS = 20_000
"""Properties and kinds of messages; events of others are not kept. Unused ones are forgotten at the start."""

_PRUNE_WRITES = 10
_PRUNE_ROWS = 5000
_EARLIEST = -(1 << 62)
_FIRST, _LAST = select(func.min(EVENTS.c.time_ns)), select(func.max(EVENTS.c.time_ns))

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is read at the start."""

    subjects: Mapping[int, PropertyKey]
    last: int
    extent: Span | None


class EventStore:
    """A reader of the event bus that keeps what it hears. `run` writes."""

    persistent = True

    def __init__(self, writer: Writer, reader: Writer, clock: Clock, max_events: int) -> None:
        """Blocks. Raises GatewayError."""
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._max_events = max_events
        self.oldest_ns: Callable[[], int] = lambda: _EARLIEST
        """Returns the time before which events are deleted; whoever knows sets it."""
        known = writer.now(_known)
        self._subjects = dict(known.subjects)
        self._numbers = {subject: number for number, subject in known.subjects.items()}
        self._named: dict[str, set[int]] = defaultdict(set)
        """Subjects by the values of their source's items."""
        for number, subject in known.subjects.items():
            self._name(number, subject)
        self._last_subject = max(known.subjects, default=0)
        self._last = known.last
        self._extent = known.extent
        self._waiting: list[tuple[int, int, Event]] = []
        """Events that are not written, with their numbers and those of their subjects."""
        self._new: dict[int, PropertyKey] = {}
        """Subjects that are not written."""
        self._writing: asyncio.Task[None] | None = None
        self._lost = 0
        self._failure = ""
        self._full = False

    def deliver(self, event: Event) -> None:
        """Keep an event."""
        number = self._numbers.get(event.property_key) or self._make_subject(event.property_key)
        if not number:
            return
        if len(self._waiting) >= MAX_WAITING:
            del self._waiting[0]
            self._lost += 1
        self._last += 1
        self._waiting.append((self._last, number, event))
        if self._extent is None or not self._extent.start_ns <= event.utc_ns <= self._extent.end_ns:
            self._extent = _joined(self._extent, event.utc_ns)

    async def run(self) -> None:
        """Write what is delivered and delete what is too old, until cancelled."""
        writes = 0
        while True:
            await self._clock.sleep(WRITE_SECONDS)
            await self.written()
            writes += 1
            if writes % _PRUNE_WRITES == 0:
                await self.prune()

    def close(self) -> None:
        """Write what waits and close both connections; blocks for milliseconds."""
        if self._waiting:
            self._writer.post(partial(insert_batch, subjects=tuple(self._new.items()), events=self._waiting))
            self._waiting = []
        self._writer.close()
        self._reader.close()

    # What past events are asked for

    @property
    def waiting(self) -> int:
        """Return how many events are still to be written."""
        return len(self._waiting)

    def begin_ns(self) -> int | None:
        """Return the time of the oldest event, None when there is none."""
        return None if self._extent is None else self._extent.start_ns

    def extent(self) -> Span | None:
        """Return the times of the first and the last event, None when there is none."""
        return self._extent

    def subjects(self, names: Collection[str]) -> dict[int, PropertyKey]:
        """Return the properties and kinds of messages, by number, whose source has one of these values."""
        numbers = {number for name in names for number in self._named.get(name, ())}
        return {number: self._subjects[number] for number in numbers}

    async def events(self, place: Place, *, reverse: bool, limit: int) -> EventPage:
        """Return events from a place on, or back from it, at most so many. Raises GatewayError."""
        end_ns = _EARLIEST if reverse else -_EARLIEST
        return await self._read(
            lambda connection: events_queries.page(
                connection, self._subjects, None, place, end_ns, limit, reverse=reverse
            )
        )

    async def page(self, wanted: Collection[int], place: Place, end_ns: int, *, reverse: bool, limit: int) -> EventPage:
        """Return events of some subjects from a place up to and with a time, about so many. Raises GatewayError."""
        return await self._read(
            lambda connection: events_queries.page(
                connection, self._subjects, wanted, place, end_ns, limit, reverse=reverse
            )
        )

    async def states(self, wanted: Collection[int], time_ns: int) -> list[tuple[int, Event]]:
        """Return the last event of each of some subjects up to and with a time. Raises GatewayError."""
        return await self._read(lambda connection: events_queries.states(connection, self._subjects, wanted, time_ns))

    # Inside

    def _make_subject(self, subject: PropertyKey) -> int:
        """Return the number of a new subject; 0 when there are too many."""
        if len(self._subjects) >= MAX_SUBJECTS:
            if not self._full:
                _log.warning(
                    "%d properties are known: events of others, like %s, are not kept", MAX_SUBJECTS, subject[0]
                )
            self._full = True
            return 0
        self._last_subject = number = self._last_subject + 1
        self._subjects[number] = self._new[number] = subject
        self._numbers[subject] = number
        self._name(number, subject)
        return number

    def _name(self, number: int, subject: PropertyKey) -> None:
        for _, value in subject[1]:
            self._named[value].add(number)

    async def _read(self, work: Work[T]) -> T:
        await self.written()
        return await self._reader.run(work)

    async def written(self) -> None:
        """Wait until what was delivered is written, or can't be."""
        if self._writing is not None:
            await asyncio.shield(self._writing)
        if self._waiting and self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="write events")
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        batch, self._waiting, new = self._waiting, [], tuple(self._new.items())
        try:
            await asyncio.wrap_future(self._writer.submit(partial(insert_batch, subjects=new, events=batch)))
        except GatewayError as error:
            self._waiting = [*batch, *self._waiting][-MAX_WAITING:]
            if error.message != self._failure:
                _log.error("past events can't be written, and wait: %s", error.message)
            self._failure = error.message
        else:
            self._failure = ""
            for number, _ in new:
                del self._new[number]
            if self._lost:
                _log.error("%d events were lost to searches while none could be written", self._lost)
            self._lost = 0
        finally:
            self._writing = None

    async def prune(self) -> None:
        """Delete some of what is too much or too old."""
        newest, oldest_ns = self._last - self._max_events, self.oldest_ns()
        try:
            self._extent = await self._writer.run(partial(_pruned, last_gone=newest, oldest_ns=oldest_ns))
        except GatewayError as error:
            _log.error("old events can't be deleted: %s", error.message)
        for _, _, event in self._waiting:
            self._extent = _joined(self._extent, event.utc_ns)


def _joined(extent: Span | None, time_ns: int) -> Span:
    if extent is None:
        return Span(time_ns, time_ns)
    return Span(min(extent.start_ns, time_ns), max(extent.end_ns, time_ns))


def _known(connection: Connection) -> _Known:
    """Forget subjects without events, and return the others."""
    used = select(EVENTS.c.id).where(EVENTS.c.subject == SUBJECTS.c.id).exists()
    connection.execute(delete(SUBJECTS).where(~used))
    subjects = {row.id: unpack_subject(row.subject) for row in connection.execute(select(SUBJECTS))}
    last = connection.execute(select(func.max(EVENTS.c.id))).scalar() or 0
    return _Known(subjects, last, _extent(connection))


def insert_batch(
    connection: Connection, subjects: Sequence[tuple[int, PropertyKey]], events: Sequence[tuple[int, int, Event]]
) -> None:
    """Write what is new of a batch: after a failure nobody knows whether it was written."""
    last = connection.execute(select(func.max(SUBJECTS.c.id))).scalar() or 0
    rows: list[dict[str, Any]] = [
        {"id": number, "subject": pack_subject(subject)} for number, subject in subjects if number > last
    ]
    if rows:
        connection.execute(insert(SUBJECTS), rows)
    last = connection.execute(select(func.max(EVENTS.c.id))).scalar() or 0
    rows = [
        {
            "id": number,
            "time_ns": event.utc_ns,
            "subject": subject,
            "operation": number_of(event.operation),
            "data": pack(event),
        }
        for number, subject, event in events
        if number > last
    ]
    if rows:
        connection.execute(insert(EVENTS), rows)


def _pruned(connection: Connection, last_gone: int, oldest_ns: int) -> Span | None:
    """Delete some of the events up to a number or before a time, and return the extent of what is left."""
    for chosen, order in ((EVENTS.c.id <= last_gone, EVENTS.c.id), (EVENTS.c.time_ns < oldest_ns, EVENTS.c.time_ns)):
        some = select(EVENTS.c.id).where(chosen).order_by(order).limit(_PRUNE_ROWS)
        connection.execute(delete(EVENTS).where(EVENTS.c.id.in_(some)))
    return _extent(connection)


def _extent(connection: Connection) -> Span | None:
    first = connection.execute(_FIRST).scalar()
    return None if first is None else Span(first, connection.execute(_LAST).scalar_one())
