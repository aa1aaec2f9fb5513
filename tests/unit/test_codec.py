"""The codec against the published schemas: plans, values, order, leniency and errors."""

from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from gateway.onvif.codec import Codec, DecodeError, EncodeError
from gateway.onvif.contract import load_contract
from gateway.onvif.schema import ComplexType
from gateway.onvif.validation import Validator

CONTRACT = load_contract()
CODEC = Codec(CONTRACT)
TDS = "{http://www.onvif.org/ver10/device/wsdl}"
TRT = "{http://www.onvif.org/ver10/media/wsdl}"
TEV = "{http://www.onvif.org/ver10/events/wsdl}"
WSNT = "{http://docs.oasis-open.org/wsn/b-2}"
DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in CONTRACT.prefixes.items())


def request(text: str) -> etree._Element:
    name, rest = text[1:].split(">", 1)
    return etree.fromstring(f"<{name} {DECLARED}>{rest}")


def test_the_installed_documents_are_those_of_the_catalogue() -> None:
    assert CONTRACT.catalogue.strangers() == ()


def test_every_operation_has_plans_and_an_access_class() -> None:
    operations = [item for entry in CONTRACT.services() for item in CONTRACT.operations(entry.namespace)]
    assert len(operations) == 397
    for operation in operations:
        CONTRACT.schema.element(operation.request)
        CONTRACT.schema.element(operation.response)
        assert any(operation.access is access for access, _ in operation.service.access), operation.name


def test_every_namespace_of_the_plans_has_a_prefix_that_its_service_declares() -> None:
    for entry in CONTRACT.services():
        for operation in CONTRACT.operations(entry.namespace):
            used = _namespaces(operation.response)
            assert used <= set(entry.declares.values()), (operation.name, used)


def _namespaces(tag: str) -> set[str]:
    found, todo = {tag[1:].partition("}")[0]}, [CONTRACT.schema.element(tag).type]
    seen: set[int] = set()
    while todo:
        plan = todo.pop()
        if isinstance(plan, ComplexType) and id(plan) not in seen:
            seen.add(id(plan))
            names = [*plan.children, *(attribute.tag for attribute in plan.attributes.values())]
            found |= {name[1:].partition("}")[0] for name in names if name.startswith("{")}
            todo += [child.type for child in plan.children.values()]
    return found - {"http://www.w3.org/XML/1998/namespace"}


