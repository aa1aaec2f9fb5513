"""ffprobe and GStreamer play relayed cameras over every transport."""

from itertools import pairwise
from typing import Any

import pytest
from e2e.conftest import (
    HTTP_PORT,
    HTTPS_PORT,
    MAY_BE_LOST,
    PASSWORD,
    PEERS,
    RTSP_PORT,
    RTSPS_PORT,
    SYSTEM_PYTHON,
    USER,
    FilmCamera,
    Gateway,
    run_json,
)
from e2e.network import HOUSE

pytestmark = pytest.mark.peer
SOAK_SECONDS = 60


def watch(gateway: Gateway, url: str, transport: str, seconds: float) -> dict[str, Any]:
    """Play with GStreamer, without decoding."""
    viewer = (SYSTEM_PYTHON, PEERS / "gst_viewer.py", url, "--transport", transport, "--seconds", seconds)
    return dict(run_json(gateway.place, *viewer, timeout=seconds + 30))


def probe(gateway: Gateway, url: str, transport: str, seconds: int) -> list[dict[str, Any]]:
    """Play with ffprobe, which decodes every frame."""
    options = ("-v", "error", "-rtsp_transport", transport, "-read_intervals", f"%+{seconds}", "-count_frames")
    return list(run_json(gateway.place, "ffprobe", *options, "-show_streams", "-of", "json", url)["streams"])


GSTREAMER = {
    "tcp": ("tcp", "rtsp", RTSP_PORT),
    "udp": ("udp", "rtsp", RTSP_PORT),
    "multicast": ("multicast", "rtsp", RTSP_PORT),
    "tunnel on the RTSP port": ("http", "rtsph", RTSP_PORT),
    "tunnel on the web port": ("http", "rtsph", HTTP_PORT),
    "rtsps": ("tcp", "rtsps", RTSPS_PORT),
}
FFPROBE = {
    "tcp": ("tcp", "rtsp", RTSP_PORT),
    "udp": ("udp", "rtsp", RTSP_PORT),
    "multicast": ("udp_multicast", "rtsp", RTSP_PORT),
    "tunnel on the RTSP port": ("http", "rtsp", RTSP_PORT),
    "tunnel on the web port": ("http", "rtsp", HTTP_PORT),
    "rtsps": ("tcp", "rtsps", RTSPS_PORT),
}


@pytest.mark.parametrize("way", GSTREAMER)
@pytest.mark.parametrize("camera", ["film", "ipycam", "pattern"])
def test_gstreamer_plays(gateway: Gateway, camera: str, way: str) -> None:
    transport, scheme, port = GSTREAMER[way]
    tracks = watch(gateway, gateway.stream(camera, port=port, scheme=scheme), transport, 3)
    video = tracks["video"]
    assert video["encoding"] == "H264"
    datagrams = transport in {"udp", "multicast"}
    for track in tracks.values():
        assert track["lost"] <= MAY_BE_LOST * track["packets"] * datagrams
    assert video["keyframe_first"] or way == "multicast", "who joins a group comes in between"
    assert video["frames"] >= 30


@pytest.mark.parametrize("way", FFPROBE)
def test_ffprobe_decodes(gateway: Gateway, way: str) -> None:
    transport, scheme, port = FFPROBE[way]
    video, audio = probe(gateway, gateway.stream("film", port=port, scheme=scheme), transport, 4)
    assert (video["codec_name"], video["profile"]) == ("h264", "Main")
    assert (video["width"], video["height"]) == (1280, 720)
    assert int(video["nb_read_frames"]) >= 75
    assert audio["codec_name"] == "aac"
    # over UDP a busy ffprobe reads no sound while pictures wait, and ends by their time
    assert int(audio["nb_read_frames"]) >= (40 if transport.startswith("udp") else 100)


def test_a_stream_with_reordered_pictures_plays(gateway: Gateway) -> None:
    [video] = probe(gateway, gateway.stream("film", "sub"), "tcp", 3)
    assert (video["codec_name"], video["profile"], video["width"], video["height"]) == ("h264", "High", 640, 272)
    assert video["has_b_frames"] == 2
    assert int(video["nb_read_frames"]) >= 60


@pytest.mark.timeout(120)
def test_every_frame_arrives_for_a_minute(gateway: Gateway, film_camera: FilmCamera) -> None:
    video = watch(gateway, gateway.stream("film"), "tcp", SOAK_SECONDS)["video"]
    sent = film_camera.sent("main")["frames"]
    assert video["lost"] == 0
    assert video["frames"] >= 25 * SOAK_SECONDS - 25
    first, last = sent.index(video["first_rtp"]), sent.index(video["last_rtp"])
    assert video["frames"] == last - first + 1
    assert all((after - before) % (1 << 32) == 3600 for before, after in pairwise(sent[first : last + 1]))


def test_a_wrong_password_gets_no_picture(gateway: Gateway) -> None:
    url = f"rtsp://{USER}:not-{PASSWORD}@{HOUSE}:{RTSP_PORT}/live/film/main"
    done = gateway.place.run("ffprobe", "-v", "error", "-rtsp_transport", "tcp", url)
    assert done.returncode != 0
    assert "401" in done.stderr


def test_an_unknown_path_is_not_found(gateway: Gateway) -> None:
    done = gateway.place.run("ffprobe", "-v", "error", "-rtsp_transport", "tcp", gateway.stream("cellar"))
    assert done.returncode != 0
    assert "404" in done.stderr


def test_the_web_port_speaks_https(gateway: Gateway) -> None:
    done = gateway.place.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", f"https://{HOUSE}:{HTTPS_PORT}/")
    assert done.stdout in {"200", "401"}
