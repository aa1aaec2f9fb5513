"""Recordings, tracks and jobs as the plain values of ONVIF's types, and back (`tt:RecordingConfiguration` …)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from gateway.domain.media import MediaKind
from gateway.domain.recording import (
    JobMode,
    JobSource,
    JobTrack,
    Recording,
    RecordingJob,
    RecordingSource,
    RecordingTrack,
    SourceKind,
    Trigger,
)
from gateway.services.recordings_editing import AFTER_LIMIT, BEFORE_LIMIT
from gateway.services.recordings_errors import Reason, RecordingError
from gateway.services.recordings_jobs import JobStatus, SourceState, TrackState

Plain: TypeAlias = dict[str, Any]

TRACK_TYPES = {MediaKind.VIDEO: "Video", MediaKind.AUDIO: "Audio", MediaKind.APPLICATION: "Metadata"}
_KIND_OF_TYPE = {name: kind for kind, name in TRACK_TYPES.items()}
_TOPIC = re.compile(r"[\w.-]+:[\w.-]+(/[\w.:-]+)*", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_NAME = 64
"""Characters in a `tt:Name`."""


def moment(utc_ns: int) -> datetime:
    """Return nanoseconds since the epoch as a time of day."""
    return _EPOCH + timedelta(microseconds=utc_ns // 1000)


def nanoseconds(time: datetime) -> int:
    """Return a time of day as nanoseconds since the epoch."""
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def recording_item(recording: Recording) -> Plain:
    """Return a `tt:GetRecordingsResponseItem`."""
    tracks = [{"TrackToken": track.token, "Configuration": track_configuration(track)} for track in recording.tracks]
    return {
        "RecordingToken": recording.token,
        "Configuration": recording_configuration(recording),
        "Tracks": {"Track": tracks},
    }


def recording_configuration(recording: Recording) -> Plain:
    """Return a `tt:RecordingConfiguration`."""
    return {
        "Source": source_information(recording.source),
        "Content": recording.content,
        "MaximumRetentionTime": timedelta(days=recording.retention.max_days or 0),
    }


def source_information(source: RecordingSource) -> Plain:
    """Return a `tt:RecordingSourceInformation`."""
    return {
        "SourceId": source.source_id,
        "Name": source.name[:_LONGEST_NAME],
        "Location": source.location,
        "Description": source.description,
        "Address": source.address,
    }


def read_source(plain: Plain) -> RecordingSource:
    """Return the source in a `tt:RecordingConfiguration`. Raises RecordingError for a target elsewhere."""
    if "Target" in plain:
        storage = plain["Target"]["Storage"]
        raise RecordingError(Reason.BAD_CONFIGURATION, f"recording to the target {storage!r} is not supported")
    source = plain["Source"]
    return RecordingSource(
        source["SourceId"], source["Name"], source["Location"], source["Description"], source["Address"]
    )


def read_retention(plain: Plain) -> int | None:
    """Return the days in a `tt:RecordingConfiguration`, None for unlimited. Raises RecordingError."""
    wanted: timedelta = plain["MaximumRetentionTime"]
    if wanted % timedelta(days=1):
        message = f"a MaximumRetentionTime of {wanted.total_seconds():g} seconds is not possible: whole days are"
        raise RecordingError(Reason.BAD_CONFIGURATION, message)
    return wanted.days or None


def track_configuration(track: RecordingTrack) -> Plain:
    """Return a `tt:TrackConfiguration`."""
    return {"TrackType": TRACK_TYPES[track.kind], "Description": track.description}


def read_track(plain: Plain) -> tuple[MediaKind, str]:
    """Return kind and description of a `tt:TrackConfiguration`. Raises RecordingError."""
    kind = _KIND_OF_TYPE.get(plain["TrackType"])
    if kind is None:
        raise RecordingError(Reason.BAD_CONFIGURATION, f"tracks of the type {plain['TrackType']!r} are not supported")
    return kind, plain["Description"]


def job_configuration(job: RecordingJob) -> Plain:
    """Return a `tt:RecordingJobConfiguration`."""
    plain: Plain = {
        "RecordingToken": job.recording,
        "Mode": str(job.mode),
        "Priority": job.priority,
        "Source": [_source(source) for source in job.sources],
    }
    if job.trigger.topics:
        plain["EventFilter"] = {
            "Filter": [{"Topic": topic} for topic in job.trigger.topics],
            "Before": timedelta(seconds=job.trigger.before_seconds),
            "After": timedelta(seconds=job.trigger.after_seconds),
        }
    return plain


def read_job(plain: Plain) -> RecordingJob:
    """Return the job in a `tt:RecordingJobConfiguration`, without its token. Raises RecordingError."""
    if plain.get("ScheduleToken"):
        message = f"schedule token {plain['ScheduleToken']!r} does not exist: there is no schedule service"
        raise RecordingError(Reason.BAD_CONFIGURATION, message)
    sources = tuple(_read_source(source) for source in plain.get("Source", ()))
    trigger = _read_trigger(plain.get("EventFilter", {}))
    return RecordingJob(
        "",
        plain["RecordingToken"],
        read_mode(plain["Mode"], Reason.BAD_CONFIGURATION),
        plain["Priority"],
        sources,
        trigger,
    )


def read_mode(text: str, reason: Reason = Reason.BAD_MODE) -> JobMode:
    """Return a `tt:RecordingJobMode`. Raises RecordingError."""
    try:
        return JobMode(text)
    except ValueError:
        raise RecordingError(reason, f"mode {text!r} is neither Idle nor Active") from None


def job_state(status: JobStatus) -> Plain:
    """Return a `tt:RecordingJobStateInformation`."""
    return {
        "RecordingToken": status.recording,
        "State": str(status.state),
        "Sources": [_source_state(source) for source in status.sources],
    }


def _source(source: JobSource) -> Plain:
    tracks = [{"SourceTag": track.source_tag, "Destination": track.destination} for track in source.tracks]
    return {"SourceToken": {"Type": str(source.kind), "Token": source.token}, "Tracks": tracks}


def _read_source(plain: Plain) -> JobSource:
    reference = plain.get("SourceToken", {})
    kind = reference.get("Type", SourceKind.RECEIVER)
    if kind not in set(SourceKind):
        raise RecordingError(Reason.BAD_CONFIGURATION, f"sources of the type {kind!r} are not supported")
    return JobSource(
        SourceKind(kind),
        reference.get("Token", ""),
        tuple(JobTrack(track["SourceTag"], track["Destination"]) for track in plain.get("Tracks", ())),
        auto_created=plain.get("AutoCreateReceiver", False),
    )


def _read_trigger(plain: Plain) -> Trigger:
    """Return when a job records; durations past what is possible are adapted (Recording Control §5.4)."""
    filters = plain.get("Filter", ())
    for entry in filters:
        if entry.get("Source"):
            message = f"the event source filter {entry['Source']!r} is not supported; topics are"
            raise RecordingError(Reason.BAD_CONFIGURATION, message)
    before, after = (plain.get(name, timedelta()).total_seconds() for name in ("Before", "After"))
    return Trigger(
        (),
        tuple(topic for entry in filters for topic in _topics(entry["Topic"])),
        min(max(before, 0.0), BEFORE_LIMIT),
        min(max(after, 0.0), AFTER_LIMIT),
    )


def _topics(expression: str) -> list[str]:
    """Return the topics of an expression; each stands for all below it too. Raises RecordingError."""
    topics = [part.strip().removesuffix("//.") for part in expression.split("|")]
    for topic in topics:
        if not _TOPIC.fullmatch(topic):
            message = f"{topic!r} is no topic; one looks like 'tns1:VideoSource/MotionAlarm'"
            raise RecordingError(Reason.BAD_CONFIGURATION, message)
    return topics


def _source_state(source: SourceState) -> Plain:
    reference = {"Type": str(source.source.kind), "Token": source.source.token}
    tracks = [_track_state(track) for track in source.tracks]
    return {"SourceToken": reference, "State": str(source.state), "Tracks": {"Track": tracks}}


def _track_state(track: TrackState) -> Plain:
    plain = {
        "SourceTag": track.track.source_tag,
        "Destination": track.track.destination,
        "State": str(track.state),
    }
    return plain | ({"Error": track.error} if track.error else {})
