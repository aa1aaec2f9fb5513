"""Clips over HTTP: `GET /clip/CAMERA?…` with a signed link needs no login (see `gateway.protocols.clip_link`)."""

from aiohttp import web

from gateway.domain.errors import GatewayError
from gateway.protocols import clip_link
from gateway.sdk.clock import Clock
from gateway.servers.http_export import Movie, refused, send


def clip_routes(key: bytes, movie: Movie, clock: Clock) -> web.RouteTableDef:
    """Return the route. `key` is what links are signed with."""
    routes = web.RouteTableDef()

    @routes.get(clip_link.PATH + "{camera}")
    async def _clip(request: web.Request) -> web.StreamResponse:
        link = clip_link.read(request.match_info["camera"], request.query, key)
        if link is None:
            return web.Response(status=403, text="this link was not made here, or has been changed\n")
        if clock.utc_ns() >= link.until_ns:
            return web.Response(status=410, text="this link is not good any more\n")
        try:
            return await send(request, await movie(link.camera, link.start_ns, link.end_ns))
        except GatewayError as error:
            return refused(error)

    return routes
