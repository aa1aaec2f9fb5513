"""Changes segments' rows and, in the same transaction, everything that is derived from them.

The derived rows depend on nothing but the closed segments that there are, not on the order in which they came: so a
catalogue that is made anew from the files is the same as the one that was lost.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from gateway.db.catalogue_names import Names, usual_name
from gateway.db.catalogue_runs import add_runs, remove_runs
from gateway.db.catalogue_schema import DAYS, RECORDINGS, SEGMENTS, USAGE
from gateway.db.catalogue_times import BITMAP_BYTES, DAY_NS, day_of, day_span, extent, minutes
from gateway.db.packing import pack
from gateway.domain.recording import Segment, Span

_log = logging.getLogger(__name__)

_LIMIT = 1 << 62

_Row = Any  # of _ROWS

_RECORDING: BindParameter[int] = bindparam("of")
_STARTS: BindParameter[Sequence[int]] = bindparam("starts", expanding=True)
_FROM: BindParameter[int] = bindparam("from_ns")
_TO: BindParameter[int] = bindparam("to_ns")
_LENGTH: BindParameter[int] = bindparam("length_ns")

_CHOSEN = SEGMENTS.c.recording == _RECORDING, SEGMENTS.c.start_ns.in_(_STARTS)
_ROWS = (
    select(
        *(SEGMENTS.c.start_ns, SEGMENTS.c.end_ns, SEGMENTS.c.run_ns, SEGMENTS.c.storage),
        *(SEGMENTS.c.size, SEGMENTS.c.tracks, SEGMENTS.c.closed),
    )
    .where(*_CHOSEN)
    .order_by(SEGMENTS.c.start_ns)
)
_DELETE = delete(SEGMENTS).where(*_CHOSEN)
_INSERT = insert(SEGMENTS)

_LONGEST = select(RECORDINGS.c.longest_ns).where(RECORDINGS.c.id == _RECORDING)
_LENGTHEN = update(RECORDINGS).where(RECORDINGS.c.id == _RECORDING, RECORDINGS.c.longest_ns < _LENGTH)

_STARTING = SEGMENTS.c.recording == _RECORDING, SEGMENTS.c.closed, SEGMENTS.c.start_ns.between(_FROM, _TO)
_SPANS = select(SEGMENTS.c.start_ns, SEGMENTS.c.end_ns).where(*_STARTING)
_MASKS = select(SEGMENTS.c.tracks).where(*_STARTING).distinct()

_DAY = DAYS.c.recording == _RECORDING, DAYS.c.day == bindparam("on")
_GET_DAY = select(DAYS.c.minutes, DAYS.c.tracks).where(*_DAY)
_UPDATE_DAY, _INSERT_DAY, _DELETE_DAY = update(DAYS).where(*_DAY), insert(DAYS), delete(DAYS).where(*_DAY)

_USAGE = USAGE.c.recording == _RECORDING, USAGE.c.storage == bindparam("on_storage"), USAGE.c.day == bindparam("on")
_GROW = (
    update(USAGE)
    .where(*_USAGE)
    .values(size=USAGE.c.size + bindparam("more"), segments=USAGE.c.segments + bindparam("count"))
)
_INSERT_USAGE = insert(USAGE)
_DELETE_USAGE = delete(USAGE).where(*_USAGE, USAGE.c.segments == 0)


def add(connection: Connection, segments: Iterable[Segment]) -> None:
    """Keep segments, each in place of what was known of the same recording and start."""
    names = Names()
    by_recording: dict[int, dict[int, Segment]] = defaultdict(dict)
    for segment in segments:
        if _is_possible(segment):
            by_recording[names.make_recording(connection, segment.recording)][segment.start_ns] = segment
        else:
            _log.error("the segment %r is not catalogued: its times or sizes can't be", segment.name)
    for recording, new in by_recording.items():
        _drop(connection, recording, new)
        connection.execute(_INSERT, [_values(connection, names, recording, each) for each in new.values()])
        _lengthen(connection, recording, max(each.end_ns - each.start_ns for each in new.values()))
        if rows := [row for row in _rows(connection, recording, new) if row.closed]:
            _count(connection, recording, rows, 1)
            _mark(connection, recording, rows)
            add_runs(connection, recording, rows)


def remove(connection: Connection, segments: Iterable[Segment]) -> None:
    """Forget segments; unknown ones are no error."""
    names = Names()
    by_recording: dict[int, list[int]] = defaultdict(list)
    for segment in segments:
        recording = names.recording(connection, segment.recording)
        if recording is not None:
            by_recording[recording].append(segment.start_ns)
    for recording, starts in by_recording.items():
        _drop(connection, recording, starts)


def _drop(connection: Connection, recording: int, starts: Collection[int]) -> None:
    dropped = _rows(connection, recording, starts)
    if not dropped:
        return
    connection.execute(_DELETE, {"of": recording, "starts": [row.start_ns for row in dropped]})
    if rows := [row for row in dropped if row.closed]:
        longest = int(connection.execute(_LONGEST, {"of": recording}).scalar_one())
        _count(connection, recording, rows, -1)
        _unmark(connection, recording, rows, longest)
        remove_runs(connection, recording, rows, longest)


def _rows(connection: Connection, recording: int, starts: Collection[int]) -> Sequence[_Row]:
    return connection.execute(_ROWS, {"of": recording, "starts": list(starts)}).all()


def _values(connection: Connection, names: Names, recording: int, segment: Segment) -> dict[str, Any]:
    return {
        "recording": recording,
        "start_ns": segment.start_ns,
        "end_ns": segment.end_ns,
        "run_ns": segment.run_ns,
        "storage": names.make_storage(connection, segment.storage),
        "size": segment.size,
        "tracks": names.make_mask(connection, recording, segment.tracks),
        "closed": segment.closed,
        "fragments": pack(segment.fragments, segment.start_ns),
        "name": None if segment.name == usual_name(segment.recording, segment.start_ns) else segment.name,
        "origin": segment.origin or None,
    }


def _is_possible(segment: Segment) -> bool:
    """Whether its numbers fit, and are no trouble to others: a damaged file may say anything of itself."""
    numbers = segment.start_ns, segment.run_ns, segment.size
    return all(0 <= number < _LIMIT for number in numbers) and 0 <= segment.end_ns - segment.start_ns <= DAY_NS


def _lengthen(connection: Connection, recording: int, length_ns: int) -> None:
    connection.execute(_LENGTHEN, {"of": recording, "length_ns": length_ns, "longest_ns": length_ns})


def _count(connection: Connection, recording: int, rows: Iterable[_Row], sign: int) -> None:
    """Add segments to the bytes of their storages and days, or take them away."""
    sums: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        total = sums[row.storage, day_of(row.start_ns)]
        total[0] += sign * row.size
        total[1] += sign
    for (storage, day), (size, segments) in sums.items():
        key = {"of": recording, "on_storage": storage, "on": day}
        if connection.execute(_GROW, {**key, "more": size, "count": segments}).rowcount == 0:
            values = {"recording": recording, "storage": storage, "day": day, "size": size, "segments": segments}
            connection.execute(_INSERT_USAGE, values)
        elif sign < 0:
            connection.execute(_DELETE_USAGE, key)


def _mark(connection: Connection, recording: int, rows: Sequence[_Row]) -> None:
    """Set the minutes and tracks of new segments."""
    for day, bits in minutes(Span(row.start_ns, row.end_ns) for row in rows).items():
        old_bits, tracks = _day(connection, recording, day)
        for row in rows:
            if day_of(row.start_ns) == day:
                tracks |= row.tracks
        _set_day(connection, recording, day, old_bits | bits, tracks)


def _unmark(connection: Connection, recording: int, rows: Sequence[_Row], longest: int) -> None:
    """Clear the minutes and tracks of segments that are gone, but for what others have too; none exceeds `longest`."""
    for day, bits in minutes(Span(row.start_ns, row.end_ns) for row in rows).items():
        old_bits, _tracks = _day(connection, recording, day)
        cleared, whole = extent(day, bits), day_span(day)
        near = {"of": recording, "from_ns": cleared.start_ns - longest, "to_ns": cleared.end_ns}
        left = minutes(Span(*row) for row in connection.execute(_SPANS, near)).get(day, 0)
        on_day = {"of": recording, "from_ns": whole.start_ns, "to_ns": whole.end_ns - 1}
        tracks = reduce(or_, connection.execute(_MASKS, on_day).scalars(), 0)
        _set_day(connection, recording, day, old_bits & ~bits | bits & left, tracks)


def _day(connection: Connection, recording: int, day: int) -> tuple[int, int]:
    """Return a day's minutes and tracks as bits."""
    row = connection.execute(_GET_DAY, {"of": recording, "on": day}).first()
    return (0, 0) if row is None else (int.from_bytes(row.minutes, "little"), row.tracks)


def _set_day(connection: Connection, recording: int, day: int, bits: int, tracks: int) -> None:
    key = {"of": recording, "on": day}
    if not bits:
        connection.execute(_DELETE_DAY, key)
        return
    values = {"minutes": bits.to_bytes(BITMAP_BYTES, "little"), "tracks": tracks}
    if connection.execute(_UPDATE_DAY, {**key, **values}).rowcount == 0:
        connection.execute(_INSERT_DAY, {"recording": recording, "day": day, **values})
