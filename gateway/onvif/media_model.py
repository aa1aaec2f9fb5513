"""One model of profiles and configurations over the channels; Media1, Media2 and DeviceIO all read it.

Tokens are the same in every service and never change while a camera keeps its id. Lists are in channel order
with the same number of video encoders per channel, because clients slice them into equal blocks.

Media1 can't express H.265 (`tt:VideoEncoding`). There a configuration whose stream Media1 can't name shows
another stream of its channel, values and URI alike, so that every Media1 profile stays complete and true. A
channel without any stream that Media1 can name has its profiles in Media2 only.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from gateway.domain.camera import Channel, ChannelProfile
from gateway.domain.media import MediaKind, StreamDescription, TrackDescription, VideoParameters
from gateway.services.cameras import is_complete, unknown_description
from gateway.services.profiles import NAME_LIMIT, ConfigurationKind, ConfigurationSettings, MulticastGroup, Profiles

NO_GROUP = MulticastGroup("0.0.0.0", 0, 0)  # noqa: S104 - "no address", nothing is bound
MEDIA1_ENCODINGS = frozenset({"H264", "JPEG"})

_H264_PROFILES = frozenset({"Baseline", "Main", "Extended", "High"})
_MEDIA1_AUDIO = {"PCMU": "G711", "PCMA": "G711", "G726": "G726", "MPEG4-GENERIC": "AAC", "MP4A-LATM": "AAC"}
_MEDIA2_AUDIO = {"MPEG4-GENERIC": "mpeg4-generic"}
_NEARLY_WHOLE = 0.2

AnalyticsOf = Callable[[str], Mapping[str, Any] | None]
"""Modules and rules of a channel's video analytics, or None when motion is off."""

GroupOf = Callable[[str, MediaKind], MulticastGroup | None]
"""The default multicast group of an RTSP path's media, or None when multicast is off."""


@dataclass(frozen=True, slots=True)
class VideoSource:
    """A channel, as a physical input."""

    token: str
    width: int
    height: int
    frame_rate: float


@dataclass(frozen=True, slots=True)
class AudioSource:
    """The audio of a channel that has any."""

    token: str
    channels: int


@dataclass(frozen=True, slots=True)
class Configuration:
    """What all configurations share."""

    token: str
    name: str
    channel: str
    """Id of the channel: a profile holds configurations of one channel."""
    settings: ConfigurationSettings


@dataclass(frozen=True, slots=True)
class VideoSourceConfiguration(Configuration):
    """The whole picture of a channel."""

    source: VideoSource


@dataclass(frozen=True, slots=True)
class AudioSourceConfiguration(Configuration):
    """The audio of a channel."""

    source: AudioSource


@dataclass(frozen=True, slots=True)
class VideoEncoder(Configuration):
    """What one stream of a channel truly carries."""

    path: str
    """RTSP path."""
    encoding: str
    """In Media2's words: H264, H265, JPEG."""
    width: int
    height: int
    frame_rate: float
    kilobits: int
    gov_length: int
    codec_profile: str
    multicast: MulticastGroup


@dataclass(frozen=True, slots=True)
class AudioEncoder(Configuration):
    """The audio of one stream of a channel."""

    path: str
    encoding: str
    """In Media2's words: PCMU, PCMA, mpeg4-generic, OPUS."""
    media1_encoding: str
    """In Media1's words: G711, G726, AAC; empty when it has none."""
    kilobits: int
    kilohertz: int
    multicast: MulticastGroup


@dataclass(frozen=True, slots=True)
class Metadata(Configuration):
    """The metadata of a channel."""

    multicast: MulticastGroup


@dataclass(frozen=True, slots=True)
class Analytics(Configuration):
    """Looking for motion in the picture of a channel."""

    content: Mapping[str, Any]
    """Modules and rules, as plain values of `tt:VideoAnalyticsConfiguration`."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A media profile: which configurations it refers to."""

    token: str
    name: str
    fixed: bool
    configurations: Mapping[ConfigurationKind, str]


