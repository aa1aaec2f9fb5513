"""The motion engine: tells from a camera's pictures where something moves."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from gateway.domain.motion import MotionResult, MotionSettings, Tampering


@dataclass(frozen=True, slots=True)
class GrayPicture:
    """One decoded picture's luma, full range."""

    width: int
    height: int
    pixels: memoryview
    """`width * height` bytes, row by row from the top, without padding."""
    utc_ns: int
    """Capture time in nanoseconds since the Unix epoch, UTC."""


class MotionEngine(ABC):
    """Looks at one camera's pictures. Pure: no I/O, no clock but the pictures' own times, one thread at a time.

    The gateway makes one per camera, and a new one when the settings or the pictures' size change.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass of the engine's own keys in `[motion.settings]`; types are checked from its hints."""
    tampering: ClassVar[frozenset[Tampering]] = frozenset()
    """What it recognises besides motion; only that is announced to clients."""

    def __init__(self, motion: MotionSettings, settings: Any) -> None:  # noqa: ANN401 - each engine has its own
        self.motion = motion
        self.settings = settings

    @abstractmethod
    def analyse(self, picture: GrayPicture) -> MotionResult:
        """Take the next picture and tell what moves in it. Pictures come in order, at any rate, with gaps."""
