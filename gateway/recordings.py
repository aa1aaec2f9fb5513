"""Configured recordings with their jobs; without any, every camera's main profile is recorded all the time."""

from collections.abc import Mapping

from gateway.config import Config, Recording
from gateway.domain.media import MediaKind
from gateway.domain.recording import (
    AUDIO_TRACK,
    METADATA_TRACK,
    VIDEO_TRACK,
    JobMode,
    JobSource,
    JobTrack,
    RecordingJob,
    RecordingSource,
    RecordingTrack,
    Retention,
    SourceKind,
    Trigger,
)
from gateway.domain.recording import Recording as RecordingValue
from gateway.onvif.media_model import profile_token, video_source_token

_PRIORITY = 10
"""Of configured jobs: a client may go above or below."""

TRACKS = (
    RecordingTrack(VIDEO_TRACK, MediaKind.VIDEO),
    RecordingTrack(AUDIO_TRACK, MediaKind.AUDIO),
    RecordingTrack(METADATA_TRACK, MediaKind.APPLICATION),
)


def global_retention(config: Config) -> Retention:
    """Return what all recordings together may keep."""
    return Retention(config.retention.max_days, config.retention.max_size, config.retention.min_days)


def configured_recordings(
    config: Config, names: Mapping[str, str]
) -> tuple[tuple[RecordingValue, ...], tuple[RecordingJob, ...]]:
    """Return the operator's recordings and their jobs; `names` are the cameras' names by id, in order."""
    wanted = config.recordings or tuple(Recording(camera=camera) for camera in names)
    recordings = tuple(_recording(each, names[each.camera], config.gateway.location) for each in wanted)
    return recordings, tuple(_job(each) for each in wanted)


def _recording(wanted: Recording, name: str, location: str) -> RecordingValue:
    source = RecordingSource(video_source_token(wanted.camera), name, location, f"{name}, {wanted.profile} profile")
    retention = Retention(wanted.max_days, wanted.max_size, wanted.min_days)
    content = f"{name} {wanted.mode}"
    return RecordingValue(f"Recording_{wanted.name}", source, content, retention, TRACKS, configured=True)


def _job(wanted: Recording) -> RecordingJob:
    destinations = (VIDEO_TRACK, *((AUDIO_TRACK,) if wanted.audio else ()), METADATA_TRACK)
    source = JobSource(
        SourceKind.PROFILE,
        profile_token(wanted.camera, wanted.profile),
        tuple(JobTrack(track, track) for track in destinations),
    )
    event = wanted.mode == "event"
    return RecordingJob(
        f"Job_{wanted.name}",
        f"Recording_{wanted.name}",
        JobMode.IDLE if wanted.mode == "off" else JobMode.ACTIVE,
        _PRIORITY,
        (source,),
        Trigger(
            tuple(period for periods in wanted.schedule for period in periods),
            wanted.topics,
            wanted.before if event else 0.0,
            wanted.after if event else 0.0,
        ),
        configured=True,
    )
