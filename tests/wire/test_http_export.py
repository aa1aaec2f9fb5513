"""A movie over HTTP: whole, in ranges, and what is answered to wrong requests."""

from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.servers.http_export import export_routes, moment_ns

CONTENT = bytes(range(256)) * 10
GUARD = Account("guard", UserLevel.USER, Secret("x"))


class Film:
    name = "Recording_door_2026-11-22T08-00-00Z.mp4"
    size = len(CONTENT)

    async def chunks(self, offset: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        end = self.size if size is None else offset + size
        for at in range(offset, end, 100):
            yield CONTENT[at : min(at + 100, end)]


async def movie(recording: str, start_ns: int, end_ns: int) -> Film:
    if recording != "door":
        raise GatewayError(ErrorKind.NOT_FOUND, f"nothing is recorded of {recording!r}")
    assert (start_ns, end_ns) == (1_795_334_400_500_000_000, 1_795_338_000_000_000_000)
    return Film()


def access(request: web.Request) -> Account | web.Response:
    return GUARD if request.headers.get("X-Guard") else web.Response(status=401)


@pytest.fixture
async def address() -> AsyncIterator[str]:
    application = web.Application()
    application.add_routes(export_routes(access, movie))  # type: ignore[arg-type]
    async with TestServer(application) as server:
        yield str(server.make_url("/export/"))


async def get(url: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
    given = {"X-Guard": "1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with aiohttp.ClientSession() as session, session.get(url, headers=given) as response:
        return response.status, await response.read(), response.headers


HOUR = "door?from=2026-11-22T08:00:00.5Z&to=2026-11-22T10:00:00%2B01:00"


async def test_the_whole_movie(address: str) -> None:
    status, body, headers = await get(address + HOUR)
    assert (status, body) == (200, CONTENT)
    assert (headers["Content-Type"], headers["Accept-Ranges"]) == ("video/mp4", "bytes")
    assert headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{Film.name}"


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=100-299", 100, 300), ("bytes=2500-", 2500, 2560), ("bytes=-60", 2500, 2560),
     ("bytes=2559-9999", 2559, 2560)],
)  # fmt: skip
async def test_a_part_of_it(address: str, wanted: str, start: int, end: int) -> None:
    status, body, headers = await get(address + HOUR, Range=wanted)
    assert (status, body) == (206, CONTENT[start:end])
    assert headers["Content-Range"] == f"bytes {start}-{end - 1}/2560"
    assert (await get(address + HOUR, Range=wanted, If_Range=headers["ETag"]))[0] == 206
    assert (await get(address + HOUR, Range=wanted, If_Range='"another"'))[:2] == (200, CONTENT)


@pytest.mark.parametrize(("wanted", "status"), [("bytes=2560-", 416), ("bytes=5-4", 416), ("lines=1-2", 200)])
async def test_ranges_that_can_t_be(address: str, wanted: str, status: int) -> None:
    answered, _, headers = await get(address + HOUR, Range=wanted)
    assert answered == status
    assert headers.get("Content-Range") == (None if status == 200 else "bytes */2560")


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        (HOUR.replace("door", "gate"), 404, "nothing is recorded of 'gate'"),
        ("door?from=noon&to=1", 400, "from 'noon' is not a time such as '2026-11-22T08:00:00Z'"),
        ("door", 400, "from '' is not a time such as '2026-11-22T08:00:00Z'"),
    ],
)
async def test_wrong_requests_are_told_why(address: str, path: str, status: int, sentence: str) -> None:
    answered, body, _ = await get(address + path)
    assert (answered, body.decode().strip()) == (status, sentence)


async def test_nobody_gets_it_without_a_login(address: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(address + HOUR) as response:
        assert response.status == 401


def test_times_keep_their_microseconds() -> None:
    assert moment_ns("2026-11-22T08:00:00.123456Z") == 1_795_334_400_123_456_000
