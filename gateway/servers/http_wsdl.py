"""WSDL documents of services that are not ONVIF's, at the addresses of these services; they need no login."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from gateway.servers.http import reached


def wsdl_routes(documents: Mapping[str, Callable[[str], bytes]], external: str) -> web.RouteTableDef:
    """Return routes to documents by path; each is made for the address that the client used, or the external one."""
    routes = web.RouteTableDef()
    for path, document in documents.items():
        routes.get(path)(_get(document, external))
    return routes


def _get(document: Callable[[str], bytes], external: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def get(request: web.Request) -> web.Response:
        base, _ = reached(request, external)
        return web.Response(body=document(base), content_type="text/xml", charset="utf-8")

    return get
