"""Envelopes: every legal layout is read, everything dangerous is refused, replies are what the version asks for."""

import resource
from pathlib import Path

import pytest
from lxml import etree

from gateway.protocols.soap.envelope import (
    MAX_ATTRIBUTES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    WSSE,
    Addressing,
    EnvelopeError,
    Problem,
    SoapVersion,
    fault_body,
    parse,
    reply,
)
from gateway.protocols.soap.names import NameBudget

V11, V12 = SoapVersion.V11.namespace, SoapVersion.V12.namespace
WSA = "http://www.w3.org/2005/08/addressing"
WSA_2004 = "http://schemas.xmlsoap.org/ws/2004/08/addressing"


def message(body: str = "<Get xmlns='urn:x'/>", header: str = "", namespace: str = V12) -> bytes:
    return (
        f"<s:Envelope xmlns:s='{namespace}'><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>".encode()
    )


@pytest.mark.parametrize(
    "data",
    [
        message(),
        message(namespace=V11),
        f"<Envelope xmlns='{V12}'><Body><Get xmlns='urn:x'/></Body></Envelope>".encode(),
        f"<Envelope xmlns='{V12}'><Body><a:Get xmlns:a='urn:x'/></Body></Envelope>".encode(),
        f"<_-.9:Envelope xmlns:_-.9='{V12}' xmlns:q='urn:x'><_-.9:Body><q:Get/></_-.9:Body></_-.9:Envelope>".encode(),
        b"\xef\xbb\xbf" + message(),
        b"<?xml version='1.0' encoding='utf-16'?>" + message(),
        message().decode().encode("utf-16"),
        message("<!-- a --><?pi b?> <Get xmlns='urn:x'/><More xmlns='urn:x'/>"),
        b" \r\n" + message(),
    ],
)
def test_legal_layouts_lead_to_the_same_operation(data: bytes) -> None:
    assert parse(data).body.tag == "{urn:x}Get"


def test_the_version_is_that_of_the_envelope() -> None:
    assert parse(message(namespace=V11)).version is SoapVersion.V11
    assert parse(message()).version is SoapVersion.V12


BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"


