"""The event sink: brings events to somebody outside, such as a web service or a monitoring station."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.sdk.clock import Clock


@dataclass(frozen=True, slots=True)
class SinkEntry:
    """One event on its way to one sink."""

    id: str
    """UUID of the event, the same at every attempt and in every sink, by which a receiver can tell a repeat."""
    event: Event
    """Structures among its data are in the types of JSON."""
    camera: str = ""
    """Id of the camera that it is about, empty where it is about none."""


class SinkMemory(Protocol):
    """A few JSON values of one sink that outlive a restart."""

    def load(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return what was last stored under a key, or None."""
        ...

    def store(self, key: str, value: object) -> None:
        """Keep a value; returns at once. It is on the disk before the entry being sent counts as delivered."""
        ...


class ClipLinks(Protocol):
    """Makes links to footage that need no login and are good for a time."""

    def __call__(self, camera: str, utc_ns: int) -> str:
        """Return the URL of what a camera saw around a time, empty where nothing is recorded."""
        ...


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What the gateway gives a sink besides its settings."""

    sink_id: str
    device_id: str
    """UUID of this gateway's installation."""
    device_name: str
    cameras: Mapping[str, str]
    """Names of the configured cameras by their ids, in their order."""
    clock: Clock
    memory: SinkMemory
    clips: ClipLinks | None = None
    """None: the operator does not want links."""

    def link(self, entry: SinkEntry) -> str:
        """Return the URL of the footage of an event, always the same; nothing where there is none to be linked to."""
        return self.clips(entry.camera, entry.event.utc_ns) if self.clips is not None and entry.camera else ""

    def like(self, other: "SinkContext") -> bool:
        """Tell whether another context gives a sink the same."""
        mine, its = (
            (each.sink_id, each.device_id, each.device_name, each.cameras, each.clips) for each in (self, other)
        )
        return mine == its


class RetryLaterError(GatewayError):
    """The receiver is not ready, and says how long it wants to be left alone."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(ErrorKind.UNAVAILABLE, message)
        self.seconds = seconds


class EventSink(ABC):
    """Brings events to one receiver. The gateway makes one per configured sink, keeps its queue and supervises it.

    Calls come one at a time, on the event loop: `open`, then `send` and `supervise` in any order, then `close`.
    Errors of kind UNAVAILABLE mean that a retry may help: the gateway closes the sink, backs off, opens it and sends
    the same entry again. Any other kind means that this entry can't be delivered: it is dropped and reported.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass of the sink's own keys in `[sink.settings]`; types are checked from its hints."""

    supervision: float | None = None
    """Seconds without a successful `send` or `supervise` after which `supervise` is called; None: never."""

    def __init__(self, settings: Any, context: SinkContext) -> None:  # noqa: ANN401 - each sink has its own type
        """Check what types can't say. Raises GatewayError INVALID."""
        self.settings = settings
        self.context = context

    def wants(self, event: Event) -> bool:  # noqa: ARG002 - for those that choose
        """Tell whether an event is to be queued at all, after the configured filters. Pure and quick."""
        return True

    async def open(self) -> None:  # noqa: B027 - a sink may need nothing
        """Get ready to send. Raises GatewayError."""

    @abstractmethod
    async def send(self, entry: SinkEntry) -> None:
        """Return when the receiver has acknowledged the entry. Raises GatewayError."""

    async def supervise(self) -> None:  # noqa: B027 - a sink may have no such message
        """Show the receiver that the gateway is alive. Raises GatewayError."""

    async def close(self) -> None:  # noqa: B027 - a sink may hold nothing
        """Let go of what `open` and `send` hold; called also after they failed. Raises nothing."""
