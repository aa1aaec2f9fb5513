"""A gateway takes in another as its camera: found and added by command while it runs, played, heard and controlled."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import waiting
from e2e.conftest import GATEWAY, PEERS
from e2e.network import HOUSE, LAN, Network, Place
from e2e.test_controls import Hand, namespaces, until
from e2e.test_vms_clients import client

from gateway.domain.access import Secret
from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.protocols.rtp.packet import RtpPacket, serialize
from gateway.testing.drivers import RecordingSink, driver_context
from gateway_onvif.driver import OnvifDriver, OnvifSettings
from gateway_testpattern import tone

pytestmark = pytest.mark.peer
PASSWORD = "e2e-Pass.1"
ENVIRONMENT = {**os.environ, "GATEWAY_ADMIN_PASSWORD": PASSWORD}
QUIET = "[discovery]\nenabled = false\n[multicast]\nenabled = false\n"
NEAR = """
[http]
listen = "0.0.0.0:8181"
[rtsp]
listen = "0.0.0.0:8555"
[multicast]
enabled = false
[[camera]]
id = "dome"
driver = "testpattern"
[camera.settings]
width = 640
height = 360
sub_width = 320
sub_height = 180
frame_rate = 5.0
audio = false
"""
FAR = f"""
[http]
listen = "{HOUSE}:8182"
[rtsp]
listen = "{HOUSE}:8556"
[multicast]
enabled = false
"""
LISTEN = """
import asyncio, json, sys
from gateway.domain.access import Secret
from gateway.protocols.rtp.packet import RtpPacket, serialize
from gateway.testing.drivers import RecordingSink, driver_context
from gateway_onvif.driver import OnvifDriver, OnvifSettings

