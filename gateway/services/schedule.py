"""Weekly schedules: whether a moment belongs to them, and when that changes next.

Periods are times of the wall clock. On the day it is put forward a period that begins in the missing hour begins
with the hour after it; on the day it is put back a period in the repeated hour happens twice.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from gateway.domain.recording import WeeklyPeriod

_NS = 1_000_000_000
_DAYS_AHEAD = 8
"""A schedule that has not changed in a week never does, but for the clock being changed."""


class Schedule:
    """Weekly periods in a time zone."""

    def __init__(self, periods: Sequence[WeeklyPeriod], zone: tzinfo) -> None:
        self._periods = tuple(periods)
        self._zone = zone

    def active(self, utc_ns: int) -> bool:
        """Tell whether a moment, in nanoseconds since the epoch, is in a period."""
        return self._active(datetime.fromtimestamp(utc_ns // _NS, self._zone))

    def next_change(self, utc_ns: int) -> int | None:
        """Return when `active` changes next after a moment; None when it does not within a week."""
        now = datetime.fromtimestamp(utc_ns // _NS, self._zone)
        active = self._active(now)
        moments = {round(each.timestamp()) * _NS for each in self._edges(now.date())}
        later = sorted(moment for moment in moments if moment > utc_ns)
        return next((moment for moment in later if self.active(moment) != active), None)

    def _active(self, local: datetime) -> bool:
        minute = local.hour * 60 + local.minute
        return any(
            period.weekday == local.weekday() and period.start_minute <= minute < period.end_minute
            for period in self._periods
        )

    def _edges(self, today: date) -> Iterator[datetime]:
        """Yield every moment at which something may change: edges of periods, and changes of the clock."""
        for number in range(-1, _DAYS_AHEAD + 1):
            midnight = datetime.combine(today + timedelta(days=number), time(), self._zone)
            for period in self._periods:
                if period.weekday == midnight.weekday():
                    for minute in (period.start_minute, period.end_minute):
                        edge = midnight + timedelta(minutes=minute)
                        yield from (edge.replace(fold=0), edge.replace(fold=1))
            yield from self._clock_change(midnight, midnight + timedelta(days=1))

    def _clock_change(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield when the offset from UTC changes between two local midnights: to the minute, by bisection."""
        if start.utcoffset() == end.utcoffset():
            return
        before, after = start.astimezone(UTC), end.astimezone(UTC)
        while after - before > timedelta(minutes=1):
            middle = before + timedelta(minutes=(after - before) // timedelta(minutes=2))
            if middle.astimezone(self._zone).utcoffset() == start.utcoffset():
                before = middle
            else:
                after = middle
        yield after
