"""What can be controlled of cameras: asked when they come up, remembered when they go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from soap_kit import MemorySettings

from gateway.domain.camera import Channel, ConnectionState
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.controls import CameraControls
from gateway.services.controls import FIRST_DELAY, Controls
from gateway.testing.clock import FakeClock, settle
from gateway.testing.drivers import driver_context
from gateway_testpattern.driver import TestPatternDriver as Driver
from gateway_testpattern.driver import TestPatternSettings as Settings


class Camera(Driver):
    """A simulated camera that may be told to fail."""

    fails = 0
    asked = 0
    kind = ErrorKind.UNAVAILABLE

    async def controls(self) -> CameraControls:
        self.asked += 1
        if self.fails:
            self.fails -= 1
            raise GatewayError(self.kind, "the camera does not answer")
        return await super().controls()


def online(camera: str) -> Channel:
    return Channel(camera, camera, (), ConnectionState.ONLINE)


@asynccontextmanager
async def running(controls: Controls) -> AsyncIterator[None]:
    task = asyncio.create_task(controls.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_camera_is_asked_when_it_comes_up_and_again_when_it_did_not_tell() -> None:
    clock, memory = FakeClock(), MemorySettings()
    camera = Camera(Settings(), driver_context(clock))
    controls = Controls({"yard": camera, "old": object()}, memory, clock)
    told: list[str] = []
    controls.watch(told.append)
    camera.fails = 1
    async with running(controls):
        assert controls.abilities("yard").ptz is None
        with pytest.raises(GatewayError, match="camera 'yard' has not been reached yet"):
            controls.live("yard")
        controls.camera_changed(online("yard"))
        controls.camera_changed(online("old"))
        await settle()
        assert (camera.asked, told) == (1, [])
        await clock.advance(FIRST_DELAY)
        assert (camera.asked, told, controls.revision) == (2, ["yard"], 1)
        known = controls.abilities("yard")
        assert known.ptz is not None
        assert list(known.encoders) == ["main", "sub"]
        assert (list(known.relays), list(known.inputs)) == (["1"], ["1"])
        controls.camera_changed(online("yard"))
        await settle()
        assert (camera.asked, told) == (3, ["yard"])
    with pytest.raises(GatewayError, match="nothing can be controlled of camera 'old'"):
        controls.live("old")


async def test_a_camera_that_refuses_the_login_is_not_asked_again_until_it_comes_back() -> None:
    clock = FakeClock()
    camera = Camera(Settings(), driver_context(clock))
    controls = Controls({"yard": camera}, MemorySettings(), clock)
    camera.fails, camera.kind = 1, ErrorKind.UNAUTHENTICATED
    async with running(controls):
        controls.camera_changed(online("yard"))
        await settle()
        await clock.advance(1000)
        assert camera.asked == 1
        controls.camera_changed(online("yard"))
        await settle()
        assert (camera.asked, controls.abilities("yard").ptz is None) == (2, False)


async def test_what_was_learnt_survives_a_restart() -> None:
    clock, memory = FakeClock(), MemorySettings()
    first = Controls({"yard": Camera(Settings(), driver_context(clock))}, memory, clock)
    await first.learn("yard")
    again = Controls({"yard": Camera(Settings(), driver_context(clock))}, memory, clock)
    assert again.abilities("yard") == first.abilities("yard")
    memory.store("controls.yard", {"ptz": 7})
    assert Controls({"yard": Camera(Settings(), driver_context(clock))}, memory, clock).abilities("yard").ptz is None


async def test_whatever_a_driver_does_is_a_gateway_error() -> None:
    controls = Controls({}, MemorySettings(), FakeClock())

    async def breaks() -> None:
        raise RuntimeError("boom")

    with pytest.raises(GatewayError, match="the driver of camera 'yard' failed: RuntimeError: boom") as broken:
        await controls.ask("yard", breaks())
    assert broken.value.kind is ErrorKind.INTERNAL
