"""Gap-free stretches, kept as segments come and go.

A stretch is a longest chain of closed segments of one run in which each begins no later than the others have ended, but
for `JOINT_NS`. A run is one stretch until a segment is lost from the middle of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from gateway.db.catalogue_schema import RECORDINGS, RUNS, SEGMENTS
from gateway.db.catalogue_times import JOINT_NS, chained
from gateway.domain.recording import Span

_RECORDING: BindParameter[int] = bindparam("of")
_RUN: BindParameter[int] = bindparam("run")
_FROM: BindParameter[int] = bindparam("from_ns")
_TO: BindParameter[int] = bindparam("to_ns")

_SPANS = (
    select(SEGMENTS.c.start_ns, SEGMENTS.c.end_ns)
    .where(
        SEGMENTS.c.recording == _RECORDING,
        SEGMENTS.c.closed,
        SEGMENTS.c.run_ns == _RUN,
        SEGMENTS.c.start_ns.between(_FROM, _TO),
    )
    .order_by(SEGMENTS.c.start_ns)
)
_TOUCHING = RUNS.c.recording == _RECORDING, RUNS.c.run_ns == _RUN, RUNS.c.start_ns <= _TO, RUNS.c.end_ns >= _FROM
_TOUCHED = select(RUNS.c.start_ns, RUNS.c.end_ns).where(*_TOUCHING).order_by(RUNS.c.start_ns)
_DELETE = delete(RUNS).where(*_TOUCHING)
_INSERT = insert(RUNS)
_LENGTHEN = update(RECORDINGS).where(
    RECORDINGS.c.id == _RECORDING, RECORDINGS.c.longest_run_ns < bindparam("length_ns")
)


def add_runs(connection: Connection, recording: int, rows: Iterable[Any]) -> None:
    """Take new segments into their runs; they come in order of their starts."""
    for run_ns, spans in _by_run(rows).items():
        for piece in chained(spans):
            near = Span(piece.start_ns - JOINT_NS, piece.end_ns + JOINT_NS)
            joined = [piece, *_take_out(connection, recording, run_ns, near)]
            start_ns, end_ns = min(each.start_ns for each in joined), max(each.end_ns for each in joined)
            _put_in(connection, recording, run_ns, [Span(start_ns, end_ns)])


def remove_runs(connection: Connection, recording: int, rows: Iterable[Any], reach: int) -> None:
    """Take segments that are gone out of their runs; none was longer than `reach`."""
    for run_ns, spans in _by_run(rows).items():
        hull = Span(spans[0].start_ns, max(span.end_ns for span in spans))
        touched = _take_out(connection, recording, run_ns, hull)
        window = Span(
            max(touched[0].start_ns, hull.start_ns - JOINT_NS - reach), min(touched[-1].end_ns, hull.end_ns + JOINT_NS)
        )
        left = list(chained(_spans(connection, recording, run_ns, window)))
        _put_in(connection, recording, run_ns, _whole(left, touched, hull))


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


def _by_run(rows: Iterable[Any]) -> dict[int, list[Span]]:
    runs: dict[int, list[Span]] = defaultdict(list)
    for row in rows:
        runs[row.run_ns].append(Span(row.start_ns, row.end_ns))
    return runs


def _spans(connection: Connection, recording: int, run_ns: int, window: Span) -> list[Span]:
    """Return the closed segments of a run that start in a window."""
    values = {"of": recording, "run": run_ns, "from_ns": window.start_ns, "to_ns": window.end_ns}
    return [Span(*row) for row in connection.execute(_SPANS, values)]


def _take_out(connection: Connection, recording: int, run_ns: int, span: Span) -> list[Span]:
    """Delete the stretches of a run that touch a span, and return them in order."""
    values = {"of": recording, "run": run_ns, "from_ns": span.start_ns, "to_ns": span.end_ns}
    found = [Span(*row) for row in connection.execute(_TOUCHED, values)]
    if found:
        connection.execute(_DELETE, values)
    return found


def _put_in(connection: Connection, recording: int, run_ns: int, spans: Iterable[Span]) -> None:
    for span in spans:
        values = {"recording": recording, "run_ns": run_ns, "start_ns": span.start_ns, "end_ns": span.end_ns}
        connection.execute(_INSERT, values)
        length_ns = span.end_ns - span.start_ns
        connection.execute(_LENGTHEN, {"of": recording, "length_ns": length_ns, "longest_run_ns": length_ns})
