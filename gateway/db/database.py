"""The database as the rest of the gateway gets it: one object with a store for each need."""

import os
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL, Connection, select

from gateway.db.accounts import AccountStore
from gateway.db.added_cameras import AddedCameraStore
from gateway.db.audit import AuditLog
from gateway.db.brokers import BrokerStore
from gateway.db.camera_history import CameraHistoryStore
from gateway.db.catalogue import Catalogue
from gateway.db.catalogue_opening import open_catalogue
from gateway.db.events import EventStore
from gateway.db.events_opening import open_events
from gateway.db.opening import connect, locate, make_directory
from gateway.db.outbox import OutboxStore
from gateway.db.schema import JOBS, RECEIVERS, RECORDINGS, SETTINGS
from gateway.db.secrets import SecretBox, load_box
from gateway.db.stores import ChannelStore, HoldStore, ObjectStore, ProfileStore, SettingsStore
from gateway.db.writer import Writer, put
from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.clock import Clock

_CHECK = "gateway.key_check"
"""A setting that only the right key can open, so that a wrong one is noticed at once."""


class Database:
    """An open database. Reads happen while it opens; afterwards nothing blocks."""

    def __init__(self, writer: Writer, box: SecretBox, place: tuple[URL, str]) -> None:
        self._writer = writer
        self._place = place
        self._catalogue: Catalogue | None = None
        self.derived = box.derived
        """Makes keys for other purposes of the one that the secrets are sealed with."""
        self.accounts = AccountStore(writer, box)
        self.channels = ChannelStore(writer)
        self.profiles = ProfileStore(writer)
        self.settings = SettingsStore(writer)
        self.brokers = BrokerStore(self.settings, box)
        self.audit = AuditLog(writer)
        self.camera_history = CameraHistoryStore(writer)
        self.added_cameras = AddedCameraStore(self.settings, box)
        self.recordings = ObjectStore(writer, RECORDINGS)
        self.jobs = ObjectStore(writer, JOBS)
        self.receivers = ObjectStore(writer, RECEIVERS)
        self.holds = HoldStore(writer)
        self.outbox = OutboxStore(writer)

    @property
    def catalogue(self) -> Catalogue:
        """Return the catalogue, opened when it is first asked for: commands that don't need it leave it alone.

        Raises GatewayError.
        """
        if self._catalogue is None:
            self._catalogue = open_catalogue(*self._place, self.settings, self.holds)
        return self._catalogue

    def events(self, clock: Clock, max_events: int) -> EventStore:
        """Open the store of past events; blocks. It is closed by whoever opens it. Raises GatewayError."""
        return open_events(*self._place, clock, max_events)

    def close(self) -> None:
        """Finish every write and close the files; blocks for milliseconds. Closing twice does nothing."""
        if self._catalogue is not None:
            self._catalogue.close()
        self._writer.close()


def open_database(directory: Path, url: str = "", environment: Mapping[str, str] | None = None) -> Database:
    """Open, and at first make, the database and its key in the data directory; blocks, so call it at the start.

    Raises GatewayError with a sentence for every way in which directory, database or key can be wrong.
    """
    make_directory(directory)
    location, name = locate(directory, url)
    connection = connect(location, name)
    try:
        box = _open_box(connection, name, directory, os.environ if environment is None else environment)
    except BaseException:
        connection.close()
        raise
    writer = Writer(connection, name)
    try:
        return Database(writer, box, (location, name))
    except BaseException:
        writer.close()
        raise


def _open_box(connection: Connection, name: str, directory: Path, environment: Mapping[str, str]) -> SecretBox:
    with connection.begin():
        check = connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.key == _CHECK)).scalar()
        box = load_box(directory, environment, create=check is None)
        if check is None:
            put(connection, SETTINGS, {"key": _CHECK}, value=box.seal(Secret(_CHECK), _CHECK).hex())
        elif not box.is_key_of(bytes.fromhex(str(check)), _CHECK):
            message = f"{str(box.source)!r} is not the key that the database {name!r} was encrypted with"
            raise GatewayError(ErrorKind.UNAVAILABLE, f"{message}; bring the right one back from a backup")
    return box
