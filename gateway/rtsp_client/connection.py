"""One connection to a camera: aiortsp's requests and answers, with our own bytes, credentials and leniency."""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NoReturn

from aiortsp.rtsp.connection import RTSPConnection  # type: ignore[import-untyped]
from aiortsp.rtsp.parser import RTSPRequest, RTSPResponse  # type: ignore[import-untyped]

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.rtp.interleaved import InterleavedStream
from gateway.rtsp_client import replies
from gateway.rtsp_client.credentials import Credentials
from gateway.rtsp_client.poll import add_reader
from gateway.rtsp_client.replies import Reply
from gateway.rtsp_client.tunnel import RefusedError, Tunnel
from gateway.rtsp_client.url import CameraUrl, redacted
from gateway.sdk.clock import Clock

_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_MOST_UNSENT: Final = 16 * 1024
"""Bytes of packets that wait to be sent: two seconds of G.711."""
_ANSWERED: Final = frozenset({"OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "ANNOUNCE", "REDIRECT", "TEARDOWN"})

_log = logging.getLogger(__name__)
_library_log = logging.getLogger(f"{__name__}.aiortsp")
_library_log.setLevel(logging.WARNING)  # at debug it would write credentials


class Redirected(Exception):  # noqa: N818 - no failure
    """The camera sends us elsewhere."""

    def __init__(self, location: str) -> None:
        super().__init__(redacted(location))
        self.location = location


class CameraConnection(RTSPConnection):  # type: ignore[misc]
    """Requests to one camera. `ended` is called once, with the reason, when the connection is of no more use."""

    def __init__(
        self,
        url: CameraUrl,
        *,
        clock: Clock,
        timeout: float,
        tls: ssl.SSLContext | None,
        digest_only: bool,
        tunnelled: bool,
        ended: Callable[[Exception], None],
    ) -> None:
        super().__init__(url.host, url.port, logger=_library_log, ssl=tls, timeout=timeout)
        self.stream = InterleavedStream(self._message, clock.utc_ns)
        self.paused = False
        """Whether nothing is read."""
        self._url = url
        self._wire = _Wire(self)
        self._stop_reading: Callable[[], None] = lambda: None
        self._failure: Exception | None = None
        """What reading ended with."""
        self._ended = ended
        self._credentials = Credentials.of(url, digest_only=digest_only)
        self._tunnel = Tunnel(url, tls, Credentials.of(url, digest_only=digest_only)) if tunnelled else None

    async def prepare(self) -> None:
        """Connect. Raises GatewayError: UNAUTHENTICATED when a tunnel needs other credentials, else UNAVAILABLE."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.default_timeout):
                if self._tunnel is not None:
                    await self._tunnel.open(self._wire)
                else:
                    await loop.create_connection(lambda: self._wire, self.host, self.port, ssl=self.ssl)
                    if self.ssl is None and self._transport:
                        self._transport.pause_reading()  # it writes and closes; `poll` reads
                        self._resume_reading()
        except RefusedError as error:
            if error.status in (_UNAUTHORIZED, _FORBIDDEN):
                self._refused()
            self._unavailable(str(error))
        except TimeoutError:
            self._unavailable(f"does not answer within {self.default_timeout:g} s")
        except ssl.SSLCertVerificationError as error:
            self._unavailable(f"has a certificate that can't be verified: {error.verify_message}", error)
        except OSError as error:
            self._unavailable(f"can't be reached: {error.strerror or error}", error)

    async def request(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a request and return the answer, whatever its status but 401 and 403.

        Raises GatewayError: UNAUTHENTICATED when credentials are refused or missing, else UNAVAILABLE.
        """
        response = await self._exchange(method, url, headers or {})
        if response.status == _UNAUTHORIZED and self.handle_401(response):
            response = await self._exchange(method, url, headers or {})
            if response.status == _UNAUTHORIZED and self.handle_401(response):  # a nonce that was already old
                response = await self._exchange(method, url, headers or {})
        if response.status in (_UNAUTHORIZED, _FORBIDDEN):
            self._refused()
        first = {name: value[0] if isinstance(value, list) else value for name, value in response.headers.items()}
        return Reply(response.status, response.status_msg, first, response.data)

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str]) -> RTSPResponse:
        """Send one request and wait for its answer.

        The library's `send_request` loses a cancellation that comes together with the answer (`asyncio.wait_for`
        before Python 3.12), and a camera that is to be closed would go on playing.
        """
        if not self.running:
            self._unavailable("closed the connection")
        sent = dict(headers)
        if self._auth:
            self._auth.make_auth(method, url, sent)
        cseq = self._next_seq()
        answer = self.active_requests[cseq] = asyncio.get_running_loop().create_future()
        try:
            self.send_message(f"{method} {url} RTSP/1.0", cseq, sent)
            async with asyncio.timeout(self.default_timeout):
                return await answer
        except TimeoutError:
            self._unavailable(f"does not answer {method} within {self.default_timeout:g} s")
        finally:
            del self.active_requests[cseq]

    def write_frame(self, channel: int, data: bytes) -> None:
        """Send an interleaved packet."""
        if self.running:
            self.send_binary(channel, data)

    @property
    def congested(self) -> bool:
        """Whether the camera does not take what it is sent."""
        return not self.running or self._transport.get_write_buffer_size() > _MOST_UNSENT

    def local_address(self) -> str:
        """Return the address that we have towards the camera."""
        return str(self._transport.get_extra_info("sockname")[0])

    def peer_address(self) -> str:
        """Return the camera's address."""
        return str(self._transport.get_extra_info("peername")[0])

    def pause(self, *, paused: bool) -> None:
        """Stop reading, or go on: a camera that can't send waits."""
        self.paused = paused
        if not self._transport:
            return
        if self._tunnel is not None or self.ssl is not None:
            (self._transport.pause_reading if paused else self._transport.resume_reading)()
        elif paused:
            self._stop_reading()
        else:
            self._resume_reading()

    def abort(self) -> None:
        """Close at once."""
        self._stop_reading()
        if self._transport:
            self._transport.abort()

    def _resume_reading(self) -> None:
        self._stop_reading()
        fd = self._transport.get_extra_info("socket").fileno()
        self._stop_reading = add_reader(fd, partial(self._read, fd))

    def _read(self, fd: int) -> None:
        try:
            count = os.readv(fd, (self.stream.room(),))
            if count:
                self.stream.received(count)
                return
        except BlockingIOError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this connection and no other
            if not isinstance(error, OSError):
                _log.exception("what camera %s sent can't be taken", self._url.name)
            self._failure = error
        self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport: Any = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is waiting for an answer."""
        self.abort()  # the other half of a tunnel
        self._transport = None
        exc = exc or self._failure
        reason = f": {exc}" if exc else ""
        lost = GatewayError(ErrorKind.UNAVAILABLE, f"camera {self._url.name} closed the connection{reason}")
        lost.__cause__ = exc
        for waiting in self.active_requests.values():
            if not waiting.done():
                waiting.set_exception(lost)
        self._ended(lost)

    def handle_401(self, resp: RTSPResponse) -> bool:
        """Tell whether the request is worth repeating with credentials."""
        if self._credentials is None:
            return False
        self._auth = self._credentials
        return self._credentials.handle_401(resp.headers)

    def on_request(self, request: RTSPRequest) -> None:
        """Answer a request of the camera."""
        if request.method not in _ANSWERED:
            self.send_response(request, 501, "Not Implemented")
            return
        self.send_response(request, 200, "OK")
        if request.method == "REDIRECT":
            self._ended(Redirected(str(request.headers.get("location", ""))))
        elif request.method == "TEARDOWN":
            self._ended(GatewayError(ErrorKind.UNAVAILABLE, f"camera {self._url.name} ended the session"))

    def _message(self, raw: bytes) -> None:
        message = replies.normalized(raw, next(iter(self.active_requests), -1))
        if message is None:
            return
        for parsed in self.parser.parse(message):
            if parsed.type == "request":
                self.on_request(parsed)
            elif (waiting := self.active_requests.get(parsed.cseq)) and not waiting.done():
                waiting.set_result(parsed)

    def _refused(self) -> NoReturn:
        name = self._url.name
        if self._credentials is None:
            raise GatewayError(ErrorKind.UNAUTHENTICATED, f"camera {name} asks for a user and password; none is set")
        user = self._url.username
        raise GatewayError(ErrorKind.UNAUTHENTICATED, f"camera {name} refuses user {user!r} or the password")

    def _unavailable(self, what: str, cause: Exception | None = None) -> NoReturn:
        raise GatewayError(ErrorKind.UNAVAILABLE, f"camera {self._url.name} {what}") from cause


class _Wire(asyncio.BufferedProtocol):
    """Reads straight into the receive buffer, without a call of its own between."""

    def __init__(self, connection: CameraConnection) -> None:
        self.connection_made = connection.connection_made  # type: ignore[method-assign]
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]
        self.get_buffer = connection.stream.room  # type: ignore[method-assign]
        self.buffer_updated = connection.stream.received  # type: ignore[method-assign]
