"""Who did what: one row for everything that a client or a person changed."""

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, delete, func, insert, select

from gateway.db.schema import AUDIT
from gateway.db.writer import Writer
from gateway.domain.access import Account
from gateway.sdk.clock import Clock

COMMAND_LINE = "command line"
"""The address of a person at this machine."""
MAX_ENTRIES = 100_000
"""The oldest entries are dropped past this."""

_DETAIL_LIMIT = 2000
_NAME_LIMIT = 64
_PRUNE_EVERY = 1000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action."""

    utc_ns: int
    account: str
    address: str
    action: str
    """Such as `SetHostname` or `login`."""
    detail: str = ""


class AuditLog:
    """Keeps entries, newest last."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def record(self, entry: AuditEntry) -> None:
        """Keep an entry; returns at once. Overlong texts are cut."""
        self._writer.post(lambda connection: _insert(connection, entry))

    async def latest(self, limit: int = 100) -> list[AuditEntry]:
        """Return the last entries, newest first. Raises GatewayError."""
        query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
        rows = await self._writer.run(lambda connection: connection.execute(query).all())
        return [AuditEntry(row.utc_ns, row.account, row.address, row.action, row.detail) for row in rows]


class Caller(Protocol):
    """A client that asks for something."""

    @property
    def account(self) -> Account:
        """Who asks."""
        ...

    @property
    def address(self) -> str:
        """From where: an IP address."""
        ...


class AuditTrail:
    """Keeps what is done at this moment."""

    def __init__(self, log: AuditLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def by(self, caller: Caller, action: str, detail: str) -> None:
        """Keep what a client has done."""
        self.record(caller.account.name, caller.address, action, detail)

    def record(self, account: str, address: str, action: str, detail: str) -> None:
        """Keep what somebody has done, at an address or at the command line."""
        self._log.record(AuditEntry(self._clock.utc_ns(), account, address, action, detail))


def _insert(connection: Connection, entry: AuditEntry) -> None:
    result = connection.execute(
        insert(AUDIT).values(
            utc_ns=entry.utc_ns,
            account=entry.account[:_NAME_LIMIT],
            address=entry.address[:_NAME_LIMIT],
            action=entry.action[:_NAME_LIMIT],
            detail=entry.detail[:_DETAIL_LIMIT],
        )
    )
    (newest,) = result.inserted_primary_key or (0,)
    if newest % _PRUNE_EVERY == 0:
        oldest = select(func.max(AUDIT.c.id) - MAX_ENTRIES).scalar_subquery()
        connection.execute(delete(AUDIT).where(AUDIT.c.id <= oldest))
