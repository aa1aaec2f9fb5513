"""RTSP over HTTP from the client's side: against our own server, and against cameras that open no tunnel."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace

import pytest
from rtsp_peers import PATH, House, house, tls_contexts
from waiting import until

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import StreamDescription
from gateway.protocols.http_auth import DigestServer, Outcome
from gateway.protocols.rtp import block
from gateway.receivers import ReceiverStreams, path_of
from gateway.sdk.clock import SystemClock
from gateway.services.receivers import ReceiverState, ReceiverTransport
from gateway.testing.drivers import RecordingSink, check_units, driver_context
from gateway_rtsp.driver import RtspDriver, RtspSettings

Answer = Callable[[str, dict[str, str]], str]
OPENED = "HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n"


@contextlib.asynccontextmanager
async def playing(url: str, **settings: object) -> AsyncIterator[RecordingSink]:
    driver, sink = RtspDriver(RtspSettings(main=url, **settings), driver_context()), RecordingSink()
    task = asyncio.create_task(driver.stream("main", sink))
    arrived = asyncio.create_task(sink.wait_for_units(20, 30))
    await asyncio.wait({task, arrived}, return_when=asyncio.FIRST_COMPLETED)
    arrived.cancel()
    if task.done():
        task.result()
    try:
        yield sink
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def addresses(home: House) -> list[tuple[str, str]]:
    """Return what names a tunnel: an address of HTTP with any transport, or the transport with one of RTSP."""
    there = f"localhost:{home.port}{PATH}"
    return [(f"http://{there}", "tcp"), (f"http://{there}?a=b", "udp"), (f"rtsp://{there}", "http")]


@pytest.mark.parametrize("way", range(3))
async def test_media_come_whole_through_a_tunnel(way: int) -> None:
    with house() as home:
        home.run()
        url, transport = addresses(home)[way]
        async with playing(url, transport=transport) as sink:
            assert home.server.connections == 2
            assert [track.encoding for track in sink.descriptions[-1].tracks] == ["H264", "PCMU"]
            check_units(sink)
            video = [unit for unit in sink.units if unit.track == 0]
            sequences = [sequence for unit in video for sequence, _, _ in block.payloads(unit.packets)]
            assert sequences == [(sequences[0] + step) & 0xFFFF for step in range(len(sequences))]
        await until(lambda: home.server.connections == 0)


async def test_a_tunnel_in_tls() -> None:
    server, _ = tls_contexts()
    with house(audio=False, tls=server) as home:
        home.run()
        async with playing(f"https://localhost:{home.port}{PATH}", verify_certificate=False) as sink:
            check_units(sink)
        with pytest.raises(GatewayError, match="has a certificate that can't be verified"):
            async with playing(f"https://localhost:{home.port}{PATH}"):
                pass


class Forgetful:
    """Remembers no description."""

    def load(self, _path: str) -> StreamDescription | None:
        return None

    def store(self, _path: str, _description: StreamDescription) -> None:
        pass


@pytest.mark.parametrize("transport", list(ReceiverTransport))
async def test_a_receiver_connects_over_every_transport(transport: ReceiverTransport) -> None:
    with house() as home:
        home.run()
        registry = SimpleNamespace(drivers={"rtsp": RtspDriver})
        streams = ReceiverStreams(registry, Forgetful(), SystemClock())
        assert streams.open("R1", home.url, transport) == path_of("R1")
        await until(lambda: streams.state("R1") is ReceiverState.CONNECTED)
        await until(lambda: streams.description(path_of("R1")) is not None)
        assert home.server.connections == (2 if transport is ReceiverTransport.HTTP else 1)
        await streams.stop()
        await until(lambda: home.server.connections == 0)


@contextlib.asynccontextmanager
async def server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]],
) -> AsyncIterator[str]:
    """Serve connections, each with the head of its request; yields the address."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await serve(reader, writer, (await reader.readuntil(b"\r\n\r\n")).decode())
        writer.close()

    listening = await asyncio.start_server(accepted, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/video?channel=1"


async def failure(url: str, **settings: object) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        async with playing(url, **settings):
            pass
    return caught.value


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "opens no tunnel: 404 Not Found"),
        ("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", "does not answer GET by HTTP"),
        ("x" * 20_000, "does not answer GET by HTTP"),
        ("", "does not answer GET by HTTP"),
        ("HTTP/1.1 401 Unauthorized\r\n\r\n", "asks for a user and password; none is set"),
    ],
)
async def test_cameras_that_open_no_tunnel(answer: str, message: str) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _head: str) -> None:
        writer.write(answer.encode())
        await writer.drain()

    async with server(serve) as url:
        assert (await failure(url)).message == f"camera {url.split('/')[2]} {message}"


class Guarded:
    """A camera that wants a login for both halves, and then answers one request before it closes the POST."""

    def __init__(self) -> None:
        self.digest = DigestServer("camera", b"k" * 32)
        self.heads: list[str] = []
        self.asked = b""
        self.down: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self.heads.append(head)
        headers = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
        method = head.partition(" ")[0]
        verdict = self.digest.verify(headers.get("Authorization", ""), method, lambda _: Secret("s3cret"), 0.0)
        if verdict.outcome is not Outcome.ACCEPTED:
            challenges = "".join(f"WWW-Authenticate: {value}\r\n" for value in self.digest.challenges(0.0))
            writer.write(f"HTTP/1.1 401 Unauthorized\r\n{challenges}\r\n".encode())
        elif method == "GET":
            self.down = writer
            writer.write(OPENED.encode())
            await reader.read()
        elif self.down is not None:
            while b"\r\n\r\n" not in self.asked:
                self.asked += base64.b64decode(await reader.readexactly(4))


async def test_a_login_for_http_and_a_post_that_is_closed() -> None:
    camera = Guarded()
    async with server(camera.serve) as url:
        error = await failure(url, username="admin", password=Secret("s3cret"))
        wrong = await failure(url, username="admin", password=Secret("guess"))
    name = url.split("/")[2]
    assert (error.kind, error.message) == (ErrorKind.UNAVAILABLE, f"camera {name} closed the connection")
    assert (wrong.kind, wrong.message) == (
        ErrorKind.UNAUTHENTICATED,
        f"camera {name} refuses user 'admin' or the password",
    )
    assert camera.asked.startswith(f"OPTIONS rtsp://{name}/video?channel=1 RTSP/1.0\r\n".encode())
    assert [head.split("\r\n")[0] for head in camera.heads[:3]] == [
        "GET /video?channel=1 HTTP/1.0",
        "GET /video?channel=1 HTTP/1.0",
        "POST /video?channel=1 HTTP/1.0",
    ]
