"""What is read from the catalogue."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, func, select

from gateway.db.catalogue_names import Names, usual_name
from gateway.db.catalogue_schema import DAYS, RECORDINGS, RUNS, SEGMENTS, TRACKS, USAGE
from gateway.db.catalogue_times import DAY_NS
from gateway.db.packing import unpack
from gateway.domain.recording import Extent, Segment, Span, TrackExtent

_EPOCH = date(1970, 1, 1)


class Queries:
    """Answers questions, on one connection at a time."""

    def __init__(self) -> None:
        self._names = Names()

    def segments(
        self, connection: Connection, recording: str, span: Span, limit: int, *, descending: bool
    ) -> list[Segment]:
        """Return closed segments that overlap a span, in order of their starts."""
        number = self._names.recording(connection, recording)
        if number is None:
            return []
        longest = select(RECORDINGS.c.longest_ns).where(RECORDINGS.c.id == number).scalar_subquery()
        order = SEGMENTS.c.start_ns.desc() if descending else SEGMENTS.c.start_ns
        query = select(SEGMENTS).where(
            SEGMENTS.c.recording == number,
            SEGMENTS.c.closed,
            SEGMENTS.c.start_ns >= span.start_ns - longest,
            SEGMENTS.c.start_ns < span.end_ns,
            SEGMENTS.c.end_ns > span.start_ns,
        )
        return self._segments(connection, connection.execute(query.order_by(order).limit(limit)))

    def open_segments(self, connection: Connection) -> list[Segment]:
        """Return the segments that are not closed."""
        query = select(SEGMENTS).where(~SEGMENTS.c.closed).order_by(SEGMENTS.c.recording, SEGMENTS.c.start_ns)
        return self._segments(connection, connection.execute(query))

    def oldest(self, connection: Connection, storage: str | None, recording: str | None, limit: int) -> list[Segment]:
        """Return the closed segments with the earliest starts, of one storage, one recording, or all."""
        firsts = select(USAGE.c.recording, func.min(USAGE.c.day)).group_by(USAGE.c.recording)
        wanted: list[ColumnElement[bool]] = [SEGMENTS.c.closed]
        if storage is not None:
            number = self._names.storage(connection, storage)
            firsts = firsts.where(USAGE.c.storage == number)
            wanted.append(SEGMENTS.c.storage == number)
        if recording is not None:
            firsts = firsts.where(USAGE.c.recording == self._names.recording(connection, recording))
        rows: list[Any] = []
        for number, day in connection.execute(firsts).all():
            query = select(SEGMENTS).where(SEGMENTS.c.recording == number, SEGMENTS.c.start_ns >= day * DAY_NS, *wanted)
            rows += connection.execute(query.order_by(SEGMENTS.c.start_ns).limit(limit))
        return self._segments(connection, sorted(rows, key=lambda row: (row.start_ns, row.recording))[:limit])

    def runs(self, connection: Connection, recording: str, span: Span) -> list[Span]:
        """Return the stretches that overlap a span, in order, whole."""
        query = select(RUNS.c.start_ns, RUNS.c.end_ns).where(
            RUNS.c.recording == self._names.recording(connection, recording),
            RUNS.c.start_ns < span.end_ns,
            RUNS.c.end_ns > span.start_ns,
        )
        return [Span(*row) for row in connection.execute(query.order_by(RUNS.c.start_ns, RUNS.c.end_ns))]

    def days(self, connection: Connection, recording: str, first: date, last: date) -> dict[date, bytes]:
        """Return the minutes of days; those without any are left out."""
        query = select(DAYS.c.day, DAYS.c.minutes).where(
            DAYS.c.recording == self._names.recording(connection, recording),
            DAYS.c.day.between((first - _EPOCH).days, (last - _EPOCH).days),
        )
        return {_EPOCH + timedelta(days=row.day): row.minutes for row in connection.execute(query.order_by(DAYS.c.day))}

    def usage(self, connection: Connection) -> dict[tuple[str, str], int]:
        """Return the bytes of every recording on every storage."""
        query = select(USAGE.c.recording, USAGE.c.storage, func.sum(USAGE.c.size).label("size"))
        return {
            (
                self._names.recording_token(connection, row.recording),
                self._names.storage_token(connection, row.storage),
            ): int(row.size)
            for row in connection.execute(query.group_by(USAGE.c.recording, USAGE.c.storage)).all()
        }

    def extents(self, connection: Connection, recording: str | None = None) -> dict[str, Extent]:
        """Return what recordings hold, or what one does."""
        spans, sizes = _track_extents(), select(USAGE.c.recording, func.sum(USAGE.c.size)).group_by(USAGE.c.recording)
        if recording is not None:
            number = self._names.recording(connection, recording)
            spans, sizes = spans.where(TRACKS.c.recording == number), sizes.where(USAGE.c.recording == number)
        bytes_of = {number: int(size) for number, size in connection.execute(sizes)}
        tracks: dict[int, dict[str, Span]] = defaultdict(dict)
        for row in connection.execute(spans).all():
            if row.start_ns is not None:
                tracks[row.recording][row.token] = Span(row.start_ns, row.end_ns)
        return {
            self._names.recording_token(connection, number): Extent(
                found.pop(""),
                tuple(TrackExtent(token, span) for token, span in sorted(found.items())),
                bytes_of[number],
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


def _track_extents() -> Select[Any]:
    """Select, for each track, its first start and its last end: from its first and last days, so from a few rows."""
    has = (
        SEGMENTS.c.recording == TRACKS.c.recording,
        SEGMENTS.c.closed,
        SEGMENTS.c.tracks.bitwise_and(TRACKS.c.mask) != 0,
    )
    first_day = _day(DAYS.c.day) * DAY_NS
    start = select(SEGMENTS.c.start_ns).where(*has, SEGMENTS.c.start_ns >= first_day).order_by(SEGMENTS.c.start_ns)
    last_day = (_day(DAYS.c.day.desc()) + 1) * DAY_NS
    last = select(SEGMENTS.c.start_ns).where(*has, SEGMENTS.c.start_ns < last_day).order_by(SEGMENTS.c.start_ns.desc())
    last_start = last.limit(1).correlate(TRACKS).scalar_subquery()
    longest = select(RECORDINGS.c.longest_ns).where(RECORDINGS.c.id == TRACKS.c.recording).correlate(TRACKS)
    end = select(func.max(SEGMENTS.c.end_ns)).where(*has, SEGMENTS.c.start_ns >= last_start - longest.scalar_subquery())
    return select(
        TRACKS.c.recording,
        TRACKS.c.token,
        start.limit(1).correlate(TRACKS).scalar_subquery().label("start_ns"),
        end.correlate(TRACKS).scalar_subquery().label("end_ns"),
    )


def _day(order: ColumnElement[int]) -> ScalarSelect[int]:
    """Select the first day in some order on which segments with a track start."""
    return (
        select(DAYS.c.day)
        .where(DAYS.c.recording == TRACKS.c.recording, DAYS.c.tracks.bitwise_and(TRACKS.c.mask) != 0)
        .order_by(order)
        .limit(1)
        .correlate(TRACKS)
        .scalar_subquery()
    )
