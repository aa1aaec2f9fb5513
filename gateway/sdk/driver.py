"""The camera driver: what brings a camera's media in."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from gateway.domain.camera import CameraInfo
from gateway.domain.device_event import DeviceEvent
from gateway.domain.media import AccessUnit, StreamDescription
from gateway.sdk.callbacks import Callbacks
from gateway.sdk.clock import Clock
from gateway.sdk.finding import Finder


class MediaSink(Protocol):
    """Where a driver puts media. Neither call blocks, and both are made on the event loop."""

    def describe(self, description: StreamDescription) -> None:
        """Announce the tracks, before the first unit and again whenever they change."""
        ...

    def deliver(self, unit: AccessUnit) -> None:
        """Hand over one access unit of the described tracks, in decoding order."""
        ...


@dataclass(frozen=True, slots=True)
class DriverContext:
    """What the gateway gives a driver besides its settings."""

    camera_id: str
    camera_name: str
    clock: Clock
    callbacks: Callbacks | None = None
    """None where the gateway does not run, as when a camera is tested by command."""
    finder: Finder | None = None
    """None there too, and where discovery is switched off."""
    known: CameraInfo = field(default_factory=CameraInfo)
    """What the camera was when it was last reached: another device at its address has another serial number."""


class CameraDriver(ABC):
    """Brings one camera in. The gateway makes one per configured camera and supervises it."""

    Settings: ClassVar[type[Any]]
    """Frozen dataclass of the driver's own keys in `[camera.settings]`; types are checked from its hints.

    A field of type `Secret` is written `{ env = "NAME" }` or `{ file = "PATH" }`.
    """

    def __init__(self, settings: Any, context: DriverContext) -> None:  # noqa: ANN401 - each driver has its own type
        self.settings = settings
        self.context = context

    @abstractmethod
    def profiles(self) -> tuple[str, ...]:
        """Return which of `main` and `sub` this camera delivers; a missing `sub` shows `main` again."""

    async def info(self) -> CameraInfo:
        """Return what the camera says of itself. Raises GatewayError when it can't be reached."""
        return CameraInfo()

    @abstractmethod
    async def stream(self, profile: str, sink: MediaSink) -> None:
        """Connect, describe and deliver until cancelled.

        Raises GatewayError (kind UNAVAILABLE when a retry may help) as soon as the connection is lost; the
        gateway backs off and calls again. The driver owns and closes everything it opened before it returns.
        """


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a support engineer would ask of a camera. Never a secret."""

    info: CameraInfo
    facts: tuple[tuple[str, str], ...] = ()
    """Labels and values, for people."""
    capabilities: tuple[str, ...] = ()
    """Short names of what it has, such as `PTZ`."""
    clock_offset: float | None = None
    """Seconds that its clock is ahead; None where it does not tell."""


@runtime_checkable
class Inspectable(Protocol):
    """Optional ability of a driver: to tell more of the camera than its name plate."""

    async def inspect(self) -> Inspection:
        """Ask the camera, also while it plays: whenever it has come back, and every hour. Raises GatewayError."""
        ...


@runtime_checkable
class DeviceEvents(Protocol):
    """Optional ability of a driver: to tell what the camera notices.

    A driver that can tell of some kinds only names them in `event_kinds`, a frozenset of `DeviceEventKind`; only the
    topics of these are announced.
    """

    async def events(self, tell: Callable[[DeviceEvent], None]) -> None:
        """Tell events until cancelled: at first the present states, where the camera gives them, then every change.

        Raises GatewayError as soon as the connection is lost (UNSUPPORTED for a camera without events); the gateway
        waits and calls again. `tell` does not block and is called on the event loop.
        """
        ...


@runtime_checkable
class EdgeArchive(Protocol):
    """Optional ability of a driver: to fetch what the camera itself has recorded."""

    def recorded(
        self, profile: str, start_ns: int, end_ns: int
    ) -> AsyncGenerator[StreamDescription | AccessUnit, None]:
        """Yield what the camera has recorded of a time: its tracks, then units in order, from a key frame on.

        Times are UTC nanoseconds, and capture times as `stream` tells them. It may begin before the start and go on
        after the end: the caller closes it when it has enough. Nothing is read faster than it is taken. Yields nothing
        where nothing is recorded. Raises GatewayError (UNSUPPORTED for a camera without recordings).
        """
        ...
