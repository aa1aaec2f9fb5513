"""Plain values to XML text, by the plans of the contract's schema.

Text is joined from prepared tags: that costs a third of building a tree and serialising it, and a list of profiles is
the largest thing a recorder is asked for over and over.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from lxml import etree

from gateway.onvif.schema import TEXT, WILDCARD, Attribute, Child, ComplexType
from gateway.onvif.simple import SimpleType

Write: TypeAlias = Callable[[Any], str]

_SPECIAL = re.compile('[&<>"\t\r\n\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


class EncodeError(ValueError):
    """A value does not fit the contract: a fault of the code that made it."""


class Written(str):
    """An element that is already XML text, with the catalogue's prefixes; it stands where its plain value could.

    Where an element is repeated, it is all of them.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Parts:
    """How the parts of a complex type are written, by key."""

    order: Callable[[str], int]
    attributes: Mapping[str, Write]
    content: Mapping[str, Write]


class Writer:
    """Writes elements of one schema. What it prepares for a type is kept."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self._prefix_of = {namespace: prefix for prefix, namespace in prefixes.items()}
        self._parts: dict[ComplexType, _Parts] = {}

    def element(self, child: Child) -> Write:
        """Return what writes one occurrence of an element; it raises EncodeError."""
        name = self._name(child.tag)
        if isinstance(child.type, SimpleType):
            return self._leaf(name, child.type)
        return self._branch(name, child.type)

    def _leaf(self, name: str, kind: SimpleType) -> Write:
        start, end, text = f"<{name}>", f"</{name}>", self._text(f"element {name}", kind)

        def write(value: Any) -> str:  # noqa: ANN401 - plain values
            return start + text(value) + end

        return write

    def _branch(self, name: str, plan: ComplexType) -> Write:
        opening, end = f"<{name}", f"</{name}>"
        text = self._text(f"element {name}", plan.text) if plan.text else None

        def write(value: Any) -> str:  # noqa: ANN401 - plain values
            parts = self._parts.get(plan) or self._prepare(plan)
            if not isinstance(value, dict):
                if isinstance(value, Written):
                    return value
                if text is None:
                    raise EncodeError(f"element {name} needs a dict, not {value!r:.80}")
                return f"{opening}>{text(value)}{end}"
            try:
                keys = sorted(value, key=parts.order)
            except KeyError as error:
                known = ", ".join(plan.order) or "none"
                raise EncodeError(f"element {name} has no part {error.args[0]!r}; it has {known}") from None
            start, content = opening, ""
            for key in keys:
                if key in parts.content:
                    content += parts.content[key](value[key])
                else:
                    start += parts.attributes[key](value[key])
            return f"{start}>{content}{end}" if content else start + "/>"

        return write

    def _prepare(self, plan: ComplexType) -> _Parts:
        attributes, content = {}, {}
        for key, part in plan.by_key.items():
            if isinstance(part, Attribute):
                attributes[key] = self._attribute(part)
            elif isinstance(part, Child):
                content[key] = self._repeated(part) if part.repeated else self.element(part)
            elif key == WILDCARD:
                content[key] = _foreign
            elif key == TEXT and plan.text is not None:
                content[key] = self._text(f"text of {plan.name}", plan.text)
        parts = self._parts[plan] = _Parts(plan.order.__getitem__, attributes, content)
        return parts

    def _repeated(self, child: Child) -> Write:
        one = self.element(child)

        def write(value: Any) -> str:  # noqa: ANN401 - plain values
            if isinstance(value, Written):
                return value
            if not isinstance(value, list | tuple):
                raise EncodeError(f"element {child.name} is repeated and needs a list, not {value!r:.80}")
            return "".join([one(item) for item in value])

        return write

    def _attribute(self, attribute: Attribute) -> Write:
        name = self._name(attribute.tag)
        text = self._text(f"attribute {name}", attribute.type)

        def write(value: Any) -> str:  # noqa: ANN401 - plain values
            return f' {name}="{text(value)}"'

        return write

    def _text(self, what: str, kind: SimpleType) -> Write:
        convert = kind.write

        def write(value: Any) -> str:  # noqa: ANN401 - plain values
            try:
                text = convert(value)
                return self._name(text) if text.startswith("{") else escape(text)
            except ValueError as error:
                raise EncodeError(f"{what} can't be {value!r:.80}: {error}") from None

        def write_verbatim(value: Any) -> str:  # noqa: ANN401 - plain values
            try:
                return escape(convert(value))
            except ValueError as error:
                raise EncodeError(f"{what} can't be {value!r:.80}: {error}") from None

        return write if kind.qname else write_verbatim

    def _name(self, tag: str) -> str:
        """Turn `{namespace}name` into `prefix:name`. Raises ValueError for a namespace without a prefix."""
        namespace, _, local = tag.rpartition("}")
        if not namespace:
            return local
        prefix = self._prefix_of.get(namespace[1:])
        if prefix is None:
            raise ValueError(f"the namespace {namespace[1:]} has no prefix in the catalogue")
        return f"{prefix}:{local}"


def escape(text: str) -> str:
    """Make text safe in elements and attributes; what XML 1.0 cannot carry becomes a replacement character."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda match: _ESCAPES.get(match[0], "\N{REPLACEMENT CHARACTER}"), text)


def _foreign(elements: Any) -> str:  # noqa: ANN401 - plain values
    """Write elements that the schema leaves open: those of lxml carry their own namespace declarations."""
    return "".join(
        [
            element if isinstance(element, Written) else etree.tostring(element, encoding="unicode", with_tail=False)
            for element in elements
        ]
    )