@dataclass(frozen=True, slots=True)
class MediaModel:
    """Everything the media services say, at one moment. Mappings are in channel order."""

    profiles: Mapping[str, Profile]
    video_sources: Mapping[str, VideoSource]
    audio_sources: Mapping[str, AudioSource]
    video_source_configurations: Mapping[str, VideoSourceConfiguration]
    video_encoders: Mapping[str, VideoEncoder]
    media1_video_encoders: Mapping[str, VideoEncoder]
    """By the same tokens, as Media1 can express them."""
    audio_source_configurations: Mapping[str, AudioSourceConfiguration]
    audio_encoders: Mapping[str, AudioEncoder]
    metadata: Mapping[str, Metadata]
    analytics: Mapping[str, Analytics]
    use_counts: Mapping[str, int]

    def configurations(self, kind: ConfigurationKind) -> Mapping[str, Configuration]:
        """Return the configurations of a kind by token."""
        tables: dict[ConfigurationKind, Mapping[str, Configuration]] = {
            ConfigurationKind.VIDEO_SOURCE: self.video_source_configurations,
            ConfigurationKind.VIDEO_ENCODER: self.video_encoders,
            ConfigurationKind.AUDIO_SOURCE: self.audio_source_configurations,
            ConfigurationKind.AUDIO_ENCODER: self.audio_encoders,
            ConfigurationKind.METADATA: self.metadata,
            ConfigurationKind.ANALYTICS: self.analytics,
        }
        return tables[kind]

    def audio_on(self, path: str) -> AudioEncoder | None:
        """Return the audio encoder of an RTSP path."""
        return next((encoder for encoder in self.audio_encoders.values() if encoder.path == path), None)


def build(
    channels: Sequence[Channel],
    profiles: Profiles,
    group_of: GroupOf = lambda _path, _kind: None,
    analytics_of: AnalyticsOf = lambda _channel: None,
) -> MediaModel:
    """Return the model of the channels with what VMSs changed, in channel order, virtual profiles last."""
    builder = _Builder(profiles, group_of, analytics_of)
    for channel in channels:
        builder.add(channel)
    return builder.model()


