"""Has the events of cameras published to a broker with onvif-python, and waits until that is connected.

Run with the Python of an environment that has onvif-python:
onvif_python_broker.py HOST PORT USER PASSWORD BROKER BROKER_USER BROKER_PASSWORD. Prints what GetEventBrokers says.
"""

# ruff: noqa: T201 - it prints what it found

import json
import sys
import time
import warnings
from typing import Any

from lxml import etree
from onvif import CacheMode, ONVIFClient

ONVIF_TOPICS = "http://www.onvif.org/ver10/topics"
CONCRETE_SET = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
DEADLINE = 20.0


def main(host: str, port: str, user: str, password: str, *broker: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    events = ONVIFClient(host, int(port), user, password, http_digest=True, cache=CacheMode.NONE).events()
    address, name, secret = broker
    topics = etree.Element("{http://docs.oasis-open.org/wsn/b-2}TopicExpression", nsmap={"tns1": ONVIF_TOPICS})
    topics.set("Dialect", CONCRETE_SET)
    topics.text = "tns1:VideoSource//."
    config = {"Address": address, "TopicPrefix": "house", "UserName": name, "Password": secret, "QoS": 1}
    events.AddEventBroker(EventBroker={**config, "PublishFilter": {"_value_1": [topics]}})
    deadline = time.monotonic() + DEADLINE
    while True:
        [found] = events.GetEventBrokers(Address=address)
        if found.Status == "Connected" or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    names = ("Address", "TopicPrefix", "UserName", "Password", "QoS", "Status")
    shown = {name: found[name] for name in names}
    [node] = found.PublishFilter._value_1
    return {**shown, "PublishFilter": node.text}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
