"""An asyncio transport over a TLS socket whose handshake and first bytes are already done."""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Final

from gateway.servers.rtsp_wire import TlsWire

HIGH_WATER: Final = 64 * 1024
"""Bytes waiting to be sent, above which the protocol is asked to pause."""

Bytes = bytes | bytearray | memoryview


class TlsTransport(asyncio.Transport):
    """Carries a web protocol on a connection that turned out not to be RTSP only after it was decrypted."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, wire: TlsWire, sock: ssl.SSLSocket, protocol: asyncio.Protocol
    ) -> None:
        super().__init__(
            {
                "peername": sock.getpeername(),
                "sockname": sock.getsockname(),
                "socket": sock,
                "sslcontext": sock.context,
                "ssl_object": sock,
                "cipher": sock.cipher(),
            }
        )
        self._loop = loop
        self._wire = wire
        self._protocol = protocol
        self._buffer = bytearray()
        self._high = HIGH_WATER
        self._closing = self._closed = self._paused = self._reading = self._eof = False

    def start(self) -> None:
        """Connect the protocol and give it the bytes that have been read."""
        self._protocol.connection_made(self)
        self.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Change who receives."""
        assert isinstance(protocol, asyncio.Protocol)  # noqa: S101 - buffered protocols are not used by the web server
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who receives."""
        return self._protocol

    def is_closing(self) -> bool:
        """Tell whether it is closing or closed."""
        return self._closing

    def is_reading(self) -> bool:
        """Tell whether it is receiving."""
        return self._reading

    def pause_reading(self) -> None:
        """Stop receiving."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._wire.fileno())

    def resume_reading(self) -> None:
        """Receive again."""
        if not (self._reading or self._closing):
            self._reading = True
            self._loop.add_reader(self._wire.fileno(), self._on_readable)
            self._loop.call_soon(self._read_pending)

    def write(self, data: Bytes) -> None:
        """Send, or keep what does not go at once."""
        if self._closing or self._eof:
            return
        watching = bool(self._buffer)
        self._buffer += data
        if watching or self._flush():
            return
        self._loop.add_writer(self._wire.fileno(), self._on_writable)
        if len(self._buffer) > self._high and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[Bytes]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """TLS has no half-closed connections."""
        return False

    def write_eof(self) -> None:
        """Send no more, once what waits has gone."""
        self._eof = True

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that wait."""
        return len(self._buffer)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and the high mark."""
        return 0, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:  # noqa: ARG002 - low is always 0
        """Set the number of bytes above which the protocol pauses."""
        self._high = HIGH_WATER if high is None else high

    def close(self) -> None:
        """Send what waits, then close."""
        if not self._closing:
            self.pause_reading()
            self._closing = True
            if not self._buffer:
                self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        self._lose(None)

    def _on_readable(self) -> None:
        """Read once, then as long as decrypted bytes hide from the socket."""
        self._read()
        self._read_pending()

    def _read_pending(self) -> None:
        while self._reading and self._wire.pending():
            self._read()

    def _read(self) -> None:
        if not self._reading:
            return
        try:
            data = self._wire.recv()
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._protocol.data_received(data)
        else:
            self._protocol.eof_received()
            self.close()

    def _flush(self) -> bool:
        """Send what goes; tell whether nothing is left."""
        try:
            while self._buffer:
                del self._buffer[: self._wire.send(bytes(self._buffer))]
        except BlockingIOError:
            return False
        except OSError as error:
            self._lose(error)
        return True

    def _on_writable(self) -> None:
        if not self._flush() or self._closed:
            return
        self._loop.remove_writer(self._wire.fileno())
        if self._paused:
            self._paused = False
            self._protocol.resume_writing()
        if self._closing:
            self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if self._closed:
            return
        self.pause_reading()
        self._closing = self._closed = True
        self._loop.remove_writer(self._wire.fileno())
        self._buffer.clear()
        self._wire.close()
        self._loop.call_soon(self._protocol.connection_lost, error)
