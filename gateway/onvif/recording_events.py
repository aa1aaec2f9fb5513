"""The events of recordings and receivers (Recording Control §6, Recording Search §5.24, Receiver §5.11)."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway.domain.event import Event, Items, TopicDescription
from gateway.onvif import recording_schema as schema
from gateway.onvif.simple import write_date_time
from gateway.services.history import RECORDING_STATE, TRACK_STATE
from gateway.services.receivers import Receiver, Receivers, ReceiverState
from gateway.services.recordings import Change, Recordings, What

_CONFIG = "tns1:RecordingConfig/"
_RECORDING = ("RecordingToken", "tt:RecordingReference")
_TRACK = ("TrackToken", "tt:TrackReference")
_JOB = ("RecordingJobToken", "tt:RecordingJobReference")
_RECEIVER = ("ReceiverToken", "tt:ReferenceToken")

JOB_STATE = _CONFIG + "JobState"
CHANGE_STATE, CONNECTION_FAILED = "tns1:Receiver/ChangeState", "tns1:Receiver/ConnectionFailed"

RECORDING_TOPICS = (
    TopicDescription(
        JOB_STATE,
        is_property=True,
        source=(_JOB,),
        data=(("State", "xs:string"),),
        elements=(("Information", "tt:RecordingJobStateInformation"),),
    ),
    TopicDescription(
        _CONFIG + "RecordingConfiguration",
        source=(_RECORDING,),
        elements=(("Configuration", "tt:RecordingConfiguration"),),
    ),
    TopicDescription(
        _CONFIG + "TrackConfiguration",
        source=(_RECORDING, _TRACK),
        elements=(("Configuration", "tt:TrackConfiguration"),),
    ),
    TopicDescription(
        _CONFIG + "RecordingJobConfiguration",
        source=(_JOB,),
        elements=(("Configuration", "tt:RecordingJobConfiguration"),),
    ),
    TopicDescription(
        _CONFIG + "DeleteTrackData",
        source=(_RECORDING, _TRACK),
        data=(("StartTime", "xs:dateTime"), ("EndTime", "xs:dateTime")),
    ),
    TopicDescription(_CONFIG + "CreateRecording", source=(_RECORDING,)),
    TopicDescription(_CONFIG + "DeleteRecording", source=(_RECORDING,)),
    TopicDescription(_CONFIG + "CreateTrack", source=(_RECORDING, _TRACK)),
    TopicDescription(_CONFIG + "DeleteTrack", source=(_RECORDING, _TRACK)),
    TopicDescription(
        RECORDING_STATE,
        is_property=True,
        source=(("RecordingToken", "tt:ReferenceToken"),),
        data=(("IsRecording", "xs:boolean"),),
    ),
    TopicDescription(
        TRACK_STATE,
        is_property=True,
        source=(("RecordingToken", "tt:ReferenceToken"), ("Track", "tt:ReferenceToken")),
        data=(("IsDataPresent", "xs:boolean"),),
    ),
)

RECEIVER_TOPICS = (
    TopicDescription(
        CHANGE_STATE, source=(_RECEIVER,), data=(("NewState", "tt:ReceiverState"), ("MediaUri", "xs:anyURI"))
    ),
    TopicDescription(CONNECTION_FAILED, source=(_RECEIVER,), data=(("MediaUri", "xs:anyURI"),)),
)


class Bus(Protocol):
    """What is asked of the event bus."""

    def declare(self, *descriptions: TopicDescription) -> None:
        """Announce topics."""
        ...

    def publish(self, event: Event) -> None:
        """Tell an event; of a property only what changed is told."""
        ...

    def delete(self, topic: str, source: Items = (), key: Items = ()) -> None:
        """Tell that a property is gone."""
        ...

    def delete_source(self, *source: tuple[str, str]) -> None:
        """Tell that all properties of a source are gone."""
        ...


class RecordingEvents:
    """Tells on the bus what happens to recordings, tracks and jobs."""

    def __init__(self, recordings: Recordings, bus: Bus) -> None:
        self._recordings = recordings
        self._bus = bus
        self._writers: Mapping[What, Callable[[Change], Event]] = {
            What.RECORDING_CHANGED: self._recording_changed,
            What.TRACK_CHANGED: self._track_changed,
            What.JOB_CHANGED: self._job_changed,
            What.JOB_STATE: self._job_state,
            What.DATA_DELETED: _data_deleted,
        }
        bus.declare(*RECORDING_TOPICS)
        recordings.watch(self._changed)
        for job in recordings.jobs():
            self._changed(Change(What.JOB_STATE, job.recording, job=job.token))
        for recording in recordings.all():
            self.tell_history(recording.token)

    def tell_history(self, token: str) -> None:
        """Tell whether a recording and its tracks have data coming in, when that may have changed."""
        segment, extent = self._recordings.writing(token), self._recordings.extent(token)
        present = segment.tracks if segment is not None else ()
        ended_ns = extent.span.end_ns if extent is not None else 0
        utc_ns = segment.run_ns if segment is not None else ended_ns
        source = {"RecordingToken": token}
        self._bus.publish(Event.of(RECORDING_STATE, source, {"IsRecording": segment is not None}, utc_ns=utc_ns))
        for track in self._recordings.recording(token).tracks:
            data = {"IsDataPresent": track.token in present}
            self._bus.publish(Event.of(TRACK_STATE, {**source, "Track": track.token}, data, utc_ns=utc_ns))

    def withdraw(self) -> None:
        """Tell that all states are gone: nothing is recorded from now on."""
        for job in self._recordings.jobs():
            self._bus.delete(JOB_STATE, ((_JOB[0], job.token),))
        for recording in self._recordings.all():
            self._bus.delete_source((_RECORDING[0], recording.token))

    def _changed(self, change: Change) -> None:
        if change.what is What.JOB_DELETED:
            self._bus.delete(JOB_STATE, ((_JOB[0], change.job),))
            return
        if change.what is What.RECORDING_DELETED:
            self._bus.delete_source((_RECORDING[0], change.recording))
        elif change.what is What.TRACK_DELETED:
            self._bus.delete(TRACK_STATE, ((_RECORDING[0], change.recording), ("Track", change.track)))
        self._bus.publish(self._writers.get(change.what, _plain)(change))
        if change.what in (What.JOB_STATE, What.RECORDING_CREATED, What.TRACK_CREATED):
            self.tell_history(change.recording)

    def _recording_changed(self, change: Change) -> Event:
        recording = self._recordings.recording(change.recording)
        return _plain(change, Configuration=schema.recording_configuration(recording))

    def _track_changed(self, change: Change) -> Event:
        track = self._recordings.track(change.recording, change.track)
        return _plain(change, Configuration=schema.track_configuration(track))

    def _job_changed(self, change: Change) -> Event:
        configuration = schema.job_configuration(self._recordings.job(change.job))
        return Event.of(_CONFIG + change.what, {_JOB[0]: change.job}, elements={"Configuration": configuration})

    def _job_state(self, change: Change) -> Event:
        state = schema.job_state(self._recordings.status(change.job))
        return Event.of(JOB_STATE, {_JOB[0]: change.job}, {"State": state["State"]}, elements={"Information": state})


def tell_receivers(receivers: Receivers, bus: Bus) -> None:
    """Tell on the bus from now on when receivers connect, and when they can't."""
    bus.declare(*RECEIVER_TOPICS)

    def changed(receiver: Receiver, old: ReceiverState, new: ReceiverState) -> None:
        source = {_RECEIVER[0]: receiver.token}
        uri = {"MediaUri": without_login(receiver.uri)}
        bus.publish(Event.of(CHANGE_STATE, source, {"NewState": str(new), **uri}))
        if old is ReceiverState.CONNECTING and new is ReceiverState.NOT_CONNECTED:
            bus.publish(Event.of(CONNECTION_FAILED, source, uri))

    receivers.watch(changed)


def _plain(change: Change, **elements: Mapping[str, Any]) -> Event:
    source = {_RECORDING[0]: change.recording} | ({_TRACK[0]: change.track} if change.track else {})
    return Event.of(_CONFIG + change.what, source, elements=elements)


def _data_deleted(change: Change) -> Event:
    if change.span is None:
        raise ValueError("deleted data has a span")
    source = {_RECORDING[0]: change.recording, _TRACK[0]: change.track}
    times = {
        "StartTime": write_date_time(schema.moment(change.span.start_ns)),
        "EndTime": write_date_time(schema.moment(change.span.end_ns)),
    }
    return Event.of(_CONFIG + change.what, source, times)


def without_login(uri: str) -> str:
    """Return a URI without its user and password."""
    scheme, separator, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
