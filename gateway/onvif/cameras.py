"""What the services are given to control cameras with."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gateway.domain.abilities import Abilities
from gateway.domain.encoder import VideoEncoderSettings
from gateway.onvif.writes import Writes
from gateway.sdk.controls import CameraControls

_T = TypeVar("_T")


class Controls(Protocol):
    """What can be done to cameras, by the ids of their channels."""

    @property
    def revision(self) -> int:
        """Count changes."""
        ...

    def abilities(self, camera: str) -> Abilities:
        """Return what can be controlled, as last heard."""
        ...

    def live(self, camera: str) -> CameraControls:
        """Return the controls. Raises GatewayError before the camera was reached."""
        ...

    async def ask(self, camera: str, answer: Awaitable[_T]) -> _T:
        """Await what a control does. Raises GatewayError, also after some seconds."""
        ...

    async def learn(self, camera: str) -> None:
        """Ask a camera again what it has. Raises GatewayError."""
        ...


class Encoders(Protocol):
    """Sets encoders."""

    async def set_encoder(self, camera: str, profile: str, settings: VideoEncoderSettings) -> None:
        """Set an encoder, and set it back if no picture comes of it. Raises GatewayError."""
        ...


@dataclass(frozen=True, slots=True)
class CameraAccess:
    """The cameras' controls and the gate before them; one for all services."""

    controls: Controls
    encoders: Encoders
    writes: Writes
