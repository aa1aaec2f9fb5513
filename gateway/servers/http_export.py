"""Exports over HTTP: `GET /export/RECORDING?from=…&to=…` is a plain MP4, with byte ranges (RFC 9110 §14)."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Protocol, TypeAlias
from urllib.parse import quote

from aiohttp import web

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.servers.http_access import HttpAccess

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_STATUS = {
    ErrorKind.INVALID: 400,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.LIMIT: 413,
    ErrorKind.UNAVAILABLE: 503,
}


class Export(Protocol):
    """A movie that is ready to be sent."""

    name: str
    size: int

    def chunks(self, offset: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        """Yield a part of it."""
        ...


Movie: TypeAlias = Callable[[str, int, int], Awaitable[Export]]
"""Takes the token or id of what was recorded, and a time range in UTC nanoseconds. Raises GatewayError."""


def export_routes(access: HttpAccess, movie: Movie) -> web.RouteTableDef:
    """Return the routes."""
    routes = web.RouteTableDef()

    @routes.get("/export/{recording}")
    async def _export(request: web.Request) -> web.StreamResponse:
        account = access(request)
        if isinstance(account, web.Response):
            return account
        try:
            start_ns, end_ns = (moment_ns(request.query.get(name, ""), name) for name in ("from", "to"))
            export = await movie(request.match_info["recording"], start_ns, end_ns)
        except GatewayError as error:
            return refused(error)
        return await send(request, export)

    return routes


def moment_ns(text: str, name: str = "a time") -> int:
    """Read ISO 8601, local time where it does not say, as UTC nanoseconds. Raises GatewayError INVALID."""
    try:
        moment = datetime.fromisoformat(text)
        seconds = int(moment.replace(microsecond=0).timestamp())
    except (ValueError, OverflowError, OSError):
        message = f"{name} {text!r} is not a time such as '2026-11-22T08:00:00Z'"
        raise GatewayError(ErrorKind.INVALID, message) from None
    return seconds * 1_000_000_000 + moment.microsecond * 1000


def refused(error: GatewayError) -> web.Response:
    """Return the answer that says why there is no movie."""
    return web.Response(status=_STATUS.get(error.kind, 500), text=error.message + "\n")


async def send(request: web.Request, export: Export) -> web.StreamResponse:
    """Answer with a movie, or with the part of it that is asked for."""
    tag = f'"{export.size:x}-{quote(export.name)}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(export.name)}",
        "ETag": tag,
    }
    part = _part(request, export.size, tag)
    if part is None:
        headers["Content-Range"] = f"bytes */{export.size}"
        return web.Response(status=416, headers=headers)
    start, end = part
    if (start, end) != (0, export.size):
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{export.size}"
    response = web.StreamResponse(status=206 if "Content-Range" in headers else 200, headers=headers)
    response.content_type, response.content_length = "video/mp4", end - start
    await response.prepare(request)
    if request.method != "HEAD":
        async for chunk in export.chunks(start, end - start):
            await response.write(chunk)
    await response.write_eof()
    return response


def _part(request: web.Request, size: int, tag: str) -> tuple[int, int] | None:
    """Return the part that is asked for, the whole where several are; None when it is outside."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or match[0] == "bytes=-" or request.headers.get("If-Range", tag) != tag:
        return 0, size
    if not match[1]:
        return max(0, size - int(match[2])), size
    start, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
    return (start, end) if start < end else None