def test_parts_are_written_in_the_order_of_the_schema_with_inherited_ones_first() -> None:
    configuration = {
        "SessionTimeout": timedelta(seconds=60),
        "Multicast": {
            "AutoStart": False,
            "TTL": 3,
            "Port": 0,
            "Address": {"IPv4Address": "239.0.0.1", "Type": "IPv4"},
        },
        "Quality": 5.0,
        "Resolution": {"Height": 1080, "Width": 1920},
        "Encoding": "H264",
        "UseCount": 1,
        "Name": "main",
        "token": "t1",
    }
    response = CODEC.element(f"{TRT}GetVideoEncoderConfigurationResponse", {"Configuration": configuration})
    assert [etree.QName(node).localname for node in response[0]] == [
        "Name",
        "UseCount",
        "Encoding",
        "Resolution",
        "Quality",
        "Multicast",
        "SessionTimeout",
    ]
    assert response[0].get("token") == "t1"
    assert Validator(CONTRACT).errors(response) == []
    assert CODEC.decode(response) == {"Configuration": configuration}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Colour": 1}, "element tt:HostnameInformation has no part 'Colour'; it has FromDHCP, Name, Extension"),
        ({"FromDHCP": "no"}, "element tt:FromDHCP can't be 'no': a bool is expected"),
        ({"FromDHCP": True, "Name": 3}, "element tt:Name can't be 3: a str is expected"),
        ("x", "element tds:HostnameInformation needs a dict, not 'x'"),
    ],
)
def test_values_that_do_not_fit_are_named(value: object, message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        CODEC.encode(f"{TDS}GetHostnameResponse", {"HostnameInformation": value})
    assert str(caught.value) == message.replace("tt:HostnameInformation", "tds:HostnameInformation")


def test_a_repeated_element_needs_a_list() -> None:
    with pytest.raises(EncodeError, match=r"element Scopes is repeated and needs a list, not \{\}"):
        CODEC.encode(f"{TDS}GetScopesResponse", {"Scopes": {}})


def test_text_is_escaped_and_cleaned() -> None:
    name = 'a&b <c> "d" \x00\x1b \ud800'
    text = CODEC.encode(f"{TDS}GetHostnameResponse", {"HostnameInformation": {"FromDHCP": False, "Name": name}})
    root = etree.fromstring(f"<r {DECLARED}>{text}</r>")
    assert root.findtext(".//{*}Name") == 'a&b <c> "d" ?? ?'.replace("?", "\N{REPLACEMENT CHARACTER}")
    token = {"RelayOutputs": [{"token": 'x"\n<', "Properties": _relay()}]}
    written = CODEC.element(f"{TDS}GetRelayOutputsResponse", token)
    assert CODEC.decode(written)["RelayOutputs"][0]["token"] == 'x"\n<'


def _relay() -> dict[str, object]:
    return {"Mode": "Bistable", "DelayTime": timedelta(seconds=1.5), "IdleState": "open"}


def test_times_and_durations_have_the_forms_that_clients_read() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    value = {
        "SubscriptionReference": {"Address": {"_": "http://192.0.2.1/s/1"}},
        "CurrentTime": moment,
        "TerminationTime": moment,
    }
    text = CODEC.encode(f"{TEV}CreatePullPointSubscriptionResponse", value)
    assert "<wsnt:CurrentTime>2026-01-02T03:04:05Z</wsnt:CurrentTime>" in text
    assert "<wsa:Address>http://192.0.2.1/s/1</wsa:Address>" in text
    assert "<tt:DelayTime>PT1.5S</tt:DelayTime>" in CODEC.encode(
        f"{TDS}GetRelayOutputsResponse", {"RelayOutputs": [{"token": "r", "Properties": _relay()}]}
    )


def test_undeclared_children_are_read_and_written() -> None:
    found = CODEC.decode(
        request(
            "<tev:CreatePullPointSubscription><tev:Filter>"
            "<wsnt:TopicExpression Dialect='urn:d'>tns1:VideoSource//.</wsnt:TopicExpression>"
            "<wsnt:MessageContent Dialect='urn:d'>true()</wsnt:MessageContent></tev:Filter>"
            "<tev:InitialTerminationTime>PT600S</tev:InitialTerminationTime></tev:CreatePullPointSubscription>"
        )
    )
    assert [node.text for node in found["Filter"]["_any"]] == ["tns1:VideoSource//.", "true()"]
    assert found["InitialTerminationTime"] == timedelta(seconds=600)
    capabilities = CODEC.element(f"{TDS}Capabilities", {"Network": {}, "Security": {}, "System": {}})
    assert etree.tostring(capabilities).count(b"xmlns") == 1
    service = {
        "Namespace": "urn:x",
        "XAddr": "http://x",
        "Version": {"Major": 2, "Minor": 6},
        "Capabilities": {"_any": [capabilities]},
    }
    response = CODEC.element(f"{TDS}GetServicesResponse", {"Service": [service]})
    assert CODEC.decode(response)["Service"][0]["Capabilities"]["_any"][0].tag == f"{TDS}Capabilities"


def test_absolute_termination_times_are_read_too() -> None:
    found = CODEC.decode(
        request("<wsnt:Renew><wsnt:TerminationTime>2026-01-01T01:00:00+01:00</wsnt:TerminationTime></wsnt:Renew>")
    )
    assert found == {"TerminationTime": datetime(2026, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("text", "message", "missing"),
    [
        ("<tds:SetHostname></tds:SetHostname>", "SetHostname lacks Name", True),
        (
            "<tds:GetServices><tds:IncludeCapability>maybe</tds:IncludeCapability></tds:GetServices>",
            "IncludeCapability can't be 'maybe': true or false is expected",
            False,
        ),
        (
            "<tds:SetDiscoveryMode><tds:DiscoveryMode>Sometimes</tds:DiscoveryMode></tds:SetDiscoveryMode>",
            "DiscoveryMode can't be 'Sometimes': one of Discoverable, NonDiscoverable is expected",
            False,
        ),
        (
            f"<trt:GetProfile><trt:ProfileToken>{'x' * 65}</trt:ProfileToken></trt:GetProfile>",
            f"ProfileToken can't be {'x' * 65!r}: at most 64 characters are expected",
            False,
        ),
        (
            "<trt:GetProfile><trt:ProfileToken>a</trt:ProfileToken><trt:ProfileToken>b</trt:ProfileToken></trt:GetProfile>",
            "ProfileToken is given more than once",
            False,
        ),
        (
            "<trt:GetProfile><trt:ProfileToken><tt:x/></trt:ProfileToken></trt:GetProfile>",
            "ProfileToken holds elements where text is expected",
            False,
        ),
        (
            "<trt:GetProfile xmlns:e='urn:evil'><e:ProfileToken>a</e:ProfileToken></trt:GetProfile>",
            "GetProfile lacks ProfileToken",
            True,
        ),
    ],
)
def test_wrong_requests_are_refused_with_element_and_value(text: str, message: str, missing: bool) -> None:  # noqa: FBT001
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(request(text))
    assert str(caught.value) == message
    assert caught.value.missing is missing


def test_sloppy_requests_are_understood() -> None:
    found = CODEC.decode(
        request(
            "<trt:GetStreamUri><trt:ProfileToken>p</trt:ProfileToken><trt:StreamSetup><tt:Transport>"
            "<tt:Protocol> RTSP </tt:Protocol></tt:Transport><tt:Stream>RTP_unicast</tt:Stream></trt:StreamSetup>"
            "</trt:GetStreamUri>"
        )
    )
    assert found == {"StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}, "ProfileToken": "p"}
    assert CODEC.decode(request("<tds:GetServices></tds:GetServices>")) == {}


def test_empty_optional_elements_count_as_absent() -> None:
    found = CODEC.decode(
        request(
            "<tds:SetSystemDateAndTime><tds:DateTimeType>NTP</tds:DateTimeType><tds:DaylightSavings>0</tds:DaylightSavings>"
            "<tds:TimeZone xsi:nil='true'/></tds:SetSystemDateAndTime>"
        )
    )
    assert found == {"DateTimeType": "NTP", "DaylightSavings": False}


def test_an_undeclared_element_is_named() -> None:
    with pytest.raises(KeyError, match="the contract declares no element"):
        CODEC.encode(f"{TDS}Nonsense", {})


def test_qualified_names_are_resolved_both_ways() -> None:
    options = CODEC.element(
        "{http://www.onvif.org/ver20/analytics/wsdl}GetSupportedRulesResponse",
        {
            "SupportedRules": {
                "RuleDescription": [
                    {
                        "Name": "{http://www.onvif.org/ver10/schema}CellMotionDetector",
                        "Parameters": {"SimpleItemDescription": [{"Name": "MinCount", "Type": "xs:integer"}]},
                    }
                ]
            }
        },
    )
    description = CODEC.decode(options)["SupportedRules"]["RuleDescription"][0]
    assert description["Name"] == "{http://www.onvif.org/ver10/schema}CellMotionDetector"
