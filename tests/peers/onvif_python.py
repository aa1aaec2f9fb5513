"""Calls every operation that onvif-python knows of the services announced, with arguments that make sense for it.

Run with the Python of an environment that has onvif-python: onvif_python.py HOST PORT USER PASSWORD MODE [OPERATION…];
MODE is digest or usernametoken; with operations, as device.GetUsers, only those are called.
Prints {"device.GetHostname": {"outcome": "ok"}, "media.GetOSD": {"outcome": "ter:NoConfig", "reason": "…"}, …};
an outcome that is no SOAP fault (a reply the library can't read, a closed connection) begins with "error".
"""

# ruff: noqa: T201 - it prints what it found

import datetime as dt
import inspect
import json
import re
import sys
import time
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
    **{
        name: (f"http://www.onvif.org/ver10/{name}/wsdl", name)
        for name in ("recording", "search", "replay", "receiver")
    },
}
# Reads first, then what makes, changes and removes; what would stop a device comes last.
VERBS = "Get|Create|Add|Configure|Set|Start|Send|Stop|Load|Scan|Play|Remove|Delete"
ORDER = VERBS.split("|")
FINAL = ("DeleteRecording", "EndSearch")
"""What takes away what the others of its service work on."""

LAST = ("RestoreSystem", "StartSystemRestore", "StartFirmwareUpgrade", "SetSystemFactoryDefault", "SystemReboot")
FIRST = re.compile(
    r"GetProfiles|Get(?!Compatible)\w+(Configurations|Sources|Inputs|Outputs|Interfaces|Protocols)"
    r"|GetRecordings|GetRecordingJobs|GetRecordingSummary|GetReceivers|CreateReceiver|Find(Recordings|Events)"
)
RESTART_SECONDS = 20
KIND = re.compile("VideoSource|VideoEncoder|AudioSource|AudioEncoder|AudioOutput|AudioDecoder|Metadata|Analytics|PTZ")
NOBODY = "no-such-token"
TOKENS = ("token", "Token", "RecordingToken", "JobToken")


