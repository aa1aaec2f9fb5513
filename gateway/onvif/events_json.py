"""Events as an MQTT broker gets them: topic and JSON payload (ONVIF Core §11.12.5, annex on JSON)."""

import json
import re
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree

from gateway.domain.event import Event, Items, PropertyOperation, TopicDescription
from gateway.onvif.codec import Codec
from gateway.onvif.events_message import event_time
from gateway.onvif.simple import write_date_time

PAYLOAD_PREFIX = "onvif-ej"
"""Says in the topic that the payload is an ONVIF event in JSON."""

_OMITTED = re.compile(r"[+#\x00-\x1f\x7f-\x9f]")
"""Wildcards of MQTT and control characters, which brokers refuse."""

_ROOT = "tns1:"
_PLAIN = {
    "http://www.onvif.org/ver10/schema",
    "http://www.onvif.org/ver20/analytics/humanface",
    "http://www.onvif.org/ver20/analytics/humanbody",
    "http://www.onvif.org/ver20/analytics/radiometry",
}
"""Namespaces whose names stand without a prefix."""

_INTEGERS = {f"xs:{name}" for name in ("int", "integer", "long", "short", "unsignedInt", "nonNegativeInteger")}
_NUMBERS = {"xs:float", "xs:double", "xs:decimal"}
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,17})?", re.ASCII)


def mqtt_name(text: str) -> str:
    """Return a text as part of a topic: without what MQTT does not allow there."""
    return _OMITTED.sub("", text)


def mqtt_topic(prefix: str, event: Event) -> str:
    """Return `PREFIX/onvif-ej/TOPIC[/&SOURCE/SOURCE…]`; ONVIF's own namespace of topics has no prefix."""
    parts = [prefix, PAYLOAD_PREFIX, event.topic.removeprefix(_ROOT)]
    if event.source:
        parts.append("&" + "/".join(value for _, value in event.source))
    return mqtt_name("/".join(parts))


class EventJson:
    """Writes payloads. Numbers and truth values of declared type stand without quotes."""

    def __init__(self, codec: Codec, topics: Callable[[], tuple[TopicDescription, ...]]) -> None:
        self._codec = codec
        self._topics = topics
        self._known: dict[str, TopicDescription] = {}
        declared = [f"xmlns:{name}={quoteattr(uri)}" for name, uri in codec.prefixes.items() if name != "xml"]
        self._frame = f"<_ {' '.join(declared)}>%s</_>"

    def payload(self, event: Event) -> bytes:
        """Return what an event says; nothing for a property that is gone, so that the broker forgets it.

        The key, which the specification leaves out, stands as `Key` where there is one: without it messages about
        different things of one source could not be told apart.
        """
        if event.operation is PropertyOperation.DELETED:
            return b""
        topic = self._topic(event.topic)
        message: dict[str, Any] = {"UtcTime": write_date_time(event_time(event))}
        message["Source"] = _items(event.source, topic.source)
        if event.key:
            message["Key"] = _items(event.key, topic.key)
        if event.data or event.elements:
            kinds = dict(topic.elements)
            elements = {name: self._element(kinds[name], content) for name, content in event.elements}
            message["Data"] = {**_items(event.data, topic.data), **elements}
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")

    def _topic(self, name: str) -> TopicDescription:
        if name not in self._known:
            self._known = {topic.topic: topic for topic in self._topics()}
        return self._known[name]

    def _element(self, kind: str, content: Any) -> Any:  # noqa: ANN401 - any JSON value
        return json_of(etree.fromstring(self._frame % self._codec.typed(kind, content)))


def json_of(element: etree._Element) -> Any:  # noqa: ANN401 - any JSON value
    """Return an element's content by ONVIF's rules.

    Empty: null; text: a string; attributes: `@NAME`, and then the text is `#text`; elements that repeat: an array. A
    name of another namespace than ONVIF's has its prefix, which `@context` explains.
    """
    found: dict[str, Any] = {}
    for tag, value in element.attrib.items():
        found["@" + _name(etree.QName(tag), element, found)] = str(value)
    for child in element.iterchildren(etree.Element):
        name, value = _name(etree.QName(child), child, found), json_of(child)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    text = (element.text or "").strip()
    if not found:
        return text or None
    if text:
        found["#text"] = text
    return found


def _name(name: etree.QName, element: etree._Element, found: dict[str, Any]) -> str:
    if name.namespace is None or name.namespace in _PLAIN:
        return str(name.localname)
    prefix = next((prefix for prefix, uri in element.nsmap.items() if uri == name.namespace and prefix), "ns")
    found.setdefault("@context", {})[prefix] = name.namespace
    return f"{prefix}:{name.localname}"


def _items(items: Items, declared: Items) -> dict[str, Any]:
    kinds = dict(declared)
    return {name: _typed(text, kinds.get(name, "")) for name, text in items}


def _typed(text: str, kind: str) -> str | bool | int | float:
    if kind == "xs:boolean" and text in ("true", "false"):
        return text == "true"
    if kind in _INTEGERS and _INTEGER.fullmatch(text):
        return int(text)
    if kind in _NUMBERS and _NUMBER.fullmatch(text):
        return float(text)
    return text
