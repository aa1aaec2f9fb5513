"""Builds the model of the media services from the channels, and from what VMSs changed."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway.domain.abilities import NO_ABILITIES, Abilities, EncoderAbility
from gateway.domain.camera import Channel, ChannelProfile
from gateway.domain.media import MediaKind, StreamDescription, TrackDescription
from gateway.domain.ptz import PtzNode
from gateway.onvif.media_figures import audio_names, codec_profile_of, complete, kilobits_of, name_of, rate_of, video_of
from gateway.onvif.media_model import (
    MEDIA1_ENCODINGS,
    NO_GROUP,
    Analytics,
    AudioDecoder,
    AudioEncoder,
    AudioOutputConfiguration,
    AudioSource,
    AudioSourceConfiguration,
    Configuration,
    MediaModel,
    Metadata,
    Profile,
    PtzConfiguration,
    VideoEncoder,
    VideoSource,
    VideoSourceConfiguration,
    profile_token,
    video_source_token,
)
from gateway.services.profiles import ConfigurationKind, ConfigurationSettings, MulticastGroup, Profiles

AnalyticsOf = Callable[[str], Mapping[str, Any] | None]
"""Modules and rules of a channel's video analytics, or None when motion is off."""

AbilitiesOf = Callable[[str], Abilities]
"""What can be controlled of a channel's camera."""

GroupOf = Callable[[str, MediaKind], MulticastGroup | None]
"""The default multicast group of an RTSP path's media, or None when multicast is off."""


def build(
    channels: Sequence[Channel],
    profiles: Profiles,
    group_of: GroupOf = lambda _path, _kind: None,
    analytics_of: AnalyticsOf = lambda _channel: None,
    abilities_of: AbilitiesOf = lambda _channel: NO_ABILITIES,
) -> MediaModel:
    """Return the model of the channels with what VMSs changed, in channel order, virtual profiles last."""
    builder = _Builder(profiles, group_of, analytics_of, abilities_of)
    for channel in channels:
        builder.add(channel)
    return builder.model()


