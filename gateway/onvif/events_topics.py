"""Topics as clients see them: topic expressions in filters, and the set of all topics (ONVIF Core §11.5.1, §11.7)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from gateway.domain.event import Items, TopicDescription
from gateway.domain.topics import parse_topic_set
from gateway.onvif.codec import Codec, Written

CONCRETE = "http://docs.oasis-open.org/wsn/t-1/TopicExpression/Concrete"
CONCRETE_SET = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"


def parse_topics(node: etree._Element, prefixes: Mapping[str, str]) -> Callable[[str], bool]:
    """Parse a TopicExpression element of either dialect into a test of topics. Raises ValueError with a sentence.

    `prefixes` are the catalogue's. One that the client did not declare has the meaning that it has there.
    """
    single = node.get("Dialect", "").strip() == CONCRETE
    found = parse_topic_set(node.text or "", lambda path: _normal(path, node, prefixes), single=single)
    return found.__contains__


def _normal(path: str, node: etree._Element, prefixes: Mapping[str, str]) -> str:
    """Return a topic path as the gateway writes it: the catalogue's prefixes, and only where they are needed."""
    known = {namespace: prefix for prefix, namespace in prefixes.items()}
    root = ""
    names: list[str] = []
    for name in path.split("/"):
        prefix, _, local = name.rpartition(":")
        namespace = node.nsmap.get(prefix) or prefixes.get(prefix) if prefix else None
        if prefix and namespace is None:
            raise ValueError(f"the prefix of the topic {path!r} is not declared")
        prefix = known.get(namespace, f"{{{namespace}}}") if namespace else ""
        root = root or prefix
        names.append(local if names and prefix in ("", root) else f"{prefix}:{local}")
    return "/".join(names)


@dataclass(slots=True)
class _Node:
    children: dict[str, "_Node"] = field(default_factory=dict)
    description: TopicDescription | None = None


def topic_set(topics: Sequence[TopicDescription], codec: Codec) -> dict[str, Any]:
    """Return the content of wstop:TopicSet. Only root topics have a prefix; clients look for the others without."""
    root = _Node()
    for topic in topics:
        node = root
        for name in topic.topic.split("/"):
            node = node.children.setdefault(name, _Node())
        node.description = topic
    return {"_any": [Written(_write(name, node, codec)) for name, node in root.children.items()]}


def _write(name: str, node: _Node, codec: Codec) -> str:
    marked, description = "", ""
    if node.description is not None:
        marked = ' wstop:topic="true"'
        description = codec.typed("tt:MessageDescription", _message_description(node.description))
    children = "".join([_write(child, below, codec) for child, below in node.children.items()])
    return f"<{name}{marked}>{description}{children}</{name}>"


def _message_description(topic: TopicDescription) -> dict[str, Any]:
    found: dict[str, Any] = {"IsProperty": topic.is_property}
    for part, simple, elements in (
        ("Source", topic.source, ()),
        ("Key", topic.key, ()),
        ("Data", topic.data, topic.elements),
    ):
        content = {}
        if simple:
            content["SimpleItemDescription"] = _described(simple)
        if elements:
            content["ElementItemDescription"] = _described(elements)
        if content:
            found[part] = content
    return found


def _described(items: Items) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in items]
