"""Why requests about recordings are refused."""

from enum import StrEnum

from gateway.domain.errors import ErrorKind, GatewayError


class Reason(StrEnum):
    """Why a request was refused, in the words of ONVIF's faults (Recording Control, Search and Receiver)."""

    NO_RECORDING = "NoRecording"
    NO_TRACK = "NoTrack"
    NO_JOB = "NoRecordingJob"
    BAD_CONFIGURATION = "BadConfiguration"
    BAD_MODE = "BadMode"
    CANNOT_DELETE = "CannotDelete"
    MAX_RECORDINGS = "MaxRecordings"
    MAX_TRACKS = "MaxTracks"
    MAX_JOBS = "MaxRecordingJobs"
    MAX_RECEIVERS = "MaxReceivers"
    NO_RECEIVER = "UnknownToken"
    CANNOT_DELETE_RECEIVER = "CannotDeleteReceiver"
    NO_SESSION = "InvalidToken"
    NO_SOURCE = "InvalidSource"
    BAD_FILTER = "InvalidFilterFault"
    NO_SEARCH = "ResourceProblem"


_KINDS = {
    Reason.NO_RECORDING: ErrorKind.NOT_FOUND,
    Reason.NO_TRACK: ErrorKind.NOT_FOUND,
    Reason.NO_JOB: ErrorKind.NOT_FOUND,
    Reason.BAD_CONFIGURATION: ErrorKind.INVALID,
    Reason.BAD_MODE: ErrorKind.INVALID,
    Reason.CANNOT_DELETE: ErrorKind.CONFLICT,
    Reason.MAX_RECORDINGS: ErrorKind.LIMIT,
    Reason.MAX_TRACKS: ErrorKind.LIMIT,
    Reason.MAX_JOBS: ErrorKind.LIMIT,
    Reason.MAX_RECEIVERS: ErrorKind.LIMIT,
    Reason.NO_RECEIVER: ErrorKind.NOT_FOUND,
    Reason.CANNOT_DELETE_RECEIVER: ErrorKind.CONFLICT,
    Reason.NO_SESSION: ErrorKind.NOT_FOUND,
    Reason.NO_SOURCE: ErrorKind.NOT_FOUND,
    Reason.BAD_FILTER: ErrorKind.INVALID,
    Reason.NO_SEARCH: ErrorKind.LIMIT,
}


class RecordingError(GatewayError):
    """A refused request, with the reason that ONVIF has a name for."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(_KINDS[reason], message)
        self.reason = reason
