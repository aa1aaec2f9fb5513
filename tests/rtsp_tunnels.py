"""RTSP clients inside HTTP and WebSocket."""

import asyncio
import base64
import os

from rtsp_peers import Client, House

from gateway.protocols import websocket
from gateway.protocols.websocket import Frame, Opcode

KEY = base64.b64encode(bytes(16)).decode()


def post_head(cookie: str = "abc") -> bytes:
    return (
        f"POST /live HTTP/1.1\r\nHost: h\r\nx-sessioncookie: {cookie}\r\n"
        "Content-Type: application/x-rtsp-tunnelled\r\nContent-Length: 32767\r\n\r\n"
    ).encode()


def get_head(cookie: str = "abc") -> bytes:
    return f"GET /live HTTP/1.1\r\nHost: h\r\nx-sessioncookie: {cookie}\r\n\r\n".encode()


class TunnelClient(Client):
    """Sends by POST, in base64 with a line break in the middle, and receives by GET."""

    post: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        text = base64.b64encode(data)
        self.post.write(text[:5] + b"\r\n" + text[5:])

    @classmethod
    async def tunnel(cls, home: House, *, post_first: bool = False, **options: object) -> "TunnelClient":
        client = await cls.connect(home, **options)
        _, client.post = await asyncio.open_connection("127.0.0.1", home.port, **options)
        for send in (client.open_post, client.open_get) if post_first else (client.open_get, client.open_post):
            await send()
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        return client

    async def open_get(self) -> None:
        self.writer.write(get_head())

    async def open_post(self) -> None:
        self.post.write(post_head())

    async def close(self) -> None:
        await super().close()
        self.post.close()


class WebSocketClient(Client):
    """Speaks the sub-protocol rtsp.onvif.org."""

    rest = b""
    opcodes: list[int]

    @classmethod
    async def open(cls, home: House, **options: object) -> "WebSocketClient":
        client = await cls.connect(home, **options)
        client.opcodes = []
        client.writer.write(
            b"GET /rtsp HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
            + KEY.encode()
            + b"\r\nSec-WebSocket-Protocol: rtsp.onvif.org\r\n\r\n"
        )
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert websocket.accept_key(KEY).encode() in head
        return client

    def send(self, data: bytes) -> None:
        """Send in two fragments, as a client may."""
        self.send_frame(Frame(Opcode.BINARY, data[:9], final=False))
        self.send_frame(Frame(Opcode.CONTINUATION, data[9:]))

    def send_frame(self, frame: Frame) -> None:
        plain = websocket.serialize(frame)
        header = plain[: len(plain) - len(frame.payload)]
        key = os.urandom(4)
        self.writer.write(
            header[:1] + bytes([header[1] | 0x80]) + header[2:] + key + websocket.mask(frame.payload, key)
        )

    async def receive(self) -> bytes:
        """Return the payload of one frame of the server."""
        try:
            first, second = await self.reader.readexactly(2)
            extended = {126: 2, 127: 8}.get(second, 0)
            length = int.from_bytes(await self.reader.readexactly(extended), "big") if extended else second
            payload = await self.reader.readexactly(length)
        except asyncio.IncompleteReadError:
            return b""
        self.opcodes.append(first & 0x0F)
        assert first & 0x80
        return payload
