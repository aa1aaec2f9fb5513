"""Channels, stores and contexts that the media tests share."""

from collections.abc import Mapping
from typing import Any

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.camera import Channel, ChannelProfile, ConnectionState
from gateway.domain.media import AudioParameters, MediaKind, StreamDescription, TrackDescription, VideoParameters
from gateway.onvif.context import Context
from gateway.onvif.media_profiles import MediaProfiles, Streaming
from gateway.services.profiles import MulticastGroup, Profiles

AAC = TrackDescription(MediaKind.AUDIO, "MPEG4-GENERIC", 97, 16_000, 1, audio=AudioParameters(16_000, 1, 32_000))
PCMA = TrackDescription(MediaKind.AUDIO, "PCMA", 8, 8_000, 1, audio=AudioParameters(8_000, 1, 64_000))
OPUS = TrackDescription(MediaKind.AUDIO, "OPUS", 111, 48_000, 2, audio=AudioParameters(48_000, 2, 64_000))


def video(
    encoding: str = "H264",
    size: tuple[int, int] = (1920, 1080),
    rate: float = 25.0,
    bitrate: int = 4_000_000,
    gop: int = 50,
    codec_profile: str = "Main",
) -> TrackDescription:
    parameters = VideoParameters(*size, frame_rate=rate, bitrate=bitrate, gop_length=gop, codec_profile=codec_profile)
    return TrackDescription(MediaKind.VIDEO, encoding, 96, 90_000, video=parameters)


def main_and_sub(
    main: str = "H264",
    sub: str = "H264",
    audio: TrackDescription | None = None,
    sub_audio: TrackDescription | None = None,
) -> tuple[StreamDescription, StreamDescription]:
    first, second = video(main), video(sub, (640, 360), 12.5, 512_000, 25, "Baseline" if sub == "H264" else "")
    return (
        StreamDescription((first, audio) if audio else (first,)),
        StreamDescription((second, sub_audio) if sub_audio else (second,)),
    )


def channel(
    name: str,
    streams: tuple[StreamDescription, StreamDescription] | None = None,
    state: ConnectionState = ConnectionState.ONLINE,
) -> Channel:
    profiles = tuple(
        ChannelProfile(profile, f"/live/{name}/{profile}", description, state)
        for profile, description in zip(("main", "sub"), streams or main_and_sub(), strict=True)
    )
    return Channel(name, name.title(), profiles, state)


class MemoryStore:
    """A ProfileStore that lasts as long as the test."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}

    def load(self) -> list[dict[str, Any]]:
        return list(self.records.values())

    def save(self, token: str, record: dict[str, Any]) -> None:
        self.records[token] = record

    def delete(self, token: str) -> None:
        del self.records[token]


class FixedChannels:
    """Channels that a test sets."""

    def __init__(self, *channels: Channel) -> None:
        self.now = channels

    def channels(self) -> tuple[Channel, ...]:
        return self.now


class RecordingMulticast:
    """A Multicast that notes what it was asked for."""

    def __init__(self) -> None:
        self.sending: dict[str, Mapping[MediaKind, MulticastGroup]] = {}

    def group(self, path: str, kind: MediaKind) -> MulticastGroup | None:
        return MulticastGroup("239.1.2.3", 5000 + 2 * list(MediaKind).index(kind) + 10 * path.endswith("sub"), 4)

    async def start(self, path: str, groups: Mapping[MediaKind, MulticastGroup]) -> None:
        self.sending[path] = groups

    async def stop(self, path: str) -> None:
        self.sending.pop(path, None)


def media_profiles(
    *channels: Channel, store: MemoryStore | None = None, streaming: Streaming | None = None
) -> MediaProfiles:
    return MediaProfiles(FixedChannels(*channels), Profiles(store or MemoryStore()), streaming)


CONTEXT = Context(
    account=Account("admin", UserLevel.ADMINISTRATOR, Secret("secret")),
    base="http://nvr.example:8080",
    host="nvr.example",
    address="192.0.2.7",
    rtsp="rtsp://nvr.example:8554",
    local_address="192.0.2.1",
)
