"""Calls every operation that onvif-python knows of the services announced, with arguments that make sense for it.

Run with the Python of an environment that has onvif-python: onvif_python.py HOST PORT USER PASSWORD digest|usernametoken.
Prints {"device.GetHostname": {"outcome": "ok"}, "media.GetOSD": {"outcome": "ter:NoConfig", "reason": "…"}, …};
an outcome that is no SOAP fault (a reply the library can't read, a closed connection) begins with "error".
"""

import datetime as dt
import inspect
import json
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

from onvif import CacheMode, ONVIFClient
from onvif.utils.exceptions import ONVIFOperationException
from zeep.exceptions import Fault
from zeep.helpers import serialize_object

SERVICES = {
    "device": ("http://www.onvif.org/ver10/device/wsdl", "devicemgmt"),
    "media": ("http://www.onvif.org/ver10/media/wsdl", "media"),
    "media2": ("http://www.onvif.org/ver20/media/wsdl", "media2"),
    "deviceio": ("http://www.onvif.org/ver10/deviceIO/wsdl", "deviceio"),
}
# Reads first, then what makes, changes and removes; what would stop a device comes last.
ORDER = ("Get", "Create", "Add", "Set", "Start", "Send", "Stop", "Load", "Scan", "Play", "Remove", "Delete")
LAST = ("SetSystemFactoryDefault", "SystemReboot", "RestoreSystem", "StartSystemRestore", "StartFirmwareUpgrade")
KIND = re.compile("VideoSource|VideoEncoder|AudioSource|AudioEncoder|AudioOutput|AudioDecoder|Metadata|Analytics|PTZ")
NOBODY = "no-such-token"


class Session:
    """One service under test, and what was learnt of the device so far."""

    def __init__(self, name: str, service: Any, device: Any) -> None:
        self.name = name
        self.service = service
        self.device = device
        self.results: dict[str, dict[str, str]] = {}
        self.found: dict[str, list[Any]] = {}
        self.made = NOBODY
        """Token of the profile that this session created."""

    def run(self) -> dict[str, dict[str, str]]:
        for operation in self.operations():
            self.call(operation)
        return self.results

    def operations(self) -> list[str]:
        names = [name for name, _ in inspect.getmembers(type(self.service), inspect.isfunction) if name[0].isupper()]

        def place(name: str) -> tuple[bool, int, bool, bool, str]:
            verb = next((index for index, verb in enumerate(ORDER) if name.startswith(verb)), len(ORDER))
            # The lists come before what asks for one of their entries, and a profile is removed when it is empty.
            return (name in LAST, verb, name == "DeleteProfile", not name.endswith("s"), name)

        return sorted(names, key=place)

    def call(self, operation: str) -> None:
        function = getattr(self.service, operation)
        try:
            answer = function(**self.arguments(operation, list(inspect.signature(function).parameters)))
        except ONVIFOperationException as error:
            self.results[operation] = explain(error.original_exception)
            return
        except Exception as error:  # noqa: BLE001 - whatever a client stumbles over is a finding
            self.results[operation] = explain(error)
            return
        self.results[operation] = {"outcome": "ok"}
        if operation.startswith("Get"):
            self.found[operation] = answer if isinstance(answer, list) else [answer]
        if operation == "CreateProfile":
            self.made = answer if isinstance(answer, str) else answer.token

    def arguments(self, operation: str, parameters: list[str]) -> dict[str, Any]:
        special = SPECIAL.get(operation)
        if special is not None:
            return special(self)
        return {name: self.argument(operation, name) for name in parameters if name not in OPTIONAL}

    def argument(self, operation: str, name: str) -> Any:
        kind = KIND.search(operation)
        if name == "ProfileToken":
            return self.profile(operation)
        if name == "ConfigurationToken":
            return self.first(f"Get{kind[0] if kind else 'VideoSource'}Configurations")
        if name == "Configuration" and kind is not None:
            plural = f"Get{kind[0]}Configurations"
            singular = self.found.get(plural) or self.found.get(f"Get{kind[0]}Configuration") or [None]
            return serialize_object(singular[0]) if singular[0] is not None else BLANK[kind[0]]
        if name == "Configuration":
            return [{"Type": "VideoEncoder", "Token": self.first("GetVideoEncoderConfigurations")}]
        if name in {"VideoSourceToken", "AudioSourceToken", "AudioOutputToken", "VideoOutputToken"}:
            return self.first(f"Get{name.removesuffix('Token')}s")
        return VALUES.get(name, NOBODY)

    def profile(self, operation: str) -> str:
        """Reads look at the first profile; what changes one changes the one made for it."""
        if operation.startswith(("Get", "Start", "Stop", "SetSync")):
            return self.first("GetProfiles")
        return self.made

    def first(self, operation: str) -> str:
        found = self.found.get(operation) or [None]
        entry = found[0]
        if entry is None:
            return NOBODY
        return entry if isinstance(entry, str) else entry.token


def explain(error: Exception) -> dict[str, str]:
    if isinstance(error, Fault):
        codes = [code.localname for code in error.subcodes or ()]
        return {"outcome": "ter:" + (codes[-1] if codes else ""), "reason": error.message, "codes": ",".join(codes)}
    return {"outcome": f"error {type(error).__name__}", "reason": str(error)[:300]}


