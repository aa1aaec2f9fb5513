"""What the control socket offers about cameras."""

from collections.abc import Callable
from typing import Any

from gateway.domain.camera import Channel, ChannelProfile
from gateway.domain.media import MediaKind
from gateway.servers.control import Command
from gateway.services.cameras import Cameras


def camera_commands(cameras: Cameras, restart: Callable[[], None]) -> dict[str, Command]:
    """Return the commands of a running gateway; `restart` has it start anew with the cameras that there are then."""

    async def listed(_: dict[str, Any]) -> list[dict[str, Any]]:
        return [_channel(channel) for channel in cameras.channels()]

    async def renew(_: dict[str, Any]) -> None:
        restart()

    return {"cameras": listed, "restart": renew}


def _channel(channel: Channel) -> dict[str, Any]:
    info = channel.info
    return {
        "id": channel.id,
        "name": channel.name,
        "state": channel.state.value,
        "manufacturer": info.manufacturer,
        "model": info.model,
        "firmware": info.firmware,
        "serial": info.serial,
        "profiles": [_profile(profile) for profile in channel.profiles],
    }


def _profile(profile: ChannelProfile) -> dict[str, Any]:
    video = profile.description.first(MediaKind.VIDEO)
    size = video.video if video is not None else None
    return {
        "name": profile.name,
        "path": profile.path,
        "state": profile.state.value,
        "video": "" if video is None else video.encoding,
        "width": 0 if size is None else size.width,
        "height": 0 if size is None else size.height,
        "frame_rate": 0.0 if size is None else size.frame_rate,
    }