class _Builder:
    def __init__(
        self, profiles: Profiles, group_of: GroupOf, analytics_of: AnalyticsOf, abilities_of: AbilitiesOf
    ) -> None:
        self._stored = profiles
        self._group_of = group_of
        self._analytics_of = analytics_of
        self._abilities_of = abilities_of
        self._profiles: dict[str, Profile] = {}
        self._video_sources: dict[str, VideoSource] = {}
        self._audio_sources: dict[str, AudioSource] = {}
        self._video_source_configurations: dict[str, VideoSourceConfiguration] = {}
        self._video_encoders: dict[str, VideoEncoder] = {}
        self._media1: dict[str, VideoEncoder] = {}
        self._audio_source_configurations: dict[str, AudioSourceConfiguration] = {}
        self._audio_encoders: dict[str, AudioEncoder] = {}
        self._audio_outputs: dict[str, AudioOutputConfiguration] = {}
        self._audio_decoders: dict[str, AudioDecoder] = {}
        self._metadata: dict[str, Metadata] = {}
        self._analytics: dict[str, Analytics] = {}
        self._ptz: dict[str, PtzConfiguration] = {}

    def add(self, channel: Channel) -> None:
        descriptions = [complete(profile) for profile in channel.profiles]
        sources = {ConfigurationKind.VIDEO_SOURCE: self._add_video_source(channel, descriptions[0])}
        self._add_metadata(channel)
        if (content := self._analytics_of(channel.id)) is not None:
            sources[ConfigurationKind.ANALYTICS] = self._add_analytics(channel, content)
        abilities = self._abilities_of(channel.id)
        if abilities.ptz is not None:
            sources[ConfigurationKind.PTZ] = self._add_ptz(channel, abilities.ptz)
        if abilities.loudspeaker:
            sources |= self._add_loudspeaker(channel, abilities.loudspeaker)
        audio = next(filter(None, (description.first(MediaKind.AUDIO) for description in descriptions)), None)
        if audio is not None:
            sources[ConfigurationKind.AUDIO_SOURCE] = self._add_audio_source(channel, audio)
        encoders = []
        for profile, description in zip(channel.profiles, descriptions, strict=True):
            encoder = self._add_video_encoder(channel, profile, description, abilities.encoders.get(profile.name))
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
            self._audio_outputs,
            self._audio_decoders,
            self._metadata,
            self._analytics,
            self._ptz,
            MappingProxyType(counts),
        )

    def _add_profile(
        self, channel: Channel, profile: ChannelProfile, configurations: dict[ConfigurationKind, str]
    ) -> None:
        token = profile_token(channel.id, profile.name)
        name = name_of(channel, profile.name)
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
            ConfigurationKind.AUDIO_OUTPUT: self._audio_outputs,
            ConfigurationKind.AUDIO_DECODER: self._audio_decoders,
            ConfigurationKind.METADATA: self._metadata,
            ConfigurationKind.ANALYTICS: self._analytics,
            ConfigurationKind.PTZ: self._ptz,
        }
        return {kind: token for kind, token in configurations.items() if token in tables[kind]}

    def _add_video_source(self, channel: Channel, description: StreamDescription) -> str:
        _, video = video_of(description)
        source = VideoSource(video_source_token(channel.id), video.width, video.height, rate_of(video.frame_rate))
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

    def _add_loudspeaker(self, channel: Channel, tracks: tuple[TrackDescription, ...]) -> dict[ConfigurationKind, str]:
        token, name, settings = self._head("AudioOutputConfiguration", channel, "loudspeaker")
        output = AudioOutputConfiguration(token, name, channel.id, settings, f"AudioOutput_{channel.id}")
        token, name, settings = self._head("AudioDecoder", channel, "speech")
        decoder = AudioDecoder(token, name, channel.id, settings, tracks)
        self._audio_outputs[output.token], self._audio_decoders[decoder.token] = output, decoder
        return {ConfigurationKind.AUDIO_OUTPUT: output.token, ConfigurationKind.AUDIO_DECODER: decoder.token}

    def _add_metadata(self, channel: Channel) -> None:
        token, name, settings = self._head("Metadata", channel, "metadata")
        path = channel.profiles[0].path
        group = self._group(settings, path, MediaKind.APPLICATION)
        self._metadata[token] = Metadata(token, name, channel.id, settings, group)

    def _add_analytics(self, channel: Channel, content: Mapping[str, Any]) -> str:
        token, name, settings = self._head("VideoAnalytics", channel, "motion")
        self._analytics[token] = Analytics(token, name, channel.id, settings, content)
        return token

    def _add_ptz(self, channel: Channel, node: PtzNode) -> str:
        token, name, settings = self._head("PTZConfiguration", channel, "head")
        self._ptz[token] = PtzConfiguration(token, name, channel.id, settings, node)
        return token

    def _add_video_encoder(
        self,
        channel: Channel,
        profile: ChannelProfile,
        description: StreamDescription,
        ability: EncoderAbility | None,
    ) -> VideoEncoder:
        track, video = video_of(description)
        made = None if ability is None else ability.settings
        if made is None or (made.encoding, made.width, made.height) != (track.encoding, video.width, video.height):
            limits = rate_of(video.frame_rate), kilobits_of(video.bitrate), video.gop_length
        else:
            limits = made.frame_rate, made.bitrate // 1000, made.gop_length or video.gop_length
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
            frame_rate=limits[0],
            kilobits=limits[1],
            gov_length=max(1, limits[2]),
            codec_profile=codec_profile_of(track.encoding, video.codec_profile),
            multicast=self._group(settings, profile.path, MediaKind.VIDEO),
            profile=profile.name,
            ability=ability,
        )
        self._video_encoders[token] = encoder
        return encoder

    def _add_audio_encoder(self, channel: Channel, profile: ChannelProfile, track: TrackDescription) -> str:
        token, name, settings = self._head("AudioEncoder", channel, "audio", profile.name)
        encoding, media1_encoding = audio_names(track.encoding)
        bitrate, sample_rate = (track.audio.bitrate, track.audio.sample_rate) if track.audio else (0, 0)
        self._audio_encoders[token] = AudioEncoder(
            token=token,
            name=name,
            channel=channel.id,
            settings=settings,
            path=profile.path,
            encoding=encoding,
            media1_encoding=media1_encoding,
            kilobits=kilobits_of(bitrate or 64_000),
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
        return token, settings.name or name_of(channel, f"{profile} {what}".strip()), settings

    def _group(self, settings: ConfigurationSettings, path: str, kind: MediaKind) -> MulticastGroup:
        return settings.multicast or self._group_of(path, kind) or NO_GROUP


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
