"""A TCP port that serves RTSP and the web side by side, plain or in TLS: the first bytes tell which."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from gateway.protocols.rtsp.opening import MAX_PEEK, Service, classify
from gateway.servers.listener_tls import TlsTransport
from gateway.servers.rtsp_wire import PlainWire, TlsWire, Wire, plain_address, prepare

OPENING_SECONDS: Final = 10.0
"""How long a new connection may take to say what it wants, the TLS handshake included."""
MAX_OPENING: Final = 512
"""Connections that have not said so yet."""
_BACKLOG: Final = 1024
_ACCEPTS: Final = 64
_PAUSE: Final = 1.0
"""Seconds without accepting after the system refused, for want of descriptors."""
_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_log = logging.getLogger(__name__)

WebProtocolFactory = Callable[[], asyncio.Protocol]


class RtspAcceptor(Protocol):
    """What takes RTSP connections."""

    def accept(self, wire: Wire, *, http: bool) -> None:
        """Take over a connection; `http` tells that it begins with an HTTP head."""
        ...


class Listener:
    """Listens on one address; made on the running event loop. Connections handed over are no longer its own."""

    def __init__(
        self,
        host: str,
        port: int,
        rtsp: RtspAcceptor,
        web: WebProtocolFactory | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._rtsp = rtsp
        self._web = web
        self._tls = tls
        self._sock = _listen(host, port)
        self.address: tuple[str, int] = self._sock.getsockname()[:2]
        """The address and port that it listens on."""
        self._opening: set[_Opening] = set()
        self._handing_over: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begin to accept."""
        self._loop.add_reader(self._sock.fileno(), self._accept)

    def close(self) -> None:
        """Stop accepting, and drop the connections that have not said what they want."""
        if self._retry is not None:
            self._retry.cancel()
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        for opening in tuple(self._opening):
            opening.close()
        for task in self._handing_over:
            task.cancel()

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.warning("no connection can be accepted: %s", error.strerror or error)
                self._loop.remove_reader(self._sock.fileno())
                self._retry = self._loop.call_later(_PAUSE, self.start)
                return
            if len(self._opening) >= MAX_OPENING:
                sock.close()
                continue
            prepare(sock)
            self._open(sock, plain_address(peer[0]))

    def _open(self, sock: socket.socket, address: str) -> None:
        if self._tls is None:
            opening: _Opening = _PlainOpening(self._loop, sock, address, self._hand_over, self._opening.discard)
        else:
            try:
                tls = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            except OSError:
                sock.close()
                return
            opening = _TlsOpening(self._loop, tls, address, self._hand_over, self._opening.discard)
        self._opening.add(opening)
        opening.start()

    def _hand_over(self, opening: "_Opening", service: Service) -> None:
        if service is not Service.WEB:
            self._rtsp.accept(opening.wire(), http=service is Service.RTSP_IN_HTTP)
        elif self._web is None:
            with suppress(OSError):
                opening.wire().send(_NOT_FOUND)
                opening.wire().finish()
            opening.sock.close()
        elif isinstance(opening, _TlsOpening):
            wire = opening.wire()
            TlsTransport(self._loop, wire, opening.tls, self._web()).start()
        else:
            task = self._loop.create_task(self._to_web(self._web, opening.sock))
            self._handing_over.add(task)
            task.add_done_callback(self._handing_over.discard)

    async def _to_web(self, web: WebProtocolFactory, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(web, sock)
        except OSError as error:
            _log.debug("a web connection was lost at its beginning: %s", error)
            sock.close()


class _Opening:
    """A connection that has not said what it wants."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        address: str,
        hand_over: Callable[["_Opening", Service], None],
        done: Callable[["_Opening"], None],
    ) -> None:
        self.sock = sock
        self.address = address
        self._loop = loop
        self._hand_over = hand_over
        self._done = done

    def start(self) -> None:
        """Begin to look at what comes."""
        self._deadline = self._loop.call_later(OPENING_SECONDS, self.close)
        self._loop.add_reader(self.sock.fileno(), self._on_readable)

    def close(self) -> None:
        """Drop the connection."""
        self._release()
        self.sock.close()

    def wire(self) -> Wire:
        """Return the connection as the RTSP server takes it."""
        raise NotImplementedError

    def _look(self) -> Service | None:
        """Look at the first bytes. Raises BlockingIOError or, when nothing will come of it, another OSError."""
        raise NotImplementedError

    def _on_readable(self) -> None:
        try:
            service = self._look()
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if service is not None:
            self._release()
            self._hand_over(self, service)

    def _release(self) -> None:
        self._deadline.cancel()
        self._loop.remove_reader(self.sock.fileno())
        self._loop.remove_writer(self.sock.fileno())
        self._done(self)


class _PlainOpening(_Opening):
    """Peeks, so that whoever takes the socket reads it from the beginning."""

    _seen = 0

    def wire(self) -> Wire:
        return PlainWire(self.sock, self.address)

    def _look(self) -> Service | None:
        data = self.sock.recv(MAX_PEEK, socket.MSG_PEEK)
        if len(data) <= self._seen:
            raise ConnectionResetError("the connection ended before it said what it wants")
        self._seen = len(data)
        service = classify(data)
        # Peeked bytes stay readable; without this the event loop would spin until the next ones come.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(data) + 1 if service is None else 1)
        return service


class _TlsOpening(_Opening):
    """Shakes hands, then reads; what was read goes along with the connection."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        tls: ssl.SSLSocket,
        address: str,
        hand_over: Callable[[_Opening, Service], None],
        done: Callable[[_Opening], None],
    ) -> None:
        super().__init__(loop, tls, address, hand_over, done)
        self.tls = tls
        self._data = b""
        self._shaken = False

    def wire(self) -> TlsWire:
        return TlsWire(self.tls, self.address, self._data)

    def _look(self) -> Service | None:
        try:
            if not self._shaken:
                self.tls.do_handshake()
                self._shaken = True
                self._loop.remove_writer(self.sock.fileno())
            while True:
                data = self.tls.recv(MAX_PEEK)
                if not data:
                    raise ConnectionResetError("the connection ended before it said what it wants")
                self._data += data
                if service := classify(self._data):
                    return service
        except ssl.SSLWantReadError as error:
            raise BlockingIOError from error
        except ssl.SSLWantWriteError as error:
            self._loop.add_writer(self.sock.fileno(), self._on_readable)
            raise BlockingIOError from error


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; the IPv6 wildcard takes IPv4 too. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.settimeout(0)
    return sock
