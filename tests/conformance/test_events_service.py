"""The Event service: every operation's answer held against the schemas, every fault with its detail."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from broker_kit import broker_operations
from lxml import etree
from media_samples import CONTEXT
from onvif_calls import CODEC, CONTRACT, Caller

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, TopicDescription
from gateway.onvif.context import Context
from gateway.onvif.events import LONGEST_PULL, MOST_MESSAGES, EventService
from gateway.onvif.events_content import ITEM_FILTER
from gateway.onvif.events_topics import CONCRETE, CONCRETE_SET
from gateway.onvif.faults import Receiver, SoapFault
from gateway.onvif.validation import Validator
from gateway.services.eventbus import EventBus
from gateway.services.subscriptions import Limits, Subscriptions
from gateway.testing.clock import FakeClock, settle

MOTION, JOB, BELL = "tns1:VideoSource/MotionAlarm", "tns1:RecordingConfig/JobState", "tns1:Device/Bell"
NS = {prefix: uri for prefix, uri in CONTRACT.prefixes.items() if prefix != "xml"}
JOB_INFORMATION = {
    "RecordingToken": "Recording_yard",
    "State": "Active",
    "Sources": [
        {
            "SourceToken": {"Token": "Profile_yard"},
            "State": "Active",
            "Tracks": {"Track": [{"SourceTag": "Video", "Destination": "VIDEO001", "State": "Active"}]},
        }
    ],
}


@dataclass
class Desk:
    """The service on a bus and a clock that stands still, with a consumer that remembers."""

    validate: Callable[[etree._Element], object]
    limits: Limits | None = None
    clock: FakeClock = field(default_factory=FakeClock)
    posted: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bus = EventBus(self.clock)
        source = (("Source", "tt:ReferenceToken"),)
        self.bus.declare(
            TopicDescription(MOTION, source, (("State", "xs:boolean"),), is_property=True),
            TopicDescription(
                JOB,
                (("RecordingJobToken", "tt:RecordingJobReference"),),
                (("State", "xs:string"),),
                elements=(("Information", "tt:RecordingJobStateInformation"),),
                is_property=True,
            ),
            TopicDescription(BELL),
        )
        subscriptions = Subscriptions(self.bus, self.clock, limits=self.limits)
        self.brokers = broker_operations(self.bus, CODEC, self.clock)
        self.service = EventService(self.bus, subscriptions, CONTRACT, CODEC, self.post, self.clock, self.brokers)
        self.call = Caller(self.service, self.validate)

    async def post(self, url: str, data: bytes, _client: str) -> None:
        self.posted.append((url, data))

    def motion(self, state: str, source: str = "VideoSource_yard") -> None:
        self.bus.publish(Event.of(MOTION, {"Source": source}, {"State": state}))

    async def create(self, request: str = "") -> Context:
        """Return the context of calls to a new pull point."""
        return addressed(await self.call("CreatePullPointSubscription", request))

    async def pull(self, at: Context, wait: str = "PT0S", limit: int = 100) -> etree._Element:
        """Return the whole answer, validated."""
        request = f"<tev:Timeout>{wait}</tev:Timeout><tev:MessageLimit>{limit}</tev:MessageLimit>"
        return self.call.element("PullMessages", await self.call("PullMessages", request, at))

    async def states(self, at: Context) -> list[str]:
        return told(await self.pull(at))

    async def refused(self, operation: str, request: str = "", at: Context = CONTEXT) -> etree._Element:
        """Return the detail of the fault of a call, validated."""
        with pytest.raises(SoapFault) as refused:
            await self.call(operation, request, at)
        fault = refused.value
        assert (fault.code, fault.subcodes) == (Receiver, ())
        assert fault.detail is not None
        self.validate(fault.detail)
        return fault.detail


def addressed(made: dict[str, Any]) -> Context:
    return replace(CONTEXT, uri=made["SubscriptionReference"]["Address"].removeprefix(CONTEXT.base))


def told(element: etree._Element) -> list[str]:
    """Return `operation:value` for each message."""
    value = etree.XPath("string(tt:Data/tt:SimpleItem[1]/@Value)", namespaces=NS)
    messages = element.iter(f"{{{NS['tt']}}}Message")
    return [f"{message.get('PropertyOperation', '-')}:{value(message)}" for message in messages]


def topic_filter(text: str, dialect: str = CONCRETE_SET) -> str:
    return f'<tev:Filter><wsnt:TopicExpression Dialect="{dialect}">{text}</wsnt:TopicExpression></tev:Filter>'


def content_filter(text: str, dialect: str = ITEM_FILTER) -> str:
    return f'<tev:Filter><wsnt:MessageContent Dialect="{dialect}">{text}</wsnt:MessageContent></tev:Filter>'


def both_filters(topic: str, content: str) -> str:
    topic, content = topic_filter(topic, ""), content_filter(content, "")
    return (topic + content).replace("</tev:Filter><tev:Filter>", "").replace(' Dialect=""', "")


@pytest.fixture
def valid(validator: Validator) -> Callable[[etree._Element], None]:
    def check(element: etree._Element) -> None:
        assert validator.errors(element) == [], etree.tostring(element)

    return check


@pytest.fixture
def desk(valid: Callable[[etree._Element], None]) -> Desk:
    return Desk(valid)


def name_of(element: etree._Element) -> str:
    return etree.QName(element).localname


async def test_event_properties_describe_every_topic(desk: Desk) -> None:
    element = desk.call.element("GetEventProperties", await desk.call("GetEventProperties"))
    topics = element.find("wstop:TopicSet", NS)
    assert [child.tag for child in topics] == [
        f"{{{NS['tns1']}}}{name}" for name in ("Device", "RecordingConfig", "VideoSource")
    ]
    alarm = topics.find("tns1:VideoSource/MotionAlarm", NS)
    assert alarm.get(f"{{{NS['wstop']}}}topic") == "true"
    description = alarm.find("tt:MessageDescription", NS)
    assert description.get("IsProperty") == "true"
    items = [(item.get("Name"), item.get("Type")) for item in description.iter(f"{{{NS['tt']}}}SimpleItemDescription")]
    assert items == [("Source", "tt:ReferenceToken"), ("State", "xs:boolean")]
    structure = topics.find("tns1:RecordingConfig/JobState//tt:Data/tt:ElementItemDescription", NS)
    assert structure.get("Type") == "tt:RecordingJobStateInformation"
    assert [node.text for node in element.findall("wsnt:TopicExpressionDialect", NS)] == [CONCRETE, CONCRETE_SET]
    assert element.findtext("tev:MessageContentFilterDialect", None, NS) == ITEM_FILTER


async def test_a_pull_point_has_an_address_of_its_own_and_times(desk: Desk) -> None:
    made = await desk.call(
        "CreatePullPointSubscription", "<tev:InitialTerminationTime>PT90S</tev:InitialTerminationTime>"
    )
    address = made["SubscriptionReference"]["Address"]
    assert address.startswith("http://nvr.example:8080/onvif/events/subscription/")
    assert (made["TerminationTime"] - made["CurrentTime"]).total_seconds() == 90
    other = await desk.call("CreatePullPointSubscription")
    assert other["SubscriptionReference"]["Address"] != address
    assert (other["TerminationTime"] - other["CurrentTime"]).total_seconds() == 60


@pytest.mark.parametrize(
    ("time", "seconds"), [("2023-11-14T22:14:20Z", 60), ("2023-11-14T23:14:20.5+01:00", 60.5), ("P10D", 86_400)]
)
async def test_a_time_is_absolute_or_relative(desk: Desk, time: str, seconds: float) -> None:
    made = await desk.call(
        "CreatePullPointSubscription", f"<tev:InitialTerminationTime>{time}</tev:InitialTerminationTime>"
    )
    assert (made["TerminationTime"] - made["CurrentTime"]).total_seconds() == seconds


@pytest.mark.parametrize("time", ["PT0S", "-PT10S", "2020-01-01T00:00:00Z"])
async def test_a_time_that_is_over_is_refused_with_one_that_is_not(desk: Desk, time: str) -> None:
    request = f"<tev:InitialTerminationTime>{time}</tev:InitialTerminationTime>"
    detail = await desk.refused("CreatePullPointSubscription", request)
    assert name_of(detail) == "UnacceptableInitialTerminationTimeFault"
    minimum = detail.findtext("wsnt:MinimumTime", None, NS)
    assert minimum == "2023-11-14T22:13:30Z"
    await desk.create(f"<tev:InitialTerminationTime>{minimum}</tev:InitialTerminationTime>")
    detail = await desk.refused("Renew", f"<wsnt:TerminationTime>{time}</wsnt:TerminationTime>", await desk.create())
    assert name_of(detail) == "UnacceptableTerminationTimeFault"


async def test_messages_carry_topic_source_and_state(desk: Desk) -> None:
    desk.motion("false")
    at = await desk.create()
    await desk.clock.advance(5)
    desk.motion("true")
    element = await desk.pull(at)
    assert told(element) == ["Initialized:false", "Changed:true"]
    first, second = element.findall("wsnt:NotificationMessage", NS)
    assert first.findtext("wsnt:Topic", None, NS) == MOTION
    message = second.find("wsnt:Message/tt:Message", NS)
    assert message.get("UtcTime") == "2023-11-14T22:13:25Z"
    assert dict(message.find("tt:Source/tt:SimpleItem", NS).attrib) == {"Name": "Source", "Value": "VideoSource_yard"}
    assert [dict(item.attrib) for item in message.find("tt:Data", NS)] == [{"Name": "State", "Value": "true"}]


async def test_a_structure_is_an_element_of_its_type(desk: Desk) -> None:
    desk.bus.publish(
        Event.of(JOB, {"RecordingJobToken": "Job_1"}, {"State": "Active"}, elements={"Information": JOB_INFORMATION})
    )
    data = (await desk.pull(await desk.create())).find(".//tt:Data", NS)
    assert [item.get("Name") for item in data] == ["State", "Information"]
    assert (
        data.findtext(
            "tt:ElementItem/tt:RecordingJobStateInformation/tt:Sources/tt:Tracks/tt:Track/tt:Destination", None, NS
        )
        == "VIDEO001"
    )


async def test_a_message_without_items_is_no_property(desk: Desk) -> None:
    at = await desk.create()
    desk.bus.publish(Event.of(BELL))
    message = (await desk.pull(at)).find(".//tt:Message", NS)
    assert (len(message), dict(message.attrib)) == (0, {"UtcTime": "2023-11-14T22:13:20Z"})


async def test_a_pull_waits_and_prolongs(desk: Desk) -> None:
    at = await desk.create("<tev:InitialTerminationTime>PT10S</tev:InitialTerminationTime>")
    pull = asyncio.create_task(desk.pull(at, "PT60S"))
    await settle()
    second = "<tev:Timeout>PT1S</tev:Timeout><tev:MessageLimit>1</tev:MessageLimit>"
    assert name_of(await desk.refused("PullMessages", second, at)) == "UnableToGetMessagesFault"
    await desk.clock.advance(60)
    element = await pull
    assert told(element) == []
    assert element.findtext("tev:CurrentTime", None, NS) == "2023-11-14T22:14:20Z"
    assert element.findtext("tev:TerminationTime", None, NS) == "2023-11-14T22:15:20Z"


async def test_a_pull_has_limits(desk: Desk) -> None:
    at = await desk.create()
    for number in range(MOST_MESSAGES + 1):
        desk.motion("true", f"v{number}")
    assert len(told(await desk.pull(at, limit=100_000))) == MOST_MESSAGES
    assert len(told(await desk.pull(at, limit=0))) == 1
    request = "<tev:Timeout>PT1H</tev:Timeout><tev:MessageLimit>1</tev:MessageLimit>"
    detail = await desk.refused("PullMessages", request, at)
    assert name_of(detail) == "PullMessagesFaultResponse"
    assert detail.findtext("tev:MaxTimeout", None, NS) == f"PT{LONGEST_PULL.seconds}S"
    assert detail.findtext("tev:MaxMessageLimit", None, NS) == str(MOST_MESSAGES)


async def test_renew_sets_the_end(desk: Desk) -> None:
    at = await desk.create()
    answer = await desk.call("Renew", "<wsnt:TerminationTime>PT2M</wsnt:TerminationTime>", at)
    assert (answer["TerminationTime"] - answer["CurrentTime"]).total_seconds() == 120
    for request in ("", '<wsnt:TerminationTime xsi:nil="true"/>'):
        answer = await desk.call("Renew", request, at)
        assert (answer["TerminationTime"] - answer["CurrentTime"]).total_seconds() == 60


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("PullMessages", "<tev:Timeout>PT1S</tev:Timeout><tev:MessageLimit>1</tev:MessageLimit>"),
        ("Renew", "<wsnt:TerminationTime>PT60S</wsnt:TerminationTime>"),
        ("Unsubscribe", ""),
        ("SetSynchronizationPoint", ""),
        ("Seek", "<tev:UtcTime>2023-11-14T22:13:20Z</tev:UtcTime>"),
    ],
)
async def test_what_is_over_is_unknown(desk: Desk, operation: str, request_: str) -> None:
    at = await desk.create()
    assert await desk.call("Unsubscribe", "", at) == {}
    assert name_of(await desk.refused(operation, request_, at)) == "ResourceUnknownFault"
    assert name_of(await desk.refused(operation, request_)) == "ResourceUnknownFault"


async def test_unsubscribe_ends_a_waiting_pull(desk: Desk) -> None:
    at = await desk.create()
    pull = asyncio.create_task(
        desk.refused("PullMessages", "<tev:Timeout>PT60S</tev:Timeout><tev:MessageLimit>1</tev:MessageLimit>", at)
    )
    await settle()
    await desk.call("Unsubscribe", "", at)
    assert name_of(await pull) == "ResourceUnknownFault"


async def test_a_synchronisation_point_tells_every_state_again(desk: Desk) -> None:
    desk.motion("true")
    at = await desk.create()
    assert await desk.states(at) == ["Initialized:true"]
    assert await desk.call("SetSynchronizationPoint", "", replace(CONTEXT, to=CONTEXT.base + at.uri)) == {}
    assert await desk.states(at) == ["Initialized:true"]


async def test_seek_goes_back(desk: Desk) -> None:
    for state in ("false", "true"):
        desk.motion(state)
        await desk.clock.advance(10)
    at = await desk.create()
    assert await desk.call("Seek", "<tev:UtcTime>2023-11-14T22:13:25Z</tev:UtcTime>", at) == {}
    assert await desk.states(at) == ["Changed:true"]
    request = "<tev:UtcTime>2023-11-14T22:13:25Z</tev:UtcTime><tev:Reverse>true</tev:Reverse>"
    await desk.call("Seek", request, at)
    element = await desk.pull(at)
    assert [node.text for node in element.iter(f"{{{NS['wsnt']}}}Topic")] == [MOTION, "tns1:EventBuffer/Begin"]


filtered = pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        (topic_filter("tns1:VideoSource//."), ["Initialized:true", "Initialized:false"]),
        (topic_filter(MOTION, CONCRETE), ["Initialized:true", "Initialized:false"]),
        (topic_filter("tns1:VideoSource/tns1:MotionAlarm|tns1:Device//."), ["Initialized:true", "Initialized:false"]),
        (topic_filter("tns1:RecordingConfig//.|tns1:Monitoring//."), ["Initialized:Idle"]),
        (content_filter('boolean(//tt:SimpleItem[@Name="State" and @Value="false"])'), ["Initialized:false"]),
        (
            both_filters(MOTION, 'not(boolean(//tt:SimpleItem[@Value="a"]))'),
            ["Initialized:false"],
        ),
    ],
)


def publish_some(desk: Desk) -> None:
    desk.motion("true", "a")
    desk.motion("false", "b")
    desk.bus.publish(Event.of(JOB, {"RecordingJobToken": "Job_1"}, {"State": "Idle"}))


@filtered
async def test_filters(desk: Desk, filter_: str, expected: list[str]) -> None:
    publish_some(desk)
    assert await desk.states(await desk.create(filter_)) == expected


@filtered
async def test_filters_of_a_consumer(desk: Desk, filter_: str, expected: list[str]) -> None:
    publish_some(desk)
    sending = asyncio.create_task(desk.service.notifications.run())
    await settle()
    await desk.call("Subscribe", consumer() + filter_.replace("tev:Filter", "wsnt:Filter"))
    await settle()
    await desk.clock.advance(1)
    assert [state for _, data in desk.posted for state in told(etree.fromstring(data))] == expected
    sending.cancel()


@pytest.mark.parametrize(
    ("filter_", "fault"),
    [
        (topic_filter("tns1:VideoSource/("), "InvalidTopicExpressionFault"),
        (topic_filter("tns1:Fire//."), "TopicNotSupportedFault"),
        (topic_filter(MOTION, "urn:xpath"), "TopicExpressionDialectUnknownFault"),
        (content_filter('boolean(//tt:SimpleItem[@Name="State"'), "InvalidMessageContentExpressionFault"),
        (content_filter('boolean(//tt:SimpleItem[@Name="Fire"])'), "InvalidMessageContentExpressionFault"),
        (content_filter("true()", "http://www.w3.org/TR/1999/REC-xpath-19991116"), "InvalidFilterFault"),
        ("<tev:Filter><wsnt:ProducerProperties>x</wsnt:ProducerProperties></tev:Filter>", "InvalidFilterFault"),
        ('<tev:Filter><x:Odd xmlns:x="urn:x"/></tev:Filter>', "InvalidFilterFault"),
        ('<tev:Filter><Odd xmlns=""/></tev:Filter>', "InvalidFilterFault"),
    ],
)
@pytest.mark.parametrize("operation", ["CreatePullPointSubscription", "Subscribe"])
async def test_filters_that_are_wrong(desk: Desk, operation: str, filter_: str, fault: str) -> None:
    request = filter_ if operation != "Subscribe" else consumer() + filter_.replace("tev:Filter", "wsnt:Filter")
    assert name_of(await desk.refused(operation, request)) == fault


async def test_policies(desk: Desk) -> None:
    desk.motion("true")
    at = await desk.create("<tev:SubscriptionPolicy><tev:ChangedOnly/></tev:SubscriptionPolicy>")
    desk.motion("false")
    assert await desk.states(at) == ["Changed:false"]
    policy = "<tev:SubscriptionPolicy><{}/></tev:SubscriptionPolicy>"
    detail = await desk.refused("CreatePullPointSubscription", policy.format("wsnt:UseRaw"))
    assert name_of(detail) == "UnsupportedPolicyRequestFault"
    detail = await desk.refused("CreatePullPointSubscription", policy.format("tev:Magic"))
    assert name_of(detail) == "UnrecognizedPolicyRequestFault"
    detail = await desk.refused("CreatePullPointSubscription", policy.format('x:Odd xmlns:x="urn:x"'))
    named = detail.find("wsnt:UnrecognizedPolicy", NS)
    assert named is not None
    assert (named.text, named.nsmap["q"]) == ("q:Odd", "urn:x")


async def test_an_account_has_so_many_pull_points_as_announced(valid: Callable[[etree._Element], None]) -> None:
    desk = Desk(valid, Limits(pull_points_per_account=2))
    for _ in range(desk.service.capabilities()["MaxPullPoints"]):
        await desk.create()
    assert name_of(await desk.refused("CreatePullPointSubscription")) == "SubscribeCreationFailedFault"


async def test_the_one_state_of_a_topic(desk: Desk) -> None:
    request = f'<wsnt:Topic Dialect="{CONCRETE}">{MOTION}</wsnt:Topic>'
    assert name_of(await desk.refused("GetCurrentMessage", request)) == "NoCurrentMessageOnTopicFault"
    desk.motion("true")
    answer = await desk.call("GetCurrentMessage", request)
    assert told(desk.call.element("GetCurrentMessage", answer)) == ["Initialized:true"]
    detail = await desk.refused("GetCurrentMessage", f'<wsnt:Topic Dialect="{CONCRETE}">a|b</wsnt:Topic>')
    assert name_of(detail) == "InvalidTopicExpressionFault"


def consumer(url: str = "http://192.0.2.50:9000/notify", parameters: str = "") -> str:
    return f"<wsnt:ConsumerReference><wsa:Address>{url}</wsa:Address>{parameters}</wsnt:ConsumerReference>"


async def test_base_notification(desk: Desk, valid: Callable[[etree._Element], None]) -> None:
    desk.motion("true")
    sending = asyncio.create_task(desk.service.notifications.run())
    await settle()
    parameters = '<wsa:ReferenceParameters><id xmlns="urn:vms">7</id></wsa:ReferenceParameters>'
    request = consumer(parameters=parameters) + "<wsnt:InitialTerminationTime>PT5M</wsnt:InitialTerminationTime>"
    made = await desk.call("Subscribe", request)
    at = addressed(made)
    assert (made["TerminationTime"] - made["CurrentTime"]).total_seconds() == 300
    await settle()
    await desk.clock.advance(1)
    desk.motion("false")
    await desk.clock.advance(1)
    (url, first), (_, second) = desk.posted
    assert url == "http://192.0.2.50:9000/notify"
    header, body = etree.fromstring(first)
    assert [(name_of(node), node.text) for node in header if name_of(node) != "MessageID"] == [
        ("To", url),
        ("Action", "http://docs.oasis-open.org/wsn/bw-2/NotificationConsumer/Notify"),
        ("id", "7"),
    ]
    assert header[-1].get(f"{{{NS['wsa']}}}IsReferenceParameter") == "true"
    valid(body[0])
    assert (name_of(body[0]), told(body)) == ("Notify", ["Initialized:true"])
    assert told(etree.fromstring(second)) == ["Changed:false"]
    await desk.call("SetSynchronizationPoint", "", at)
    await desk.clock.advance(1)
    assert told(etree.fromstring(desk.posted[2][1])) == ["Initialized:false"]
    pull = "<tev:Timeout>PT1S</tev:Timeout><tev:MessageLimit>1</tev:MessageLimit>"
    assert name_of(await desk.refused("PullMessages", pull, at)) == "UnableToGetMessagesFault"
    await desk.call("Unsubscribe", "", at)
    sending.cancel()


@pytest.mark.parametrize(
    "url", ["", "ftp://192.0.2.50/", "http://", "http://[::1/", "http://h:99999/", "mailto:a@b", "http://[::1]:80/"]
)
async def test_a_consumer_has_a_web_address(desk: Desk, url: str) -> None:
    assert name_of(await desk.refused("Subscribe", consumer(url))) == "SubscribeCreationFailedFault"


async def test_nothing_is_promised_while_nothing_is_sent(desk: Desk) -> None:
    detail = await desk.refused("Subscribe", consumer())
    assert detail.findtext("wsrf-bf:Description", None, NS) == "notifications are not sent now"


async def test_a_consumer_that_refuses_hears_it_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [GatewayError(ErrorKind.UNAVAILABLE, "503")]

    async def post(url: str, data: bytes, _client: str) -> None:
        if refusals:
            raise refusals.pop()
        desk.posted.append((url, data))

    monkeypatch.setattr(desk, "post", post)
    desk.__post_init__()
    sending = asyncio.create_task(desk.service.notifications.run())
    await settle()
    await desk.call("Subscribe", consumer())
    await settle()
    desk.bus.publish(Event.of(BELL))
    await desk.clock.advance(5)
    assert [told(etree.fromstring(data)) for _, data in desk.posted] == [["-:"]]
    sending.cancel()


def test_capabilities(desk: Desk, valid: Callable[[etree._Element], None]) -> None:
    capabilities = desk.service.capabilities()
    valid(desk.call.element("GetServiceCapabilities", {"Capabilities": capabilities}))
    assert (capabilities["MaxPullPoints"], capabilities["PersistentNotificationStorage"]) == (64, False)
