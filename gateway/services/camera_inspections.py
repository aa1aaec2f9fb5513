"""Asks cameras what they are: whenever one has come back, and now and then while it stays."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from gateway.domain.camera import Channel, ConnectionState
from gateway.domain.errors import GatewayError
from gateway.sdk.clock import Clock
from gateway.sdk.driver import Inspectable, Inspection

EVERY: Final = 3600.0
"""Seconds after which a camera that is online is asked again: its clock may have moved."""
SOONEST: Final = 60.0
"""Seconds between two questions to a camera that comes and goes."""
ASK_SECONDS: Final = 60.0
_log = logging.getLogger(__name__)


class Inspections:
    """Has all cameras that can be inspected inspected. `run` does it until cancelled."""

    def __init__(
        self, cameras: Mapping[str, Inspectable], found: Callable[[str, Inspection], None], clock: Clock
    ) -> None:
        """`found` is called with a camera's id and what came of each inspection."""
        self._cameras = cameras
        self._found = found
        self._clock = clock
        self._online: set[str] = set()
        self._due = {camera: asyncio.Event() for camera in cameras}

    def camera_changed(self, channel: Channel) -> None:
        """Take note of a camera's state."""
        if channel.id not in self._due:
            return
        if channel.state is ConnectionState.ONLINE:
            self._online.add(channel.id)
            self._due[channel.id].set()
        else:
            self._online.discard(channel.id)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._remind(), name="inspections")
            for camera in self._cameras:
                tasks.create_task(self._follow(camera), name=f"inspection of camera {camera}")

    async def _remind(self) -> None:
        while True:
            await self._clock.sleep(EVERY)
            for camera in self._online:
                self._due[camera].set()

    async def _follow(self, camera: str) -> None:
        due = self._due[camera]
        while True:
            await due.wait()
            due.clear()
            if camera in self._online:
                await self._ask(camera)
                await self._clock.sleep(SOONEST)

    async def _ask(self, camera: str) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                inspection = await self._cameras[camera].inspect()
        except (GatewayError, TimeoutError) as error:
            _log.debug("camera %s: not inspected: %s", camera, error)
        except Exception:  # noqa: BLE001 - a driver's fault must not take the other cameras down
            _log.exception("camera %s: the driver failed to inspect it", camera)
        else:
            self._found(camera, inspection)
