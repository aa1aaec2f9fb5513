"""WS-Discovery messages of April 2005, as ONVIF uses them (Core §7.3): datagrams to objects and back.

Only `parse` sees hostile input; it raises nothing but `DiscoveryError`.
"""

from dataclasses import dataclass
from urllib.parse import quote

from lxml import etree

from gateway.protocols.soap.envelope import EnvelopeError, SoapVersion
from gateway.protocols.soap.envelope import parse as parse_envelope

MULTICAST_IPV4 = "239.255.255.250"
MULTICAST_IPV6 = "ff02::c"
PORT = 3702

MAX_DATAGRAM = 16_384
"""Bytes: a Probe has a few hundred; beyond this it is no Probe."""
MAX_MESSAGE_ID = 512
"""Characters: ids are remembered and echoed, so they are bounded."""
MAX_ITEMS = 64
"""Types, scopes, addresses or matches in one message."""

NS_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
NS_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
NS_NETWORK = "http://www.onvif.org/ver10/network/wsdl"
NS_DEVICE = "http://www.onvif.org/ver10/device/wsdl"

NETWORK_VIDEO_TRANSMITTER = f"{{{NS_NETWORK}}}NetworkVideoTransmitter"
DEVICE = f"{{{NS_DEVICE}}}Device"
ONVIF_TYPES = (NETWORK_VIDEO_TRANSMITTER, DEVICE)
"""Profile S clients look for the first, G, T and M clients for the second, so both are announced."""

TO_ALL = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
TO_ANONYMOUS = f"{NS_ADDRESSING}/role/anonymous"

_ADDRESSES = ("MessageID", "RelatesTo", "To")
_PREFIXES = {"a": NS_ADDRESSING, "d": NS_DISCOVERY, "dn": NS_NETWORK, "tds": NS_DEVICE}
_PREFIX_OF = {namespace: prefix for prefix, namespace in _PREFIXES.items()}


class DiscoveryError(ValueError):
    """A datagram that is no usable WS-Discovery message."""


@dataclass(frozen=True, slots=True)
class AppSequence:
    """Order of a target's messages (WS-Discovery, Appendix I): `instance` rises per boot, `number` per message."""

    instance: int
    number: int


@dataclass(frozen=True, slots=True)
class Target:
    """What a Hello, ProbeMatch or ResolveMatch says of one device. Types are in Clark notation, `{namespace}name`."""

    endpoint: str
    types: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    xaddrs: tuple[str, ...] = ()
    metadata_version: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """Who is there, of all these types and all these scopes? `match_by` is empty for the default rule."""

    types: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    match_by: str = ""


@dataclass(frozen=True, slots=True)
class Resolve:
    """Ask where an endpoint is."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class Hello:
    """A device came or changed."""

    target: Target


@dataclass(frozen=True, slots=True)
class Bye:
    """A device goes."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class ProbeMatches:
    """The answer to a Probe."""

    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class ResolveMatches:
    """The answer to a Resolve."""

    target: Target


@dataclass(frozen=True, slots=True)
class MatchingRuleNotSupported:
    """The fault for a Probe whose MatchBy nobody knows (WS-Discovery §5.3); carries the rules that are known."""

    supported: tuple[str, ...]


Body = Probe | Resolve | Hello | Bye | ProbeMatches | ResolveMatches | MatchingRuleNotSupported


@dataclass(frozen=True, slots=True)
class Message:
    """One datagram. Answers use the asker's version of SOAP."""

    body: Body
    message_id: str
    relates_to: str = ""
    to: str = TO_ALL
    sequence: AppSequence | None = None
    soap: SoapVersion = SoapVersion.V12


def scope(category: str, value: str) -> str:
    """Return an ONVIF scope such as `onvif://www.onvif.org/name/Front%20Door`, its value URL-encoded."""
    return f"onvif://www.onvif.org/{category}/{quote(value, safe='')}"


def parse(data: bytes) -> Message:
    """Parse a datagram that asks or announces something. Raises DiscoveryError, nothing else."""
    if len(data) > MAX_DATAGRAM:
        raise DiscoveryError(f"a datagram of {len(data)} bytes is longer than {MAX_DATAGRAM}")
    try:
        envelope = parse_envelope(data)
    except EnvelopeError as error:
        raise DiscoveryError(str(error)) from None
    headers = {str(block.tag): block for block in reversed(envelope.headers)}
    message_id, relates_to, to = (_content(headers.get(f"{{{NS_ADDRESSING}}}{name}")) for name in _ADDRESSES)
    if not 0 < len(message_id) <= MAX_MESSAGE_ID:
        raise DiscoveryError(f"MessageID must have 1 to {MAX_MESSAGE_ID} characters, not {len(message_id)}")
    sequence = headers.get(f"{{{NS_DISCOVERY}}}AppSequence")
    return Message(
        _parse_body(envelope.body),
        message_id,
        relates_to,
        to,
        None if sequence is None else _parse_sequence(sequence),
        envelope.version,
    )


