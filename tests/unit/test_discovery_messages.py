import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.protocols.discovery import (
    DEVICE,
    MAX_DATAGRAM,
    NETWORK_VIDEO_TRANSMITTER,
    NS_ADDRESSING,
    NS_DEVICE,
    NS_DISCOVERY,
    NS_NETWORK,
    ONVIF_TYPES,
    AppSequence,
    Body,
    Bye,
    DiscoveryError,
    Hello,
    MatchingRuleNotSupported,
    Message,
    Probe,
    ProbeMatches,
    Resolve,
    ResolveMatches,
    Target,
    parse,
    scope,
    serialize,
)
from gateway.protocols.soap.envelope import SoapVersion

NS_SOAP12 = SoapVersion.V12.namespace
UUID = "urn:uuid:4d3a8f6e-1f0a-4a4b-9c2e-001122334455"
TARGET = Target(UUID, ONVIF_TYPES, (scope("name", "Front Door"),), ("http://192.0.2.1:8080/onvif/device_service",), 7)


def envelope(body: str, header: str = "<a:MessageID>uuid:1</a:MessageID>") -> bytes:
    return (
        f'<s:Envelope xmlns:s="{NS_SOAP12}" xmlns:a="{NS_ADDRESSING}" xmlns:d="{NS_DISCOVERY}">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


@pytest.mark.parametrize("soap", list(SoapVersion))
@pytest.mark.parametrize(
    "body",
    [
        Probe(),
        Probe(ONVIF_TYPES, (scope("Profile", "Streaming"), scope("name", "a")), f"{NS_DISCOVERY}/strcmp0"),
        Probe(("{urn:foreign}Printer", "{urn:other}Scanner", DEVICE, "undeclared:Type")),
        Resolve(UUID),
        Hello(TARGET),
        Bye(UUID),
        ProbeMatches((TARGET, Target("urn:uuid:2"))),
        ResolveMatches(TARGET),
    ],
    ids=lambda body: type(body).__name__,
)
def test_what_is_serialised_is_parsed_again(body: Body, soap: SoapVersion) -> None:
    message = Message(body, "urn:uuid:5", "uuid:asked", "urn:to", AppSequence(3, 9), soap)
    assert parse(serialize(message)) == message


@pytest.mark.parametrize(
    "data",
    [
        # prefixes on every element
        (
            f'<?xml version="1.0" encoding="utf-8"?><x:Envelope xmlns:x="{NS_SOAP12}"><x:Header>'
            f'<y:MessageID xmlns:y="{NS_ADDRESSING}">uuid:1</y:MessageID></x:Header><x:Body>'
            f'<z:Probe xmlns:z="{NS_DISCOVERY}">'
            f'<z:Types xmlns:q="{NS_NETWORK}">q:NetworkVideoTransmitter</z:Types></z:Probe>'
            "</x:Body></x:Envelope>"
        ),
        # default namespaces everywhere, and the type by the default namespace of its own element
        (
            f'<Envelope xmlns="{NS_SOAP12}"><Header>'
            f'<MessageID xmlns="{NS_ADDRESSING}"> uuid:1 </MessageID></Header><Body>'
            f'<Probe xmlns="{NS_DISCOVERY}"><d:Types xmlns:d="{NS_DISCOVERY}" xmlns="{NS_NETWORK}">'
            "NetworkVideoTransmitter</d:Types></Probe></Body></Envelope>"
        ),
        # one prefix bound to three namespaces, comments and processing instructions in between
        (
            f'<p:Envelope xmlns:p="{NS_SOAP12}"><!-- --><p:Header><?pi?><p:MessageID xmlns:p="{NS_ADDRESSING}">uuid:1'
            f'</p:MessageID></p:Header><p:Body><!-- --><p:Probe xmlns:p="{NS_DISCOVERY}">'
            f'<p:Types xmlns:t="{NS_NETWORK}">t:Network<!-- -->VideoTransmitter</p:Types></p:Probe>'
            "</p:Body></p:Envelope>"
        ),
    ],
    ids=["prefixed", "default", "rebound"],
)
def test_any_legal_layout_of_prefixes_is_the_same_probe(data: str) -> None:
    message = parse(data.encode())
    assert message.message_id == "uuid:1"
    assert message.body == Probe((NETWORK_VIDEO_TRANSMITTER,))


def test_a_type_with_an_undeclared_prefix_equals_no_type() -> None:
    message = parse(envelope("<d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe>"))
    assert message.body == Probe(("dn:NetworkVideoTransmitter",))


def test_scope_values_are_url_encoded() -> None:
    assert scope("location", "Gate 2/Nördlich") == "onvif://www.onvif.org/location/Gate%202%2FN%C3%B6rdlich"


def test_white_space_in_a_scope_or_address_never_splits_it() -> None:
    target = Target(UUID, (), ("onvif://www.onvif.org/name/A B",), ("http://a/b c",))
    parsed = parse(serialize(Message(Hello(target), "uuid:1")))
    assert parsed.body.target.scopes == ("onvif://www.onvif.org/name/A%20B",)
    assert parsed.body.target.xaddrs == ("http://a/b%20c",)


def test_a_full_probe_match_fits_one_packet() -> None:
    scopes = tuple(
        scope(category, value)
        for category, value in [
            ("Profile", "Streaming"),
            ("Profile", "T"),
            ("Profile", "G"),
            ("type", "video_encoder"),
            ("type", "NetworkVideoTransmitter"),
            ("name", "Warehouse North"),
            ("hardware", "OnvifVmsGateway"),
            ("location", "Building 7"),
            ("MacAddress", "001122334455"),
        ]
    )
    target = Target(UUID, ONVIF_TYPES, scopes, ("http://192.168.100.200:8080/onvif/device_service",), 1_790_000_000)
    message = Message(
        ProbeMatches((target,)), UUID, UUID, f"{NS_ADDRESSING}/role/anonymous", AppSequence(1_790_000_000, 99)
    )
    assert len(serialize(message)) <= 1472


@pytest.mark.parametrize(
    ("soap", "code"), [(SoapVersion.V12, f"{{{NS_SOAP12}}}Value"), (SoapVersion.V11, "faultcode")], ids=["1.2", "1.1"]
)
def test_the_fault_names_the_supported_rules(soap: SoapVersion, code: str) -> None:
    data = serialize(Message(MatchingRuleNotSupported(("urn:a", "urn:b")), "uuid:2", "uuid:1", soap=soap))
    root = etree.fromstring(data)
    codes = [element for element in root.iter(code) if "MatchingRuleNotSupported" in (element.text or "")]
    assert codes[0].text == "d:MatchingRuleNotSupported"
    assert codes[0].nsmap["d"] == NS_DISCOVERY
    assert root.findtext(f".//{{{NS_DISCOVERY}}}SupportedMatchingRules") == "urn:a urn:b"
    assert root.findtext(f".//{{{NS_ADDRESSING}}}Action") == f"{NS_DISCOVERY}/fault"


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    + envelope("<d:Probe/>", "<a:MessageID>&b;</a:MessageID>").decode()
)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not well-formed XML"),
        (b"\xff" * 64, "not well-formed XML"),
        (b"<a/>" + b" " * MAX_DATAGRAM, f"a datagram of {MAX_DATAGRAM + 4} bytes is longer than {MAX_DATAGRAM}"),
        (BOMB.encode(), "a document type declaration is not allowed"),
        (BOMB.encode("utf-16"), "a document type declaration is not allowed"),
        (b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x+AD4-', "not well-formed XML"),
        (envelope("&undeclared;"), "not well-formed XML"),
        (b"<Envelope/>", "Envelope is not a SOAP 1.1 or 1.2 Envelope"),
        (envelope(""), "the message has no Body with an element in it"),
        (envelope("<d:Probe/>", ""), "MessageID must have 1 to 512 characters, not 0"),
        (envelope("<d:Probe/>", f"<a:MessageID>{'x' * 513}</a:MessageID>"), "not 513"),
        (envelope("<Probe/>"), "'Probe' is not a WS-Discovery message"),
        (envelope("<d:Nonsense/>"), "Nonsense' is not a WS-Discovery message"),
        (envelope("<d:ResolveMatches/>"), "ResolveMatches' is not a WS-Discovery message"),
        (envelope("<d:Resolve/>"), "Resolve' has no endpoint address"),
        (envelope(f"<d:Probe><d:Scopes>{'a ' * 65}</d:Scopes></d:Probe>"), "65 Scopes are more than 64"),
        (
            envelope("<d:Probe/>", '<a:MessageID>1</a:MessageID><d:AppSequence InstanceId="abc" MessageNumber="1"/>'),
            "InstanceId 'abc' is not an unsigned integer",
        ),
        (
            envelope("<d:Probe/>", '<a:MessageID>1</a:MessageID><d:AppSequence InstanceId="1"/>'),
            "MessageNumber '' is not an unsigned integer",
        ),
    ],
)
def test_a_bad_datagram_is_refused_by_name(data: bytes, sentence: str) -> None:
    with pytest.raises(DiscoveryError) as caught:
        parse(data)
    assert sentence in str(caught.value)


@given(st.binary(max_size=300))
def test_random_bytes_raise_only_the_declared_error(data: bytes) -> None:
    with pytest.raises(DiscoveryError):
        parse(data)


@given(st.data())
def test_a_damaged_probe_raises_only_the_declared_error(data: st.DataObject) -> None:
    good = bytearray(serialize(Message(Hello(TARGET), "uuid:1", sequence=AppSequence(1, 1))))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(good) - 1))
        good[position] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DiscoveryError):
        parse(bytes(good))


def test_device_and_transmitter_have_the_onvif_namespaces() -> None:
    assert (f"{{{NS_NETWORK}}}NetworkVideoTransmitter", f"{{{NS_DEVICE}}}Device") == ONVIF_TYPES
