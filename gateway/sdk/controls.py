"""What a driver lets the gateway control of its camera: optional abilities, each an object of its own.

Everything that does not change while the camera is connected (nodes, options) is a plain attribute, which the
driver has read before it hands the ability over; everything else is asked of the camera. Each coroutine raises
GatewayError: INVALID for a value that the camera doesn't take, NOT_FOUND for an unknown token, LIMIT for one preset
too many, CONFLICT for what can't be done now, UNSUPPORTED for what it can't do, UNAVAILABLE when it can't be reached.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gateway.domain.device_io import DigitalInput, RelayOptions, RelayOutput
from gateway.domain.encoder import VideoEncoderOptions, VideoEncoderSettings
from gateway.domain.imaging import (
    AbsoluteFocus,
    ContinuousFocus,
    FocusMoveOptions,
    FocusStatus,
    ImagingOptions,
    ImagingSettings,
    RelativeFocus,
)
from gateway.domain.media import TrackDescription
from gateway.domain.ptz import Preset, PtzNode, PtzStatus, PtzVector


@runtime_checkable
class VideoEncoding(Protocol):
    """The encoders of the camera's streams, by profile (`main`, `sub`)."""

    @property
    def options(self) -> Mapping[str, tuple[VideoEncoderOptions, ...]]:
        """What each profile's encoder can be set to, one entry for each encoding."""
        ...

    async def settings(self, profile: str) -> VideoEncoderSettings:
        """Return what the encoder is set to."""
        ...

    async def set_settings(self, profile: str, settings: VideoEncoderSettings) -> None:
        """Set the encoder. The stream goes on, or ends and is opened again, with a new description."""
        ...


@runtime_checkable
class Imaging(Protocol):
    """The camera's picture and its focus (ONVIF Imaging)."""

    @property
    def options(self) -> ImagingOptions:
        """What can be set, with the ranges."""
        ...

    @property
    def move_options(self) -> FocusMoveOptions:
        """How the focus can be moved; all None for a lens that can't."""
        ...

    async def settings(self) -> ImagingSettings:
        """Return the present settings."""
        ...

    async def set_settings(self, settings: ImagingSettings, *, persistent: bool) -> None:
        """Change what is not None. `persistent` settings survive the camera's restart."""
        ...

    async def move(self, move: AbsoluteFocus | RelativeFocus | ContinuousFocus) -> None:
        """Begin to move the focus."""
        ...

    async def stop(self) -> None:
        """Stop the focus."""
        ...

    async def status(self) -> FocusStatus:
        """Return where the focus is."""
        ...


@runtime_checkable
class Ptz(Protocol):
    """The camera's head (ONVIF PTZ). Movements are begun, not waited for."""

    @property
    def node(self) -> PtzNode:
        """What the head can do."""
        ...

    async def absolute_move(self, position: PtzVector, speed: PtzVector | None = None) -> None:
        """Move to a position."""
        ...

    async def relative_move(self, translation: PtzVector, speed: PtzVector | None = None) -> None:
        """Move by a translation."""
        ...

    async def continuous_move(self, velocity: PtzVector, timeout: float | None = None) -> None:  # noqa: ASYNC109 - ONVIF's word: the camera stops by itself
        """Move until stopped, or for so many seconds."""
        ...

    async def stop(self, *, pan_tilt: bool = True, zoom: bool = True) -> None:
        """Stop moving."""
        ...

    async def status(self) -> PtzStatus:
        """Return where it is and whether it moves."""
        ...

    async def presets(self) -> tuple[Preset, ...]:
        """Return what the camera remembers."""
        ...

    async def set_preset(self, name: str = "", token: str = "") -> str:
        """Remember the present position, as a new preset or, with a token, as an existing one; return its token."""
        ...

    async def remove_preset(self, token: str) -> None:
        """Forget a preset."""
        ...

    async def goto_preset(self, token: str, speed: PtzVector | None = None) -> None:
        """Move to a preset."""
        ...

    async def goto_home(self, speed: PtzVector | None = None) -> None:
        """Move to the home position."""
        ...

    async def set_home(self) -> None:
        """Make the present position home."""
        ...

    async def auxiliary(self, command: str) -> str:
        """Carry out one of the node's auxiliary commands; return the camera's answer."""
        ...


@runtime_checkable
class Relays(Protocol):
    """The camera's relays. Their state comes as a `DeviceEvent` of kind RELAY whose name is the relay's token."""

    @property
    def options(self) -> Mapping[str, RelayOptions]:
        """The relays' tokens, in order, with what each can be set to."""
        ...

    async def outputs(self) -> tuple[RelayOutput, ...]:
        """Return the relays with their settings."""
        ...

    async def set_output(self, output: RelayOutput) -> None:
        """Change a relay's settings."""
        ...

    async def set_state(self, token: str, *, active: bool) -> None:
        """Switch a relay."""
        ...


@runtime_checkable
class DigitalInputs(Protocol):
    """The camera's digital inputs. Their state comes as a `DeviceEvent` of kind DIGITAL_INPUT."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """The inputs, in order."""
        ...

    async def inputs(self) -> tuple[DigitalInput, ...]:
        """Return the inputs with their settings."""
        ...

    async def set_input(self, wanted: DigitalInput) -> None:
        """Change an input's idle state."""
        ...


@runtime_checkable
class AudioBackchannel(Protocol):
    """The camera's loudspeaker (ONVIF Streaming §5.3)."""

    @property
    def tracks(self) -> tuple[TrackDescription, ...]:
        """The encodings that the camera takes, the preferred first."""
        ...

    async def talk(self, track: TrackDescription, packets: AsyncIterator[bytes]) -> None:
        """Send RTP packets of one of the tracks to the camera, until there are no more.

        The packets are whole, as the one who talks made them (RFC 3550 §5.1), with its SSRC, sequence numbers and
        timestamps; what was lost or refused on the way is missing. Return soon after the last one.
        Raises GatewayError: INVALID for a track that is none of `tracks`, UNAVAILABLE when the camera is lost.
        """
        ...


@dataclass(frozen=True, slots=True)
class CameraControls:
    """The abilities of one camera, as it is; None for what it doesn't have."""

    encoding: VideoEncoding | None = None
    imaging: Imaging | None = None
    ptz: Ptz | None = None
    relays: Relays | None = None
    inputs: DigitalInputs | None = None
    backchannel: AudioBackchannel | None = None


@runtime_checkable
class Controllable(Protocol):
    """Optional ability of a driver: to let its camera be controlled."""

    async def controls(self) -> CameraControls:
        """Ask the camera what it has. Raises GatewayError when it can't be reached.

        Called when a stream has come up and after a change of an encoder. What it returns is used until the next call,
        also while the camera is away: each ability connects by itself, with a deadline of its own.
        """
        ...
