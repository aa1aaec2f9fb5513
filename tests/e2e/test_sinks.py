"""The installed program tells a web service that a camera went away and came back, over the death of both of them."""

import base64
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import ENVIRONMENT, GATEWAY, PEERS, read_json_line, start_film_camera
from e2e.network import HOUSE, LAN, Network

pytestmark = pytest.mark.peer
SECRET = "whsec_" + base64.b64encode(b"known to both of them only").decode()
CAMERA_PORT, HOOK_PORT = 7561, 7562
SIGNAL_LOSS, LAST_REBOOT = "tns1:VideoSource/SignalLoss", "tns1:Monitoring/OperatingTime/LastReboot"
CONFIGURATION = f"""
[http]
listen = "{HOUSE}:8090"

[rtsp]
listen = "{HOUSE}:8564"

[discovery]
enabled = false

[motion]
enabled = false

[[camera]]
id = "door"
name = "Front door"
driver = "rtsp"
[camera.settings]
main = "rtsp://{LAN}:{CAMERA_PORT}/main"
username = "film"
password = {{ env = "FILM_PASSWORD" }}

[[sink]]
id = "office"
kind = "webhook"
topics = ["tns1:VideoSource//.", "tns1:Monitoring//."]
[sink.settings]
url = "http://{LAN}:{HOOK_PORT}/hook"
secret = {{ env = "HOOK_SECRET" }}
"""


@contextmanager
def gateway(network: Network, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run the program until it is killed."""
    program = network.house(GATEWAY, "run", folder / "gateway.toml", "--json", "--data", folder / "data")
    environment = {**ENVIRONMENT, "HOOK_SECRET": SECRET}
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        read_json_line(process)
        yield process
    finally:
        kill(process)


@contextmanager
def service(network: Network) -> Iterator["subprocess.Popen[str]"]:
    """Run a web service until it is killed."""
    process = network.lan.start(sys.executable, PEERS / "hook_receiver.py", LAN, HOOK_PORT, SECRET)
    try:
        read_json_line(process)
        yield process
    finally:
        kill(process)


class Log:
    """What a service was told, each event once; pytest's time limit is the deadline of every wait."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        """By the events' ids: a repeat is no news."""

    def read(self, service: "subprocess.Popen[str]", *, losses: int) -> None:
        """Read documents until so many told of the camera's signal."""
        while len(self.losses) < losses:
            document = read_json_line(service)
            self.documents.setdefault(document["id"], document)

    @property
    def losses(self) -> list[tuple[str, str, str]]:
        """Camera, operation and state of each document about a camera's signal."""
        found = [each for each in self.documents.values() if each["topic"] == SIGNAL_LOSS]
        return [(each["camera"]["id"], each["operation"], each["data"]["State"]) for each in found]


def is_waiting(folder: Path, state: str) -> bool:
    """Tell whether the camera's signal waits in the queue with some state."""
    with sqlite3.connect(f"file:{folder / 'data' / 'gateway.db'}?mode=ro", uri=True) as database:
        records = [json.loads(row[0]) for row in database.execute("SELECT record FROM outbox")]
    return any(record["topic"] == SIGNAL_LOSS and record["data"] == [["State", state]] for record in records)


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()


@contextmanager
def camera(network: Network) -> Iterator["subprocess.Popen[str]"]:
    process = start_film_camera(network, CAMERA_PORT).process
    try:
        yield process
    finally:
        kill(process)


def test_a_camera_that_goes_away_and_comes_back_is_told_over_every_death(network: Network, tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(CONFIGURATION)
    log = Log()
    with ExitStack() as rest:
        film = rest.enter_context(camera(network))
        with gateway(network, tmp_path):
            with service(network) as first:
                log.read(first, losses=1)
                kill(film)
                log.read(first, losses=2)
            film = rest.enter_context(camera(network))
            deadline = time.monotonic() + 20
            while not is_waiting(tmp_path, "false"):
                assert time.monotonic() < deadline, "the camera's return was not queued"
                time.sleep(0.05)
        with service(network) as second, gateway(network, tmp_path):
            log.read(second, losses=3)
            kill(film)
            log.read(second, losses=4)
    assert log.losses == [
        ("door", "Initialized", "false"),
        ("door", "Changed", "true"),
        ("door", "Changed", "false"),
        ("door", "Changed", "true"),
    ]
    starts = [each["operation"] for each in log.documents.values() if each["topic"] == LAST_REBOOT]
    assert starts == ["Initialized", "Changed"]
    said = (tmp_path / "log").read_text()
    assert "sink office: events wait: " in said
    assert SECRET not in said
