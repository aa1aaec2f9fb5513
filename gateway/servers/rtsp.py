"""The RTSP server: live streams over UDP, multicast, TCP, HTTP tunnels and WebSocket, plain or in TLS."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, AddressFamily
from typing import Final, TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.rtsp.messages import RtspError
from gateway.sdk.clock import Clock
from gateway.servers.rtsp_connection import Connection, Context, TunnelConnection, WebSocketConnection
from gateway.servers.rtsp_first_look import FirstLook
from gateway.servers.rtsp_methods import Methods
from gateway.servers.rtsp_playback import Replays
from gateway.servers.rtsp_ports import Authenticator, MulticastGroups, RtspOptions, Streams, seen_stream
from gateway.servers.rtsp_replay_methods import ReplayMethods
from gateway.servers.rtsp_requests import Requests
from gateway.servers.rtsp_sender_tcp import Tally
from gateway.servers.rtsp_sender_udp import UdpPorts
from gateway.servers.rtsp_session import Sessions
from gateway.servers.rtsp_talk import Backchannels, Talks
from gateway.servers.rtsp_transports import Transports
from gateway.servers.rtsp_tunnel import Openers, Tunnels
from gateway.servers.rtsp_wire import Wire

SWEEP_SECONDS: Final = 1.0

_Kind = TypeVar("_Kind", bound=Connection)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What exists while the server runs."""

    context: Context
    tunnels: Tunnels


class RtspServer:
    """Serves connections that a listener hands over; it opens no TCP port itself."""

    def __init__(
        self,
        streams: Streams,
        authenticator: Authenticator,
        clock: Clock,
        *,
        options: RtspOptions | None = None,
        multicast: MulticastGroups | None = None,
        talks: Talks | None = None,
        udp_hosts: Sequence[str] = ("0.0.0.0", "::"),  # noqa: S104 - media leaves by whatever way leads to the viewer
    ) -> None:
        self._streams = streams
        self._authenticator = authenticator
        self._clock = clock
        self._options = options or RtspOptions()
        self._multicast = multicast
        self._talks = talks
        self._udp_hosts = tuple(udp_hosts)
        self._ports: dict[AddressFamily, UdpPorts] = {}
        self._transports = Transports(self._ports, multicast)
        self._connections: set[Connection] = set()
        self._addresses: Counter[str] = Counter()
        self._tally = Tally()
        self._reported = (0, 0)
        self._sessions = Sessions(clock, self._options.session_timeout, self._options.max_sessions)
        self._parts: _Parts | None = None
        self.replays: Replays | None = None
        """What opens recordings; None while there are none."""

    def start(self) -> None:
        """Open the UDP ports, where the system has any; call it on the running event loop."""
        loop = asyncio.get_running_loop()
        for host in self._udp_hosts:
            family = AF_INET6 if ":" in host else AF_INET
            try:
                ports = self._ports[family] = self._open_ports(host, family)
            except OSError as error:
                _log.warning("no RTP over UDP on %s: %s", host, error.strerror or error)
            else:
                ports.start(loop, self._sessions.spoken, self._sessions.heard)
        context = Context(loop, self._clock, self._options, self._requests(), self._sessions, self._tally)
        openers = Openers(
            tunnel=lambda wire: self._opened(TunnelConnection(context, wire, self._closed)),
            websocket=lambda wire: self._opened(WebSocketConnection(context, wire, self._closed)),
            refused=self._refused,
        )
        self._parts = _Parts(context, Tunnels(loop, self._clock, self._options.limits, openers))

    def _requests(self) -> Requests:
        backchannels = Backchannels(self._talks)
        methods = Methods(self._streams, self._sessions, self._transports, backchannels, self._clock.utc_ns)
        replay = ReplayMethods(methods, self._sessions, lambda: self.replays)
        first_look = FirstLook(self._streams, methods, self._options.first_look)
        return Requests(self._authenticator, self._options.supported, backchannels, methods, replay, first_look)

    def accept(self, wire: Wire, *, http: bool) -> None:
        """Take over a connection; `http` tells that it begins with an HTTP head (a tunnel or WebSocket)."""
        parts = self._running()
        if not self._admits(wire.address):
            wire.close()
            return
        self._addresses[wire.address] += 1
        if http:
            parts.tunnels.accept(wire)
        else:
            self._opened(Connection(parts.context, wire, self._closed)).start()

    def hold_group(self, path: str) -> None:
        """Send a stream to its multicast groups until released, with or without sessions.

        Raises GatewayError (NOT_FOUND or UNSUPPORTED).
        """
        try:
            stream, description = seen_stream(self._streams, path)
        except RtspError as error:
            raise GatewayError(ErrorKind.NOT_FOUND, error.message) from error
        transports = self._transports
        if not transports.groups(path, len(description.tracks)):
            raise GatewayError(ErrorKind.UNSUPPORTED, f"stream {path!r} has no multicast groups")
        self._sessions.hold(stream, description, lambda new: transports.group_viewer(path, len(new.tracks)))

    def release_group(self, path: str) -> None:
        """Stop what `hold_group` began."""
        stream = self._streams.stream(path)
        if stream is not None:
            self._sessions.release(stream)

    async def run(self) -> None:
        """Watch over time-outs until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            self.sweep()

    def sweep(self) -> None:
        """End what has had its time, and say how slow viewers fare."""
        now = self._clock.monotonic()
        self._sessions.sweep()
        for connection in tuple(self._connections):
            connection.sweep(now)
        if self._parts is not None:
            self._parts.tunnels.sweep(now)
        counts = self._tally.skipped_units, self._tally.stalled_viewers
        if counts != self._reported:
            skipped, stalled = (new - old for new, old in zip(counts, self._reported, strict=True))
            self._reported = counts
            _log.warning("slow RTSP viewers: %d access units skipped, %d viewers given up", skipped, stalled)

    def close(self) -> None:
        """End every session with a BYE and close everything."""
        loop = asyncio.get_running_loop()
        self._sessions.close("the server ends")
        for connection in tuple(self._connections):
            connection.close("is closed: the server ends")
        if self._parts is not None:
            self._parts.tunnels.close()
        for ports in self._ports.values():
            ports.close(loop)
        self._ports.clear()
        self._parts = None

    @property
    def sessions(self) -> int:
        """Number of open sessions."""
        return len(self._sessions)

    @property
    def connections(self) -> int:
        """Number of open connections, the halves of tunnels counted singly."""
        return self._addresses.total()

    def _open_ports(self, host: str, family: AddressFamily) -> UdpPorts:
        if self._multicast is None or family == AF_INET6:
            return UdpPorts(host, family)
        return UdpPorts(host, family, ttl=self._multicast.ttl, interface=self._multicast.interface)

    def _admits(self, address: str) -> bool:
        return (
            self._addresses.total() < self._options.max_connections
            and self._addresses[address] < self._options.max_connections_per_address
        )

    def _running(self) -> "_Parts":
        if self._parts is None:
            raise RuntimeError("the RTSP server is not running")
        return self._parts

    def _opened(self, connection: _Kind) -> _Kind:
        self._connections.add(connection)
        return connection

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._release(connection.address)
        if self._parts is not None:
            self._parts.tunnels.closed(connection)

    def _refused(self, wire: Wire, reason: str) -> None:
        _log.debug("HTTP connection of %s to the RTSP server: %s", wire.address, reason)
        self._release(wire.address)

    def _release(self, address: str) -> None:
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
