"""Calls what it is told to with onvif-python, one operation for each line of its input.

Run with the Python of an environment that has onvif-python: onvif_python_hand.py HOST PORT USER PASSWORD.
A line is ["ptz", "GetStatus", {"ProfileToken": "yard_main"}]; the answer is a line {"answer": …}, {"fault": "ter:…",
"reason": …} or, when the library itself fails, {"error": …}. ["events", "states", {}] asks a pull point for all states.
"""

# ruff: noqa: T201 - it prints what it found

import json
import sys
import warnings
from datetime import date, datetime, timedelta
from typing import Any

from onvif import CacheMode, ONVIFClient
from onvif.utils.exceptions import ONVIFOperationException
from zeep.exceptions import Fault
from zeep.helpers import serialize_object

ACCESSORS = {"device": "devicemgmt"}
BY_OPERATOR = {("deviceio", "SetRelayOutputSettings")}
"""The client's own method sends what the published document does not have."""
SECONDS = "Timeout", "DelayTime", "DefaultPTZTimeout"
"""Durations, given in seconds."""


def main(host: str, port: str, user: str, password: str) -> None:
    """Answer until the input ends."""
    warnings.simplefilter("ignore")
    client = ONVIFClient(host, int(port), user, password, http_digest=True, cache=CacheMode.NONE)
    services: dict[str, Any] = {}
    for line in sys.stdin:
        service, operation, arguments = json.loads(line)
        if (service, operation) == ("events", "states"):
            print(json.dumps({"answer": states(client)}), flush=True)
            continue
        if service not in services:
            services[service] = getattr(client, ACCESSORS.get(service, service))()
        print(json.dumps(call(services[service], service, operation, arguments), default=plain), flush=True)


def states(client: ONVIFClient) -> dict[str, str]:
    """Return the present value of every state by its source."""
    pull_point = client.pullpoint(client.events().CreatePullPointSubscription())
    found = {}
    for message in pull_point.PullMessages(timedelta(seconds=1), 100).NotificationMessage:
        [content] = message.Message._value_1
        items = {part: content.xpath(f"*[local-name() = '{part}']/*[1]") for part in ("Source", "Data")}
        if items["Source"] and items["Data"]:
            found[items["Source"][0].get("Value")] = items["Data"][0].get("Value")
    pull_point.Unsubscribe()
    return found


def call(target: Any, service: str, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    timed = durations(arguments)
    try:
        if (service, operation) in BY_OPERATOR:
            answer = target.operator.call(operation, **timed)
        else:
            answer = getattr(target, operation)(**timed)
    except ONVIFOperationException as error:
        return explained(error.original_exception or error)
    except Exception as error:  # noqa: BLE001 - whatever a client stumbles over is a finding
        return explained(error)
    return {"answer": serialize_object(answer, target_cls=dict)}


def durations(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: timedelta(seconds=part) if name in SECONDS and isinstance(part, int | float) else durations(part)
            for name, part in value.items()
        }
    return [durations(part) for part in value] if isinstance(value, list) else value


def explained(error: Exception) -> dict[str, Any]:
    if isinstance(error, Fault):
        codes = [code.localname for code in error.subcodes or ()]
        return {"fault": "ter:" + (codes[-1] if codes else ""), "reason": error.message}
    return {"error": f"{type(error).__name__}: {error}"[:500]}


def plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


if __name__ == "__main__":
    main(*sys.argv[1:])
