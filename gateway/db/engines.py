"""The two kinds of database: their settings, and what a transaction begins with so that writers take turns."""

import sqlite3
from collections.abc import Sequence

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from gateway.db.writer import damaged

BUSY_SECONDS = 5.0
"""How long a lock of another process, such as the command `gateway users`, is waited for."""

_PAGE = 8192
"""Bytes: segments' rows are long."""

POSTGRESQL_LOCK = 0x6F6E766966
"""Number of the advisory lock that writers hold; it is what BEGIN IMMEDIATE is with SQLite."""


def make_engine(url: URL, *, readonly: bool) -> Engine:
    """Return an engine without a pool: whoever connects keeps the connection."""
    return (
        _sqlite(url, readonly=readonly) if url.get_backend_name() == "sqlite" else _postgresql(url, readonly=readonly)
    )


def check(connection: Connection, name: str, tables: Sequence[str] = ()) -> None:
    """Look through some tables of an SQLite file, or through the whole file. Raises DamagedError."""
    if connection.dialect.name != "sqlite":
        return
    for looked_at in tables or ("1",):  # a number is how many findings to return
        finding = str(connection.exec_driver_sql(f"PRAGMA quick_check({looked_at})").scalar())
        if finding != "ok":
            raise damaged(name, finding.splitlines()[0])


def _sqlite(url: URL, *, readonly: bool) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    pragmas = [f"page_size = {_PAGE}", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"]
    if readonly:
        pragmas.append("query_only = ON")

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, so that migrations are atomic too
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL, *, readonly: bool) -> Engine:
    milliseconds = round(BUSY_SECONDS * 1000)
    options = f"-c lock_timeout={milliseconds} -c default_transaction_read_only={'on' if readonly else 'off'}"
    reach = {"connect_timeout": round(BUSY_SECONDS), "keepalives_idle": 10, "tcp_user_timeout": 2 * milliseconds}
    engine = create_engine(url, poolclass=NullPool, connect_args={"options": options, **reach})
    if not readonly:

        @event.listens_for(engine, "begin")
        def _begun(connection: Connection) -> None:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})")

    return engine
