"""The WS-Discovery target on the network: sockets, timing and interfaces around the pure responder.

Each interface has one socket per address, bound to it for unicast Probes and for everything sent, and one bound to the
multicast group, so that a Probe's interface and its way in are known from the socket that received it.
"""

import asyncio
import contextlib
import ipaddress
import logging
import random
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import ifaddr

from gateway.protocols.discovery import MAX_DATAGRAM, MULTICAST_IPV4, MULTICAST_IPV6, PORT
from gateway.protocols.discovery_target import Reply, Responder
from gateway.sdk.clock import Clock

APP_MAX_DELAY = 0.5
"""Seconds a multicast Probe's answer may wait (WS-Discovery §3.1.3)."""
UNICAST_SENDS, MULTICAST_SENDS = 2, 3
"""A datagram may get lost, so it is repeated; receivers know repeats by the MessageID (SOAP-over-UDP 1.1, appendix)."""
MIN_GAP, MAX_GAP = 0.05, 0.25
"""Seconds before the first repeat; doubled before the next."""
MAX_PENDING = 256
"""Answers that wait for their delay; more are not given."""
RESCAN_SECONDS = 5.0

_DATAGRAMS_PER_WAKE = 32
_IP_MULTICAST_ALL = 49  # Linux: without this, a socket hears groups that others joined on other interfaces
_IPV6_MULTICAST_ALL = 29

_log = logging.getLogger(__name__)

Address = ipaddress.IPv4Interface | ipaddress.IPv6Interface
"""An address with its network's prefix."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface, with its addresses of one family, best one first."""

    name: str
    index: int
    addresses: tuple[Address, ...]

    def address_towards(self, source: str) -> Address:
        """Return the address in the same network as a source, else the best one."""
        peer = ipaddress.ip_address(source)
        return next((address for address in self.addresses if peer in address.network), self.addresses[0])


def system_interfaces(names: Sequence[str] = ()) -> tuple[Interface, ...]:
    """Return the named interfaces, or all but the loopback, once for each family they have addresses of."""
    found = []
    for adapter in ifaddr.get_adapters():
        addresses: list[Address] = [
            ipaddress.ip_interface(f"{ip.ip[0] if isinstance(ip.ip, tuple) else ip.ip}/{ip.network_prefix}")
            for ip in adapter.ips
        ]
        loopback = any(address.ip.is_loopback for address in addresses)
        if adapter.index is None or (adapter.name not in names if names else loopback):
            continue
        for version in (4, 6):
            family = [address for address in addresses if address.version == version]
            family.sort(key=lambda address: address.ip.is_link_local)
            if family:
                found.append(Interface(adapter.name, adapter.index, tuple(family)))
    return tuple(found)


