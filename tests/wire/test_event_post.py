"""Notifications on real sockets: what counts as taken, and every way in which a consumer can fail."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
from aiohttp import web

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.reach import Reach
from gateway.servers import http_post
from gateway.servers.http_post import HttpPoster

LOCAL, ELSEWHERE = "127.0.0.1", "192.0.2.9"


class Consumer:
    """A consumer that answers with the status in the path."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.base = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.taken.append((request.headers["Content-Type"], await request.read()))
        status = int(request.match_info["status"])
        if status == 0 and request.transport is not None:
            request.transport.abort()
        return web.Response(status=status or 200, headers={"Location": "/200"})


@pytest.fixture
async def consumer() -> AsyncIterator[Consumer]:
    consumer, application = Consumer(), web.Application()
    application.router.add_post("/{status}", consumer.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    consumer.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield consumer
    await runner.cleanup()


@pytest.fixture
async def poster() -> AsyncIterator[HttpPoster]:
    async with HttpPoster("application/soap+xml") as poster:
        yield poster


async def test_a_message_that_is_answered_with_success_was_taken(consumer: Consumer, poster: HttpPoster) -> None:
    for status in ("200", "202", "204"):
        await poster.post(f"{consumer.base}/{status}", b"<Notify/>", LOCAL)
    assert consumer.taken == [("application/soap+xml", b"<Notify/>")] * 3


@pytest.mark.parametrize("status", ["307", "404", "500"])
async def test_another_answer_is_no_success(consumer: Consumer, poster: HttpPoster, status: str) -> None:
    with pytest.raises(GatewayError, match=f"it answered with status {status}") as refused:
        await poster.post(f"{consumer.base}/{status}", b"x", LOCAL)
    assert (refused.value.kind, len(consumer.taken)) == (ErrorKind.UNAVAILABLE, 1)


async def test_nobody_there(consumer: Consumer, poster: HttpPoster) -> None:
    with pytest.raises(GatewayError, match="ServerDisconnectedError"):
        await poster.post(f"{consumer.base}/0", b"x", LOCAL)
    with pytest.raises(GatewayError, match="ClientConnectorError"):
        await poster.post("http://127.0.0.1:9/", b"x", LOCAL)
    with pytest.raises(GatewayError, match="nothing is sent before the start and after the end"):
        await HttpPoster("text/xml").post(consumer.base, b"x", LOCAL)


async def test_a_consumer_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(http_post, "POST_SECONDS", 0.05)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, HttpPoster("text/xml") as poster:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(GatewayError, match=r"no answer within 0\.05 seconds"):
            await poster.post(f"http://127.0.0.1:{port}/", b"x", LOCAL)


async def test_nothing_is_sent_after_the_end(consumer: Consumer) -> None:
    async with HttpPoster("text/plain") as poster:
        pass
    with pytest.raises(GatewayError, match="nothing is sent before the start and after the end"):
        await poster.post(f"{consumer.base}/200", b"late", LOCAL)
    assert consumer.taken == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_clients_elsewhere_reach_nothing_on_this_host(consumer: Consumer, poster: HttpPoster, host: str) -> None:
    url = f"{consumer.base.replace('127.0.0.1', host)}/200"
    await poster.post(url, b"mine", LOCAL)
    with pytest.raises(GatewayError, match="nothing may be sent to"):
        await poster.post(url, b"theirs", ELSEWHERE)
    assert [data for _, data in consumer.taken] == [b"mine"]


async def test_everybody_reaches_what_is_configured(consumer: Consumer) -> None:
    async with HttpPoster("text/xml", Reach((ip_network("127.0.0.0/8"),))) as poster:
        await poster.post(f"{consumer.base}/200", b"x", ELSEWHERE)
    assert len(consumer.taken) == 1
