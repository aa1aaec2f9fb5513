"""One port for RTSP and the web."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from rtsp_peers import Client, house, tls_contexts

from gateway.servers import listener as listeners
from gateway.servers.listener import Listener

BODY = b"x" * 3_000_000


@asynccontextmanager
async def site() -> AsyncIterator[Callable[[], asyncio.Protocol]]:
    """Return the protocol factory of a small web server."""

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read() or BODY)

    app = web.Application(client_max_size=10_000_000)
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    try:
        yield runner.server
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("secure", [False, True])
async def test_the_web_and_rtsp_share_a_port(secure: bool) -> None:  # noqa: FBT001
    server_tls, client_tls = tls_contexts()
    async with site() as factory, aiohttp.ClientSession() as session:
        with house(web=factory, tls=server_tls if secure else None) as home:
            url = f"{'https' if secure else 'http'}://localhost:{home.port}/onvif"
            for _ in range(3):
                async with session.get(url, ssl=client_tls) as response:
                    assert await response.read() == BODY
                async with session.post(url, data=BODY, ssl=client_tls) as response:
                    assert await response.read() == BODY
            client = await Client.connect(
                home, **({"ssl": client_tls, "server_hostname": "localhost"} if secure else {})
            )
            assert (await client.request("OPTIONS")).status == 200
            await client.close()


async def test_a_head_may_trickle_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "OPENING_SECONDS", 1.0)
    async with site() as factory:
        with house(web=factory) as home:
            client = await Client.connect(home)
            for byte in b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n":
                client.send(bytes([byte]))
                await client.writer.drain()
                await asyncio.sleep(0)
            assert (await client.response()).cseq == "1"
            silent = await Client.connect(home)
            silent.send(b"GET / HT")
            await silent.closed()
            gone = await Client.connect(home)
            gone.send(b"GET /")
            await gone.close()
            for other in (client, silent):
                await other.close()


async def test_without_a_web_side_http_is_not_found() -> None:
    with house() as home:
        client = await Client.connect(home)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await client.reader.read() == b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        await client.close()


async def test_a_plain_client_on_a_tls_port_is_dropped() -> None:
    with house(tls=tls_contexts()[0]) as home:
        client = await Client.connect(home)
        client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        await client.closed()
        await client.close()


async def test_a_taken_port_is_an_error() -> None:
    with house() as home, pytest.raises(OSError, match="Address already in use"):
        Listener("127.0.0.1", home.port, home.server)
