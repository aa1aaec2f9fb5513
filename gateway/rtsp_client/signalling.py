"""What every RTSP session with a camera needs: requests, keep-alive, and an orderly end (RFC 2326)."""

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols import sdp
from gateway.rtsp_client import replies, url
from gateway.rtsp_client.connection import CameraConnection, Redirected
from gateway.rtsp_client.replies import Reply
from gateway.rtsp_client.url import CameraUrl
from gateway.sdk.clock import Clock

TEARDOWN_SECONDS: Final = 0.5
_LONGEST_KEEP_ALIVE: Final = 30.0


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How to talk to the camera."""

    udp: bool
    connect_timeout: float
    media_timeout: float
    tls: ssl.SSLContext | None
    digest_only: bool
    """Never Basic: the camera was named by another host."""
    tunnelled: bool = False
    """RTSP over HTTP."""


class Signalling:
    """One connection and at most one session on it. Errors are GatewayError or Redirected."""

    def __init__(self, camera: CameraUrl, options: SessionOptions, clock: Clock) -> None:
        self._camera = camera
        self._options = options
        self._clock = clock
        self._connection = CameraConnection(
            camera,
            clock=clock,
            timeout=options.connect_timeout,
            tls=options.tls,
            digest_only=options.digest_only,
            tunnelled=options.tunnelled,
            ended=self._end,
        )
        self._ended: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        self._base = camera.target
        self._id = ""
        self._timeout = replies.DEFAULT_TIMEOUT
        self._methods: frozenset[str] = frozenset()

    async def _describe(self) -> sdp.SessionDescription:
        reply = await self._request("DESCRIBE", self._camera.target, {"Accept": "application/sdp"})
        self._check(reply, "DESCRIBE")
        return self._described(reply)

    def _described(self, reply: Reply) -> sdp.SessionDescription:
        """Read the answer to DESCRIBE, with the address that the rest is asked at."""
        try:
            found = sdp.parse(reply.body)
        except GatewayError as error:
            self._fail(f"can't be understood: {error.message}")
        headers = reply.headers
        self._base = url.base_url(
            self._camera.target, headers.get("content-base", ""), headers.get("content-location", ""), found.control
        )
        return found

    async def _keep_alive(self) -> None:
        """Show the camera in time that we are still there, by the method that it knows."""
        method = "GET_PARAMETER" if "GET_PARAMETER" in self._methods else "OPTIONS"
        while True:
            await self._clock.sleep(min(self._timeout / 2, _LONGEST_KEEP_ALIVE))
            try:
                reply = await self._request(method, self._base)
            except GatewayError as error:
                if error.kind is ErrorKind.UNAUTHENTICATED or not self._connection.running:
                    raise
                continue  # some never answer while they play; whether media come is what counts
            if reply.status == 454:  # noqa: PLR2004 - Session Not Found
                self._fail("has forgotten the session")
            if not reply.ok and method != "OPTIONS":
                method = "OPTIONS"

    async def _first_of(self, *jobs: Coroutine[Any, Any, None]) -> None:
        """Run the jobs until one fails or the connection ends, and raise why."""
        tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(job) for job in jobs]
        try:
            done, _ = await asyncio.wait([*tasks, self._ended], return_when=asyncio.FIRST_COMPLETED)
            for finished in sorted(done, key=lambda future: future is not self._ended):
                finished.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _request(self, method: str, target: str, headers: Mapping[str, str] | None = None) -> Reply:
        session = {"Session": self._id} if self._id else {}
        reply = await self._connection.request(method, target, {**session, **(headers or {})})
        if 300 <= reply.status < 400 and reply.headers.get("location"):  # noqa: PLR2004 - the class of redirection
            raise Redirected(reply.headers["location"])
        return reply

    def _check(self, reply: Reply, method: str) -> None:
        if not reply.ok:
            self._fail(f"answers {method} with {reply.status} {reply.reason}")

    def _fail(self, what: str) -> NoReturn:
        raise GatewayError(ErrorKind.UNAVAILABLE, f"camera {self._camera.name} {what}")

    def _end(self, why: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(why)
            self._ended.exception()  # it may come when nobody waits any more

    def _opened(self, reply: Reply) -> None:
        """Learn the session of an answer to SETUP."""
        if header := reply.headers.get("session"):
            self._id, self._timeout = replies.session(header)

    async def _leave(self) -> None:
        """Tell the camera, but not for long, and close the connection."""
        if self._id and self._connection.running:
            with contextlib.suppress(GatewayError, Redirected, TimeoutError):
                async with asyncio.timeout(TEARDOWN_SECONDS):
                    await self._request("TEARDOWN", self._base)
        self._connection.abort()
