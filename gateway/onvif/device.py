"""The Device service: what the gateway is, its services, its clock and its restart (Core §8)."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote
from uuid import UUID

from gateway.domain.device import DeviceIdentity
from gateway.onvif.capabilities import DEVICE, SCOPE, CapabilityModel
from gateway.onvif.contacts import Contacts, NoContacts
from gateway.onvif.context import Context
from gateway.onvif.device_network import HostNetwork, NetworkOperations, ServicePorts
from gateway.onvif.device_scopes import ScopeOperations, Settings
from gateway.onvif.device_users import Accounts, UserOperations
from gateway.onvif.faults import Sender, SoapFault
from gateway.sdk.clock import Clock
from gateway.services.accounts import MAX_ACCOUNTS, MAX_NAME, MAX_PASSWORD

WSDL_URL = "https://www.onvif.org/profiles/specifications/"
HASHES = ("MD5", "SHA-256")
RESTART_SECONDS = 5
_TIME_ZONE = "onvif.time_zone"
_UTC0 = "UTC0"
_POSIX_ZONE = re.compile(
    r"(?:[A-Za-z]{3,10}|<[A-Za-z0-9+-]{3,10}>)[+-]?\d{1,2}(?::\d\d){0,2}"
    r"(?:(?:[A-Za-z]{3,10}|<[A-Za-z0-9+-]{3,10}>)(?:[+-]?\d{1,2}(?::\d\d){0,2})?(?:,[JM0-9./:+-]+){0,2})?"
)
"""POSIX TZ, such as `CET-1CEST,M3.5.0,M10.5.0/3`."""

_NS = 1_000_000_000
_SAME_TIME = 5.0
"""Seconds within which a client's time counts as ours."""


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What the configuration says of the device."""

    name: str
    location: str
    ports: ServicePorts
    username_tokens: bool = True
    hashes: tuple[str, ...] = HASHES
    """Algorithms of HTTP Digest that are offered, in order."""


@dataclass(frozen=True, slots=True)
class DeviceActions:
    """What the device can have done to itself. Each returns before it takes effect, so that the reply gets out."""

    restart: Callable[[], Awaitable[None]]
    reset: Callable[[], Awaitable[None]]
    """Forgets what clients set, beyond the device's own settings."""
    scopes_changed: Callable[[], None]
    """Scopes or discovery mode changed: discovery must say Hello again."""


