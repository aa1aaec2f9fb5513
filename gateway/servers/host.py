"""The network of the host, read from the system whenever somebody asks."""

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import ifaddr

from gateway.onvif.device_network import HostInterface

_ROUTE_COLUMNS = 3
_IPV6_ROUTE_COLUMNS = 10
_DEFAULT_IPV6 = "0" * 32


class SystemNetwork:
    """Reads addresses from the kernel, the rest from `/sys`, `/proc` and `/etc` below `root`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def interfaces(self) -> Sequence[HostInterface]:
        """Return every interface that has an address."""
        return tuple(self._interface(adapter) for adapter in ifaddr.get_adapters())

    def hostname(self) -> str:
        """Return the host's name."""
        return socket.gethostname()

    def gateways(self) -> Sequence[str]:
        """Return the addresses of the default gateways, IPv4 first."""
        return tuple(dict.fromkeys((*self._gateways4(), *self._gateways6())))

    def dns_servers(self) -> Sequence[str]:
        """Return the addresses of the name servers."""
        return tuple(address for words in self._resolver("nameserver") for address in words[:1] if _is_address(address))

    def search_domains(self) -> Sequence[str]:
        """Return the domains that names are completed with."""
        return tuple(domain for words in self._resolver("search") for domain in words if domain != ".")

    def _interface(self, adapter: ifaddr.Adapter) -> HostInterface:
        name = adapter.nice_name
        ipv4 = tuple((str(item.ip), item.network_prefix) for item in adapter.ips if item.is_IPv4)
        ipv6 = tuple((item.ip[0], item.network_prefix) for item in adapter.ips if isinstance(item.ip, tuple))
        mac = self._sys(name, "address")
        speed, mtu = self._sys(name, "speed"), self._sys(name, "mtu")
        return HostInterface(
            name=name,
            mac="" if mac.replace(":", "").strip("0") == "" else mac,
            mtu=int(mtu) if mtu.isdecimal() else 1500,
            up=self._sys(name, "operstate") != "down",
            ipv4=ipv4,
            ipv6=ipv6,
            speed=int(speed) if speed.isdecimal() else 0,
            loopback=any(ipaddress.ip_address(address).is_loopback for address, _ in (*ipv4, *ipv6)),
        )

    def _sys(self, name: str, what: str) -> str:
        return self._read(f"sys/class/net/{name}/{what}").strip()

    def _gateways4(self) -> Iterator[str]:
        for line in self._read("proc/net/route").splitlines()[1:]:
            columns = line.split()
            if len(columns) >= _ROUTE_COLUMNS and columns[1] == "00000000" and columns[2].strip("0"):
                yield str(ipaddress.IPv4Address(bytes.fromhex(columns[2])[::-1]))

    def _gateways6(self) -> Iterator[str]:
        for line in self._read("proc/net/ipv6_route").splitlines():
            columns = line.split()
            if (
                len(columns) >= _IPV6_ROUTE_COLUMNS
                and columns[0] == _DEFAULT_IPV6
                and columns[1] == "00"
                and columns[4].strip("0")
            ):
                yield str(ipaddress.IPv6Address(bytes.fromhex(columns[4])))

    def _resolver(self, keyword: str) -> Iterator[list[str]]:
        for line in self._read("etc/resolv.conf").splitlines():
            words = line.split()
            if words and words[0] == keyword:
                yield words[1:]

    def _read(self, path: str) -> str:
        """Return a file's text, empty when it can't be read: not every system has every file."""
        try:
            return (self._root / path).read_text(encoding="ascii", errors="replace")
        except OSError:
            return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
