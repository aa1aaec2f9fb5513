"""Opens the database: the data directory, SQLite's settings, and the migrations."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from gateway.db.writer import damaged, failure
from gateway.domain.errors import ErrorKind, GatewayError

FILE = "gateway.db"
HEAD = "0001"
"""The newest migration; Alembic is not even loaded when the database is at it."""

BUSY_SECONDS = 5.0
"""How long a lock of another process, such as the command `gateway users`, is waited for."""

_MIGRATIONS = Path(__file__).with_name("migrations")
_MODE = 0o700


def make_directory(directory: Path) -> None:
    """Make the data directory, for its owner only. Raises GatewayError."""
    try:
        directory.mkdir(mode=_MODE, parents=True, exist_ok=True)
    except OSError as error:
        message = f"the data directory {str(directory)!r} can't be made: {error.strerror}"
        raise GatewayError(ErrorKind.UNAVAILABLE, message) from error


def locate(directory: Path, url: str) -> tuple[URL, str]:
    """Return the database's URL and the name it has in messages. Raises GatewayError."""
    if not url:
        path = directory / FILE
        return URL.create("sqlite", database=str(path)), str(path)
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise GatewayError(
            ErrorKind.INVALID, f"database.url {url!r} is not a URL such as 'sqlite:////srv/gateway.db'"
        ) from None
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        shown = parsed.render_as_string(hide_password=True)
        raise GatewayError(ErrorKind.UNSUPPORTED, f"database.url {shown!r} is not the file of an SQLite database")
    return parsed, parsed.database


def connect(url: URL, name: str) -> Connection:
    """Return a connection to a checked database with all migrations applied. Raises GatewayError."""
    _make_private(Path(name))
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    _configure(engine)
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise failure(name, error) from error
    try:
        with connection.begin():
            _check(connection, name)
            if _revision(connection) != HEAD:
                _migrate(connection, name)
    except BaseException as error:
        connection.close()
        if isinstance(error, SQLAlchemyError):
            raise failure(name, error) from error
        raise
    return connection


def _make_private(path: Path) -> None:
    """Make the file for its owner only; SQLite gives its companions the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        message = f"the database {str(path)!r} can't be opened: {error.strerror}"
        raise GatewayError(ErrorKind.UNAVAILABLE, message) from error


def _configure(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, so that migrations are atomic too
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check(connection: Connection, name: str) -> None:
    finding = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if finding != "ok":
        raise damaged(name, str(finding).splitlines()[0])


def _revision(connection: Connection) -> str | None:
    found = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").scalar()
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() if found else None


def _migrate(connection: Connection, name: str) -> None:
    from alembic import command  # noqa: PLC0415 - a third of a second that only a first start should spend
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        message = f"the database {name!r} was written by another version of the gateway: {error}"
        raise GatewayError(ErrorKind.UNAVAILABLE, message) from error
