"""Events on the wire of SOAP: addresses by path, WS-Addressing headers, both SOAP versions, faults and access."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from broker_kit import broker_operations
from lxml import etree
from soap_kit import SOAP11, SOAP12, Kit, body_of, envelope

from gateway.domain.event import Event, TopicDescription
from gateway.onvif.codec import Codec
from gateway.onvif.contract import load_contract
from gateway.onvif.endpoint import SoapRequest, SoapResponse
from gateway.onvif.events import EventService
from gateway.services.eventbus import EventBus
from gateway.services.subscriptions import Subscriptions
from gateway.testing.clock import FakeClock

Validate = Callable[..., dict[str, Any]]
TEV, WSNT = "http://www.onvif.org/ver10/events/wsdl", "http://docs.oasis-open.org/wsn/b-2"
WSA, OLD_WSA = "http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"
TNS1, SET = "http://www.onvif.org/ver10/topics", "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
TOPIC = "tns1:VideoSource/MotionAlarm"
PULL = f'<PullMessages xmlns="{TEV}"><Timeout>PT1S</Timeout><MessageLimit>10</MessageLimit></PullMessages>'
RENEW = f'<Renew xmlns="{WSNT}"><TerminationTime>PT2M</TerminationTime></Renew>'
UNSUBSCRIBE = f'<Unsubscribe xmlns="{WSNT}"/>'


@dataclass
class Device:
    kit: Kit
    bus: EventBus
    clock: FakeClock

    async def post(
        self, uri: str, body: str, *, header: str = "", soap: str = SOAP12, user: str = "viewer"
    ) -> SoapResponse:
        security = self.kit.token(user) if user else ""
        request = SoapRequest(
            body=envelope(body, security + header, soap),
            address="192.0.2.9",
            base="http://nvr.example:8080",
            host="nvr.example",
            local_address="192.0.2.10",
            rtsp="rtsp://nvr.example",
            uri=uri,
        )
        return await self.kit.endpoint.handle(request)

    async def create(self, **options: str) -> str:
        """Return the path of a new pull point."""
        answer = await self.post("/onvif/event_service", f'<CreatePullPointSubscription xmlns="{TEV}"/>', **options)
        address = body_of(answer.body).findtext(f".//{{{WSA}}}Address")
        assert answer.status == 200
        assert address is not None
        return address.removeprefix("http://nvr.example:8080")


@pytest.fixture
def device() -> Device:
    clock, contract = FakeClock(), load_contract()
    bus = EventBus(clock)
    bus.declare(
        TopicDescription(TOPIC, (("Source", "tt:ReferenceToken"),), (("State", "xs:boolean"),), is_property=True)
    )
    bus.publish(Event.of(TOPIC, {"Source": "VideoSource_yard"}, {"State": True}))

    async def post(_url: str, _data: bytes, _client: str) -> None: ...

    codec = Codec(contract)
    brokers = broker_operations(bus, codec, clock)
    service = EventService(bus, Subscriptions(bus, clock), contract, codec, post, clock, brokers)
    return Device(Kit([service]), bus, clock)


def addressing(action: str, to: str, namespace: str = WSA) -> str:
    """Return headers as the official test tool sends them: mandatory, with a ReplyTo."""
    return (
        f'<Action xmlns="{namespace}" s:mustUnderstand="1">{action}</Action>'
        f'<MessageID xmlns="{namespace}">urn:uuid:7</MessageID>'
        f'<ReplyTo xmlns="{namespace}"><Address>{WSA}/anonymous</Address></ReplyTo>'
        f'<To xmlns="{namespace}" s:mustUnderstand="1">http://nvr.example:8080{to}</To>'
    )


def headers_of(response: SoapResponse) -> dict[str, str]:
    header = etree.fromstring(response.body).find("{*}Header")
    return {} if header is None else {str(node.tag): node.text for node in header}


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
@pytest.mark.parametrize("namespace", [WSA, OLD_WSA])
async def test_answers_name_their_action_and_request(
    device: Device, validate: Validate, soap: str, namespace: str
) -> None:
    at = await device.create(soap=soap)
    wsdl, bw = f"{TEV}/PullPointSubscription", "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager"
    for body, action in ((PULL, f"{wsdl}/PullMessages"), (RENEW, f"{bw}/Renew"), (UNSUBSCRIBE, f"{bw}/Unsubscribe")):
        answer = await device.post(at, body, header=addressing(f"{action}Request", at, namespace), soap=soap)
        assert answer.status == 200
        validate(answer.body, action.rpartition("/")[2])
        assert headers_of(answer) == {
            f"{{{namespace}}}Action": f"{action}Response",
            f"{{{namespace}}}RelatesTo": "urn:uuid:7",
        }


async def test_a_subscription_is_found_by_its_path_or_by_to(device: Device) -> None:
    at = await device.create()
    assert re.fullmatch(r"/onvif/events/subscription/[0-9a-f]{16}", at)
    for uri, header in ((at, ""), (f"{at}?x=1", ""), ("/onvif/event_service", addressing("a", at))):
        assert (await device.post(uri, RENEW, header=header)).status == 200
    assert (await device.post("/onvif/event_service", RENEW)).status == 500


async def test_an_answer_declares_the_prefixes_of_its_texts(device: Device) -> None:
    answer = body_of((await device.post(await device.create(), PULL)).body)
    topic = answer.find(f".//{{{WSNT}}}Topic")
    assert topic.text == TOPIC
    assert topic.nsmap["tns1"] == "http://www.onvif.org/ver10/topics"
    properties = body_of((await device.post("/", f'<GetEventProperties xmlns="{TEV}"/>')).body)
    item = properties.find(".//{*}SimpleItemDescription[@Name='State']")
    assert (item.get("Type"), item.nsmap["xs"]) == ("xs:boolean", "http://www.w3.org/2001/XMLSchema")


LAYOUTS = {
    "default namespaces for each tag": (
        f'<CreatePullPointSubscription xmlns="{TEV}"><Filter xmlns="{TEV}">'
        f'<TopicExpression xmlns="{WSNT}" xmlns:tns1="{TNS1}" Dialect="{SET}">tns1:VideoSource/MotionAlarm'
        "</TopicExpression></Filter></CreatePullPointSubscription>"
    ),
    "default namespaces for the parent tag": (
        f'<CreatePullPointSubscription xmlns="{TEV}" xmlns:wsnt="{WSNT}" xmlns:tns1="{TNS1}"><Filter>'
        f'<wsnt:TopicExpression Dialect="{SET}">tns1:VideoSource/MotionAlarm</wsnt:TopicExpression>'
        "</Filter></CreatePullPointSubscription>"
    ),
    "not standard prefixes": (
        f'<a:CreatePullPointSubscription xmlns:a="{TEV}" xmlns:b="{WSNT}" xmlns:c="{TNS1}"><a:Filter>'
        f'<b:TopicExpression Dialect="{SET}">c:VideoSource/c:MotionAlarm</b:TopicExpression>'
        "</a:Filter></a:CreatePullPointSubscription>"
    ),
    "different prefixes for the same namespace": (
        f'<a:CreatePullPointSubscription xmlns:a="{TEV}" xmlns:tev="{TEV}" xmlns:c="{TNS1}" xmlns:d="{TNS1}">'
        f'<tev:Filter><b:TopicExpression xmlns:b="{WSNT}" Dialect="{SET}">c:VideoSource/d:MotionAlarm'
        "</b:TopicExpression></tev:Filter></a:CreatePullPointSubscription>"
    ),
    "the same prefix for different namespaces": (
        f'<a:CreatePullPointSubscription xmlns:a="{TEV}" xmlns:c="{TNS1}"><a:Filter>'
        f'<a:TopicExpression xmlns:a="{WSNT}" Dialect="{SET}">c:VideoSource/MotionAlarm</a:TopicExpression>'
        "</a:Filter></a:CreatePullPointSubscription>"
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
async def test_prefixes_are_the_clients_choice(device: Device, validate: Validate, layout: str) -> None:
    answer = await device.post("/onvif/event_service", layout)
    assert answer.status == 200, answer.body
    validate(answer.body)
    at = body_of(answer.body).findtext(f".//{{{WSA}}}Address").removeprefix("http://nvr.example:8080")
    found = body_of((await device.post(at, PULL)).body).iter(f"{{{WSNT}}}Topic")
    assert [node.text for node in found] == [TOPIC]
    refused = await device.post("/onvif/event_service", layout.replace("MotionAlarm", "MotionAlarms"))
    assert body_of(refused.body).find(f".//{{{WSNT}}}TopicNotSupportedFault") is not None


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
async def test_a_fault_has_the_action_of_faults_and_its_detail(device: Device, soap: str) -> None:
    answer = await device.post("/onvif/events/subscription/0123456789abcdef", UNSUBSCRIBE, soap=soap)
    assert answer.status == 500
    assert headers_of(answer) == {f"{{{WSA}}}Action": "http://www.w3.org/2005/08/addressing/soap/fault"}
    fault = body_of(answer.body)
    assert fault.find(".//{http://docs.oasis-open.org/wsrf/r-2}ResourceUnknownFault") is not None
    code = fault.findtext("faultcode") if soap == SOAP11 else fault.findtext("{*}Code/{*}Value")
    assert code == ("env:Server" if soap == SOAP11 else "env:Receiver")


async def test_a_pull_waits_without_holding_others_up(device: Device) -> None:
    at = await device.create()
    await device.post(at, PULL)
    waiting = asyncio.create_task(device.post(at, PULL.replace("PT1S", "PT60S")))
    assert (await device.post(await device.create(), PULL)).status == 200
    assert not waiting.done()
    device.bus.publish(Event.of(TOPIC, {"Source": "VideoSource_yard"}, {"State": False}))
    await device.clock.advance(1)
    message = body_of((await waiting).body).find(".//{http://www.onvif.org/ver10/schema}Message")
    assert message.get("PropertyOperation") == "Changed"


async def test_events_are_for_users(device: Device) -> None:
    assert (await device.post("/", f'<GetServiceCapabilities xmlns="{TEV}"/>', user="")).status == 200
    at = await device.create()
    for body in (PULL, RENEW, UNSUBSCRIBE, f'<GetEventProperties xmlns="{TEV}"/>'):
        assert (await device.post(at, body, user="")).status == 401


async def test_services_and_capabilities_announce_events(device: Device, validate: Validate) -> None:
    device_service = "http://www.onvif.org/ver10/device/wsdl"
    body = f'<GetServices xmlns="{device_service}"><IncludeCapability>true</IncludeCapability></GetServices>'
    found = validate((await device.post("/", body)).body)["Service"]
    events = next(service for service in found if service["Namespace"] == TEV)
    assert events["XAddr"] == "http://nvr.example:8080/onvif/event_service"
    assert events["Capabilities"]["_any"][0].get("MaxPullPoints") == "64"
    answer = await device.post(
        "/", f'<GetCapabilities xmlns="{device_service}"><Category>Events</Category></GetCapabilities>'
    )
    assert validate(answer.body)["Capabilities"]["Events"] == {
        "XAddr": "http://nvr.example:8080/onvif/event_service",
        "WSSubscriptionPolicySupport": False,
        "WSPullPointSupport": True,
        "WSPausableSubscriptionManagerInterfaceSupport": False,
    }
