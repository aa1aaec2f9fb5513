"""Device service: network (Core §8.2). The host owns its network: what is asked for is compared, never changed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol

from gateway.onvif.context import Context
from gateway.onvif.faults import Sender, SoapFault

_ETHERNET = 6
"""InterfaceType ethernetCsmacd (IANA ifType)."""

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_MAX_HOSTNAME = 253


@dataclass(frozen=True, slots=True)
class HostInterface:
    """One network interface of the host."""

    name: str
    mac: str
    """`aa:bb:cc:dd:ee:ff`, or empty."""
    mtu: int
    up: bool
    ipv4: tuple[tuple[str, int], ...]
    """Addresses with prefix lengths."""
    ipv6: tuple[tuple[str, int], ...]
    speed: int = 0
    """Mbit/s, 0 when unknown."""
    loopback: bool = False


class HostNetwork(Protocol):
    """The network of the host, read anew at each call."""

    def interfaces(self) -> Sequence[HostInterface]:
        """Return every interface."""
        ...

    def hostname(self) -> str:
        """Return the host's name."""
        ...

    def gateways(self) -> Sequence[str]:
        """Return the addresses of the default gateways."""
        ...

    def dns_servers(self) -> Sequence[str]:
        """Return the addresses of the name servers."""
        ...

    def search_domains(self) -> Sequence[str]:
        """Return the domains that names are completed with."""
        ...


@dataclass(frozen=True, slots=True)
class ServicePorts:
    """The ports that clients reach; None where the protocol is not served."""

    http: int
    rtsp: int
    https: int | None = None