class Session:
    """One service under test, and what was learnt of the device so far."""

    def __init__(self, name: str, service: Any, others: "dict[str, Session]") -> None:
        self.name = name
        self.service = service
        self.others = others
        """All sessions by their names."""
        self.results: dict[str, dict[str, str]] = {}
        self.found: dict[str, list[Any]] = {}
        """What operations answered: those that read, that search, and that make something."""

    def operations(self) -> list[str]:
        names = [name for name, _ in inspect.getmembers(type(self.service), inspect.isfunction) if name[0].isupper()]

        def place(name: str) -> tuple[bool, bool, int, str]:
            # The lists come before what asks for one of their entries.
            verb = next((index for index, verb in enumerate(ORDER) if name.startswith(verb)), len(ORDER))
            return (FIRST.fullmatch(name) is None, name in FINAL, verb, name)

        return sorted((name for name in names if name not in LAST), key=place)

    def call(self, operation: str) -> None:
        parameters = list(inspect.signature(getattr(type(self.service), operation)).parameters)[1:]
        try:
            arguments = self.arguments(operation, parameters)
            if operation == "SetRelayOutputSettings" and self.name == "deviceio":
                # The client's own method sends what the published document does not have.
                answer = self.service.operator.call(operation, RelayOutput=arguments["RelayOutput"])
            else:
                answer = getattr(self.service, operation)(**arguments)
        except ONVIFOperationException as error:
            self.results[operation] = explain(error.original_exception or error)
            return
        except Exception as error:  # noqa: BLE001 - whatever a client stumbles over is a finding
            self.results[operation] = explain(error)
            return
        self.results[operation] = {"outcome": "ok"}
        if operation.startswith(("Get", "Find", "Create")):
            self.found[operation] = answer if isinstance(answer, list) else [answer]

    def arguments(self, operation: str, parameters: list[str]) -> dict[str, Any]:
        special = SPECIAL.get(operation)
        if special is not None:
            return special(self)
        if FIRST.fullmatch(operation):
            return {}
        return {name: self.argument(operation, name) for name in parameters if name not in OPTIONAL}

    def argument(self, operation: str, name: str) -> Any:
        kind = KIND.search(operation)
        if name == "Configuration" and kind is not None:
            return self.configuration(kind[0])
        made = LEARNT.get(name)
        return VALUES.get(name, NOBODY) if made is None else made(self, operation)

    def configuration(self, kind: str) -> Any:
        """What was read is written again."""
        found = self.found.get(f"Get{kind}Configurations") or self.found.get(f"Get{kind}Configuration")
        plain = serialize_object(found[0]) if found else BLANK[kind]
        return plain.get(f"{kind}Configuration", plain)

    def configuration_token(self, operation: str) -> str:
        kind = KIND.search(operation)
        asks_for_source = kind is None or operation.endswith("Instances")
        return self.first(f"Get{'VideoSource' if asks_for_source else kind[0]}Configurations")

    def video_source(self) -> str:
        """Media2 has no list of the sources themselves."""
        if self.name != "media2":
            return self.first("GetVideoSources")
        return str(self.found["GetVideoSourceConfigurations"][0].SourceToken)

    def overlay(self, operation: str, name: str, token: str) -> dict[str, Any]:
        """An OSD or a mask: to be created where a channel is, to be set where none exists."""
        place = self.first("GetVideoSourceConfigurations") if operation.startswith("Create") else NOBODY
        return {**VALUES[name], token: place}

    def profile(self, operation: str) -> str:
        """Reads look at the first profile; what changes one changes the one made for it.

        Not every channel has a loudspeaker: what is about one looks at the main profile of the first channel with it.
        """
        kind = KIND.search(operation)
        if kind is not None and kind[0] in ("AudioOutput", "AudioDecoder"):
            return self.first(f"Get{kind[0]}Configurations").rpartition("_")[2] + "_main"
        if operation.startswith(("Get", "Start", "Stop", "SetSync")):
            return self.first("GetProfiles")
        return self.first("CreateProfile")

    def recording(self, operation: str) -> str:
        """Reads look at the first recording; what changes one changes the one made for it."""
        if operation.startswith("Get"):
            return self.others["recording"].first("GetRecordings")
        return self.first("CreateRecording")

    def job(self, operation: str) -> str:
        return self.first("GetRecordingJobs" if operation.startswith("Get") else "CreateRecordingJob")

    def job_configuration(self, mode: str) -> dict[str, Any]:
        """A job for the recording made here, with the source of the first job there is."""
        source = self.found["GetRecordingJobs"][0].JobConfiguration.Source[0].SourceToken
        return {
            "RecordingToken": self.first("CreateRecording"),
            "Mode": mode,
            "Priority": 1,
            "Source": [{"SourceToken": {"Type": source.Type, "Token": source.Token}}],
        }

    def head(self) -> dict[str, str]:
        """The first profile of a camera with a head, and its PTZ configuration."""
        profile = next(each for each in self.found["GetProfiles"] if each.PTZConfiguration is not None)
        return {"ProfileToken": profile.token, "ConfigurationToken": profile.PTZConfiguration.token}

    def recorded(self) -> Any:
        """What the archive holds: the answer to GetRecordingSummary."""
        return self.found["GetRecordingSummary"][0]

    def first(self, operation: str) -> str:
        found = self.found.get(operation) or [None]
        entry = found[0]
        if entry is None:
            return NOBODY
        if isinstance(entry, str):
            return entry
        return next(str(getattr(entry, name)) for name in TOKENS if hasattr(entry, name))


def explain(error: Exception) -> dict[str, str]:
    if isinstance(error, Fault):
        codes = [code.localname for code in error.subcodes or ()]
        return {"outcome": "ter:" + (codes[-1] if codes else ""), "reason": error.message, "codes": ",".join(codes)}
    return {"outcome": f"error {type(error).__name__}", "reason": str(error)[:300]}


def date_time(moment: dt.datetime) -> dict[str, Any]:
    return {
        "Date": {"Year": moment.year, "Month": moment.month, "Day": moment.day},
        "Time": {"Hour": moment.hour, "Minute": moment.minute, "Second": moment.second},
    }


