"""The calendar's arithmetic: minutes of days as bits, and segments chained to gap-free stretches."""

from collections.abc import Iterable, Iterator

from gateway.domain.recording import Span

MINUTE_NS = 60_000_000_000
MINUTES = 1440
DAY_NS = MINUTES * MINUTE_NS
BITMAP_BYTES = MINUTES // 8

JOINT_NS = 2_000_000_000
"""What neighbours in a run may leave open: less than any segment that could be missing between them."""


def day_of(time_ns: int) -> int:
    """Return the day since the epoch, in UTC."""
    return time_ns // DAY_NS


def day_span(day: int) -> Span:
    """Return a day's span."""
    return Span(day * DAY_NS, (day + 1) * DAY_NS)


def minutes(spans: Iterable[Span]) -> dict[int, int]:
    """Return, for every day that spans touch, the minutes that they touch: minute `m` is bit `m`."""
    days: dict[int, int] = {}
    for span in spans:
        first, last = span.start_ns // MINUTE_NS, max(span.start_ns, span.end_ns - 1) // MINUTE_NS
        for day in range(first // MINUTES, last // MINUTES + 1):
            begin, end = max(first - day * MINUTES, 0), min(last - day * MINUTES, MINUTES - 1)
            days[day] = days.get(day, 0) | ((1 << end - begin + 1) - 1) << begin
    return days


def extent(day: int, bits: int) -> Span:
    """Return the span from the first to the last of a day's minutes."""
    begin, end = (bits & -bits).bit_length() - 1, bits.bit_length()
    return Span(day * DAY_NS + begin * MINUTE_NS, day * DAY_NS + end * MINUTE_NS)


def chained(spans: Iterable[Span]) -> Iterator[Span]:
    """Join spans, given in order of their starts, wherever one begins at the end of those before it or earlier."""
    chain: Span | None = None
    for span in spans:
        if chain is not None and span.start_ns <= chain.end_ns + JOINT_NS:
            chain = Span(chain.start_ns, max(chain.end_ns, span.end_ns))
            continue
        if chain is not None:
            yield chain
        chain = Span(span.start_ns, span.end_ns)
    if chain is not None:
        yield chain
