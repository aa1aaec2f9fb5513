"""What is missing of a recording and ought to be there: decisions without I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from gateway.domain.recording import Span
from gateway.services.archive import joined
from gateway.services.schedule import Schedule

_REST_NS: Final = 10_000_000_000
"""A recording begins with a key frame and its job ends in the middle of a GOP: so much is nothing that is missing."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing footage."""

    span: Span
    after: bool
    """Footage ends where it begins."""
    before: bool
    """Footage begins where it ends."""
    next_ns: int
    """Where the footage behind it begins, however much later that is."""


def gaps(runs: Sequence[Span], since_ns: int, schedule: Schedule | None, pauses: Sequence[Span] = ()) -> Iterator[Gap]:
    """Yield what is missing between stretches, the oldest first: a camera overwrites that first.

    Only what a schedule says, and what is in no pause, is wanted; what is older than `since_ns` is not looked for.
    """
    for before, after in pairwise(joined(runs)):
        start_ns = max(before.end_ns, since_ns)
        wanted = (
            piece for part in _active(Span(start_ns, after.start_ns), schedule) for piece in _outside(part, pauses)
        )
        for piece in wanted:
            follows, precedes = piece.start_ns == before.end_ns, piece.end_ns == after.start_ns
            yield Gap(piece, follows, precedes, after.start_ns)


def _active(span: Span, schedule: Schedule | None) -> Iterator[Span]:
    """Yield the parts of a span in which a schedule is active."""
    cursor = span.start_ns
    while cursor < span.end_ns:
        change = None if schedule is None else schedule.next_change(cursor)
        end_ns = span.end_ns if change is None else min(change, span.end_ns)
        if schedule is None or schedule.active(cursor):
            yield Span(cursor, end_ns)
        cursor = end_ns


def _outside(span: Span, pauses: Sequence[Span]) -> Iterator[Span]:
    """Yield the parts of a span that are in no pause, but for what is left of a GOP beside one."""
    cursor, paused = span.start_ns, False
    for pause in pauses:
        if pause.end_ns <= cursor or pause.start_ns >= span.end_ns:
            continue
        if pause.start_ns - cursor > _REST_NS:
            yield Span(cursor, pause.start_ns)
        cursor, paused = pause.end_ns, True
    if span.end_ns - cursor > (_REST_NS if paused else 0):
        yield Span(cursor, span.end_ns)
