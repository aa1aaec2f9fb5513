"""What is missing of a recording: between its stretches, as far back as wanted, in the hours of its schedule."""

from datetime import UTC

from gateway.domain.recording import Span, WeeklyPeriod
from gateway.services.archive import LATEST_NS
from gateway.services.backfill_gaps import Gap, gaps
from gateway.services.backfill_pauses import MOST, Pauses
from gateway.services.schedule import Schedule
from gateway.testing.clock import FakeClock
from gateway.testing.sinks import DictMemory

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


def test_of_a_gap_no_pause_is_missing() -> None:
    """Beside a pause there is a rest of a GOP, which is no loss."""
    runs = [span(0, 100), span(400, 500)]
    cases = [
        ([(100, 398)], []),
        ([(99, 401)], []),
        ([(0, 50), (600, 700)], [(100, 400)]),
        ([(200, 300)], [(100, 200), (300, 400)]),
        ([(105, 200), (210, 250)], [(250, 400)]),
    ]
    for pauses, missing in cases:
        found = [gap.span for gap in gaps(runs, 0, None, [span(*pause) for pause in pauses])]
        assert found == [span(*each) for each in missing]


def test_pauses_last_over_restarts() -> None:
    clock, memory = FakeClock(MIDNIGHT), DictMemory()
    pauses = Pauses(memory, clock)
    pauses.follow(["door"], ["door", "yard"])
    assert (pauses.of("door"), pauses.of("yard")) == ([], [])
    clock.set_utc(MIDNIGHT + 10 * SECOND)
    pauses.follow(["door"], ["yard"])
    pauses.follow(["door"], ["yard"])
    assert pauses.of("door") == [Span(MIDNIGHT + 10 * SECOND, LATEST_NS)]
    pauses = Pauses(memory, clock)
    clock.set_utc(MIDNIGHT + 30 * SECOND)
    pauses.follow(["door"], ["door", "yard"])
    assert Pauses(memory, clock).of("door") == [span(10, 30)]


def test_of_many_pauses_the_last_are_remembered() -> None:
    clock = FakeClock(MIDNIGHT)
    pauses = Pauses(DictMemory(), clock)
    for number in range(MOST + 5):
        clock.set_utc(MIDNIGHT + number * 2 * SECOND)
        pauses.follow(["door"], [])
        clock.set_utc(MIDNIGHT + (number * 2 + 1) * SECOND)
        pauses.follow(["door"], ["door"])
    assert len(pauses.of("door")) == MOST
    assert pauses.of("door")[0] == span(10, 11)
