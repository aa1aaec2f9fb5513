"""Recording while the gateway is killed again and again, in short; `make soak` takes its time."""

import json
import subprocess
import sys

import pytest
from e2e.conftest import ROOT

pytestmark = pytest.mark.peer
SECONDS, KILLS, CAMERAS = 40, 3, 4


@pytest.mark.timeout(120)
def test_nothing_is_lost_when_the_gateway_is_killed() -> None:
    options = (f"--seconds={SECONDS}", f"--kills={KILLS}", f"--cameras={CAMERAS}")
    done = subprocess.run((sys.executable, ROOT / "tests" / "soak", *options), check=False, capture_output=True)
    report = json.loads(done.stdout or b"null")
    assert done.returncode == 0, report or done.stderr.decode()
    assert (report["kills"], report["problems"]) == (KILLS, [])
    assert report["frames"] > 10 * CAMERAS * SECONDS // 3


@pytest.mark.timeout(120)
def test_nothing_is_lost_by_eight_replays_beside_sixteen_recordings() -> None:
    options = ("--seconds=12", "--kills=0", "--cameras=16", "--replays=8")
    done = subprocess.run((sys.executable, ROOT / "tests" / "soak", *options), check=False, capture_output=True)
    report = json.loads(done.stdout or b"null")
    assert done.returncode == 0, report or done.stderr.decode()
    assert report["frames"] > 16 * 10 * 3
    assert report["replays"] >= 8
    assert report["replayed_frames"] > 10 * report["replays"]
