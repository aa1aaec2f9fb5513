"""RTSP that begins as HTTP: the two halves of a tunnel find each other, and WebSockets are opened."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.errors import GatewayError
from gateway.protocols import websocket
from gateway.protocols.rtsp import tunnel
from gateway.protocols.rtsp.messages import Limits, Request, RtspError, parse_head
from gateway.sdk.clock import Clock
from gateway.servers.rtsp_connection import Connection, TunnelConnection, WebSocketConnection
from gateway.servers.rtsp_wire import Wire

SUBPROTOCOL: Final = "rtsp.onvif.org"
OPENING_SECONDS: Final = 10.0
"""How long an HTTP head may take, and how long a POST may wait for its GET."""
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Openers:
    """How connections are made once it is clear what they are."""

    tunnel: Callable[[Wire], TunnelConnection]
    websocket: Callable[[Wire], WebSocketConnection]
    refused: Callable[[Wire, str], None]
    """Called with a wire that became nothing and has been closed, and why."""


class Half:
    """A connection that is not, or not on its own, an RTSP connection: an HTTP head, then perhaps a POST body."""

    def __init__(self, owner: "Tunnels", wire: Wire) -> None:
        self.wire = wire
        self.connection: Connection | None = None
        self.waits_for = ("", "")
        """Address and cookie of the tunnel that this POST belongs to."""
        self.deadline = owner.clock.monotonic() + OPENING_SECONDS
        self._owner = owner
        self._head = b""
        self._decoder: tunnel.Decoder | None = None
        self._watching = False

    def start(self) -> None:
        """Begin to read."""
        self._watch()
        if self.wire.pending():
            self._on_readable()

    def release(self) -> None:
        """Stop reading; the wire goes on elsewhere."""
        if self._watching:
            self._watching = False
            self._owner.loop.remove_reader(self.wire.fileno())

    def carry(self, rest: bytes) -> None:
        """Be the POST of a tunnel whose GET may not have come yet: until then, nothing more is read."""
        self._decoder = tunnel.Decoder()
        self._head = rest
        if self.connection is None:
            self.release()
        else:
            self.join(self.connection)

    def join(self, connection: Connection) -> None:
        """Feed a tunnel from now on."""
        self.connection = connection
        self.deadline = float("inf")
        self._watch()
        rest, self._head = self._head, b""
        self._decode(rest)

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._owner.loop.add_reader(self.wire.fileno(), self._on_readable)

    def _on_readable(self) -> None:
        try:
            while self._watching:
                data = self.wire.recv()
                if not data:
                    self._owner.drop(self, "closed by the client")
                elif self._decoder is None:
                    self._read_head(data)
                else:
                    self._decode(data)
                if not self._watching or not self.wire.pending():
                    return
        except BlockingIOError:
            return
        except OSError as error:
            self._owner.drop(self, error.strerror or str(error))

    def _read_head(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(_END)
        if end:
            self._owner.opened(self, head, rest)
        elif len(self._head) > self._owner.limits.head:
            self._owner.refuse(self, f"the HTTP head has more than {self._owner.limits.head} bytes")

    def _decode(self, data: bytes) -> None:
        if self._decoder is None or self.connection is None:
            return
        try:
            self.connection.feed(self._decoder.feed(data))
        except RtspError as error:
            self.connection.refuse(error)


@dataclass(eq=False)
class Tunnels:
    """All halves that are being opened or feed a tunnel."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    limits: Limits
    openers: Openers
    _halves: set[Half] = field(default_factory=set)
    _gets: dict[str, tuple[str, Connection]] = field(default_factory=dict)
    """By cookie: the peer's address and the GET's connection."""

    def accept(self, wire: Wire) -> None:
        """Read the HTTP head of a connection."""
        half = Half(self, wire)
        self._halves.add(half)
        half.start()

    def opened(self, half: Half, head: bytes, rest: bytes) -> None:
        """Decide by the head what a connection becomes."""
        try:
            request = parse_head(head, self.limits)
            if not isinstance(request, Request):
                raise RtspError(400, "the connection begins with a response")
            self._route(half, request, rest)
        except GatewayError as error:
            self.refuse(half, error.message)

    def _route(self, half: Half, request: Request, rest: bytes) -> None:
        cookie = request.headers.get(tunnel.COOKIE)
        if request.headers.get("Upgrade").lower() == "websocket":
            self._open_websocket(half, request, rest)
        elif not cookie or len(cookie) > tunnel.MAX_COOKIE:
            raise RtspError(400, f"tunnel cookie {cookie[:40]!r} must have 1 to {tunnel.MAX_COOKIE} characters")
        elif request.method == "GET":
            self._open_get(half, cookie)
        elif request.method == "POST":
            self._open_post(half, cookie, rest)
        else:
            raise RtspError(405, f"method {request.method!r} can't open a tunnel")

    def _open_get(self, half: Half, cookie: str) -> None:
        if cookie in self._gets:
            raise RtspError(400, f"a tunnel with cookie {cookie!r} is already open")
        self._forget(half)
        connection = self.openers.tunnel(half.wire)
        self._gets[cookie] = half.wire.address, connection
        connection.sender.reply(tunnel.GET_RESPONSE)
        connection.start()
        for other in tuple(self._halves):
            if other.waits_for == (half.wire.address, cookie):
                other.join(connection)

    def _open_post(self, half: Half, cookie: str, rest: bytes) -> None:
        address, connection = self._gets.get(cookie, (half.wire.address, None))
        if address != half.wire.address:
            raise RtspError(400, f"tunnel {cookie!r} belongs to another address")
        half.waits_for = address, cookie
        half.connection = connection
        half.carry(rest)

    def _open_websocket(self, half: Half, request: Request, rest: bytes) -> None:
        if SUBPROTOCOL not in request.headers.tokens("Sec-WebSocket-Protocol"):
            raise RtspError(400, f"WebSockets here speak {SUBPROTOCOL}")
        response = websocket.accept_response(request.headers.get("Sec-WebSocket-Key"), SUBPROTOCOL)
        self._forget(half)
        connection = self.openers.websocket(half.wire)
        connection.sender.reply(response)
        connection.start()
        connection.received(rest)

    def closed(self, connection: Connection) -> None:
        """Drop the POSTs of a tunnel whose GET has ended."""
        self._gets = {cookie: entry for cookie, entry in self._gets.items() if entry[1] is not connection}
        for half in tuple(self._halves):
            if half.connection is connection:
                self.drop(half, "the tunnel ended")

    def refuse(self, half: Half, message: str) -> None:
        """Answer an HTTP head that opens nothing, and close."""
        body = message.encode()
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        try:
            half.wire.send(f"{head}Connection: close\r\n\r\n".encode() + body)
        except OSError:
            pass
        else:
            half.wire.finish()
        self.drop(half, message)

    def drop(self, half: Half, reason: str) -> None:
        """Close a half; a tunnel lives on without this POST."""
        if half in self._halves:
            self._forget(half)
            half.wire.close()
            self.openers.refused(half.wire, reason)

    def sweep(self, now: float) -> None:
        """Drop heads and POSTs that have waited too long."""
        for half in tuple(self._halves):
            if now >= half.deadline:
                self.drop(half, f"nothing came of it in {OPENING_SECONDS:.0f} s")

    def close(self) -> None:
        """Drop everything."""
        for half in tuple(self._halves):
            self.drop(half, "the server ends")

    def _forget(self, half: Half) -> None:
        half.release()
        self._halves.discard(half)
