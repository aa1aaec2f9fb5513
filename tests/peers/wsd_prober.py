"""Searches with the WSDiscovery package: as Home Assistant does, for a Profile T device, and for anything.

Run with the Python of the gateway's own environment: wsd_prober.py SECONDS. Prints one JSON object.
"""

# ruff: noqa: T201 - it prints what it found

import json
import sys
from typing import Any

from wsdiscovery import QName, Scope
from wsdiscovery.discovery import ThreadedWSDiscovery

NETWORK = "http://www.onvif.org/ver10/network/wsdl"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
QUESTIONS: dict[str, dict[str, Any]] = {
    "home_assistant": {
        "types": [QName(NETWORK, "NetworkVideoTransmitter", "dp0")],
        "scopes": [Scope("onvif://www.onvif.org/Profile/Streaming")],
    },
    "profile_t": {"types": [QName(DEVICE, "Device", "tds")]},
    "anything": {},
    "printer": {"types": [QName("http://schemas.microsoft.com/windows/2006/08/wdp/print", "PrintDeviceType", "wprt")]},
}


def main(seconds: float) -> dict[str, list[dict[str, Any]]]:
    return {name: search(question, seconds) for name, question in QUESTIONS.items()}


def search(question: dict[str, Any], seconds: float) -> list[dict[str, Any]]:
    prober = ThreadedWSDiscovery()
    prober.start()
    try:
        return [
            {
                "endpoint": service.getEPR(),
                "types": sorted(kind.getLocalname() for kind in service.getTypes()),
                "scopes": [scope.getValue() for scope in service.getScopes()],
                "xaddrs": list(service.getXAddrs()),
            }
            for service in prober.searchServices(timeout=seconds, **question)
        ]
    finally:
        prober.stop()


if __name__ == "__main__":
    print(json.dumps(main(float(sys.argv[1]))))
