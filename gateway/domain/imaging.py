"""The picture's settings and the lens, in the words of the ONVIF Imaging Service Specification.

Levels and gains are in the camera's own units, times in microseconds (`tt:ImagingSettings20`).
"""

from dataclasses import dataclass

from gateway.domain.ptz import MoveStatus
from gateway.domain.ranges import Range


@dataclass(frozen=True, slots=True)
class ModeLevel:
    """Something that is `ON` or `OFF`, perhaps with a level."""

    mode: str
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """Exposure; None where the camera has no such value, or where it is to stay."""

    mode: str
    """`AUTO` or `MANUAL`."""
    priority: str | None = None
    """`LowNoise` or `FrameRate`."""
    min_exposure_time: float | None = None
    max_exposure_time: float | None = None
    min_gain: float | None = None
    max_gain: float | None = None
    min_iris: float | None = None
    max_iris: float | None = None
    exposure_time: float | None = None
    gain: float | None = None
    iris: float | None = None


@dataclass(frozen=True, slots=True)
class Focus:
    """How the lens is focused."""

    mode: str
    """`AUTO` or `MANUAL`."""
    default_speed: float | None = None
    near_limit: float | None = None
    far_limit: float | None = None


@dataclass(frozen=True, slots=True)
class WhiteBalance:
    """White balance."""

    mode: str
    """`AUTO` or `MANUAL`."""
    cr_gain: float | None = None
    cb_gain: float | None = None


@dataclass(frozen=True, slots=True)
class ImagingSettings:
    """The settings of a video source; None where the camera has no such setting, or where it is to stay."""

    backlight_compensation: ModeLevel | None = None
    brightness: float | None = None
    color_saturation: float | None = None
    contrast: float | None = None
    exposure: Exposure | None = None
    focus: Focus | None = None
    ir_cut_filter: str | None = None
    """`ON`, `OFF` or `AUTO`."""
    sharpness: float | None = None
    wide_dynamic_range: ModeLevel | None = None
    white_balance: WhiteBalance | None = None


@dataclass(frozen=True, slots=True)
class ModeLevelOptions:
    """The modes and levels of a `ModeLevel`."""

    modes: tuple[str, ...]
    level: Range | None = None


@dataclass(frozen=True, slots=True)
class ExposureOptions:
    """What `Exposure` may hold; None for what it must leave out."""

    modes: tuple[str, ...]
    priorities: tuple[str, ...] = ()
    min_exposure_time: Range | None = None
    max_exposure_time: Range | None = None
    min_gain: Range | None = None
    max_gain: Range | None = None
    min_iris: Range | None = None
    max_iris: Range | None = None
    exposure_time: Range | None = None
    gain: Range | None = None
    iris: Range | None = None


@dataclass(frozen=True, slots=True)
class FocusOptions:
    """What `Focus` may hold."""

    modes: tuple[str, ...]
    default_speed: Range | None = None
    near_limit: Range | None = None
    far_limit: Range | None = None


@dataclass(frozen=True, slots=True)
class WhiteBalanceOptions:
    """What `WhiteBalance` may hold."""

    modes: tuple[str, ...]
    cr_gain: Range | None = None
    cb_gain: Range | None = None


@dataclass(frozen=True, slots=True)
class ImagingOptions:
    """What `ImagingSettings` may hold; None or empty for what the camera doesn't have."""

    backlight_compensation: ModeLevelOptions | None = None
    brightness: Range | None = None
    color_saturation: Range | None = None
    contrast: Range | None = None
    exposure: ExposureOptions | None = None
    focus: FocusOptions | None = None
    ir_cut_filter: tuple[str, ...] = ()
    sharpness: Range | None = None
    wide_dynamic_range: ModeLevelOptions | None = None
    white_balance: WhiteBalanceOptions | None = None


@dataclass(frozen=True, slots=True)
class AbsoluteFocus:
    """Focus at a position."""

    position: float
    speed: float | None = None


@dataclass(frozen=True, slots=True)
class RelativeFocus:
    """Focus farther by a distance, or nearer by a negative one."""

    distance: float
    speed: float | None = None


@dataclass(frozen=True, slots=True)
class ContinuousFocus:
    """Focus farther, or with a negative speed nearer, until stopped."""

    speed: float


@dataclass(frozen=True, slots=True)
class FocusMoveOptions:
    """Which movements of the focus there are, with their ranges; None for one that there is not."""

    absolute_position: Range | None = None
    absolute_speed: Range | None = None
    relative_distance: Range | None = None
    relative_speed: Range | None = None
    continuous_speed: Range | None = None


@dataclass(frozen=True, slots=True)
class FocusStatus:
    """Where the focus is and what it does."""

    position: float
    move: MoveStatus = MoveStatus.UNKNOWN
    error: str = ""
