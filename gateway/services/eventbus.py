"""The event bus: whoever knows something publishes it, whoever wants to know attaches a reader.

Properties are kept with their present value, so that a change is told once and a newcomer learns all states.
"""

import logging
from collections import deque
from typing import Protocol

from gateway.domain.event import Event, Items, PropertyKey, PropertyOperation, TopicDescription
from gateway.domain.event_history import EventPage, Place
from gateway.sdk.clock import Clock

MAX_PROPERTIES = 20_000
"""Live properties at once: a source that invents keys without end must not fill the memory."""

HISTORY = 8192
"""Events that are kept to look back at."""

_log = logging.getLogger(__name__)


class EventReader(Protocol):
    """A consumer of events."""

    def deliver(self, event: Event) -> None:
        """Take one event. It may neither block nor raise; who must wait puts a bounded queue behind it."""
        ...


class EventBus:
    """All topics, the properties' present values and the readers."""

    def __init__(self, clock: Clock, max_properties: int = MAX_PROPERTIES) -> None:
        self._clock = clock
        self._max_properties = max_properties
        self._topics: dict[str, TopicDescription] = {}
        self._properties: dict[PropertyKey, Event] = {}
        self._readers: tuple[EventReader, ...] = ()
        self._full = False

    def declare(self, *descriptions: TopicDescription) -> None:
        """Announce topics that the caller maintains. Raises ValueError when one is declared in two ways."""
        for description in descriptions:
            if self._topics.get(description.topic, description) != description:
                raise ValueError(f"the topic {description.topic} is declared in two ways")
            self._topics[description.topic] = description

    def topics(self) -> tuple[TopicDescription, ...]:
        """Return what is declared, by name."""
        return tuple(self._topics[topic] for topic in sorted(self._topics))

    def attach(self, reader: EventReader) -> None:
        """Add a reader; it receives events from the next one on."""
        self._readers = (*self._readers, reader)

    def detach(self, reader: EventReader) -> None:
        """Remove a reader; removing it twice does nothing."""
        self._readers = tuple(each for each in self._readers if each is not reader)

    def publish(self, event: Event) -> None:
        """Tell an event. That of a property is told as Initialized when it is new and as Changed when it differs.

        Raises ValueError for an undeclared topic and for items that its description lacks.
        """
        description = self._topics.get(event.topic)
        problem = f"the topic {event.topic} is not declared" if description is None else description.problem(event)
        if description is None or problem:
            raise ValueError(problem)
        operation = None
        if description.is_property:
            known = self._properties.get(event.property_key)
            if known is not None and known.same_value(event):
                return
            if known is None and not self._has_room(event):
                return
            self._properties[event.property_key] = event
            operation = PropertyOperation.INITIALIZED if known is None else PropertyOperation.CHANGED
        self._tell(event.told(operation, event.utc_ns or self._clock.utc_ns()))

    def delete(self, topic: str, source: Items = (), key: Items = ()) -> None:
        """Tell that a property is gone, with its last value; nothing happens when there is none."""
        event = self._properties.pop((topic, source, key), None)
        if event is not None:
            self._full = False
            self._tell(event.told(PropertyOperation.DELETED, self._clock.utc_ns()))

    def delete_source(self, *source: tuple[str, str]) -> None:
        """Tell that all properties are gone whose source holds these items, as when a camera is removed."""
        wanted = set(source)
        for topic, items, key in list(self._properties):
            if wanted <= set(items):
                self.delete(topic, items, key)

    def value(self, topic: str, source: Items = (), key: Items = ()) -> Event | None:
        """Return the present state of a property, None when it is not known."""
        return self._properties.get((topic, source, key))

    def properties(self) -> tuple[Event, ...]:
        """Return every property as it is now, as Initialized events of this moment (Core §11.6.1)."""
        now = self._clock.utc_ns()
        return tuple(event.told(PropertyOperation.INITIALIZED, now) for event in self._properties.values())

    def _tell(self, event: Event) -> None:
        for reader in self._readers:
            reader.deliver(event)

    def _has_room(self, event: Event) -> bool:
        if len(self._properties) < self._max_properties:
            return True
        if not self._full:
            self._full = True
            _log.warning("%d properties are live: %s is left out", self._max_properties, event.topic)
        return False


class EventHistory(Protocol):
    """Past events, for those who look back."""

    persistent: bool
    """Whether they outlive a restart."""

    def begin_ns(self) -> int | None:
        """Return the time of the oldest event, None when there is none."""
        ...

    async def events(self, place: Place, *, reverse: bool, limit: int) -> EventPage:
        """Return events from a place on in order of time, or from it back with the latest first, at most so many.

        Raises GatewayError when they can't be read.
        """
        ...


class RecentEvents:
    """An EventReader and EventHistory in memory: the last events, whatever they are."""

    persistent = False

    def __init__(self, size: int = HISTORY) -> None:
        self._events: deque[tuple[int, Event]] = deque(maxlen=size)
        self._last = 0

    def deliver(self, event: Event) -> None:
        """Keep an event in place of the oldest."""
        self._last += 1
        self._events.append((self._last, event))

    def begin_ns(self) -> int | None:
        """Return the time of the oldest event, None when there is none."""
        return min((event.utc_ns for _, event in self._events), default=None)

    async def events(self, place: Place, *, reverse: bool, limit: int) -> EventPage:
        """Return events from a place on in order of time, or from it back with the latest first, at most so many."""
        places = (((event.utc_ns, number), event) for number, event in self._events)
        found = [each for each in places if (each[0] < place if reverse else each[0] > place)]
        found.sort(key=lambda each: each[0], reverse=reverse)
        taken = found[:limit]
        rest = taken[-1][0] if len(found) > limit else None
        return EventPage(tuple((0, event) for _, event in taken), rest)
