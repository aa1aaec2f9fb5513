"""SOAP services of plug-ins behind the endpoint: what spyne gets wrong by itself can't happen here."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
from lxml import etree
from soap_kit import SOAP11, SOAP12, Fault, Kit, body_of, envelope, fault_of

from gateway.domain.access import AccessClass
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.onvif.vendor import VendorService
from gateway.sdk.soap import SoapService
from gateway.sdk.soap_types import Boolean, ComplexModel, DateTime, Enum, Integer, ServiceBase, Unicode, rpc
from gateway.sdk.soap_types import Fault as SpyneFault
from gateway.testing.soap import MemoryGateway, SoapBench
from gateway_extension.service import NAMESPACE, GatewayService

NS = "urn:test:bridge:1"
TEXT = Unicode(min_occurs=1, nillable=False)
COLOUR = Enum("Red", "Green", type_name="Colour")


class Child(ComplexModel):
    __namespace__ = NS
    _type_info = [("Name", TEXT)]


class Parent(ComplexModel):
    __namespace__ = NS
    _type_info = [("token", Unicode(min_occurs=0)), ("Child", Child.customize(min_occurs=1, nillable=False))]


class Operations(ServiceBase):
    @rpc(TEXT, Integer(min_occurs=0), _returns=TEXT)
    async def Echo(ctx: Any, Text: str, Times: int | None) -> str:
        return Text * (Times or 1)

    @rpc(TEXT, _returns=TEXT)
    def Plain(ctx: Any, Text: str) -> str:
        return f"{Text} by {ctx.udc.account.name} from {ctx.udc.address}"

    @rpc(Boolean(min_occurs=1, nillable=False), COLOUR.customize(min_occurs=1, nillable=False), _returns=TEXT)
    async def Choose(ctx: Any, Yes: bool, Colour: str) -> str:
        return f"{Yes} {Colour}"

    @rpc(Parent.customize(min_occurs=1, nillable=False), _returns=Unicode(min_occurs=0))
    async def TokenOf(ctx: Any, Parent: Any) -> str | None:
        return Parent.token

    @rpc(DateTime(min_occurs=1, nillable=False), _returns=TEXT)
    async def When(ctx: Any, Moment: Any) -> str:
        return str(Moment)

    @rpc(TEXT)
    async def Fail(ctx: Any, How: str) -> None:
        raise {
            "gateway": GatewayError(ErrorKind.NOT_FOUND, "there is no such thing"),
            "spyne": SpyneFault("Client.NotToday", "come back tomorrow"),
            "word": SpyneFault("Server.ter:Not a word<", "never"),
            "bug": ZeroDivisionError("a secret"),
        }[How]

    @rpc(_returns=TEXT)
    async def Invalid(ctx: Any) -> None:
        return None


class BridgeService(SoapService):
    namespace = NS
    access: ClassVar[Mapping[str, AccessClass]] = dict.fromkeys(
        ("Echo", "Choose", "TokenOf", "When", "Fail", "Invalid"), AccessClass.READ_SYSTEM
    )

    def operations(self) -> Sequence[type]:
        return (Operations,)


def mounted() -> Kit:
    kit = Kit()
    for name, service in (("bridge", BridgeService()), ("gateway", GatewayService())):
        vendor = VendorService(name, service, MemoryGateway())
        kit.endpoint.mount(vendor)
        kit.model.mount(vendor)
    return kit


@pytest.fixture
def kit() -> Kit:
    return mounted()


def element(name: str, content: str = "", namespace: str = NS) -> str:
    return f'<{name} xmlns="{namespace}">{content}</{name}>'


async def result(kit: Kit, body: str, **options: str) -> str | None:
    response = await kit.call(body, **options)
    assert response.status == 200, response.body
    return body_of(response.body).findtext(
        "{*}" + etree.QName(body_of(response.body)).localname.removesuffix("Response") + "Result"
    )


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
async def test_an_operation_answers_in_the_version_it_was_asked_in(kit: Kit, soap: str) -> None:
    response = await kit.call(element("Echo", "<Text>ab</Text><Times>2</Times>"), "viewer", soap=soap)
    assert response.status == 200
    assert etree.fromstring(response.body).tag == f"{{{soap}}}Envelope"
    assert body_of(response.body).tag == f"{{{NS}}}EchoResponse"
    assert body_of(response.body).findtext("{*}EchoResult") == "abab"


async def test_a_handler_may_be_a_plain_function_and_knows_its_caller(kit: Kit) -> None:
    assert await result(kit, element("Plain", "<Text>x</Text>")) == "x by root from 198.51.100.7"


async def test_logins_and_levels_are_those_of_the_gateway(kit: Kit) -> None:
    body = element("Plain", "<Text>x</Text>")
    assert (await kit.call(body, "")).status == 401
    refused = fault_of(await kit.call(body, "operator"))
    assert (refused.code, refused.subcodes) == ("env:Sender", ("ter:NotAuthorized",))
    assert (await kit.call_digest(body)).status == 200
    assert (await kit.call(element("Echo", "<Text>x</Text>"), "viewer")).status == 200


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (element("Echo"), "Missing child element(s). Expected is ( {urn:test:bridge:1}Text )"),
        (element("Echo", "<Text>x</Text><Times>many</Times>"), "'many' is not a valid value"),
        (element("Choose", "<Yes>maybe</Yes><Colour>Red</Colour>"), "'maybe' is not a valid value"),
        (element("Choose", "<Yes>true</Yes><Colour>__class__</Colour>"), "'__class__'"),
        (element("Echo", '<Text xmlns="urn:evil">x</Text>'), "{urn:evil}Text"),
        (element("Echo", '<Text href="#a"/>'), "attribute 'href' is not allowed"),
        (element("Echo", "<Text>x</Text>").replace("<Echo ", '<Echo id="a" '), "attribute 'id' is not allowed"),
        (element("TokenOf", '<Parent><Child token="X"><Name>n</Name></Child></Parent>'), "attribute 'token' is not"),
        (element("Echo", "<Text>a</Text><Text>b</Text>"), "{urn:test:bridge:1}Text': This element is not expected"),
    ],
)
async def test_what_does_not_fit_the_schema_is_refused_with_the_reason(kit: Kit, body: str, part: str) -> None:
    response = await kit.call(body)
    fault = fault_of(response)
    assert (fault.code, fault.subcodes) == ("env:Sender", ("ter:InvalidArgVal",))
    assert part in fault.reason


async def test_blanks_around_a_value_are_no_part_of_it(kit: Kit) -> None:
    assert await result(kit, element("Choose", "<Yes> true </Yes><Colour>Red</Colour>")) == "True Red"


@pytest.mark.parametrize("moment", ["2026-01-01T24:00:00Z", "12026-01-01T00:00:00Z", "-0001-01-01T00:00:00Z"])
async def test_what_python_can_not_hold_is_the_callers_fault(kit: Kit, moment: str) -> None:
    fault = fault_of(await kit.call(element("When", f"<Moment>{moment}</Moment>")))
    assert (fault.code, fault.subcodes) == ("env:Sender", ("ter:InvalidArgVal",))
    assert "out of range" in fault.reason


async def test_an_element_of_a_child_stays_there(kit: Kit) -> None:
    assert await result(kit, element("TokenOf", "<Parent><Child><Name>n</Name></Child></Parent>")) is None
    given = element("TokenOf", "<Parent><token>t</token><Child><Name>n</Name></Child></Parent>")
    assert await result(kit, given) == "t"


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("gateway", Fault("env:Sender", ("ter:InvalidArgVal",), "there is no such thing")),
        ("spyne", Fault("env:Sender", ("ter:NotToday",), "come back tomorrow")),
        ("word", Fault("env:Receiver", ("ter:Action",), "never")),
        ("bug", Fault("env:Receiver", ("ter:Action",), "the operation failed inside the device")),
    ],
)
async def test_faults_have_declared_prefixes(kit: Kit, how: str, expected: Fault) -> None:
    assert fault_of(await kit.call(element("Fail", f"<How>{how}</How>"))) == expected


async def test_an_answer_that_does_not_fit_is_not_sent(kit: Kit) -> None:
    fault = fault_of(await kit.call(element("Invalid")))
    assert fault.code == "env:Receiver"
    assert fault.reason.startswith("the service made an invalid answer")


async def test_messages_are_held_to_what_standard_ones_are(kit: Kit) -> None:
    body = element("Echo", "<Text>x</Text>")
    unknown = await kit.call(body, header='<Pay xmlns="urn:y" s:mustUnderstand="1"/>')
    assert fault_of(unknown).code == "env:MustUnderstand"
    assert (await kit.post(b"<!DOCTYPE a>" + envelope(body))).status == 400
    assert (await kit.post(envelope(""))).status == 400
    assert (await kit.post(envelope(element("Echo", f"<Text>{'x' * 200_000}</Text>")))).status == 413


async def test_services_are_listed_with_their_versions(kit: Kit) -> None:
    response = await kit.call("<tds:GetServices><tds:IncludeCapability>true</tds:IncludeCapability></tds:GetServices>")
    found = {
        each.findtext("{*}Namespace"): (each.findtext("{*}XAddr"), each.findtext("{*}Version/{*}Major"))
        for each in body_of(response.body)
    }
    assert found[NS] == ("http://192.0.2.10:8080/onvif/vendor/bridge", "1")
    assert found[NAMESPACE][0].endswith("/onvif/vendor/gateway")


def test_a_service_that_can_not_be_is_refused() -> None:
    class Strange(BridgeService):
        access: ClassVar[Mapping[str, AccessClass]] = {"Ecco": AccessClass.READ_SYSTEM}

    with pytest.raises(ValueError, match="operations that there are not: Ecco"):
        SoapBench(Strange())
    kit = mounted()
    with pytest.raises(ValueError, match="there are already operations of the names"):
        kit.endpoint.mount(SoapBench(BridgeService()).service)


def test_the_wsdl_has_the_clients_address() -> None:
    document = etree.fromstring(SoapBench(BridgeService()).service.wsdl("http://10.0.0.1:8080"))
    [address] = document.iter("{http://schemas.xmlsoap.org/wsdl/soap12/}address")
    assert address.get("location") == "http://10.0.0.1:8080/onvif/vendor/bench"
    hostile = SoapBench(BridgeService()).service.wsdl('http://a"><x>&')
    assert [each.get("location") for each in etree.fromstring(hostile).iter("{*}address")] == [
        'http://a"><x>&/onvif/vendor/bench'
    ]
    [binding] = document.iter("{http://schemas.xmlsoap.org/wsdl/soap12/}binding")
    assert binding.get("transport") == "http://schemas.xmlsoap.org/soap/http"


async def test_the_gateways_own_service_holds_footage() -> None:
    gateway = MemoryGateway(
        storages=[dict.fromkeys(("capacity", "free", "used"), 5) | {"id": "disk", "state": "ok", "cause": ""}]
    )
    bench = SoapBench(GatewayService(), gateway)

    async def call(name: str, content: str = "") -> etree._Element:
        return await bench.call(element(name, content, NAMESPACE))

    span = "<From>2026-11-22T10:00:00.250Z</From><To>2026-11-22T12:00:00+01:00</To>"
    hold = (await call("AddHold", f"<Recording>Recording_gate</Recording>{span}<Reason>theft</Reason>"))[0].text
    assert [(each.recording, each.reason, each.created_by) for each in gateway.kept.values()] == [
        ("Recording_gate", "theft", "admin")
    ]
    [listed] = (await call("GetHolds")).iterchildren()
    texts = [child.text for child in listed]
    assert texts[:2] == [hold, "Recording_gate"]
    assert texts[2].startswith("2026-11-22T10:00:00.25")
    assert texts[3].startswith("2026-11-22T11:00:00")
    await call("RemoveHold", f"<Hold>{hold}</Hold>")
    assert gateway.kept == {}
    gateway.histories["gate"] = [{"time": "2026-11-22T10:00:00Z", "kind": "clock", "text": "clock right"}]
    [entry] = (await call("GetCameraHistory", "<Camera>gate</Camera>")).iterchildren()
    assert [child.text for child in entry] == ["2026-11-22T10:00:00+00:00", "clock", "clock right"]
    status = (await call("GetStatus"))[0]
    assert [(child.tag.rpartition("}")[2], child.text) for child in status][2:] == [
        ("Cameras", "0"),
        ("CamerasOnline", "0"),
        ("Storages", "1"),
        ("StoragesOk", "1"),
    ]
