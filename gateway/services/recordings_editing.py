"""What clients change of recordings, tracks and jobs, and the rules that they keep."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind
from gateway.domain.recording import (
    TRACK_OF_KIND,
    JobMode,
    JobSource,
    Recording,
    RecordingJob,
    RecordingSource,
    RecordingTrack,
    Retention,
    SourceKind,
)
from gateway.services.recordings import Change, Recordings, What
from gateway.services.recordings_errors import Reason, RecordingError
from gateway.services.recordings_jobs import Sources, all_tracks

CLIENT_RECORDINGS = 32
CLIENT_JOBS = 64
"""How many recordings and jobs clients may make, besides the configured ones."""

TRACKS_PER_KIND = 4
"""Tracks of one kind in a recording. One of each kind is recorded at a time."""

MAX_DAYS = 360
SHORT_TEXT = 256
"""Characters in a source's id, name and address; longer ones are refused."""

LONG_TEXT = 1024
"""Characters kept of a description: a device may truncate it (Recording Control §5.2.1)."""

BEFORE_LIMIT, AFTER_LIMIT = 60.0, 3600.0
"""Seconds that a job can record before and after an event."""

STOP_SECONDS = 10.0
"""How long the recorder may take to close the file of a recording that is to be deleted."""


class Receivers(Protocol):
    """The RTSP receivers, as jobs need them."""

    def create_automatic(self) -> str:
        """Make a receiver for a job and return its token. Raises GatewayError LIMIT."""
        ...

    def release(self, token: str) -> None:
        """Delete a receiver that was made for a job, now that no job needs it."""
        ...