address, password = sys.argv[1:]
driver = OnvifDriver(OnvifSettings(address, username="admin", password=Secret(password)), driver_context())
asyncio.run(driver.events(lambda event: print(json.dumps([event.kind, event.on, event.name]), flush=True)))
"""
HEARING = """
[[camera]]
id = "dome"
driver = "testpattern"
[camera.settings]
width = 640
height = 360
sub_width = 320
sub_height = 180
"""
CROSSING = '[motion]\nenabled = true\nengine = "difference"\n[[camera]]\nid = "road"\ndriver = "crossing"\n'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A running gateway."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path, place: Place | None = None) -> None:
        self._process, self.folder, self._place = process, folder, place

    def report(self) -> dict[str, Any]:
        """Return what it prints at its next start."""
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def camera(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [GATEWAY, "camera", *arguments, "--data", self.folder / "data"]
        command = command if self._place is None else self._place(*command)
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, input=f"{PASSWORD}\n")


@contextmanager
def placed(place: Place, folder: Path, configuration: str) -> Iterator[Program]:
    """Run a gateway in a place."""
    folder.mkdir()
    (folder / "gateway.toml").write_text(configuration)
    command = place(GATEWAY, "run", folder / "gateway.toml", "--data", folder / "data", "--json")
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=ENVIRONMENT) as process,
    ):
        try:
            yield Program(process, folder, place)
        finally:
            process.terminate()


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


def ffprobe(place: Place, url: str) -> dict[str, Any]:
    address = url.replace("rtsp://", f"rtsp://admin:{PASSWORD}@")
    command = [
        "ffprobe",
        "-v",
        "error",
        "-rtsp_transport",
        "tcp",
        "-analyzeduration",
        "1",
        "-show_streams",
        "-of",
        "json",
    ]
    done = place.run(*command, address, timeout=60)
    assert done.returncode == 0, done.stderr
    [stream] = json.loads(done.stdout)["streams"]
    found: dict[str, Any] = stream
    return found


@pytest.mark.timeout(180)  # eight programs start one after the other
def test_a_gateway_is_the_camera_of_another_in_another_network(network: Network, tmp_path: Path) -> None:
    """Found by multicast, added by command, played, listened to and controlled through both."""
    with placed(network.lan, tmp_path / "near", NEAR), placed(network.house, tmp_path / "far", FAR) as far:
        assert far.report()["cameras"] == []
        offered = far.camera("add", "gate")
        assert (offered.returncode, f"http://{LAN}:8181/onvif/device_service" in offered.stdout) == (1, True), offered
        added = far.camera("add", "gate", f"{LAN}:8181", "--user", "admin", "--set", "events=notify", "--now")
        assert added.returncode == 0, added.stdout + added.stderr
        assert "described      yes  ONVIF VMS Gateway Gateway" in added.stdout
        assert "first picture  yes  H264 640x360, 5 frames per second" in added.stdout
        [camera] = far.report()["cameras"]  # it started anew
        stream = ffprobe(network.lan, camera["sub"])
        assert (stream["codec_name"], stream["width"], stream["height"]) == ("h264", 320, 180)
        shown = far.camera("show", "gate", "--live")
        assert "state online" in shown.stdout, shown.stdout + shown.stderr
        assert "login                HTTP Digest" in shown.stdout
        assert "endpoint             urn:uuid:" in shown.stdout  # by which it would be found again
        assert PASSWORD not in shown.stdout
        with hand(network.lan) as vms:
            control(vms, network)


def control(vms: Hand, network: Network) -> None:
    """Move the head, set the picture and switch the relay of the camera behind both gateways."""
    until(lambda: "http://www.onvif.org/ver20/ptz/wsdl" in namespaces(vms), "PTZ is announced")
    profile, source = {"ProfileToken": "gate_main"}, {"VideoSourceToken": "VideoSource_gate"}
    position = {"PanTilt": {"x": 0.5, "y": -0.25}, "Zoom": {"x": 0.5}}
    vms("ptz", "AbsoluteMove", **profile, Position=position)
    until(lambda: vms("ptz", "GetStatus", **profile)["Position"]["PanTilt"]["x"] == 0.5, "the head has moved")
    darker = {"Brightness": vms("imaging", "GetOptions", **source)["Brightness"]["Min"]}
    vms("imaging", "SetImagingSettings", **source, ImagingSettings=darker, ForcePersistence=False)
    assert vms("imaging", "GetImagingSettings", **source)["Brightness"] == darker["Brightness"]
    asked = {"ConfigurationToken": "VideoEncoder_gate_main"}
    [configuration] = vms("media2", "GetVideoEncoderConfigurations", **asked)
    assert configuration["Resolution"]["Width"] == 640
    configuration["Resolution"] = {"Width": 320, "Height": 180}
    vms("media2", "SetVideoEncoderConfiguration", Configuration=configuration)
    [configuration] = vms("media2", "GetVideoEncoderConfigurations", **asked)
    assert configuration["Resolution"]["Width"] == 320
    [relay] = vms("device", "GetRelayOutputs")
    [contact] = vms("deviceio", "GetDigitalInputs")
    with subprocess.Popen(
        network.house(sys.executable, "-c", LISTEN, f"{HOUSE}:8182", PASSWORD), stdout=subprocess.PIPE, text=True
    ) as listening:
        heard: list[Any] = []
        assert listening.stdout is not None
        while ["digital-input", False, contact["token"]] not in heard:  # the present state comes first
            heard.append(json.loads(listening.stdout.readline()))
        vms("device", "SetRelayOutputState", RelayOutputToken=relay["token"], LogicalState="active")
        wanted = [["relay", True, relay["token"]], ["digital-input", True, contact["token"]]]
        while not all(each in heard for each in wanted):
            heard.append(json.loads(listening.stdout.readline()))
        listening.terminate()


@contextmanager
def hand(place: Place) -> Iterator[Hand]:
    """Start onvif-python in a place, at the gateway of the house."""
    program = (client("onvif_python"), PEERS / "onvif_python_hand.py", HOUSE, 8182, "admin", PASSWORD)
    pipe = subprocess.PIPE
    with subprocess.Popen(place(*program), text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield Hand(process)
        finally:
            process.communicate(timeout=20)


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


async def test_what_is_said_to_a_gateway_is_heard_by_its_camera(tmp_path: Path) -> None:
    with running(tmp_path / "near", HEARING) as near:
        settings = OnvifSettings(near.report()["onvif"], username="admin", password=Secret(PASSWORD))
        driver, sink = OnvifDriver(settings, driver_context()), RecordingSink()
        async with asyncio.timeout(60):
            while (loudspeaker := (await driver.controls()).backchannel) is None:  # noqa: ASYNC110 - it asks its camera first
                await asyncio.sleep(0.2)
        assert [track.encoding for track in loudspeaker.tracks] == ["PCMU", "PCMA"]
        jobs = [
            asyncio.create_task(driver.stream("main", sink)),
            asyncio.create_task(loudspeaker.talk(loudspeaker.tracks[0], shouting())),
        ]
        await waiting.until(lambda: any(unit.track == 1 and is_shout(unit.payload()[0]) for unit in sink.units))
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        assert "'admin' at 127.0.0.1 talks to camera 'dome' in PCMU" in (near.folder / "log").read_text()


async def shouting() -> AsyncIterator[bytes]:
    """Say the loudest that there is, to and fro, in packets of 40 ms."""
    for number in count():
        yield serialize(RtpPacket(0, number % 65_536, number * 320, 1, marker=False, payload=b"\x00\x80" * 160))
        await asyncio.sleep(0.04)


def is_shout(sound: memoryview) -> bool:
    """Tell whether most of a packet is louder than the camera's own beep ever is."""
    levels = abs(tone.ULAW_LEVELS[np.frombuffer(sound, np.uint8)].astype(int))
    return int((levels > 16_000).sum()) > len(levels) // 2


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
