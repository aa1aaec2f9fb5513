"""Which job records, what it has to record, and in which state that leaves every job: decisions without state.

Priorities are decided per recording: a recording's file has one source, so the winning job has all of its tracks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gateway.domain.media import MediaKind
from gateway.domain.recording import (
    Assignment,
    JobMode,
    JobSource,
    JobState,
    JobTrack,
    Recording,
    RecordingJob,
    RecordingTrack,
)


@dataclass(frozen=True, slots=True)
class LiveSource:
    """Where the stream of a job's source is."""

    path: str
    """Path of the live stream."""
    kinds: frozenset[MediaKind]
    """What can be recorded of it; empty while nobody has seen the stream."""


class Sources(Protocol):
    """What jobs can record from."""

    def live(self, source: JobSource) -> LiveSource | None:
        """Return the stream of a source, None when there is no such source."""
        ...

    def video_source(self, token: str) -> str | None:
        """Return the token of the VideoSource that belongs to a media profile or an AudioSource, None for neither."""
        ...

    def profiles(self) -> tuple[str, ...]:
        """Return the tokens of the media profiles that can be recorded."""
        ...


@dataclass(frozen=True, slots=True)
class TrackState:
    """What happens to one track of a job (tt:RecordingJobStateTrack)."""

    track: JobTrack
    state: JobState
    error: str = ""


@dataclass(frozen=True, slots=True)
class SourceState:
    """What happens to one source of a job, with its tracks (tt:RecordingJobStateSource)."""

    source: JobSource
    state: JobState
    tracks: tuple[TrackState, ...]


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What a job really does (tt:RecordingJobStateInformation)."""

    recording: str
    state: JobState
    sources: tuple[SourceState, ...]


TrackReport: TypeAlias = Callable[[str], tuple[JobState, str]]
"""Takes a track's token; returns what the recorder does with it, and its error in a sentence."""


def winners(jobs: Iterable[RecordingJob]) -> dict[str, RecordingJob]:
    """Return the job that records, by recording: the active one with the highest priority.

    Jobs come in the order of their activation; of equal ones the latest wins (tt:RecordingJobConfiguration, Priority).
    """
    won: dict[str, RecordingJob] = {}
    for job in jobs:
        rival = won.get(job.recording)
        if job.mode is JobMode.ACTIVE and (rival is None or job.priority >= rival.priority):
            won[job.recording] = job
    return won


def assignment(recording: Recording, job: RecordingJob, sources: Sources) -> Assignment | None:
    """Return what a winning job has to record, None while its source is not there."""
    for source in job.sources:
        live = sources.live(source)
        if live is not None:
            tracks = {track.token: track for track in recording.tracks}
            wanted: dict[MediaKind, str] = {}
            for entry in source.tracks:
                if (track := tracks.get(entry.destination)) is not None:
                    wanted.setdefault(track.kind, track.token)
            return Assignment(recording.token, job.token, live.path, tuple(wanted.items()), job.trigger)
    return None


def status(job: RecordingJob, recording: Recording, reported: TrackReport | None, sources: Sources) -> JobStatus:
    """Return the state of a job; `reported` is what the recorder says of the recording, None for a losing job."""
    kinds = {track.token: track.kind for track in recording.tracks}
    parts = tuple(_source(source, kinds, reported, sources) for source in job.sources)
    return JobStatus(job.recording, aggregate(part.state for part in parts), parts)


def aggregate(states: Iterable[JobState]) -> JobState:
    """Return the state of a whole whose parts have these (Recording Control §5.20)."""
    found = set(states)
    if JobState.ERROR in found:
        return JobState.ERROR
    if len(found) > 1:
        return JobState.PARTIALLY_ACTIVE
    return found.pop() if found else JobState.IDLE


def all_tracks(recording: Recording) -> tuple[JobTrack, ...]:
    """Return the tracks of a job that names none: the first of every kind."""
    first: dict[MediaKind, RecordingTrack] = {}
    for track in recording.tracks:
        first.setdefault(track.kind, track)
    return tuple(JobTrack(track.token, track.token) for track in first.values())


def _source(
    source: JobSource, kinds: Mapping[str, MediaKind], reported: TrackReport | None, sources: Sources
) -> SourceState:
    """Return the state of a source. Tracks whose medium it does not have are left out: nothing can come of them."""
    live = sources.live(source)
    missing = "" if live is not None or reported is None else f"the source {source.token!r} does not exist"
    present = live.kinds if live is not None else frozenset()
    tracks = tuple(
        _track(track, missing, reported)
        for track in source.tracks
        if not present or kinds.get(track.destination) in present
    )
    default = JobState.ERROR if missing else JobState.IDLE
    return SourceState(source, aggregate([each.state for each in tracks] or [default]), tracks)


def _track(track: JobTrack, missing: str, reported: TrackReport | None) -> TrackState:
    if missing:
        return TrackState(track, JobState.ERROR, missing)
    if reported is None:
        return TrackState(track, JobState.IDLE)
    return TrackState(track, *reported(track.destination))
