"""Heads as the plain values of ONVIF's types: nodes, configurations, vectors, status and presets (PTZ Service §5)."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta

from gateway.domain.ptz import PanTilt, Preset, PtzStatus, PtzVector, Space, Spaces, Zoom
from gateway.domain.ranges import Range
from gateway.onvif.media_model import MediaModel, PtzConfiguration
from gateway.onvif.media_schema import Plain, entity, span_of

TIMEOUT = Range(1.0, 180.0)
"""Seconds that a continuous movement may take."""
_SPACES = {
    "absolute_pan_tilt": "AbsolutePanTiltPositionSpace",
    "absolute_zoom": "AbsoluteZoomPositionSpace",
    "relative_pan_tilt": "RelativePanTiltTranslationSpace",
    "relative_zoom": "RelativeZoomTranslationSpace",
    "continuous_pan_tilt": "ContinuousPanTiltVelocitySpace",
    "continuous_zoom": "ContinuousZoomVelocitySpace",
    "pan_tilt_speed": "PanTiltSpeedSpace",
    "zoom_speed": "ZoomSpeedSpace",
}
DEFAULTS = {
    "absolute_pan_tilt": "DefaultAbsolutePantTiltPositionSpace",
    "absolute_zoom": "DefaultAbsoluteZoomPositionSpace",
    "relative_pan_tilt": "DefaultRelativePanTiltTranslationSpace",
    "relative_zoom": "DefaultRelativeZoomTranslationSpace",
    "continuous_pan_tilt": "DefaultContinuousPanTiltVelocitySpace",
    "continuous_zoom": "DefaultContinuousZoomVelocitySpace",
}
"""Elements of a configuration by field of `Spaces`; the first is misspelt in the schema itself."""


def node(configuration: PtzConfiguration) -> Plain:
    """Return a `tt:PTZNode`."""
    known = configuration.node
    return {
        "token": configuration.node_token,
        "FixedHomePosition": known.fixed_home,
        "GeoMove": False,
        "Name": known.name or "head",
        "SupportedPTZSpaces": spaces(known.spaces),
        "MaximumNumberOfPresets": known.max_presets,
        "HomeSupported": known.home,
        "AuxiliaryCommands": list(known.auxiliary_commands),
    }


def spaces(known: Spaces) -> Plain:
    """Return `tt:PTZSpaces`."""
    return {
        _SPACES[field.name]: [_space(each) for each in found]
        for field in fields(Spaces)
        if (found := getattr(known, field.name))
    }


def configuration(configuration: PtzConfiguration, model: MediaModel) -> Plain:
    """Return a `tt:PTZConfiguration`."""
    known = configuration.node.spaces
    value: Plain = {**entity(configuration, model), "NodeToken": configuration.node_token}
    value |= {element: found[0].uri for name, element in DEFAULTS.items() if (found := getattr(known, name))}
    if (speed := default_speed(configuration)) is not None:
        value["DefaultPTZSpeed"] = vector(speed)
    value["DefaultPTZTimeout"] = timedelta(seconds=configuration.settings.ptz_timeout)
    if known.absolute_pan_tilt:
        value["PanTiltLimits"] = {"Range": _space(known.absolute_pan_tilt[0])}
    if known.absolute_zoom:
        value["ZoomLimits"] = {"Range": _space(known.absolute_zoom[0])}
    return value


def options(configuration: PtzConfiguration) -> Plain:
    """Return `tt:PTZConfigurationOptions`."""
    low, high = (timedelta(seconds=limit) for limit in (TIMEOUT.minimum, TIMEOUT.maximum))
    return {"Spaces": spaces(configuration.node.spaces), "PTZTimeout": {"Min": low, "Max": high}}


def default_speed(configuration: PtzConfiguration) -> PtzVector | None:
    """Return the speed of a movement that names none: as written, else the fastest."""
    known, written = configuration.node.spaces, configuration.settings.ptz_speed
    turn, lens = (found[0] if found else None for found in (known.pan_tilt_speed, known.zoom_speed))
    if turn is None and lens is None:
        return None
    pan, tilt, zoom = written or (turn.x.maximum if turn else 0.0,) * 2 + (lens.x.maximum if lens else 0.0,)
    return PtzVector(
        None if turn is None else PanTilt(pan, tilt, turn.uri), None if lens is None else Zoom(zoom, lens.uri)
    )


def vector(known: PtzVector) -> Plain:
    """Return a `tt:PTZVector` or `tt:PTZSpeed`."""
    value: Plain = {}
    if known.pan_tilt is not None:
        turn = known.pan_tilt
        value["PanTilt"] = {"x": turn.x, "y": turn.y, **_named(turn.space)}
    if known.zoom is not None:
        value["Zoom"] = {"x": known.zoom.x, **_named(known.zoom.space)}
    return value


def read_vector(plain: Plain | None) -> PtzVector | None:
    """Return a `tt:PTZVector` or `tt:PTZSpeed` of a request; None for none."""
    if plain is None:
        return None
    turn, lens = plain.get("PanTilt"), plain.get("Zoom")
    return PtzVector(
        turn and PanTilt(turn["x"], turn["y"], turn.get("space", "")), lens and Zoom(lens["x"], lens.get("space", ""))
    )


def status(known: PtzStatus, now: datetime) -> Plain:
    """Return a `tt:PTZStatus`."""
    value: Plain = {
        "MoveStatus": {"PanTilt": str(known.pan_tilt), "Zoom": str(known.zoom)},
        "UtcTime": now,
    }
    if position := vector(known.position):
        value["Position"] = position
    if known.error:
        value["Error"] = known.error
    return value


def presets(known: Sequence[Preset]) -> list[Plain]:
    """Return `tt:PTZPreset`s."""
    return [
        {
            "token": preset.token,
            "Name": preset.name or preset.token,
            **({} if preset.position is None else {"PTZPosition": vector(preset.position)}),
        }
        for preset in known
    ]


def _space(space: Space) -> Plain:
    ranges = {"XRange": span_of(space.x)} | ({} if space.y is None else {"YRange": span_of(space.y)})
    return {"URI": space.uri, **ranges}


def _named(space: str) -> Plain:
    return {"space": space} if space else {}
