"""Answers to SOAP requests that we sent: what is in them, or the fault (SOAP 1.2 part 1 §5.4, SOAP 1.1 §4.4)."""

from typing import TypeAlias

from lxml import etree

from gateway.protocols.soap.envelope import EnvelopeError, Problem, SoapVersion, parse_xml

MAX_ANSWER_BYTES = 2 * 1024 * 1024
MAX_ANSWER_ELEMENTS = 40_000
Element: TypeAlias = etree._Element  # noqa: SLF001 - lxml's only name for it
"""An element of an answer, read by its `{namespace}name`."""


class SoapFault(Exception):  # noqa: N818 - SOAP's own word
    """A fault: `codes` are the local names of its code and subcodes, the code first, `reason` its text."""

    def __init__(self, codes: tuple[str, ...], reason: str) -> None:
        super().__init__(reason or "/".join(codes))
        self.codes = codes
        self.reason = reason


def parse_answer(data: bytes) -> Element:
    """Return the first element of the Body. Raises SoapFault, or EnvelopeError when it is no SOAP."""
    root = parse_xml(data, MAX_ANSWER_BYTES, MAX_ANSWER_ELEMENTS)
    version = next((version for version in SoapVersion if root.tag == f"{{{version.namespace}}}Envelope"), None)
    if version is None:
        raise EnvelopeError(Problem.VERSION, f"the root element {root.tag} is not a SOAP 1.1 or 1.2 Envelope")
    body = root.find(f"{{{version.namespace}}}Body")
    first = None if body is None else next(body.iterchildren(etree.Element), None)
    if first is None:
        raise EnvelopeError(Problem.MALFORMED, "the message has no Body with an element in it", version)
    if first.tag == f"{{{version.namespace}}}Fault":
        raise _fault(first, version)
    return first


def text(node: Element | None, path: str = "") -> str:
    """Return the text of an element, or of the one at a path below it; empty where there is none."""
    found = node if node is None or not path else node.find(path)
    return "" if found is None else (found.text or "").strip()


def markup(element: Element) -> str:
    """Return an element as it stands, with the declarations that it needs, to be sent back."""
    return etree.tostring(element, encoding="unicode", with_tail=False)


def header_blocks(parameters: Element | None) -> str:
    """Return the children of ReferenceParameters as header blocks of a request to their owner (WS-Addressing §3.3)."""
    children = () if parameters is None else parameters.iterchildren(etree.Element)
    return "".join(map(markup, children))


def _fault(fault: Element, version: SoapVersion) -> SoapFault:
    if version is SoapVersion.V11:
        codes = (text(fault, "faultcode"), *(text(code) for code in fault.iterfind("detail/{*}Code")))
        reason = text(fault, "faultstring")
    else:
        codes = tuple(text(value) for value in fault.iterfind(".//{*}Value"))
        reason = text(fault, "{*}Reason/{*}Text")
    return SoapFault(tuple(code.rpartition(":")[2] for code in codes if code), reason)
