"""What the control socket offers about cameras."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from gateway.domain.camera import Channel, ChannelProfile
from gateway.domain.media import MediaKind
from gateway.servers.control import Command
from gateway.services.camera_report import iso
from gateway.services.cameras import Cameras, camera_path
from gateway.services.recordings import Recordings


def camera_commands(
    cameras: Cameras,
    restart: Callable[[], None],
    write_history: Callable[[], Awaitable[None]],
    recordings: Callable[[], Recordings | None],
) -> dict[str, Command]:
    """Return the commands of a running gateway; `restart` has it start anew with the cameras that there are then."""

    async def listed(_: dict[str, Any]) -> list[dict[str, Any]]:
        return [_channel(channel) for channel in cameras.channels()]

    async def one(arguments: dict[str, Any]) -> dict[str, Any] | None:
        """Return one camera with its recordings, its history written to the database; None for an unknown one."""
        await write_history()
        for channel in cameras.channels():
            if channel.id == arguments["id"]:
                return _channel(channel) | {"recordings": list(_recorded(channel.id, recordings()))}
        return None

    async def renew(_: dict[str, Any]) -> None:
        restart()

    return {"cameras": listed, "camera": one, "restart": renew}


def _recorded(camera: str, recordings: Recordings | None) -> Iterator[dict[str, Any]]:
    """Yield what is recorded of a camera by the jobs that count."""
    for each in () if recordings is None else recordings.assignments():
        if recordings is not None and each.path.startswith(f"{camera_path(camera)}/"):
            extent = recordings.extent(each.recording)
            yield {
                "recording": each.recording,
                "state": recordings.status(each.job).state.value,
                "from": None if extent is None else iso(extent.span.start_ns),
                "until": None if extent is None else iso(extent.span.end_ns),
            }


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
