"""The events of recordings and receivers: told once, complete, and valid."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from lxml import etree
from onvif_calls import CODEC, CONTRACT
from recording_samples import SECOND, START, Site, job, segment

from gateway.domain.event import Event, PropertyOperation
from gateway.domain.media import MediaKind
from gateway.domain.recording import JobMode, JobState, RecordingSource, Span
from gateway.onvif.events_message import EventMessages
from gateway.onvif.recording_events import RecordingEvents, tell_receivers
from gateway.onvif.recording_schema import job_state
from gateway.services.eventbus import EventBus
from gateway.services.receivers import ReceiverMode, ReceiverState, ReceiverTransport
from gateway.testing.clock import FakeClock

Validate = Callable[[etree._Element], object]
SOURCE = RecordingSource("urn:client:7", "Client", "", "", "")
CONFIG = "tns1:RecordingConfig/"


class Heard(list[Event]):
    """Events in the order of telling."""

    def deliver(self, event: Event) -> None:
        self.append(event)

    def topics(self) -> list[str]:
        """Return the last parts of topics below RecordingConfig, and forget everything."""
        found = [event.topic.removeprefix(CONFIG) for event in self if event.topic.startswith(CONFIG)]
        self.clear()
        return found


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def bus() -> EventBus:
    return EventBus(FakeClock(START))


@pytest.fixture
def heard(site: Site, bus: EventBus) -> Heard:
    RecordingEvents(site.recordings, bus)
    tell_receivers(site.receivers, bus)
    heard = Heard()
    bus.attach(heard)
    return heard


async def test_every_change_is_told(site: Site, bus: EventBus, heard: Heard, validate: Validate) -> None:
    everything = Heard()
    bus.attach(everything)
    made = site.editor.create(SOURCE, "", None)
    assert heard.topics() == ["CreateRecording", "CreateTrack", "CreateTrack", "CreateTrack"]
    site.editor.configure(made.token, SOURCE, "renamed", None)
    site.editor.create_track(made.token, MediaKind.AUDIO, "")
    site.editor.configure_track(made.token, "AUDIO002", "second")
    site.editor.delete_track(made.token, "AUDIO002")
    assert heard.topics() == ["RecordingConfiguration", "CreateTrack", "TrackConfiguration", "DeleteTrack"]
    wanted = replace(job("door"), recording=made.token, configured=False)
    name = site.editor.create_job(wanted).token
    site.editor.set_mode(name, JobMode.IDLE)
    site.recorder.states[made.token] = (JobState.ACTIVE, "")
    site.editor.set_mode(name, JobMode.ACTIVE)
    assert heard.topics() == [
        *("RecordingJobConfiguration", "JobState", "RecordingJobConfiguration", "RecordingJobConfiguration", "JobState")
    ]
    site.record(segment(made.token, 0, 60))
    await site.editor.delete(made.token)
    assert heard.topics() == [
        *("JobState", "DeleteTrackData", "DeleteTrackData", "DeleteTrack", "DeleteTrack", "DeleteTrack"),
        "DeleteRecording",
    ]
    messages = EventMessages(CODEC, bus.topics)
    for event in everything:
        validate(_element(messages.text(event)))


def _element(text: str) -> etree._Element:
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in CONTRACT.prefixes.items() if prefix != "xml")
    return etree.fromstring(f"<e {declared}>{text}</e>")[0]


def test_job_states_are_properties_that_equal_the_answer(site: Site, bus: EventBus, heard: Heard) -> None:
    initial = bus.value(CONFIG + "JobState", (("RecordingJobToken", "Job_yard"),))
    assert initial is not None
    assert initial.data == (("State", "Idle"),)
    site.recorder.states["Recording_yard"] = (JobState.ACTIVE, "")
    site.recordings.refresh()
    (event,) = [each for each in heard if each.topic == CONFIG + "JobState"]
    assert event.operation is PropertyOperation.CHANGED
    assert event.data == (("State", "Active"),)
    assert dict(event.elements)["Information"] == job_state(site.recordings.status("Job_yard"))


def test_the_history_is_told_as_it_is_made(site: Site, bus: EventBus, heard: Heard) -> None:
    site.write(segment("Recording_yard", 5, 10))
    site.recorder.states["Recording_yard"] = (JobState.ACTIVE, "")
    site.recordings.refresh()
    found = [(e.topic.split("/", 1)[1], *dict(e.source).values(), e.data[0][1], e.utc_ns) for e in heard]
    begun = START + 5 * SECOND
    assert [each for each in found if each[0] != "JobState"] == [
        ("Recording/State", "Recording_yard", "true", begun),
        ("Track/State", "Recording_yard", "VIDEO001", "true", begun),
        ("Track/State", "Recording_yard", "AUDIO001", "true", begun),
    ]
    heard.clear()
    site.archive.closed(segment("Recording_yard", 5, 20))
    site.recorder.states["Recording_yard"] = (JobState.IDLE, "")
    site.recordings.refresh()
    ended = [event for event in heard if event.topic.endswith("Recording/State")]
    assert [(event.data, event.utc_ns) for event in ended] == [((("IsRecording", "false"),), START + 20 * SECOND)]


def test_deleted_data_is_told_for_every_track(site: Site, heard: Heard) -> None:
    site.recordings.data_deleted("Recording_yard", Span(START, START + 60 * SECOND))
    assert [dict(event.source)["TrackToken"] for event in heard] == ["VIDEO001", "AUDIO001", "META001"]
    assert dict(heard[0].data) == {"StartTime": "2023-11-14T22:13:20Z", "EndTime": "2023-11-14T22:14:20Z"}


def test_receivers_tell_their_state_without_their_password(site: Site, heard: Heard) -> None:
    receiver = site.receivers.create(ReceiverMode.ALWAYS, "rtsp://me:secret@192.0.2.9:554/1", ReceiverTransport.RTSP)
    site.connections.states[receiver.token] = ReceiverState.NOT_CONNECTED
    site.receivers.refresh()
    uri = ("MediaUri", "rtsp://192.0.2.9:554/1")
    assert [(event.topic, event.data) for event in heard] == [
        ("tns1:Receiver/ChangeState", (("NewState", "Connecting"), uri)),
        ("tns1:Receiver/ChangeState", (("NewState", "NotConnected"), uri)),
        ("tns1:Receiver/ConnectionFailed", (uri,)),
    ]


def test_no_state_is_left_without_storage(site: Site, bus: EventBus) -> None:
    events = RecordingEvents(site.recordings, bus)
    assert len(bus.properties()) == 3 + 3 * 4
    events.withdraw()
    assert bus.properties() == ()
