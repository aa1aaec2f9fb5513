"""What is read of past events, a page at a time and in order of time."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, bindparam, select, tuple_

from gateway.db.events_packing import unpack
from gateway.db.events_schema import EVENTS, SUBJECTS
from gateway.domain.event import Event, PropertyKey
from gateway.domain.event_history import EventPage, Place

FEW = 64
"""Subjects that are read one by one and merged; of more, all events are read and the others are left out."""

_LEAST = 16
"""Events of each subject in a page."""

_FROM: BindParameter[int] = bindparam("from_ns")
_NUMBER: BindParameter[int] = bindparam("number")
_TO: BindParameter[int] = bindparam("to_ns")
_SUBJECT: BindParameter[int] = bindparam("of")
_LIMIT: BindParameter[int] = bindparam("limit")

_COLUMNS = EVENTS.c.time_ns, EVENTS.c.id, EVENTS.c.subject, EVENTS.c.operation, EVENTS.c.data
_ORDER = tuple_(EVENTS.c.time_ns, EVENTS.c.id)
_PLACE = tuple_(_FROM, _NUMBER)
_FORWARD = (
    select(*_COLUMNS)
    .where(_ORDER > _PLACE, EVENTS.c.time_ns <= _TO)
    .order_by(EVENTS.c.time_ns, EVENTS.c.id)
    .limit(_LIMIT)
)
_REVERSE = (
    select(*_COLUMNS)
    .where(_ORDER < _PLACE, EVENTS.c.time_ns >= _TO)
    .order_by(EVENTS.c.time_ns.desc(), EVENTS.c.id.desc())
    .limit(_LIMIT)
)
_OF_SUBJECT = {statement: statement.where(EVENTS.c.subject == _SUBJECT) for statement in (_FORWARD, _REVERSE)}


def _states() -> Select[Any]:
    """Select the last event of each of some subjects up to a time."""
    last = EVENTS.alias("last")
    newest = (
        select(last.c.id)
        .where(last.c.subject == SUBJECTS.c.id, last.c.time_ns <= _TO)
        .order_by(last.c.time_ns.desc(), last.c.id.desc())
        .limit(1)
        .correlate(SUBJECTS)
        .scalar_subquery()
    )
    chosen = SUBJECTS.c.id.in_(bindparam("subjects", expanding=True))
    return select(*_COLUMNS).select_from(SUBJECTS.join(EVENTS, EVENTS.c.id == newest)).where(chosen)


_STATES = _states()


def page(
    connection: Connection,
    known: Mapping[int, PropertyKey],
    wanted: Collection[int] | None,
    place: Place,
    to_ns: int,
    limit: int,
    *,
    reverse: bool,
) -> EventPage:
    """Return events of some subjects, or of all, from a place up to and with a time: as many as come cheaply."""
    statement = _REVERSE if reverse else _FORWARD
    values = {"from_ns": place[0], "number": place[1], "to_ns": to_ns}
    if wanted is not None and len(wanted) <= FEW:
        most = max(limit // max(len(wanted), 1), _LEAST)
        each, one = {**values, "limit": most}, _OF_SUBJECT[statement]
        parts = [connection.execute(one, {**each, "of": number}).all() for number in wanted]
    else:
        most = limit
        parts = [connection.execute(statement, {**values, "limit": most}).all()]
    # Where a part has more, what others have beyond its end has to wait.
    ends = [(part[-1].time_ns, part[-1].id) for part in parts if len(part) == most]
    rest = (max if reverse else min)(ends, default=None)
    rows = [row for part in parts for row in part if wanted is None or row.subject in wanted]
    if rest is not None:
        rows = [row for row in rows if ((row.time_ns, row.id) >= rest if reverse else (row.time_ns, row.id) <= rest)]
    rows.sort(key=lambda row: (row.time_ns, row.id), reverse=reverse)
    return EventPage(tuple((row.subject, _event(known, row)) for row in rows if row.subject in known), rest)


def states(
    connection: Connection, known: Mapping[int, PropertyKey], wanted: Collection[int], time_ns: int
) -> list[tuple[int, Event]]:
    """Return the last event of each of some subjects up to and with a time."""
    rows = connection.execute(_STATES, {"subjects": list(wanted), "to_ns": time_ns}).all()
    return [(row.subject, _event(known, row)) for row in rows]


def _event(known: Mapping[int, PropertyKey], row: Any) -> Event:  # noqa: ANN401 - a row of EVENTS
    return unpack(known[row.subject], row.operation, row.time_ns, row.data)
