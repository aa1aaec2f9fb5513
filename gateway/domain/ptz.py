"""Pan, tilt and zoom, in the words of the ONVIF PTZ Service Specification."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.ranges import Range

SPACES = "http://www.onvif.org/ver10/tptz/"
POSITION_PAN_TILT = SPACES + "PanTiltSpaces/PositionGenericSpace"
POSITION_ZOOM = SPACES + "ZoomSpaces/PositionGenericSpace"
TRANSLATION_PAN_TILT = SPACES + "PanTiltSpaces/TranslationGenericSpace"
TRANSLATION_ZOOM = SPACES + "ZoomSpaces/TranslationGenericSpace"
VELOCITY_PAN_TILT = SPACES + "PanTiltSpaces/VelocityGenericSpace"
VELOCITY_ZOOM = SPACES + "ZoomSpaces/VelocityGenericSpace"
SPEED_PAN_TILT = SPACES + "PanTiltSpaces/GenericSpeedSpace"
SPEED_ZOOM = SPACES + "ZoomSpaces/ZoomGenericSpeedSpace"


@dataclass(frozen=True, slots=True)
class Space:
    """A coordinate space with its range; `y` only for pan and tilt (PTZ §5.1)."""

    uri: str
    x: Range
    y: Range | None = None


@dataclass(frozen=True, slots=True)
class Spaces:
    """The spaces of a node by their use, the default first; empty for a movement that it can't do."""

    absolute_pan_tilt: tuple[Space, ...] = ()
    absolute_zoom: tuple[Space, ...] = ()
    relative_pan_tilt: tuple[Space, ...] = ()
    relative_zoom: tuple[Space, ...] = ()
    continuous_pan_tilt: tuple[Space, ...] = ()
    continuous_zoom: tuple[Space, ...] = ()
    pan_tilt_speed: tuple[Space, ...] = ()
    zoom_speed: tuple[Space, ...] = ()


@dataclass(frozen=True, slots=True)
class PtzNode:
    """What a camera's head can do."""

    token: str
    name: str
    spaces: Spaces
    max_presets: int = 0
    home: bool = False
    fixed_home: bool = False
    """Whether the home position can't be set."""
    auxiliary_commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PanTilt:
    """A position, translation, velocity or speed; without a space, in the default one."""

    x: float
    y: float
    space: str = ""


@dataclass(frozen=True, slots=True)
class Zoom:
    """As `PanTilt`, of the lens."""

    x: float
    space: str = ""


@dataclass(frozen=True, slots=True)
class PtzVector:
    """Where to, how far or how fast; None leaves that axis as it is."""

    pan_tilt: PanTilt | None = None
    zoom: Zoom | None = None


class MoveStatus(StrEnum):
    """What a motor does (PTZ §5.3.4)."""

    IDLE = "IDLE"
    MOVING = "MOVING"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class PtzStatus:
    """Where the head is and what it does."""

    position: PtzVector = PtzVector()
    pan_tilt: MoveStatus = MoveStatus.UNKNOWN
    zoom: MoveStatus = MoveStatus.UNKNOWN
    error: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """A position that the camera remembers."""

    token: str
    name: str = ""
    position: PtzVector | None = None
    """None when the camera doesn't tell."""