class _Builder:
    def __init__(self, profiles: Profiles, group_of: GroupOf, analytics_of: AnalyticsOf) -> None:
        self._stored = profiles
        self._group_of = group_of
        self._analytics_of = analytics_of
        self._profiles: dict[str, Profile] = {}
        self._video_sources: dict[str, VideoSource] = {}
        self._audio_sources: dict[str, AudioSource] = {}
        self._video_source_configurations: dict[str, VideoSourceConfiguration] = {}
        self._video_encoders: dict[str, VideoEncoder] = {}
        self._media1: dict[str, VideoEncoder] = {}
        self._audio_source_configurations: dict[str, AudioSourceConfiguration] = {}
        self._audio_encoders: dict[str, AudioEncoder] = {}
        self._metadata: dict[str, Metadata] = {}
        self._analytics: dict[str, Analytics] = {}

    def add(self, channel: Channel) -> None:
        descriptions = [_complete(profile) for profile in channel.profiles]
        sources = {ConfigurationKind.VIDEO_SOURCE: self._add_video_source(channel, descriptions[0])}
        self._add_metadata(channel)
        if (content := self._analytics_of(channel.id)) is not None:
            sources[ConfigurationKind.ANALYTICS] = self._add_analytics(channel, content)
        audio = next(filter(None, (description.first(MediaKind.AUDIO) for description in descriptions)), None)
        if audio is not None:
            sources[ConfigurationKind.AUDIO_SOURCE] = self._add_audio_source(channel, audio)
        encoders = []
        for profile, description in zip(channel.profiles, descriptions, strict=True):
            encoder = self._add_video_encoder(channel, profile, description)
            encoders.append(encoder)
            configurations = {**sources, ConfigurationKind.VIDEO_ENCODER: encoder.token}
            track = description.first(MediaKind.AUDIO)
            if track is None:
                configurations.pop(ConfigurationKind.AUDIO_SOURCE, None)
            else:
                configurations[ConfigurationKind.AUDIO_ENCODER] = self._add_audio_encoder(channel, profile, track)
            self._add_profile(channel, profile, configurations)
        self._media1.update(_media1(encoders))

    def model(self) -> MediaModel:
        for virtual in self._stored.virtual():
            if virtual.token not in self._profiles:
                configurations = self._existing(virtual.configurations)
                self._profiles[virtual.token] = Profile(virtual.token, virtual.name, False, configurations)  # noqa: FBT003
        counts = Counter(token for profile in self._profiles.values() for token in profile.configurations.values())
        return MediaModel(
            self._profiles,
            self._video_sources,
            self._audio_sources,
            self._video_source_configurations,
            self._video_encoders,
            self._media1,
            self._audio_source_configurations,
            self._audio_encoders,
            self._metadata,
            self._analytics,
            MappingProxyType(counts),
        )

    def _add_profile(
        self, channel: Channel, profile: ChannelProfile, configurations: dict[ConfigurationKind, str]
    ) -> None:
        token = profile_token(channel.id, profile.name)
        name = _name(channel, profile.name)
        if (edit := self._stored.edit(token)) is not None:
            name = edit.name or name
            configurations |= self._existing(edit.configurations)
        self._profiles[token] = Profile(token, name, True, configurations)  # noqa: FBT003

    def _existing(self, configurations: Mapping[ConfigurationKind, str]) -> dict[ConfigurationKind, str]:
        """Leave out what went away with its camera."""
        tables: dict[ConfigurationKind, Mapping[str, Configuration]] = {
            ConfigurationKind.VIDEO_SOURCE: self._video_source_configurations,
            ConfigurationKind.VIDEO_ENCODER: self._video_encoders,
            ConfigurationKind.AUDIO_SOURCE: self._audio_source_configurations,
            ConfigurationKind.AUDIO_ENCODER: self._audio_encoders,
            ConfigurationKind.METADATA: self._metadata,
            ConfigurationKind.ANALYTICS: self._analytics,
        }
        return {kind: token for kind, token in configurations.items() if token in tables[kind]}

    def _add_video_source(self, channel: Channel, description: StreamDescription) -> str:
        _, video = _video(description)
        source = VideoSource(video_source_token(channel.id), video.width, video.height, _rate(video.frame_rate))
        self._video_sources[source.token] = source
        token, name, settings = self._head("VideoSourceConfiguration", channel, "picture")
        self._video_source_configurations[token] = VideoSourceConfiguration(token, name, channel.id, settings, source)
        return token

    def _add_audio_source(self, channel: Channel, track: TrackDescription) -> str:
        source = AudioSource(f"AudioSource_{channel.id}", track.audio.channels if track.audio else track.channels)
        self._audio_sources[source.token] = source
        token, name, settings = self._head("AudioSourceConfiguration", channel, "sound")
        self._audio_source_configurations[token] = AudioSourceConfiguration(token, name, channel.id, settings, source)
        return token

    def _add_metadata(self, channel: Channel) -> None:
        token, name, settings = self._head("Metadata", channel, "metadata")
        path = channel.profiles[0].path
        group = self._group(settings, path, MediaKind.APPLICATION)
        self._metadata[token] = Metadata(token, name, channel.id, settings, group)

    def _add_analytics(self, channel: Channel, content: Mapping[str, Any]) -> str:
        token, name, settings = self._head("VideoAnalytics", channel, "motion")
        self._analytics[token] = Analytics(token, name, channel.id, settings, content)
        return token

    def _add_video_encoder(
        self, channel: Channel, profile: ChannelProfile, description: StreamDescription
    ) -> VideoEncoder:
        track, video = _video(description)
        token, name, settings = self._head("VideoEncoder", channel, "video", profile.name)
        encoder = VideoEncoder(
            token=token,
            name=name,
            channel=channel.id,
            settings=settings,
            path=profile.path,
            encoding=track.encoding,
            width=video.width,
            height=video.height,
            frame_rate=_rate(video.frame_rate),
            kilobits=_kilobits(video.bitrate),
            gov_length=max(1, video.gop_length),
            codec_profile=_codec_profile(track.encoding, video.codec_profile),
            multicast=self._group(settings, profile.path, MediaKind.VIDEO),
        )
        self._video_encoders[token] = encoder
        return encoder

    def _add_audio_encoder(self, channel: Channel, profile: ChannelProfile, track: TrackDescription) -> str:
        token, name, settings = self._head("AudioEncoder", channel, "audio", profile.name)
        encoding = "G726" if track.encoding.startswith("G726") else track.encoding
        bitrate, sample_rate = (track.audio.bitrate, track.audio.sample_rate) if track.audio else (0, 0)
        self._audio_encoders[token] = AudioEncoder(
            token=token,
            name=name,
            channel=channel.id,
            settings=settings,
            path=profile.path,
            encoding=_MEDIA2_AUDIO.get(encoding, encoding),
            media1_encoding=_MEDIA1_AUDIO.get(encoding, ""),
            kilobits=_kilobits(bitrate or 64_000),
            kilohertz=max(1, round((sample_rate or track.clock_rate) / 1000)),
            multicast=self._group(settings, profile.path, MediaKind.AUDIO),
        )
        return token

    def _head(
        self, prefix: str, channel: Channel, what: str, profile: str = ""
    ) -> tuple[str, str, ConfigurationSettings]:
        """Return token, name and written settings of a configuration."""
        token = f"{prefix}_{channel.id}_{profile}" if profile else f"{prefix}_{channel.id}"
        settings = self._stored.settings(token)
        return token, settings.name or _name(channel, f"{profile} {what}".strip()), settings

    def _group(self, settings: ConfigurationSettings, path: str, kind: MediaKind) -> MulticastGroup:
        return settings.multicast or self._group_of(path, kind) or NO_GROUP


