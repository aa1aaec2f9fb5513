"""One model of what the device can do: GetServices, GetCapabilities and the discovery scopes all follow from it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

from lxml import etree

from gateway.onvif.codec import Codec
from gateway.onvif.context import Context, Mounted, Service
from gateway.onvif.contract import Contract
from gateway.onvif.faults import Receiver, SoapFault

DEVICE = "http://www.onvif.org/ver10/device/wsdl"
EVENTS = "http://www.onvif.org/ver10/events/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
IMAGING = "http://www.onvif.org/ver20/imaging/wsdl"
PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
ANALYTICS = "http://www.onvif.org/ver20/analytics/wsdl"
DEVICE_IO = "http://www.onvif.org/ver10/deviceIO/wsdl"
RECORDING = "http://www.onvif.org/ver10/recording/wsdl"
SEARCH = "http://www.onvif.org/ver10/search/wsdl"
REPLAY = "http://www.onvif.org/ver10/replay/wsdl"
RECEIVER = "http://www.onvif.org/ver10/receiver/wsdl"

SCOPE = "onvif://www.onvif.org"
_MAX_STRING_LENGTH = 256

Values: TypeAlias = Mapping[str, Any]


class CapabilityModel:
    """The registered services and what they say of themselves."""

    def __init__(self, contract: Contract, codec: Codec) -> None:
        self._contract = contract
        self._codec = codec
        self._services: dict[str, Service] = {}
        self._mounted: list[Mounted] = []

    def register(self, service: Service) -> None:
        """Announce a service from now. Raises KeyError when the contract does not know its namespace."""
        self._contract.service(service.namespace)
        self._services[service.namespace] = service

    def withdraw(self, service: Service) -> None:
        """Announce a service no more."""
        self._services.pop(service.namespace, None)

    def mount(self, service: Mounted) -> None:
        """Announce a service that is not ONVIF's from now."""
        self._mounted.append(service)

    @property
    def services(self) -> tuple[Service, ...]:
        """The registered services, in order."""
        return tuple(self._services.values())

    def get_services(self, context: Context, *, include_capability: bool) -> list[dict[str, Any]]:
        """Return the Service elements of GetServices."""
        own = [dict(self._describe(service, context, include_capability)) for service in self._services.values()]
        others = [
            {"Namespace": each.namespace, "XAddr": context.base + each.path, "Version": _version(each.version)}
            for each in self._mounted
        ]
        return own + others

    def get_capabilities(self, context: Context, categories: Sequence[str]) -> dict[str, Any]:
        """Return the Capabilities element of GetCapabilities (Core §8.1.2.3). Raises SoapFault NoSuchService."""
        wanted = set(categories or ["All"])
        found: dict[str, Any] = {}
        extension: dict[str, Any] = {}
        for namespace, (category, translate) in _LEGACY.items():
            service = self._services.get(namespace)
            if service is None:
                continue
            content = {"XAddr": context.base + service.path, **translate(service.capabilities())}
            if namespace == RECORDING:
                content["ReceiverSource"] = RECEIVER in self._services
            if namespace == DEVICE:
                content["IO"] = self._contacts()
                content["System"]["SupportedVersions"] = [_version(self._contract.service(DEVICE).version)]
            if namespace in _EXTENDED:
                extension[category] = content
            else:
                found[category] = content
        if "All" in wanted:
            return {**found, **({"Extension": extension} if extension else {})}
        missing = sorted(wanted - found.keys())
        if missing:
            raise SoapFault(
                Receiver, "ActionNotSupported", "NoSuchService", f"the device has no {', '.join(missing)} service"
            )
        return {category: content for category, content in found.items() if category in wanted}

    def profiles(self) -> tuple[str, ...]:
        """Return the ONVIF Profiles that the registered services amount to, as the last part of their scope."""
        have = self._services.keys()
        profiles = {
            "Streaming": {MEDIA},
            "T": {MEDIA2, EVENTS, IMAGING, DEVICE_IO},
            "G": {RECORDING, SEARCH, REPLAY, EVENTS},
        }
        return tuple(profile for profile, needed in profiles.items() if needed <= have)

    def fixed_scopes(self, name: str, hardware: str, mac: str) -> tuple[str, ...]:
        """Return the scopes that nobody may change (Core §7.3.2.2); values are percent-encoded."""
        entries = [
            *(f"Profile/{profile}" for profile in self.profiles()),
            "type/video_encoder",
            "type/NetworkVideoTransmitter",
            *(["type/ptz"] if PTZ in self._services else []),
            f"name/{quote(name, safe='')}",
            f"hardware/{quote(hardware, safe='')}",
            f"mac/{mac}",
        ]
        return tuple(f"{SCOPE}/{entry}" for entry in entries)

    def _contacts(self) -> dict[str, int]:
        device_io = self._services.get(DEVICE_IO)
        values = {} if device_io is None else device_io.capabilities()
        return {"InputConnectors": values.get("DigitalInputs", 0), "RelayOutputs": values.get("RelayOutputs", 0)}

    def _describe(self, service: Service, context: Context, include: bool) -> Iterator[tuple[str, Any]]:  # noqa: FBT001
        yield "Namespace", service.namespace
        yield "XAddr", context.base + service.path
        if include:
            yield "Capabilities", {"_any": [self._element(service)]}
        yield "Version", _version(self._contract.service(service.namespace).version)

    def _element(self, service: Service) -> etree._Element:
        return self._codec.element(f"{{{service.namespace}}}Capabilities", dict(service.capabilities()))


