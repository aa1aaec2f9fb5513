"""Settings, options and movements of the picture in XML (`tt:ImagingSettings20`, `tt:ImagingOptions20`, Imaging §5)."""

from typing import Final

from gateway.domain.imaging import (
    AbsoluteFocus,
    ContinuousFocus,
    Exposure,
    ExposureOptions,
    Focus,
    FocusMoveOptions,
    FocusOptions,
    ImagingOptions,
    ImagingSettings,
    ModeLevel,
    ModeLevelOptions,
    RelativeFocus,
    WhiteBalance,
    WhiteBalanceOptions,
)
from gateway.domain.ranges import Range
from gateway.protocols.soap.answers import Element, text
from gateway_onvif.values import element, limits, number, optional, texts

_EXPOSURE: Final = {
    "min_exposure_time": "MinExposureTime",
    "max_exposure_time": "MaxExposureTime",
    "min_gain": "MinGain",
    "max_gain": "MaxGain",
    "min_iris": "MinIris",
    "max_iris": "MaxIris",
    "exposure_time": "ExposureTime",
    "gain": "Gain",
    "iris": "Iris",
}
"""Fields and elements, in the order of the schema."""
_FOCUS: Final = {"default_speed": "DefaultSpeed", "near_limit": "NearLimit", "far_limit": "FarLimit"}


def read_settings(node: Element | None) -> ImagingSettings:
    """Return the settings in an ImagingSettings."""
    if node is None:
        return ImagingSettings()
    return ImagingSettings(
        backlight_compensation=_mode_level(node.find("{*}BacklightCompensation")),
        brightness=number(node, "{*}Brightness"),
        color_saturation=number(node, "{*}ColorSaturation"),
        contrast=number(node, "{*}Contrast"),
        exposure=_exposure(node.find("{*}Exposure")),
        focus=_focus(node.find("{*}Focus")),
        ir_cut_filter=text(node, "{*}IrCutFilter") or None,
        sharpness=number(node, "{*}Sharpness"),
        wide_dynamic_range=_mode_level(node.find("{*}WideDynamicRange")),
        white_balance=_white_balance(node.find("{*}WhiteBalance")),
    )


def _exposure(node: Element | None) -> Exposure | None:
    if node is None:
        return None
    return Exposure(text(node, "{*}Mode"), text(node, "{*}Priority") or None, **_numbers(node, _EXPOSURE))


def _focus(node: Element | None) -> Focus | None:
    return None if node is None else Focus(text(node, "{*}AutoFocusMode"), **_numbers(node, _FOCUS))


def _white_balance(node: Element | None) -> WhiteBalance | None:
    if node is None:
        return None
    return WhiteBalance(text(node, "{*}Mode"), number(node, "{*}CrGain"), number(node, "{*}CbGain"))


def _numbers(node: Element, names: dict[str, str]) -> dict[str, float | None]:
    return {field: number(node, f"{{*}}{name}") for field, name in names.items()}


def _mode_level(node: Element | None) -> ModeLevel | None:
    return None if node is None else ModeLevel(text(node, "{*}Mode"), number(node, "{*}Level"))


def write_settings(settings: ImagingSettings) -> tuple[str, ...]:
    """Return the elements of an ImagingSettings with what is not None."""
    return (
        _mode_level_written("BacklightCompensation", settings.backlight_compensation),
        optional("tt:Brightness", settings.brightness),
        optional("tt:ColorSaturation", settings.color_saturation),
        optional("tt:Contrast", settings.contrast),
        _exposure_written(settings.exposure),
        _focus_written(settings.focus),
        optional("tt:IrCutFilter", settings.ir_cut_filter),
        optional("tt:Sharpness", settings.sharpness),
        _mode_level_written("WideDynamicRange", settings.wide_dynamic_range),
        _white_balance_written(settings.white_balance),
    )


