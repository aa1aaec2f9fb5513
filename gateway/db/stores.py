"""What the services keep: read once at the start, held in memory, written behind."""

import logging
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, select

from gateway.db.schema import CHANNELS, HOLDS, PROFILES, SETTINGS
from gateway.db.writer import Writer, put
from gateway.domain.media import StreamDescription
from gateway.domain.recording import Hold, Span

_log = logging.getLogger(__name__)


class SettingsStore:
    """Small JSON values by key."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._values: dict[str, Any] = writer.now(
            lambda connection: {row.key: row.value for row in connection.execute(select(SETTINGS))}
        )

    def load(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return a stored value, or None."""
        return self._values.get(key)

    def store(self, key: str, value: object) -> None:
        """Keep a JSON value; returns at once."""
        self._values[key] = value
        self._writer.post(lambda connection: put(connection, SETTINGS, {"key": key}, value=value))


class ObjectStore:
    """Records by token, oldest first, in a table of their own."""

    def __init__(self, writer: Writer, table: Table) -> None:
        self._writer = writer
        self._table = table

    def load(self) -> dict[str, dict[str, Any]]:
        """Return every record; for the start. Raises GatewayError."""
        query = select(self._table).order_by(self._table.c.id)
        return self._writer.now(lambda connection: {row.token: row.record for row in connection.execute(query)})

    def save(self, token: str, record: dict[str, Any]) -> None:
        """Keep a record, in place of an older one; returns at once."""
        self._writer.post(lambda connection: put(connection, self._table, {"token": token}, record=record))

    def delete(self, token: str) -> None:
        """Forget a record; returns at once."""
        self._writer.post(lambda connection: self._forget(connection, token))

    def _forget(self, connection: Connection, token: str) -> None:
        connection.execute(delete(self._table).where(self._table.c.token == token))


class ProfileStore:
    """Records of media profiles, which carry their tokens in them."""

    def __init__(self, writer: Writer) -> None:
        self._store = ObjectStore(writer, PROFILES)
        self.save = self._store.save
        self.delete = self._store.delete

    def load(self) -> list[dict[str, Any]]:
        """Return every record, oldest first; for the start. Raises GatewayError."""
        return list(self._store.load().values())


class HoldStore:
    """Protected ranges. They are kept with what can't be made anew, not in the catalogue."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def holds(self, recording: str | None = None) -> list[Hold]:
        """Return the holds of a recording, or all, in order of their starts. Raises GatewayError."""
        query = select(HOLDS).order_by(HOLDS.c.start_ns, HOLDS.c.id)
        if recording is not None:
            query = query.where(HOLDS.c.recording == recording)
        rows = await self._writer.run(lambda connection: connection.execute(query).all())
        return [Hold(row.id, row.recording, Span(row.start_ns, row.end_ns), row.reason, row.created_by) for row in rows]

    async def add_hold(self, hold: Hold) -> None:
        """Keep a hold, in place of one with the same id; returns when that is kept. Raises GatewayError."""
        values = {
            "recording": hold.recording,
            "start_ns": hold.span.start_ns,
            "end_ns": hold.span.end_ns,
            "reason": hold.reason,
            "created_by": hold.created_by,
        }
        await self._writer.run(lambda connection: put(connection, HOLDS, {"id": hold.id}, **values))

    async def remove_hold(self, hold_id: str) -> None:
        """End a hold; an unknown one is no error. Raises GatewayError."""
        await self._writer.run(lambda connection: connection.execute(delete(HOLDS).where(HOLDS.c.id == hold_id)))


class ChannelStore:
    """The last known description of every stream, by RTSP path."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        rows = writer.now(lambda connection: connection.execute(select(CHANNELS)).all())
        self._known = {row.path: known for row in rows if (known := _description(row.path, row.description))}

    def load(self, path: str) -> StreamDescription | None:
        """Return what was last stored for a path."""
        return self._known.get(path)

    def store(self, path: str, description: StreamDescription) -> None:
        """Keep a description; returns at once."""
        if self._known.get(path) == description:
            return
        self._known[path] = description
        plain = msgspec.to_builtins(description)
        self._writer.post(lambda connection: put(connection, CHANNELS, {"path": path}, description=plain))


def _description(path: str, plain: object) -> StreamDescription | None:
    try:
        return msgspec.convert(plain, StreamDescription)
    except msgspec.ValidationError as error:
        _log.warning("the stored description of %s is left out: %s", path, error)
        return None
