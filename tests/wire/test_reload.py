"""A running gateway reads its configuration again: what changed is followed, the rest goes on, errors do nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.app import Gateway
from gateway.config import Config, from_table

WAIT_SECONDS = 30.0
MOTION = {"enabled": True, "hold": 1.0}
SMALL = {"width": 320, "height": 240, "sub_width": 160, "sub_height": 160, "audio": False}


class Receivers:
    """Webhooks: what each was told, by its path."""

    def __init__(self) -> None:
        self.told: dict[str, list[str]] = {}
        self.base = ""
        self.news = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        document: dict[str, Any] = await request.json()
        async with self.news:
            self.told.setdefault(request.match_info["name"], []).append(document["topic"])
            self.news.notify_all()
        return web.Response()

    async def until(self, name: str, topic: str) -> None:
        async with asyncio.timeout(WAIT_SECONDS), self.news:
            await self.news.wait_for(lambda: topic in self.told.get(name, ()))


@pytest.fixture
async def receivers() -> AsyncIterator[Receivers]:
    receivers, application = Receivers(), web.Application()
    application.router.add_post("/{name}", receivers.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receivers.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receivers
    await runner.cleanup()


def configuration(folder: Path, **sections: Any) -> Config:
    table = {
        "gateway": {"data": str(folder)},
        "http": {"listen": "127.0.0.1:0"},
        "rtsp": {"listen": "127.0.0.1:0"},
        "discovery": {"enabled": False},
        "multicast": {"enabled": False},
        "camera": [{"id": "yard", "driver": "testpattern", "settings": SMALL}],
        **sections,
    }
    return from_table(table, folder)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not true():  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)


async def test_motion_and_sinks_come_and_go(
    tmp_path: Path, receivers: Receivers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def sink(name: str, kind: str = "webhook") -> dict[str, Any]:
        return {"id": name, "kind": kind, "settings": {"url": f"{receivers.base}/{name}"}}

    def said(words: str) -> Callable[[], bool]:
        return lambda: any(words in record.getMessage() for record in caplog.records)

    first = configuration(tmp_path, sink=[sink("a")])
    async with Gateway(first, {}) as gateway:
        await receivers.until("a", "tns1:VideoSource/SignalLoss")

        def broken() -> Config:
            return configuration(tmp_path, motion=MOTION, sink=[sink("a"), sink("b", "carrier-pigeon")])

        gateway.reload(broken)
        await until(said("sink[1].kind: there is no kind of sink 'carrier-pigeon'"))
        assert gateway.config.sinks == first.sinks
        assert not gateway.config.motion.enabled

        caplog.clear()
        gateway.reload(lambda: configuration(tmp_path, motion=MOTION, sink=[sink("a"), sink("b")]))
        await receivers.until("b", "tns1:VideoSource/MotionAlarm")
        await receivers.until("a", "tns1:VideoSource/MotionAlarm")
        await until(said("the configuration was read again"))
        assert receivers.told["a"].count("tns1:Monitoring/OperatingTime/LastReboot") == 1

        caplog.clear()
        gateway.reload(lambda: first)
        await until(said("the configuration was read again"))
        assert gateway.config.sinks == first.sinks
        assert gateway.configured == first
