"""What Media1 and Media2 do alike: find, edit and stream profiles, with the faults that both share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from lxml import etree

from gateway.domain.abilities import NO_ABILITIES, Abilities
from gateway.domain.camera import PROFILE_NAMES, Channel
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.domain.media import MediaKind
from gateway.onvif import media_faults as faults
from gateway.onvif.cameras import CameraAccess
from gateway.onvif.context import Context
from gateway.onvif.faults import not_supported
from gateway.onvif.media_building import build
from gateway.onvif.media_metadata import ReadFilter
from gateway.onvif.media_model import (
    AudioEncoder,
    Configuration,
    MediaModel,
    Profile,
    VideoEncoder,
    metadata_token,
)
from gateway.onvif.media_uri import Transport, snapshot_uri, stream_uri
from gateway.services.cameras import camera_path, live_path
from gateway.services.metadata import metadata_path
from gateway.services.profiles import (
    ConfigurationKind,
    ConfigurationSettings,
    MulticastGroup,
    Profiles,
    VirtualProfile,
    with_configurations,
)

_C = TypeVar("_C", bound=Configuration)

_KINDS = frozenset(ConfigurationKind)
_ENCODERS = {ConfigurationKind.VIDEO_ENCODER, ConfigurationKind.AUDIO_ENCODER}
_STREAMED = {ConfigurationKind.VIDEO_ENCODER, ConfigurationKind.METADATA}


class Channels(Protocol):
    """Where the channels are."""

    def channels(self) -> tuple[Channel, ...]:
        """Return every channel in its stable order, also those that are offline."""
        ...


class Multicast(Protocol):
    """Sends streams to multicast groups; a gateway without one has multicast switched off."""

    def group(self, path: str, kind: MediaKind) -> MulticastGroup | None:
        """Return the default group for one media of an RTSP path."""
        ...

    async def start(self, path: str, groups: Mapping[MediaKind, MulticastGroup]) -> None:
        """Begin to send a path's media to groups, until stopped. Starting twice does nothing."""
        ...

    async def stop(self, path: str) -> None:
        """Stop what `start` began; stopping twice does nothing."""
        ...


class VideoAnalytics(Protocol):
    """The rules of motion; a gateway without one has motion switched off."""

    @property
    def revision(self) -> int:
        """Count changes."""
        ...

    def content(self, channel: str) -> Mapping[str, Any] | None:
        """Return modules and rules of a channel; None where motion is off."""
        ...

    def replace(self, channel: str, wanted: dict[str, Any]) -> None:
        """Take what a client writes of a channel's modules and rules. Raises SoapFault."""
        ...


@dataclass(frozen=True, slots=True)
class Streaming:
    """How streams leave the gateway."""

    multicast: Multicast | None = None
    synchronize: Callable[[str], None] = lambda _path: None
    """Ask for a key frame on an RTSP path; new viewers start at a kept key frame in any case."""
    rtsps_port: int | None = None
    """None: without TLS."""
    websocket: str = ""
    """URI of RTSP over WebSocket as announced, such as `ws:/rtsp`; empty: none."""