def _exposure_written(exposure: Exposure | None) -> str:
    if exposure is None:
        return ""
    values = (optional(f"tt:{name}", getattr(exposure, field)) for field, name in _EXPOSURE.items())
    priority = optional("tt:Priority", exposure.priority)
    return element("tt:Exposure", element("tt:Mode", value=exposure.mode), priority, *values)


def _focus_written(focus: Focus | None) -> str:
    if focus is None:
        return ""
    values = (optional(f"tt:{name}", getattr(focus, field)) for field, name in _FOCUS.items())
    return element("tt:Focus", element("tt:AutoFocusMode", value=focus.mode), *values)


def _white_balance_written(white: WhiteBalance | None) -> str:
    if white is None:
        return ""
    gains = (optional("tt:CrGain", white.cr_gain), optional("tt:CbGain", white.cb_gain))
    return element("tt:WhiteBalance", element("tt:Mode", value=white.mode), *gains)


def _mode_level_written(name: str, found: ModeLevel | None) -> str:
    if found is None:
        return ""
    return element(f"tt:{name}", element("tt:Mode", value=found.mode), optional("tt:Level", found.level))


def write_move(move: AbsoluteFocus | RelativeFocus | ContinuousFocus) -> str:
    """Return what a Focus element holds."""
    if isinstance(move, ContinuousFocus):
        return element("tt:Continuous", element("tt:Speed", value=move.speed))
    speed = optional("tt:Speed", move.speed)
    if isinstance(move, AbsoluteFocus):
        return element("tt:Absolute", element("tt:Position", value=move.position), speed)
    return element("tt:Relative", element("tt:Distance", value=move.distance), speed)


def read_options(node: Element | None) -> ImagingOptions:
    """Return the ranges in an ImagingOptions."""
    if node is None:
        return ImagingOptions()
    return ImagingOptions(
        backlight_compensation=_mode_level_options(node.find("{*}BacklightCompensation")),
        brightness=limits(node, "{*}Brightness"),
        color_saturation=limits(node, "{*}ColorSaturation"),
        contrast=limits(node, "{*}Contrast"),
        exposure=_exposure_options(node.find("{*}Exposure")),
        focus=_focus_options(node.find("{*}Focus")),
        ir_cut_filter=texts(node, "{*}IrCutFilterModes"),
        sharpness=limits(node, "{*}Sharpness"),
        wide_dynamic_range=_mode_level_options(node.find("{*}WideDynamicRange")),
        white_balance=_white_balance_options(node.find("{*}WhiteBalance")),
    )


def _exposure_options(node: Element | None) -> ExposureOptions | None:
    if node is None:
        return None
    return ExposureOptions(texts(node, "{*}Mode"), texts(node, "{*}Priority"), **_ranges(node, _EXPOSURE))


def _focus_options(node: Element | None) -> FocusOptions | None:
    return None if node is None else FocusOptions(texts(node, "{*}AutoFocusModes"), **_ranges(node, _FOCUS))


def _white_balance_options(node: Element | None) -> WhiteBalanceOptions | None:
    if node is None:
        return None
    return WhiteBalanceOptions(texts(node, "{*}Mode"), limits(node, "{*}YrGain"), limits(node, "{*}YbGain"))


def _ranges(node: Element, names: dict[str, str]) -> dict[str, Range | None]:
    return {field: limits(node, f"{{*}}{name}") for field, name in names.items()}


def _mode_level_options(node: Element | None) -> ModeLevelOptions | None:
    return None if node is None else ModeLevelOptions(texts(node, "{*}Mode"), limits(node, "{*}Level"))


def read_moves(node: Element | None) -> FocusMoveOptions:
    """Return the ranges in a MoveOptions."""
    if node is None:
        return FocusMoveOptions()
    return FocusMoveOptions(
        limits(node, "{*}Absolute/{*}Position"),
        limits(node, "{*}Absolute/{*}Speed"),
        limits(node, "{*}Relative/{*}Distance"),
        limits(node, "{*}Relative/{*}Speed"),
        limits(node, "{*}Continuous/{*}Speed"),
    )
