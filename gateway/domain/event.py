"""Events in values: topics, their messages and what may be in them (ONVIF Core §11.6, §11.7).

A topic is written `tns1:VideoSource/SignalLoss`: the prefix of its namespace stands at the root, and at a child only
where that belongs to another namespace. Prefixes are those of the contract's catalogue. Values are XML text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self, TypeAlias

Items: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, in the order of the topic's description."""

PropertyKey: TypeAlias = tuple[str, Items, Items]
"""What makes a property: topic, source and key."""


class PropertyOperation(StrEnum):
    """What happened to a property (tt:PropertyOperation)."""

    INITIALIZED = "Initialized"
    CHANGED = "Changed"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True)
class Event:
    """One message on a topic."""

    topic: str
    source: Items = ()
    """Who tells it, such as a video source's token."""
    data: Items = ()
    """What is told; many clients take the first item for the value, so the state comes first."""
    key: Items = ()
    """Which of the source's things it is about, such as a tracked object."""
    elements: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Data items that are structures: name and content as plain values of the declared type."""
    utc_ns: int = 0
    """When it happened; 0 stands for the moment of publishing."""
    operation: PropertyOperation | None = None
    """None for a message that is no property."""

    @classmethod
    def of(
        cls,
        topic: str,
        source: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        *,
        key: Mapping[str, object] | None = None,
        elements: Mapping[str, Mapping[str, Any]] | None = None,
        utc_ns: int = 0,
    ) -> Self:
        """Return an event from typed values, which are written as XML text."""
        return cls(topic, _items(source), _items(data), _items(key), tuple((elements or {}).items()), utc_ns)

    @property
    def property_key(self) -> PropertyKey:
        """Return the identity of the property that it tells of."""
        return self.topic, self.source, self.key

    def same_value(self, other: "Event") -> bool:
        """Tell whether another event has the same data."""
        return self.data == other.data and self.elements == other.elements

    def told(self, operation: PropertyOperation | None, utc_ns: int) -> "Event":
        """Return it as it is told at some time."""
        return replace(self, operation=operation, utc_ns=utc_ns)


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """What the messages of a topic hold (tt:MessageDescription): names and types such as `xs:boolean`."""

    topic: str
    source: Items = ()
    data: Items = ()
    key: Items = ()
    elements: Items = ()
    is_property: bool = False

    def problem(self, event: Event) -> str:
        """Return a sentence about what is wrong with an event of this topic; empty when it fits.

        Data items may be left out, but not the first one of a property: that is its value.
        """
        for part in ("source", "key"):
            names, declared = _names(getattr(event, part)), _names(getattr(self, part))
            if names != declared:
                return f"the {part} of {self.topic} has {list(declared)}, not {list(names)}"
        for part in ("data", "elements"):
            names, declared = _names(getattr(event, part)), _names(getattr(self, part))
            if names != tuple(name for name in declared if name in names):
                return f"the {part} of {self.topic} can have {list(declared)}, not {list(names)}"
        if self.is_property and self.data and not event.data:
            return f"the property {self.topic} lacks its value {self.data[0][0]}"
        if self.is_property and self.data and event.data[0][0] != self.data[0][0]:
            return f"the property {self.topic} begins with {event.data[0][0]}, not with {self.data[0][0]}"
        return ""


def value_text(value: object) -> str:
    """Return a value as XML Schema writes it: `true`, `1.5`, text as it is."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _items(values: Mapping[str, object] | None) -> Items:
    return tuple((name, value_text(value)) for name, value in (values or {}).items())


def _names(items: tuple[tuple[str, object], ...]) -> tuple[str, ...]:
    return tuple(name for name, _ in items)
