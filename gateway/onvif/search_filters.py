"""The filters of searches: which recordings, and which of their events."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from lxml import etree

from gateway.domain.event import Event
from gateway.onvif.events_content import ContentFilter, parse_content_filter
from gateway.onvif.events_topics import parse_topics
from gateway.onvif.recording_schema import nanoseconds
from gateway.onvif.search_schema import recording_information
from gateway.protocols.search_filter import Window, parse_search_filter
from gateway.services.recordings_errors import Reason, RecordingError
from gateway.services.searches_scope import Around, Information

EventTest: TypeAlias = Callable[[Event], bool]

_WSNT = "{http://docs.oasis-open.org/wsn/b-2}"


def filtered(found: Iterable[Information], text: str) -> tuple[list[Information], Around | None]:
    """Return the recordings that a RecordingInformationFilter takes, and which of their stretches it asks for.

    Raises RecordingError InvalidFilterFault.
    """
    try:
        wanted = parse_search_filter(text)
        taken = [each for each in found if wanted.matches(recording_information(each))]
    except ValueError as error:
        raise RecordingError(Reason.BAD_FILTER, str(error)) from None
    return taken, None if wanted.window is None else _around(wanted.window)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A `tt:EventFilter`: all its expressions must hold."""

    topics: tuple[Callable[[str], bool], ...]
    contents: tuple[EventTest, ...]

    def takes(self, topic: str) -> bool:
        """Tell whether events of a topic can pass."""
        return all(test(topic) for test in self.topics)

    def passes(self, event: Event) -> bool:
        """Tell whether an event passes."""
        return self.takes(event.topic) and all(test(event) for test in self.contents)


def event_filter(nodes: Iterable[etree._Element], prefixes: Mapping[str, str]) -> EventFilter:
    """Return the filter of these expressions. Raises RecordingError InvalidFilterFault."""
    try:
        tests = [_test(node, prefixes) for node in nodes]
    except ValueError as error:
        raise RecordingError(Reason.BAD_FILTER, str(error)) from None
    topics = tuple(test for test in tests if not isinstance(test, ContentFilter))
    return EventFilter(topics, tuple(test.passes for test in tests if isinstance(test, ContentFilter)))


def _test(node: etree._Element, prefixes: Mapping[str, str]) -> Callable[[str], bool] | ContentFilter:
    if node.tag == _WSNT + "TopicExpression":
        return parse_topics(node, prefixes)
    if node.tag == _WSNT + "MessageContent":
        return parse_content_filter(node.text or "")
    raise ValueError(f"filters of the kind {node.tag!r} are not supported")


def _around(window: Window) -> Around:
    microsecond = timedelta(microseconds=1)
    before_ns, after_ns = (span // microsecond * 1000 for span in (window.before, window.after))
    return Around(nanoseconds(window.at), before_ns, window.before_count, after_ns, window.after_count)
