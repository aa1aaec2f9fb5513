"""What recording jobs can record from: the channels' media profiles, and receivers."""

from collections.abc import Callable
from typing import Protocol

from gateway.domain.media import MediaKind, StreamDescription
from gateway.domain.recording import JobSource, SourceKind
from gateway.onvif.media_model import video_source_token
from gateway.onvif.media_profiles import MediaProfiles, video_encoder
from gateway.services.cameras import is_complete
from gateway.services.metadata import metadata_path
from gateway.services.profiles import ConfigurationKind
from gateway.services.recordings_jobs import LiveSource


class Receivers(Protocol):
    """Where receivers' streams are."""

    def path(self, token: str) -> str | None:
        """Return the path of a receiver's live stream, None for an unknown one."""
        ...


class RecordingSources:
    """Sources by the tokens that clients know them by."""

    def __init__(
        self,
        profiles: MediaProfiles,
        receivers: Receivers,
        description: Callable[[str], StreamDescription | None],
    ) -> None:
        """`description` returns what is known of the stream at a path."""
        self._profiles = profiles
        self._receivers = receivers
        self._description = description

    def live(self, source: JobSource) -> LiveSource | None:
        """Return the stream of a source, None when there is no such source."""
        if source.kind is SourceKind.RECEIVER:
            path = self._receivers.path(source.token)
        else:
            pictures = self._path(source.token)
            path = None if pictures is None else metadata_path(pictures)
        return None if path is None else LiveSource(path, self._kinds(path))

    def video_source(self, token: str) -> str | None:
        """Return the token of the VideoSource that belongs to a media profile or an AudioSource, None for neither."""
        model = self._profiles.model()
        found = model.profiles.get(token)
        if found is not None:
            name = found.configurations.get(ConfigurationKind.VIDEO_SOURCE, "")
            configuration = model.video_source_configurations.get(name)
            return None if configuration is None else configuration.source.token
        for sound in model.audio_source_configurations.values():
            if sound.source.token == token:
                return video_source_token(sound.channel)
        return None

    def profiles(self) -> tuple[str, ...]:
        """Return the tokens of the media profiles that can be recorded: those with a picture."""
        return tuple(token for token in self._profiles.model().profiles if self._path(token) is not None)

    def _path(self, token: str) -> str | None:
        model = self._profiles.model()
        profile = model.profiles.get(token)
        encoder = None if profile is None else video_encoder(model, profile)
        return None if encoder is None else encoder.path

    def _kinds(self, path: str) -> frozenset[MediaKind]:
        description = self._description(path)
        if description is None or not is_complete(description):
            return frozenset()
        return frozenset(track.kind for track in description.tracks)
