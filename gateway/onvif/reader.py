"""Requests to plain values, by the plans of the contract's schema.

The plan is the validator too: it checks types, facets and what is required, and takes children in any order.
"""

from typing import Any

from lxml import etree

from gateway.onvif.schema import TEXT, WILDCARD, Child, ComplexType
from gateway.onvif.simple import SimpleType

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_SHOWN = 80


class DecodeError(ValueError):
    """A request does not hold what the contract asks for."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing
        """Whether something is absent rather than wrong."""


def read_element(element: etree._Element, plan: ComplexType | SimpleType) -> dict[str, Any]:
    """Return the content of an element. Raises DecodeError."""
    if isinstance(plan, SimpleType):
        return {TEXT: _read_simple(element, plan)}
    return _read(element, plan)


def _read(element: etree._Element, plan: ComplexType) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for tag, text in element.attrib.items():
        attribute = plan.attributes.get(str(tag))
        if attribute is not None:
            value[attribute.name] = _typed(
                element, f"attribute {attribute.name} of {_local(element)}", str(text), attribute.type
            )
    for node in element.iterchildren(etree.Element):
        child = plan.children.get(str(node.tag))
        if child is not None:
            _take(value, node, child)
        elif plan.wildcard:
            value.setdefault(WILDCARD, []).append(node)
    for part in plan.required:
        if part.name not in value:
            raise DecodeError(f"{_local(element)} lacks {part.name}", missing=True)
    if plan.text is not None:
        value[TEXT] = _typed(element, _local(element), _text(element), plan.text)
    return value


def _take(value: dict[str, Any], node: etree._Element, child: Child) -> None:
    """Add one declared child. Empty optional ones count as absent: some clients always send every element."""
    kind = child.type
    empty = len(node) == 0 and not (node.text or "").strip()
    if node.get(_NIL) in ("true", "1") or (
        empty and isinstance(kind, SimpleType) and kind.collapse and not child.required
    ):
        return
    item = _read_simple(node, kind) if isinstance(kind, SimpleType) else _read(node, kind)
    if child.repeated:
        value.setdefault(child.name, []).append(item)
    elif child.name in value:
        raise DecodeError(f"{child.name} is given more than once")
    else:
        value[child.name] = item


def _read_simple(node: etree._Element, kind: SimpleType) -> Any:  # noqa: ANN401 - plain values
    if len(node):
        raise DecodeError(f"{_local(node)} holds elements where text is expected")
    return _typed(node, _local(node), _text(node), kind)


def _typed(node: etree._Element, what: str, text: str, kind: SimpleType) -> Any:  # noqa: ANN401 - plain values
    if kind.collapse:
        text = text.strip()
    try:
        return kind.read(text, node)
    except ValueError as error:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        raise DecodeError(f"{what} can't be {shown!r}: {error}") from None


def _text(node: etree._Element) -> str:
    return node.text or ""


def _local(node: etree._Element) -> str:
    return str(node.tag).rpartition("}")[2]
