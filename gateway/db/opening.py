"""Opens databases: the data directory, where the database is, and the migrations."""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, MetaData, inspect, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from gateway.db import catalogue_schema, events_schema, schema
from gateway.db.engines import check, make_engine
from gateway.db.writer import failure
from gateway.domain.errors import ErrorKind, GatewayError

FILE = "gateway.db"
CATALOGUE_FILE = "catalogue.db"
EVENTS_FILE = "events.db"

_MIGRATIONS = Path(__file__).with_name("migrations")
_MODE = 0o700
_ASIDE = ".damaged"
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg"}


@dataclass(frozen=True, slots=True)
class History:
    """A set of tables and the migrations that lead to it."""

    head: str
    """The newest migration; Alembic is not even loaded when the database is at it."""
    folder: str
    version_table: str
    metadata: MetaData
    checked: tuple[str, ...] = ()
    """Tables that are looked through at every start; none: all."""


MAIN = History("0004", "versions", "alembic_version", schema.METADATA)
CATALOGUE = History(
    "0002",
    "catalogue_versions",
    "catalogue_version",
    catalogue_schema.METADATA,
    # Not the segments: looking through gigabytes takes minutes.
    tuple(table.name for table in catalogue_schema.METADATA.sorted_tables if table is not catalogue_schema.SEGMENTS),
)
EVENTS = History("0001", "event_versions", "event_version", events_schema.METADATA, (events_schema.SUBJECTS.name,))


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
        shown = "" if "@" in url else f" {url!r}"  # what can't be parsed may have a password anywhere
        raise GatewayError(
            ErrorKind.INVALID,
            f"database.url{shown} is not a URL such as 'sqlite:////srv/gateway.db' or 'postgresql://user@host/name'",
        ) from None
    shown = parsed.set(query={}).render_as_string(hide_password=True)
    if driver := _DRIVERS.get(parsed.drivername):
        return parsed.set(drivername=driver), shown
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        message = f"database.url {shown!r} is neither the file of an SQLite database nor one of PostgreSQL"
        raise GatewayError(ErrorKind.UNSUPPORTED, message)
    return parsed, parsed.database


def locate_catalogue(url: URL, name: str) -> tuple[URL, str]:
    """Return where the catalogue of a database is: in a file beside it, or in the same database of a server."""
    return _beside(url, name, CATALOGUE_FILE)


def locate_events(url: URL, name: str) -> tuple[URL, str]:
    """Return where the past events of a database are: in a file beside it, or in the same database of a server."""
    return _beside(url, name, EVENTS_FILE)


def put_aside(path: Path) -> None:
    """Keep a file that is no use for a look at it, in place of the one before."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.replace(path.with_name(path.name + _ASIDE))


def connect(url: URL, name: str, history: History = MAIN) -> Connection:
    """Return a connection to a checked database with all migrations applied. Raises GatewayError."""
    if url.get_backend_name() == "sqlite":
        _make_private(Path(name))
    connection = _open(url, name, readonly=False)
    try:
        with connection.begin():
            check(connection, name, _present(connection, history))
            if _revision(connection, history) != history.head:
                _migrate(connection, name, history)
    except BaseException as error:
        connection.close()
        if isinstance(error, SQLAlchemyError):
            raise failure(name, error) from error
        raise
    return connection


def connect_reader(url: URL, name: str) -> Connection:
    """Return one more connection, which can't write and waits for no writer. Raises GatewayError."""
    return _open(url, name, readonly=True)


def _beside(url: URL, name: str, file: str) -> tuple[URL, str]:
    if url.get_backend_name() != "sqlite":
        return url, name
    path = Path(name)
    beside = path.with_name(file if path.name == FILE else f"{path.stem}-{file}")
    return url.set(database=str(beside)), str(beside)


def _open(url: URL, name: str, *, readonly: bool) -> Connection:
    try:
        return make_engine(url, readonly=readonly).connect()
    except ModuleNotFoundError as error:
        message = f"the database {name!r} needs the extra 'postgresql' of the package: {error}"
        raise GatewayError(ErrorKind.UNAVAILABLE, message) from None
    except SQLAlchemyError as error:
        raise failure(name, error) from error


def _make_private(path: Path) -> None:
    """Make the file for its owner only; SQLite gives its companions the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        message = f"the database {str(path)!r} can't be opened: {error.strerror}"
        raise GatewayError(ErrorKind.UNAVAILABLE, message) from error


def _present(connection: Connection, history: History) -> tuple[str, ...]:
    known = set(inspect(connection).get_table_names())
    return tuple(name for name in history.checked if name in known)


def _revision(connection: Connection, history: History) -> str | None:
    if not inspect(connection).has_table(history.version_table):
        return None
    return str(connection.exec_driver_sql(f"SELECT version_num FROM {history.version_table}").scalar())  # noqa: S608


def _migrate(connection: Connection, name: str, history: History) -> None:
    from alembic import command  # noqa: PLC0415 - a third of a second that only a first start should spend
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("path_separator", "newline")
    for option, path in (("script_location", _MIGRATIONS), ("version_locations", _MIGRATIONS / history.folder)):
        config.set_main_option(option, str(path).replace("%", "%%"))
    config.attributes.update(connection=connection, metadata=history.metadata, version_table=history.version_table)
    try:
        command.upgrade(config, history.head)
    except CommandError as error:
        message = f"the database {name!r} was written by another version of the gateway: {error}"
        raise GatewayError(ErrorKind.UNAVAILABLE, message) from error
