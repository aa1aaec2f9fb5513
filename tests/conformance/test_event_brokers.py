"""AddEventBroker, DeleteEventBroker and GetEventBrokers: valid answers, exact faults, and what never gets out."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from broker_kit import FakeBroker, broker_operations
from lxml import etree
from onvif_calls import CODEC, CONTRACT, Caller
from soap_kit import Kit, fault_of

from gateway.domain.event import Event, TopicDescription
from gateway.onvif.context import Context
from gateway.onvif.events import EventService
from gateway.onvif.events_brokers import MAX_TEXT
from gateway.onvif.events_topics import CONCRETE_SET
from gateway.onvif.faults import Receiver, Sender, SoapFault
from gateway.onvif.validation import Validator
from gateway.services.broker_link import Connect
from gateway.services.brokers import MAX_BROKERS
from gateway.services.eventbus import EventBus
from gateway.services.subscriptions import Subscriptions
from gateway.testing.clock import FakeClock, settle

ADDRESS = "mqtts://broker.example:8883"
LOSS, BELL = "tns1:VideoSource/SignalLoss", "tns1:Device/Bell"


@dataclass
class Desk:
    """The service with a broker in memory."""

    validate: Callable[[etree._Element], object]
    broker: FakeBroker = field(default_factory=FakeBroker)
    audited: list[tuple[str, str]] = field(default_factory=list)
    kinds: dict[str, Connect] | None = None

    def __post_init__(self) -> None:
        clock = FakeClock()
        self.bus = EventBus(clock)
        source = (("Source", "tt:ReferenceToken"),)
        self.bus.declare(
            TopicDescription(LOSS, source, (("State", "xs:boolean"),), is_property=True), TopicDescription(BELL)
        )
        kinds: dict[str, Connect] = {"mqtt": self.broker.connect, "mqtts": self.broker.connect}
        kinds = kinds if self.kinds is None else self.kinds
        self.operations = broker_operations(self.bus, CODEC, clock, kinds, self.audit)
        subscriptions = Subscriptions(self.bus, clock)
        self.service = EventService(self.bus, subscriptions, CONTRACT, CODEC, self.post, clock, self.operations)
        self.call = Caller(self.service, self.validate)

    async def post(self, url: str, data: bytes, client: str) -> None: ...

    def audit(self, _context: Context, operation: str, detail: str) -> None:
        self.audited.append((operation, detail))

    async def add(self, *, prefix: str = "yard", **parts: object) -> None:
        address = parts.pop("Address", ADDRESS)
        await self.call("AddEventBroker", config(Address=address, TopicPrefix=prefix, **parts))

    async def brokers(self, address: str = "") -> list[dict[str, Any]]:
        """Return what GetEventBrokers answers, read back from its text."""
        asked = f"<tev:Address>{address}</tev:Address>" if address else ""
        answer = await self.call("GetEventBrokers", asked)
        plain: list[dict[str, Any]] = CODEC.decode(self.call.element("GetEventBrokers", answer)).get("EventBroker", [])
        return plain

    async def refused(self, operation: str, request: str) -> tuple[object, str, str, str]:
        with pytest.raises(SoapFault) as refused:
            await self.call(operation, request)
        fault = refused.value
        return fault.code, fault.subcode, fault.detail_code, fault.reason


def config(**parts: object) -> str:
    content = "".join(f"<tev:{name}>{part}</tev:{name}>" for name, part in parts.items())
    return f"<tev:EventBroker>{content}</tev:EventBroker>"


def topics(text: str) -> str:
    return f'<wsnt:TopicExpression Dialect="{CONCRETE_SET}">{text}</wsnt:TopicExpression>'


@pytest.fixture(scope="module")
def valid(validator: Validator) -> Callable[[etree._Element], None]:
    def check(element: etree._Element) -> None:
        assert validator.errors(element) == [], etree.tostring(element)

    return check


@pytest.fixture
async def desk(valid: Callable[[etree._Element], None]) -> AsyncIterator[Desk]:
    desk = Desk(valid)
    running = asyncio.create_task(desk.operations.brokers.run())
    await settle()
    yield desk
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def test_capabilities_say_how_many_and_over_what(desk: Desk) -> None:
    found = desk.service.capabilities()
    assert (found["MaxEventBrokers"], found["EventBrokerProtocols"]) == (MAX_BROKERS, "mqtt mqtts")


async def test_a_broker_is_added_shown_changed_and_deleted(desk: Desk) -> None:
    assert await desk.brokers() == []
    await desk.add(UserName="user", Password="Sesame-7", QoS=1)
    await settle()
    assert await desk.brokers() == [
        {"Address": ADDRESS, "TopicPrefix": "yard", "UserName": "user", "QoS": 1, "Status": "Connected"}
    ]
    await desk.add(prefix="gate", QoS=2)
    await desk.add(Address="mqtt://broker.example")
    await settle()
    assert [(each["TopicPrefix"], each["QoS"]) for each in await desk.brokers()] == [("gate", 2), ("yard", 0)]
    assert [each["Address"] for each in await desk.brokers(ADDRESS)] == [ADDRESS]
    await desk.call("DeleteEventBroker", f"<tev:Address>{ADDRESS}</tev:Address>")
    assert [each["Address"] for each in await desk.brokers()] == ["mqtt://broker.example"]
    assert desk.audited == [
        ("AddEventBroker", ADDRESS),
        ("AddEventBroker", ADDRESS),
        ("AddEventBroker", "mqtt://broker.example"),
        ("DeleteEventBroker", ADDRESS),
    ]


async def test_the_password_goes_to_the_broker_alone(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    await desk.add(UserName="user", Password="Sesame-7")
    await settle()
    password = desk.broker.targets[0][0].password
    assert password is not None
    assert password.reveal() == "Sesame-7"
    answer = desk.call.element("GetEventBrokers", await desk.call("GetEventBrokers"))
    assert b"Sesame-7" not in etree.tostring(answer)
    assert "Sesame-7" not in caplog.text


async def test_the_filter_comes_back_as_it_was_and_counts(desk: Desk) -> None:
    await desk.add(PublishFilter=topics("tns1:VideoSource//."))
    await settle()
    [broker] = await desk.brokers()
    [node] = broker["PublishFilter"]["_any"]
    assert (node.text, node.get("Dialect"), node.nsmap["tns1"]) == (
        "tns1:VideoSource//.",
        CONCRETE_SET,
        CONTRACT.prefixes["tns1"],
    )
    desk.bus.publish(Event.of(BELL))
    desk.bus.publish(Event.of(LOSS, {"Source": "VideoSource_yard"}, {"State": True}))
    # Of a subtree also what is announced later.
    later = TopicDescription("tns1:VideoSource/Later", (("Source", "tt:ReferenceToken"),))
    desk.bus.declare(later)
    desk.bus.publish(Event.of(later.topic, {"Source": "VideoSource_yard"}))
    await settle()
    assert [topic for topic, *_ in desk.broker.heard] == [
        "yard/onvif-ej/VideoSource/SignalLoss/&VideoSource_yard",
        "yard/onvif-ej/VideoSource/Later/&VideoSource_yard",
    ]
    assert json.loads(desk.broker.heard[0][1])["Data"] == {"State": True}
    assert [retained for *_, retained in desk.broker.heard] == [True, False]


@pytest.mark.parametrize(
    ("parts", "subcode", "reason"),
    [
        ({"Address": "amqp://b:1"}, "InvalidProtocol", "the protocol 'amqp' is none of mqtt, mqtts, ws, wss"),
        ({"Address": "ws://b:1"}, "InvalidProtocol", "no plug-in connects to brokers over 'ws'"),
        ({"Address": "mqtt://:1"}, "InvalidAddress", "the address 'mqtt://:1' is not possible"),
        ({"PublishFilter": topics("tns1:Nothing")}, "InvalidFilter", "there is no topic 'tns1:Nothing'"),
        ({"PublishFilter": topics("(")}, "InvalidFilter", "'(' is no topic"),
        ({"PublishFilter": "<tev:Odd/>"}, "InvalidFilter", "is not known"),
        ({"MetadataFilter": topics("tns1:PTZ//.")}, "InvalidFilter", "metadata is not published to event brokers"),
        ({"QoS": 3}, "", "the quality of service 3 is none of 0, 1 and 2"),
        ({"prefix": "#"}, "", "the topic prefix '#' is not possible"),
        ({"prefix": "$SYS"}, "", "the topic prefix '$SYS' is not possible"),
        ({"prefix": "x" * (MAX_TEXT + 1)}, "", "the topic prefix has 257 characters, more than 256"),
        ({"Password": "Sesame-7"}, "", "a password needs a user name"),
        ({"CertificateID": "Cert"}, "", "there is no CertificateID 'Cert'"),
        ({"CertPathValidationPolicyID": "P"}, "", "there is no CertPathValidationPolicyID 'P'"),
    ],
)
async def test_what_can_not_be_added(desk: Desk, parts: dict[str, object], subcode: str, reason: str) -> None:
    parts = {"Address": ADDRESS, "TopicPrefix": parts.pop("prefix", "yard"), **parts}
    found = await desk.refused("AddEventBroker", config(**parts))
    assert found[:3] == (Sender, "InvalidArgVal", subcode)
    assert reason in found[3]
    assert await desk.brokers() == []


async def test_there_is_an_end_to_brokers(desk: Desk) -> None:
    for number in range(MAX_BROKERS):
        await desk.add(Address=f"mqtt://b:{number + 1}")
    found = await desk.refused("AddEventBroker", config(Address=ADDRESS, TopicPrefix="yard"))
    assert found[:3] == (Receiver, "Action", "TooManyEventBrokers")
    await desk.add(Address="mqtt://b:1", prefix="changed")


@pytest.mark.parametrize("operation", ["DeleteEventBroker", "GetEventBrokers"])
async def test_unknown_addresses(desk: Desk, operation: str) -> None:
    found = await desk.refused(operation, "<tev:Address>mqtt://nobody:1</tev:Address>")
    assert found == (Sender, "InvalidArgVal", "InvalidAddress", "there is no event broker 'mqtt://nobody:1'")


async def test_only_administrators_change_brokers(desk: Desk) -> None:
    kit = Kit([desk.service])
    tev = f'xmlns="{desk.service.namespace}"'
    added = f"<EventBroker><Address>{ADDRESS}</Address><TopicPrefix>yard</TopicPrefix></EventBroker>"
    for body in (
        f"<AddEventBroker {tev}>{added}</AddEventBroker>",
        f"<DeleteEventBroker {tev}><Address>a</Address></DeleteEventBroker>",
    ):
        assert fault_of(await kit.call(body, "operator")).subcodes[0] == "ter:NotAuthorized"
    assert (await kit.call(f"<AddEventBroker {tev}>{added}</AddEventBroker>")).status == 200
    assert (await kit.call(f"<GetEventBrokers {tev}/>", "viewer")).status == 200


async def test_without_a_plug_in_there_are_none(valid: Callable[[etree._Element], None]) -> None:
    desk = Desk(valid, kinds={})
    capabilities = desk.service.capabilities()
    assert capabilities["MaxEventBrokers"] == 0
    assert "EventBrokerProtocols" not in capabilities
    found = await desk.refused("AddEventBroker", config(Address=ADDRESS, TopicPrefix="yard"))
    assert found[2:] == ("InvalidProtocol", "no plug-in connects to brokers over 'mqtts'")
