"""The bench's own tools must be right before anything is measured with them: the swarm watches the farm directly."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def farm() -> Iterator[tuple[int, list[str]]]:
    command = [sys.executable, str(HERE / "farm.py"), "--cameras", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().split()[1]
        yield process.pid, ["--url", f"rtsp://127.0.0.1:{port}/cam0", "--url", f"rtsp://127.0.0.1:{port}/cam1"]
        process.terminate()


def figures(script: str, *arguments: str) -> dict:
    done = subprocess.run([sys.executable, str(HERE / script), *arguments], capture_output=True, check=True, timeout=50)
    return json.loads(done.stdout)


def test_the_swarm_sees_what_the_farm_sends(farm: tuple[int, list[str]]) -> None:
    pid, urls = farm
    timing = ("--warm-up", "0.2", "--windows", "2", "--seconds", "1")
    seen = figures("swarm.py", *urls, "--each", "2", "--pid", str(pid), *timing)
    assert (seen["viewers"], seen["alive"]) == (4, 4)
    assert (seen["gaps"], seen["lost"], seen["framing_errors"]) == (0, 0, 0)
    assert 12 < seen["megabits_per_second"] < 20
    assert 0 < seen["p50_us"] <= seen["p99_us"]
    assert seen["cpu_seconds_per_gb"] > 0


@pytest.mark.parametrize("udp", [(), ("--udp",)], ids=["tcp", "udp"])
def test_the_loopback_floor_is_measured(udp: tuple[str, ...]) -> None:
    cost = figures(
        "loopback.py", "--streams", "2", "--each", "2", "--windows", "1", "--seconds", "0.5", "--cpus", "0", "0", *udp
    )
    assert 0.05 < cost["cpu_seconds_per_gb"] < 100
