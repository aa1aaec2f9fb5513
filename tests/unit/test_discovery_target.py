import pytest

from gateway.protocols.discovery import (
    DEVICE,
    NETWORK_VIDEO_TRANSMITTER,
    NS_DISCOVERY,
    ONVIF_TYPES,
    TO_ANONYMOUS,
    Body,
    Bye,
    Hello,
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
from gateway.protocols.discovery_target import BURST, MAX_KNOWN_IDS, MAX_SOURCES, RATE, Responder, matches
from gateway.protocols.soap.envelope import SoapVersion

UUID = "4d3a8f6e-1f0a-4a4b-9c2e-001122334455"
SCOPES = (scope("Profile", "Streaming"), scope("Profile", "T"), scope("name", "Front Door"), f"uuid:{UUID}")
XADDR = "http://192.0.2.1/onvif/device_service"


@pytest.fixture
def responder() -> Responder:
    return Responder(UUID, ONVIF_TYPES, lambda: SCOPES, 1000)


def ask(
    responder: Responder, body: Body, message_id: str = "uuid:1", source: str = "192.0.2.9", now: float = 0.0
) -> Message | None:
    reply = responder.respond(serialize(Message(body, message_id)), source, (XADDR,), now, multicast=True)
    return None if reply is None else parse(reply.datagram)


@pytest.mark.parametrize("types", [(), (NETWORK_VIDEO_TRANSMITTER,), (DEVICE,), ONVIF_TYPES])
def test_a_probe_of_its_types_is_answered(responder: Responder, types: tuple[str, ...]) -> None:
    answer = ask(responder, Probe(types), "uuid:AbC-1")
    assert answer is not None
    assert answer.body == ProbeMatches((Target(f"urn:uuid:{UUID}", ONVIF_TYPES, SCOPES, (XADDR,), 1000),))
    assert answer.relates_to == "uuid:AbC-1"
    assert answer.to == TO_ANONYMOUS


@pytest.mark.parametrize(
    "body",
    [
        Probe(("{http://www.onvif.org/ver10/network/wsdl}NetworkVideoDisplay",)),
        Probe((*ONVIF_TYPES, "{urn:foreign}Printer")),
        Probe(("NetworkVideoTransmitter",)),
        Probe(scopes=(scope("Profile", "M"),)),
        Resolve("urn:uuid:00000000-0000-0000-0000-000000000000"),
        Hello(Target("urn:uuid:1")),
        Bye("urn:uuid:1"),
        ProbeMatches(()),
    ],
)
def test_what_does_not_concern_it_gets_silence(responder: Responder, body: Body) -> None:
    assert ask(responder, body) is None


def test_a_resolve_of_its_endpoint_is_answered_at_once(responder: Responder) -> None:
    asked = serialize(Message(Resolve(f"urn:uuid:{UUID.upper()}"), "uuid:1"))
    reply = responder.respond(asked, "192.0.2.9", (XADDR,), 0.0, multicast=True)
    assert reply is not None
    assert not reply.delayed
    body = parse(reply.datagram).body
    assert isinstance(body, ResolveMatches)
    assert body.target.xaddrs == (XADDR,)


def test_only_a_multicast_probe_is_answered_with_delay(responder: Responder) -> None:
    asked = [serialize(Message(Probe(), f"uuid:{number}")) for number in range(2)]
    first = responder.respond(asked[0], "192.0.2.9", (XADDR,), 0.0, multicast=True)
    second = responder.respond(asked[1], "192.0.2.9", (XADDR,), 0.0, multicast=False)
    assert first is not None
    assert second is not None
    assert (first.delayed, second.delayed) == (True, False)


def test_an_unknown_matching_rule_is_a_fault_on_unicast_and_silence_on_multicast(responder: Responder) -> None:
    asked = serialize(Message(Probe(scopes=SCOPES[:1], match_by="urn:my-rule"), "uuid:1"))
    assert responder.respond(asked, "192.0.2.9", (XADDR,), 0.0, multicast=True) is None
    reply = responder.respond(asked, "192.0.2.9", (XADDR,), 0.0, multicast=False)
    assert reply is not None
    assert b"d:MatchingRuleNotSupported" in reply.datagram
    assert b"<a:RelatesTo>uuid:1</a:RelatesTo>" in reply.datagram
    assert f"{NS_DISCOVERY}/rfc3986".encode() in reply.datagram


def test_the_answer_uses_the_soap_version_of_the_question(responder: Responder) -> None:
    asked = serialize(Message(Probe(), "uuid:1", soap=SoapVersion.V11))
    reply = responder.respond(asked, "192.0.2.9", (XADDR,), 0.0, multicast=True)
    assert reply is not None
    assert parse(reply.datagram).soap is SoapVersion.V11


@pytest.mark.parametrize(
    ("rule", "wanted", "found"),
    [
        ("rfc3986", "onvif://www.onvif.org/Profile/Streaming", True),
        ("rfc3986", "onvif://www.onvif.org/Profile", True),
        ("rfc3986", "onvif://www.onvif.org/Profile/", True),
        ("rfc3986", "onvif://www.onvif.org", True),
        ("rfc3986", "ONVIF://WWW.ONVIF.ORG/Profile/T", True),
        ("rfc3986", "onvif://www.onvif.org/Profile/T?query#fragment", True),
        ("rfc3986", "onvif://www.onvif.org/name/Front%20Door", True),
        ("rfc3986", "onvif://www.onvif.org/n%61me", True),
        ("rfc3986", "onvif://www.onvif.org/Prof", False),
        ("rfc3986", "onvif://www.onvif.org/profile", False),
        ("rfc3986", "onvif://www.onvif.org/Profile/Streaming/More", False),
        ("rfc3986", "onvif://www.onvif.org/./Profile", False),
        ("rfc3986", "onvif://www.onvif.org/Profile/../Profile", False),
        ("rfc3986", "onvif://www.onvif.com/Profile", False),
        ("rfc3986", "http://www.onvif.org/Profile", False),
        ("rfc3986", "onvif://[broken", False),
        ("rfc2396", "onvif://www.onvif.org/Profile", True),
        ("strcmp0", "onvif://www.onvif.org/Profile/T", True),
        ("strcmp0", "onvif://www.onvif.org/Profile", False),
        ("uuid", f"urn:uuid:{UUID.upper()}", True),
        ("uuid", "uuid:00000000-0000-0000-0000-000000000000", False),
        ("uuid", "uuid:no", False),
        ("none", "", False),
        ("ldap", "ldap://host/ou=door,o=acme", False),
    ],
)
def test_scope_matching_by_rule(rule: str, wanted: str, found: bool) -> None:  # noqa: FBT001 - a table's column
    probe = Probe(scopes=(wanted,) if wanted else (), match_by=f"{NS_DISCOVERY}/{rule}")
    assert matches(probe, Target(UUID, ONVIF_TYPES, SCOPES)) is found


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("ldap://host/ou=Door,o=acme", True),
        ("LDAP://HOST/o=acme", True),
        ("ldap://host/o=acme,c=de", False),
        ("ldap://host/ou=door", False),
        ("ldap://host/cn=bell,ou=door,o=acme", False),
        ("ldap://other/o=acme", False),
        ("http://host/o=acme", False),
        ("ldap://[broken", False),
        ("ldap://host/", True),
    ],
)
def test_an_ldap_scope_matches_entries_below_it(wanted: str, found: bool) -> None:  # noqa: FBT001
    probe = Probe(scopes=(wanted,), match_by=f"{NS_DISCOVERY}/ldap")
    assert matches(probe, Target(UUID, (), ("ldap://host/ou=door, o=acme",))) is found


