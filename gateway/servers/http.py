"""The web server: SOAP on every POST, snapshots, and whatever the console adds."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from aiohttp import web
from multidict import CIMultiDict

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.onvif.endpoint import SoapRequest, SoapResponse
from gateway.protocols.soap.envelope import MAX_BYTES
from gateway.servers.http_access import HttpAccess

IDLE_SECONDS = 60.0
"""Closes connections without a request, or with one whose head does not end."""

BODY_SECONDS = 20.0
SNAPSHOT_SECONDS = 10.0
LINGER_SECONDS = 2.0
"""So long the rest of a refused body is read, for a client that reads no answer before it has sent all."""
_SHUTDOWN_SECONDS = 2.0
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::(\d{1,5}))?")
_MAPPED = "::ffff:"
_STATUS = {ErrorKind.NOT_FOUND: 404, ErrorKind.INVALID: 400, ErrorKind.FORBIDDEN: 403, ErrorKind.UNAVAILABLE: 503}

Snapshot: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Takes the path below `/snapshot/`, such as `CAMERA/main`; returns JPEG bytes or raises GatewayError."""


class SoapEndpoint(Protocol):
    """What answers SOAP."""

    async def handle(self, request: SoapRequest) -> SoapResponse:
        """Answer one request."""
        ...


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How clients reach the device."""

    rtsp_base: Callable[[str], str]
    """Makes `rtsp://HOST:PORT` of the host that a client used."""
    external: str = ""
    """Base address to announce, such as `http://nvr.example:8080`; empty announces what the client used."""


class HttpServer:
    """The aiohttp application behind one or more listeners."""

    def __init__(
        self,
        endpoint: SoapEndpoint,
        access: HttpAccess,
        snapshot: Snapshot,
        settings: HttpSettings,
        routes: Iterable[web.RouteTableDef] = (),
    ) -> None:
        """`routes` are the console's; they come before ours."""
        self._endpoint = endpoint
        self._access = access
        self._snapshot = snapshot
        self._settings = settings
        self._application = web.Application(client_max_size=MAX_BYTES)
        for table in routes:
            self._application.add_routes(table)
        router = self._application.router
        router.add_get("/snapshot/{path:.+}", self._get_snapshot)
        router.add_post("/{path:.*}", self._post_soap)
        router.add_get("/{path:.*}", _not_found)
        self._application.on_response_prepare.append(_sign)
        self._runner = web.AppRunner(
            self._application,
            handle_signals=False,
            handler_cancellation=True,  # a pull whose client has gone must not take the next events with it
            access_log=None,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            auto_decompress=False,
        )

    async def start(self) -> None:
        """Make ready to take connections."""
        await self._runner.setup()

    async def stop(self) -> None:
        """Close every connection and listener."""
        await self._runner.cleanup()

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol of one accepted connection, for a listener that shares its port with RTSP."""
        server = self._runner.server
        if server is None:
            raise RuntimeError("the web server takes connections only between start and stop")
        return server()

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Listen on an address of its own; return the one that was bound."""
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound: tuple[str, int] = self._runner.addresses[-1][:2]
        return bound

    async def _post_soap(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return _closing(408, "the request's body did not arrive in time")
        except web.HTTPRequestEntityTooLarge:
            return _closing(413, f"the request's body is longer than {MAX_BYTES} bytes")
        except web.RequestPayloadError as error:
            return _closing(400, f"the request's body can't be read: {error}")
        answer = await self._endpoint.handle(self._soap_request(request, body))
        headers: CIMultiDict[str] = CIMultiDict({"Content-Type": answer.content_type})
        for challenge in answer.challenges:
            headers.add("WWW-Authenticate", challenge)
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    def _soap_request(self, request: web.Request, body: bytes) -> SoapRequest:
        base, host = reached(request, self._settings.external)
        return SoapRequest(
            body=body,
            address=_plain(request.remote or ""),
            base=base,
            host=host,
            local_address=_sockname(request)[0],
            rtsp=self._settings.rtsp_base(host),
            uri=request.raw_path,
            authorization=request.headers.get("Authorization"),
        )

    async def _get_snapshot(self, request: web.Request) -> web.Response:
        account = self._access(request)
        if isinstance(account, web.Response):
            return account
        try:
            async with asyncio.timeout(SNAPSHOT_SECONDS):
                picture = await self._snapshot(request.match_info["path"])
        except GatewayError as error:
            return web.Response(status=_STATUS.get(error.kind, 500), text=error.message + "\n")
        except TimeoutError:
            return web.Response(status=503, text=f"no picture within {SNAPSHOT_SECONDS:g} seconds\n")
        return web.Response(body=picture, content_type="image/jpeg", headers={"Cache-Control": "no-store"})


def reached(request: web.Request, external: str = "") -> tuple[str, str]:
    """Return `SCHEME://HOST:PORT` and HOST as the client used them, or as they are configured for all.

    What the client did not say, or not rightly, comes from the socket.
    """
    local = _sockname(request)
    if external:
        match = _HOST.match(external.partition("://")[2])
        return external, match[1] if match else local[0]
    match = _HOST.fullmatch(request.headers.get("Host", ""))
    if match is None:
        host = f"[{local[0]}]" if ":" in local[0] else local[0]
        return f"{request.scheme}://{host}:{local[1]}", host
    port = f":{match[2]}" if match[2] else ""
    return f"{request.scheme}://{match[1]}{port}", match[1]


def _sockname(request: web.Request) -> tuple[str, int]:
    name = None if request.transport is None else request.transport.get_extra_info("sockname")
    return (_plain(name[0]), name[1]) if isinstance(name, tuple) else ("127.0.0.1", 0)


def _plain(address: str) -> str:
    """Return an IPv4 address that arrived on an IPv6 socket as IPv4, and others without their zone."""
    return address.removeprefix(_MAPPED).partition("%")[0]


def _closing(status: int, reason: str) -> web.Response:
    response = web.Response(status=status, text=reason + "\n")
    response.force_close()
    return response


async def _not_found(_request: web.Request) -> web.Response:
    return web.Response(status=404, text="there is nothing here; ONVIF clients POST to /onvif/device_service\n")


async def _sign(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "onvif-vms-gateway"
