"""The RecordingControl service: recordings, their tracks, and the jobs that fill them."""

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from gateway.domain.media import MediaKind
from gateway.onvif import recording_schema as schema
from gateway.onvif.capabilities import RECORDING
from gateway.onvif.context import Context
from gateway.onvif.recording_faults import faulting
from gateway.onvif.recording_schema import Plain
from gateway.services.recordings import Recordings
from gateway.services.recordings_editing import (
    AFTER_LIMIT,
    BEFORE_LIMIT,
    CLIENT_JOBS,
    CLIENT_RECORDINGS,
    RecordingEditor,
)

Audit = Callable[[Context, str, str], None]
"""Takes the caller, the operation and what it was about."""

ENCODINGS = ("H264", "H265", "AAC", "G711", "OPUS")


class RecordingService:
    """Operations of the recording control service (Recording Control Service Specification)."""

    namespace: ClassVar[str] = RECORDING
    path: ClassVar[str] = "/onvif/recording_service"

    def __init__(self, recordings: Recordings, editor: RecordingEditor, audit: Audit) -> None:
        self._recordings = recordings
        self._editor = editor
        self._audit = audit

    def capabilities(self) -> Plain:
        """Return what is announced: only what works."""
        return {
            "DynamicRecordings": True,
            "DynamicTracks": True,
            "Encoding": list(ENCODINGS),
            "MaxRecordings": float(sum(each.configured for each in self._recordings.all()) + CLIENT_RECORDINGS),
            "MaxRecordingJobs": sum(each.configured for each in self._recordings.jobs()) + CLIENT_JOBS,
            "Options": True,
            "MetadataRecording": True,
            "EventRecording": True,
            "BeforeEventLimit": timedelta(seconds=BEFORE_LIMIT),
            "AfterEventLimit": timedelta(seconds=AFTER_LIMIT),
            "ScheduledRecording": False,
            "OnboardStorage": True,
        }

    async def GetRecordings(self, _request: Plain, _context: Context) -> Plain:
        """List recordings with their tracks."""
        return {"RecordingItem": [schema.recording_item(recording) for recording in self._recordings.all()]}

    @faulting
    async def CreateRecording(self, request: Plain, context: Context) -> Plain:
        """Make a recording with a track of each kind."""
        wanted = request["RecordingConfiguration"]
        source, days = schema.read_source(wanted), schema.read_retention(wanted)
        recording = self._editor.create(source, wanted["Content"], days)
        self._audit(context, "CreateRecording", recording.token)
        return {"RecordingToken": recording.token}

    @faulting
    async def DeleteRecording(self, request: Plain, context: Context) -> Plain:
        """Delete a recording that a client made, with its data, tracks and jobs."""
        token = request["RecordingToken"]
        await self._editor.delete(token)
        self._audit(context, "DeleteRecording", token)
        return {}

    @faulting
    async def GetRecordingConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Return the configuration of a recording."""
        recording = self._recordings.recording(request["RecordingToken"])
        return {"RecordingConfiguration": schema.recording_configuration(recording)}

    @faulting
    async def SetRecordingConfiguration(self, request: Plain, context: Context) -> Plain:
        """Change the configuration of a recording."""
        token, wanted = request["RecordingToken"], request["RecordingConfiguration"]
        self._recordings.recording(token)
        source, days = schema.read_source(wanted), schema.read_retention(wanted)
        self._editor.configure(token, source, wanted["Content"], days)
        self._audit(context, "SetRecordingConfiguration", token)
        return {}

    @faulting
    async def GetRecordingOptions(self, request: Plain, _context: Context) -> Plain:
        """Tell how many jobs and tracks can be added to a recording, and what it can record."""
        token = request["RecordingToken"]
        video, audio, metadata = (
            self._editor.spare_tracks(token, kind) for kind in (MediaKind.VIDEO, MediaKind.AUDIO, MediaKind.APPLICATION)
        )
        spare = {
            "SpareTotal": video + audio + metadata,
            "SpareVideo": video,
            "SpareAudio": audio,
            "SpareMetadata": metadata,
        }
        job = {"Spare": self._editor.spare_jobs, "CompatibleSources": list(self._recordings.profiles())}
        return {"Options": {"Job": job, "Track": spare}}

    @faulting
    async def CreateTrack(self, request: Plain, context: Context) -> Plain:
        """Add a track to a recording."""
        token = request["RecordingToken"]
        self._recordings.recording(token)
        track = self._editor.create_track(token, *schema.read_track(request["TrackConfiguration"]))
        self._audit(context, "CreateTrack", f"{token} {track.token}")
        return {"TrackToken": track.token}

    @faulting
    async def DeleteTrack(self, request: Plain, context: Context) -> Plain:
        """Remove a track without data from a recording."""
        token, track = request["RecordingToken"], request["TrackToken"]
        self._editor.delete_track(token, track)
        self._audit(context, "DeleteTrack", f"{token} {track}")
        return {}

    @faulting
    async def GetTrackConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Return the configuration of a track."""
        track = self._recordings.track(request["RecordingToken"], request["TrackToken"])
        return {"TrackConfiguration": schema.track_configuration(track)}

    @faulting
    async def SetTrackConfiguration(self, request: Plain, context: Context) -> Plain:
        """Change the description of a track; a given type is ignored, as the specification says."""
        token, track = request["RecordingToken"], request["TrackToken"]
        self._editor.configure_track(token, track, request["TrackConfiguration"]["Description"])
        self._audit(context, "SetTrackConfiguration", f"{token} {track}")
        return {}

    async def GetRecordingJobs(self, _request: Plain, _context: Context) -> Plain:
        """List jobs with their configurations."""
        return {
            "JobItem": [
                {"JobToken": job.token, "JobConfiguration": schema.job_configuration(job)}
                for job in self._recordings.jobs()
            ]
        }

    @faulting
    async def CreateRecordingJob(self, request: Plain, context: Context) -> Plain:
        """Make a job, with a receiver of its own if that is asked for."""
        job = self._editor.create_job(schema.read_job(request["JobConfiguration"]))
        self._audit(context, "CreateRecordingJob", f"{job.token} into {job.recording}")
        return {"JobToken": job.token, "JobConfiguration": schema.job_configuration(job)}

    @faulting
    async def DeleteRecordingJob(self, request: Plain, context: Context) -> Plain:
        """Delete a job that a client made."""
        token = request["JobToken"]
        self._editor.delete_job(token)
        self._audit(context, "DeleteRecordingJob", token)
        return {}

    @faulting
    async def GetRecordingJobConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Return the configuration of a job."""
        return {"JobConfiguration": schema.job_configuration(self._recordings.job(request["JobToken"]))}

    @faulting
    async def SetRecordingJobConfiguration(self, request: Plain, context: Context) -> Plain:
        """Change the configuration of a job."""
        token = request["JobToken"]
        self._recordings.job(token)
        job = self._editor.configure_job(token, schema.read_job(request["JobConfiguration"]))
        self._audit(context, "SetRecordingJobConfiguration", token)
        return {"JobConfiguration": schema.job_configuration(job)}

    @faulting
    async def SetRecordingJobMode(self, request: Plain, context: Context) -> Plain:
        """Make a job active or idle."""
        token, mode = request["JobToken"], request["Mode"]
        self._recordings.job(token)
        self._editor.set_mode(token, schema.read_mode(mode))
        self._audit(context, "SetRecordingJobMode", f"{token} {mode}")
        return {}

    @faulting
    async def GetRecordingJobState(self, request: Plain, _context: Context) -> Plain:
        """Tell what a job really does."""
        return {"State": schema.job_state(self._recordings.status(request["JobToken"]))}
