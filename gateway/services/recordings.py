"""Recordings, their tracks and jobs: the operator's and those that clients make, kept over restarts.

Who wants to know subscribes: `watch` for every change of an object, `subscribe` for what there is to record.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Protocol

from gateway.domain.recording import (
    Assignment,
    Extent,
    JobState,
    Recording,
    RecordingJob,
    RecordingTrack,
    Segment,
    SourceKind,
    Span,
)
from gateway.services.recordings_errors import Reason, RecordingError
from gateway.services.recordings_jobs import JobStatus, Sources, assignment, status, winners
from gateway.services.recordings_store import Table

_log = logging.getLogger(__name__)


class What(StrEnum):
    """What changed, in the words of the topics below tns1:RecordingConfig."""

    RECORDING_CREATED = "CreateRecording"
    RECORDING_CHANGED = "RecordingConfiguration"
    RECORDING_DELETED = "DeleteRecording"
    TRACK_CREATED = "CreateTrack"
    TRACK_CHANGED = "TrackConfiguration"
    TRACK_DELETED = "DeleteTrack"
    DATA_DELETED = "DeleteTrackData"
    JOB_CHANGED = "RecordingJobConfiguration"
    JOB_DELETED = "DeleteRecordingJob"
    """No topic of ONVIF's: the job's state is no more."""
    JOB_STATE = "JobState"


@dataclass(frozen=True, slots=True)
class Change:
    """One change, and the tokens of what it is about."""

    what: What
    recording: str = ""
    track: str = ""
    job: str = ""
    span: Span | None = None
    """The time whose data was deleted."""


class View(Protocol):
    """What the archive knows of a recording."""

    def extent(self, recording: str) -> Extent | None:
        """Return what it holds; None where there is no data."""
        ...

    def writing(self, recording: str) -> Segment | None:
        """Return the segment being written, None while nothing is recorded."""
        ...

    def growth(self, recording: str) -> asyncio.Event:
        """Return what is set as soon as a fragment is added, or a segment closed."""
        ...


class Recordings:
    """The model of recordings and jobs. `RecordingEditor` changes it."""

    def __init__(
        self,
        recordings: Table[Recording],
        jobs: Table[RecordingJob],
        sources: Sources,
        archive: View,
        use_receivers: Callable[[frozenset[str]], None],
    ) -> None:
        """`use_receivers` takes the tokens of the receivers that are recorded, whenever they may have changed."""
        self._recordings = recordings
        self._jobs = jobs
        self._sources = sources
        self._archive = archive
        self._use_receivers = use_receivers
        for job in jobs.values():
            if recordings.get(job.recording) is None:
                _log.warning("job %s is dropped: its recording %s is not configured any more", job.token, job.recording)
                jobs.remove(job.token)
        self._removing: set[str] = set()
        self._activated = [job.token for job in jobs.values()]
        """Tokens of jobs, the latest activated one last."""
        self._watchers: list[Callable[[Change], None]] = []
        self._subscribers: list[Callable[[], None]] = []
        self._assigned: tuple[Assignment, ...] = ()
        self._told: dict[str, JobStatus] = {}
        self.reported: Callable[[str, str], tuple[JobState, str]] = _idle
        """The recorder's state of a recording's track and its error; whoever builds the recorder sets it."""

    # What there is

    def all(self) -> tuple[Recording, ...]:
        """Return every recording, the configured ones first."""
        return self._recordings.values()

    def jobs(self) -> tuple[RecordingJob, ...]:
        """Return every job, the configured ones first."""
        return self._jobs.values()

    def recording(self, token: str) -> Recording:
        """Return a recording. Raises RecordingError NoRecording."""
        found = self._recordings.get(token)
        if found is None:
            raise RecordingError(Reason.NO_RECORDING, f"recording token {token!r} does not exist")
        return found

    def track(self, recording: str, token: str) -> RecordingTrack:
        """Return a track of a recording. Raises RecordingError NoRecording or NoTrack."""
        for track in self.recording(recording).tracks:
            if track.token == token:
                return track
        raise RecordingError(Reason.NO_TRACK, f"recording {recording!r} has no track with the token {token!r}")

    def job(self, token: str) -> RecordingJob:
        """Return a job. Raises RecordingError NoRecordingJob."""
        found = self._jobs.get(token)
        if found is None:
            raise RecordingError(Reason.NO_JOB, f"recording job token {token!r} does not exist")
        return found

    def matching(self, token: str) -> tuple[Recording, ...]:
        """Return the recordings that a token stands for, the best match first; none for an unknown token.

        Clients know a recording by its own token, by the media profile or receiver that a job records from, by its
        SourceId, or by a profile or AudioSource of the same channel.
        """
        if (own := self._recordings.get(token)) is not None:
            return (own,)
        recorded = {job.recording for job in self.jobs() if token in {source.token for source in job.sources}}
        found = [recording for recording in self.all() if recording.token in recorded]
        if not found:
            names = {token, self._sources.video_source(token) or token}
            found = [recording for recording in self.all() if recording.source.source_id in names]
        return tuple(found)

    def resolve(self, token: str) -> Recording | None:
        """Return the recording that a recording's, profile's or VideoSource's token stands for, or None."""
        return next(iter(self.matching(token)), None)

    def extent(self, token: str) -> Extent | None:
        """Return what a recording holds; None where there is no data."""
        return self._archive.extent(token)

    def writing(self, token: str) -> Segment | None:
        """Return the segment of a recording that is being written, None while nothing is recorded."""
        return self._archive.writing(token)

    def profiles(self) -> tuple[str, ...]:
        """Return the tokens of the media profiles that can be recorded."""
        return self._sources.profiles()

    def refers_to(self, receiver: str) -> bool:
        """Tell whether a job records from a receiver."""
        return any(source.token == receiver for job in self.jobs() for source in job.sources)

    def removing(self, token: str) -> bool:
        """Tell whether a recording is being deleted."""
        return token in self._removing

    # What to record, and what is recorded

    def assignments(self) -> tuple[Assignment, ...]:
        """Return what the recorder has to do, in order of recordings."""
        won = self._winners()
        return tuple(
            found
            for recording in self.all()
            if recording.token in won and recording.token not in self._removing
            if (found := assignment(recording, won[recording.token], self._sources)) is not None
        )

    def status(self, token: str) -> JobStatus:
        """Return what a job does. Raises RecordingError NoRecordingJob."""
        job = self.job(token)
        won = self._winners().get(job.recording)
        reported = partial(self.reported, job.recording) if won is job else None
        return status(job, self.recording(job.recording), reported, self._sources)

    def watch(self, watcher: Callable[[Change], None]) -> None:
        """Have a function called after every change of a recording, track, job or job's state."""
        self._watchers.append(watcher)

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Have a function called when `assignments` changed."""
        self._subscribers.append(subscriber)

    def refresh(self) -> None:
        """Look again at sources and at what the recorder reports, and tell what changed: when either may have."""
        assigned = self.assignments()
        if assigned != self._assigned:
            self._assigned = assigned
            sources = (source for each in assigned for source in self.job(each.job).sources)
            self._use_receivers(frozenset(each.token for each in sources if each.kind is SourceKind.RECEIVER))
            for subscriber in self._subscribers:
                subscriber()
        told, self._told = self._told, {job.token: self.status(job.token) for job in self.jobs()}
        for token, found in self._told.items():
            if told.get(token) != found:
                self.tell(Change(What.JOB_STATE, found.recording, job=token))

    def data_deleted(self, token: str, span: Span) -> None:
        """Tell that a time's data of a recording is gone, of all its tracks."""
        recording = self._recordings.get(token)
        for track in () if recording is None else recording.tracks:
            self.tell(Change(What.DATA_DELETED, token, track.token, span=span))

    # For the editor

    def put_recording(self, recording: Recording) -> None:
        """Keep a new or changed recording."""
        self._recordings.put(recording)

    def put_job(self, job: RecordingJob, *, activated: bool) -> None:
        """Keep a new or changed job; of jobs with equal priority the one that was activated last wins."""
        self._jobs.put(job)
        if activated or job.token not in self._activated:
            self._activated = [*(token for token in self._activated if token != job.token), job.token]

    def set_removing(self, token: str, *, removing: bool) -> None:
        """Stop recording into a recording that is about to go, or begin again."""
        if removing:
            self._removing.add(token)
        else:
            self._removing.discard(token)
        self.refresh()

    def remove_recording(self, token: str) -> None:
        """Forget a recording that has no jobs any more."""
        self._recordings.remove(token)
        self._removing.discard(token)

    def remove_job(self, token: str) -> None:
        """Forget a job."""
        self._jobs.remove(token)
        self._activated.remove(token)

    def tell(self, change: Change) -> None:
        """Tell the watchers of a change."""
        for watcher in self._watchers:
            watcher(change)

    def _winners(self) -> dict[str, RecordingJob]:
        return winners(self.job(token) for token in self._activated)


def _idle(_recording: str, _track: str) -> tuple[JobState, str]:
    return JobState.IDLE, ""
