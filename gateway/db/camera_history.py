"""What cameras were, and how well they were reached: a bounded number of entries of each kind."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, tuple_, update

from gateway.db.schema import CAMERA_HISTORY as TABLE
from gateway.db.writer import Writer
from gateway.domain.camera_history import HistoryEntry, HistoryKind

MAX_ENTRIES = 1000
"""Of one kind of one camera; the oldest are dropped past this."""


class CameraHistoryStore:
    """Entries by camera, kind, time and subject."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def latest(self) -> list[HistoryEntry]:
        """Return the last entry of each camera, kind and subject but errors; for the start. Raises GatewayError."""
        key = (TABLE.c.camera, TABLE.c.kind, TABLE.c.subject)
        last = select(*key, func.max(TABLE.c.start_ns)).where(TABLE.c.kind != HistoryKind.ERROR.value).group_by(*key)
        query = select(TABLE).where(tuple_(*key, TABLE.c.start_ns).in_(last))
        return self._writer.now(lambda connection: [_entry(row) for row in connection.execute(query)])

    async def of(self, camera: str) -> list[HistoryEntry]:
        """Return all entries of a camera, oldest first. Raises GatewayError."""
        query = select(TABLE).where(TABLE.c.camera == camera).order_by(TABLE.c.start_ns, TABLE.c.kind, TABLE.c.subject)
        return await self._writer.run(lambda connection: [_entry(row) for row in connection.execute(query)])

    async def write(self, entries: Sequence[HistoryEntry]) -> None:
        """Keep entries in one transaction, each in place of one with the same key. Raises GatewayError."""
        await self._writer.run(lambda connection: _write(connection, entries), synced=False)


def _write(connection: Connection, entries: Sequence[HistoryEntry]) -> None:
    grown = {(entry.camera, entry.kind.value) for entry in entries if _put(connection, entry)}
    for camera, kind in grown:
        _prune(connection, camera, kind)


def _put(connection: Connection, entry: HistoryEntry) -> bool:
    """Write an entry; tell whether it is a new one."""
    key = {"camera": entry.camera, "kind": entry.kind.value, "start_ns": entry.start_ns, "subject": entry.subject}
    others = {"end_ns": entry.end_ns, "times": entry.count, "value": entry.value}
    row = [TABLE.c[name] == value for name, value in key.items()]
    if connection.execute(update(TABLE).where(*row).values(others)).rowcount:
        return False
    connection.execute(insert(TABLE).values({**key, **others}))
    return True


def _prune(connection: Connection, camera: str, kind: str) -> None:
    mine = (TABLE.c.camera == camera, TABLE.c.kind == kind)
    newest_too_many = (
        select(TABLE.c.start_ns).where(*mine).order_by(TABLE.c.start_ns.desc()).offset(MAX_ENTRIES).limit(1)
    )
    connection.execute(delete(TABLE).where(*mine, TABLE.c.start_ns <= newest_too_many.scalar_subquery()))


def _entry(row: Row[Any]) -> HistoryEntry:
    return HistoryEntry(
        row.camera, HistoryKind(row.kind), row.start_ns, row.subject, row.end_ns, row.times, dict(row.value)
    )
