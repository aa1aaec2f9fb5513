"""What waits for one event broker: events in order, and after every connect the state of each property."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gateway.domain.event import Event, PropertyKey, PropertyOperation
from gateway.sdk.clock import Clock
from gateway.services.eventbus import EventBus

QUEUE = 8192
"""Events that wait for one broker."""

LOG_SECONDS = 1.0
"""Between two lines about lost events."""

Wants: TypeAlias = Callable[[Event], bool]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Publication:
    """An event as a broker gets it."""

    topic: str
    payload: bytes
    retain: bool
    """Whether the broker keeps it for those who come later."""


class Outbox:
    """A reader of the bus on behalf of one broker. An event leaves it when the broker has it, or for want of room."""

    def __init__(self, name: str, wants: Wants, bus: EventBus, clock: Clock, size: int = QUEUE) -> None:
        self._name = name
        self._wants = wants
        self._bus = bus
        self._clock = clock
        self._size = size
        self._queue: deque[Event] = deque()
        self._states: deque[Event] = deque()
        """Of properties, to be told once the queue is empty; younger than what was in it, older than what will be."""
        self._stale = False
        """Whether the states are still to be collected."""
        self._told: set[PropertyKey] = set()
        """Properties whose state the broker heard in this connection."""
        self._kept: dict[PropertyKey, Event] = {}
        """Properties whose state the broker keeps, as far as is known."""
        self._head: Event | None = None
        """What is on its way."""
        self._suspect: Event | None = None
        """What was on its way when the last connection ended."""
        self._ended = 0
        """How many connections in a row ended with it on its way."""
        self.lost = 0
        """Events that were dropped and not yet logged."""
        self._silent_until = 0.0
        self._filled = asyncio.Event()

    def deliver(self, event: Event) -> None:
        """Queue an event if it is wanted, in place of the oldest when there is no room."""
        if not self._wants(event):
            return
        if len(self._queue) >= self._size:
            self._queue.popleft()
            self.lost += 1
            self._tell_lost()
        self._queue.append(event)
        self._filled.set()

    @property
    def failures(self) -> int:
        """Tell how many connections in a row ended while the event that `next` returned last was on its way."""
        return self._ended if _alike(self._head, self._suspect) else 0

    def connected(self) -> None:
        """Have the state of every property told, because the broker may have forgotten them."""
        if self._head is not None:
            self._ended = self._ended + 1 if _alike(self._head, self._suspect) else 1
            self._suspect, self._head = self._head, None
        self._told.clear()
        self._states.clear()
        self._stale = True
        self._filled.set()

    async def next(self) -> Event:
        """Wait for an event, and return it again and again until it is `done`."""
        while True:
            waiting = self._states or self._queue
            if not waiting and self._stale:
                self._collect()
            elif waiting:
                break
            else:
                self._filled.clear()
                await self._filled.wait()
        self._head = waiting[0]
        return self._head

    def done(self, event: Event) -> None:
        """Forget an event that the broker has."""
        for queue in (self._states, self._queue):
            if queue and queue[0] is event:
                queue.popleft()
        if _alike(event, self._suspect):
            self._suspect = None
        self._head = None
        if event.operation is PropertyOperation.DELETED:
            self._kept.pop(event.property_key, None)
        elif event.operation is not None:
            self._kept[event.property_key] = event
            self._told.add(event.property_key)
        if self.lost:
            self._tell_lost()

    def _collect(self) -> None:
        """Queue the states that the broker has not heard, and the end of properties that are gone meanwhile."""
        self._stale = False
        states = self._bus.properties()
        live = {event.property_key for event in states}
        now = self._clock.utc_ns()
        gone = [event.told(PropertyOperation.DELETED, now) for key, event in self._kept.items() if key not in live]
        news = [event for event in states if event.property_key not in self._told and self._wants(event)]
        self._states.extend((*gone, *news))

    def _tell_lost(self) -> None:
        now = self._clock.monotonic()
        if now >= self._silent_until:
            _log.warning("event broker %s: %d events are lost, the oldest that waited", self._name, self.lost)
            self.lost, self._silent_until = 0, now + LOG_SECONDS


def _alike(one: Event | None, other: Event | None) -> bool:
    """Tell whether two events say the same: a state that is collected anew is another object."""
    if one is None or other is None:
        return False
    return one.property_key == other.property_key and one.same_value(other)