class DiscoveryServer:
    """Answers Probes on every interface and says Hello and Bye. Nothing received can stop it."""

    def __init__(
        self,
        identity: str,
        types: Sequence[str],
        scopes: Callable[[], Sequence[str]],
        xaddr: Callable[[str], str | None],
        clock: Clock,
        *,
        jitter: random.Random | None = None,
        enabled: Callable[[], bool] = lambda: True,
        interfaces: Callable[[], Sequence[Interface]] = system_interfaces,
        port: int = PORT,
    ) -> None:
        """Take the device's UUID, its types and scopes, and `xaddr`, which makes the device service's URL of a host.

        The host is an IP address without brackets or zone; None says that nobody listens there, and then nothing is
        announced for it. `enabled` false is ONVIF's NonDiscoverable mode.
        """
        self._xaddr = xaddr
        self._clock = clock
        self._jitter = jitter or random.Random()
        self._interfaces = interfaces
        self._port = port
        self._responder = Responder(identity, types, scopes, clock.utc_ns() // 1_000_000_000, enabled)
        self._links: dict[Interface, _Link] = {}
        self._complaints: dict[Interface, str] = {}
        self._pending: set[asyncio.Task[None]] = set()
        self._scanner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the interfaces, say Hello, and look for new interfaces from then on."""
        self._rescan()
        self._scanner = asyncio.create_task(self._scan(), name="discovery interfaces")

    async def stop(self) -> None:
        """Say Bye and close. Takes less than a second."""
        tasks = [*self._pending, *([self._scanner] if self._scanner else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pending.clear()
        self._multicast(lambda _link: self._responder.bye())
        await asyncio.gather(*self._pending)
        for interface in tuple(self._links):
            self._close(interface)

    def announce(self) -> None:
        """Say Hello with a new MetadataVersion, since scopes or another part of what is announced changed."""
        self._responder.changed()
        self._multicast(self._hello)

    def _hello(self, link: "_Link") -> bytes | None:
        xaddr = self._xaddr(str(link.interface.addresses[0].ip))
        return None if xaddr is None else self._responder.hello((xaddr,))

    def _multicast(self, make: Callable[["_Link"], bytes | None]) -> None:
        for link in self._links.values():
            self._multicast_on(link, make(link))

    def _multicast_on(self, link: "_Link", datagram: bytes | None) -> None:
        if datagram is not None:
            self._send_later(link.multicast, datagram, 0.0, MULTICAST_SENDS)

    async def _scan(self) -> None:
        while True:
            await self._clock.sleep(RESCAN_SECONDS)
            try:
                self._rescan()
            except Exception:  # noqa: BLE001 - the scanner outlives whatever the system says
                _log.exception("could not look for network interfaces")

    def _rescan(self) -> None:
        current = tuple(self._interfaces())
        for interface in self._links.keys() - set(current):
            _log.info("discovery: %s (%s) is gone", interface.name, interface.addresses[0].ip)
            self._close(interface)
        for interface in current:
            if interface not in self._links:
                self._open(interface)

    def _open(self, interface: Interface) -> None:
        try:
            link = _Link(interface, self._port, self._received, self._failed)
        except OSError as error:
            # An address that is still being checked for duplicates can't be bound yet: the next scan tries again.
            if self._complaints.get(interface) != str(error):
                _log.info(
                    "discovery: can't listen on %s (%s) yet: %s", interface.name, interface.addresses[0].ip, error
                )
            self._complaints[interface] = str(error)
            return
        self._complaints.pop(interface, None)
        self._links[interface] = link
        _log.info("discovery: listening on %s (%s)", interface.name, interface.addresses[0].ip)
        self._multicast_on(link, self._hello(link))

    def _close(self, interface: Interface) -> None:
        link = self._links.pop(interface, None)
        if link is not None:
            link.close()

    def _failed(self, link: "_Link", error: OSError) -> None:
        _log.warning("discovery: %s failed and is opened again: %s", link.interface.name, error)
        self._close(link.interface)

    def _received(self, link: "_Link", datagram: bytes, peer: tuple[str, int], *, multicast: bool) -> None:
        try:
            reply = self._reply(link, datagram, peer[0].partition("%")[0], multicast=multicast)
        except Exception:  # noqa: BLE001 - a datagram must never stop the server
            _log.exception("discovery: a datagram of %d bytes from %s could not be answered", len(datagram), peer[0])
            return
        if reply is not None and len(self._pending) < MAX_PENDING:
            delay = self._jitter.uniform(0, APP_MAX_DELAY) if reply.delayed else 0.0
            self._send_later(lambda data: link.unicast(data, peer), reply.datagram, delay, UNICAST_SENDS)

    def _reply(self, link: "_Link", datagram: bytes, source: str, *, multicast: bool) -> Reply | None:
        address = link.interface.address_towards(source)
        if address.ip.is_link_local:  # no URL works without a zone if there is a wider address
            address = link.interface.addresses[0]
        xaddr = self._xaddr(str(address.ip))
        if xaddr is None:
            return None
        return self._responder.respond(datagram, source, (xaddr,), self._clock.monotonic(), multicast=multicast)

    def _send_later(self, send: Callable[[bytes], None], datagram: bytes, delay: float, times: int) -> None:
        task = asyncio.create_task(self._send(send, datagram, delay, times), name="discovery message")
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _send(self, send: Callable[[bytes], None], datagram: bytes, delay: float, times: int) -> None:
        if delay:
            await self._clock.sleep(delay)
        gap = self._jitter.uniform(MIN_GAP, MAX_GAP)
        for left in reversed(range(times)):
            send(datagram)
            if left:
                await self._clock.sleep(gap)
                gap *= 2


class _Receiver(Protocol):
    def __call__(self, link: "_Link", datagram: bytes, peer: tuple[str, int], /, *, multicast: bool) -> None:
        """Take a datagram; must not raise."""
        ...


class _Link:
    """The sockets of one interface and family. Raises OSError when they can't be opened."""

    def __init__(
        self,
        interface: Interface,
        port: int,
        received: _Receiver,
        failed: Callable[["_Link", OSError], None],
    ) -> None:
        self.interface = interface
        self._port = port
        self._received = received
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[Address, socket.socket] = {}
        self._group = _group_socket(interface, port)
        try:
            for address in interface.addresses:
                self._sockets[address] = _address_socket(interface, address, port)
        except OSError:
            self._close_sockets()
            raise
        self._loop.add_reader(self._group, self._read, self._group, True)  # noqa: FBT003 - add_reader has no keywords
        for sock in self._sockets.values():
            self._loop.add_reader(sock, self._read, sock, False)  # noqa: FBT003

    def unicast(self, datagram: bytes, peer: tuple[str, int]) -> None:
        """Send from this interface's address in the peer's network. Lost when it can't be sent now."""
        address = self.interface.address_towards(peer[0].partition("%")[0])
        with contextlib.suppress(OSError):
            self._sockets[address].sendto(datagram, peer)

    def multicast(self, datagram: bytes) -> None:
        """Send to the group on this interface. Lost when it can't be sent now."""
        address = self.interface.addresses[0]
        group = MULTICAST_IPV4 if address.version == 4 else f"{MULTICAST_IPV6}%{self.interface.index}"  # noqa: PLR2004
        with contextlib.suppress(OSError):
            self._sockets[address].sendto(datagram, (group, self._port))

    def close(self) -> None:
        """Stop listening and leave the group."""
        for sock in (self._group, *self._sockets.values()):
            self._loop.remove_reader(sock)
        self._close_sockets()

    def _close_sockets(self) -> None:
        for sock in (self._group, *self._sockets.values()):
            sock.close()

    def _read(self, sock: socket.socket, multicast: bool) -> None:  # noqa: FBT001 - see add_reader
        for _ in range(_DATAGRAMS_PER_WAKE):
            if sock.fileno() < 0:
                return
            try:
                datagram, peer = sock.recvfrom(MAX_DATAGRAM + 1)
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # an ICMP error for something that was sent earlier
            except OSError as error:
                self._failed(self, error)
                return
            self._received(self, datagram, peer, multicast=multicast)


def _group_socket(interface: Interface, port: int) -> socket.socket:
    if interface.addresses[0].version == 4:  # noqa: PLR2004 - IP versions are what they are
        sock = _socket(socket.AF_INET, (MULTICAST_IPV4, port))
        member = struct.pack(
            "=4s4si", socket.inet_aton(MULTICAST_IPV4), interface.addresses[0].ip.packed, interface.index
        )
        hear_all = (socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        join = (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    else:
        sock = _socket(socket.AF_INET6, (MULTICAST_IPV6, port, 0, interface.index))
        member = struct.pack("=16si", socket.inet_pton(socket.AF_INET6, MULTICAST_IPV6), interface.index)
        hear_all = (socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
        join = (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
    return _configured(sock, (hear_all, join) if sys.platform == "linux" else (join,))


def _address_socket(interface: Interface, address: Address, port: int) -> socket.socket:
    if address.version == 4:  # noqa: PLR2004
        sock = _socket(socket.AF_INET, (str(address.ip), port))
        member = struct.pack("=4s4si", bytes(4), address.ip.packed, interface.index)
        return _configured(sock, ((socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member),))
    scope = interface.index if address.ip.is_link_local else 0
    sock = _socket(socket.AF_INET6, (str(address.ip), port, 0, scope))
    return _configured(sock, ((socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index),))


def _socket(family: int, address: tuple[str | int, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - socket's own signature
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _configured(sock: socket.socket, options: Sequence[tuple[int, int, int | bytes]]) -> socket.socket:
    try:
        for level, option, value in options:
            sock.setsockopt(level, option, value)
    except OSError:
        sock.close()
        raise
    return sock
