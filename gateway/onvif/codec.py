"""Plain values to XML and back, by the plans of the contract's schema.

A value is a dict with the local names of elements and attributes as keys: repeated elements are lists, absent optional
ones have no key, text beside attributes is `_`, undeclared children are a list of lxml elements under `_any`. Scalars
are typed as `gateway.onvif.simple` says.
"""

from collections.abc import Mapping
from typing import Any

from lxml import etree

from gateway.onvif.contract import Contract
from gateway.onvif.schema import TEXT, WILDCARD, Attribute, Child, ComplexType
from gateway.onvif.simple import SimpleType

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_ILLEGAL = dict.fromkeys(
    [*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)], "\N{REPLACEMENT CHARACTER}"
)
_SHOWN = 80


class DecodeError(ValueError):
    """A request does not hold what the contract asks for."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing
        """Whether something is absent rather than wrong."""


class EncodeError(ValueError):
    """A value does not fit the contract: a fault of the code that made it."""


class Codec:
    """Reads requests and writes responses of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._schema = contract.schema
        self._prefixes = dict(contract.prefixes)

    def decode(self, element: etree._Element) -> dict[str, Any]:
        """Return the content of a global element. Raises DecodeError, or KeyError for an undeclared element."""
        plan = self._schema.element(str(element.tag)).type
        if isinstance(plan, SimpleType):
            return {TEXT: _read_simple(element, plan)}
        return _read(element, plan)

    def encode(self, parent: etree._Element, tag: str, value: Mapping[str, Any]) -> etree._Element:
        """Append a global element to a parent. Raises EncodeError, or KeyError for an undeclared element."""
        declared = self._schema.element(tag)
        element = etree.SubElement(parent, tag)
        _write_into(element, value, declared)
        return element

    def element(self, tag: str, value: Mapping[str, Any]) -> etree._Element:
        """Return a global element by itself, for use under `_any`. Raises as `encode` does."""
        namespace = tag[1:].partition("}")[0]
        known = {prefix: uri for prefix, uri in self._prefixes.items() if uri in (namespace, self._prefixes["tt"])}
        element = etree.Element(tag, nsmap=known)
        _write_into(element, value, self._schema.element(tag))
        return element


def _write_into(element: etree._Element, value: Any, child: Child) -> None:  # noqa: ANN401 - plain values
    if isinstance(child.type, SimpleType):
        _set_text(element, value, child.type)
    else:
        _write(element, value, child.type)


def _write(element: etree._Element, value: Any, plan: ComplexType) -> None:  # noqa: ANN401 - plain values
    if not isinstance(value, dict):
        if plan.text is None:
            raise EncodeError(f"element {_local(element)} needs a dict, not {value!r:.80}")
        _set_text(element, value, plan.text)
        return
    try:
        keys = sorted(value, key=plan.order.__getitem__)
    except KeyError as error:
        raise EncodeError(
            f"element {_local(element)} has no part {error.args[0]!r}; it has {', '.join(plan.order) or 'none'}"
        ) from None
    for key in keys:
        part = plan.by_key[key]
        if type(part) is Child:
            _write_child(element, value[key], part)
        elif type(part) is Attribute:
            _write_attribute(element, value[key], part)
        elif key == WILDCARD:
            element.extend(value[key])
        elif plan.text is not None:
            _set_text(element, value[key], plan.text)


def _write_child(element: etree._Element, value: Any, child: Child) -> None:  # noqa: ANN401 - plain values
    if not child.repeated:
        _append(element, value, child)
        return
    if not isinstance(value, list | tuple):
        raise EncodeError(f"element {_local(element)}: {child.name} is repeated and needs a list, not {value!r:.80}")
    for item in value:
        _append(element, item, child)


def _write_attribute(element: etree._Element, value: Any, attribute: Attribute) -> None:  # noqa: ANN401 - plain values
    try:
        text = attribute.type.write(value)
    except ValueError as error:
        raise EncodeError(f"attribute {attribute.name} of {_local(element)} can't be {value!r:.80}: {error}") from None
    try:
        element.set(attribute.tag, text)  # type: ignore[arg-type] # lxml declares the prefix of a QName itself
    except ValueError:
        element.set(attribute.tag, str(text).translate(_ILLEGAL))


def _append(parent: etree._Element, value: Any, child: Child) -> None:  # noqa: ANN401 - plain values
    element = etree.SubElement(parent, child.tag)
    kind = child.type
    if type(kind) is ComplexType:
        _write(element, value, kind)
    else:
        _set_text(element, value, kind)  # type: ignore[arg-type] # a type is simple or complex


def _set_text(element: etree._Element, value: Any, kind: SimpleType) -> None:  # noqa: ANN401 - plain values
    try:
        text = kind.write(value)
    except ValueError as error:
        raise EncodeError(f"element {_local(element)} can't be {value!r:.80}: {error}") from None
    try:
        element.text = text  # type: ignore[assignment] # lxml declares the prefix of a QName itself
    except ValueError:
        element.text = str(text).translate(_ILLEGAL)


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
