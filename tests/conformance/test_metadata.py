"""Metadata documents and their configurations, held against ONVIF's schemas."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from lxml import etree
from media_samples import MemoryStore, channel, main_and_sub, media_profiles
from onvif_calls import CODEC, CONTRACT, Caller

from gateway.config import Config
from gateway.domain.event import Event, TopicDescription
from gateway.domain.media import AccessUnit, StreamDescription
from gateway.domain.motion import MotionRegion, MotionResult
from gateway.domain.recording import Recording, RecordingJob
from gateway.metadata import LiveMetadata
from gateway.onvif.events_faults import EventFaults
from gateway.onvif.events_filter import FilterReader
from gateway.onvif.events_message import EventMessages
from gateway.onvif.faults import SoapFault
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.media_profiles import MediaProfiles, Streaming
from gateway.onvif.metadata import MetadataContent, MetadataDocuments
from gateway.onvif.recording_schema import moment
from gateway.recordings import configured_recordings
from gateway.services.eventbus import EventBus
from gateway.services.metadata import Content
from gateway.services.streams import LiveStream
from gateway.testing.clock import FakeClock
from gateway.testing.streams import video_description

ALARM, STARTED = "tns1:VideoSource/MotionAlarm", "tns1:Device/Started"
TOPICS = (
    TopicDescription(ALARM, (("Source", "tt:ReferenceToken"),), (("State", "xs:boolean"),), is_property=True),
    TopicDescription(STARTED, (), (("Status", "xs:string"),)),
)
NS = {prefix: uri for prefix, uri in CONTRACT.prefixes.items() if prefix != "xml"}
NOW_NS = 1_700_000_000_250_000_000
CONCRETE_SET = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
FILTER = (
    '<tt:Events><tt:Filter><wsnt:TopicExpression xmlns:o="http://www.onvif.org/ver10/topics" '
    f'Dialect="{CONCRETE_SET}">{{}}</wsnt:TopicExpression></tt:Filter></tt:Events>'
)
GROUP = (
    "<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address>"
    "<tt:Port>0</tt:Port><tt:TTL>0</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>"
    "<tt:SessionTimeout>PT60S</tt:SessionTimeout>"
)

Validate = Callable[[etree._Element], object]


def profiles(store: MemoryStore | None = None) -> MediaProfiles:
    made = media_profiles(channel("yard", main_and_sub()), channel("door"), store=store)
    reader = FilterReader(lambda: TOPICS, CONTRACT.prefixes, EventFaults(CODEC))
    made.read_filter = lambda nodes: reader.wants({"Filter": {"_any": nodes}}, moment(NOW_NS))
    return made


@pytest.fixture(params=["media1", "media2"])
def call(validate: Validate, request: pytest.FixtureRequest) -> Caller:
    service = {"media1": MediaService, "media2": Media2Service}[request.param]
    return Caller(service(profiles()), validate)


def setting(call: Caller, content: str) -> str:
    """Return a SetMetadataConfiguration of some content."""
    prefix = "trt" if isinstance(call.service, MediaService) else "tr2"
    persistence = "<trt:ForcePersistence>true</trt:ForcePersistence>" if prefix == "trt" else ""
    name = "<tt:Name>Data</tt:Name><tt:UseCount>0</tt:UseCount>"
    events, _, analytics = content.partition("#")
    body = f"{name}{events}{analytics}{GROUP}"
    return f'<{prefix}:Configuration token="Metadata_yard">{body}</{prefix}:Configuration>{persistence}'


async def read(call: Caller) -> dict[str, Any]:
    configurations = (await call("GetMetadataConfigurations"))["Configurations"]
    found: dict[str, Any] = next(each for each in configurations if each["token"] == "Metadata_yard")
    return found


async def test_everything_is_told_unless_a_client_wants_less(call: Caller) -> None:
    assert isinstance(call.service, MediaService | Media2Service)
    content = MetadataContent(call.service.profiles, lambda: None)
    found = await read(call)
    assert (found["Events"], found["Analytics"]) == ({}, True)
    assert content.of("yard") == Content()
    await call("SetMetadataConfiguration", setting(call, "#<tt:Analytics>false</tt:Analytics>"))
    found = await read(call)
    assert "Events" not in found
    assert not found["Analytics"]
    assert content.of("yard") == Content(events=False, analytics=False)
    await call("SetMetadataConfiguration", setting(call, "<tt:Events/>#<tt:Analytics>true</tt:Analytics>"))
    assert content.of("yard") == Content()
    assert content.of("door") is content.of("door")


async def test_a_filter_is_kept_with_its_prefixes_and_followed(call: Caller) -> None:
    assert isinstance(call.service, MediaService | Media2Service)
    await call("SetMetadataConfiguration", setting(call, FILTER.format("o:Device//.")))
    (node,) = (await read(call))["Events"]["Filter"]["_any"]
    assert (node.text, node.nsmap["o"], node.get("Dialect")) == (
        "o:Device//.",
        "http://www.onvif.org/ver10/topics",
        CONCRETE_SET,
    )
    passes = MetadataContent(call.service.profiles, lambda: None).of("yard").passes
    assert passes is not None
    assert [passes(Event(topic)) for topic in (ALARM, STARTED)] == [False, True]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (FILTER.format("o:Nothing"), "there is no topic 'o:Nothing'"),
        (FILTER.format("o:Device[").replace(CONCRETE_SET, "urn:x"), "the topic dialect 'urn:x' is not known"),
        (FILTER.format("|".join(["o:Device//."] * 1500)), "characters; at most 16384 are kept"),
        (
            "<tt:PTZStatus><tt:Status>true</tt:Status><tt:Position>false</tt:Position></tt:PTZStatus>",
            "PTZStatus Status",
        ),
    ],
)
async def test_what_can_not_be_told_is_refused(call: Caller, content: str, reason: str) -> None:
    before = await read(call)
    with pytest.raises(SoapFault) as refused:
        await call("SetMetadataConfiguration", setting(call, content))
    assert refused.value.subcodes == ("InvalidArgVal", "ConfigModify")
    assert reason in refused.value.reason
    assert await read(call) == before


async def test_the_options_offer_text_with_filters_and_no_ptz(call: Caller) -> None:
    options = (await call("GetMetadataConfigurationOptions"))["Options"]
    assert not any(options["PTZStatusFilterOptions"].values())
    assert options["Extension"]["CompressionType"] == ["None"]
    assert options["MaxContentFilterSize"] == 4096


async def test_a_filter_outlives_a_restart_and_one_that_is_out_of_date_tells_nothing(
    validate: Validate, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    call = Caller(Media2Service(profiles(store)), validate)
    await call("SetMetadataConfiguration", setting(call, FILTER.format("o:Device//.")))
    again = profiles(store)
    assert MetadataContent(again, lambda: None).of("yard").passes is not None

    def forgotten(_nodes: object) -> Callable[[Event], bool]:
        raise SoapFault("Sender", "", "", "there is no topic 'o:Device'")  # type: ignore[arg-type]

    again.read_filter = forgotten
    assert MetadataContent(again, lambda: None).of("yard") == Content(events=False)
    assert (
        "Metadata_yard: no events are told, since their filter is not valid any more: there is no topic" in caplog.text
    )


def document(events: list[Event], scenes: list[MotionResult]) -> etree._Element:
    write = MetadataDocuments(CODEC, EventMessages(CODEC, lambda: TOPICS).text)
    return etree.fromstring(write(events, scenes))


def test_documents_are_valid_and_say_what_happened(validate: Validate) -> None:
    event = Event.of(ALARM, {"Source": "VideoSource_yard"}, {"State": True}, utc_ns=NOW_NS)
    region = MotionRegion(left=0.0, top=0.25, right=0.5, bottom=0.5)
    root = document([event], [MotionResult(NOW_NS, regions=(region,)), MotionResult(NOW_NS + 10**9)])
    validate(root)
    assert root.tag == f"{{{NS['tt']}}}MetadataStream"
    (topic,) = root.findall("tt:Event/wsnt:NotificationMessage/wsnt:Topic", NS)
    assert topic.text == ALARM
    assert topic.nsmap["tns1"] == NS["tns1"]
    first, second = root.findall("tt:VideoAnalytics/tt:Frame", NS)
    assert [frame.get("UtcTime") for frame in (first, second)] == [
        "2023-11-14T22:13:20.250Z",
        "2023-11-14T22:13:21.250Z",
    ]
    (found,) = first.findall("tt:Object", NS)
    box = found.find("tt:Appearance/tt:Shape/tt:BoundingBox", NS)
    assert box is not None
    assert {name: float(value) for name, value in box.attrib.items()} == {
        "left": -1.0,
        "top": 0.5,
        "right": 0.0,
        "bottom": 0.0,
    }
    assert second.findall("tt:Object", NS) == []


@dataclass(frozen=True)
class Recorded:
    """What the operator's recordings are."""

    cameras: Mapping[str, str]

    def all(self) -> tuple[Recording, ...]:
        return configured_recordings(Config(), self.cameras)[0]

    def jobs(self) -> tuple[RecordingJob, ...]:
        return configured_recordings(Config(), self.cameras)[1]


