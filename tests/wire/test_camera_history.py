"""A running gateway keeps what becomes of its cameras, and the command shows it, then and later."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.cli import main
from gateway.config import load
from gateway.servers.control import ask

CONFIGURATION = """
[gateway]
data = "{data}"
[http]
listen = "127.0.0.1:0"
[rtsp]
listen = "127.0.0.1:0"
[discovery]
enabled = false
[multicast]
enabled = false
[[storage]]
id = "disk"
[storage.settings]
path = "{data}/archive"
[[recording]]
camera = "yard"
[[camera]]
id = "yard"
driver = "testpattern"
[camera.settings]
width = 320
height = 240
audio = false
[[camera]]
id = "gone"
driver = "rtsp"
[camera.settings]
main = "rtsp://127.0.0.1:9/"
username = "viewer"
password = {{ file = "password" }}
"""


async def states(data: Path) -> list[str]:
    return [camera["state"] for camera in await ask(data, "cameras", {})]


async def test_what_becomes_of_cameras_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, data = tmp_path / "gateway.toml", tmp_path / "data"
    path.write_text(CONFIGURATION.format(data=data))
    (tmp_path / "password").write_text("s3cret")
    (tmp_path / "password").chmod(0o600)

    async def show(camera: str) -> dict[str, Any]:
        assert await asyncio.to_thread(main, ["camera", "show", camera, "--config", str(path), "--json"]) == 0
        shown: dict[str, Any] = json.loads(capsys.readouterr().out)
        return shown

    async with asyncio.timeout(60), Gateway(load(path), {}) as gateway:
        while await states(data) != ["online", "offline"]:  # noqa: ASYNC110 - another process would ask, too
            await asyncio.sleep(0.05)
        yard, gone = await show("yard"), await show("gone")
        past = await gateway._records.past("yard")
    assert (yard["running"]["state"], yard["identity"]["serial"], yard["lost_since"]) == ("online", "yard", None)
    assert "is manufacturer Simulated, model Test pattern, serial yard" in [each["text"] for each in past]
    assert [each["recording"] for each in yard["running"]["recordings"]] == ["Recording_yard"]
    assert (gone["running"]["state"], gone["last_seen"], gone["uptime"]["24h"]) == ("offline", None, 0.0)
    assert gone["errors"][0]["error"].startswith("main: camera 127.0.0.1:9 can't be reached: ")
    assert [each["text"].partition(":")[0] for each in gone["history"]] == ["lost, and still away", "login set"]
    assert gone["settings"]["password"] == "(set)"

    (tmp_path / "password").write_text("an0ther")
    async with asyncio.timeout(60), Gateway(load(path), {}):
        pass
    later, still = await show("yard"), await show("gone")
    assert (later["running"], later["identity"]["serial"], later["streams"]["main"]["width"]) == (None, "yard", 320)
    assert later["uptime"]["24h"] == 100.0
    assert "login changed" in [each["text"] for each in still["history"]]