class DeviceService(NetworkOperations, ScopeOperations, UserOperations):
    """Operations of the Device service."""

    namespace: ClassVar[str] = DEVICE
    path: ClassVar[str] = "/onvif/device_service"

    def __init__(
        self,
        identity: DeviceIdentity,
        settings: DeviceSettings,
        model: CapabilityModel,
        host: HostNetwork,
        accounts: Accounts,
        store: Settings,
        actions: DeviceActions,
        clock: Clock,
        contacts: Contacts | None = None,
    ) -> None:
        NetworkOperations.__init__(self, host, settings.ports, _spare_mac(identity.uuid))
        UserOperations.__init__(self, accounts)
        ScopeOperations.__init__(self, self._fixed_scopes, _initial_scopes(settings), store, actions.scopes_changed)
        self._identity = identity
        self._device = settings
        self._model = model
        self._store = store
        self._actions = actions
        self._clock = clock
        self.contacts = contacts or NoContacts()

    def capabilities(self) -> Mapping[str, Any]:
        """Return what is announced: only what works."""
        tls = self._ports.https is not None
        return {
            "Network": {
                "IPFilter": False,
                "ZeroConfiguration": False,
                "IPVersion6": False,
                "DynDNS": False,
                "Dot11Configuration": False,
                "Dot1XConfigurations": 0,
                "HostnameFromDHCP": False,
                "NTP": 0,
                "DHCPv6": False,
            },
            "Security": {
                "TLS1.0": False,
                "TLS1.1": False,
                "TLS1.2": tls,
                "OnboardKeyGeneration": False,
                "AccessPolicyConfig": False,
                "DefaultAccessPolicy": True,
                "Dot1X": False,
                "RemoteUserHandling": False,
                "X.509Token": False,
                "SAMLToken": False,
                "KerberosToken": False,
                "UsernameToken": self._device.username_tokens,
                "HttpDigest": True,
                "RELToken": False,
                "MaxUsers": MAX_ACCOUNTS,
                "MaxUserNameLength": MAX_NAME,
                "MaxPasswordLength": MAX_PASSWORD,
                "HashingAlgorithms": list(self._device.hashes),
            },
            "System": {
                "DiscoveryResolve": True,
                "DiscoveryBye": True,
                "RemoteDiscovery": False,
                "SystemBackup": False,
                "SystemLogging": False,
                "HttpFirmwareUpgrade": False,
                "HttpSystemBackup": False,
                "HttpSystemLogging": False,
                "HttpSupportInformation": False,
                "StorageConfiguration": False,
                "GeoLocationEntries": 0,
            },
        }

    async def GetServices(self, request: dict[str, Any], context: Context) -> dict[str, Any]:
        """Return every service with its address, version and, if asked for, capabilities."""
        include = request.get("IncludeCapability", False)
        return {"Service": self._model.get_services(context, include_capability=include)}

    async def GetCapabilities(self, request: dict[str, Any], context: Context) -> dict[str, Any]:
        """Return the older form of the same."""
        return {"Capabilities": self._model.get_capabilities(context, request.get("Category", []))}

    async def GetWsdlUrl(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return where the WSDL files are published."""
        return {"WsdlUrl": WSDL_URL}

    async def GetDeviceInformation(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return who made this device, and which one it is."""
        return {
            "Manufacturer": self._identity.manufacturer,
            "Model": self._identity.model,
            "FirmwareVersion": self._identity.firmware,
            "SerialNumber": self._identity.serial,
            "HardwareId": self._identity.hardware_id,
        }

    async def GetEndpointReference(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return the address that discovery uses for this device."""
        return {"GUID": f"urn:uuid:{self._identity.uuid}"}

    async def GetSystemDateAndTime(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return the time. It counts as kept by NTP, so that clients do not try to set it."""
        now = datetime.fromtimestamp(self._clock.utc_ns() // _NS, UTC)
        moment = {
            "Time": {"Hour": now.hour, "Minute": now.minute, "Second": now.second},
            "Date": {"Year": now.year, "Month": now.month, "Day": now.day},
        }
        zone = self._time_zone()
        answer: dict[str, Any] = {
            "DateTimeType": "NTP",
            "DaylightSavings": False,
            "TimeZone": {"TZ": zone},
            "UTCDateTime": moment,
        }
        if zone == _UTC0:
            answer["LocalDateTime"] = moment
        return {"SystemDateAndTime": answer}

    async def SetSystemDateAndTime(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Keep the time zone, which clients only show; refuse a time that is not ours, which NTP keeps."""
        zone = request.get("TimeZone", {}).get("TZ")
        if zone is not None and not _POSIX_ZONE.fullmatch(zone):
            raise SoapFault(Sender, "InvalidArgVal", "InvalidTimeZone", f"{zone!r} is not a POSIX time zone")
        if request["DateTimeType"] == "Manual":
            wanted = _moment(request.get("UTCDateTime"))
            if abs(wanted.timestamp() - self._clock.utc_ns() / _NS) > _SAME_TIME:
                reason = f"the time can't be set to {wanted:%Y-%m-%dT%H:%M:%SZ}: the host's clock is kept by NTP"
                raise SoapFault(Sender, "InvalidArgVal", "TimeSyncedToNtp", reason)
        if zone is not None and zone != self._time_zone():
            self._store.store(_TIME_ZONE, zone)
        return {}

    async def SetHashingAlgorithm(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Accept the algorithms that are offered; all of them always are."""
        for algorithm in request["Algorithm"]:
            if algorithm not in self._device.hashes:
                reason = f"the algorithm {algorithm!r} is not one of {', '.join(self._device.hashes)}"
                raise SoapFault(Sender, "InvalidArgVal", "", reason)
        return {}

    async def SystemReboot(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Restart the gateway's services."""
        await self._actions.restart()
        return {"Message": f"The gateway restarts in {RESTART_SECONDS} seconds."}

    async def SetSystemFactoryDefault(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Forget what clients set. The configuration, accounts and recordings stay: they belong to the operator.

        What a hard reset would forget besides, network settings, belongs to the operating system.
        """
        self.reset_scopes()
        self._store.store(_TIME_ZONE, _UTC0)
        await self._actions.reset()
        return {}

    async def GetSystemUris(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return no addresses: logs and backups are for the console."""
        return {}

    async def GetSystemLog(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Refuse: the log belongs to the host's journal."""
        code = "AccesslogUnavailable" if request["LogType"] == "Access" else "SystemlogUnavailable"
        raise SoapFault(Sender, "InvalidArgs", code, "the log is kept by the host, not by the gateway")

    async def GetSystemSupportInformation(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Refuse: there is none."""
        raise SoapFault(Sender, "InvalidArgs", "SupportInformationUnavailable", "there is no support information")

    async def GetRelayOutputs(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """List the cameras' relays."""
        return {"RelayOutputs": self.contacts.relay_outputs()}

    async def SetRelayOutputState(self, request: dict[str, Any], context: Context) -> dict[str, Any]:
        """Switch a relay."""
        await self.contacts.switch_relay(request["RelayOutputToken"], request["LogicalState"], context)
        return {}

    async def SetRelayOutputSettings(self, request: dict[str, Any], context: Context) -> dict[str, Any]:
        """Change a relay's settings."""
        await self.contacts.set_relay(request["RelayOutputToken"], request["Properties"], context)
        return {}

    async def SendAuxiliaryCommand(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Refuse: the device has no auxiliary commands."""
        reason = f"the auxiliary command {request['AuxiliaryCommand']!r} is not supported"
        raise SoapFault(Sender, "InvalidArgVal", "AuxiliaryDataNotSupported", reason)

    def _fixed_scopes(self) -> Sequence[str]:
        return self._model.fixed_scopes(self._device.name, self._identity.model, self.mac())

    def _time_zone(self) -> str:
        stored = self._store.load(_TIME_ZONE)
        return stored if isinstance(stored, str) else _UTC0


def _initial_scopes(settings: DeviceSettings) -> tuple[str, ...]:
    return (f"{SCOPE}/location/{quote(settings.location, safe='/')}",) if settings.location else ()


def _spare_mac(uuid: str) -> str:
    """Return a locally administered address that is this device's alone."""
    octets = bytearray(UUID(uuid).bytes[-6:])
    octets[0] = octets[0] & 0xFC | 0x02
    return ":".join(f"{octet:02x}" for octet in octets)


def _moment(value: dict[str, Any] | None) -> datetime:
    if value is None:
        raise SoapFault(Sender, "InvalidArgVal", "InvalidDateTime", "a manual time needs UTCDateTime")
    date, time = value["Date"], value["Time"]
    parts = (date["Year"], date["Month"], date["Day"], time["Hour"], time["Minute"], time["Second"])
    try:
        return datetime(*parts, tzinfo=UTC)
    except (ValueError, OverflowError):
        text = "-".join(map(str, parts))
        raise SoapFault(Sender, "InvalidArgVal", "InvalidDateTime", f"{text} is not a date and time") from None
