"""A gateway fills the gap that a cut cable left in its archive, from the recordings of its camera: another gateway."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e.conftest import GATEWAY
from e2e.network import HOUSE, LAN, Network, Place

from gateway.protocols.mp4.reader import read_fragment
from gateway.protocols.mp4.scan import Scanner

pytestmark = pytest.mark.peer
PASSWORD = "e2e-Pass.1"
ENVIRONMENT = {**os.environ, "GATEWAY_ADMIN_PASSWORD": PASSWORD}
CUT_SECONDS = float(os.environ.get("GATEWAY_CUT_SECONDS", "12"))
COMMON = """
[discovery]
enabled = false
[multicast]
enabled = false
[[storage]]
id = "disk"
[storage.settings]
path = "data/disk"
"""
NEAR = f"""
[http]
listen = "{LAN}:8183"
[rtsp]
listen = "{LAN}:8557"
[[camera]]
id = "dome"
driver = "testpattern"
[camera.settings]
width = 320
height = 180
sub_width = 240
sub_height = 160
frame_rate = 10.0
"""
FAR = f"""
[http]
listen = "{HOUSE}:8184"
[rtsp]
listen = "{HOUSE}:8558"
[[camera]]
id = "gate"
driver = "onvif"
[camera.settings]
address = "{LAN}:8183"
username = "admin"
password = {{ env = "GATEWAY_ADMIN_PASSWORD" }}
"""


@contextmanager
def placed(place: Place, folder: Path, configuration: str) -> Iterator[None]:
    folder.mkdir()
    (folder / "gateway.toml").write_text(configuration + COMMON)
    command = place(GATEWAY, "run", folder / "gateway.toml", "--data", folder / "data", "--json")
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=ENVIRONMENT) as process,
    ):
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["cameras"]
        try:
            yield
        finally:
            process.terminate()


def runs(place: Place, folder: Path) -> list[list[int]]:
    """Return the gap-free stretches of a gateway's only recording, by its command."""
    options = ("--config", folder / "gateway.toml", "--data", folder / "data")
    command = (GATEWAY, "recordings", "list", "--json", *options)
    done = place.run(*command, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found[0]["runs"] if found else []


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def pictures(folder: Path) -> list[bytes]:
    """Return every picture in the files, in order of time."""
    found: list[tuple[int, bytes]] = []
    for file in sorted((folder / "data" / "disk").rglob("*.mp4")):
        data = file.read_bytes()
        scanner = Scanner(lambda offset, size, data=data: data[offset : offset + size])  # type: ignore[misc]
        for each in scanner.fragments():
            samples = read_fragment(data[each.offset : each.offset + each.size], scanner.header)
            found += [(one.utc_ns, b"".join(one.payload)) for one in samples if one.track == 0]
    return [picture for _, picture in sorted(found)]


def fetched(folder: Path) -> bool:
    return "were fetched from camera gate" in (folder / "log").read_text()


@pytest.mark.timeout(240)
def test_the_gap_of_a_cut_cable_is_filled_to_the_frame(network: Network, tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    with placed(network.lan, near, NEAR), placed(network.house, far, FAR):
        until(lambda: runs(network.house, far), "the far gateway records")
        network.lan.ip("link set lan0 down")
        until(lambda: "camera gate is offline" in (far / "log").read_text(), "the far gateway notices")
        time.sleep(CUT_SECONDS)  # the length of the cut is what is tested
        network.lan.ip("link set lan0 up")
        until(lambda: fetched(far), "the gap is filled")
        assert len(runs(network.house, far)) == 1, runs(network.house, far)
    kept, there = pictures(far), pictures(near)
    begin = there.index(kept[0])
    assert kept == there[begin : begin + len(kept)]
    fsck = (GATEWAY, "fsck", "--depth", "3", "--config", far / "gateway.toml", "--data", far / "data")
    done = network.house.run(*fsck, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
