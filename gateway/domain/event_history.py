"""Past events, a page at a time."""

from dataclasses import dataclass
from typing import TypeAlias

from gateway.domain.event import Event

Place: TypeAlias = tuple[int, int]
"""Between two past events: time and number of the one that was read last. Events are in order of both."""

_NUMBERS = (-1, (1 << 63) - 1)


def place_at(time_ns: int, *, reverse: bool) -> Place:
    """Return where to begin reading at a time, events of just that time included."""
    return time_ns, _NUMBERS[reverse]


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some past events and where to go on."""

    found: tuple[tuple[int, Event], ...]
    """Events in the order in which they are read, each with the number of its property or kind of message."""
    rest: Place | None
    """None when nothing was left to read."""