def profile_token(channel: str, profile: str) -> str:
    """Return the token of a channel's fixed profile."""
    return f"{channel}_{profile}"


def metadata_token(channel: str) -> str:
    """Return the token of a channel's MetadataConfiguration."""
    return f"Metadata_{channel}"


def video_source_token(channel: str) -> str:
    """Return the token of a channel's VideoSource; never a camera id's own spelling, so never a profile's token."""
    return f"VideoSource_{channel}"


def video_source_configuration_token(channel: str) -> str:
    """Return the token of a channel's VideoSourceConfiguration."""
    return f"VideoSourceConfiguration_{channel}"


def analytics_token(channel: str) -> str:
    """Return the token of a channel's VideoAnalyticsConfiguration."""
    return f"VideoAnalytics_{channel}"


def _media1(encoders: Sequence[VideoEncoder]) -> dict[str, VideoEncoder]:
    """Return one channel's encoders as Media1 shows them: with a stream that it can express."""
    lender = next((encoder for encoder in encoders if encoder.encoding in MEDIA1_ENCODINGS), None)
    if lender is None:
        return {}
    return {
        encoder.token: encoder
        if encoder.encoding in MEDIA1_ENCODINGS
        else replace(
            lender,
            token=encoder.token,
            name=encoder.name,
            settings=encoder.settings,
            multicast=encoder.settings.multicast or lender.multicast,
        )
        for encoder in encoders
    }


def _complete(profile: ChannelProfile) -> StreamDescription:
    """Clients hang on a profile without an encoder, so what was never seen is shown with its placeholder."""
    return profile.description if is_complete(profile.description) else unknown_description(profile.name)


def _video(description: StreamDescription) -> tuple[TrackDescription, VideoParameters]:
    track = description.first(MediaKind.VIDEO)
    if track is None or track.video is None:
        raise AssertionError("only complete descriptions are modelled")
    return track, track.video


def _name(channel: Channel, suffix: str) -> str:
    """Return `CHANNEL SUFFIX` with the channel's name cut so that the whole fits a `tt:Name`."""
    return f"{channel.name[: NAME_LIMIT - 1 - len(suffix)]} {suffix}"


def _rate(frames: float) -> float:
    """Return a frame rate limit: measured rates wobble around the whole number that was meant."""
    whole = round(frames)
    return float(whole) if whole and abs(frames - whole) <= _NEARLY_WHOLE else max(0.1, round(frames, 1))


def _kilobits(bitrate: int) -> int:
    """Return a bit rate limit in kbit/s, rounded up to two digits: measured rates wobble, and limits are round."""
    kilobits = max(1, math.ceil(bitrate / 1000))
    step: int = 10 ** max(0, len(str(kilobits)) - 2)
    return -(-kilobits // step) * step


def _codec_profile(encoding: str, declared: str) -> str:
    if encoding == "H264":
        return declared if declared in _H264_PROFILES else "High"
    if encoding == "H265":
        return declared or "Main"
    return declared
