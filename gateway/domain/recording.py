"""The archive in values: recordings with their tracks and jobs, segments with their fragments, spans and holds.

All times are UTC nanoseconds since the Unix epoch; a span includes its start and ends before its end.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.media import MediaKind

VIDEO_TRACK, AUDIO_TRACK, METADATA_TRACK = "VIDEO001", "AUDIO001", "META001"
"""Track tokens that every recording begins with (ONVIF Recording Control §5.2)."""

TRACK_OF_KIND = {
    MediaKind.VIDEO: VIDEO_TRACK,
    MediaKind.AUDIO: AUDIO_TRACK,
    MediaKind.APPLICATION: METADATA_TRACK,
}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """One GOP inside a segment file, with the other tracks' samples of that time."""

    offset: int
    size: int
    start_ns: int
    end_ns: int
    motion: int = 0
    """Strongest motion seen in it, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of about a minute, known by its recording and start. While it is written it grows."""

    recording: str
    start_ns: int
    end_ns: int
    run_ns: int
    """Start of the gap-free run that it belongs to: equal in neighbours that nothing is missing between."""
    storage: str
    """Id of the storage that holds it."""
    name: str
    """Name of the object there: relative, `/` between its parts."""
    size: int
    tracks: tuple[str, ...]
    """Tokens of the tracks that have samples in it."""
    fragments: tuple[Fragment, ...]
    """In order; the file's header is what comes before the first."""
    closed: bool = True
    origin: str = ""
    """Empty when recorded here, else where it was fetched from."""

    @property
    def span(self) -> Span:
        """Return the time that it covers."""
        return Span(self.start_ns, self.end_ns)


@dataclass(frozen=True, slots=True)
class TrackExtent:
    """First and last time that a track has data of."""

    token: str
    span: Span


@dataclass(frozen=True, slots=True)
class Extent:
    """What a recording holds: the time from first to last data (gaps included), per track too, and its bytes."""

    span: Span
    tracks: tuple[TrackExtent, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A protected range: nothing deletes it but the one who may end it."""

    id: str
    recording: str
    span: Span
    reason: str
    created_by: str


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept. The documentation says which rule wins: holds, then `min_days`, then days, bytes and free space."""

    max_days: int | None = None
    """1 to 360, None is unlimited."""
    max_bytes: int | None = None
    min_days: int = 0
    """Younger footage goes only when nothing else can make room."""


@dataclass(frozen=True, slots=True)
class RecordingSource:
    """Where a recording comes from, as a VMS reads it (tt:RecordingSourceInformation)."""

    source_id: str
    name: str
    location: str = ""
    description: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class RecordingTrack:
    """A track of a recording."""

    token: str
    kind: MediaKind
    description: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """The long-lived container of one source's tracks."""

    token: str
    source: RecordingSource
    content: str
    retention: Retention
    tracks: tuple[RecordingTrack, ...]
    configured: bool
    """Made by the operator's configuration, not by a client; a client can't delete it."""


class JobMode(StrEnum):
    """What a client wants of a job (tt:RecordingJobConfiguration Mode)."""

    IDLE = "Idle"
    ACTIVE = "Active"


class JobState(StrEnum):
    """What a job, a source or a track really does (tt:RecordingJobState)."""

    IDLE = "Idle"
    PARTIALLY_ACTIVE = "PartiallyActive"
    ACTIVE = "Active"
    ERROR = "Error"


class SourceKind(StrEnum):
    """What a job records from."""

    PROFILE = "http://www.onvif.org/ver10/schema/Profile"
    RECEIVER = "http://www.onvif.org/ver10/schema/Receiver"


@dataclass(frozen=True, slots=True)
class JobTrack:
    """One track of a source and the track of the recording that it goes to."""

    source_tag: str
    destination: str


@dataclass(frozen=True, slots=True)
class JobSource:
    """One source of a job."""

    kind: SourceKind
    token: str
    tracks: tuple[JobTrack, ...] = ()
    auto_created: bool = False
    """The receiver was made for this job and goes with it."""


@dataclass(frozen=True, slots=True)
class WeeklyPeriod:
    """A part of every week in the local time of the gateway: Monday is 0; minutes of the day, the end excluded."""

    weekday: int
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """When an active job records. Without schedule and topics: always."""

    schedule: tuple[WeeklyPeriod, ...] = ()
    topics: tuple[str, ...] = ()
    """Event topics whose true state is recorded, as `tns1:RuleEngine/CellMotionDetector/Motion`."""
    before_seconds: float = 0.0
    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RecordingJob:
    """Who records what into which recording."""

    token: str
    recording: str
    mode: JobMode
    priority: int
    sources: tuple[JobSource, ...]
    trigger: Trigger = Trigger()
    configured: bool = False


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the recorder has to do: the winning job of one recording, with the stream it reads."""

    recording: str
    job: str
    path: str
    """Path of the live stream, `/live/CAMERA/PROFILE`, or of a receiver's."""
    tracks: tuple[tuple[MediaKind, str], ...]
    """Kinds of track to record, and their tokens in the recording."""
    trigger: Trigger
