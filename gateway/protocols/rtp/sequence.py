"""What a sequence parameter set says of the video."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sequence:
    """Size in pixels after cropping, and what else is known."""

    width: int
    height: int
    frame_rate: float
    """0 when the parameter set does not tell."""
    profile: str
    """In ONVIF's words: Baseline, Main, High, Extended, Main10."""
