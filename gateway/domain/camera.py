"""Cameras and the channels a VMS sees of them."""

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import StreamDescription

PROFILE_NAMES = ("main", "sub")
"""Every channel shows the same two profiles, so that clients which slice lists per channel work."""

_ID = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def check_id(value: str, noun: str = "camera") -> str:
    """Return a valid id of something configured: it becomes a path, a token or a file name. Raises GatewayError."""
    if not _ID.fullmatch(value):
        raise GatewayError(
            ErrorKind.INVALID,
            f"{noun} id {value!r} must be 1 to 32 of a-z, 0-9, '-' and '_', beginning with a letter",
        )
    return value


class ConnectionState(StrEnum):
    """Where a camera or one of its streams stands."""

    CONNECTING = "connecting"
    ONLINE = "online"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """What a driver knows of the camera itself; empty where unknown."""

    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""
    hardware: str = ""


@dataclass(frozen=True, slots=True)
class ChannelProfile:
    """One profile of a channel: its RTSP path and its last known complete description."""

    name: str
    """`main` or `sub`."""
    path: str
    """RTSP path, `/live/CAMERA/PROFILE`."""
    description: StreamDescription
    state: ConnectionState


@dataclass(frozen=True, slots=True)
class Channel:
    """One camera as a VMS sees it. Order and ids never change while the camera is configured."""

    id: str
    name: str
    profiles: tuple[ChannelProfile, ...]
    state: ConnectionState
    info: CameraInfo = CameraInfo()