def _parse_body(element: etree._Element) -> Body:
    name = etree.QName(element)
    match name.localname if name.namespace == NS_DISCOVERY else "":
        case "Probe":
            scopes = element.find(f"{{{NS_DISCOVERY}}}Scopes")
            match_by = "" if scopes is None else scopes.get("MatchBy", "").strip()
            return Probe(_types(element), _items(element, "Scopes"), match_by)
        case "Resolve":
            return Resolve(_endpoint(element))
        case "Hello":
            return Hello(_target(element))
        case "Bye":
            return Bye(_endpoint(element))
        case "ProbeMatches":
            found = element.findall(f"{{{NS_DISCOVERY}}}ProbeMatch")
            return ProbeMatches(tuple(_target(match) for match in found[:MAX_ITEMS]))
        case "ResolveMatches":
            match = element.find(f"{{{NS_DISCOVERY}}}ResolveMatch")
            if match is not None:
                return ResolveMatches(_target(match))
    raise DiscoveryError(f"{_shown(element.tag)} is not a WS-Discovery message")


def _target(element: etree._Element) -> Target:
    version = _text(element, f"{{{NS_DISCOVERY}}}MetadataVersion") or "0"
    return Target(
        _endpoint(element),
        _types(element),
        _items(element, "Scopes"),
        _items(element, "XAddrs"),
        _number(version, "MetadataVersion"),
    )


def _endpoint(element: etree._Element) -> str:
    reference = element.find(f"{{{NS_ADDRESSING}}}EndpointReference")
    address = "" if reference is None else _text(reference, f"{{{NS_ADDRESSING}}}Address")
    if not address:
        raise DiscoveryError(f"{_shown(element.tag)} has no endpoint address")
    return address


def _types(element: etree._Element) -> tuple[str, ...]:
    holder = element.find(f"{{{NS_DISCOVERY}}}Types")
    if holder is None:
        return ()
    return tuple(_resolve(name, holder) for name in _items(element, "Types"))


def _resolve(name: str, holder: etree._Element) -> str:
    """Resolve a QName where it stands; one with an undeclared prefix stays as it is, and so equals no type."""
    prefix, colon, local = name.rpartition(":")
    namespace = holder.nsmap.get(prefix if colon else None)
    return f"{{{namespace}}}{local}" if namespace else name


def _items(element: etree._Element, name: str) -> tuple[str, ...]:
    items = _text(element, f"{{{NS_DISCOVERY}}}{name}").split()
    if len(items) > MAX_ITEMS:
        raise DiscoveryError(f"{len(items)} {name} are more than {MAX_ITEMS}")
    return tuple(items)


def _text(parent: etree._Element, tag: str) -> str:
    return _content(parent.find(tag))


def _content(element: etree._Element | None) -> str:
    return "" if element is None else (element.text or "").strip()


def _parse_sequence(element: etree._Element) -> AppSequence:
    instance, number = element.get("InstanceId", ""), element.get("MessageNumber", "")
    return AppSequence(_number(instance, "InstanceId"), _number(number, "MessageNumber"))


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):  # noqa: PLR2004 - xs:unsignedInt has ten digits
        raise DiscoveryError(f"{name} {text[:40]!r} is not an unsigned integer")
    return int(text)


def _shown(tag: object) -> str:
    return repr(str(tag)[:80])


def serialize(message: Message) -> bytes:
    """Return the datagram of a message, as compact as XML can be so that it stays in one packet.

    Raises ValueError when a text or namespace can't stand in XML.
    """
    soap = message.soap.namespace
    envelope = etree.Element(f"{{{soap}}}Envelope", nsmap={"s": soap, **_PREFIXES})
    header = etree.SubElement(envelope, f"{{{soap}}}Header")
    _add(header, NS_ADDRESSING, "Action", _action(message.body))
    _add(header, NS_ADDRESSING, "MessageID", message.message_id)
    if message.relates_to:
        _add(header, NS_ADDRESSING, "RelatesTo", message.relates_to)
    _add(header, NS_ADDRESSING, "To", message.to)
    if message.sequence is not None:
        sequence = _add(header, NS_DISCOVERY, "AppSequence")
        sequence.set("InstanceId", str(message.sequence.instance))
        sequence.set("MessageNumber", str(message.sequence.number))
    _add_body(etree.SubElement(envelope, f"{{{soap}}}Body"), message)
    return etree.tostring(envelope)


