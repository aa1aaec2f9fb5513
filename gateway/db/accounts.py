"""Accounts in the database, their passwords sealed."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from gateway.db.schema import ACCOUNTS, SETTINGS
from gateway.db.secrets import SecretBox
from gateway.db.writer import Writer, put
from gateway.domain.access import Account, UserLevel

_REVISION = "gateway.accounts_revision"
"""A setting that counts the changes, so that one process notices those of another."""


class AccountStore:
    """Reads and writes accounts."""

    def __init__(self, writer: Writer, box: SecretBox) -> None:
        self._writer = writer
        self._box = box
        self._seen = 0

    def load(self) -> list[Account]:
        """Return every account; for the start. Raises GatewayError."""
        self._seen, accounts = self._writer.now(lambda connection: (_revision(connection), self._read(connection)))
        return accounts

    async def write(self, changed: Sequence[Account], deleted: Sequence[str]) -> None:
        """Put accounts, new or replaced, and delete others, in one transaction. Raises GatewayError."""
        before, after = await self._writer.run(lambda connection: self._write(connection, changed, deleted))
        if before == self._seen:
            self._seen = after

    async def refreshed(self) -> list[Account] | None:
        """Return every account if they were changed since the last look by somebody else, or None."""
        found = await self._writer.run(self._read_newer)
        if found is None:
            return None
        self._seen, accounts = found
        return accounts

    def _write(self, connection: Connection, changed: Sequence[Account], deleted: Sequence[str]) -> tuple[int, int]:
        for account in changed:
            sealed = self._box.seal(account.password, _identity(account.name))
            put(connection, ACCOUNTS, {"name": account.name}, level=account.level.value, password=sealed)
        for name in deleted:
            connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.name == name))
        before = _revision(connection)
        put(connection, SETTINGS, {"key": _REVISION}, value=before + 1)
        return before, before + 1

    def _read_newer(self, connection: Connection) -> tuple[int, list[Account]] | None:
        revision = _revision(connection)
        return None if revision == self._seen else (revision, self._read(connection))

    def _read(self, connection: Connection) -> list[Account]:
        rows = sorted(connection.execute(select(ACCOUNTS)), key=lambda row: str(row.name))  # servers sort by language
        return [
            Account(row.name, UserLevel(row.level), self._box.open(row.password, _identity(row.name))) for row in rows
        ]


def _identity(name: str) -> str:
    return f"password of user {name}"


def _revision(connection: Connection) -> int:
    return int(connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.key == _REVISION)).scalar() or 0)
