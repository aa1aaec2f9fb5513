"""Ranges of values, as a camera gives them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """From a least to a greatest value, both included."""

    minimum: float
    maximum: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.minimum <= value <= self.maximum

    def nearest(self, value: float) -> float:
        """Return the value of this range that is nearest to one."""
        return min(max(value, self.minimum), self.maximum)
