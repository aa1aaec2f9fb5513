"""What the services keep: read once at the start, held in memory, written behind."""

import logging
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select

from gateway.db.schema import CHANNELS, PROFILES, SETTINGS
from gateway.db.writer import Writer, put
from gateway.domain.media import StreamDescription

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
        self._writer.post(lambda connection: put(connection, SETTINGS.c.key, key, value=value))


class ProfileStore:
    """Records of media profiles by token, oldest first."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def load(self) -> list[dict[str, Any]]:
        """Return every record; for the start. Raises GatewayError."""
        return self._writer.now(
            lambda connection: [row.record for row in connection.execute(select(PROFILES).order_by(PROFILES.c.id))]
        )

    def save(self, token: str, record: dict[str, Any]) -> None:
        """Keep a record, in place of an older one; returns at once."""
        self._writer.post(lambda connection: put(connection, PROFILES.c.token, token, record=record))

    def delete(self, token: str) -> None:
        """Forget a record; returns at once."""
        self._writer.post(lambda connection: _forget(connection, token))


def _forget(connection: Connection, token: str) -> None:
    connection.execute(delete(PROFILES).where(PROFILES.c.token == token))


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
        self._writer.post(lambda connection: put(connection, CHANNELS.c.path, path, description=plain))


def _description(path: str, plain: object) -> StreamDescription | None:
    try:
        return msgspec.convert(plain, StreamDescription)
    except msgspec.ValidationError as error:
        _log.warning("the stored description of %s is left out: %s", path, error)
        return None
