"""RTSP over HTTP, the client's side: a GET brings answers and media, a POST takes requests in base64.

This is QuickTime's scheme (ONVIF Streaming §5.1.1.4). HTTP/1.0, so that no server cuts what it sends into chunks.
"""

import asyncio
import base64
import secrets
import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.protocols.rtsp import tunnel
from gateway.protocols.rtsp.messages import Limits, Response, RtspError, parse_head
from gateway.rtsp_client.credentials import Credentials
from gateway.rtsp_client.url import CameraUrl

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_COOKIE_BYTES: Final = 11
_MAX_HEAD: Final = 16_384
_BODY = {
    "Content-Type": tunnel.CONTENT_TYPE,
    "Content-Length": "32767",  # what QuickTime says; no server counts
    "Expires": "Sun, 9 Jan 1972 00:00:00 GMT",
}


class RefusedError(Exception):
    """The camera opens no tunnel: the status it answers, and what it says."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status


class Tunnel(asyncio.Transport):
    """The two connections, as the transport of whoever sends; what comes goes to a protocol of theirs."""

    def __init__(self, url: CameraUrl, tls: ssl.SSLContext | None, credentials: Credentials | None) -> None:
        super().__init__()
        self._url = url
        self._tls = tls
        self._credentials = credentials
        self._down: Any = None
        self._up: Any = None

    async def open(self, protocol: asyncio.BufferedProtocol) -> None:
        """Open both connections. Raises RefusedError or OSError."""
        cookie = secrets.token_hex(_COOKIE_BYTES)
        try:
            await self._open_down(cookie)
            self._down.pause_reading()  # nothing comes before something is asked
            self._down.set_protocol(protocol)
            self._up = (await self._connect(_Half(self._down.abort))).transport
            self._up.write(self._head("POST", cookie, _BODY))
        except BaseException:
            self.abort()
            raise
        protocol.connection_made(self)
        self._down.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send an RTSP message, or an interleaved packet."""
        self._up.write(base64.b64encode(data))

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        size: int = self._up.get_write_buffer_size()
        return size

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's way
        """Return what the connection that media come on knows of itself."""
        return self._down.get_extra_info(name, default)

    def abort(self) -> None:
        """Close both connections at once."""
        for transport in (self._up, self._down):
            if transport is not None:
                transport.abort()

    async def _open_down(self, cookie: str) -> None:
        """Open the GET, with a login where one is asked for. Raises RefusedError or OSError."""
        while True:
            half = await self._connect(_Half(lambda: None))
            self._down = half.transport
            self._down.write(self._head("GET", cookie, {"Accept": tunnel.CONTENT_TYPE}))
            if (answer := await half.answer) is None:
                raise RefusedError(0, "does not answer GET by HTTP")
            if answer.status == _OK:
                return
            self._down.abort()
            asked = {"www-authenticate": answer.headers.all("WWW-Authenticate")}
            if answer.status != _UNAUTHORIZED or self._credentials is None or not self._credentials.handle_401(asked):
                raise RefusedError(answer.status, f"opens no tunnel: {answer.status} {answer.reason}")

    async def _connect(self, half: "_Half") -> "_Half":
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: half, self._url.host, self._url.port, ssl=self._tls)
        return half

    def _head(self, method: str, cookie: str, more: dict[str, str]) -> bytes:
        target = urlsplit(self._url.target)
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        headers = {
            "Host": target.netloc,
            tunnel.COOKIE: cookie,
            **more,
            "Pragma": "no-cache",
            "Cache-Control": "no-cache",
        }
        if self._credentials is not None:
            self._credentials.make_auth(method, path, headers)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {path} HTTP/1.0\r\n{lines}\r\n".encode()


class _Half(asyncio.Protocol):
    """One HTTP connection: takes the head of the answer, and tells when the connection is lost."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self.transport: Any = None
        self.answer: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        """None: the connection was closed, or the answer is not HTTP."""
        self._lost = lost
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        self._data += data
        head, end, _ = self._data.partition(b"\r\n\r\n")
        if end:
            self.answer.set_result(_parsed(head))
        elif len(self._data) > _MAX_HEAD:
            self.answer.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's way
        if not self.answer.done():
            self.answer.set_result(None)
        self._lost()


def _parsed(head: bytes) -> Response | None:
    try:
        answer = parse_head(head, Limits())
    except RtspError:
        return None
    return answer if isinstance(answer, Response) and answer.version.startswith("HTTP/") else None
