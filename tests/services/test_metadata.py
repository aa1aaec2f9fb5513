"""The metadata of a camera's stream: what is told, to whom, and when."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gateway.domain.event import Event, TopicDescription
from gateway.domain.media import AccessUnit, StreamDescription
from gateway.domain.motion import MotionRegion, MotionResult
from gateway.metadata import packetizer_of
from gateway.services.eventbus import EventBus
from gateway.services.metadata import Content, MetadataPorts, MetadataStreams, base_path
from gateway.services.metadata_stream import FOREIGN_NS, SYNC_SECONDS, TRACK, with_metadata
from gateway.services.streams import LiveStream
from gateway.testing.clock import FakeClock
from gateway.testing.streams import START_NS, video_description, video_unit

ALARM = TopicDescription(
    "tns1:VideoSource/MotionAlarm", (("Source", "tt:ReferenceToken"),), (("State", "xs:boolean"),), is_property=True
)
STARTED = TopicDescription("tns1:Device/Started", (), (("Status", "xs:string"),))
PATH = "/live/door/main/metadata"
MOVING = MotionResult(START_NS, frozenset({"picture"}), (MotionRegion(0.1, 0.2, 0.3, 0.4),))
STILL = MotionResult(START_NS + 1)


def alarm(camera: str, *, state: bool = True) -> Event:
    return Event.of(ALARM.topic, {"Source": camera}, {"State": state})


@dataclass
class Reader:
    units: list[AccessUnit] = field(default_factory=list)
    descriptions: list[StreamDescription] = field(default_factory=list)

    def deliver(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def described(self, description: StreamDescription) -> None:
        self.descriptions.append(description)

    def documents(self) -> list[str]:
        """Return the documents that came since the last time."""
        found = [bytes(unit.payload()[0]).decode() for unit in self.units if unit.track == 1]
        self.units.clear()
        return found


class Site:
    """Two cameras on a bus; a document is written `events|scenes`, an event as its source and state."""

    def __init__(self) -> None:
        self.clock = FakeClock(START_NS)
        self.bus = EventBus(self.clock)
        self.bus.declare(ALARM, STARTED)
        self.cameras = {f"/live/{name}/main": LiveStream(f"/live/{name}/main") for name in ("door", "yard")}
        self.door = self.cameras["/live/door/main"]
        self.streams = MetadataStreams(self, self.bus, MetadataPorts(self.write, packetizer_of, self.clock))
        self.streams.channels = lambda event: frozenset(value for _, value in event.source)

    def stream(self, path: str) -> LiveStream | None:
        return self.cameras.get(path)

    def description(self, path: str) -> StreamDescription | None:
        return video_description() if path in self.cameras else None

    def write(self, events: Sequence[Event], scenes: Sequence[MotionResult]) -> bytes:
        told = [f"{''.join(v for _, v in event.source)}={event.data[0][1]}" for event in events]
        return "|".join([*told, *(f"{len(scene.regions)} moving" for scene in scenes)]).encode()

    def watch(self, path: str = PATH) -> Reader:
        stream, reader = self.streams.stream(path), Reader()
        assert stream is not None
        stream.attach(reader)
        return reader


@pytest.fixture
def site() -> Site:
    site = Site()
    site.door.describe(video_description())
    return site


def test_paths(site: Site) -> None:
    assert site.streams.stream("/live/door/main") is site.door
    assert site.streams.stream(PATH) is site.streams.stream(PATH)
    assert site.streams.description(PATH) == with_metadata(video_description())
    assert site.streams.description("/live/door/metadata") == StreamDescription((TRACK,))
    for unknown in ("/live/ghost/main/metadata", "/live/ghost/metadata", "/live/metadata", "/metadata", "/x"):
        assert site.streams.stream(unknown) is None
        assert site.streams.description(unknown) is None
    assert [base_path(path) for path in (PATH, "/live/door/sub", "/live/door/metadata")] == [
        "/live/door/main",
        "/live/door/sub",
        "/live/door/main",
    ]


def test_what_nobody_reads_reads_nothing(site: Site) -> None:
    stream, reader = site.streams.stream(PATH), Reader()
    assert stream is not None
    stream.attach(reader)
    assert site.door.readers == 1
    stream.detach(reader)
    stream.detach(reader)
    assert site.door.readers == 0
    site.bus.publish(alarm("door"))
    site.streams.scene("door", MOVING)
    assert reader.units == []


def test_units_pass_and_events_of_the_camera_alone_come_between_them(site: Site) -> None:
    reader = site.watch()
    unit = video_unit(1)
    site.door.deliver(unit)
    for camera in ("yard", "door"):
        site.bus.publish(alarm(camera))
    site.bus.publish(Event.of(STARTED.topic, data={"Status": "now"}))
    assert reader.units[0] is unit
    assert reader.documents() == ["door=true"]


def test_a_viewer_starts_with_the_gop_of_the_camera(site: Site) -> None:
    site.door.deliver(first := video_unit(0))
    site.watch()
    stream = site.streams.stream(PATH)
    assert stream is not None
    assert list(stream.gop) == [first]
    assert stream.description == with_metadata(video_description())


async def test_states_are_told_on_request_at_key_frames_and_at_intervals(site: Site) -> None:
    site.bus.publish(alarm("door"))
    site.bus.publish(alarm("yard"))
    reader = site.watch()
    site.streams.synchronize("/live/door/main")
    site.streams.synchronize(PATH)
    assert reader.documents() == ["door=true"]
    site.door.deliver(video_unit(0))
    assert reader.documents() == ["door=true"], "who waited for a key frame was told nothing before it"
    site.door.deliver(video_unit(25))
    assert reader.documents() == []
    await site.clock.advance(SYNC_SECONDS)
    site.door.deliver(video_unit(26))
    assert reader.documents() == []
    site.door.deliver(video_unit(50))
    assert reader.documents() == ["door=true"]


def test_a_filter_may_ask_for_events_of_the_device_and_not_for_those_of_other_cameras(site: Site) -> None:
    reader = site.watch()
    site.streams.content = lambda _: Content(passes=lambda event: event.topic == STARTED.topic)
    site.bus.publish(Event.of(STARTED.topic, data={"Status": "now"}))
    site.bus.publish(alarm("door"))
    assert reader.documents() == ["=now"]
    site.streams.content = lambda _: Content(passes=lambda _event: True)
    site.bus.publish(alarm("yard"))
    site.bus.publish(alarm("door", state=False))
    assert reader.documents() == ["door=false"]


def test_events_and_scenes_can_be_left_out(site: Site) -> None:
    reader = site.watch()
    site.streams.content = lambda _: Content(events=False, analytics=False)
    site.bus.publish(alarm("door"))
    site.streams.synchronize(PATH)
    site.streams.scene("door", MOVING)
    assert reader.documents() == []


def test_what_moves_is_told_and_once_that_nothing_does(site: Site) -> None:
    reader = site.watch()
    for camera, scene in (("door", STILL), ("yard", MOVING), ("door", MOVING), ("door", STILL), ("door", STILL)):
        site.streams.scene(camera, scene)
    assert reader.documents() == ["1 moving", "0 moving"]


def test_documents_have_the_time_of_the_camera_when_that_is_another(site: Site) -> None:
    reader = site.watch()
    site.bus.publish(alarm("door"))
    assert (reader.units[-1].utc_ns, reader.units[-1].rtp_time) == (START_NS, START_NS * 90_000 // 10**9)
    site.clock.set_utc(START_NS + 2 * FOREIGN_NS)
    site.door.deliver(video_unit(0))
    site.bus.publish(alarm("door", state=False))
    assert reader.units[-1].utc_ns == START_NS


def test_sequence_numbers_run_on_and_other_tracks_are_told(site: Site) -> None:
    reader = site.watch()
    site.bus.publish(alarm("door"))
    site.door.describe(video_description(1280, 720))
    site.bus.publish(alarm("door", state=False))
    first, second = (int.from_bytes(unit.packets.data[6:8], "big") for unit in reader.units)
    assert second == (first + 1) % 65_536
    assert reader.descriptions == [with_metadata(video_description(1280, 720))]
    one = video_description().tracks[0]
    site.door.describe(StreamDescription((one, one)))
    reader.units.clear()
    site.bus.publish(alarm("door"))
    assert reader.units[0].track == 2


def test_metadata_alone(site: Site) -> None:
    reader = site.watch("/live/door/metadata")
    site.door.deliver(video_unit(0))
    site.bus.publish(alarm("door"))
    (unit,) = reader.units
    assert (unit.track, bytes(unit.payload()[0])) == (0, b"door=true")


def test_a_long_document_takes_several_packets_of_which_the_last_is_marked(site: Site) -> None:
    reader = site.watch()
    site.bus.publish(Event.of(ALARM.topic, {"Source": "door"}, {"State": "x" * 5000}))
    (unit,) = reader.units
    markers = [unit.packets.data[offset + 5] >> 7 for offset in unit.packets.offsets]
    assert markers == [0, 0, 0, 1]
    assert bytes(unit.payload()[0]) == b"door=" + b"x" * 5000
