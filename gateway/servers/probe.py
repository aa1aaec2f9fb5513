"""Looking for ONVIF devices on the network, through the WSDiscovery package."""

import asyncio
import ipaddress
import logging
import selectors
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import unquote

from wsdiscovery import QName  # type: ignore[import-untyped]
from wsdiscovery.discovery import ThreadedWSDiscovery  # type: ignore[import-untyped]
from wsdiscovery.service import Service  # type: ignore[import-untyped]
from wsdiscovery.threaded import (  # type: ignore[import-untyped]
    AddressMonitorThread,
    NetworkingThread,
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
from gateway.protocols.discovery_search import reached_at
from gateway.servers.discovery import Interface, system_interfaces

MAX_ANSWERS = 4096
"""Datagrams taken in one search: the package remembers every one."""
BURST = 256
"""Datagrams read before the package may send again."""
RECEIVE_BUFFER = 1024 * 1024
"""Bytes asked of the system for answers that come all at once; it may give less."""

MAX_ADDRESSES = 16
"""Of one device that are kept."""

_Seen: TypeAlias = dict[str, dict[str, None]]
"""Addresses by endpoint, in the order in which they were heard."""
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
        (
            replace(camera, xaddrs=search.addresses(camera))
            for service in services
            if (camera := _camera(service)) is not None
        ),
        key=lambda camera: (camera.xaddrs, camera.endpoint),
    )


def found_camera(
    endpoint: str, types: Iterable[str], scopes: Sequence[str], xaddrs: Sequence[str]
) -> FoundCamera | None:
    """Return what a device says of itself; None for one that is not of ONVIF. Types are in Clark notation."""
    namespaces = {name.partition("}")[0].removeprefix("{") for name in types}
    if not namespaces & {NS_NETWORK, NS_DEVICE} and not any(value.startswith(_SCOPE) for value in scopes):
        return None
    name, hardware, location = (_scope_value(scopes, category) for category in ("name", "hardware", "location"))
    return FoundCamera(endpoint, tuple(xaddrs), name, hardware, location)


def _camera(service: Service) -> FoundCamera | None:
    types = [f"{{{name.getNamespace()}}}{name.getLocalname()}" for name in service.getTypes()]
    scopes = [scope.getValue() for scope in service.getScopes()]
    return found_camera(service.getEPR(), types, scopes, service.getXAddrs())


def _scope_value(scopes: Iterable[str], category: str) -> str:
    prefix = f"{_SCOPE}{category}/"
    return next((unquote(value.removeprefix(prefix)) for value in scopes if value.startswith(prefix)), "")


class _AnswerSocket(socket.socket):
    """Hands the package only well-formed answers, written anew: its own parser and handlers trust what they get."""

    taken = 0
    seen: _Seen

    def recvfrom(self, size: int, flags: int = 0, /) -> tuple[bytes, tuple[str | int, ...]]:
        for _ in range(BURST):
            datagram, peer = super().recvfrom(size, flags)
            if self.taken < MAX_ANSWERS and (clean := _rewritten(datagram, str(peer[0]), self.seen)):
                self.taken += 1
                return clean, peer
        raise BlockingIOError("nothing but noise")


def _rewritten(datagram: bytes, peer: str, seen: _Seen) -> bytes:
    """Return an answer as we would write it, and note the addresses in it; nothing for all else."""
    try:
        message = parse(datagram)
        body = message.body
        if not isinstance(body, ProbeMatches | ResolveMatches):
            return b""
        for target in body.targets if isinstance(body, ProbeMatches) else (body.target,):
            seen.setdefault(target.endpoint, {}).update(dict.fromkeys(reached_at(target, peer).xaddrs))
        return serialize(message)
    except ValueError:  # from either direction: a namespace may be well-formed and yet no URI
        return b""


def _checked(sock: socket.socket, seen: _Seen) -> _AnswerSocket:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    checked = _AnswerSocket(fileno=sock.detach())
    checked.seen = seen
    return checked


class _Eager(NetworkingThread):  # type: ignore[misc]
    """Reads what has come; the package itself takes a datagram each tenth of a second, and would miss most cameras."""

    def start(self) -> None:
        super().start()
        self._selector.modify(self._multiInSocket, selectors.EVENT_READ)  # it is always writable

    def _recvMessages(self) -> None:  # noqa: N802 - the package's name
        for _ in range(BURST):
            if not self._selector.select(0):
                break
            super()._recvMessages()


class _IPv4Thread(_Eager, NetworkingThreadIPv4):  # type: ignore[misc]
    def _createMulticastOutSocket(self, addr: object, ttl: int) -> socket.socket:  # noqa: N802 - the package's name
        return _checked(super()._createMulticastOutSocket(addr, ttl), self._observer.seen)

    def _createMulticastInSocket(self) -> socket.socket:  # noqa: N802
        return _checked(super()._createMulticastInSocket(), self._observer.seen)


class _IPv6Thread(_Eager, NetworkingThreadIPv6):  # type: ignore[misc]
    def _createMulticastOutSocket(self, addr: object, ttl: int) -> socket.socket:  # noqa: N802
        return _checked(super()._createMulticastOutSocket(addr, ttl), self._observer.seen)

    def _createMulticastInSocket(self) -> socket.socket:  # noqa: N802
        return _checked(super()._createMulticastInSocket(), self._observer.seen)


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
        self.seen: _Seen = {}

    def addresses(self, camera: FoundCamera) -> tuple[str, ...]:
        """Return all that a device announced in both families, IPv4 first; the package keeps the last answer."""
        found = tuple(self.seen.get(camera.endpoint, ()))[:MAX_ADDRESSES] or camera.xaddrs
        return tuple(sorted(found, key=lambda url: "[" in url))

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
