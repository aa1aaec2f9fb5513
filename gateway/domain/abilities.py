"""What can be controlled of a camera, as last heard: it is shown to a VMS also while the camera is away."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.device_io import DigitalInput, RelayOptions, RelayOutput
from gateway.domain.encoder import VideoEncoderOptions, VideoEncoderSettings
from gateway.domain.imaging import FocusMoveOptions, ImagingOptions
from gateway.domain.media import TrackDescription
from gateway.domain.ptz import PtzNode


@dataclass(frozen=True, slots=True)
class EncoderAbility:
    """One profile's encoder: what it is set to, and what it could be."""

    options: tuple[VideoEncoderOptions, ...]
    settings: VideoEncoderSettings


@dataclass(frozen=True, slots=True)
class RelayAbility:
    """One relay: how it is set and how it could be."""

    options: RelayOptions
    output: RelayOutput


@dataclass(frozen=True, slots=True)
class Abilities:
    """Everything that can be controlled of one camera; empty or None for what can't."""

    encoders: Mapping[str, EncoderAbility] = field(default_factory=dict)
    """By profile."""
    imaging: ImagingOptions | None = None
    focus: FocusMoveOptions = field(default_factory=FocusMoveOptions)
    ptz: PtzNode | None = None
    relays: Mapping[str, RelayAbility] = field(default_factory=dict)
    """By the camera's own token, in its order."""
    inputs: Mapping[str, DigitalInput] = field(default_factory=dict)
    """By the camera's own token, in its order."""
    loudspeaker: tuple[TrackDescription, ...] = ()
    """The encodings that it can be spoken to in, the preferred first."""


NO_ABILITIES = Abilities()
