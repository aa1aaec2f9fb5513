"""Opens the store of past events. A damaged one is put aside, and a new one begun."""

import logging
from pathlib import Path

from sqlalchemy import URL

from gateway.db import opening
from gateway.db.events import EventStore
from gateway.db.writer import DamagedError, Writer
from gateway.sdk.clock import Clock

_log = logging.getLogger(__name__)


def open_events(url: URL, name: str, clock: Clock, max_events: int) -> EventStore:
    """Open, and at first make, the store of past events of a database; blocks. Raises GatewayError."""
    place = opening.locate_events(url, name)
    try:
        return _open(*place, clock, max_events)
    except DamagedError as error:
        if url.get_backend_name() != "sqlite":
            raise
        _log.error("past events are lost: %s", error.message.partition(";")[0])
    opening.put_aside(Path(place[1]))
    return _open(*place, clock, max_events)


def _open(url: URL, name: str, clock: Clock, max_events: int) -> EventStore:
    writer = Writer(opening.connect(url, name, opening.EVENTS), name)
    try:
        reader = Writer(opening.connect_reader(url, name), name)
    except BaseException:
        writer.close()
        raise
    try:
        return EventStore(writer, reader, clock, max_events)
    except BaseException:
        writer.close()
        reader.close()
        raise
