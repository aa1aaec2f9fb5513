"""Pictures' settings as the plain values of ONVIF's types (`tt:ImagingSettings20`, `tt:ImagingOptions20` …)."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from gateway.domain.imaging import (
    AbsoluteFocus,
    ContinuousFocus,
    Exposure,
    Focus,
    FocusMoveOptions,
    FocusStatus,
    ImagingOptions,
    ImagingSettings,
    ModeLevel,
    RelativeFocus,
    WhiteBalance,
)
from gateway.domain.ranges import Range
from gateway.onvif.media_schema import Plain, span_of

_PARTS: dict[str, type[Any]] = {
    "backlight_compensation": ModeLevel,
    "exposure": Exposure,
    "focus": Focus,
    "wide_dynamic_range": ModeLevel,
    "white_balance": WhiteBalance,
}
_MODES = "mode"
_FOCUS = {"mode": "AutoFocusMode", "modes": "AutoFocusModes"}
_OPTIONS = {"modes": "Mode", "priorities": "Priority", "cr_gain": "YrGain", "cb_gain": "YbGain"}
"""Where ONVIF's names are not those of our fields."""


def settings(known: ImagingSettings) -> Plain:
    """Return `tt:ImagingSettings20`."""
    return {
        camel(name): _part(name, value) if name in _PARTS else value
        for name, value in _given(known)
        if value is not None
    }


def read_settings(plain: Plain) -> ImagingSettings:
    """Return what a request sets; None for what it leaves out."""
    found: dict[str, Any] = {}
    for field in fields(ImagingSettings):
        value = plain.get(camel(field.name))
        if value is not None and (kind := _PARTS.get(field.name)) is not None:
            names = {part.name: _name(field.name, part.name) for part in fields(kind)}
            value = kind(**{name: value[element] for name, element in names.items() if element in value})
        found[field.name] = value
    return ImagingSettings(**found)


def options(known: ImagingOptions) -> Plain:
    """Return `tt:ImagingOptions20`."""
    value: Plain = {}
    for name, option in _given(known):
        if name == "ir_cut_filter":
            value["IrCutFilterModes"] = list(option)
        elif isinstance(option, Range):
            value[camel(name)] = span_of(option)
        elif option is not None:
            value[camel(name)] = {
                (_FOCUS if name == "focus" else _OPTIONS).get(part, camel(part)): _option(limits)
                for part, limits in _given(option)
                if limits
            }
    return value


def move_options(known: FocusMoveOptions) -> Plain:
    """Return `tt:MoveOptions20`."""
    value: Plain = {}
    for kind, first in (("absolute", "position"), ("relative", "distance")):
        if (where := getattr(known, f"{kind}_{first}")) is not None:
            value[camel(kind)] = {camel(first): span_of(where)}
            if (speed := getattr(known, f"{kind}_speed")) is not None:
                value[camel(kind)]["Speed"] = span_of(speed)
    if known.continuous_speed is not None:
        value["Continuous"] = {"Speed": span_of(known.continuous_speed)}
    return value


def read_move(plain: Plain) -> AbsoluteFocus | RelativeFocus | ContinuousFocus | None:
    """Return a `tt:FocusMove`; None for an empty one."""
    if (move := plain.get("Absolute")) is not None:
        return AbsoluteFocus(move["Position"], move.get("Speed"))
    if (move := plain.get("Relative")) is not None:
        return RelativeFocus(move["Distance"], move.get("Speed"))
    if (move := plain.get("Continuous")) is not None:
        return ContinuousFocus(move["Speed"])
    return None


def status(known: FocusStatus) -> Plain:
    """Return `tt:ImagingStatus20`."""
    return {"FocusStatus20": {"Position": known.position, "MoveStatus": str(known.move), "Error": known.error}}


def camel(name: str) -> str:
    """Return a field's name as ONVIF writes it: `cr_gain` becomes `CrGain`."""
    return "".join(word.capitalize() for word in name.split("_"))


def _part(setting: str, value: object) -> Plain:
    return {_name(setting, name): part for name, part in _given(value) if part is not None}


def _name(setting: str, part: str) -> str:
    return _FOCUS[part] if setting == "focus" and part == _MODES else camel(part)


def _option(option: Range | tuple[str, ...]) -> Plain | list[str]:
    return span_of(option) if isinstance(option, Range) else list(option)


def _given(value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any dataclass
    return ((field.name, getattr(value, field.name)) for field in fields(value))
