"""What a client asks of a subscription: its filter, its policy and its time (ONVIF Core §11.5, WS-BaseNotification)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from lxml import etree

from gateway.domain.event import TopicDescription
from gateway.onvif.events_content import ITEM_FILTER, parse_content_filter
from gateway.onvif.events_faults import TEV, WSNT, EventFaults
from gateway.onvif.events_topics import CONCRETE, CONCRETE_SET, parse_topics
from gateway.services.subscriptions import BUFFER_BEGIN, Wants

SHORTEST, LONGEST = timedelta(seconds=10), timedelta(days=1)
"""Times named in the fault for an unacceptable one; a longer one is not refused but cut."""

_TOPIC, _CONTENT = f"{{{WSNT}}}TopicExpression", f"{{{WSNT}}}MessageContent"
_USE_RAW, _CHANGED_ONLY = f"{{{WSNT}}}UseRaw", f"{{{TEV}}}ChangedOnly"


class FilterReader:
    """Reads filters and policies of requests; all that it refuses is a SoapFault."""

    def __init__(
        self, topics: Callable[[], Sequence[TopicDescription]], prefixes: Mapping[str, str], faults: EventFaults
    ) -> None:
        self._topics = topics
        self._prefixes = prefixes
        self._faults = faults

    def wants(self, request: Mapping[str, Any], now: datetime, *, standing: bool = False) -> Wants:
        """Return the test of a request's Filter; without one everything passes. All its parts have to pass.

        A standing filter also counts for topics that are declared later, and may ask for what there is not yet.
        """
        tests: list[Wants] = []
        for node in request.get("Filter", {}).get("_any", ()):
            if node.tag == _TOPIC:
                tests.append(self._topic(node, now, standing=standing))
            elif node.tag == _CONTENT:
                tests.append(self._content(node, now, standing=standing))
            else:
                raise self._faults.invalid_filter(f"the filter {node.tag} is not known", str(node.tag), now)
        if len(tests) == 1:
            return tests[0]  # each event is shown to every subscription
        return lambda event: all(test(event) for test in tests)

    def changed_only(self, request: Mapping[str, Any], now: datetime) -> bool:
        """Tell whether a request's SubscriptionPolicy leaves out Initialized and Deleted."""
        policies = [str(node.tag) for node in request.get("SubscriptionPolicy", {}).get("_any", ())]
        for policy in policies:
            if policy != _CHANGED_ONLY:
                raise self._faults.policy(f"the policy {policy} is not done", policy, now, known=policy == _USE_RAW)
        return bool(policies)

    def _topic(self, node: etree._Element, now: datetime, *, standing: bool) -> Wants:
        dialect = node.get("Dialect", CONCRETE_SET).strip()
        if dialect not in (CONCRETE, CONCRETE_SET):
            reason = f"the topic dialect {dialect!r} is not known"
            raise self._faults.filter_fault("TopicExpressionDialectUnknown", reason, now)
        try:
            matches = parse_topics(node, self._prefixes)
        except ValueError as error:
            raise self._faults.filter_fault("InvalidTopicExpression", str(error), now) from None
        if standing:
            return lambda event: matches(event.topic)
        wanted = {topic.topic for topic in self._topics() if matches(topic.topic)}
        if matches(BUFFER_BEGIN):
            wanted.add(BUFFER_BEGIN)
        if not wanted:
            reason = f"there is no topic {(node.text or '').strip()!r}"
            raise self._faults.filter_fault("TopicNotSupported", reason, now)
        return lambda event: event.topic in wanted

    def _content(self, node: etree._Element, now: datetime, *, standing: bool) -> Wants:
        dialect = node.get("Dialect", ITEM_FILTER).strip()
        if dialect != ITEM_FILTER:
            raise self._faults.invalid_filter(f"the content filter dialect {dialect!r} is not known", _CONTENT, now)
        try:
            content = parse_content_filter("".join(map(str, node.itertext())))
            if not standing:
                self._check_names(content.names)
        except ValueError as error:
            raise self._faults.filter_fault("InvalidMessageContentExpression", str(error), now) from None
        return content.passes

    def _check_names(self, names: Sequence[str]) -> None:
        """Refuse items that no message has: such a filter is a mistake, and would wait for ever."""
        known = {
            name
            for topic in self._topics()
            for part in (topic.source, topic.key, topic.data, topic.elements)
            for name, _ in part
        }
        for name in names:
            if name not in known:
                raise ValueError(f"the content filter asks for an item {name!r}, which no message has")


def seconds_until(time: datetime | timedelta | None, now: datetime) -> float | None:
    """Return how far away an absolute or relative time is; None for none."""
    if time is None:
        return None
    return (time if isinstance(time, timedelta) else time - now).total_seconds()
