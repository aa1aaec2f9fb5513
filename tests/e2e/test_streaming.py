"""Every codec of a camera reaches GStreamer over every transport, IPv4 and IPv6, without a packet missing."""

import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from e2e.conftest import (
    MAY_BE_LOST,
    PASSWORD,
    PEERS,
    SYSTEM_PYTHON,
    USER,
    Gateway,
    read_json_line,
    running,
    write_certificate,
)
from e2e.network import HOUSE, HOUSE_6, LAN, Network

pytestmark = pytest.mark.peer
HTTP_PORT, RTSP_PORT, HTTPS_PORT, RTSPS_PORT = 8083, 8557, 8445, 8325
CAMERAS = {
    "advanced": ("h264", "pcmu", "H264", "PCMU"),
    "efficient": ("h265", "aac", "H265", "MPEG4-GENERIC"),
    "single": ("jpeg", "aac", "JPEG", "MPEG4-GENERIC"),
    "telephone": ("h264", "g726", "H264", "G726-32"),
}
"""What GStreamer is told to send, and the names that RTP has for it."""
CONFIGURATION = f"""
[http]
listen = "[::]:{HTTP_PORT}"

[rtsp]
listen = "[::]:{RTSP_PORT}"

[tls]
certificate = "certificate.pem"
key = "key.pem"
http_listen = "[::]:{HTTPS_PORT}"
rtsp_listen = "[::]:{RTSPS_PORT}"

[discovery]
enabled = false

[multicast]
interface = "{HOUSE}"
"""
LEAST = {"video": 50, "audio": 3}
"""Frames; audio comes in packets of up to a quarter of a second."""
WAYS = {
    "udp": ("udp", "rtsp", RTSP_PORT),
    "tcp": ("tcp", "rtsp", RTSP_PORT),
    "tls": ("tcp", "rtsps", RTSPS_PORT),
    "http": ("http", "rtsph", HTTP_PORT),
    "https": ("http", "rtspsh", HTTPS_PORT),
}


@pytest.fixture(scope="module")
def streaming(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a camera for every codec."""
    folder, text = tmp_path_factory.mktemp("streaming"), CONFIGURATION
    cameras: list[subprocess.Popen[str]] = []
    try:
        for name, (video, audio, _, _) in CAMERAS.items():
            options = ("--address", LAN, "--codec", video, "--audio", audio, "--size", "320x240", "--kbit", 300)
            arguments = network.lan(SYSTEM_PYTHON, PEERS / "gst_camera.py", *options)
            cameras.append(subprocess.Popen(arguments, stdin=-1, stdout=-1, text=True))
            url = read_json_line(cameras[-1])["url"]
            text += f'[[camera]]\nid = "{name}"\ndriver = "rtsp"\nsettings = {{ main = "{url}" }}\n'
        write_certificate(folder / "certificate.pem", folder / "key.pem")
        (folder / "gateway.toml").write_text(text)
        with running(network, folder) as gateway:
            wait_until_online(folder / "log")
            yield gateway
    finally:
        for camera in cameras:
            camera.communicate("", timeout=10)


def wait_until_online(log: Path) -> None:
    """Return when all tracks are known: a session that began before would be ended then."""
    deadline = time.monotonic() + 30
    while not all(f"camera {camera} is online" in (told := log.read_text()) for camera in CAMERAS):
        assert time.monotonic() < deadline, told
        time.sleep(0.1)


def watch(gateway: Gateway, transport: str, scheme: str, host: str, port: int, cameras: Iterable[str]) -> None:
    """Play some cameras at once, and look at what arrives."""
    viewers = {
        camera: gateway.place.start(
            *(SYSTEM_PYTHON, PEERS / "gst_viewer.py", "--transport", transport),
            *("--frames", LEAST["video"], "--audio", LEAST["audio"]),
            f"{scheme}://{USER}:{PASSWORD}@{host}:{port}/live/{camera}/main",
        )
        for camera in cameras
    }
    said = {camera: viewer.communicate(timeout=60) for camera, viewer in viewers.items()}
    assert {camera: said[camera] for camera, viewer in viewers.items() if viewer.returncode} == {}
    for camera, (output, _) in said.items():
        tracks = json.loads(output)
        assert (tracks["video"]["encoding"], tracks["audio"]["encoding"]) == CAMERAS[camera][2:], camera
        for kind, track in tracks.items():
            allowed = MAY_BE_LOST * track["packets"] if transport in {"udp", "multicast"} else 0
            assert track["lost"] <= allowed, (camera, kind, track)
            assert track["frames"] >= LEAST[kind], (camera, kind, track)


@pytest.mark.parametrize("host", [HOUSE, f"[{HOUSE_6}]"], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("way", WAYS)
def test_every_codec_arrives(streaming: Gateway, way: str, host: str) -> None:
    transport, scheme, port = WAYS[way]
    watch(streaming, transport, scheme, host, port, CAMERAS)


def test_every_codec_arrives_by_multicast(streaming: Gateway) -> None:
    for camera in CAMERAS:  # one by one: GStreamer hears all groups of a port
        watch(streaming, "multicast", "rtsp", HOUSE, RTSP_PORT, [camera])
