"""Events of ONVIF cameras that send them: base notification, where there are no pull points."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, web
from peers.scripted_onvif import NOW, PASSWORD, USER, FaultError, ScriptedOnvif, notification

from gateway.domain.access import Secret
from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.driver import DriverContext
from gateway.servers.http_callbacks import HttpCallbacks
from gateway.testing.clock import FakeClock
from gateway_onvif.driver import OnvifDriver, OnvifSettings

UNKNOWN = FaultError("Receiver", "ter:ActionNotSupported", status=500)
MOTION = notification(
    "tns1:VideoSource/MotionAlarm",
    '<tt:SimpleItem Name="Source" Value="source"/>',
    '<tt:SimpleItem Name="State" Value="true"/>',
)


@contextlib.asynccontextmanager
async def web_server(callbacks: HttpCallbacks) -> AsyncIterator[None]:
    application = web.Application()
    application.add_routes(callbacks.routes())
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    callbacks.reached_at = lambda host: f"http://{host}:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        await runner.cleanup()


class WatchedClock(FakeClock):
    """Tells when somebody sleeps."""

    def __init__(self) -> None:
        super().__init__(int(NOW.timestamp()) * 1_000_000_000)
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await super().sleep(seconds)


@dataclass
class Listening:
    camera: ScriptedOnvif
    task: "asyncio.Task[None]"
    clock: WatchedClock
    told: "asyncio.Queue[DeviceEvent]" = field(default_factory=asyncio.Queue)

    async def asleep(self) -> None:
        """Wait until the driver waits for the time of the next renewal."""
        async with asyncio.timeout(30):
            await self.clock.asleep.wait()
        self.clock.asleep.clear()


@contextlib.asynccontextmanager
async def listening(camera: ScriptedOnvif, **settings: Any) -> AsyncIterator[Listening]:
    callbacks, clock = HttpCallbacks(), WatchedClock()
    async with camera, web_server(callbacks):
        login = {"username": USER, "password": Secret(PASSWORD)}
        driver = OnvifDriver(
            OnvifSettings(camera.address, **login | settings), DriverContext("camera", "Camera", clock, callbacks)
        )
        told = asyncio.Queue[DeviceEvent]()
        task = asyncio.create_task(driver.events(told.put_nowait))
        try:
            yield Listening(camera, task, clock, told)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("operation", ["CreatePullPointSubscription", "PullMessages"])
async def test_a_camera_without_pull_points_sends_its_events(operation: str) -> None:
    camera = ScriptedOnvif(faults={operation: UNKNOWN}, authority="192.168.7.7")
    async with listening(camera) as scene:
        await scene.asleep()
        assert await camera.notify(MOTION) == 202
        event = scene.told.get_nowait()
        assert (event.kind, event.on) == (DeviceEventKind.MOTION, True)
        for renewals in (1, 2):
            await scene.clock.advance(30)  # half of what the camera gives
            await scene.asleep()
            assert camera.asked.count("Renew") == renewals
        assert camera.asked.count("Subscribe") == 1
    assert camera.asked[-1] == "Unsubscribe"
    assert camera.refused == 0


async def test_notifications_may_be_chosen_over_a_pull_point() -> None:
    camera = ScriptedOnvif()
    async with listening(camera, events="notify") as scene:
        await scene.asleep()
        assert "CreatePullPointSubscription" not in camera.asked
        assert camera.asked.count("Subscribe") == 1


async def test_what_is_no_notification_is_let_pass_and_addresses_end_with_their_subscription() -> None:
    camera = ScriptedOnvif(faults={"CreatePullPointSubscription": UNKNOWN})
    async with listening(camera) as scene:
        await scene.asleep()
        url = camera.consumers[0]
        async with ClientSession() as session:
            for body in (b"", b"<a/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"\x00" * 5000):
                async with session.post(url, data=body) as answer:
                    assert answer.status == 202
            for guess in (url[:-1], url.rpartition("/")[0] + "/"):
                async with session.post(guess, data=b"<a/>") as answer:
                    assert answer.status in (404, 405)
            assert await camera.notify("<wsnt:NotificationMessage/>" + MOTION) == 202
            assert scene.told.qsize() == 1
            scene.task.cancel()
            await asyncio.gather(scene.task, return_exceptions=True)
            assert await camera.notify(MOTION) == 404
            assert scene.told.qsize() == 1


async def test_a_camera_that_has_forgotten_us_is_a_loss() -> None:
    camera = ScriptedOnvif(faults={"CreatePullPointSubscription": UNKNOWN})
    async with listening(camera) as scene:
        await scene.asleep()
        camera.faults["Renew"] = FaultError("Sender", "wsrf-rw:ResourceUnknownFault", reason="Who?")
        await scene.clock.advance(30)
        with pytest.raises(GatewayError, match=r"gives no events: Who\? \(Sender/ResourceUnknownFault\)") as caught:
            async with asyncio.timeout(30):
                await scene.task
        assert caught.value.kind is ErrorKind.UNAVAILABLE


async def test_where_the_gateway_does_not_listen_there_are_no_notifications() -> None:
    callbacks = HttpCallbacks()
    with pytest.raises(GatewayError, match=r"does not listen on 127\.0\.0\.1, where 127\.0\.0\.1 is"):
        async with callbacks.open("127.0.0.1", lambda _: None):
            pass
