"""What waits for a receiver outside: an event, once for every sink that is to bring it."""

from dataclasses import dataclass

from gateway.domain.event import Event


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One event in the queue of one sink."""

    sink: str
    id: str
    """UUID of the event, the same in every sink."""
    event: Event
    camera: str = ""
    """Id of the camera that it is about, or nothing."""
    queued_ns: int = 0
    """When it was queued, in nanoseconds since the Unix epoch, UTC."""
    property: str = ""
    """Digest of the property that it tells of; nothing for a message that is no property."""
    value: str = ""
    """Digest of that property's value; nothing when the property is gone."""
