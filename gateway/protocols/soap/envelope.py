"""SOAP envelopes, 1.1 and 1.2: hardened parsing of requests, and replies (SOAP 1.2 part 1; SOAP 1.1 note)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from lxml import etree

from gateway.protocols.soap.names import NameBudget

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
ADDRESSING = ("http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing")
FAULT_ACTION = "http://www.w3.org/2005/08/addressing/soap/fault"

MAX_BYTES = 128 * 1024
MAX_ELEMENTS = 2000
MAX_ATTRIBUTES = 2000
MAX_DEPTH = 64
_PARSER = etree.XMLParser(
    encoding="utf-8",
    resolve_entities=False,
    load_dtd=False,
    no_network=True,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
    collect_ids=False,
)
_NAMES = NameBudget()
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NEXT = ("http://www.w3.org/2003/05/soap-envelope/role/next", "http://schemas.xmlsoap.org/soap/actor/next")
_ULTIMATE = "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver"
_too_deep = etree.XPath("/*" * (MAX_DEPTH + 1))
_UNSAFE = re.compile('[&<>"\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "\t", "\n": "\n"}


class SoapVersion(Enum):
    """A version of SOAP with its namespace and media type."""

    V11 = ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml; charset=utf-8")
    V12 = ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml; charset=utf-8")

    @property
    def namespace(self) -> str:
        """Namespace of its envelope."""
        return self.value[0]

    @property
    def content_type(self) -> str:
        """Value of the Content-Type header of its replies."""
        return self.value[1]


class Problem(Enum):
    """Why an envelope is refused."""

    TOO_LARGE = "too large"
    MALFORMED = "malformed"
    VERSION = "version"
    NOT_UNDERSTOOD = "not understood"


class EnvelopeError(ValueError):
    """A message that is no acceptable SOAP request."""

    def __init__(self, problem: Problem, message: str, version: SoapVersion = SoapVersion.V12) -> None:
        super().__init__(message)
        self.problem = problem
        self.version = version
        """The version in which to answer."""


@dataclass(frozen=True, slots=True)
class Addressing:
    """The WS-Addressing headers of a request; empty where absent."""

    namespace: str
    action: str
    message_id: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed request."""

    version: SoapVersion
    body: etree._Element
    """First child element of the Body."""
    headers: tuple[etree._Element, ...]
    security: etree._Element | None
    """The wsse:Security header."""
    addressing: Addressing | None


def parse(data: bytes) -> Envelope:
    """Parse a request. Raises EnvelopeError.

    No document type, no entities, no network; size, number of elements and attributes, and depth are limited. The
    encoding is UTF-8 whatever the XML declaration says, or UTF-16 with a byte order mark.
    """
    root = parse_xml(data)
    version = next((version for version in SoapVersion if root.tag == f"{{{version.namespace}}}Envelope"), None)
    if version is None:
        raise EnvelopeError(Problem.VERSION, f"the root element {root.tag} is not a SOAP 1.1 or 1.2 Envelope")
    body = root.find(f"{{{version.namespace}}}Body")
    first = None if body is None else next(body.iterchildren(etree.Element), None)
    if first is None:
        raise EnvelopeError(Problem.MALFORMED, "the message has no Body with an element in it", version)
    header = root.find(f"{{{version.namespace}}}Header")
    headers = () if header is None else tuple(header.iterchildren(etree.Element))
    for block in headers:
        _require_understood(block, version)
    security = next((block for block in headers if block.tag == f"{{{WSSE}}}Security"), None)
    return Envelope(version, first, headers, security, _addressing(headers))


def reply(
    version: SoapVersion,
    body: str,
    namespaces: Mapping[str, str],
    addressing: Addressing | None = None,
    action: str = "",
) -> bytes:
    """Return an envelope around a body written with the prefixes of `namespaces`; `env` is the envelope's own.

    With the request's addressing, the reply carries Action and RelatesTo (WS-Addressing 1.0 Core §3.4).
    """
    declared = {"env": version.namespace, **namespaces}
    header = ""
    if addressing is not None:
        prefix = next((known for known, uri in declared.items() if uri == addressing.namespace), "wsa")
        declared[prefix] = addressing.namespace
        relates = f"<{prefix}:RelatesTo>{escape(addressing.message_id)}</{prefix}:RelatesTo>"
        header = (
            f"<env:Header><{prefix}:Action>{escape(action)}</{prefix}:Action>"
            f"{relates if addressing.message_id else ''}</env:Header>"
        )
    declarations = "".join([f' xmlns:{prefix}="{uri}"' for prefix, uri in declared.items()])
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<env:Envelope{declarations}>{header}<env:Body>{body}</env:Body></env:Envelope>"
    ).encode()


