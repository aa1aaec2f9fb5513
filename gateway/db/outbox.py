"""Events that wait for their receivers, and what each receiver was last told of every property."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, insert, select, tuple_

from gateway.db.schema import OUTBOX, SINK_STATES
from gateway.db.writer import Writer, put
from gateway.domain.event import Event
from gateway.domain.outbox import OutboxEntry


class Next(NamedTuple):
    """What comes next in a queue."""

    number: int
    """Of the row; 0 when nothing waits."""
    entry: OutboxEntry | None
    dropped: int
    """How many were too old, and are gone."""


class OutboxStore:
    """The queues of all sinks, in order. What a call has changed is on the disk when it returns."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def begin(self, sinks: Collection[str]) -> dict[str, dict[str, str]]:
        """Forget what waits for other sinks; return these sinks' known properties with their values' digests.

        For the start. Raises GatewayError.
        """
        return self._writer.now(lambda connection: _begin(connection, sinks))

    async def append(self, entries: Sequence[OutboxEntry], limits: Mapping[str, int]) -> dict[str, int]:
        """Queue entries; an id that already waits for its sink is left out. Raises GatewayError.

        `limits` says how many may wait for each sink. Returns for each how many of the oldest were dropped.
        """
        return await self._writer.run(lambda connection: _append(connection, entries, limits))

    async def advance(self, sink: str, done: int, oldest_ns: int) -> Next:
        """Remove the row that is done (0: none) and all queued before a time; return what is first now.

        Raises GatewayError.
        """
        return await self._writer.run(lambda connection: _advance(connection, sink, done, oldest_ns))


def _begin(connection: Connection, sinks: Collection[str]) -> dict[str, dict[str, str]]:
    for table in (OUTBOX, SINK_STATES):
        connection.execute(delete(table).where(table.c.sink.not_in(sinks)))
    known: dict[str, dict[str, str]] = {sink: {} for sink in sinks}
    for row in connection.execute(select(SINK_STATES)):
        known[row.sink][row.property] = row.value
    return known


def _append(connection: Connection, entries: Sequence[OutboxEntry], limits: Mapping[str, int]) -> dict[str, int]:
    identity = tuple_(OUTBOX.c.sink, OUTBOX.c.event)
    asked = identity.in_([(entry.sink, entry.id) for entry in entries])
    known = {(row.sink, row.event) for row in connection.execute(select(OUTBOX.c.sink, OUTBOX.c.event).where(asked))}
    rows = [_row(entry) for entry in entries if (entry.sink, entry.id) not in known]
    if rows:
        connection.execute(insert(OUTBOX), rows)
    for (sink, name), value in {
        (entry.sink, entry.property): entry.value for entry in entries if entry.property
    }.items():
        if value:
            put(connection, SINK_STATES, {"sink": sink, "property": name}, value=value)
        else:
            gone = (SINK_STATES.c.sink == sink, SINK_STATES.c.property == name)
            connection.execute(delete(SINK_STATES).where(*gone))
    return {sink: _cut(connection, sink, limits[sink]) for sink in {entry.sink for entry in entries}}


def _cut(connection: Connection, sink: str, limit: int) -> int:
    numbers = select(OUTBOX.c.id).where(OUTBOX.c.sink == sink).order_by(OUTBOX.c.id.desc())
    newest = connection.execute(numbers.offset(limit).limit(1)).scalar()
    if newest is None:
        return 0
    return connection.execute(delete(OUTBOX).where(OUTBOX.c.sink == sink, OUTBOX.c.id <= newest)).rowcount


def _advance(connection: Connection, sink: str, done: int, oldest_ns: int) -> Next:
    mine = OUTBOX.c.sink == sink
    if done:
        connection.execute(delete(OUTBOX).where(mine, OUTBOX.c.id == done))
    first = select(OUTBOX).where(mine).order_by(OUTBOX.c.id).limit(1)
    row = connection.execute(first).one_or_none()
    dropped = 0
    if row is not None and row.queued_ns < oldest_ns:
        dropped = connection.execute(delete(OUTBOX).where(mine, OUTBOX.c.queued_ns < oldest_ns)).rowcount
        row = connection.execute(first).one_or_none()
    if row is None:
        return Next(0, None, dropped)
    event = msgspec.convert(row.record, Event)
    return Next(row.id, OutboxEntry(sink, row.event, event, row.camera, row.queued_ns), dropped)


def _row(entry: OutboxEntry) -> dict[str, Any]:
    record = msgspec.to_builtins(entry.event, enc_hook=str)
    return {
        "sink": entry.sink,
        "event": entry.id,
        "camera": entry.camera,
        "queued_ns": entry.queued_ns,
        "record": record,
    }