def _version(version: tuple[int, int]) -> dict[str, int]:
    return {"Major": version[0], "Minor": version[1]}


def _pick(values: Values, *names: str) -> dict[str, Any]:
    return {name: values.get(name, False) for name in names}


def _device(values: Values) -> dict[str, Any]:
    network, system, security = (values.get(part, {}) for part in ("Network", "System", "Security"))
    http = ("HttpFirmwareUpgrade", "HttpSystemBackup", "HttpSystemLogging", "HttpSupportInformation")
    return {
        "Network": {
            **_pick(network, "IPFilter", "ZeroConfiguration", "IPVersion6", "DynDNS"),
            "Extension": _pick(network, "Dot11Configuration"),
        },
        "System": {
            **_pick(system, "DiscoveryResolve", "DiscoveryBye", "RemoteDiscovery", "SystemBackup", "SystemLogging"),
            "FirmwareUpgrade": False,
            "Extension": _pick(system, *http),
        },
        "Security": {
            **_pick(security, "TLS1.1", "TLS1.2", "OnboardKeyGeneration", "AccessPolicyConfig"),
            **_pick(security, "X.509Token", "SAMLToken", "KerberosToken", "RELToken"),
            "Extension": _pick(security, "TLS1.0"),
        },
    }


def _media(values: Values) -> dict[str, Any]:
    profiles = values.get("ProfileCapabilities", {}).get("MaximumNumberOfProfiles", 0)
    return {
        "StreamingCapabilities": _pick(
            values.get("StreamingCapabilities", {}), "RTPMulticast", "RTP_TCP", "RTP_RTSP_TCP"
        ),
        "Extension": {"ProfileCapabilities": {"MaximumNumberOfProfiles": profiles}},
    }


def _events(values: Values) -> dict[str, Any]:
    return {
        **_pick(values, "WSSubscriptionPolicySupport", "WSPausableSubscriptionManagerInterfaceSupport"),
        "WSPullPointSupport": True,
    }


def _analytics(values: Values) -> dict[str, Any]:
    return _pick(values, "RuleSupport", "AnalyticsModuleSupport")


def _device_io(values: Values) -> dict[str, Any]:
    names = ("VideoSources", "VideoOutputs", "AudioSources", "AudioOutputs", "RelayOutputs")
    return {name: max(0, values.get(name, 0)) for name in names}


def _recording(values: Values) -> dict[str, Any]:
    return {
        "ReceiverSource": False,
        "MediaProfileSource": True,
        **_pick(values, "DynamicRecordings", "DynamicTracks"),
        "MaxStringLength": _MAX_STRING_LENGTH,
    }


def _search(values: Values) -> dict[str, Any]:
    return _pick(values, "MetadataSearch")


def _receiver(values: Values) -> dict[str, Any]:
    return {
        **_pick(values, "RTP_Multicast", "RTP_TCP", "RTP_RTSP_TCP"),
        "SupportedReceivers": values.get("SupportedReceivers", 0),
        "MaximumRTSPURILength": values.get("MaximumRTSPURILength", _MAX_STRING_LENGTH),
    }


def _nothing(_: Values) -> dict[str, Any]:
    return {}


_LEGACY: dict[str, tuple[str, Callable[[Values], dict[str, Any]]]] = {
    ANALYTICS: ("Analytics", _analytics),
    DEVICE: ("Device", _device),
    EVENTS: ("Events", _events),
    IMAGING: ("Imaging", _nothing),
    MEDIA: ("Media", _media),
    PTZ: ("PTZ", _nothing),
    DEVICE_IO: ("DeviceIO", _device_io),
    RECORDING: ("Recording", _recording),
    SEARCH: ("Search", _search),
    REPLAY: ("Replay", _nothing),
    RECEIVER: ("Receiver", _receiver),
}
"""Namespace → element of tt:Capabilities and how its content follows from the service's own capabilities."""

_EXTENDED = (DEVICE_IO, RECORDING, SEARCH, REPLAY, RECEIVER)
"""Services whose capabilities stand under tt:Capabilities/Extension; Media2 has no place at all."""
