"""What a client may write of a configuration: pure comparison of the wanted with the true.

The gateway doesn't transcode, so what the camera decides can only be written as it is. Rates and GOP lengths are
measured and wobble between a client's read and its write, so those are compared with a tolerance; a bit rate
and a quality are always adapted (Media2 §5.4.2 "shall adapt an out of range BitrateLimit").
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from gateway.onvif import media_faults as faults
from gateway.onvif.media_model import (
    NO_GROUP,
    AudioEncoder,
    AudioSourceConfiguration,
    Configuration,
    VideoEncoder,
    VideoSourceConfiguration,
)
from gateway.services.profiles import ConfigurationSettings, MulticastGroup

TOLERANCE = 0.2
"""How far a measured value may be from what a client read earlier."""

_MAX_PORT, _MAX_TTL = 65534, 255
_MAX_SESSION_TIMEOUT = 3600.0

Plain = dict[str, Any]
_Check = tuple[str, Any, Any]
"""What it is called, what the client wants (None: nothing), what is true."""


def check_video_source(current: VideoSourceConfiguration, wanted: Plain) -> None:
    """Refuse another source, bounds or rotation than the picture's. Raises SoapFault."""
    bounds, source = wanted.get("Bounds", {}), current.source
    checks: list[_Check] = [
        ("SourceToken", wanted.get("SourceToken"), source.token),
        ("Bounds x", bounds.get("x"), 0),
        ("Bounds y", bounds.get("y"), 0),
        ("Bounds width", bounds.get("width"), source.width),
        ("Bounds height", bounds.get("height"), source.height),
        ("Rotate Mode", wanted.get("Extension", {}).get("Rotate", {}).get("Mode"), "OFF"),
    ]
    _refuse_differences(current.token, checks)


def check_media1_video_encoder(current: VideoEncoder, wanted: Plain) -> None:
    """Refuse a `tt:VideoEncoderConfiguration` that asks for another stream. Raises SoapFault."""
    codec = wanted.get(current.encoding, {})
    _check_video(current, wanted, codec.get("GovLength"), codec.get("H264Profile"))


def check_media2_video_encoder(current: VideoEncoder, wanted: Plain) -> None:
    """Refuse a `tt:VideoEncoder2Configuration` that asks for another stream. Raises SoapFault."""
    _check_video(current, wanted, wanted.get("GovLength"), wanted.get("Profile"))


def check_audio_source(current: AudioSourceConfiguration, wanted: Plain) -> None:
    """Refuse another audio source. Raises SoapFault."""
    _refuse_differences(current.token, [("SourceToken", wanted.get("SourceToken"), current.source.token)])


def check_audio_encoder(current: AudioEncoder, encoding: str, wanted: Plain) -> None:
    """Refuse another encoding, as the service calls it, bit rate or sample rate. Raises SoapFault."""
    checks: list[_Check] = [
        ("Encoding", str(wanted.get("Encoding", encoding)).lower(), encoding.lower()),
        ("Bitrate", wanted.get("Bitrate"), current.kilobits),
        ("SampleRate", wanted.get("SampleRate"), current.kilohertz),
    ]
    _refuse_differences(current.token, checks)


def written(current: Configuration, wanted: Plain) -> ConfigurationSettings:
    """Return the settings after a client's write: name, multicast group and session time-out. Raises SoapFault."""
    settings = current.settings
    if (name := wanted.get("Name")) is not None and name != current.name:
        settings = replace(settings, name=name)
    group = getattr(current, "multicast", None)
    if group is not None and "Multicast" in wanted:
        settings = replace(settings, multicast=_written_group(current.token, group, settings, wanted["Multicast"]))
    timeout = wanted.get("SessionTimeout")
    if isinstance(timeout, timedelta):
        seconds = timeout.total_seconds()
        if not 0 < seconds <= _MAX_SESSION_TIMEOUT:
            raise faults.config_modify(
                f"SessionTimeout of {seconds:g} s of configuration {current.token!r} is not within 1 s to 1 h"
            )
        settings = replace(settings, session_timeout=seconds)
    return settings


def told(before: object, after: object, *, given: bool = False) -> str:
    """Return what differs between two dataclasses of a kind, as `quality 50 -> 80, gop_length 20 -> 40`.

    With `given`, None in the second stands for what stays.
    """
    changed = [
        f"{field.name} {_text(old)} -> {_text(new)}"
        for field in fields(after)  # type: ignore[arg-type]  # dataclasses both
        if (new := getattr(after, field.name)) != (old := getattr(before, field.name)) and not (given and new is None)
    ]
    return ", ".join(changed) or "no change"


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_video(current: VideoEncoder, wanted: Plain, gov_length: int | None, codec_profile: str | None) -> None:
    size, rate = wanted.get("Resolution", {}), wanted.get("RateControl", {})
    exact: list[_Check] = [
        ("Encoding", wanted.get("Encoding"), current.encoding),
        ("Width", size.get("Width"), current.width),
        ("Height", size.get("Height"), current.height),
    ]
    if current.codec_profile:
        exact.append(("Profile", codec_profile, current.codec_profile))
    _refuse_differences(current.token, exact)
    measured: list[_Check] = [
        ("FrameRateLimit", rate.get("FrameRateLimit"), current.frame_rate),
        ("GovLength", gov_length, current.gov_length),
    ]
    _refuse_differences(
        current.token,
        [(label, value, true) for label, value, true in measured if value is not None and not near(value, true)],
    )


def near(value: float, true: float) -> bool:
    """Tell whether a client may mean a measured value that wobbles."""
    return abs(value - true) <= max(1.0, true * TOLERANCE)


def _refuse_differences(token: str, checks: Iterable[_Check]) -> None:
    for label, wanted, true in checks:
        if wanted is not None and wanted != true:
            raise faults.config_modify(
                f"{label} {wanted!r} of configuration {token!r} can't be set: it is {true!r}, as the camera sends it"
            )


def _written_group(
    token: str, current: MulticastGroup, settings: ConfigurationSettings, wanted: Plain
) -> MulticastGroup | None:
    address = wanted.get("Address", {})
    group = MulticastGroup(
        address.get("IPv4Address") or address.get("IPv6Address") or NO_GROUP.address,
        wanted.get("Port", current.port),
        wanted.get("TTL", current.ttl),
        wanted.get("AutoStart", False),
    )
    if group == current:
        return settings.multicast
    if group.address == NO_GROUP.address:
        return None
    if not _is_multicast(group.address):
        raise faults.config_modify(f"multicast address {group.address!r} of configuration {token!r} is not multicast")
    if not 1 <= group.port <= _MAX_PORT or not 0 <= group.ttl <= _MAX_TTL:
        raise faults.config_modify(
            f"multicast port {group.port} with TTL {group.ttl} of configuration {token!r} is out of range"
        )
    if group.auto_start:
        raise faults.config_modify(f"AutoStart of configuration {token!r} can't be set: multicast starts on request")
    return group


def _is_multicast(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_multicast
    except ValueError:
        return False
