"""Changes segments' rows and, in the same transaction, everything that is derived from them.

The derived rows depend on nothing but the closed segments that there are, not on the order in which they came: so a
catalogue that is made anew from the files is the same as the one that was lost.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select, update

from gateway.db.catalogue_names import Names, usual_name
from gateway.db.catalogue_runs import add_runs, remove_runs
from gateway.db.catalogue_schema import DAYS, RECORDINGS, SEGMENTS, USAGE
from gateway.db.catalogue_times import BITMAP_BYTES, DAY_NS, day_of, day_span, extent, minutes
from gateway.db.packing import pack
from gateway.db.writer import put
from gateway.domain.recording import Segment, Span

_log = logging.getLogger(__name__)

_Row = Any  # of the columns below
_COLUMNS = (
    SEGMENTS.c.start_ns,
    SEGMENTS.c.end_ns,
    SEGMENTS.c.run_ns,
    SEGMENTS.c.storage,
    SEGMENTS.c.size,
    SEGMENTS.c.tracks,
    SEGMENTS.c.closed,
)


def add(connection: Connection, segments: Iterable[Segment]) -> None:
    """Keep segments, each in place of what was known of the same recording and start."""
    names = Names()
    by_recording: dict[int, dict[int, Segment]] = defaultdict(dict)
    for segment in segments:
        if 0 <= segment.end_ns - segment.start_ns <= DAY_NS:
            by_recording[names.make_recording(connection, segment.recording)][segment.start_ns] = segment
        else:
            _log.error("the segment %r is not catalogued: it ends before its start or a day after it", segment.name)
    for recording, new in by_recording.items():
        _drop(connection, recording, new)
        connection.execute(insert(SEGMENTS), [_values(connection, names, recording, each) for each in new.values()])
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


def longest(connection: Connection, recording: int) -> int:
    """Return a length that no segment of a recording exceeds: what overlaps a moment starts so much before it."""
    return int(connection.execute(select(RECORDINGS.c.longest_ns).where(RECORDINGS.c.id == recording)).scalar_one())


def _drop(connection: Connection, recording: int, starts: Collection[int]) -> None:
    dropped = _rows(connection, recording, starts)
    if not dropped:
        return
    connection.execute(
        delete(SEGMENTS).where(
            SEGMENTS.c.recording == recording, SEGMENTS.c.start_ns.in_([row.start_ns for row in dropped])
        )
    )
    if rows := [row for row in dropped if row.closed]:
        reach = longest(connection, recording)
        _count(connection, recording, rows, -1)
        _unmark(connection, recording, rows, reach)
        remove_runs(connection, recording, rows, reach)


def _rows(connection: Connection, recording: int, starts: Collection[int]) -> Sequence[_Row]:
    query = select(*_COLUMNS).where(SEGMENTS.c.recording == recording, SEGMENTS.c.start_ns.in_(starts))
    return connection.execute(query.order_by(SEGMENTS.c.start_ns)).all()


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


def _lengthen(connection: Connection, recording: int, length_ns: int) -> None:
    longer = (RECORDINGS.c.id == recording, RECORDINGS.c.longest_ns < length_ns)
    connection.execute(update(RECORDINGS).where(*longer).values(longest_ns=length_ns))


def _count(connection: Connection, recording: int, rows: Iterable[_Row], sign: int) -> None:
    """Add segments to the bytes of their storages and days, or take them away."""
    sums: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        total = sums[row.storage, day_of(row.start_ns)]
        total[0] += sign * row.size
        total[1] += sign
    for (storage, day), (size, segments) in sums.items():
        key = {"recording": recording, "storage": storage, "day": day}
        known = [USAGE.c[name] == value for name, value in key.items()]
        values = {"size": USAGE.c.size + size, "segments": USAGE.c.segments + segments}
        if connection.execute(update(USAGE).where(*known).values(values)).rowcount == 0:
            connection.execute(insert(USAGE).values(**key, size=size, segments=segments))
        elif sign < 0:
            connection.execute(delete(USAGE).where(*known, USAGE.c.segments == 0))


def _mark(connection: Connection, recording: int, rows: Sequence[_Row]) -> None:
    """Set the minutes and tracks of new segments."""
    for day, bits in minutes(Span(row.start_ns, row.end_ns) for row in rows).items():
        old_bits, tracks = _day(connection, recording, day)
        for row in rows:
            if day_of(row.start_ns) == day:
                tracks |= row.tracks
        _set_day(connection, recording, day, old_bits | bits, tracks)


def _unmark(connection: Connection, recording: int, rows: Sequence[_Row], reach: int) -> None:
    """Clear the minutes and tracks of segments that are gone, but for what others have too."""
    for day, bits in minutes(Span(row.start_ns, row.end_ns) for row in rows).items():
        old_bits, tracks = _day(connection, recording, day)
        left = _spans(connection, recording, extent(day, bits), reach)
        bits_left = bits & minutes(left).get(day, 0)
        for bit in (1 << number for number in range(tracks.bit_length())):
            if tracks & bit and not _has(connection, recording, day, bit):
                tracks ^= bit
        _set_day(connection, recording, day, old_bits & ~bits | bits_left, tracks)


def _spans(connection: Connection, recording: int, span: Span, reach: int) -> list[Span]:
    """Return the spans of the closed segments that overlap a span."""
    query = select(SEGMENTS.c.start_ns, SEGMENTS.c.end_ns).where(
        SEGMENTS.c.recording == recording,
        SEGMENTS.c.closed,
        SEGMENTS.c.start_ns.between(span.start_ns - reach, span.end_ns - 1),
        SEGMENTS.c.end_ns >= span.start_ns,
    )
    return [Span(*row) for row in connection.execute(query)]


def _has(connection: Connection, recording: int, day: int, bit: int) -> bool:
    span = day_span(day)
    found = exists().where(
        SEGMENTS.c.recording == recording,
        SEGMENTS.c.closed,
        SEGMENTS.c.start_ns.between(span.start_ns, span.end_ns - 1),
        SEGMENTS.c.tracks.bitwise_and(bit) != 0,
    )
    return bool(connection.execute(select(found)).scalar())


def _day(connection: Connection, recording: int, day: int) -> tuple[int, int]:
    """Return a day's minutes and tracks as bits."""
    query = select(DAYS.c.minutes, DAYS.c.tracks).where(DAYS.c.recording == recording, DAYS.c.day == day)
    row = connection.execute(query).first()
    return (0, 0) if row is None else (int.from_bytes(row.minutes, "little"), row.tracks)


def _set_day(connection: Connection, recording: int, day: int, bits: int, tracks: int) -> None:
    if bits:
        minutes_ = bits.to_bytes(BITMAP_BYTES, "little")
        put(connection, DAYS, {"recording": recording, "day": day}, minutes=minutes_, tracks=tracks)
    else:
        connection.execute(delete(DAYS).where(DAYS.c.recording == recording, DAYS.c.day == day))
