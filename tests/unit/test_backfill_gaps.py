"""What is missing of a recording: between its stretches, as far back as wanted, in the hours of its schedule."""

from datetime import UTC

from gateway.domain.recording import Span, WeeklyPeriod
from gateway.services.backfill_gaps import Gap, gaps
from gateway.services.schedule import Schedule

SECOND = 1_000_000_000
MIDNIGHT = 1_699_920_000 * SECOND
"""Tuesday, 2023-11-14."""


def span(start: int, end: int) -> Span:
    """Return a span of seconds after midnight."""
    return Span(MIDNIGHT + start * SECOND, MIDNIGHT + end * SECOND)


def test_what_is_between_stretches_is_missing_and_what_touches_is_not() -> None:
    runs = [span(0, 10), span(10, 20), span(30, 40), span(60, 70)]
    assert list(gaps(runs, 0, None)) == [
        Gap(span(20, 30), after=True, before=True, next_ns=MIDNIGHT + 30 * SECOND),
        Gap(span(40, 60), after=True, before=True, next_ns=MIDNIGHT + 60 * SECOND),
    ]


def test_what_is_older_than_wanted_is_not_looked_for() -> None:
    runs = [span(0, 10), span(20, 30), span(60, 70)]
    [gap] = gaps(runs, MIDNIGHT + 40 * SECOND, None)
    assert (gap.span, gap.after, gap.before) == (span(40, 60), False, True)


def test_of_a_gap_only_the_hours_of_the_schedule_are_missing() -> None:
    """Recorded is from 1 to 2 o'clock and from 3 to 4; the link was cut from half past one to half past three."""
    schedule = Schedule((WeeklyPeriod(1, 60, 120), WeeklyPeriod(1, 180, 240)), UTC)
    found = list(gaps([span(3600, 5400), span(12_600, 14_400)], 0, schedule))
    assert [(gap.span, gap.after, gap.before) for gap in found] == [
        (span(5400, 7200), True, False),
        (span(10_800, 12_600), False, True),
    ]
    assert {gap.next_ns for gap in found} == {MIDNIGHT + 12_600 * SECOND}
