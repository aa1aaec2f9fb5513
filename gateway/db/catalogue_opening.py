"""Opens the catalogue. It is derived from the segment files: so a damaged one is put aside, and a new one begun."""

import logging
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, Connection, insert, select

from gateway.db import opening
from gateway.db.catalogue import Catalogue, described
from gateway.db.catalogue_schema import CATALOGUE
from gateway.db.stores import HoldStore, SettingsStore
from gateway.db.writer import DamagedError, Writer

_KEY = "gateway.catalogue"
"""A setting: the id of the catalogue that belongs to this database, and its fault."""

_log = logging.getLogger(__name__)


def open_catalogue(url: URL, name: str, settings: SettingsStore, holds: HoldStore) -> Catalogue:
    """Open, and at first make, the catalogue of a database; blocks. Raises GatewayError when it can't be used now.

    One that is damaged, lost or another database's is no error but the new catalogue's `fault`.
    """
    known = settings.load(_KEY) or {"id": "", "fault": ""}
    place = opening.locate_catalogue(url, name)
    connection, identity, fault = _open(*place, **known)
    try:
        reader = opening.connect_reader(*place)
    except BaseException:
        connection.close()
        raise
    if fault:
        _log.warning("%s; until it is made anew from the storages, recordings are missing in it", fault)

    def remember(fault: str, useless: bool) -> None:  # noqa: FBT001 - a callback
        settings.store(_KEY, {"id": "" if useless else identity, "fault": fault})

    if known != {"id": identity, "fault": fault}:
        settings.store(_KEY, {"id": identity, "fault": fault})
    return Catalogue(Writer(connection, place[1]), Writer(reader, place[1]), holds, fault, remember)


def _open(url: URL, name: str, id: str, fault: str) -> tuple[Connection, str, str]:  # noqa: A002 - the setting's word
    """Return a connection to a catalogue that can be used, its id, and why segments are missing in it.

    Given are the id and the fault as last remembered.
    """
    try:
        connection, identity = _connect(url, name)
    except DamagedError as error:
        fault = described(error)
    else:
        if identity == id:
            return connection, identity, fault
        if identity is None:
            return connection, _identify(connection), fault or (f"the catalogue {name!r} is lost" if id else "")
        connection.close()
        fault = fault or f"the catalogue {name!r} belongs to another database"
    opening.put_aside(Path(name))
    connection, _nothing = _connect(url, name)
    return connection, _identify(connection), fault


def _connect(url: URL, name: str) -> tuple[Connection, str | None]:
    connection = opening.connect(url, name, opening.CATALOGUE)
    with connection.begin():
        return connection, connection.execute(select(CATALOGUE.c.id)).scalar()


def _identify(connection: Connection) -> str:
    identity = str(uuid4())
    with connection.begin():
        connection.execute(insert(CATALOGUE).values(id=identity))
    return identity
