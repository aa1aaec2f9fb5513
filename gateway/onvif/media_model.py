"""One model of profiles and configurations over the channels; Media1, Media2 and DeviceIO all read it.

Tokens are the same in every service and never change while a camera keeps its id. Lists are in channel order
with the same number of video encoders per channel, because clients slice them into equal blocks.

Media1 can't express H.265 (`tt:VideoEncoding`). There a configuration whose stream Media1 can't name shows
another stream of its channel, values and URI alike, so that every Media1 profile stays complete and true. A
channel without any stream that Media1 can name has its profiles in Media2 only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.abilities import EncoderAbility
from gateway.domain.media import TrackDescription
from gateway.domain.ptz import PtzNode
from gateway.services.profiles import ConfigurationKind, ConfigurationSettings, MulticastGroup

NO_GROUP = MulticastGroup("0.0.0.0", 0, 0)  # noqa: S104 - "no address", nothing is bound
MEDIA1_ENCODINGS = frozenset({"H264", "JPEG"})


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
    profile: str = ""
    """`main` or `sub`, of the stream that is shown."""
    ability: EncoderAbility | None = None
    """How the camera's encoder is set and can be; None where it can't be."""


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
class AudioOutputConfiguration(Configuration):
    """The loudspeaker of a channel's camera."""

    output: str
    """Token of the audio output."""


@dataclass(frozen=True, slots=True)
class AudioDecoder(Configuration):
    """What the loudspeaker of a channel's camera is told in."""

    tracks: tuple[TrackDescription, ...]


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
class PtzConfiguration(Configuration):
    """The head of a channel's camera."""

    node: PtzNode

    @property
    def node_token(self) -> str:
        """Return the token of its only node."""
        return f"PTZNode_{self.channel}"


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
    audio_outputs: Mapping[str, AudioOutputConfiguration]
    audio_decoders: Mapping[str, AudioDecoder]
    metadata: Mapping[str, Metadata]
    analytics: Mapping[str, Analytics]
    ptz: Mapping[str, PtzConfiguration]
    use_counts: Mapping[str, int]

    def configurations(self, kind: ConfigurationKind) -> Mapping[str, Configuration]:
        """Return the configurations of a kind by token."""
        tables: dict[ConfigurationKind, Mapping[str, Configuration]] = {
            ConfigurationKind.VIDEO_SOURCE: self.video_source_configurations,
            ConfigurationKind.VIDEO_ENCODER: self.video_encoders,
            ConfigurationKind.AUDIO_SOURCE: self.audio_source_configurations,
            ConfigurationKind.AUDIO_ENCODER: self.audio_encoders,
            ConfigurationKind.AUDIO_OUTPUT: self.audio_outputs,
            ConfigurationKind.AUDIO_DECODER: self.audio_decoders,
            ConfigurationKind.METADATA: self.metadata,
            ConfigurationKind.ANALYTICS: self.analytics,
            ConfigurationKind.PTZ: self.ptz,
        }
        return tables[kind]

    def audio_on(self, path: str) -> AudioEncoder | None:
        """Return the audio encoder of an RTSP path."""
        return next((encoder for encoder in self.audio_encoders.values() if encoder.path == path), None)


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
