"""Looking for ONVIF devices on the network, through the WSDiscovery package."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from wsdiscovery import QName  # type: ignore[import-untyped]
from wsdiscovery.discovery import ThreadedWSDiscovery  # type: ignore[import-untyped]
from wsdiscovery.service import Service  # type: ignore[import-untyped]
from wsdiscovery.threaded import (  # type: ignore[import-untyped]
    AddressMonitorThread,
    NetworkingThreadIPv4,
    NetworkingThreadIPv6,
)

from gateway.protocols.discovery import (
    NS_DEVICE,
    NS_NETWORK,
    ProbeMatches,
    ResolveMatches,
    parse,
    serialize,
)
from gateway.servers.discovery import Interface, system_interfaces

MAX_ANSWERS = 4096
"""Datagrams taken in one search: the package remembers every one."""

_SCOPE = "onvif://www.onvif.org/"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """One ONVIF device that answered; what it did not say is empty."""

    endpoint: str
    xaddrs: tuple[str, ...]
    name: str
    hardware: str
    location: str


async def probe(timeout: float, interfaces: Sequence[str] = ()) -> list[FoundCamera]:  # noqa: ASYNC109 - a search lasts
    """Search for so many seconds on the named interfaces (all but the loopback by default), sorted by address."""
    return await asyncio.to_thread(_search, timeout, system_interfaces(interfaces))


def _search(seconds: float, interfaces: Sequence[Interface]) -> list[FoundCamera]:
    search = _Search(interfaces)
    search.start()
    try:
        # Every device must answer a Probe without types; those of old firmware answer only one for their own.
        search.searchServices(types=[QName(NS_NETWORK, "NetworkVideoTransmitter", "dn")], timeout=0)
        services = search.searchServices(timeout=seconds)
    finally:
        search.stop()
    return sorted(
        (_camera(service) for service in services if _is_onvif(service)),
        key=lambda camera: (camera.xaddrs, camera.endpoint),
    )


def _is_onvif(service: Service) -> bool:
    namespaces = {name.getNamespace() for name in service.getTypes()}
    return bool(namespaces & {NS_NETWORK, NS_DEVICE}) or any(value.startswith(_SCOPE) for value in _scopes(service))


def _camera(service: Service) -> FoundCamera:
    scopes = _scopes(service)
    return FoundCamera(
        endpoint=service.getEPR(),
        xaddrs=tuple(service.getXAddrs()),
        name=_scope_value(scopes, "name"),
        hardware=_scope_value(scopes, "hardware"),
        location=_scope_value(scopes, "location"),
    )


def _scopes(service: Service) -> list[str]:
    return [scope.getValue() for scope in service.getScopes()]


def _scope_value(scopes: Iterable[str], category: str) -> str:
    prefix = f"{_SCOPE}{category}/"
    return next((unquote(value.removeprefix(prefix)) for value in scopes if value.startswith(prefix)), "")


class _AnswerSocket(socket.socket):
    """Hands the package only well-formed answers, written anew: its own parser and handlers trust what they get."""

    taken = 0

    def recvfrom(self, size: int, flags: int = 0, /) -> tuple[bytes, tuple[str | int, ...]]:
        datagram, peer = super().recvfrom(size, flags)
        try:
            message = parse(datagram)
            clean = serialize(message)
        except ValueError as error:  # from either direction: a namespace may be well-formed and yet no URI
            raise BlockingIOError(str(error)) from None
        if not isinstance(message.body, ProbeMatches | ResolveMatches) or self.taken >= MAX_ANSWERS:
            raise BlockingIOError("no answer")
        self.taken += 1
        return clean, peer


def _checked(sock: socket.socket) -> _AnswerSocket:
    return _AnswerSocket(fileno=sock.detach())


class _IPv4Thread(NetworkingThreadIPv4):  # type: ignore[misc]
    def _createMulticastOutSocket(self, addr: object, ttl: int) -> socket.socket:  # noqa: N802 - the package's name
        return _checked(super()._createMulticastOutSocket(addr, ttl))

    def _createMulticastInSocket(self) -> socket.socket:  # noqa: N802
        return _checked(super()._createMulticastInSocket())


class _IPv6Thread(NetworkingThreadIPv6):  # type: ignore[misc]
    def _createMulticastOutSocket(self, addr: object, ttl: int) -> socket.socket:  # noqa: N802
        return _checked(super()._createMulticastOutSocket(addr, ttl))

    def _createMulticastInSocket(self) -> socket.socket:  # noqa: N802
        return _checked(super()._createMulticastInSocket())


class _Addresses(AddressMonitorThread):  # type: ignore[misc]
    """The addresses to search from, told once; the package's own choice would be all of them."""

    def __init__(self, search: "_Search", addresses: Sequence[str]) -> None:
        self._chosen = addresses
        super().__init__(search, None)

    def _updateAddrs(self) -> None:  # noqa: N802
        for address in {ipaddress.ip_address(text) for text in self._chosen} - self._addrs:
            self._wsd._networkAddressAdded(address)  # noqa: SLF001 - the package has no public way
            self._addrs.add(address)


class _Search(ThreadedWSDiscovery):  # type: ignore[misc]
    def __init__(self, interfaces: Sequence[Interface]) -> None:
        super().__init__()
        self._search_from = interfaces

    def _startThreads(self) -> None:  # noqa: N802
        self._networkingThread_v4 = _IPv4Thread(self)
        self._networkingThread_v4.start()
        self._addrsMonitorThread_v4 = _Addresses(self, self._addresses(4))
        self._addrsMonitorThread_v4.start()
        thread = _IPv6Thread(self)
        try:
            thread.start()
        except OSError as error:
            _log.debug("no IPv6 here: %s", error)
            thread.schedule_stop()
            return
        self._networkingThread_v6 = thread
        self._addrsMonitorThread_v6 = _Addresses(self, self._addresses(6))
        self._addrsMonitorThread_v6.start()

    def _addresses(self, version: int) -> list[str]:
        """Every address of a family; the package finds the interface of an IPv6 one by its zone."""
        return [
            f"{address.ip}%{interface.index}" if version == 6 else str(address.ip)  # noqa: PLR2004
            for interface in self._search_from
            for address in interface.addresses
            if address.version == version
        ]