def test_the_rule_none_finds_targets_without_scopes() -> None:
    assert matches(Probe(match_by=f"{NS_DISCOVERY}/none"), Target(UUID))


def test_all_scopes_of_a_probe_must_match(responder: Responder) -> None:
    assert ask(responder, Probe(scopes=SCOPES[:2]), "uuid:1") is not None
    assert ask(responder, Probe(scopes=(*SCOPES[:2], scope("Profile", "M"))), "uuid:2") is None


def test_messages_are_numbered_upwards_with_ids_of_their_own(responder: Responder) -> None:
    answers = [ask(responder, Probe(), f"uuid:{number}") for number in range(3)]
    datagrams = [responder.hello((XADDR,)), responder.bye()]
    messages = [*answers, *(parse(datagram) for datagram in datagrams if datagram)]
    assert [message.sequence.number for message in messages if message and message.sequence] == [1, 2, 3, 4, 5]
    assert {message.sequence.instance for message in messages if message and message.sequence} == {1000}
    assert len({message.message_id for message in messages if message}) == 5


def test_a_later_boot_never_repeats_a_message_id() -> None:
    hellos = [Responder(UUID, ONVIF_TYPES, lambda: SCOPES, boot).hello((XADDR,)) for boot in (1000, 1001)]
    assert len({parse(hello).message_id for hello in hellos if hello}) == 2


def test_a_change_raises_the_metadata_version(responder: Responder) -> None:
    responder.changed()
    hello = responder.hello((XADDR,))
    assert hello is not None
    assert parse(hello).body == Hello(Target(f"urn:uuid:{UUID}", ONVIF_TYPES, SCOPES, (XADDR,), 1001))


def test_a_repeated_probe_is_answered_once_for_each_source(responder: Responder) -> None:
    assert ask(responder, Probe(), "uuid:1", "192.0.2.9") is not None
    assert ask(responder, Probe(), "uuid:1", "192.0.2.9") is None
    assert ask(responder, Probe(), "uuid:1", "fe80::9") is not None


def test_one_source_is_answered_at_a_bounded_rate(responder: Responder) -> None:
    def answered(count: int, now: float, source: str = "192.0.2.9") -> int:
        return sum(ask(responder, Probe(), f"uuid:{now}.{n}", source, now) is not None for n in range(count))

    assert answered(BURST + 10, 0.0) == BURST
    assert answered(5, 0.0, "192.0.2.10") == 5
    assert answered(30, 1.0) == int(RATE)


def test_a_probe_refused_for_its_rate_is_answered_when_repeated_later(responder: Responder) -> None:
    for number in range(BURST):
        ask(responder, Probe(), f"uuid:{number}")
    assert ask(responder, Probe(), "uuid:late", now=0.0) is None
    assert ask(responder, Probe(), "uuid:late", now=1.0) is not None


def test_memory_stays_bounded(responder: Responder) -> None:
    for number in range(MAX_KNOWN_IDS + MAX_SOURCES):
        ask(responder, Probe(), f"uuid:{number}", f"fe80::{number:x}")
    assert len(responder._known._keys) == MAX_KNOWN_IDS
    assert len(responder._limiter._buckets) == MAX_SOURCES


def test_a_device_that_is_not_discoverable_says_nothing() -> None:
    discoverable = False
    responder = Responder(UUID, ONVIF_TYPES, lambda: SCOPES, 1, lambda: discoverable)
    assert ask(responder, Probe()) is None
    assert responder.hello((XADDR,)) is None
    assert responder.bye() is None
    discoverable = True
    assert ask(responder, Probe()) is not None


def test_a_damaged_datagram_gets_silence(responder: Responder) -> None:
    assert responder.respond(b"\x00<!DOCTYPE", "192.0.2.9", (XADDR,), 0.0, multicast=False) is None