def test_events_belong_to_the_channel_that_their_source_names() -> None:
    made = profiles()
    made.create("Own", "own", [("VideoSource", "VideoSourceConfiguration_door")])
    content = MetadataContent(made, lambda: Recorded({"door": "Door", "gone": "Gone"}))
    for token, channels in {
        "VideoSource_yard": {"yard"},
        "VideoSourceConfiguration_yard": {"yard"},
        "VideoEncoder_yard_sub": {"yard"},
        "yard_main": {"yard"},
        "own": {"door"},
        "Recording_door": {"door"},
        "Job_door": {"door"},
        "Recording_gone": set(),
        "disk": set(),
    }.items():
        assert content.channels(Event.of(ALARM, {"Source": token})) == channels, token
    assert MetadataContent(made, lambda: None).channels(Event.of(ALARM, {"Source": "Recording_door"})) == set()
    assert content.channels(Event(STARTED)) == set()


async def test_a_synchronization_point_is_that_of_the_profiles_stream(validate: Validate) -> None:
    asked: list[str] = []
    made = media_profiles(channel("yard", main_and_sub()), streaming=Streaming(synchronize=asked.append))
    media1, media2 = Caller(MediaService(made), validate), Caller(Media2Service(made), validate)
    data, source = ("Metadata", "Metadata_yard"), ("VideoSource", "VideoSourceConfiguration_yard")
    made.add("yard_main", [data])
    made.create("Alone", "alone", [source, data])
    made.create("Empty", "empty")
    for call, prefix in ((media1, "trt"), (media2, "tr2")):
        for token in ("yard_main", "yard_sub", "alone", "empty"):
            await call("SetSynchronizationPoint", f"<{prefix}:ProfileToken>{token}</{prefix}:ProfileToken>")
        assert asked == ["/live/yard/main/metadata", "/live/yard/sub", "/live/yard/metadata"]
        asked.clear()


