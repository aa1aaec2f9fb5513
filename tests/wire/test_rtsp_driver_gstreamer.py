"""The RTSP driver against GStreamer's RTSP server."""

import asyncio
import contextlib
import io
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, StreamDescription
from gateway.protocols.rtp import block
from gateway.testing.drivers import RecordingSink, check_units, driver_context
from gateway_rtsp.driver import RtspDriver, RtspSettings

SYSTEM_PYTHON = "/usr/bin/python3"
PROGRAM = Path(__file__).parent.parent / "peers" / "gst_camera.py"


pytestmark = pytest.mark.peer


@contextlib.asynccontextmanager
async def camera(*arguments: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        SYSTEM_PYTHON, str(PROGRAM), *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(30):
            yield json.loads(await process.stdout.readline())["url"]
    finally:
        process.stdin.close()
        async with asyncio.timeout(30):
            await process.wait()


async def play(url: str, transport: str, count: int, **more: str | Secret) -> RecordingSink:
    driver = RtspDriver(RtspSettings(main=url, transport=transport, **more), driver_context())
    sink = RecordingSink()
    stream = asyncio.create_task(driver.stream("main", sink))
    enough = asyncio.create_task(sink.wait_for_units(count))
    await asyncio.wait({stream, enough}, return_when=asyncio.FIRST_COMPLETED)
    enough.cancel()
    if stream.done():
        stream.result()
    stream.cancel()
    async with asyncio.timeout(30):
        await asyncio.gather(stream, return_exceptions=True)
    return sink


def decoded(units: list[AccessUnit], description: StreamDescription) -> int:
    """Return how many pictures a decoder makes of the video from the first key frame on."""
    track = description.tracks[0]
    video = [unit for unit in units if unit.track == 0]
    while not video[0].keyframe:
        video.pop(0)
    start_code = b"" if track.encoding == "JPEG" else b"\0\0\0\1"
    data = b"".join(start_code + bytes(part) for unit in video for part in unit.payload())
    names = {"H264": "h264", "H265": "hevc", "JPEG": "mjpeg"}
    with av.open(io.BytesIO(data), format=names[track.encoding]) as file:
        pictures = list(file.decode(video=0))
    assert {(picture.width, picture.height) for picture in pictures} == {(track.video.width, track.video.height)}
    return len(pictures)


H264, H265, JPEG = (
    ("h264", "pcma", ["H264", "PCMA"]),
    ("h265", "aac", ["H265", "MPEG4-GENERIC"]),
    ("jpeg", "opus", ["JPEG", "OPUS"]),
)


@pytest.mark.parametrize(
    ("transport", "codec", "audio", "encodings"),
    [
        *((transport, *media) for transport in ("tcp", "udp") for media in (H264, H265, JPEG)),
        ("http", *H264),
    ],
)
async def test_every_codec_arrives_whole(transport: str, codec: str, audio: str, encodings: list[str]) -> None:
    arguments = ["--codec", codec, "--audio", audio, "--user", "admin", "--password", "s3:cr@t"]
    async with camera(*arguments) as url:
        sink = await play(url, transport, 150, username="admin", password=Secret("s3:cr@t"))
    check_units(sink)
    description = sink.descriptions[-1]
    assert [track.encoding for track in description.tracks] == encodings
    assert (description.tracks[0].video.width, description.tracks[0].video.height) == (640, 360)
    frames = Counter(unit.track for unit in sink.units)
    assert decoded(sink.units, description) >= frames[0] - 30
    sound = [unit for unit in sink.units if unit.track == 1]
    assert all(unit.payload() for unit in sound)
    for index in frames:
        assert_nothing_lost([unit for unit in sink.units if unit.track == index])


def assert_nothing_lost(units: list[AccessUnit]) -> None:
    sequences = [sequence for unit in units for sequence, _, _ in block.payloads(unit.packets)]
    assert sequences == [(sequences[0] + step) & 0xFFFF for step in range(len(sequences))]
    times = [unit.utc_ns for unit in units]
    assert max(abs(after - before) for before, after in itertools.pairwise(times)) < 1_000_000_000


async def test_a_wrong_password_is_refused() -> None:
    async with camera("--user", "admin", "--password", "right") as url:
        with pytest.raises(GatewayError, match="refuses user 'admin' or the password") as caught:
            await play(url, "tcp", 1, username="admin", password=Secret("wrong"))
        assert caught.value.kind is ErrorKind.UNAUTHENTICATED


async def test_basic_authentication() -> None:
    async with camera("--user", "admin", "--password", "right", "--basic") as url:
        sink = await play(url, "tcp", 10, username="admin", password=Secret("right"))
    assert len(sink.units) >= 10