def fault_body(
    version: SoapVersion, code: str, subcodes: Sequence[str], reason: str, detail: etree._Element | None = None
) -> str:
    """Return the Fault element: code in SOAP 1.2's words, subcodes as `prefix:name` (SOAP 1.2 part 1 §5.4)."""
    extra = "" if detail is None else etree.tostring(detail, encoding="unicode", with_tail=False)
    if version is SoapVersion.V11:
        return _fault_body_11(code, subcodes, reason, extra)
    nested = ""
    for subcode in reversed(subcodes):
        nested = f"<env:Subcode><env:Value>{subcode}</env:Value>{nested}</env:Subcode>"
    return (
        f"<env:Fault><env:Code><env:Value>env:{code}</env:Value>{nested}</env:Code>"
        f'<env:Reason><env:Text xml:lang="en">{escape(reason)}</env:Text></env:Reason>'
        f"{f'<env:Detail>{extra}</env:Detail>' if extra else ''}</env:Fault>"
    )


def _fault_body_11(code: str, subcodes: Sequence[str], reason: str, extra: str) -> str:
    """SOAP 1.1 has no subcodes: they go into the detail (SOAP 1.1 §4.4)."""
    old = {"Sender": "Client", "Receiver": "Server"}.get(code, code)
    codes = "".join(f"<ter:Code>{subcode}</ter:Code>" for subcode in subcodes)
    detail = f"<detail>{codes}{extra}</detail>" if codes or extra else ""
    return f"<env:Fault><faultcode>env:{old}</faultcode><faultstring>{escape(reason)}</faultstring>{detail}</env:Fault>"


def escape(text: str) -> str:
    """Make text safe in an element; what XML 1.0 cannot carry becomes a replacement character."""
    return _UNSAFE.sub(lambda match: _ESCAPES.get(match[0], "\N{REPLACEMENT CHARACTER}"), text)


def parse_xml(data: bytes, max_bytes: int = MAX_BYTES, max_elements: int = MAX_ELEMENTS) -> etree._Element:
    """Parse a document within limits: no document type, no entities, no network. Raises EnvelopeError."""
    if len(data) > max_bytes:
        raise EnvelopeError(Problem.TOO_LARGE, f"the message of {len(data)} bytes is longer than {max_bytes} bytes")
    if data.startswith(_UTF16):
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise EnvelopeError(Problem.MALFORMED, "a document type declaration is not allowed in SOAP")
    if data.count(b"<") > 2 * max_elements or data.count(b"=") > max_elements * MAX_ATTRIBUTES // MAX_ELEMENTS:
        raise EnvelopeError(Problem.TOO_LARGE, f"the message has more than {max_elements} elements or attributes")
    try:
        root = _NAMES.parse(data, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise EnvelopeError(Problem.MALFORMED, f"the message is not well-formed XML: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise EnvelopeError(Problem.MALFORMED, "a document type declaration is not allowed in SOAP")
    if _too_deep(root):
        raise EnvelopeError(Problem.TOO_LARGE, f"the message nests elements deeper than {MAX_DEPTH}")
    return root


def _require_understood(block: etree._Element, version: SoapVersion) -> None:
    """Refuse a mandatory header that nobody here understands (SOAP 1.2 part 1 §2.4)."""
    namespace = str(block.tag).partition("}")[0][1:]
    mandatory = block.get(f"{{{version.namespace}}}mustUnderstand", "").strip() in ("1", "true")
    role = block.get(f"{{{version.namespace}}}{'actor' if version is SoapVersion.V11 else 'role'}", "")
    if mandatory and role in ("", _ULTIMATE, *_NEXT) and namespace not in (WSSE, *ADDRESSING):
        raise EnvelopeError(Problem.NOT_UNDERSTOOD, f"the mandatory header {block.tag} is not understood", version)


def _addressing(headers: Sequence[etree._Element]) -> Addressing | None:
    found: dict[str, tuple[str, str]] = {}
    for block in headers:
        namespace, _, name = str(block.tag).rpartition("}")
        if namespace[1:] in ADDRESSING:
            found.setdefault(name, (namespace[1:], (block.text or "").strip()))
    if not found.keys() & {"Action", "MessageID"}:
        return None
    namespace = next(iter(found.values()))[0]
    action, message_id, to = (found.get(name, ("", ""))[1] for name in ("Action", "MessageID", "To"))
    return Addressing(namespace, action, message_id, to)
