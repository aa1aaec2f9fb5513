"""Signed links to footage over HTTP: no login, not changed, in time."""

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.clip_link import ClipLink
from gateway.servers.http_clip import clip_routes
from gateway.testing.clock import FakeClock

KEY, CONTENT = bytes(range(32)), b"a movie, or what we take for one"
SECOND = 1_000_000_000
CLOCK = FakeClock()
LINK = ClipLink("door", 90 * SECOND, 105 * SECOND, CLOCK.utc_ns() // SECOND * SECOND + 60 * SECOND)


class Film:
    name = "Recording_door_1970-01-01T00-01-30Z.mp4"
    size = len(CONTENT)

    async def chunks(self, offset: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        yield CONTENT[offset : self.size if size is None else offset + size]


async def movie(camera: str, start_ns: int, end_ns: int) -> Film:
    if camera != "door":
        raise GatewayError(ErrorKind.NOT_FOUND, f"nothing is recorded of {camera!r}")
    assert (start_ns, end_ns) == (LINK.start_ns, LINK.end_ns)
    return Film()


@pytest.mark.parametrize(
    ("link", "status", "body"),
    [
        (LINK.sign(KEY), 200, CONTENT),
        (LINK.sign(KEY).replace("from=9", "from=8"), 403, b"this link was not made here, or has been changed\n"),
        ("/clip/door", 403, b"this link was not made here, or has been changed\n"),
        (LINK.sign(bytes(32)), 403, b"this link was not made here, or has been changed\n"),
        (replace(LINK, until_ns=CLOCK.utc_ns() - SECOND).sign(KEY), 410, b"this link is not good any more\n"),
        (replace(LINK, camera="gate").sign(KEY), 404, b"nothing is recorded of 'gate'\n"),
    ],
)
async def test_what_is_answered(link: str, status: int, body: bytes) -> None:
    application = web.Application()
    application.add_routes(clip_routes(KEY, movie, CLOCK))  # type: ignore[arg-type]
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        async with session.get(f"http://{server.host}:{server.port}{link}") as answer:
            assert (answer.status, await answer.read()) == (status, body)
        if status == 200:
            async with session.get(
                str(server.make_url("/")).rstrip("/") + link, headers={"Range": "bytes=0-9"}
            ) as part:
                assert (part.status, await part.read()) == (206, CONTENT[:10])
