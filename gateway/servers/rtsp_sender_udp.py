"""UDP viewers and multicast groups: the server's RTP and RTCP sockets and who gets what from them."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from gateway.servers.rtsp_gso import Address, Datagrams, Destinations, GsoSender
from gateway.servers.rtsp_wire import plain_address

CATCH_UP: Final = 4
"""Units sent for every live one until a new viewer has caught up: a GOP at once would overrun its socket."""
_SEND_BUFFER: Final = 4 * 1024 * 1024
_ATTEMPTS: Final = 50
_DATAGRAM: Final = 4096
"""Longer ones are cut, and then too long for anybody here."""
_READS: Final = 64

Take = Callable[[str, int, bytes], None]
"""Given what came from an address and port."""


class UdpPorts:
    """The pair of sockets, RTP even and RTCP odd, that all UDP viewers of one address family share."""

    def __init__(self, host: str, family: socket.AddressFamily, *, ttl: int = 1, interface: str = "") -> None:
        self.family = family
        self._rtp, self._rtcp = _bind_pair(host, family)
        self.ports: tuple[int, int] = (self._rtp.getsockname()[1], self._rtcp.getsockname()[1])
        for sock in (self._rtp, self._rtcp):
            _prepare_multicast(sock, family, ttl, interface)
        self._sender = GsoSender(self._rtp)

    def start(self, loop: asyncio.AbstractEventLoop, rtp: Take, rtcp: Take) -> None:
        """Listen to what clients say, and to their reports."""
        loop.add_reader(self._rtp.fileno(), _read, self._rtp, rtp)
        loop.add_reader(self._rtcp.fileno(), _read, self._rtcp, rtcp)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close both sockets."""
        for sock in (self._rtp, self._rtcp):
            loop.remove_reader(sock.fileno())
            sock.close()

    @property
    def dropped(self) -> int:
        """Messages that the system did not take."""
        return self._sender.dropped

    def send(self, datagrams: Datagrams, destinations: Destinations) -> None:
        """Send one unit's packets to every destination."""
        self._sender.send(datagrams, destinations)

    def send_rtcp(self, packet: bytes, address: Address) -> None:
        """Send one RTCP packet; an unreachable peer is its own trouble."""
        with suppress(OSError):
            self._rtcp.sendto(packet, address)


def _read(sock: socket.socket, take: Take) -> None:
    with suppress(OSError):
        for _ in range(_READS):
            data, peer = sock.recvfrom(_DATAGRAM)
            take(plain_address(peer[0]), peer[1], data)


def _bind_pair(host: str, family: socket.AddressFamily) -> tuple[socket.socket, socket.socket]:
    """Return two sockets on an even port and the next one. Raises OSError when none is free."""
    for _ in range(_ATTEMPTS):
        first = _bind(host, family, 0)
        port = first.getsockname()[1]
        other = port + 1 if port % 2 == 0 else port - 1
        try:
            second = _bind(host, family, other)
        except (OSError, OverflowError):
            first.close()
            continue
        return (first, second) if port % 2 == 0 else (second, first)
    raise OSError(f"no pair of UDP ports is free on {host}")


def _bind(host: str, family: socket.AddressFamily, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.settimeout(0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    return sock


def _prepare_multicast(sock: socket.socket, family: socket.AddressFamily, ttl: int, interface: str) -> None:
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        if interface:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)


@dataclass(eq=False, slots=True)
class UdpViewer:
    """One session's, or one group's, addresses by track index."""

    ports: UdpPorts
    rtp: dict[int, Address]
    rtcp: dict[int, Address]
    backlog: deque[tuple[int, Datagrams]] = field(default_factory=deque)
    """Tracks and packets that a new viewer has still to get before it joins the others."""
    waiting: bool = False
    """Skips units until the next key frame."""
    needs_key: bool = False
    """Has video, which makes sense only from a key frame on."""


class UdpFanout:
    """The UDP viewers of one stream."""

    def __init__(self) -> None:
        self._active: list[UdpViewer] = []
        self._joining: list[UdpViewer] = []
        self._table: dict[int, list[tuple[UdpPorts, Destinations]]] = {}

    def __bool__(self) -> bool:
        return bool(self._active or self._joining)

    def add(self, viewer: UdpViewer) -> None:
        """Add a viewer; it gets its backlog first."""
        (self._joining if viewer.backlog or viewer.waiting else self._active).append(viewer)
        self._table.clear()

    def remove(self, viewer: UdpViewer) -> None:
        """Remove a viewer."""
        for viewers in (self._active, self._joining):
            if viewer in viewers:
                viewers.remove(viewer)
        self._table.clear()

    def deliver(self, track: int, datagrams: Datagrams, *, start: bool) -> None:
        """Send one unit to every viewer of its track."""
        table = self._table.get(track)
        if table is None:
            table = self._table[track] = self._destinations(track)
        for ports, destinations in table:
            ports.send(datagrams, destinations)
        if self._joining:
            self._catch_up(track, datagrams, start=start)

    def report(self, track: int, packet: bytes) -> None:
        """Send RTCP about one track to every viewer of it."""
        for viewer in (*self._active, *self._joining):
            if track in viewer.rtcp:
                viewer.ports.send_rtcp(packet, viewer.rtcp[track])

    def resynchronise(self) -> None:
        """Let every viewer wait for a key frame."""
        self._joining += self._active
        self._active = []
        self._table.clear()
        for viewer in self._joining:
            viewer.waiting = viewer.needs_key

    def _destinations(self, track: int) -> list[tuple[UdpPorts, Destinations]]:
        found: dict[UdpPorts, list[Address]] = {}
        for viewer in self._active:
            if track in viewer.rtp:
                found.setdefault(viewer.ports, []).append(viewer.rtp[track])
        return [(ports, Destinations(ports.family, addresses)) for ports, addresses in found.items()]

    def _catch_up(self, track: int, datagrams: Datagrams, *, start: bool) -> None:
        for viewer in tuple(self._joining):
            if viewer.waiting and start:
                viewer.waiting = False
            if not viewer.waiting and track in viewer.rtp:
                viewer.backlog.append((track, datagrams))
            for _ in range(min(CATCH_UP, len(viewer.backlog))):
                self._send_one(viewer, *viewer.backlog.popleft())
            if not viewer.backlog and not viewer.waiting:
                self._joining.remove(viewer)
                self._active.append(viewer)
                self._table.clear()

    @staticmethod
    def _send_one(viewer: UdpViewer, track: int, datagrams: Datagrams) -> None:
        viewer.ports.send(datagrams, Destinations(viewer.ports.family, (viewer.rtp[track],)))