def _action(body: Body) -> str:
    name = "fault" if isinstance(body, MatchingRuleNotSupported) else type(body).__name__
    return f"{NS_DISCOVERY}/{name}"


def _add_body(parent: etree._Element, message: Message) -> None:
    body = message.body
    if isinstance(body, MatchingRuleNotSupported):
        _add_fault(parent, body, message.soap)
        return
    element = _add(parent, NS_DISCOVERY, type(body).__name__)
    match body:
        case Probe():
            _add_types(element, body.types)
            if body.scopes or body.match_by:
                scopes = _add(element, NS_DISCOVERY, "Scopes", " ".join(map(_one_word, body.scopes)))
                if body.match_by:
                    scopes.set("MatchBy", body.match_by)
        case Resolve() | Bye():
            _add_endpoint(element, body.endpoint)
        case Hello():
            _add_target(element, body.target)
        case ProbeMatches():
            for target in body.targets:
                _add_target(_add(element, NS_DISCOVERY, "ProbeMatch"), target)
        case ResolveMatches():
            _add_target(_add(element, NS_DISCOVERY, "ResolveMatch"), body.target)


def _add_target(element: etree._Element, target: Target) -> None:
    _add_endpoint(element, target.endpoint)
    _add_types(element, target.types)
    if target.scopes:
        _add(element, NS_DISCOVERY, "Scopes", " ".join(map(_one_word, target.scopes)))
    if target.xaddrs:
        _add(element, NS_DISCOVERY, "XAddrs", " ".join(map(_one_word, target.xaddrs)))
    _add(element, NS_DISCOVERY, "MetadataVersion", str(target.metadata_version))


def _add_fault(parent: etree._Element, fault: MatchingRuleNotSupported, version: SoapVersion) -> None:
    soap, reason, rules = version.namespace, "the matching rule is not supported", " ".join(fault.supported)
    element = _add(parent, soap, "Fault")
    if version is SoapVersion.V11:  # its children have no namespace (SOAP 1.1 §4.4)
        _add(element, "", "faultcode", "d:MatchingRuleNotSupported")
        _add(element, "", "faultstring", reason)
        _add(_add(element, "", "detail"), NS_DISCOVERY, "SupportedMatchingRules", rules)
        return
    code = _add(element, soap, "Code")
    _add(code, soap, "Value", "s:Sender")
    _add(_add(code, soap, "Subcode"), soap, "Value", "d:MatchingRuleNotSupported")
    text = _add(_add(element, soap, "Reason"), soap, "Text", reason)
    text.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    _add(_add(element, soap, "Detail"), NS_DISCOVERY, "SupportedMatchingRules", rules)


def _add_endpoint(element: etree._Element, endpoint: str) -> None:
    _add(_add(element, NS_ADDRESSING, "EndpointReference"), NS_ADDRESSING, "Address", endpoint)


def _add_types(element: etree._Element, types: tuple[str, ...]) -> None:
    if not types:
        return
    names = [name[1:].split("}", 1) if name.startswith("{") else ["", name] for name in types]
    foreign = dict.fromkeys(namespace for namespace, _ in names if namespace and namespace not in _PREFIX_OF)
    prefixes = {"": ""} | {namespace: f"n{index}:" for index, namespace in enumerate(foreign)}
    prefixes |= {namespace: f"{prefix}:" for namespace, prefix in _PREFIX_OF.items()}
    nsmap = {prefixes[namespace][:-1]: namespace for namespace in foreign}
    holder = etree.SubElement(element, f"{{{NS_DISCOVERY}}}Types", nsmap=nsmap)
    holder.text = " ".join(prefixes[namespace] + name for namespace, name in names)


def _add(parent: etree._Element, namespace: str, name: str, text: str = "") -> etree._Element:
    element = etree.SubElement(parent, f"{{{namespace}}}{name}" if namespace else name)
    if text:
        element.text = text
    return element


def _one_word(uri: str) -> str:
    """Keep a URI whole inside a list that is separated by white space."""
    return "%20".join(uri.split())