class MediaProfiles:
    """The profiles of all channels, shared by the services."""

    def __init__(
        self,
        channels: Channels,
        profiles: Profiles,
        streaming: Streaming | None = None,
        analytics: VideoAnalytics | None = None,
        access: CameraAccess | None = None,
    ) -> None:
        """Without `access` nothing of the cameras can be set."""
        self.stored = profiles
        self.streaming = streaming or Streaming()
        self.analytics = analytics
        self.access = access
        self.read_filter: ReadFilter = _no_filter
        """Reads the events' filter of a metadata configuration; whoever has the topics sets it."""
        self._channels = channels
        self._built_from: tuple[tuple[Channel, ...], int, int, int] | None = None
        self._model = build((), profiles)

    def model(self) -> MediaModel:
        """Return the model of this moment; it is built again only after something changed."""
        analytics, controls = self.analytics, self.access.controls if self.access else None
        revisions = (self.stored.revision, analytics.revision if analytics else 0, controls.revision if controls else 0)
        now = (self._channels.channels(), *revisions)
        if now != self._built_from:
            multicast = self.streaming.multicast
            self._model = build(
                now[0],
                self.stored,
                multicast.group if multicast else _no_group,
                analytics.content if analytics else _no_analytics,
                controls.abilities if controls else _no_abilities,
            )
            self._built_from = now
        return self._model

    def groups(self, path: str) -> dict[MediaKind, MulticastGroup]:
        """Return the multicast groups of an RTSP path's media, as a client may have written them; none when off."""
        if self.streaming.multicast is None:
            return {}
        model = self.model()
        groups: dict[MediaKind, MulticastGroup] = {}
        for encoder in model.video_encoders.values():
            if encoder.path == path:
                groups[MediaKind.VIDEO] = encoder.multicast
                groups[MediaKind.APPLICATION] = model.metadata[metadata_token(encoder.channel)].multicast
        for sound in model.audio_encoders.values():
            if sound.path == path:
                groups[MediaKind.AUDIO] = sound.multicast
        return groups

    def create(self, name: str, token: str, configurations: Iterable[tuple[str, str]] = ()) -> Profile:
        """Make a profile with configurations given as kind and token; nothing is kept when one can't be added."""
        model = self.model()
        if token in model.profiles:
            raise faults.profile_exists(token)
        added = fitting(model, Profile(token or "new", name, False, {}), configurations)  # noqa: FBT003
        with faults.of_profiles():
            made = self.stored.create(name, token, added)
        return Profile(made.token, made.name, False, made.configurations)  # noqa: FBT003

    def delete(self, token: str) -> None:
        """Delete a profile that a client made."""
        profile = find_profile(self.model(), token)
        if profile.fixed:
            raise faults.fixed_profile(token)
        self.stored.delete(token)

    def add(self, token: str, configurations: Iterable[tuple[str, str]], name: str | None = None) -> None:
        """Add configurations, given as kind and token, to a profile, and rename it if a name is given."""
        model = self.model()
        profile = find_profile(model, token)
        added = fitting(model, profile, configurations)
        if profile.fixed:
            added = {kind: new for kind, new in added.items() if profile.configurations.get(kind) != new}
            _refuse_on_fixed(token, added)
        self._change(profile, added, frozenset(), name)

    def remove(self, token: str, kinds: Iterable[str]) -> None:
        """Remove the configurations of some kinds, or of `All`, from a profile; what is not there is ignored."""
        profile = find_profile(self.model(), token)
        wanted = set(kinds)
        removed = frozenset(kind for kind in profile.configurations if kind in wanted or "All" in wanted)
        if profile.fixed:
            _refuse_on_fixed(token, removed)
        self._change(profile, {}, removed, None)

    def configure(self, kind: ConfigurationKind, token: str, settings: ConfigurationSettings) -> None:
        """Keep what a client wrote of a configuration."""
        with faults.of_profiles():
            self.stored.configure(kind, token, settings)

    def stream_uri(self, token: str, transport: Transport | None, asked: str, context: Context, *, media1: bool) -> str:
        """Return the URI of a profile's stream; `asked` is the client's wording of the transport."""
        path = self._stream_path(token, media1=media1)
        if transport is None:
            raise faults.invalid_stream_setup(f"streaming by {asked!r} is not supported")
        if transport is Transport.MULTICAST and self.streaming.multicast is None:
            raise faults.invalid_stream_setup(f"streaming by {asked!r} is not possible: multicast is switched off")
        if transport is Transport.RTSPS and self.streaming.rtsps_port is None:
            raise faults.invalid_stream_setup(f"streaming by {asked!r} is not possible without a TLS certificate")
        return stream_uri(transport, path, context, self.streaming.rtsps_port)

    def snapshot_uri(self, token: str, context: Context) -> str:
        """Return the URI of a profile's JPEG snapshot."""
        return snapshot_uri(self._path(token, media1=False), context)

    async def start_multicast(self, token: str) -> None:
        """Send a profile's stream to its multicast groups."""
        path = self._stream_path(token, media1=False)
        multicast = self._multicast(token)
        await multicast.start(path, self._groups(token))

    async def stop_multicast(self, token: str) -> None:
        """Stop sending a profile's stream to its multicast groups."""
        path = self._stream_path(token, media1=False)
        await self._multicast(token).stop(path)

    def synchronize(self, token: str) -> None:
        """Ask for a key frame, and all states, of a profile's stream."""
        if _STREAMED & find_profile(self.model(), token).configurations.keys():
            self.streaming.synchronize(self._stream_path(token, media1=False))

    def _change(
        self,
        profile: Profile,
        added: Mapping[ConfigurationKind, str],
        removed: frozenset[ConfigurationKind],
        name: str | None,
    ) -> None:
        if profile.fixed:
            stored = self.stored.edit(profile.token) or VirtualProfile(profile.token, "")
        else:
            stored = VirtualProfile(profile.token, profile.name, profile.configurations)
        changed = with_configurations(stored, added, removed)
        if name is not None:
            changed = VirtualProfile(changed.token, name, changed.configurations)
        with faults.of_profiles():
            self.stored.change(changed, fixed=profile.fixed)

    def _path(self, token: str, *, media1: bool) -> str:
        model = self.model()
        profile = find_profile(model, token)
        if ConfigurationKind.VIDEO_SOURCE not in profile.configurations:
            raise faults.incomplete(token, "video source configuration")
        encoder = video_encoder(model, profile)
        if encoder is None:
            raise faults.incomplete(token, "video encoder configuration")
        return model.media1_video_encoders.get(encoder.token, encoder).path if media1 else encoder.path

    def _stream_path(self, token: str, *, media1: bool) -> str:
        """Return the RTSP path of a profile's stream: with metadata, or of that alone, if it is in the profile.

        A profile that only talks has the path of its channel's main stream.
        """
        model = self.model()
        configurations = find_profile(model, token).configurations
        loudspeaker = model.audio_outputs.get(configurations.get(ConfigurationKind.AUDIO_OUTPUT, ""))
        if loudspeaker is not None and not (_STREAMED | _ENCODERS) & configurations.keys():
            return live_path(loudspeaker.channel, PROFILE_NAMES[0])
        if ConfigurationKind.METADATA not in configurations:
            return self._path(token, media1=media1)
        source = model.video_source_configurations.get(configurations.get(ConfigurationKind.VIDEO_SOURCE, ""))
        if source is not None and not _ENCODERS & configurations.keys():
            return metadata_path(camera_path(source.channel))
        return metadata_path(self._path(token, media1=media1))

    def _multicast(self, token: str) -> Multicast:
        if self.streaming.multicast is None:
            raise GatewayError(
                ErrorKind.UNSUPPORTED, f"profile {token!r} can't be sent to a group: multicast is switched off"
            )
        return self.streaming.multicast

    def _groups(self, token: str) -> dict[MediaKind, MulticastGroup]:
        model = self.model()
        configurations = find_profile(model, token).configurations
        groups = {}
        if (video := configurations.get(ConfigurationKind.VIDEO_ENCODER)) is not None:
            groups[MediaKind.VIDEO] = model.video_encoders[video].multicast
        if (audio := configurations.get(ConfigurationKind.AUDIO_ENCODER)) is not None:
            groups[MediaKind.AUDIO] = model.audio_encoders[audio].multicast
        if (metadata := configurations.get(ConfigurationKind.METADATA)) is not None:
            groups[MediaKind.APPLICATION] = model.metadata[metadata].multicast
        return groups


