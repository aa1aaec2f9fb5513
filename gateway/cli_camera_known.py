"""What the commands about cameras work with: cameras of configuration and database, and the gateway that runs."""

import getpass
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gateway.config import Camera, Config, data_directory
from gateway.db import COMMAND_LINE, AddedCamera, AuditTrail, Database, open_database
from gateway.domain.access import Secret
from gateway.domain.camera import CameraInfo
from gateway.domain.camera_history import HistoryEntry, HistoryKind
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.drivers import configured, make_driver
from gateway.registry import Registry
from gateway.sdk.clock import SystemClock
from gateway.sdk.driver import CameraDriver
from gateway.servers.control import ask
from gateway.servers.probe_unicast import endpoint_at
from gateway.services.camera_changes import of_info

ADDRESS = {"onvif": "address", "rtsp": "main"}
"""The setting of each driver that an ADDRESS is."""
BY_ENDPOINT = "onvif"
"""The driver whose cameras are found again by their endpoint reference."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a command works with."""

    config: Config
    database: Database
    added: tuple[AddedCamera, ...]
    registry: Registry
    clock: SystemClock = field(default_factory=SystemClock)

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """Those of the configuration, then those added."""
        return (*self.config.cameras, *map(configured, self.added))

    def find(self, name: str) -> Camera:
        """Return a camera by its id. Raises GatewayError."""
        for camera in self.cameras:
            if camera.id == name:
                return camera
        known = ", ".join(camera.id for camera in self.cameras) or "none"
        raise GatewayError(ErrorKind.NOT_FOUND, f"there is no camera {name!r}; there are: {known}")

    def find_added(self, name: str) -> AddedCamera:
        """Return a camera that was added by command. Raises GatewayError."""
        for camera in self.added:
            if camera.id == name:
                return camera
        self.find(name)
        raise GatewayError(ErrorKind.CONFLICT, f"camera {name!r} is in the configuration: change it there")

    def driver(self, camera: Camera) -> CameraDriver:
        """Return a new driver of a camera. Raises GatewayError."""
        return make_driver(camera, self.registry, self.clock, self.config)

    async def is_now(self, camera: str, info: CameraInfo) -> None:
        """Have a camera be from now on what was found, whatever it was before. Raises GatewayError."""
        entry = HistoryEntry(camera, HistoryKind.IDENTITY, self.clock.utc_ns(), value=of_info(info))
        await self.database.camera_history.write([entry])

    def audit(self, action: str, detail: str) -> None:
        """Keep what somebody did; never a secret."""
        AuditTrail(self.database.audit, self.clock).record(getpass.getuser(), COMMAND_LINE, action, detail)

    async def running(self) -> list[dict[str, Any]] | None:
        """Return the cameras of the running gateway; None when none runs."""
        found = await self.ask("cameras")
        return found if isinstance(found, list) else None

    async def follow(self, *, now: bool) -> str:
        """Have the running gateway take what has changed, and say when it does."""
        if not now:
            return "a running gateway follows at its next start, or with --now"
        return "the gateway restarts" if await self.ask("restart") is None else "no gateway is running"

    async def ask(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - any JSON value
        """Return what a running gateway answers, or False when none runs. Raises GatewayError."""
        try:
            return await ask(data_directory(self.config), command, arguments or {})
        except GatewayError as error:
            if error.kind is ErrorKind.UNAVAILABLE:
                return False
            raise


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Known]:
    """Open the database of a configuration."""
    database = open_database(data_directory(config), config.database.url)
    try:
        yield Known(config, database, database.added_cameras.load(), Registry(config.plugins.disabled))
    finally:
        database.close()


async def endpoint_of(camera: Camera) -> str:
    """Ask a camera for its endpoint reference; empty where it has none, or does not say."""
    if camera.driver != BY_ENDPOINT:
        return ""
    address, port = str(camera.settings[ADDRESS[BY_ENDPOINT]]), camera.settings.get("port")
    url = address if "://" in address else f"http://{address}"
    parts = urlsplit(url)
    return await endpoint_at(url if port is None or parts.port else parts._replace(netloc=f"{address}:{port}").geturl())


def ask_password(user: str) -> Secret:
    """Ask for a password on the terminal, or read one line."""
    if not sys.stdin.isatty():
        return Secret(sys.stdin.readline().rstrip("\n"))
    return Secret(getpass.getpass(f"Password of {user} on the camera: "))
