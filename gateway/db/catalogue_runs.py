"""Gap-free stretches of recordings and of each of their tracks, kept as segments come and go.

A stretch is a longest chain of closed segments of one run in which each begins no later than the others have ended, but
for `JOINT_NS`; a track's, of those segments only that have it. A run is one stretch of the recording until a segment is
lost from the middle of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from gateway.db.catalogue_names import ANY
from gateway.db.catalogue_schema import RECORDINGS, RUNS, SEGMENTS
from gateway.db.catalogue_times import JOINT_NS, chained
from gateway.domain.recording import Span

_RECORDING: BindParameter[int] = bindparam("of")
_TRACK: BindParameter[int] = bindparam("on_track")
_RUN: BindParameter[int] = bindparam("run")
_FROM: BindParameter[int] = bindparam("from_ns")
_TO: BindParameter[int] = bindparam("to_ns")

_SPANS = (
    select(SEGMENTS.c.start_ns, SEGMENTS.c.end_ns)
    .where(
        SEGMENTS.c.recording == _RECORDING,
        SEGMENTS.c.closed,
        SEGMENTS.c.run_ns == _RUN,
        SEGMENTS.c.tracks.bitwise_and(_TRACK) != 0,
        SEGMENTS.c.start_ns.between(_FROM, _TO),
    )
    .order_by(SEGMENTS.c.start_ns)
)
_LONGEST = select(RECORDINGS.c.longest_run_ns).where(RECORDINGS.c.id == _RECORDING).scalar_subquery()
_TOUCHING = (
    *(RUNS.c.recording == _RECORDING, RUNS.c.track == _TRACK, RUNS.c.run_ns == _RUN),
    *(RUNS.c.start_ns >= _FROM - _LONGEST, RUNS.c.start_ns <= _TO, RUNS.c.end_ns >= _FROM),
)
_TOUCHED = select(RUNS.c.start_ns, RUNS.c.end_ns).where(*_TOUCHING).order_by(RUNS.c.start_ns)
_DELETE = delete(RUNS).where(*_TOUCHING)
_INSERT = insert(RUNS)
_LENGTHEN = update(RECORDINGS).where(
    RECORDINGS.c.id == _RECORDING, RECORDINGS.c.longest_run_ns < bindparam("length_ns")
)


class _Run(NamedTuple):
    """What stretches are of: a recording, a track of it, and one of its runs."""

    recording: int
    track: int
    run_ns: int

    def near(self, span: Span) -> dict[str, int]:
        """Return the parameters of a question for what touches a span."""
        window = {"from_ns": span.start_ns, "to_ns": span.end_ns}
        return {"of": self.recording, "on_track": self.track, "run": self.run_ns, **window}


def add_runs(connection: Connection, recording: int, rows: Iterable[Any]) -> None:
    """Take new segments into their runs; they come in order of their starts."""
    for run, spans in _by_run(recording, rows).items():
        for piece in chained(spans):
            near = Span(piece.start_ns - JOINT_NS, piece.end_ns + JOINT_NS)
            joined = [piece, *_take_out(connection, run, near)]
            start_ns, end_ns = min(each.start_ns for each in joined), max(each.end_ns for each in joined)
            _put_in(connection, run, [Span(start_ns, end_ns)])


def remove_runs(connection: Connection, recording: int, rows: Iterable[Any], reach: int) -> None:
    """Take segments that are gone out of their runs; none was longer than `reach`."""
    for run, spans in _by_run(recording, rows).items():
        hull = Span(spans[0].start_ns, max(span.end_ns for span in spans))
        touched = _take_out(connection, run, hull)
        window = Span(
            max(touched[0].start_ns, hull.start_ns - JOINT_NS - reach), min(touched[-1].end_ns, hull.end_ns + JOINT_NS)
        )
        left = list(chained(Span(*row) for row in connection.execute(_SPANS, run.near(window))))
        _put_in(connection, run, _whole(left, touched, hull))


def _whole(pieces: list[Span], touched: Sequence[Span], hull: Span) -> list[Span]:
    """Give the outer pieces of what is left the ends that lie outside of what was looked at.

    What begins before the hull hung together and has lost nothing: what joins it may lie further back than was looked.
    """
    before = [piece for piece in pieces if piece.start_ns < hull.start_ns]
    if before and touched[0].start_ns < hull.start_ns:
        joined = Span(touched[0].start_ns, max(piece.end_ns for piece in before))
        pieces = list(chained([joined, *pieces[len(before) :]]))
    if pieces and touched[-1].end_ns > hull.end_ns:
        pieces[-1] = Span(pieces[-1].start_ns, touched[-1].end_ns)
    return pieces


def _by_run(recording: int, rows: Iterable[Any]) -> dict[_Run, list[Span]]:
    runs: dict[_Run, list[Span]] = defaultdict(list)
    for row in rows:
        for track in _bits(row.tracks):
            runs[_Run(recording, track, row.run_ns)].append(Span(row.start_ns, row.end_ns))
    return runs


def _bits(mask: int) -> Iterator[int]:
    while mask:
        yield mask & -mask
        mask &= mask - 1


def _take_out(connection: Connection, run: _Run, span: Span) -> list[Span]:
    """Delete the stretches of a run that touch a span, and return them in order."""
    found = [Span(*row) for row in connection.execute(_TOUCHED, run.near(span))]
    if found:
        connection.execute(_DELETE, run.near(span))
    return found


def _put_in(connection: Connection, run: _Run, spans: Iterable[Span]) -> None:
    for span in spans:
        connection.execute(_INSERT, {**run._asdict(), "start_ns": span.start_ns, "end_ns": span.end_ns})
        if run.track == ANY:  # no track's stretch is longer than the recording's around it
            length_ns = span.end_ns - span.start_ns
            connection.execute(_LENGTHEN, {"of": run.recording, "length_ns": length_ns, "longest_run_ns": length_ns})