def find_profile(model: MediaModel, token: str) -> Profile:
    """Return a profile by its token. Raises SoapFault NoProfile."""
    if (profile := model.profiles.get(token)) is None:
        raise faults.no_profile(token)
    return profile


def find(table: Mapping[str, _C], token: str) -> _C:
    """Return a configuration by its token. Raises SoapFault NoConfig."""
    if (configuration := table.get(token)) is None:
        raise faults.no_config(token)
    return configuration


def video_encoder(model: MediaModel, profile: Profile) -> VideoEncoder | None:
    """Return the video encoder a profile refers to."""
    return model.video_encoders.get(profile.configurations.get(ConfigurationKind.VIDEO_ENCODER, ""))


def audio_encoder(model: MediaModel, profile: Profile) -> AudioEncoder | None:
    """Return the audio encoder a profile refers to."""
    return model.audio_encoders.get(profile.configurations.get(ConfigurationKind.AUDIO_ENCODER, ""))


def fitting(
    model: MediaModel, profile: Profile, configurations: Iterable[tuple[str, str]]
) -> dict[ConfigurationKind, str]:
    """Return the configurations by kind if they exist and go with the profile's others. Raises SoapFault."""
    added: dict[ConfigurationKind, str] = {}
    for name, token in configurations:
        if name == "All":
            continue
        if name not in _KINDS:
            raise faults.no_config(token, f"{name} configuration")
        kind = ConfigurationKind(name)
        find(model.configurations(kind), token)
        added[kind] = token
    reason = _clash(model, {**profile.configurations, **added})
    if reason:
        raise faults.conflict(f"profile {profile.token!r} can't hold {' and '.join(added.values())}: {reason}")
    return added


