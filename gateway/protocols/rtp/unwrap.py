"""Counters that wrap: 32-bit timestamps and 16-bit sequence numbers made into ones that don't."""

from typing import Final

TIMESTAMP_BITS: Final = 32
SEQUENCE_BITS: Final = 16


class Unwrapper:
    """Extends a wrapping counter; each value is taken as the nearest to the one before it."""

    __slots__ = ("_half", "_last", "_low", "_mask")

    def __init__(self, bits: int) -> None:
        self._mask = (1 << bits) - 1
        self._half = 1 << (bits - 1)
        self._last: int | None = None
        self._low = 0
        """The last value as it came."""

    def extend(self, value: int) -> int:
        """Return the extended value; its low bits are `value`. It may be less than the one before."""
        step = value - self._low
        if self._last is not None and 0 <= step < self._half:  # nearly always: forward, and not around
            self._last += step
        else:
            self._last = self.near(value)
        self._low = value
        return self._last

    def near(self, value: int) -> int:
        """Return the extended value without taking it as the last one."""
        if self._last is None:
            return value
        step = (value - self._last) & self._mask
        extended = self._last + (step if step < self._half else step - self._mask - 1)
        return extended if extended >= 0 else extended + self._mask + 1