OPTIONAL = {"Category", "Type", "Attributes"}
BLANK: dict[str, Any] = {
    kind: {"token": NOBODY, "Name": NOBODY, "UseCount": 0}
    | {"AudioOutput": {"OutputToken": NOBODY, "OutputLevel": 1}, "AudioSource": {"SourceToken": NOBODY}}.get(kind, {})
    for kind in ("VideoSource", "VideoEncoder", "AudioSource", "AudioEncoder", "AudioOutput", "AudioDecoder", "PTZ")
}
BLANK["Metadata"] = BLANK["AudioDecoder"]
BLANK["Analytics"] = BLANK["AudioDecoder"] | {"AnalyticsEngineConfiguration": {}, "RuleEngineConfiguration": {}}
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
RELAY = {"Mode": "Bistable", "DelayTime": dt.timedelta(seconds=1), "IdleState": "closed"}
USER = {"Username": "guard", "Password": "Night-shift.1", "UserLevel": "User"}
MINUTE = dt.timedelta(minutes=1)
RECORDING = {
    "Source": {"SourceId": "urn:test", "Name": "test", "Location": "", "Description": "", "Address": "urn:test"},
    "Content": "a test",
    "MaximumRetentionTime": dt.timedelta(days=1),
}
RECEIVER = {
    "Mode": "NeverConnect",
    "MediaUri": "rtsp://127.0.0.1:9/test",
    "StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}},
}
RESULTS = {"MinResults": 1, "MaxResults": 100, "WaitTime": dt.timedelta(seconds=5)}
VALUES: dict[str, Any] = {
    "AuxiliaryCommand": "tt:Wiper|Off",
    "CACertificate": [],
    "Enabled": False,
    "FactoryDefault": "Soft",
    "ForcePersistence": True,
    "ForcePersistance": True,
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
    "RecordingConfiguration": RECORDING,
    "TrackConfiguration": {"TrackType": "Video", "Description": "another"},
    "TrackToken": "VIDEO001",
    "VideoSourceModeToken": NOBODY,
}
LEARNT: dict[str, Callable[[Session, str], Any]] = {
    "ProfileToken": Session.profile,
    "ConfigurationToken": Session.configuration_token,
    "InterfaceToken": lambda s, _: s.first("GetNetworkInterfaces"),
    "VideoSourceToken": lambda s, _: s.video_source(),
    "AudioSourceToken": lambda s, _: s.first("GetAudioSources"),
    "AudioOutputToken": lambda s, _: s.first("GetAudioOutputs"),
    "RelayOutputToken": lambda s, _: s.first("GetRelayOutputs"),
    "Token": lambda s, _: s.first("GetDigitalInputs"),
    "DigitalInputs": lambda s, _: [{"token": s.first("GetDigitalInputs"), "IdleState": "open"}],
    "VideoOutputToken": lambda s, _: s.first("GetVideoOutputs"),
    "OSD": lambda s, operation: s.overlay(operation, "OSD", "VideoSourceConfigurationToken"),
    "Mask": lambda s, operation: s.overlay(operation, "Mask", "ConfigurationToken"),
    "RecordingToken": Session.recording,
    "JobToken": Session.job,
    "JobConfiguration": lambda s, _: s.job_configuration("Idle"),
    "ReceiverToken": lambda s, _: s.first("CreateReceiver"),
}
SPECIAL: dict[str, Callable[[Session], dict[str, Any]]] = {
    "AddPTZConfiguration": lambda s: s.head(),
    "CreateProfile": lambda s: {"Name": "gateway test"},
    "DeleteProfile": lambda s: {("Token" if s.name == "media2" else "ProfileToken"): s.first("CreateProfile")},
    "GetProfiles": lambda s: {"Type": ["All"]} if s.name == "media2" else {},
    "CreateUsers": lambda s: {"User": [USER]},
    "SetUser": lambda s: {"User": [{**USER, "UserLevel": "Operator"}]},
    "DeleteUsers": lambda s: {"Username": [USER["Username"]]},
    "GetOSD": lambda s: {"OSDToken": NOBODY},
    "SetScopes": lambda s: {
        "Scopes": [scope.ScopeItem for scope in s.found["GetScopes"] if scope.ScopeDef == "Configurable"]
        + VALUES["ScopeItem"]
    },
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
    "SetHashingAlgorithm": lambda s: {"Algorithm": ["MD5", "SHA-256"]},
    "SetSystemDateAndTime": lambda s: {
        "DateTimeType": "Manual",
        "DaylightSavings": False,
        "UTCDateTime": date_time(dt.datetime.now(dt.UTC)),
    },
    "SetRelayOutputSettings": lambda s: (
        {"RelayOutputToken": s.first("GetRelayOutputs"), "Properties": RELAY}
        | ({"RelayOutput": {"token": s.first("GetRelayOutputs"), "Properties": RELAY}} if s.name == "deviceio" else {})
    ),
    "GetOSDs": lambda s: {},
    "GetMasks": lambda s: {},
    "AddConfiguration": lambda s: {
        "ProfileToken": s.first("CreateProfile"),
        "Configuration": [
            {"Type": "VideoSource", "Token": s.first("GetVideoSourceConfigurations")},
            {"Type": "VideoEncoder", "Token": s.first("GetVideoEncoderConfigurations")},
        ],
    },
    "DeleteTrack": lambda s: {
        "RecordingToken": s.first("CreateRecording"),
        "TrackToken": s.first("CreateTrack"),
    },
    "SetRecordingJobMode": lambda s: {"JobToken": s.first("CreateRecordingJob"), "Mode": "Active"},
    "CreateReceiver": lambda s: {"Configuration": RECEIVER},
    "ConfigureReceiver": lambda s: {"ReceiverToken": s.first("CreateReceiver"), "Configuration": RECEIVER},
    "SetReceiverMode": lambda s: {"ReceiverToken": s.first("CreateReceiver"), "Mode": "NeverConnect"},
    "SetReplayConfiguration": lambda s: {"Configuration": {"SessionTimeout": MINUTE}},
    "FindRecordings": lambda s: {
        "Scope": {"RecordingInformationFilter": 'boolean(//Track[TrackType = "Video"])'},
        "KeepAliveTime": MINUTE,
    },
    "FindEvents": lambda s: {
        "StartPoint": s.recorded().DataFrom,
        "EndPoint": s.recorded().DataUntil,
        "Scope": {},
        "SearchFilter": {"_value_1": []},
        "IncludeStartState": True,
        "KeepAliveTime": MINUTE,
    },
    "GetRecordingSearchResults": lambda s: {"SearchToken": s.first("FindRecordings"), **RESULTS},
    "GetEventSearchResults": lambda s: {"SearchToken": s.first("FindEvents"), **RESULTS},
    "GetSearchState": lambda s: {"SearchToken": s.first("FindEvents")},
    "EndSearch": lambda s: {"SearchToken": s.first("FindRecordings")},
    "GetMediaAttributes": lambda s: {"Time": s.recorded().DataFrom},
    "RemoveConfiguration": lambda s: {"ProfileToken": s.first("CreateProfile"), "Configuration": [{"Type": "All"}]},
}


