"""What a camera tells of itself, whatever its protocol calls it."""

from dataclasses import dataclass
from enum import StrEnum


class DeviceEventKind(StrEnum):
    """What an event is about; a closed set."""

    MOTION = "motion"
    DARK = "dark"
    BRIGHT = "bright"
    BLURRED = "blurred"
    SCENE = "scene"
    """The picture shows another scene: the camera was turned or covered."""
    DIGITAL_INPUT = "digital-input"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """A state of the camera, from now on."""

    kind: DeviceEventKind
    on: bool
    name: str = ""
    """Which of several: the rule that saw motion, the token of an input or of a relay."""
