"""Motion in values: where it is looked for, and what was seen. Positions are shares of the picture, 0 to 1."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
"""x from the left and y from the top, each 0 to 1."""

Polygon: TypeAlias = tuple[Point, ...]
"""Three corners at least, in order; the last one joins the first."""

WHOLE_PICTURE: Polygon = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True, slots=True)
class MotionZone:
    """A part of the picture in which motion counts."""

    name: str
    polygon: Polygon = WHOLE_PICTURE
    sensitivity: int = 50
    """0 sees nothing but the strongest contrast, 100 the weakest."""
    min_size: float = 0.001
    """Share of the picture that something must cover to count."""
    min_duration: float = 0.0
    """Seconds that it must be seen before it counts."""


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """What an engine looks for in one camera's picture."""

    zones: tuple[MotionZone, ...] = (MotionZone("picture"),)
    masks: tuple[Polygon, ...] = ()
    """Parts that are never looked at, in any zone."""


@dataclass(frozen=True, slots=True)
class MotionRegion:
    """Something that moves: its bounding box, and the zones that it counts in."""

    left: float
    top: float
    right: float
    bottom: float
    zones: tuple[str, ...] = ()


class Tampering(StrEnum):
    """What makes a camera's picture useless."""

    DARK = "dark"
    BLURRED = "blurred"
    CHANGED = "changed"
    """It shows another scene: the camera was turned or covered."""


@dataclass(frozen=True, slots=True)
class MotionResult:
    """What one picture shows compared with those before it."""

    utc_ns: int
    zones: frozenset[str] = frozenset()
    """The zones in which there is motion that counts."""
    regions: tuple[MotionRegion, ...] = ()
    tampering: frozenset[Tampering] = field(default=frozenset())
