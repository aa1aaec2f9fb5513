"""Movements that a client asks for, checked against what the head can do (PTZ Service §5.3)."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.ptz import PanTilt, PtzVector, Space
from gateway.domain.ranges import Range
from gateway.onvif.faults import Sender, SoapFault


def checked(
    vector: PtzVector, turning: Sequence[Space], zooming: Sequence[Space], code: str, *, clamp: bool = False
) -> PtzVector:
    """Return a vector with every value in the range of its space; with `clamp` as near as can be.

    Raises SoapFault SpaceNotSupported, or `code` for a value out of range.
    """
    turn, lens = vector.pan_tilt, vector.zoom
    if turn is not None:
        space = _space(turn.space, turning, "pan and tilt")
        vertical = space.y or space.x
        turn = PanTilt(_value(turn.x, space.x, code, clamp), _value(turn.y, vertical, code, clamp), turn.space)
    if lens is not None:
        space = _space(lens.space, zooming, "zoom")
        lens = replace(lens, x=_value(lens.x, space.x, code, clamp))
    return PtzVector(turn, lens)


def speed(vector: PtzVector | None, turning: Sequence[Space], zooming: Sequence[Space]) -> PtzVector | None:
    """Return a speed as far as the head knows speeds. Raises SoapFault SpaceNotSupported."""
    if vector is None:
        return None
    known = PtzVector(vector.pan_tilt if turning else None, vector.zoom if zooming else None)
    fast = checked(known, turning, zooming, "InvalidSpeed", clamp=True)
    return None if fast == PtzVector() else fast


def with_default(given: PtzVector | None, default: PtzVector | None) -> PtzVector | None:
    """Return a speed with what a client left out from the configuration."""
    if given is None or default is None:
        return given or default
    return PtzVector(given.pan_tilt or default.pan_tilt, given.zoom or default.zoom)


def _space(uri: str, known: Sequence[Space], what: str) -> Space:
    found = next((space for space in known if uri in ("", space.uri)), None)
    if found is None:
        message = f"there is no space {uri!r} for {what}" if uri else f"this movement is not possible for {what}"
        raise SoapFault(Sender, "InvalidArgVal", "SpaceNotSupported", message)
    return found


def _value(value: float, limits: Range, code: str, clamp: bool) -> float:  # noqa: FBT001 - passed on
    if value in limits:
        return value
    if clamp:
        return limits.nearest(value)
    message = f"{value:g} is not from {limits.minimum:g} to {limits.maximum:g}"
    raise SoapFault(Sender, "InvalidArgVal", code, message)
