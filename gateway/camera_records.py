"""The running gateway's memory of its cameras: their streams as a VMS was last shown them, and their history."""

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from gateway.db import Database
from gateway.domain.access import Secret
from gateway.domain.camera import PROFILE_NAMES, CameraInfo
from gateway.domain.media import StreamDescription
from gateway.sdk.clock import Clock
from gateway.sdk.driver import Inspectable
from gateway.services.camera_history import CameraHistory
from gateway.services.camera_inspections import Inspections
from gateway.services.camera_report import report
from gateway.services.cameras import Cameras, CameraSpec, live_path

_PURPOSE: Final = "fingerprints of cameras' credentials"
_LOGIN: Final = "username"
_DIGITS: Final = 16


class CameraRecords:
    """What is remembered of cameras. It is their `ChannelMemory` too."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Read what is known; blocks. Raises GatewayError."""
        self._channels = database.channels
        self._key = database.derived(_PURPOSE)
        self._entries = database.camera_history.of
        self._clock = clock
        self.history = CameraHistory(database.camera_history, clock)
        self._inspections: Inspections | None = None
        self._paths: dict[str, tuple[str, str]] = {}
        """Camera and profile of every stream."""

    def known(self, camera: str) -> CameraInfo:
        """Return what a camera was when it last told."""
        return self.history.known(camera)

    def load(self, path: str) -> StreamDescription | None:
        """Return the last known description of a stream."""
        return self._channels.load(path)

    def store(self, path: str, description: StreamDescription) -> None:
        """Keep the description of a stream; returns at once."""
        self._channels.store(path, description)
        if path in self._paths:
            self.history.described(*self._paths[path], description)

    def follow(self, specs: Sequence[CameraSpec], cameras: Cameras) -> None:
        """Keep from now on what becomes of the cameras."""
        self.history.follow(cameras)
        for spec in specs:
            for profile in PROFILE_NAMES:
                path = live_path(spec.id, profile)
                self._paths[path] = (spec.id, profile)
                if (known := self._channels.load(path)) is not None:
                    self.history.described(spec.id, profile, known)
            if login := _login(spec.driver.settings):
                self.history.credentials(spec.id, self._fingerprint(spec.id, login))
        inspected = {spec.id: spec.driver for spec in specs if isinstance(spec.driver, Inspectable)}
        self._inspections = Inspections(inspected, self.history.inspected, self._clock)
        cameras.watch(self._inspections.camera_changed)

    async def past(self, camera: str) -> Sequence[Mapping[str, str]]:
        """Return what became of a camera, oldest first: `time`, `kind` and `text`. Raises GatewayError."""
        await self.history.flush()
        found: list[dict[str, str]] = report(await self._entries(camera), self._clock.utc_ns(), running=True)["history"]
        return found

    def events_lost(self, camera: str, error: str) -> None:
        """Keep that a camera's events were lost."""
        self.history.failed(camera, "events", error)

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.history.run(), name="camera history")
            if self._inspections is not None:
                tasks.create_task(self._inspections.run(), name="camera inspections")

    def _fingerprint(self, camera: str, login: Mapping[str, str]) -> str:
        text = "\0".join((camera, *(part for item in sorted(login.items()) for part in item)))
        return hmac.new(self._key, text.encode("utf-8", "surrogateescape"), "sha256").hexdigest()[:_DIGITS]


def _login(settings: Any) -> dict[str, str]:  # noqa: ANN401 - each driver has its own type
    """Return by what a driver logs in, in clear text; nothing where no secret is set."""
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    secrets = {name: value.reveal() for name, value in values.items() if isinstance(value, Secret)}
    return secrets and secrets | {_LOGIN: str(values.get(_LOGIN, ""))}