@pytest.mark.parametrize(
    ("data", "problem", "reason"),
    [
        (b"", Problem.MALFORMED, "the message is not well-formed XML"),
        (b"hello", Problem.MALFORMED, "the message is not well-formed XML"),
        (message()[:-5], Problem.MALFORMED, "the message is not well-formed XML"),
        (BOMB.encode() + message("<Get xmlns='urn:x'>&b;</Get>"), Problem.MALFORMED, "a document type declaration"),
        (b"<!DOCTYPE x SYSTEM 'http://192.0.2.1/x'>" + message(), Problem.MALFORMED, "a document type declaration"),
        ((BOMB + message().decode()).encode("utf-16"), Problem.MALFORMED, "a document type declaration"),
        (message("<Get xmlns='urn:x'>&undefined;</Get>"), Problem.MALFORMED, "the message is not well-formed XML"),
        (message("<Get xmlns='urn:x'>\xff</Get>").decode().encode("latin-1"), Problem.MALFORMED, "the message is not"),
        (message(""), Problem.MALFORMED, "the message has no Body with an element in it"),
        (f"<s:Envelope xmlns:s='{V12}'/>".encode(), Problem.MALFORMED, "the message has no Body"),
        (b"<html/>", Problem.VERSION, "the root element html is not a SOAP 1.1 or 1.2 Envelope"),
        (message(namespace="urn:soap"), Problem.VERSION, "the root element {urn:soap}Envelope is not"),
        (b" " * (MAX_BYTES + 1), Problem.TOO_LARGE, f"the message of {MAX_BYTES + 1} bytes is longer than"),
        (message("<a/>" * (2 * MAX_ELEMENTS + 1)), Problem.TOO_LARGE, "the message has more than"),
        (message(f"<a {'=' * (MAX_ATTRIBUTES + 1)}/>"), Problem.TOO_LARGE, "the message has more than"),
        (message("<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH), Problem.TOO_LARGE, "the message nests elements deeper"),
    ],
)  # fmt: skip
def test_dangerous_and_broken_messages_are_refused(data: bytes, problem: Problem, reason: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        parse(data)
    assert caught.value.problem is problem
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("flag", ["1", "true"])
@pytest.mark.parametrize("namespace", [V11, V12])
def test_an_unknown_mandatory_header_is_refused(flag: str, namespace: str) -> None:
    with pytest.raises(EnvelopeError, match=r"the mandatory header \{urn:y\}Pay is not understood") as caught:
        parse(message(header=f"<Pay xmlns='urn:y' s:mustUnderstand='{flag}'/>", namespace=namespace))
    assert caught.value.problem is Problem.NOT_UNDERSTOOD
    assert caught.value.version.namespace == namespace


@pytest.mark.parametrize(
    "header",
    [
        "<Pay xmlns='urn:y' s:mustUnderstand='0'/>",
        "<Pay xmlns='urn:y' s:mustUnderstand='1' s:role='urn:somebody-else'/>",
        f"<To xmlns='{WSA}' s:mustUnderstand='1'>urn:z</To>",
        f"<Security xmlns='{WSSE}' s:mustUnderstand='true'/>",
    ],
)
def test_known_and_optional_headers_are_accepted(header: str) -> None:
    parse(message(header=header))


@pytest.mark.parametrize("namespace", [WSA, WSA_2004])
def test_addressing_is_read_and_answered(namespace: str) -> None:
    header = f"<Action xmlns='{namespace}'>urn:do</Action><MessageID xmlns='{namespace}'> urn:1&amp;2 </MessageID>"
    found = parse(message(header=header)).addressing
    assert found == Addressing(namespace, "urn:do", "urn:1&2")
    root = etree.fromstring(reply(SoapVersion.V12, "<a/>", {}, found, "urn:doResponse"))
    assert root.findtext(f".//{{{namespace}}}Action") == "urn:doResponse"
    assert root.findtext(f".//{{{namespace}}}RelatesTo") == "urn:1&2"


def test_without_addressing_there_is_no_header() -> None:
    assert parse(message()).addressing is None
    assert parse(message(header=f"<To xmlns='{WSA}'>urn:z</To>")).addressing is None
    assert b"Header" not in reply(SoapVersion.V12, "<a/>", {})


def test_a_fault_of_soap_1_2_nests_its_subcodes() -> None:
    body = fault_body(SoapVersion.V12, "Sender", ["ter:A", "ter:B"], "a <b> & \x00c")
    root = etree.fromstring(reply(SoapVersion.V12, body, {"ter": "http://www.onvif.org/ver10/error"}))
    assert [node.text for node in root.iter(f"{{{V12}}}Value")] == ["env:Sender", "ter:A", "ter:B"]
    text = root.find(f".//{{{V12}}}Text")
    assert text.text == "a <b> & \N{REPLACEMENT CHARACTER}c"
    assert text.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"


def test_a_fault_of_soap_1_1_has_its_old_shape() -> None:
    body = fault_body(SoapVersion.V11, "Sender", ["ter:A"], "reason")
    root = etree.fromstring(reply(SoapVersion.V11, body, {"ter": "http://www.onvif.org/ver10/error"}))
    fault = root.find(f".//{{{V11}}}Fault")
    assert [(node.tag, node.text) for node in fault][:2] == [("faultcode", "env:Client"), ("faultstring", "reason")]
    assert fault.findtext("detail/{http://www.onvif.org/ver10/error}Code") == "ter:A"


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_names_of_strangers_do_not_fill_the_memory() -> None:
    """40 bytes are kept of every name that libxml2 reads in a lasting thread: 20 MB of these."""
    budget = NameBudget(limit=1000)
    known = b"<known/>"
    assert budget.parse(known, etree.XMLParser()).tag == "known"
    for number in range(3):
        budget.parse(_unheard(number), etree.XMLParser())
    before = resident_bytes()
    for number in range(3, 300):
        root = budget.parse(_unheard(number), etree.XMLParser())
        assert (len(root), root[7].tag) == (1800, f"{{urn:{number}}}n{number}-7")
    assert resident_bytes() - before < 8_000_000
    assert budget.parse(known, etree.XMLParser()).tag == "known"


def _unheard(number: int) -> bytes:
    return b"<a xmlns='urn:%d'>%s</a>" % (number, b"".join(b"<n%d-%d/>" % (number, each) for each in range(1800)))


@pytest.mark.parametrize(
    "known", ["<a b='1'/>", "<a xmlns:n='urn:n' n:b = '1'/>", "<n:a xmlns:n\n=\n'urn:n' b='2'>c</n:a>"]
)
def test_the_same_names_count_once(known: str) -> None:
    budget = NameBudget(limit=4)
    for value in range(20):
        root = budget.parse(known.replace("1", str(value)).encode(), etree.XMLParser())
        assert etree.QName(root).localname == "a"
    assert 2 <= len(budget) <= 4


def test_a_long_name_is_not_kept() -> None:
    budget = NameBudget()
    assert budget.parse(b"<%s/>" % (b"x" * 1000), etree.XMLParser()).tag == "x" * 1000
    assert len(budget) == 0