def compatible(model: MediaModel, kind: ConfigurationKind, table: Mapping[str, _C], profile: Profile) -> list[_C]:
    """Return those configurations of a table that could be added to a profile, replacing its own of that kind."""
    others = {other: token for other, token in profile.configurations.items() if other is not kind}
    return [entry for token, entry in table.items() if not _clash(model, {**others, kind: token})]


def selected(
    model: MediaModel, kind: ConfigurationKind, table: Mapping[str, _C], request: Mapping[str, Any]
) -> list[_C]:
    """Return the configurations a request names by ConfigurationToken and ProfileToken, both optional.

    None when the two don't go together. Raises SoapFault NoProfile or NoConfig.
    """
    token, profile = request.get("ConfigurationToken"), request.get("ProfileToken")
    entries = list(table.values())
    if profile is not None:
        entries = compatible(model, kind, table, find_profile(model, profile))
    if token is not None:
        entry = find(table, token)
        entries = [entry] if entry in entries else []
    return entries


def _clash(model: MediaModel, configurations: Mapping[ConfigurationKind, str]) -> str:
    """Tell why configurations don't go together: a profile shows one channel and plays one of its streams."""
    found = [model.configurations(kind)[token] for kind, token in configurations.items()]
    channels = sorted({configuration.channel for configuration in found})
    if len(channels) > 1:
        return f"they belong to the channels {' and '.join(channels)}"
    encoders = [entry for entry in found if isinstance(entry, VideoEncoder | AudioEncoder)]
    paths = sorted({encoder.path for encoder in encoders})
    return f"they belong to the streams {' and '.join(paths)}" if len(paths) > 1 else ""


def _refuse_on_fixed(token: str, kinds: Iterable[ConfigurationKind]) -> None:
    """A fixed profile keeps its picture and sound, so that a second client finds what the first one found."""
    if kept := sorted(kind for kind in kinds if kind is not ConfigurationKind.METADATA):
        raise faults.conflict(f"the {' and '.join(kept)} configuration of the fixed profile {token!r} can't be changed")


def _no_filter(_nodes: Sequence[etree._Element]) -> Callable[[Event], bool]:
    raise not_supported("of filters")


def _no_group(_path: str, _kind: MediaKind) -> None:
    return None


def _no_abilities(_channel: str) -> Abilities:
    return NO_ABILITIES


def _no_analytics(_channel: str) -> None:
    return None
