"""RTSP inside HTTP and WebSocket, and in TLS."""

import asyncio

import pytest
from rtsp_peers import GOP, Client, House, house, tls_contexts
from rtsp_tunnels import TunnelClient, WebSocketClient, get_head, post_head
from waiting import until

from gateway.protocols import websocket
from gateway.protocols.rtp.packet import parse
from gateway.protocols.websocket import Frame, Opcode
from gateway.servers.rtsp_tunnel import OPENING_SECONDS
from gateway.testing.clock import FakeClock


async def plays(home: House, client: Client) -> None:
    """Play until a whole GOP has come."""
    home.camera.frames(2)
    assert (await client.request("DESCRIBE")).status == 200
    assert (await client.setup(0)).status == 200
    assert (await client.play()).status == 200
    home.camera.frames(GOP)
    sequences = []
    while True:
        frame = await client.frame()
        if frame.channel == 0:
            packet = parse(frame.payload)
            assert packet is not None
            sequences.append(packet.sequence)
            if packet.timestamp == (GOP + 1) * 3600 and packet.marker:
                break
    assert sequences == [(sequences[0] + step) % 65_536 for step in range(len(sequences))]
    assert (await client.request("TEARDOWN")).status == 200


@pytest.mark.parametrize("post_first", [False, True])
async def test_the_halves_of_a_tunnel_may_come_in_any_order(post_first: bool) -> None:  # noqa: FBT001
    with house(audio=False) as home:
        client = await TunnelClient.tunnel(home, post_first=post_first)
        await plays(home, client)
        assert home.server.connections == 2
        await client.close()
        await until(lambda: home.server.connections == 0)


async def test_a_tunnel_goes_on_with_another_post() -> None:
    with house(audio=False) as home:
        client = await TunnelClient.tunnel(home)
        assert (await client.request("OPTIONS")).status == 200
        client.post.close()
        await until(lambda: home.server.connections == 1)
        _, client.post = await asyncio.open_connection("127.0.0.1", home.port)
        await client.open_post()
        await plays(home, client)
        await client.close()


async def test_wrong_tunnels_are_refused() -> None:
    clock = FakeClock()
    with house(clock=clock) as home:
        client = await TunnelClient.tunnel(home)
        for head, reason in (
            (get_head(), b"a tunnel with cookie 'abc' is already open"),
            (get_head("x" * 200), b"must have 1 to 128 characters"),
            (
                b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: rtsp.onvif.org\r\n\r\n",
                b"Sec-WebSocket-Key '' is not 16 bytes in base64",
            ),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
            writer.write(head)
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert reason in answer
            writer.close()
        client.post.write(b"####")
        assert (await client.response()).status == 400
        await client.closed()
        await client.close()
        lonely, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(post_head("lonely"))
        await until(lambda: home.server.connections > 0)
        await clock.advance(OPENING_SECONDS + 3)
        home.server.sweep()
        assert await lonely.read() == b""
        assert home.server.connections == 0
        writer.close()


async def test_rtsp_in_websocket() -> None:
    with house(audio=False) as home:
        client = await WebSocketClient.open(home)
        await plays(home, client)
        assert set(client.opcodes) == {Opcode.BINARY}
        client.send_frame(Frame(Opcode.PING, b"hi"))
        assert await client.receive() == b"hi"
        client.send_frame(Frame(Opcode.CLOSE, b"\x03\xe8"))
        assert await client.receive() == b"\x03\xe8"
        assert client.opcodes[-2:] == [Opcode.PONG, Opcode.CLOSE]
        assert await client.receive() == b""
        await client.close()


async def test_an_unmasked_frame_ends_the_websocket() -> None:
    with house() as home:
        client = await WebSocketClient.open(home)
        client.writer.write(websocket.serialize(Frame(Opcode.BINARY, b"OPTIONS")))
        assert await client.receive() == b""
        await client.close()


@pytest.mark.parametrize("kind", ["plain", "tunnel", "websocket"])
async def test_everything_also_in_tls(kind: str) -> None:
    server, client_side = tls_contexts()
    options = {"ssl": client_side, "server_hostname": "localhost"}
    with house(audio=False, tls=server) as home:
        if kind == "tunnel":
            client: Client = await TunnelClient.tunnel(home, **options)
        elif kind == "websocket":
            client = await WebSocketClient.open(home, **options)
        else:
            client = await Client.connect(home, **options)
        await plays(home, client)
        await client.close()


async def test_a_slow_viewer_in_tls_keeps_its_framing() -> None:
    server, client_side = tls_contexts()
    options = {"ssl": client_side, "server_hostname": "localhost", "limit": 4096}
    with house(audio=False, tls=server) as home:
        client = await Client.connect(home, **options)
        await client.setup(0)
        await client.play()
        for _ in range(30 * GOP):
            home.camera.frame()
            await asyncio.sleep(0)
        assert (await client.request("GET_PARAMETER")).status == 200
        last = home.camera.number + GOP
        home.camera.frames(2 * GOP)
        seen = 0
        while seen < last * 3600:
            frame = await client.frame()
            packet = parse(frame.payload)
            seen = packet.timestamp if packet is not None and frame.channel == 0 else seen
        await client.close()
