"""What is read from the catalogue. Statements are built once: building one costs more than what it asks for."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import groupby, starmap
from operator import itemgetter
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, ScalarSelect, Select, bindparam, func, select

from gateway.db.catalogue_names import ANY, Names, usual_name
from gateway.db.catalogue_schema import DAYS, RECORDINGS, RUNS, SEGMENTS, TRACKS, USAGE
from gateway.db.catalogue_times import DAY_NS
from gateway.db.packing import unpack
from gateway.domain.recording import Extent, Segment, Span, TrackExtent

_EPOCH = date(1970, 1, 1)

_RECORDING: BindParameter[int] = bindparam("recording")
_STORAGE: BindParameter[int] = bindparam("storage")
_LIMIT: BindParameter[int] = bindparam("limit")
_START: BindParameter[int] = bindparam("start_ns")
_END: BindParameter[int] = bindparam("end_ns")

_LONGEST = select(RECORDINGS.c.longest_ns).where(RECORDINGS.c.id == _RECORDING).scalar_subquery()
_OVERLAPPING = (
    select(SEGMENTS)
    .where(
        SEGMENTS.c.recording == _RECORDING,
        SEGMENTS.c.closed,
        SEGMENTS.c.start_ns >= _START - _LONGEST,
        SEGMENTS.c.start_ns < _END,
        SEGMENTS.c.end_ns > _START,
    )
    .limit(_LIMIT)
)
_ASCENDING = _OVERLAPPING.order_by(SEGMENTS.c.start_ns)
_DESCENDING = _OVERLAPPING.order_by(SEGMENTS.c.start_ns.desc())
_OPEN = select(SEGMENTS).where(~SEGMENTS.c.closed).order_by(SEGMENTS.c.recording, SEGMENTS.c.start_ns)

_FIRST_DAYS = select(USAGE.c.recording, func.min(USAGE.c.day)).group_by(USAGE.c.recording)
_FIRST_DAYS_OF_STORAGE = _FIRST_DAYS.where(USAGE.c.storage == _STORAGE)
_OLDEST = (
    select(SEGMENTS)
    .where(SEGMENTS.c.recording == _RECORDING, SEGMENTS.c.closed, SEGMENTS.c.start_ns >= _START)
    .order_by(SEGMENTS.c.start_ns)
    .limit(_LIMIT)
)
_OLDEST_OF_STORAGE = _OLDEST.where(SEGMENTS.c.storage == _STORAGE)

_LONGEST_RUN = select(RECORDINGS.c.longest_run_ns).where(RECORDINGS.c.id == _RECORDING).scalar_subquery()
_IN_SPAN = RUNS.c.start_ns >= _START - _LONGEST_RUN, RUNS.c.start_ns < _END, RUNS.c.end_ns > _START
_RUNS = (
    select(RUNS.c.start_ns, RUNS.c.end_ns)
    .where(RUNS.c.recording == _RECORDING, RUNS.c.track == ANY, *_IN_SPAN)
    .order_by(RUNS.c.start_ns, RUNS.c.end_ns)
)
_OF_TRACKS = RUNS.c.track.in_(select(TRACKS.c.mask).where(TRACKS.c.recording == _RECORDING))  # so that the key is used
_RUNS_OF_TRACKS = (
    select(RUNS.c.track, RUNS.c.start_ns, RUNS.c.end_ns)
    .where(RUNS.c.recording == _RECORDING, _OF_TRACKS, *_IN_SPAN)
    .order_by(RUNS.c.track, RUNS.c.start_ns, RUNS.c.end_ns)
)
_DAYS = (
    select(DAYS.c.day, DAYS.c.minutes)
    .where(DAYS.c.recording == _RECORDING, DAYS.c.day.between(bindparam("first"), bindparam("last")))
    .order_by(DAYS.c.day)
)
_USAGE = select(USAGE.c.recording, USAGE.c.storage, func.sum(USAGE.c.size)).group_by(USAGE.c.recording, USAGE.c.storage)
_SIZES = select(USAGE.c.recording, func.sum(USAGE.c.size)).group_by(USAGE.c.recording)
_SIZE = _SIZES.where(USAGE.c.recording == _RECORDING)


def _first(column: ColumnElement[int], order: ColumnElement[int], *where: ColumnElement[bool]) -> ScalarSelect[int]:
    """Select the first of a column, in an order, of the rows of a track."""
    return select(column).where(*where).order_by(order).limit(1).correlate(TRACKS).scalar_subquery()


def _track_extents() -> Select[Any]:
    """Select, for each track, its first start and its last end: from its first and last days, so from a few rows."""
    of_track = SEGMENTS.c.recording == TRACKS.c.recording, SEGMENTS.c.closed
    has = *of_track, SEGMENTS.c.tracks.bitwise_and(TRACKS.c.mask) != 0
    on_days = DAYS.c.recording == TRACKS.c.recording, DAYS.c.tracks.bitwise_and(TRACKS.c.mask) != 0
    begin = _first(DAYS.c.day, DAYS.c.day, *on_days) * DAY_NS
    end = (_first(DAYS.c.day, DAYS.c.day.desc(), *on_days) + 1) * DAY_NS
    first = _first(SEGMENTS.c.start_ns, SEGMENTS.c.start_ns, *has, SEGMENTS.c.start_ns >= begin)
    last = _first(SEGMENTS.c.start_ns, SEGMENTS.c.start_ns.desc(), *has, SEGMENTS.c.start_ns < end)
    longest = select(RECORDINGS.c.longest_ns).where(RECORDINGS.c.id == TRACKS.c.recording).correlate(TRACKS)
    ends = select(func.max(SEGMENTS.c.end_ns)).where(*has, SEGMENTS.c.start_ns >= last - longest.scalar_subquery())
    return select(
        TRACKS.c.recording,
        TRACKS.c.token,
        first.label("start_ns"),
        ends.correlate(TRACKS).scalar_subquery().label("end_ns"),
    )


_EXTENTS = _track_extents()
_EXTENT = _EXTENTS.where(TRACKS.c.recording == _RECORDING)


class Queries:
    """Answers questions, on one connection at a time."""

    def __init__(self) -> None:
        self._names = Names()

    def segments(
        self, connection: Connection, recording: str, span: Span, limit: int, *, descending: bool
    ) -> list[Segment]:
        """Return closed segments that overlap a span, in order of their starts."""
        number = self._names.recording(connection, recording)
        rows = connection.execute(
            _DESCENDING if descending else _ASCENDING,
            {"recording": number, "start_ns": span.start_ns, "end_ns": span.end_ns, "limit": limit},
        )
        return self._segments(connection, rows.all())

    def open_segments(self, connection: Connection) -> list[Segment]:
        """Return the segments that are not closed."""
        return self._segments(connection, connection.execute(_OPEN).all())

    def oldest(self, connection: Connection, storage: str | None, recording: str | None, limit: int) -> list[Segment]:
        """Return the closed segments with the earliest starts, of one storage, one recording, or all."""
        wanted = self._names.recording(connection, recording) if recording is not None else None
        held = {} if storage is None else {"storage": self._names.storage(connection, storage)}
        days, query = (_FIRST_DAYS_OF_STORAGE, _OLDEST_OF_STORAGE) if held else (_FIRST_DAYS, _OLDEST)
        rows: list[Any] = []
        for number, day in connection.execute(days, held).all():
            if recording is None or number == wanted:
                values = {"recording": number, "start_ns": day * DAY_NS, "limit": limit, **held}
                rows += connection.execute(query, values)
        return self._segments(connection, sorted(rows, key=lambda row: (row.start_ns, row.recording))[:limit])

    def runs(self, connection: Connection, recording: str, span: Span) -> list[Span]:
        """Return the stretches that overlap a span, in order, whole."""
        number = self._names.recording(connection, recording)
        rows = connection.execute(_RUNS, {"recording": number, "start_ns": span.start_ns, "end_ns": span.end_ns})
        return list(starmap(Span, rows))

    def runs_of_tracks(self, connection: Connection, recording: str, span: Span) -> dict[str, list[Span]]:
        """Return the same of each track too; the recording's own are those of ""."""
        runs: dict[str, list[Span]] = {"": []}
        number = self._names.recording(connection, recording)
        if number is not None:
            values = {"recording": number, "start_ns": span.start_ns, "end_ns": span.end_ns}
            rows = connection.execute(_RUNS_OF_TRACKS, values)
            for mask, of_track in groupby(rows, key=itemgetter(0)):
                runs["".join(self._names.tracks(connection, number, mask))] = [Span(*row[1:]) for row in of_track]
        return runs

    def days(self, connection: Connection, recording: str, first: date, last: date) -> dict[date, bytes]:
        """Return the minutes of days; those without any are left out."""
        number = self._names.recording(connection, recording)
        limits = {"first": (first - _EPOCH).days, "last": (last - _EPOCH).days}
        rows = connection.execute(_DAYS, {"recording": number, **limits})
        return {_EPOCH + timedelta(days=day): minutes for day, minutes in rows}

    def usage(self, connection: Connection) -> dict[tuple[str, str], int]:
        """Return the bytes of every recording on every storage."""
        names = self._names
        return {
            (names.recording_token(connection, recording), names.storage_token(connection, storage)): int(size)
            for recording, storage, size in connection.execute(_USAGE).all()
        }

    def extents(self, connection: Connection) -> dict[str, Extent]:
        """Return what every recording with closed segments holds."""
        return self._extents(connection, connection.execute(_EXTENTS).all(), connection.execute(_SIZES).all())

    def extent(self, connection: Connection, recording: str) -> Extent | None:
        """Return what a recording holds."""
        only = {"recording": self._names.recording(connection, recording)}
        rows, sizes = connection.execute(_EXTENT, only).all(), connection.execute(_SIZE, only).all()
        return self._extents(connection, rows, sizes).get(recording)

    def _extents(self, connection: Connection, rows: Iterable[Any], sizes: Iterable[Any]) -> dict[str, Extent]:
        tracks: dict[int, dict[str, Span]] = defaultdict(dict)
        for row in rows:
            if row.start_ns is not None:
                tracks[row.recording][row.token] = Span(row.start_ns, row.end_ns)
        size_of = {recording: int(size) for recording, size in sizes}
        return {
            self._names.recording_token(connection, number): Extent(
                found.pop(""),
                tuple(TrackExtent(token, span) for token, span in sorted(found.items())),
                size_of[number],
            )
            for number, found in tracks.items()
        }

    def _segments(self, connection: Connection, rows: Iterable[Any]) -> list[Segment]:
        return [self._segment(connection, row) for row in rows]

    def _segment(self, connection: Connection, row: Any) -> Segment:  # noqa: ANN401 - a row of SEGMENTS
        recording = self._names.recording_token(connection, row.recording)
        return Segment(
            recording,
            row.start_ns,
            row.end_ns,
            row.run_ns,
            self._names.storage_token(connection, row.storage),
            row.name or usual_name(recording, row.start_ns),
            row.size,
            self._names.tracks(connection, row.recording, row.tracks),
            unpack(row.fragments, row.start_ns),
            row.closed,
            row.origin or "",
        )
