"""What a camera's video encoder is set to, and what it could be set to (`tt:VideoEncoder2Configuration`)."""

from dataclasses import dataclass

from gateway.domain.ranges import Range


@dataclass(frozen=True, slots=True)
class VideoEncoderSettings:
    """One stream's encoder as it is, or as it is to be."""

    encoding: str
    """H264, H265, JPEG …, as in `TrackDescription`."""
    width: int
    height: int
    frame_rate: float
    """Limit, in frames per second."""
    bitrate: int
    """Limit, in bits per second."""
    gop_length: int | None = None
    """Frames from one key frame to the next; None for JPEG, or where unknown."""
    quality: float | None = None
    """In the camera's own units, higher is better."""
    codec_profile: str = ""
    """Baseline, Main, High …; empty where unknown or to be left to the camera."""
    constant_bitrate: bool = False


@dataclass(frozen=True, slots=True)
class VideoEncoderOptions:
    """What one stream's encoder can be set to with one encoding."""

    encoding: str
    resolutions: tuple[tuple[int, int], ...]
    """Width and height, largest first."""
    frame_rates: tuple[float, ...]
    """Every rate that it supports, highest first; a range is given as the whole numbers in it."""
    bitrate: Range
    """Bits per second."""
    quality: Range
    gop_length: Range | None = None
    codec_profiles: tuple[str, ...] = ()
    constant_bitrate: bool = False
    """Whether a constant bit rate can be asked for."""
