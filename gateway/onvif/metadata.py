"""The metadata of a stream: which events and scenes are in it, and its documents (ONVIF Streaming §5.2.1.1)."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, timedelta
from typing import Any, Protocol

from gateway.domain.event import Event
from gateway.domain.motion import MotionRegion, MotionResult
from gateway.domain.recording import Recording, RecordingJob
from gateway.onvif.codec import Codec
from gateway.onvif.faults import SoapFault
from gateway.onvif.media_metadata import filter_nodes
from gateway.onvif.media_model import MediaModel, metadata_token
from gateway.onvif.media_profiles import MediaProfiles
from gateway.onvif.simple import Precise
from gateway.services.metadata import Content
from gateway.services.profiles import ConfigurationKind, ConfigurationSettings

_STREAM = "{http://www.onvif.org/ver10/schema}MetadataStream"
_EPOCH = Precise(1970, 1, 1, tzinfo=UTC)
_log = logging.getLogger(__name__)


class Archived(Protocol):
    """What is recorded, for events of recordings."""

    def all(self) -> tuple[Recording, ...]:
        """Return every recording."""
        ...

    def jobs(self) -> tuple[RecordingJob, ...]:
        """Return every job."""
        ...


class MetadataDocuments:
    """Writes documents. Objects are numbered within their frame, since they are not followed from one to the next."""

    def __init__(self, codec: Codec, notification: Callable[[Event], str]) -> None:
        """`notification` writes an event as a wsnt:NotificationMessage."""
        self._codec = codec
        self._notification = notification

    def __call__(self, events: Sequence[Event], scenes: Sequence[MotionResult], /) -> bytes:
        """Return events and what was seen as one tt:MetadataStream."""
        content: dict[str, Any] = {}
        if scenes:
            content["VideoAnalytics"] = [{"Frame": [frame(scene) for scene in scenes]}]
        if events:
            content["Event"] = [{"NotificationMessage": [self._notification(event) for event in events]}]
        return b'<?xml version="1.0" encoding="UTF-8"?>' + self._codec.standalone(_STREAM, content).encode()


def frame(scene: MotionResult) -> dict[str, Any]:
    """Return what one picture shows as a `tt:Frame`."""
    objects = [
        {"ObjectId": number, "Appearance": {"Shape": _shape(region)}} for number, region in enumerate(scene.regions, 1)
    ]
    return {"UtcTime": _EPOCH + timedelta(microseconds=scene.utc_ns // 1000), "Object": objects}


def _shape(region: MotionRegion) -> dict[str, Any]:
    """Return a tt:ShapeDescriptor in normalised coordinates: -1 to 1, x to the right, y up (Analytics §5.1.2.2)."""
    left, right = 2 * region.left - 1, 2 * region.right - 1
    top, bottom = 1 - 2 * region.top, 1 - 2 * region.bottom
    return {
        "BoundingBox": {"left": left, "top": top, "right": right, "bottom": bottom},
        "CenterOfGravity": {"x": (left + right) / 2, "y": (top + bottom) / 2},
    }


class MetadataContent:
    """Tells what belongs into a channel's metadata, from its metadata configuration."""

    def __init__(self, profiles: MediaProfiles, recordings: Callable[[], Archived | None]) -> None:
        """`recordings` returns what is recorded; None while nothing can be."""
        self._profiles = profiles
        self._recordings = recordings
        self._kept: dict[str, tuple[ConfigurationSettings, Content]] = {}
        self._model: MediaModel | None = None
        self._channels: dict[str, str] = {}

    def of(self, channel: str) -> Content:
        """Return what the metadata of a channel holds."""
        token = metadata_token(channel)
        settings = self._profiles.stored.settings(token)
        kept = self._kept.get(channel)
        if kept is None or kept[0] != settings:
            kept = self._kept[channel] = settings, self._read(token, settings)
        return kept[1]

    def channels(self, event: Event) -> frozenset[str]:
        """Return the channels that an event is about: those that its source names by any token of theirs."""
        found = (self._channel(value) for _, value in event.source)
        return frozenset(channel for channel in found if channel is not None)

    def _read(self, token: str, settings: ConfigurationSettings) -> Content:
        if not settings.event_filter:
            return Content(settings.events, None, settings.analytics)
        try:
            passes = self._profiles.read_filter(filter_nodes(settings))
        except SoapFault as fault:
            _log.warning("%s: no events are told, since their filter is not valid any more: %s", token, fault)
            return Content(events=False, analytics=settings.analytics)
        return Content(settings.events, passes, settings.analytics)

    def _channel(self, token: str) -> str | None:
        """Return the channel that a token belongs to; that of a recording or its job to what is recorded."""
        if token not in self._channels:
            self._learn()
        if token in self._channels or (archived := self._recordings()) is None:
            return self._channels.get(token)
        recordings = {token, *(job.recording for job in archived.jobs() if job.token == token)}
        recorded = [each.source.source_id for each in archived.all() if each.token in recordings]
        recorded += [source.token for job in archived.jobs() if job.recording in recordings for source in job.sources]
        return next((self._channels[name] for name in recorded if name in self._channels), None)

    def _learn(self) -> None:
        """Note the channels by the tokens of all that belongs to them, if that has changed."""
        model = self._profiles.model()
        if model is self._model:
            return
        self._model = model
        found: dict[str, str] = {}
        for kind in ConfigurationKind:
            found |= {token: entry.channel for token, entry in model.configurations(kind).items()}
        for profile in model.profiles.values():
            for token in profile.configurations.values():
                found[profile.token] = found[token]
        found |= {each.source.token: each.channel for each in model.video_source_configurations.values()}
        found |= {each.source.token: each.channel for each in model.audio_source_configurations.values()}
        self._channels = found
