"""FFmpeg goes on with a stream whose camera has begun anew, over UDP too, where it believes in sequence numbers."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from wire.test_client_writes import PASSWORD, USER, WAIT_SECONDS, running

import gateway_testpattern.driver as testpattern

PROGRAM = Path(__file__).parents[1] / "peers" / "ffmpeg_viewer.py"


@asynccontextmanager
async def watching(url: str, transport: str) -> AsyncIterator[Process]:
    """Run FFmpeg in a process of its own, which can be ended when it hangs."""
    viewer = await asyncio.create_subprocess_exec(sys.executable, PROGRAM, url, transport, stdout=PIPE)
    try:
        yield viewer
    finally:
        viewer.kill()
        await viewer.communicate()


async def picture(viewer: Process, width: int) -> float:
    """Return the time of the next picture of a width."""
    assert viewer.stdout is not None
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            seen, time = map(float, (await viewer.stdout.readline()).split())
            if seen == width:
                return time


@pytest.mark.peer
@pytest.mark.timeout(150)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_ffmpeg_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    numbers = count(60_000, -7000)
    monkeypatch.setattr(testpattern, "new_sequence", lambda: next(numbers))
    async with running(tmp_path, monkeypatch) as site:
        [camera] = site.gateway.report.cameras
        url = camera.streams["main"].replace("rtsp://", f"rtsp://{USER}:{PASSWORD}@")
        async with watching(url, transport) as viewer:
            before = await picture(viewer, 640)
            for width, height in ((320, 180), (640, 360), (320, 180)):
                encoders = site.camera.encoders
                await encoders.set_settings("main", replace(encoders.now["main"], width=width, height=height))
                after = await picture(viewer, width)
                assert after > before
                before = after
