"""Somebody talks to the simulated camera through the gateway, and hears it there."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import numpy as np
import pytest
from rtsp_peers import Client, House, OpenDoor
from rtsp_tunnels import TunnelClient, WebSocketClient
from soap_kit import MemorySettings
from waiting import until

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.media import StreamDescription
from gateway.protocols.rtp.packet import RtpPacket, parse, serialize
from gateway.protocols.rtsp import transport
from gateway.protocols.rtsp.parser import InterleavedFrame, serialize_frame
from gateway.sdk.clock import SystemClock
from gateway.servers.listener import Listener
from gateway.servers.rtsp import RtspServer
from gateway.services.cameras import Cameras, CameraSpec, live_path
from gateway.services.controls import Controls
from gateway.services.talking import Talks
from gateway.testing.drivers import driver_context
from gateway_testpattern import tone
from gateway_testpattern.driver import TestPatternDriver as Driver
from gateway_testpattern.driver import TestPatternSettings as Settings

TAG = "www.onvif.org/ver20/backchannel"
PATH = live_path("yard", "main")
LOUD = 20_000
"""The camera's own beep stays below half of it."""
SHOUT = tone.ulaw(np.tile(np.array([LOUD, -LOUD], np.int16), 160)).tobytes()


class Operator(OpenDoor):
    def admit(self, address: str, method: str, authorization: str | None, uri: str = "") -> Account:
        return Account("anna", UserLevel.OPERATOR, Secret("secret"))


class NoMemory:
    def load(self, path: str) -> StreamDescription | None:
        return None

    def store(self, path: str, description: StreamDescription) -> None:
        pass


@asynccontextmanager
async def gateway(audit: list[str], host: str = "127.0.0.1") -> AsyncIterator[House]:
    clock = SystemClock()
    driver = Driver(Settings(width=320, height=180, sub_width=160, sub_height=160), driver_context(clock))
    cameras = Cameras([CameraSpec("yard", "Yard", driver)], NoMemory(), clock)
    controls = Controls({"yard": driver}, MemorySettings(), clock)
    talks = Talks(controls, lambda _account, _address, what: audit.append(what), clock)
    server = RtspServer(cameras, Operator(), clock, talks=talks, udp_hosts=(host,))
    server.start()
    listener = Listener(host, 0, server)
    listener.start()
    running = asyncio.create_task(cameras.run())
    try:
        await controls.learn("yard")
        await until(lambda: len((cameras.description(PATH) or StreamDescription(())).tracks) > 1)
        yield House(None, server, listener)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        listener.close()
        server.close()
        await talks.stop()


def spoken(number: int) -> bytes:
    return serialize(RtpPacket(0, number, number * 320, 0xABCD, marker=number == 0, payload=SHOUT))


async def until_heard(client: Client, channel: int) -> None:
    """Read the camera's sound until most of a packet is as loud as what was said."""
    async with asyncio.timeout(30):
        while True:
            frame = await client.frame()
            packet = parse(frame.payload) if frame.channel == channel else None
            if packet is not None and packet.payload_type == 0:
                levels = np.abs(tone.ULAW_LEVELS[np.frombuffer(packet.payload, np.uint8)].astype(np.int32))
                if np.count_nonzero(levels > LOUD // 2) > 100:
                    return


@pytest.mark.parametrize("kind", ["tcp", "tunnel", "websocket"])
async def test_the_camera_hears_what_is_said_over_its_connection(kind: str) -> None:
    audit: list[str] = []
    async with gateway(audit) as home:
        connect = {"tcp": Client.connect, "tunnel": TunnelClient.tunnel, "websocket": WebSocketClient.open}[kind]
        client = await connect(home)
        client.url = f"rtsp://127.0.0.1:{home.port}{PATH}"
        assert b"a=sendonly" in (await client.request("DESCRIBE", Require=TAG)).body
        assert (await client.setup(1, "RTP/AVP/TCP;unicast;interleaved=2-3")).status == 200
        assert (await client.setup(2, "RTP/AVP/TCP;unicast;interleaved=4-5")).status == 200
        assert (await client.request("PLAY", Require=TAG)).status == 200
        for number in range(25):
            client.send(serialize_frame(InterleavedFrame(4, spoken(number))))
        await until_heard(client, 2)
        await client.close()
        await until(lambda: len(audit) == 2)
        assert audit[0] == "talks to camera 'yard' in PCMU"
        assert audit[1] == "no longer talks to camera 'yard': 25 packets, 0 dropped; has ended"


async def connected(home: House, host: str) -> Client:
    reader, writer = await asyncio.open_connection(host, home.port)
    return Client(reader, writer, f"rtsp://{f'[{host}]' if ':' in host else host}:{home.port}{PATH}")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_the_camera_hears_what_is_said_over_udp(host: str) -> None:
    audit: list[str] = []
    async with gateway(audit, host) as home:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as mouth:
            mouth.bind((host, 0))
            port = mouth.getsockname()[1]
            talker, listener = await connected(home, host), await connected(home, host)
            answer = await talker.setup(3, f"RTP/AVP;unicast;client_port={port}-{port + 1}")
            [granted] = transport.parse(answer.headers.get("Transport"))
            assert granted.server_port is not None
            assert (await talker.play()).status == 200
            assert (await listener.setup(1, "RTP/AVP/TCP;unicast;interleaved=2-3")).status == 200
            assert (await listener.play()).status == 200
            heard = asyncio.create_task(until_heard(listener, 2))
            number = 0
            while not heard.done():  # what UDP loses is said again
                payload = bytes([0x2A, 0xAA]) * 160  # A-law's loudest, to and fro
                data = serialize(RtpPacket(8, number % 65_536, number * 320, 0xABCD, marker=False, payload=payload))
                mouth.sendto(data, (host, granted.server_port[0]))
                number += 1
                await asyncio.wait({heard}, timeout=0.04)
            heard.result()
            assert (await talker.request("TEARDOWN")).status == 200
            await until(lambda: len(audit) == 2)
            assert audit[0] == "talks to camera 'yard' in PCMA"
            for client in (talker, listener):
                await client.close()
