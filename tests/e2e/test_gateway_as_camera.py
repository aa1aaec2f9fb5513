"""A gateway takes in another as its camera, on the loopback: added by command while it runs, played by ffprobe."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import GATEWAY, PEERS
from e2e.network import LAN, Network

from gateway.domain.access import Secret
from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.testing.drivers import driver_context
from gateway_onvif.driver import OnvifDriver, OnvifSettings

pytestmark = pytest.mark.peer
PASSWORD = "e2e-Pass.1"
ENVIRONMENT = {**os.environ, "GATEWAY_ADMIN_PASSWORD": PASSWORD}
QUIET = "[discovery]\nenabled = false\n[multicast]\nenabled = false\n"
CAMERA = '[[camera]]\nid = "pattern"\nname = "Simulated"\ndriver = "testpattern"\n[camera.settings]\naudio = false\n'
CROSSING = '[motion]\nenabled = true\nengine = "difference"\n[[camera]]\nid = "road"\ndriver = "crossing"\n'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A running gateway."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self.folder = process, folder

    def report(self) -> dict[str, Any]:
        """Return what it prints at its next start."""
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def camera(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [GATEWAY, "camera", *arguments, "--data", self.folder / "data"]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, input=f"{PASSWORD}\n")


@contextmanager
def running(folder: Path, configuration: str) -> Iterator[Program]:
    folder.mkdir()
    (folder / "gateway.toml").write_text(QUIET + configuration)
    installed = folder / "crossing-1.0.dist-info"  # a stranger's camera, and an engine for its picture
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: crossing\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[gateway]\ncrossing = crossing_camera\n")
    environment = ENVIRONMENT | {"PYTHONPATH": os.pathsep.join((str(PEERS), str(folder)))}
    # Ports of its own choice, which stay the same when it starts anew.
    ports = ["--http", f"127.0.0.1:{free_port()}", "--rtsp", f"127.0.0.1:{free_port()}"]
    command = [GATEWAY, "run", folder / "gateway.toml", "--data", folder / "data", "--json", *ports]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        try:
            yield Program(process, folder)
        finally:
            process.terminate()


def ffprobe(url: str) -> dict[str, Any]:
    address = url.replace("rtsp://", f"rtsp://admin:{PASSWORD}@")
    command = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_streams", "-of", "json", address]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    [stream] = json.loads(done.stdout)["streams"]
    found: dict[str, Any] = stream
    return found


def test_a_gateway_is_the_camera_of_another(tmp_path: Path) -> None:
    with running(tmp_path / "near", CAMERA) as near, running(tmp_path / "far", "") as far:
        address = near.report()["onvif"]
        assert far.report()["cameras"] == []
        added = far.camera("add", "gate", address, "--user", "admin", "--now")
        assert added.returncode == 0, added.stdout + added.stderr
        assert [line.split() for line in added.stdout.splitlines()[:1]] == [["reachable", "yes"]]
        assert "described      yes  ONVIF VMS Gateway Gateway" in added.stdout
        assert "first picture  yes  H264 1280x720, 10 frames per second" in added.stdout
        [camera] = far.report()["cameras"]  # it started anew
        for profile, size in (("main", (1280, 720)), ("sub", (640, 360))):
            stream = ffprobe(camera[profile])
            assert (stream["codec_name"], stream["width"], stream["height"]) == ("h264", *size)
        shown = far.camera("show", "gate")
        assert "state online" in shown.stdout, shown.stdout + shown.stderr
        assert "login                HTTP Digest" in shown.stdout
        assert PASSWORD not in shown.stdout


async def test_the_motion_that_a_gateway_sees_is_heard_by_another(tmp_path: Path) -> None:
    with running(tmp_path / "near", CROSSING) as near:
        settings = OnvifSettings(near.report()["onvif"], username="admin", password=Secret(PASSWORD))
        driver = OnvifDriver(settings, driver_context())
        told = asyncio.Queue[DeviceEvent]()
        listening = asyncio.create_task(driver.events(told.put_nowait))
        async with asyncio.timeout(60):
            while (event := await told.get()) and not event.on:
                assert event.kind is DeviceEventKind.MOTION
        assert event.kind is DeviceEventKind.MOTION
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def test_a_software_camera_of_somebody_else_passes_every_step(network: Network, ipycam: None, tmp_path: Path) -> None:
    for port in (9080, 9554):  # it opens them when it pleases
        listens = f"until (: > /dev/tcp/{LAN}/{port}) 2> /dev/null; do sleep 0.2; done"
        assert network.house.run("bash", "-c", listens, timeout=60).returncode == 0
    command = (GATEWAY, "camera", "test", "--address", f"{LAN}:9080", "--data", tmp_path / "data")
    tested = network.house.run(*command, timeout=90)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    lines = tested.stdout.splitlines()
    assert [line.split("yes")[0].strip() for line in lines[:4]] == [
        "reachable", "logged in", "described", "first picture"
    ]  # fmt: skip
    assert "H264 640x272" in lines[3]
    assert any(line.split()[:1] == ["sub"] and f"rtsp://{LAN}:9554/video_sub" in line for line in lines)
