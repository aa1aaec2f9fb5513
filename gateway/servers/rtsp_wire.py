"""One connected, non-blocking TCP socket, plain or TLS, as the RTSP server uses it: two calls and no transport."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

Data = bytes | memoryview
Send = Callable[[Data], int]

RECEIVE_SIZE: Final = 65_536
_KEEP_ALIVE_IDLE, _KEEP_ALIVE_INTERVAL, _KEEP_ALIVE_PROBES = 30, 10, 3
_USER_TIMEOUT_MS: Final = 40_000
_SEND_BUFFER: Final = 256 * 1024


class Wire(Protocol):
    """A connection. `send` and `recv` raise BlockingIOError instead of waiting, and OSError when it is lost."""

    address: str
    """The peer's IP address; IPv4 also where it came over an IPv6 socket."""
    send: Send
    """Send what goes; returns the number of bytes taken. After a BlockingIOError the same bytes must be sent first."""

    def recv(self) -> bytes:
        """Return received bytes; empty at the end."""
        ...

    def pending(self) -> bool:
        """Tell whether bytes wait that the socket no longer announces."""
        ...

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        ...

    def send_buffer(self, size: int) -> None:
        """Ask for a send buffer in the kernel, in bytes."""
        ...

    def be_patient(self, *, patient: bool) -> None:
        """Let the kernel wait for a peer that takes nothing as long as it acknowledges that."""
        ...

    def finish(self) -> None:
        """Tell the peer that no more will come."""
        ...

    def close(self) -> None:
        """Close the socket."""
        ...


class PlainWire:
    """A TCP connection."""

    def __init__(self, sock: socket.socket, address: str) -> None:
        self.address = address
        self.send: Send = sock.send
        self._sock = sock

    def recv(self) -> bytes:
        """Return received bytes; empty at the end."""
        return self._sock.recv(RECEIVE_SIZE)

    def pending(self) -> bool:
        """Nothing hides from the socket."""
        return False

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        return self._sock.fileno()

    def send_buffer(self, size: int) -> None:
        """Ask for a send buffer in the kernel, in bytes."""
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def be_patient(self, *, patient: bool) -> None:
        """Let the kernel wait for a peer that takes nothing as long as it acknowledges that."""
        with suppress(OSError):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0 if patient else _USER_TIMEOUT_MS)

    def finish(self) -> None:
        """Tell the peer that no more will come."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


class TlsWire(PlainWire):
    """A TLS connection after its handshake; the bytes that were read to tell what it wants are given again."""

    def __init__(self, sock: ssl.SSLSocket, address: str, initial: bytes = b"") -> None:
        super().__init__(sock, address)
        self.send = self._send
        self._tls = sock
        self._initial = initial

    def _send(self, data: Data) -> int:
        """Send record after record, since one call takes at most 16 KB."""
        view, sent = memoryview(data), 0
        try:
            while sent < len(view):
                sent += self._tls.send(view[sent:])
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as error:
            if not sent:
                raise BlockingIOError from error
        return sent

    def recv(self) -> bytes:
        """Return decrypted bytes; empty at the end."""
        if self._initial:
            data, self._initial = self._initial, b""
            return data
        try:
            return self._tls.recv(RECEIVE_SIZE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error
        except ssl.SSLEOFError:
            return b""

    def pending(self) -> bool:
        """Tell whether decrypted bytes wait in the TLS layer."""
        return bool(self._initial) or self._tls.pending() > 0


def prepare(sock: socket.socket) -> None:
    """Make an accepted socket fit for media: non-blocking, no delay, bounded buffer, dead peers noticed."""
    sock.settimeout(0)
    for level, option, value in (
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEP_ALIVE_IDLE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEP_ALIVE_INTERVAL),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEP_ALIVE_PROBES),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS),
    ):
        with suppress(OSError):
            sock.setsockopt(level, option, value)


def plain_address(address: str) -> str:
    """Return an IP address without its zone, and IPv4 where it is mapped into IPv6."""
    return address.partition("%")[0].removeprefix("::ffff:")