class Camera:
    """A camera's stream, as the gateway has it."""

    def __init__(self) -> None:
        self.live = LiveStream("/live/yard/main")
        self.live.describe(video_description())

    def stream(self, path: str) -> LiveStream | None:
        return self.live if path == self.live.path else None

    def description(self, path: str) -> StreamDescription | None:
        return video_description() if path == self.live.path else None


@dataclass
class Engine:
    """What looks at the pictures, and a reader of the stream."""

    found: Callable[[str, MotionResult], None] = lambda _camera, _result: None
    documents: list[etree._Element] = field(default_factory=list)

    def watch(self, watcher: Callable[[str, MotionResult], None]) -> None:
        self.found = watcher

    def read_filter(self, _nodes: object) -> Callable[[Event], bool]:
        return lambda _event: True

    def deliver(self, unit: AccessUnit) -> None:
        self.documents.append(etree.fromstring(bytes(unit.payload()[0])))

    def described(self, _description: StreamDescription) -> None:
        raise AssertionError("nothing is described anew")


def test_the_gateway_s_parts_together(validate: Validate) -> None:
    """Events of the bus and what an engine sees become valid documents of the camera that they are about."""
    clock, made, engine = FakeClock(), profiles(), Engine()
    bus = EventBus(clock)
    bus.declare(*TOPICS)
    live = LiveMetadata(Camera(), bus, CODEC, clock)  # type: ignore[arg-type]
    live.follow(made, engine, engine, lambda: Recorded({"yard": "Yard"}))  # type: ignore[arg-type]
    stream = live.streams.stream("/live/yard/main/metadata")
    assert stream is not None
    stream.attach(engine)
    for token in ("VideoSource_yard", "VideoSource_door", "Recording_yard"):
        bus.publish(Event.of(ALARM, {"Source": token}, {"State": True}))
    engine.found("yard", MotionResult(NOW_NS, regions=(MotionRegion(0.4, 0.4, 0.6, 0.6),)))
    engine.found("door", MotionResult(NOW_NS, regions=(MotionRegion(0.4, 0.4, 0.6, 0.6),)))
    for root in engine.documents:
        validate(root)
    sources = [root.xpath("string(//tt:Source/tt:SimpleItem/@Value)", namespaces=NS) for root in engine.documents]
    assert sources == ["VideoSource_yard", "Recording_yard", ""]
    assert len(engine.documents[2].findall("tt:VideoAnalytics/tt:Frame/tt:Object", NS)) == 1
