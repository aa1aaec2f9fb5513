"""Callbacks over HTTP: `POST /callback/SECRET` is a message of a camera to its driver."""

import asyncio
import ipaddress
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.domain.errors import ErrorKind, GatewayError

MAX_OPEN = 4096
BODY_SECONDS = 20.0
SECRET_BYTES = 24
RESOLVE_SECONDS = 5.0
_PATH = "/callback"
_ANY_PORT = 9
"""No datagram is sent there: only the system's choice of our own address is asked for."""


class HttpCallbacks:
    """The addresses that drivers have open, and the route that serves them."""

    def __init__(self) -> None:
        self.reached_at: Callable[[str], str | None] = _nowhere
        """Makes our base address for the local IP address by which a camera is reached; set when we listen."""
        self._open: dict[str, Callable[[bytes], None]] = {}

    @asynccontextmanager
    async def open(self, peer: str, take: Callable[[bytes], None]) -> AsyncIterator[str]:
        """Serve an address for a camera; see `gateway.sdk.callbacks`."""
        local = await _local_address(peer)
        base = self.reached_at(local)
        if base is None:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"the gateway does not listen on {local}, where {peer} is")
        if len(self._open) >= MAX_OPEN:
            raise GatewayError(ErrorKind.LIMIT, f"more than {MAX_OPEN} callbacks of cameras are open")
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self._open[secret] = take
        try:
            yield f"{base}{_PATH}/{secret}"
        finally:
            del self._open[secret]

    def routes(self) -> web.RouteTableDef:
        """Return the route."""
        routes = web.RouteTableDef()

        @routes.post(_PATH + "/{secret}")
        async def _post(request: web.Request) -> web.Response:
            secret = request.match_info["secret"]
            if secret not in self._open:
                return web.Response(status=404)
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await request.read()
            except (TimeoutError, web.HTTPRequestEntityTooLarge, web.RequestPayloadError):
                return web.Response(status=400)
            if (take := self._open.get(secret)) is None:
                return web.Response(status=404)
            take(body)
            return web.Response(status=202)

        return routes


def _nowhere(_address: str) -> str | None:
    return None


async def _local_address(peer: str) -> str:
    """Return our address by which a host is reached. Raises GatewayError."""
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(peer, _ANY_PORT, type=socket.SOCK_DGRAM)
        family, _, _, _, address = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            name: str = probe.getsockname()[0]
    except OSError as error:
        reason = error.strerror or str(error) or "its name is not found in time"
        raise GatewayError(ErrorKind.UNAVAILABLE, f"there is no way to {peer}: {reason}") from error
    return str(ipaddress.ip_address(name.partition("%")[0]))
