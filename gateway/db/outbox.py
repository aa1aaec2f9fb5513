"""Events that wait for their receivers, and what each receiver was last told of every property."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, tuple_

from gateway.db.schema import OUTBOX, SINK_STATES
from gateway.db.writer import Writer, put
from gateway.domain.event import Event
from gateway.domain.outbox import OutboxEntry


class Waiting(NamedTuple):
    """What comes first in a queue."""

    entries: tuple[tuple[int, OutboxEntry], ...]
    """With the numbers of their rows."""
    dropped: int
    """How many were too old, and are gone."""


class OutboxStore:
    """The queues of all sinks, in order.

    What was queued is on the disk when the call returns. What was removed stays removed when the gateway is killed, but
    comes back when the power fails before something else is queued.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def begin(self, sinks: Collection[str]) -> dict[str, dict[str, str]]:
        """Forget what waits for other sinks; return these sinks' known properties with their values' digests.

        For the start. Raises GatewayError.
        """
        return self._writer.now(lambda connection: _begin(connection, sinks))

    async def keep_only(self, sinks: Collection[str]) -> None:
        """Forget what waits for other sinks. Raises GatewayError."""
        await self._writer.run(lambda connection: _forget_others(connection, sinks))

    async def append(self, entries: Sequence[OutboxEntry], limits: Mapping[str, int]) -> dict[str, int]:
        """Queue entries; an id that already waits for its sink is left out. Raises GatewayError.

        `limits` says how many may wait for each sink. Returns for each how many of the oldest were dropped.
        """
        return await self._writer.run(lambda connection: _append(connection, entries, limits))

    async def waiting(self, sink: str, oldest_ns: int, limit: int) -> Waiting:
        """Remove all that was queued before a time; return what is first now. Raises GatewayError."""
        return await self._writer.run(lambda connection: _waiting(connection, sink, oldest_ns, limit), synced=False)

    async def done(self, sink: str, number: int) -> None:
        """Remove the entry with a row's number. Raises GatewayError."""
        await self._writer.run(lambda connection: _remove(connection, sink, number), synced=False)


def _forget_others(connection: Connection, sinks: Collection[str]) -> None:
    for table in (OUTBOX, SINK_STATES):
        connection.execute(delete(table).where(table.c.sink.not_in(sinks)))


def _begin(connection: Connection, sinks: Collection[str]) -> dict[str, dict[str, str]]:
    _forget_others(connection, sinks)
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


def _waiting(connection: Connection, sink: str, oldest_ns: int, limit: int) -> Waiting:
    mine = OUTBOX.c.sink == sink
    first = select(OUTBOX).where(mine).order_by(OUTBOX.c.id).limit(limit)
    rows = connection.execute(first).all()
    dropped = 0
    if rows and rows[0].queued_ns < oldest_ns:
        dropped = connection.execute(delete(OUTBOX).where(mine, OUTBOX.c.queued_ns < oldest_ns)).rowcount
        rows = connection.execute(first).all()
    return Waiting(tuple((row.id, _entry(row)) for row in rows), dropped)


def _remove(connection: Connection, sink: str, number: int) -> None:
    connection.execute(delete(OUTBOX).where(OUTBOX.c.sink == sink, OUTBOX.c.id == number))


def _entry(row: Row[Any]) -> OutboxEntry:
    return OutboxEntry(row.sink, row.event, msgspec.convert(row.record, Event), row.camera, row.queued_ns)


def _row(entry: OutboxEntry) -> dict[str, Any]:
    record = msgspec.to_builtins(entry.event, enc_hook=str)
    return {
        "sink": entry.sink,
        "event": entry.id,
        "camera": entry.camera,
        "queued_ns": entry.queued_ns,
        "record": record,
    }
