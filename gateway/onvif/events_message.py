"""Events as wsnt:NotificationMessage: in pulls, in Notify, in search results, in the metadata of a stream."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.domain.event import Event, Items, TopicDescription
from gateway.onvif.codec import Codec, Written
from gateway.onvif.events_topics import CONCRETE_SET

_NOTIFICATION = "{http://docs.oasis-open.org/wsn/b-2}NotificationMessage"
_MESSAGE = "{http://www.onvif.org/ver10/schema}Message"
_KEPT = 4096
_NS = 1_000_000_000


class EventMessages:
    """Writes events. The text of the last ones is kept, since many subscribers are told the same."""

    def __init__(self, codec: Codec, topics: Callable[[], tuple[TopicDescription, ...]]) -> None:
        self._codec = codec
        self._topics = topics
        self._types: dict[str, Mapping[str, str]] = {}
        self._kept: OrderedDict[int, tuple[Event, Written]] = OrderedDict()

    def texts(self, events: Iterable[Event]) -> Written:
        """Return events as the texts of wsnt:NotificationMessages, in place of the list of them in a plain value."""
        kept = self._kept
        return Written("".join([found[1] if (found := kept.get(id(event))) else self.text(event) for event in events]))

    def text(self, event: Event) -> Written:
        """Return an event as the text of a wsnt:NotificationMessage, for a list of them in a plain value."""
        found = self._kept.get(id(event))
        if found is not None:
            return found[1]
        topic = {"_": event.topic, "Dialect": CONCRETE_SET}
        text = self._codec.written(_NOTIFICATION, {"Topic": topic, "Message": {"_any": [self.message(event)]}})
        self._kept[id(event)] = (event, text)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return text

    def message(self, event: Event) -> Written:
        """Return what an event says, without its topic, as the text of a tt:Message."""
        content: dict[str, Any] = {"UtcTime": event_time(event)}
        if event.operation is not None:
            content["PropertyOperation"] = str(event.operation)
        for name, items in (("Source", event.source), ("Key", event.key), ("Data", event.data)):
            if items:
                content[name] = {"SimpleItem": _simple(items)}
        if event.elements:
            content.setdefault("Data", {})["ElementItem"] = self.elements(event)
        return self._codec.written(_MESSAGE, content)

    def elements(self, event: Event) -> list[dict[str, Any]]:
        """Return the ElementItems of an event. Of a stored one those are left out that are not declared any more."""
        if not event.elements:
            return []
        if event.topic not in self._types:
            self._types = {topic.topic: dict(topic.elements) for topic in self._topics()}
        types = self._types.get(event.topic, {})
        return [
            {"Name": name, "_any": [self._codec.typed(types[name], content)]}
            for name, content in event.elements
            if name in types
        ]


def event_time(event: Event) -> datetime:
    """Return when an event happened, as messages tell it: in whole seconds."""
    return datetime.fromtimestamp(event.utc_ns // _NS, UTC)


def _simple(items: Items) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in items]
