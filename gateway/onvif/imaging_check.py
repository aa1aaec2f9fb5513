"""Pictures' settings and movements of the focus, compared with what the camera has (Imaging Service §5.2)."""

from dataclasses import fields
from typing import Any

from gateway.domain.imaging import (
    AbsoluteFocus,
    ContinuousFocus,
    FocusMoveOptions,
    ImagingOptions,
    ImagingSettings,
    RelativeFocus,
)
from gateway.domain.ranges import Range
from gateway.onvif.faults import Sender, SoapFault
from gateway.onvif.imaging_schema import camel

_LISTS = {"mode": "modes", "priority": "priorities"}
"""Fields of options that list what a field of settings may hold."""


def check_settings(wanted: ImagingSettings, options: ImagingOptions) -> None:
    """Refuse what the camera does not have, and values out of its ranges. Raises SoapFault SettingsInvalid."""
    _check(wanted, options, "")


def check_move(move: AbsoluteFocus | RelativeFocus | ContinuousFocus | None, options: FocusMoveOptions) -> None:
    """Refuse a movement that the lens can't make. Raises SoapFault SettingsInvalid."""
    if isinstance(move, AbsoluteFocus):
        limits = (("Position", move.position, options.absolute_position), ("Speed", move.speed, options.absolute_speed))
    elif isinstance(move, RelativeFocus):
        limits = (("Distance", move.distance, options.relative_distance), ("Speed", move.speed, options.relative_speed))
    elif isinstance(move, ContinuousFocus):
        limits = (("Speed", move.speed, options.continuous_speed), ("Speed", None, None))
    else:
        raise _invalid("a movement of the focus must be Absolute, Relative or Continuous")
    if limits[0][2] is None:
        raise _invalid(f"the focus can't be moved by {type(move).__name__.removesuffix('Focus')}")
    for name, value, limit in limits:
        if value is not None and limit is not None:
            _compare(name, value, limit)


def _check(wanted: Any, options: Any, path: str) -> None:  # noqa: ANN401 - any settings with their options
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if value is None:
            continue
        name = path + camel(field.name)
        option = getattr(options, _LISTS.get(field.name, field.name))
        if not option:
            raise _invalid(f"the camera has no {name}")
        if isinstance(value, str | float | int):
            _compare(name, value, option)
        else:
            _check(value, option, f"{name} ")


def _compare(name: str, value: float | str, option: Range | tuple[str, ...]) -> None:
    if value in option:
        return
    if isinstance(option, Range):
        raise _invalid(f"{name} {value:g} is not from {option.minimum:g} to {option.maximum:g}")
    raise _invalid(f"{name} {value!r} is not one of {', '.join(option)}")


def _invalid(message: str) -> SoapFault:
    return SoapFault(Sender, "InvalidArgVal", "SettingsInvalid", message)
