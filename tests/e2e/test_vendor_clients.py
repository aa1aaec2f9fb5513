"""SOAP services of plug-ins in the installed program, a stranger's too, called by a foreign client."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import ENVIRONMENT, GATEWAY, PASSWORD, PEERS, ROOT, USER, command, read_json_line
from e2e.test_vms_clients import client

pytestmark = pytest.mark.peer
CONFIGURATION = """
[http]
listen = "127.0.0.1:0"
[rtsp]
listen = "127.0.0.1:0"
[discovery]
enabled = false
[multicast]
enabled = false
[[camera]]
id = "door"
driver = "testpattern"
[[storage]]
id = "disk"
settings = { path = "archive" }
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return where a running gateway is reached that has the stranger's plug-in."""
    folder = tmp_path_factory.mktemp("vendor")
    (folder / "gateway.toml").write_text(CONFIGURATION)
    installed = folder / "gateway_notes-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: gateway-notes\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[gateway]\nnotes = gateway_notes\n")
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join((str(ROOT / "examples" / "soap"), str(folder)))}
    assert command(folder, "storage", "format", "disk", "--confirm", "disk").returncode == 0
    program = (GATEWAY, "run", folder / "gateway.toml", "--json", "--data", folder / "data")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        yield read_json_line(process)["console"].rstrip("/")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0, (folder / "log").read_text()
    audited = (folder / "log").read_text()
    assert PASSWORD not in audited


@pytest.mark.parametrize("mode", ["usernametoken", "digest"])
def test_zeep_learns_and_calls_both_services(address: str, mode: str) -> None:
    program = (client("onvif_python"), PEERS / "zeep_vendor.py", address, USER, PASSWORD, mode)
    done = subprocess.run([str(each) for each in program], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["status"]["Cameras"], found["status"]["Storages"], found["status"]["StoragesOk"]) == (1, 1, 1)
    assert [(camera["Id"], camera["Name"]) for camera in found["cameras"]] == [("door", "door")]
    assert [(each["Id"], each["State"]) for each in found["storages"]] == [("disk", "ok")]
    assert [(each["Recording"], each["Reason"], each["CreatedBy"]) for each in found["held"]] == [
        ("Recording_door", "theft", USER)
    ]
    assert found["left"] in (None, [])
    assert found["fault"][0].startswith("there is no hold '")
    assert found["fault"][1] == ["InvalidArgVal"]
    assert found["notes"][-1] == {"Author": USER, "Text": "gate open"}
    assert found["count"] == len(found["notes"])


def test_the_plugins_are_listed(tmp_path: Path) -> None:
    done = subprocess.run([GATEWAY, "plugins", "--json"], capture_output=True, text=True, timeout=30, check=False)
    provides = {plugin["name"]: plugin["provides"] for plugin in json.loads(done.stdout)}
    assert provides["extension"] == ["SOAP service gateway"]
