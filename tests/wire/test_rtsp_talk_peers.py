"""Talking with GStreamer: as the client of the gateway, and as the camera behind it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rtsp_talk import Talks, packet, yard
from waiting import until

from gateway.protocols.rtp.packet import parse
from gateway.testing.drivers import driver_context
from gateway_rtsp.driver import RtspDriver, RtspSettings

pytestmark = pytest.mark.peer
PEERS = Path(__file__).parent.parent / "peers"
SQUARE = 2
"""Values of a square wave in G.711."""


@contextlib.asynccontextmanager
async def peer(name: str, *arguments: str) -> AsyncIterator[dict[str, object]]:
    """Run a program that prints a line of JSON when it is ready, and ends when its input does."""
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", str(PEERS / name), *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        assert line, f"{name} ended without a word"
        yield json.loads(line)
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(30):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_rtspsrc_talks_to_a_camera(transport: str) -> None:
    talks = Talks()
    with yard(talks) as home:
        home.run()
        async with peer("gst_talker.py", home.url, "--transport", transport):
            await until(lambda: bool(talks.opened) and len(talks.opened[-1].said) >= 10)
        said = talks.opened[-1].said
        assert {encoding for encoding, _ in said} == {"PCMU"}
        packets = [parse(data) for _, data in said]
        values = {bytes([value]) for each in packets[3:] if each is not None for value in bytes(each.payload)}
        assert len(values) == SQUARE
        await until(lambda: talks.opened[-1].closed > 0)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_the_driver_talks_to_gstreamers_onvif_server(transport: str, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    async with peer("gst_camera.py", "--loudspeaker", str(heard)) as camera:
        driver = RtspDriver(RtspSettings(main=str(camera["url"]), transport=transport), driver_context())
        loudspeaker = (await driver.controls()).backchannel
        assert loudspeaker is not None
        [track] = loudspeaker.tracks
        assert (track.encoding, track.payload_type) == ("PCMU", 0)

        async def voice() -> AsyncIterator[bytes]:
            for number in range(50):
                yield packet(0, b"voice " * 30, number)
                await asyncio.sleep(0.01)

        async with asyncio.timeout(40):
            while b"voice voice" not in heard.read_bytes():  # it writes when the session ends, if it was up in time
                await loudspeaker.talk(track, voice())


async def test_gstreamers_plain_server_is_no_loudspeaker() -> None:
    async with peer("gst_camera.py") as camera:
        driver = RtspDriver(RtspSettings(main=str(camera["url"])), driver_context())
        assert (await driver.controls()).backchannel is None
