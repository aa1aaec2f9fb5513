"""The command of the installed program, and what it does when a camera comes back."""

import json
import os
import time
from pathlib import Path

import pytest
from e2e.conftest import (
    GATEWAY,
    HTTP_PORT,
    PASSWORD,
    PEERS,
    RTSP_PORT,
    SYSTEM_PYTHON,
    USER,
    Gateway,
    start_film_camera,
)
from e2e.network import HOUSE, Network

pytestmark = pytest.mark.peer
RETURN_SECONDS = 6.0
"""A camera that comes back is asked within two seconds; on a busy machine its first picture takes longer."""


def test_it_tells_its_version(network: Network) -> None:
    done = network.house.run(GATEWAY, "--version")
    assert done.stdout.startswith("gateway 0.")


def test_its_plugins_are_enabled(network: Network) -> None:
    done = network.house.run(GATEWAY, "plugins", "--json")
    states = {plugin["name"]: plugin["state"] for plugin in json.loads(done.stdout)}
    assert done.returncode == 0
    assert states.pop("rtsp") == states.pop("testpattern") == "enabled"
    assert set(states.values()) <= {"enabled"}


def test_it_checks_a_configuration(gateway: Gateway, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILM_PASSWORD", "any")
    done = network.house.run(GATEWAY, "check", gateway.folder / "gateway.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no errors; cameras: film, ipycam, returning, pattern" in done.stdout


def test_it_names_what_is_wrong(network: Network, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[htpp]\nlisten = "0.0.0.0:80"\n')
    done = network.house.run(GATEWAY, "check", wrong)
    assert done.returncode == 1
    assert "htpp" in done.stderr
    assert "did you mean 'http'" in done.stderr


def test_it_finds_an_onvif_device_on_the_network(gateway: Gateway) -> None:
    done = gateway.place.run(GATEWAY, "probe", "--seconds", 2, "--json")
    found = [camera for camera in json.loads(done.stdout) if HOUSE in str(camera["xaddrs"])]
    assert [camera["name"] for camera in found] == ["House"]
    assert f"http://{HOUSE}:{HTTP_PORT}/onvif/device_service" in found[0]["xaddrs"]


def test_the_report_names_every_stream(gateway: Gateway) -> None:
    report = gateway.report
    assert "credentials" not in report
    assert report["console"] == f"http://{HOUSE}:{HTTP_PORT}/"
    assert [camera["id"] for camera in report["cameras"]] == ["film", "ipycam", "returning", "pattern"]
    assert report["cameras"][0]["name"] == "Film camera"
    assert report["cameras"][0]["main"] == f"rtsp://{HOUSE}:{RTSP_PORT}/live/film/main"


@pytest.mark.usefixtures("gateway")
def test_the_console_shows_the_cameras(network: Network) -> None:
    address = f"http://{HOUSE}:{HTTP_PORT}/"
    page = network.lan.run("curl", "-s", "--digest", "-u", f"{USER}:{PASSWORD}", address)
    assert "Film camera" in page.stdout
    assert network.lan.run("curl", "-s", "-o", os.devnull, "-w", "%{http_code}", address).stdout == "401"


def test_a_new_user_can_play_without_a_restart(gateway: Gateway, network: Network) -> None:
    data = gateway.folder / "data"
    command = f"echo Night-shift.9 | {GATEWAY} users --data {data} add viewer"
    done = network.house.run("sh", "-c", command)
    assert done.returncode == 0, done.stderr
    assert "viewer" in network.house.run(GATEWAY, "users", "--data", data, "list").stdout
    url = f"rtsp://viewer:Night-shift.9@{HOUSE}:{RTSP_PORT}/live/film/sub"
    wait_until_it_plays(gateway, url)


def wait_until_it_plays(gateway: Gateway, url: str) -> None:
    deadline = time.monotonic() + 30
    while (ran := gateway.place.run("ffprobe", "-v", "error", "-rtsp_transport", "tcp", url)).returncode != 0:
        assert time.monotonic() < deadline, f"{url} does not play within 30 s: {ran.stderr}"


def test_a_camera_that_comes_back_is_relayed_soon(gateway: Gateway, network: Network) -> None:
    viewer = (SYSTEM_PYTHON, PEERS / "gst_viewer.py", gateway.stream("returning"), "--seconds", 1)
    first = start_film_camera(network, 7555)
    wait_until_it_plays(gateway, gateway.stream("returning"))
    first.process.terminate()
    first.process.wait(timeout=10)
    process = gateway.place.start(*viewer)
    second = start_film_camera(network, 7555)
    back = time.time()
    output, errors = process.communicate(timeout=30)
    second.process.terminate()
    second.process.wait(timeout=10)
    assert process.returncode == 0, errors
    assert json.loads(output)["video"]["since"] - back < RETURN_SECONDS
    shown = json.loads(gateway.command("camera", "show", "returning", "--json").stdout)
    assert shown["losses"]["24h"] >= 1
    assert any(":7555" in each["error"] for each in shown["errors"])
