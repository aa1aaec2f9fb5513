"""The time of a search in windows, each a step of it that is done in a few milliseconds.

A window is twice as long as the one before it where little was found, and half as long where there was much.
"""

from collections.abc import Iterator

from gateway.domain.recording import Span

_HOUR_NS = 3_600 * 1_000_000_000
FIRST_NS = _HOUR_NS
_SHORTEST_NS, _LONGEST_NS = _HOUR_NS // 4, 64 * 24 * _HOUR_NS
_FEW, _MANY = 100, 400


class Windows:
    """Windows of a span in order, or the last one first. What was found in each has to be told before the next."""

    def __init__(self, span: Span, *, backward: bool = False) -> None:
        self.found = 0
        self._rest = span
        self._backward = backward

    def __iter__(self) -> Iterator[Span]:
        length = FIRST_NS
        while self._rest.start_ns < self._rest.end_ns:
            yield self._next(length)
            if self.found < _FEW:
                length = min(length * 2, _LONGEST_NS)
            elif self.found > _MANY:
                length = max(length // 2, _SHORTEST_NS)

    def _next(self, length: int) -> Span:
        start_ns, end_ns = self._rest.start_ns, self._rest.end_ns
        if self._backward:
            middle = max(start_ns, end_ns - length)
            self._rest = Span(start_ns, middle)
            return Span(middle, end_ns)
        middle = min(end_ns, start_ns + length)
        self._rest = Span(middle, end_ns)
        return Span(start_ns, middle)