class RecordingEditor:
    """Changes the model on behalf of clients."""

    def __init__(
        self,
        recordings: Recordings,
        sources: Sources,
        receivers: Receivers,
        stopped: Callable[[str], Awaitable[None]],
        erase: Callable[[str], Awaitable[None]],
        make_token: Callable[[str], str] | None = None,
    ) -> None:
        """`stopped` waits until nothing is written to a recording without jobs; then `erase` deletes all its data.

        `erase` raises GatewayError if it can't.
        """
        self._recordings = recordings
        self._sources = sources
        self._receivers = receivers
        self._stopped = stopped
        self._erase = erase
        self._make_token = make_token or (lambda prefix: f"{prefix}_{secrets.token_hex(4)}")

    # Recordings

    @property
    def spare_recordings(self) -> int:
        """How many recordings clients can still make."""
        return CLIENT_RECORDINGS - sum(not recording.configured for recording in self._recordings.all())

    def create(self, source: RecordingSource, content: str, max_days: int | None) -> Recording:
        """Make a recording with one track of each kind. Raises RecordingError MaxRecordings or BadConfiguration."""
        if self.spare_recordings <= 0:
            message = f"there are already {CLIENT_RECORDINGS} recordings made by clients"
            raise RecordingError(Reason.MAX_RECORDINGS, message)
        tracks = tuple(RecordingTrack(token, kind) for kind, token in TRACK_OF_KIND.items())
        recording = Recording(
            self._make_token("Recording"),
            _checked(source),
            content[:LONG_TEXT],
            Retention(_days(max_days)),
            tracks,
            configured=False,
        )
        self._recordings.put_recording(recording)
        self._recordings.tell(Change(What.RECORDING_CREATED, recording.token))
        for track in tracks:
            self._recordings.tell(Change(What.TRACK_CREATED, recording.token, track.token))
        return recording

    def configure(self, token: str, source: RecordingSource, content: str, max_days: int | None) -> None:
        """Change a recording. Raises RecordingError NoRecording or BadConfiguration."""
        recording = self._recordings.recording(token)
        if recording.configured and max_days != recording.retention.max_days:
            message = f"the retention of the configured recording {token!r} is changed in the configuration only"
            raise RecordingError(Reason.BAD_CONFIGURATION, message)
        changed = replace(
            recording,
            source=_checked(source),
            content=content[:LONG_TEXT],
            retention=replace(recording.retention, max_days=_days(max_days)),
        )
        self._recordings.put_recording(changed)
        self._recordings.tell(Change(What.RECORDING_CHANGED, token))

    async def delete(self, token: str) -> None:
        """Delete a recording with its data, tracks and jobs. Raises RecordingError NoRecording or CannotDelete."""
        recording = self._recordings.recording(token)
        if recording.configured:
            message = f"recording {token!r} is part of the configuration and can't be deleted by a client"
            raise RecordingError(Reason.CANNOT_DELETE, message)
        if self._recordings.removing(token):
            raise RecordingError(Reason.CANNOT_DELETE, f"recording {token!r} is being deleted already")
        extent = self._recordings.extent(token)
        self._recordings.set_removing(token, removing=True)
        try:
            await self._written(token)
            await self._erase(token)
        except GatewayError as error:
            self._recordings.set_removing(token, removing=False)
            message = f"recording {token!r} can't be deleted: {error.message}"
            raise RecordingError(Reason.CANNOT_DELETE, message) from error
        for job in self._recordings.jobs():
            if job.recording == token:
                self._drop_job(job)
        self._recordings.remove_recording(token)
        self._recordings.refresh()
        for held in extent.tracks if extent is not None else ():
            self._recordings.tell(Change(What.DATA_DELETED, token, held.token, span=held.span))
        for track in recording.tracks:
            self._recordings.tell(Change(What.TRACK_DELETED, token, track.token))
        self._recordings.tell(Change(What.RECORDING_DELETED, token))

    async def _written(self, token: str) -> None:
        """Wait until nothing is written to a recording any more. Raises GatewayError CONFLICT when it goes on."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._stopped(token)
        except TimeoutError:
            message = f"it is still being written after {STOP_SECONDS:g} seconds"
            raise GatewayError(ErrorKind.CONFLICT, message) from None

    # Tracks

    def spare_tracks(self, token: str, kind: MediaKind) -> int:
        """Return how many tracks of a kind a recording has room for. Raises RecordingError NoRecording."""
        tracks = self._recordings.recording(token).tracks
        return TRACKS_PER_KIND - sum(track.kind is kind for track in tracks)

    def create_track(self, token: str, kind: MediaKind, description: str) -> RecordingTrack:
        """Add a track to a recording. Raises RecordingError NoRecording or MaxTracks."""
        recording = self._recordings.recording(token)
        if self.spare_tracks(token, kind) <= 0:
            message = f"recording {token!r} already has {TRACKS_PER_KIND} {kind} tracks"
            raise RecordingError(Reason.MAX_TRACKS, message)
        used = {track.token for track in recording.tracks}
        prefix = TRACK_OF_KIND[kind][:-3]
        names = (f"{prefix}{number:03}" for number in range(1, TRACKS_PER_KIND + 1))
        track = RecordingTrack(next(name for name in names if name not in used), kind, description[:LONG_TEXT])
        self._recordings.put_recording(replace(recording, tracks=(*recording.tracks, track)))
        self._recordings.tell(Change(What.TRACK_CREATED, token, track.token))
        return track

    def configure_track(self, token: str, track: str, description: str) -> None:
        """Change a track's description; its kind stays. Raises RecordingError NoRecording or NoTrack."""
        recording, old = self._recordings.recording(token), self._recordings.track(token, track)
        new = replace(old, description=description[:LONG_TEXT])
        tracks = tuple(new if each is old else each for each in recording.tracks)
        self._recordings.put_recording(replace(recording, tracks=tracks))
        self._recordings.tell(Change(What.TRACK_CHANGED, token, track))

    def delete_track(self, token: str, track: str) -> None:
        """Remove a track without data. Raises RecordingError NoRecording, NoTrack or CannotDelete.

        One that holds data can't go alone: it shares its files with the other tracks of its recording.
        """
        recording, old = self._recordings.recording(token), self._recordings.track(token, track)
        extent = self._recordings.extent(token)
        held = {each.token for each in extent.tracks} if extent is not None else set()
        used = {
            entry.destination
            for job in self._recordings.jobs()
            if job.recording == token and job.mode is JobMode.ACTIVE
            for source in job.sources
            for entry in source.tracks
        }
        for reason, tracks in (("holds data", held), ("is recorded to by an active job", used)):
            if track in tracks:
                message = f"track {track!r} of recording {token!r} can't be deleted: it {reason}"
                raise RecordingError(Reason.CANNOT_DELETE, message)
        self._recordings.put_recording(
            replace(recording, tracks=tuple(each for each in recording.tracks if each is not old))
        )
        self._recordings.tell(Change(What.TRACK_DELETED, token, track))

    # Jobs

    @property
    def spare_jobs(self) -> int:
        """How many jobs clients can still make."""
        return CLIENT_JOBS - sum(not job.configured for job in self._recordings.jobs())

    def create_job(self, wanted: RecordingJob) -> RecordingJob:
        """Make a job; its token is chosen here. Raises RecordingError of any kind."""
        if self.spare_jobs <= 0:
            raise RecordingError(Reason.MAX_JOBS, f"there are already {CLIENT_JOBS} recording jobs made by clients")
        job = replace(wanted, token=self._make_token("Job"), sources=self._sources_of(wanted), configured=False)
        self._put_job(job, activated=True)
        return job

    def configure_job(self, token: str, wanted: RecordingJob) -> RecordingJob:
        """Change a job and return it as it is used. Raises RecordingError of any kind."""
        old = self._recordings.job(token)
        if wanted.recording != old.recording:
            message = f"job {token!r} records into {old.recording!r}; that can't be changed to {wanted.recording!r}"
            raise RecordingError(Reason.BAD_CONFIGURATION, message)
        trigger = replace(wanted.trigger, schedule=old.trigger.schedule)
        job = replace(wanted, token=token, sources=self._sources_of(wanted), trigger=trigger, configured=old.configured)
        self._put_job(job, activated=old.mode is JobMode.IDLE)
        self._release(old)
        return job

    def set_mode(self, token: str, mode: JobMode) -> None:
        """Make a job active or idle. Raises RecordingError NoRecordingJob."""
        old = self._recordings.job(token)
        self._put_job(replace(old, mode=mode), activated=old.mode is JobMode.IDLE)

    def delete_job(self, token: str) -> None:
        """Delete a job. Raises RecordingError NoRecordingJob, or CannotDelete for a configured one."""
        job = self._recordings.job(token)
        if job.configured:
            message = f"job {token!r} is part of the configuration; a client can make it idle but not delete it"
            raise RecordingError(Reason.CANNOT_DELETE, message)
        self._drop_job(job)
        self._recordings.refresh()

    def _put_job(self, job: RecordingJob, *, activated: bool) -> None:
        self._recordings.put_job(job, activated=activated and job.mode is JobMode.ACTIVE)
        self._recordings.tell(Change(What.JOB_CHANGED, job.recording, job=job.token))
        self._recordings.refresh()

    def _drop_job(self, job: RecordingJob) -> None:
        self._recordings.remove_job(job.token)
        self._recordings.tell(Change(What.JOB_DELETED, job.recording, job=job.token))
        self._release(job)

    def _release(self, job: RecordingJob) -> None:
        """Delete receivers that were made for a job's sources and serve no job any more."""
        used = {source.token for other in self._recordings.jobs() for source in other.sources}
        for source in job.sources:
            if source.auto_created and source.token not in used:
                self._receivers.release(source.token)

    def _sources_of(self, wanted: RecordingJob) -> tuple[JobSource, ...]:
        """Return a wanted job's sources, checked and completed."""
        recording = self._recordings.recording(wanted.recording)
        if wanted.priority < 0:
            raise RecordingError(Reason.BAD_CONFIGURATION, f"priority {wanted.priority} is negative")
        if len(wanted.sources) != 1:
            message = f"a recording job has exactly one source, not {len(wanted.sources)}"
            raise RecordingError(Reason.BAD_CONFIGURATION, message)
        (source,) = wanted.sources
        tracks = {track.token for track in recording.tracks}
        for entry in source.tracks:
            if entry.destination not in tracks:
                message = f"recording {recording.token!r} has no track {entry.destination!r} to record to"
                raise RecordingError(Reason.BAD_CONFIGURATION, message)
        return (replace(self._existing(source), tracks=source.tracks or all_tracks(recording)),)

    def _existing(self, source: JobSource) -> JobSource:
        if source.token:
            known = [each for job in self._recordings.jobs() for each in job.sources if each.auto_created]
            if self._sources.live(source) is None:
                noun = "receiver" if source.kind is SourceKind.RECEIVER else "media profile"
                raise RecordingError(Reason.BAD_CONFIGURATION, f"{noun} token {source.token!r} does not exist")
            return replace(source, auto_created=any(each.token == source.token for each in known))
        if not source.auto_created:
            raise RecordingError(Reason.BAD_CONFIGURATION, "a recording job needs a source token or AutoCreateReceiver")
        try:
            return replace(source, kind=SourceKind.RECEIVER, token=self._receivers.create_automatic())
        except GatewayError as error:
            raise RecordingError(Reason.MAX_RECEIVERS, error.message) from error


def _checked(source: RecordingSource) -> RecordingSource:
    for name, value in (("SourceId", source.source_id), ("Name", source.name), ("Address", source.address)):
        if len(value) > SHORT_TEXT:
            message = f"{name} {value[:20]!r}… has {len(value)} characters, more than {SHORT_TEXT}"
            raise RecordingError(Reason.BAD_CONFIGURATION, message)
    return replace(source, location=source.location[:LONG_TEXT], description=source.description[:LONG_TEXT])


def _days(max_days: int | None) -> int | None:
    if max_days is not None and not 1 <= max_days <= MAX_DAYS:
        message = f"a retention of {max_days} days is not possible: 1 to {MAX_DAYS}, or PT0S for unlimited"
        raise RecordingError(Reason.BAD_CONFIGURATION, message)
    return max_days
