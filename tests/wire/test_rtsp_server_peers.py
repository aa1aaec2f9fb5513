"""Foreign viewers: FFmpeg and GStreamer over every transport that they know."""

import asyncio
import hashlib
import json
import sys
from pathlib import Path

import av
import pytest
from rtsp_peers import GOP, PATH, House, encoded_gop, house

from gateway.servers.rtsp_ports import FixedGroups

pytestmark = pytest.mark.peer

GROUPS = FixedGroups({PATH: ("239.255.78.2", 42_100)}, ttl=0, interface="127.0.0.1")
FRAMES = 40
GST_VIEWER = ("/usr/bin/python3", str(Path(__file__).parents[1] / "peers/gst_viewer.py"))


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(30):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
    return output.decode()


def picture_checksums() -> set[str]:
    """Return the MD5 of every decoded picture of the camera's GOP."""
    decoder = av.CodecContext.create("h264", "r")
    packets = [av.Packet(b"".join(b"\0\0\0\1" + nal for nal in nals)) for nals in encoded_gop()]
    pictures = [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
    return {hashlib.md5(picture.to_ndarray().tobytes(), usedforsecurity=False).hexdigest() for picture in pictures}


async def ffmpeg_pictures(home: House, transport: str) -> list[str]:
    """Return the checksums of the first pictures that FFmpeg decodes."""
    output = await run(
        *("ffmpeg", "-loglevel", "error", "-rtsp_transport", transport, "-i", home.url),
        *("-map", "0:v", "-frames:v", str(FRAMES), "-f", "framemd5", "-"),
    )
    return [line.split(",")[-1].strip() for line in output.splitlines() if line[:1].isdigit()]


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_ffmpeg_sees_every_picture_right(transport: str) -> None:
    with house() as home:
        home.run()
        pictures = await ffmpeg_pictures(home, transport)
        assert len(pictures) == FRAMES
        assert set(pictures) == picture_checksums()
        assert home.server.sessions == 0


async def test_ffprobe_finds_the_tracks() -> None:
    with house() as home:
        home.run()
        options = (
            "-loglevel",
            "error",
            "-rtsp_transport",
            "tcp",
            "-show_entries",
            "stream=codec_name,width,sample_rate",
        )
        found = await run("ffprobe", *options, "-of", "csv=p=0", home.url)
        assert found.split() == ["h264,320", "pcm_mulaw,8000"]


@pytest.mark.parametrize("transport", ["tcp", "udp", "multicast", "http"])
async def test_gstreamer_plays(transport: str) -> None:
    with house(multicast=GROUPS) as home:
        home.run()
        url = home.url.replace("rtsp://", "rtsph://") if transport == "http" else home.url
        interface = ("--interface", "lo") if transport == "multicast" else ()
        seen = json.loads(await run(*GST_VIEWER, url, "--transport", transport, "--seconds", "1.5", *interface))
        assert {track["encoding"]: track["lost"] for track in seen.values()} == {"H264": 0, "PCMU": 0}
        assert seen["video"]["frames"] >= FRAMES - GOP
        assert seen["video"]["keyframe_first"]


async def test_ffmpeg_joins_a_group(tmp_path: Path) -> None:
    """FFmpeg joins groups where the default route leads, so that this runs where that is the loopback."""
    script = tmp_path / "viewer.py"
    script.write_text(
        "import asyncio, sys\n"
        f"sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parent)]!r}\n"
        "from test_rtsp_server_peers import GROUPS, ffmpeg_pictures, house\n"
        "async def main():\n"
        "    with house(multicast=GROUPS) as home:\n"
        "        home.run()\n"
        "        print(len(await ffmpeg_pictures(home, 'udp_multicast')))\n"
        "asyncio.run(main())\n"
    )
    route = "ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo"
    output = await run("unshare", "-n", "sh", "-c", f"{route} && exec {sys.executable} {script}")
    assert output.split()[-1] == str(FRAMES)