OPTIONAL = {"ForcePersistence", "ForcePersistance", "Category", "Location", "Type", "Attributes"}
NOW = dt.datetime.now(dt.UTC)
BLANK: dict[str, Any] = {
    kind: {"token": NOBODY, "Name": NOBODY, "UseCount": 0}
    | {"AudioOutput": {"OutputToken": NOBODY, "OutputLevel": 1}, "AudioSource": {"SourceToken": NOBODY}}.get(kind, {})
    for kind in ("VideoSource", "VideoEncoder", "AudioSource", "AudioEncoder", "AudioOutput", "AudioDecoder", "PTZ")
}
BLANK["Metadata"] = BLANK["Analytics"] = BLANK["AudioDecoder"]
COLOUR_OSD = {
    "token": NOBODY,
    "VideoSourceConfigurationToken": NOBODY,
    "Type": "Text",
    "Position": {"Type": "UpperLeft"},
    "TextString": {"IsPersistentText": False, "Type": "Plain", "PlainText": "gateway"},
}
MASK = {
    "token": NOBODY,
    "ConfigurationToken": NOBODY,
    "Polygon": {"Point": [{"x": 0.0, "y": 0.0}, {"x": 0.1, "y": 0.0}, {"x": 0.1, "y": 0.1}]},
    "Type": "Color",
    "Enabled": False,
}
USER = {"Username": "guard", "Password": "guard-pass-1", "UserLevel": "User"}
VALUES: dict[str, Any] = {
    "AuxiliaryCommand": "tt:Wiper|Off",
    "CACertificate": [],
    "DigitalInputs": [],
    "Enabled": False,
    "FactoryDefault": "Soft",
    "FromDHCP": False,
    "IncludeCapability": True,
    "IPAddressFilter": {"Type": "Allow"},
    "IPv4Address": [],
    "IPv6Address": [],
    "LogicalState": "inactive",
    "LogType": "System",
    "Mask": MASK,
    "OSD": COLOUR_OSD,
    "Protocol": "RTSP",
    "ScopeItem": ["onvif://www.onvif.org/location/test"],
    "StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}},
    "VideoSourceModeToken": NOBODY,
}
SPECIAL: dict[str, Callable[[Session], dict[str, Any]]] = {
    "CreateProfile": lambda s: {"Name": "gateway test"},
    "DeleteProfile": lambda s: {("Token" if s.name == "media2" else "ProfileToken"): s.made},
    "GetProfiles": lambda s: {"Type": ["All"]} if s.name == "media2" else {},
    "CreateUsers": lambda s: {"User": [USER]},
    "SetUser": lambda s: {"User": [{**USER, "UserLevel": "Operator"}]},
    "DeleteUsers": lambda s: {"Username": [USER["Username"]]},
    "SetScopes": lambda s: {"Scopes": ["onvif://www.onvif.org/name/test"]},
    "SetHostname": lambda s: {"Name": "gateway-test"},
    "SetDiscoveryMode": lambda s: {"DiscoveryMode": "Discoverable"},
    "SetNTP": lambda s: {"FromDHCP": True, "NTPManual": []},
    "SetDNS": lambda s: {"FromDHCP": True, "SearchDomain": [], "DNSManual": []},
    "SetDynamicDNS": lambda s: {"Type": "NoUpdate"},
    "SetNetworkProtocols": lambda s: {"NetworkProtocols": serialize_object(s.found.get("GetNetworkProtocols", []))},
    "SetNetworkInterfaces": lambda s: {
        "InterfaceToken": s.first("GetNetworkInterfaces"),
        "NetworkInterface": {"Enabled": True},
    },
    "SetNetworkDefaultGateway": lambda s: {"IPv4Address": ["10.77.0.254"]},
    "SetHashingAlgorithm": lambda s: {"Algorithm": "MD5,SHA-256"},
    "SetSystemDateAndTime": lambda s: {
        "DateTimeType": "Manual",
        "DaylightSavings": False,
        "UTCDateTime": {
            "Date": {"Year": NOW.year, "Month": NOW.month, "Day": NOW.day},
            "Time": {"Hour": NOW.hour, "Minute": NOW.minute, "Second": NOW.second},
        },
    },
    "SetRelayOutputSettings": lambda s: {
        "device": {
            "RelayOutputToken": NOBODY,
            "Properties": {"Mode": "Bistable", "DelayTime": dt.timedelta(seconds=1), "IdleState": "closed"},
        },
    }.get(
        s.name,
        {
            "RelayOutput": {
                "token": NOBODY,
                "Properties": {"Mode": "Bistable", "DelayTime": dt.timedelta(seconds=1), "IdleState": "closed"},
            }
        },
    ),
    "GetOSDs": lambda s: {},
    "GetMasks": lambda s: {},
    "AddConfiguration": lambda s: {
        "ProfileToken": s.made,
        "Configuration": [
            {"Type": "VideoSource", "Token": s.first("GetVideoSourceConfigurations")},
            {"Type": "VideoEncoder", "Token": s.first("GetVideoEncoderConfigurations")},
        ],
    },
    "RemoveConfiguration": lambda s: {"ProfileToken": s.made, "Configuration": [{"Type": "All"}]},
}


def main(host: str, port: str, user: str, password: str, mode: str) -> dict[str, dict[str, str]]:
    warnings.simplefilter("ignore")
    client = ONVIFClient(host, int(port), user, password, http_digest=mode == "digest", cache=CacheMode.NONE)
    device = client.devicemgmt()
    announced = {service.Namespace for service in device.GetServices(IncludeCapability=False)}
    return {
        f"{name}.{operation}": result
        for name, (namespace, accessor) in SERVICES.items()
        if namespace in announced
        for operation, result in Session(name, getattr(client, accessor)(), device).run().items()
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:6])))
