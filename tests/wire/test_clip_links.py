"""A link to footage from end to end: an input of a camera, a webhook that is told, and the movie that it fetches."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import pytest
from aiohttp import ClientSession, web
from made_kit import kept

import gateway_testpattern.driver as testpattern
from gateway import app, serving
from gateway.config import Config, from_table
from gateway.listeners import Listeners
from gateway.servers.control import ask
from gateway_testpattern.camera import SimulatedCamera

WAIT_SECONDS = 30.0
EXTERNAL = "http://nvr.example"
SMALL = {"width": 320, "height": 180, "sub_width": 320, "sub_height": 180, "frame_rate": 10.0, "audio": False}


def configuration(folder: Path, hook: str) -> Config:
    table = {
        "gateway": {"data": str(folder)},
        "http": {"listen": "127.0.0.1:0", "external": EXTERNAL},
        "rtsp": {"listen": "127.0.0.1:0"},
        "discovery": {"enabled": False},
        "multicast": {"enabled": False},
        "camera": [{"id": "yard", "driver": "testpattern", "settings": SMALL}],
        "storage": [{"id": "disk", "settings": {"path": str(folder / "disk")}}],
        "sink": [
            {
                "id": "office",
                "kind": "webhook",
                "clip_hours": 1.0,
                "topics": ["tns1:Device/Trigger/DigitalInput"],
                "settings": {"url": hook},
            }
        ],
    }
    return from_table(table, folder)


@asynccontextmanager
async def webhook(told: "asyncio.Queue[dict[str, Any]]") -> AsyncIterator[str]:
    async def take(request: web.Request) -> web.Response:
        told.put_nowait(await request.json())
        return web.Response()

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await runner.cleanup()


async def recorded(folder: Path) -> None:
    """Wait until something is recorded."""
    async with asyncio.timeout(WAIT_SECONDS):
        while "Recording_yard" not in {each["recording"] for each in await ask(folder, "recordings", {})}:  # noqa: ASYNC110 - asked over a socket
            await asyncio.sleep(0.1)


async def fetched(link: str, port: int) -> tuple[int, str, bytes]:
    """Return status, file name and content of what a link leads to, behind the gateway's external address."""
    address = f"http://127.0.0.1:{port}{link.removeprefix(EXTERNAL)}"
    async with ClientSession() as session, session.get(address) as answer:
        disposition = answer.headers.get("Content-Disposition", "")
        return answer.status, disposition, await answer.read()


async def footage(link: str, port: int) -> tuple[str, int]:
    """Wait until the link leads to footage; return when that begins, by its name, and how many pictures it has."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            status, name, content = await fetched(link, port)
            if status == 200:
                break
            assert (status, content) == (404, content), content
            await asyncio.sleep(0.1)
    with av.open(io.BytesIO(content)) as movie:
        [begins] = re.findall(r"Recording_yard_(\S+?)Z", name)
        return begins, sum(1 for _ in movie.decode(video=0))


async def test_an_alarm_leads_to_its_footage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cameras, listeners = kept(monkeypatch, testpattern, SimulatedCamera), kept(monkeypatch, serving, Listeners)
    told = asyncio.Queue[dict[str, Any]]()
    (tmp_path / "disk").mkdir()
    async with webhook(told) as hook:
        config = configuration(tmp_path, hook)
        async with app.Gateway(config, {}):
            port = listeners[-1].http.port
            await ask(tmp_path, "format", {"id": "disk"})
            await recorded(tmp_path)
            await cameras[-1].contacts.set_state("1", active=True)
            async with asyncio.timeout(WAIT_SECONDS):
                while (document := await told.get())["data"]["LogicalState"] != "true":
                    pass
            link, happened = document["clip"], datetime.fromisoformat(document["time"])
            assert link.startswith(f"{EXTERNAL}/clip/yard?")
            begins, pictures = await footage(link, port)
            assert pictures > 0
            footage_from = datetime.strptime(begins, "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC)
            assert abs(footage_from - happened) < timedelta(seconds=WAIT_SECONDS)
            status, _, reason = await fetched(link.replace("/clip/yard?", "/clip/door?"), port)
            assert (status, reason) == (403, b"this link was not made here, or has been changed\n")
        async with app.Gateway(config, {}):
            again, more = await footage(link, listeners[-1].http.port)
            assert again == begins
            assert more >= pictures
