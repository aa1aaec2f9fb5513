"""What is missing of a recording and ought to be there: decisions without I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.domain.recording import Span
from gateway.services.archive import joined
from gateway.services.schedule import Schedule


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


def gaps(runs: Sequence[Span], since_ns: int, schedule: Schedule | None) -> Iterator[Gap]:
    """Yield what is missing between stretches, the oldest first: a camera overwrites that first.

    Only what a schedule says is wanted; what is older than `since_ns` is not looked for.
    """
    for before, after in pairwise(joined(runs)):
        start_ns = max(before.end_ns, since_ns)
        for piece in _active(Span(start_ns, after.start_ns), schedule):
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
