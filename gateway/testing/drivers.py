"""What every camera driver must do, as tests to inherit, and a sink that remembers."""

import asyncio
import dataclasses
from abc import ABC, abstractmethod
from typing import Any

import pytest

from gateway.domain.camera import PROFILE_NAMES
from gateway.domain.errors import GatewayError
from gateway.domain.media import AccessUnit, PacketBlock, StreamDescription
from gateway.sdk.clock import Clock, SystemClock
from gateway.sdk.driver import CameraDriver, DriverContext


class RecordingSink:
    """A `MediaSink` that keeps what it is given and lets a test wait for it."""

    def __init__(self) -> None:
        self.descriptions: list[StreamDescription] = []
        self.units: list[AccessUnit] = []
        self._news = asyncio.Event()

    def describe(self, description: StreamDescription) -> None:
        """Keep a description."""
        self.descriptions.append(description)
        self._news.set()

    def deliver(self, unit: AccessUnit) -> None:
        """Keep a unit."""
        self.units.append(unit)
        self._news.set()

    async def wait_for_units(self, count: int, seconds: float = 10.0) -> list[AccessUnit]:
        """Return the units once there are so many. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.units) < count:
                self._news.clear()
                await self._news.wait()
        return self.units


def driver_context(clock: Clock | None = None) -> DriverContext:
    """Return what the gateway would hand a driver."""
    return DriverContext("camera", "Camera", clock or SystemClock())


class DriverContract(ABC):
    """Inherit in a test class whose name begins with Test; give it a working camera and a dead one."""

    @abstractmethod
    def working(self) -> CameraDriver:
        """Return a driver whose camera answers."""

    @abstractmethod
    def unreachable(self) -> CameraDriver:
        """Return a driver whose camera does not answer."""

    def test_settings_are_a_frozen_dataclass(self) -> None:
        """Settings are validated by their fields and never change."""
        settings: Any = type(self.working()).Settings
        assert dataclasses.is_dataclass(settings)
        assert vars(settings)["__dataclass_params__"].frozen

    def test_profiles_are_known_and_begin_with_main(self) -> None:
        """A camera delivers main, and perhaps sub."""
        profiles = self.working().profiles()
        assert profiles[0] == PROFILE_NAMES[0]
        assert set(profiles) <= set(PROFILE_NAMES)

    async def test_it_describes_and_then_delivers_whole_units(self) -> None:
        """Units are framed for interleaved TCP, in order, and begin with a key frame."""
        driver = self.working()
        for profile in driver.profiles():
            sink = RecordingSink()
            task = asyncio.create_task(driver.stream(profile, sink))
            try:
                waiter = asyncio.create_task(sink.wait_for_units(10))
                await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    task.result()
                await waiter
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            check_units(sink)

    async def test_cancelling_ends_it_at_once(self) -> None:
        """A cancelled stream is gone within a second and delivers nothing more."""
        driver = self.working()
        sink = RecordingSink()
        task = asyncio.create_task(driver.stream(PROFILE_NAMES[0], sink))
        await sink.wait_for_units(1)
        task.cancel()
        async with asyncio.timeout(2.0):
            await asyncio.gather(task, return_exceptions=True)
        count = len(sink.units)
        await asyncio.sleep(0)
        assert len(sink.units) == count

    async def test_an_unreachable_camera_is_an_error_that_says_so(self) -> None:
        """The gateway retries on a GatewayError; anything else is the driver's fault."""
        async with asyncio.timeout(20.0):
            with pytest.raises(GatewayError) as caught:
                await self.unreachable().stream(PROFILE_NAMES[0], RecordingSink())
        assert str(caught.value)


def check_units(sink: RecordingSink) -> None:
    """Assert that the sink's units keep the rules of `AccessUnit`."""
    assert sink.descriptions, "units came before a description"
    description = sink.descriptions[-1]
    for unit in sink.units:
        assert 0 <= unit.track < len(description.tracks), f"track {unit.track} was never described"
        _check_block(unit.packets, unit.track)


def _check_block(block: PacketBlock, track: int) -> None:
    position = 0
    for offset in block.offsets:
        assert offset == position, f"a packet begins at {offset}, expected {position}"
        assert block.data[offset] == 0x24, "a packet is not framed with '$'"  # noqa: PLR2004
        assert block.data[offset + 1] == 2 * track, f"channel {block.data[offset + 1]}, expected {2 * track}"
        position = offset + 4 + int.from_bytes(block.data[offset + 2 : offset + 4], "big")
    assert position == len(block.data), "bytes follow the last packet"
