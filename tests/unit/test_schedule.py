"""Weekly periods of the wall clock, on days of 23 and 25 hours too."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.recording import WeeklyPeriod
from gateway.services.schedule import Schedule

BERLIN = ZoneInfo("Europe/Berlin")
_NS = 1_000_000_000
MONDAY, SUNDAY = 0, 6


def at(text: str) -> int:
    """Return nanoseconds of an ISO 8601 time with its offset."""
    return round(datetime.fromisoformat(text).timestamp()) * _NS


def told(utc_ns: int | None) -> str:
    return "" if utc_ns is None else datetime.fromtimestamp(utc_ns // _NS, UTC).strftime("%d %H:%M")


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        ("2026-11-23T07:59:59+01:00", False),
        ("2026-11-23T08:00:00+01:00", True),
        ("2026-11-23T17:59:59+01:00", True),
        ("2026-11-23T18:00:00+01:00", False),
        ("2026-11-24T08:00:00+01:00", False),
        ("2026-11-23T07:30:00+00:00", True),
    ],
)
def test_a_period_has_its_start_and_not_its_end(moment: str, active: bool) -> None:  # noqa: FBT001
    assert Schedule((WeeklyPeriod(MONDAY, 480, 1080),), BERLIN).active(at(moment)) is active


def test_the_end_of_a_day_is_the_start_of_the_next() -> None:
    night = Schedule((WeeklyPeriod(SUNDAY, 1320, 1440), WeeklyPeriod(MONDAY, 0, 360)), BERLIN)
    assert told(night.next_change(at("2026-11-22T12:00:00+01:00"))) == "22 21:00"
    assert night.active(at("2026-11-22T23:59:59+01:00"))
    assert night.active(at("2026-11-23T00:00:00+01:00"))
    assert told(night.next_change(at("2026-11-22T23:00:00+01:00"))) == "23 05:00"


@pytest.mark.parametrize(
    ("period", "moment", "changes"),
    [
        # 29 March 2026, 02:00 is followed by 03:00
        ((60, 240), "2026-03-29T00:30:00+01:00", ["29 00:00", "29 02:00"]),
        ((150, 240), "2026-03-29T00:30:00+01:00", ["29 01:00", "29 02:00"]),
        ((60, 150), "2026-03-29T00:30:00+01:00", ["29 00:00", "29 01:00"]),
        ((130, 170), "2026-03-29T00:30:00+01:00", ["05 00:10", "05 00:50"]),
        # 25 October 2026, 03:00 is followed by 02:00
        ((60, 240), "2026-10-25T00:30:00+02:00", ["24 23:00", "25 03:00"]),
        ((150, 170), "2026-10-25T00:30:00+02:00", ["25 00:30", "25 00:50", "25 01:30", "25 01:50"]),
        ((150, 240), "2026-10-25T00:30:00+02:00", ["25 00:30", "25 01:00", "25 01:30", "25 03:00"]),
    ],
)
def test_days_on_which_the_clock_is_changed(period: tuple[int, int], moment: str, changes: list[str]) -> None:
    schedule = Schedule((WeeklyPeriod(SUNDAY, *period),), BERLIN)
    found, now = [], at(moment)
    for _ in changes:
        change = schedule.next_change(now)
        assert change is not None
        assert schedule.active(change) is not schedule.active(change - 1)
        found.append(told(change))
        now = change
    assert found == changes


def test_always_and_never_do_not_change() -> None:
    always = Schedule(tuple(WeeklyPeriod(day, 0, 1440) for day in range(7)), BERLIN)
    assert always.active(at("2026-11-23T08:00:00+01:00"))
    assert always.next_change(at("2026-11-23T08:00:00+01:00")) is None
    assert Schedule((), BERLIN).next_change(0) is None