class NetworkOperations:
    """Addresses, names and ports."""

    def __init__(self, host: HostNetwork, ports: ServicePorts, spare_mac: str) -> None:
        """`spare_mac` stands in where no interface of the host has a hardware address."""
        self._host = host
        self._ports = ports
        self._spare_mac = spare_mac

    async def GetHostname(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return the host's name."""
        return {"HostnameInformation": {"FromDHCP": False, "Name": self._host.hostname()}}

    async def SetHostname(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Accept the present name, refuse any other."""
        name = request["Name"]
        if len(name) > _MAX_HOSTNAME or not all(_LABEL.fullmatch(label) for label in name.split(".")):
            raise SoapFault(Sender, "InvalidArgVal", "InvalidHostname", f"{name!r} is not a valid host name")
        _require(name == self._host.hostname(), f"the host name {name!r}")
        return {}

    async def SetHostnameFromDHCP(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Accept false only."""
        _require(not request["FromDHCP"], "a host name from DHCP")
        return {"RebootNeeded": False}

    async def GetDNS(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return the host's name servers and search domains."""
        return {
            "DNSInformation": {
                "FromDHCP": False,
                "SearchDomain": list(self._host.search_domains()),
                "DNSManual": [_ip_address(server) for server in self._host.dns_servers()],
            }
        }

    async def SetDNS(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Accept the present servers, refuse others."""
        servers = [_address(entry) for entry in request.get("DNSManual", [])]
        domains = request.get("SearchDomain", [])
        same = servers == list(self._host.dns_servers()) and domains in ([], list(self._host.search_domains()))
        _require(same and not request["FromDHCP"], f"the name servers {', '.join(servers) or 'none'}")
        return {}

    async def GetNTP(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return no servers: the host's clock is kept by the host, with servers that are not known here."""
        return {"NTPInformation": {"FromDHCP": False}}

    async def SetNTP(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Accept an empty list, refuse servers."""
        servers = []
        for entry in request.get("NTPManual", []):
            name = entry.get("DNSname")
            if name is not None and not all(_LABEL.fullmatch(label) for label in name.rstrip(".").split(".")):
                raise SoapFault(Sender, "InvalidArgVal", "InvalidDnsName", f"{name!r} is not a valid host name")
            servers.append(name or _address(entry))
        _require(not servers and not request["FromDHCP"], f"the NTP servers {', '.join(servers) or 'from DHCP'}")
        return {}

    async def GetDynamicDNS(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return that names are not updated."""
        return {"DynamicDNSInformation": {"Type": "NoUpdate"}}

    async def SetDynamicDNS(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Accept NoUpdate only."""
        _require(request["Type"] == "NoUpdate", f"dynamic DNS of type {request['Type']}")
        return {}

    async def GetNetworkInterfaces(self, _request: dict[str, Any], context: Context) -> dict[str, Any]:
        """Return the host's interfaces; the one that the client reached comes last, as clients identify us by it."""
        return {"NetworkInterfaces": [self._interface(item, context) for item in self._interfaces(context)]}

    async def SetNetworkInterfaces(self, request: dict[str, Any], context: Context) -> dict[str, Any]:
        """Accept settings that change nothing, refuse others."""
        token, wanted = request["InterfaceToken"], request["NetworkInterface"]
        interface = self._by_token(token, context)
        ipv4, ipv6 = wanted.get("IPv4", {}), wanted.get("IPv6", {})
        addresses = [(_checked(entry["Address"]), entry["PrefixLength"]) for entry in ipv4.get("Manual", [])]
        same = (
            wanted.get("Enabled", True) == interface.up
            and wanted.get("MTU", interface.mtu) == interface.mtu
            and (not addresses or set(addresses) == set(interface.ipv4))
            and not ipv4.get("DHCP")
            and ipv4.get("Enabled", bool(interface.ipv4)) == bool(interface.ipv4)
            and not ipv6.get("Manual")
        )
        _require(same, f"these settings of the interface {token!r}")
        return {"RebootNeeded": False}

    async def GetNetworkProtocols(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return the protocols that are served, with their ports."""
        return {
            "NetworkProtocols": [
                {"Name": name, "Enabled": True, "Port": [port]} for name, port in self._protocols().items()
            ]
        }

    async def SetNetworkProtocols(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Accept what is so already, refuse others: ports belong to the configuration."""
        served = self._protocols()
        for entry in request["NetworkProtocols"]:
            name = entry["Name"]
            if name not in served and entry["Enabled"]:
                raise SoapFault(Sender, "InvalidArgVal", "ServiceNotSupported", f"the protocol {name} is not served")
            same = name not in served or (entry["Enabled"] and entry["Port"] in ([], [served[name]]))
            _require(same, f"{name} with the ports {entry['Port']}, enabled {entry['Enabled']}")
        return {}

    async def GetNetworkDefaultGateway(self, _request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Return the host's default gateways."""
        gateways = self._host.gateways()
        return {
            "NetworkGateway": {
                "IPv4Address": [address for address in gateways if ":" not in address],
                "IPv6Address": [address for address in gateways if ":" in address],
            }
        }

    async def SetNetworkDefaultGateway(self, request: dict[str, Any], _context: Context) -> dict[str, Any]:
        """Accept the present gateways, refuse others."""
        wanted = [*request.get("IPv4Address", []), *request.get("IPv6Address", [])]
        for address in wanted:
            _checked(address, "InvalidGatewayAddress")
        _require(set(wanted) == set(self._host.gateways()), f"the default gateways {', '.join(wanted) or 'none'}")
        return {}

    async def GetZeroConfiguration(self, _request: dict[str, Any], context: Context) -> dict[str, Any]:
        """Return that link-local addresses are not in use."""
        token = self._interfaces(context)[-1].name
        return {"ZeroConfiguration": {"InterfaceToken": token, "Enabled": False}}

    async def SetZeroConfiguration(self, request: dict[str, Any], context: Context) -> dict[str, Any]:
        """Accept false only."""
        self._by_token(request["InterfaceToken"], context)
        _require(not request["Enabled"], "zero configuration")
        return {}

    def mac(self) -> str:
        """Return the hardware address that stands for the device in its scopes."""
        found = [item for item in self._host.interfaces() if item.up and item.mac and not item.loopback]
        return found[-1].mac if found else self._spare_mac

    def _protocols(self) -> dict[str, int]:
        ports = {"HTTP": self._ports.http, "HTTPS": self._ports.https, "RTSP": self._ports.rtsp}
        return {name: port for name, port in ports.items() if port is not None}

    def _interfaces(self, context: Context) -> list[HostInterface]:
        """Return what to show: no loopback unless there is nothing else, the client's interface last."""
        everything = list(self._host.interfaces())
        shown = [item for item in everything if not item.loopback] or everything
        return sorted(shown, key=lambda item: (_reached(item, context), item.up and bool(item.ipv4)))

    def _by_token(self, token: str, context: Context) -> HostInterface:
        for interface in self._interfaces(context):
            if interface.name == token:
                return interface
        raise SoapFault(Sender, "InvalidArgVal", "InvalidNetworkInterface", f"there is no network interface {token!r}")

    def _interface(self, item: HostInterface, context: Context) -> dict[str, Any]:
        described: dict[str, Any] = {
            "token": item.name,
            "Enabled": item.up,
            "Info": {"Name": item.name, "HwAddress": item.mac or self._spare_mac, "MTU": item.mtu},
        }
        if item.speed:
            setting = {"AutoNegotiation": True, "Speed": item.speed, "Duplex": "Full"}
            described["Link"] = {"AdminSettings": setting, "OperSettings": setting, "InterfaceType": _ETHERNET}
        addresses = _as_reached(item, context)
        if addresses:
            manual = [{"Address": address, "PrefixLength": length} for address, length in addresses]
            described["IPv4"] = {"Enabled": True, "Config": {"Manual": manual, "DHCP": False}}
        if item.ipv6:
            described["IPv6"] = {"Enabled": True, "Config": {"DHCP": "Off", **_ipv6(item)}}
        return described


def _reached(item: HostInterface, context: Context) -> bool:
    return any(address == context.local_address for address, _ in (*item.ipv4, *item.ipv6))


def _as_reached(item: HostInterface, context: Context) -> list[tuple[str, int]]:
    """Return an interface's IPv4 addresses, the one that the client used first.

    Behind a forwarded port that address is not one of ours; clients look for it nevertheless.
    """
    addresses = list(item.ipv4)
    if not _reached(item, context):
        return addresses
    try:
        host = IPv4Address(context.host)
    except ValueError:
        return addresses
    own = next((entry for entry in addresses if entry[0] == str(host)), None)
    if own is not None:
        return [own, *(entry for entry in addresses if entry != own)]
    length = addresses[0][1] if addresses else 24
    return addresses if host.is_loopback else [(str(host), length), *addresses]


def _ipv6(item: HostInterface) -> dict[str, Any]:
    entries: dict[str, list[dict[str, Any]]] = {}
    for address, length in item.ipv6:
        kind = "LinkLocal" if IPv6Address(address).is_link_local else "Manual"
        entries.setdefault(kind, []).append({"Address": address, "PrefixLength": length})
    return entries


def _ip_address(address: str) -> dict[str, str]:
    return {"Type": "IPv6", "IPv6Address": address} if ":" in address else {"Type": "IPv4", "IPv4Address": address}


def _address(entry: dict[str, Any]) -> str:
    """Return the checked address of an IPAddress or NetworkHost. Raises SoapFault."""
    address: str = entry.get("IPv4Address") or entry.get("IPv6Address") or ""
    return _checked(address, "InvalidIPv6Address" if entry["Type"] == "IPv6" else "InvalidIPv4Address")


def _checked(address: str, detail: str = "InvalidIPv4Address") -> str:
    try:
        _ = IPv6Address(address) if ":" in address else IPv4Address(address)
    except ValueError:
        raise SoapFault(Sender, "InvalidArgVal", detail, f"{address!r} is not a valid IP address") from None
    return address


def _require(same: bool, what: str) -> None:  # noqa: FBT001 - reads as `require(it is the same, …)`
    if not same:
        reason = f"{what} can't be set through ONVIF: the network belongs to the host that the gateway runs on"
        raise SoapFault(Sender, "OperationProhibited", "", reason)
