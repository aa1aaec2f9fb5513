"""Calls every operation of the Event service with onvif-python, in an order that makes sense for a subscription.

Run with the Python of an environment that has onvif-python: onvif_python_events.py HOST PORT USER PASSWORD MODE;
MODE is digest or usernametoken. Prints {"called": [operation, …], "topics": [topic, …], "states": […], …}.
"""

# ruff: noqa: T201 - it prints what it found

import datetime as dt
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

from lxml import etree
from onvif import CacheMode, ONVIFClient
from onvif.utils.exceptions import ONVIFOperationException

TOPIC = "{http://docs.oasis-open.org/wsn/t-1}topic"
ONVIF_TOPICS = "http://www.onvif.org/ver10/topics"
CONCRETE_SET = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
BROKER = "mqtt://127.0.0.1:9"
SHORT = dt.timedelta(seconds=1)


class Recorder:
    """Calls operations and notes their names."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def __call__(self, service: Any, operation: str, *arguments: Any, **named: Any) -> Any:
        if operation not in self.called:
            self.called.append(operation)
        return getattr(service, operation)(*arguments, **named)


def main(host: str, port: str, user: str, password: str, mode: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    client = ONVIFClient(host, int(port), user, password, http_digest=mode == "digest", cache=CacheMode.NONE)
    call, events = Recorder(), client.events()
    capabilities = call(events, "GetServiceCapabilities")
    properties = call(events, "GetEventProperties")
    filtered = client.pullpoint(events.CreatePullPointSubscription(Filter={"_value_1": [topic_filter()]}))
    made = call(events, "CreatePullPointSubscription", InitialTerminationTime="PT60S")
    pull_point = client.pullpoint(made)
    states = [plain(message) for message in call(pull_point, "PullMessages", SHORT, 100).NotificationMessage]
    call(pull_point, "SetSynchronizationPoint")
    again = [plain(message) for message in pull_point.PullMessages(SHORT, 100).NotificationMessage]
    call(pull_point, "Seek", dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    past = [plain(message) for message in pull_point.PullMessages(SHORT, 100).NotificationMessage]
    [start] = [dt.datetime.fromisoformat(value) for _, _, name, value in states if name == "Status"]
    pull_point.Seek(start)
    since_start = [plain(message) for message in pull_point.PullMessages(SHORT, 100).NotificationMessage]
    nothing = filtered.PullMessages(SHORT, 100), filtered.PullMessages(SHORT, 100)
    subscribed = call(
        client.notification(), "Subscribe", {"Address": {"_value_1": "http://192.0.2.9:9/"}}, None, "PT60S"
    )
    subscription = client.subscription(subscribed)
    renewed = call(subscription, "Renew", "PT2M")
    unread = refusal(lambda: call(client.notification(), "GetCurrentMessage", {"Dialect": CONCRETE_SET}))
    call(subscription, "Unsubscribe")
    pull_point.Unsubscribe()
    call(events, "AddEventBroker", EventBroker={"Address": BROKER, "TopicPrefix": "house"})
    brokers = [[broker.Address, broker.TopicPrefix, broker.QoS] for broker in call(events, "GetEventBrokers")]
    call(events, "DeleteEventBroker", Address=BROKER)
    return {
        "called": call.called,
        "topics": sorted(topics(properties)),
        "states": states,
        "again": again,
        "past": past,
        "since_start": since_start,
        "brokers": brokers,
        "pull_points": int(capabilities.MaxPullPoints),
        "renewed": (renewed.TerminationTime - renewed.CurrentTime).total_seconds(),
        "filtered": [plain(message) for message in nothing[0].NotificationMessage],
        "empty": len(nothing[1].NotificationMessage),
        "no_topic": unread,
        "after": refusal(lambda: pull_point.PullMessages(SHORT, 1)),
    }


def topics(properties: Any) -> list[str]:
    """Return the topics of the set as paths without prefixes."""
    found = []
    for root in properties.TopicSet._value_1:
        for node in root.iter(etree.Element):
            if node.get(TOPIC) == "true":
                path = [etree.QName(each).localname for each in (*reversed(list(node.iterancestors())), node)]
                found.append("/".join(path[path.index(etree.QName(root).localname) :]))
    return found


def plain(message: Any) -> list[str]:
    """Return operation, source, name and value; the client drops the text of a topic."""
    [content] = message.Message._value_1
    items = {part: content.xpath(f"*[local-name() = '{part}']/*[1]") for part in ("Source", "Data")}
    source, data = (dict(items[part][0].attrib) if items[part] else {} for part in items)
    return [content.get("PropertyOperation", ""), source.get("Value", ""), data.get("Name", ""), data.get("Value", "")]


def refusal(call: Callable[[], object]) -> str:
    """Return the name of the fault of a call."""
    try:
        call()
    except ONVIFOperationException as error:
        detail = getattr(error.original_exception, "detail", None)
        return "" if detail is None or not len(detail) else str(etree.QName(detail[0]).localname)
    return "no fault"


def topic_filter() -> Any:
    element = etree.Element("{http://docs.oasis-open.org/wsn/b-2}TopicExpression", nsmap={"tns1": ONVIF_TOPICS})
    element.set("Dialect", CONCRETE_SET)
    element.text = "tns1:Monitoring//."
    return element


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