def main(host: str, port: str, user: str, password: str, mode: str, *only: str) -> dict[str, dict[str, str]]:
    warnings.simplefilter("ignore")
    client = ONVIFClient(host, int(port), user, password, http_digest=mode == "digest", cache=CacheMode.NONE)
    device = client.devicemgmt()
    announced = {service.Namespace for service in device.GetServices(IncludeCapability=False)}
    sessions: dict[str, Session] = {}
    for name, (namespace, accessor) in SERVICES.items():
        if namespace in announced:
            sessions[name] = Session(name, getattr(client, accessor)(), sessions)
    for name, session in sessions.items():
        for operation in session.operations():
            if not only or f"{name}.{operation}" in only:
                session.call(operation)
    if not only:
        for operation in LAST:
            sessions["device"].call(operation)
        wait_for_restart(device)
    return {
        f"{name}.{operation}": result
        for name, session in sessions.items()
        for operation, result in session.results.items()
    }


def wait_for_restart(device: Any) -> None:
    """Return when the device answers again after SystemReboot."""
    time.sleep(2)
    for _ in range(RESTART_SECONDS):
        try:
            device.GetSystemDateAndTime()
        except ONVIFOperationException:
            time.sleep(1)
        else:
            return
    sys.exit(f"the device did not come back within {RESTART_SECONDS} s")


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
