"""The live streams of ONVIF receivers: each is a camera that no VMS sees, behind the driver for RTSP."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote, urlsplit, urlunsplit

from gateway.config import settings_for
from gateway.domain.access import Secret
from gateway.domain.camera import ConnectionState
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import StreamDescription
from gateway.registry import Registry
from gateway.sdk.clock import Clock
from gateway.sdk.driver import CameraDriver, DriverContext
from gateway.services.cameras import Cameras, CameraSpec, ChannelMemory, live_path
from gateway.services.receivers import ReceiverState, ReceiverTransport
from gateway.services.streams import LiveStream

DRIVER = "rtsp"
_log = logging.getLogger(__name__)
_PROFILE = "main"
_TRANSPORTS = {ReceiverTransport.UDP: "udp", ReceiverTransport.RTSP: "tcp", ReceiverTransport.HTTP: "http"}
_STATES = {
    ConnectionState.CONNECTING: ReceiverState.CONNECTING,
    ConnectionState.OFFLINE: ReceiverState.NOT_CONNECTED,
    ConnectionState.ONLINE: ReceiverState.CONNECTED,
}


class ReceiverStreams:
    """Keeps the streams of receivers connected (`services.receivers.Connections`)."""

    def __init__(self, registry: Registry, memory: ChannelMemory, clock: Clock) -> None:
        self._registry = registry
        self._memory = memory
        self._clock = clock
        self._open: dict[str, tuple[Cameras, asyncio.Task[None]]] = {}
        self.changed: Callable[[], None] = lambda: None
        """Called when a stream comes or goes; whoever builds the receivers sets it."""

    def open(self, token: str, uri: str, transport: ReceiverTransport) -> str:
        """Keep a stream connected from now; returns its path. One that can't be is logged, and never connected."""
        try:
            driver = self._driver(token, uri, transport)
        except GatewayError as error:
            _log.warning("receiver %s: %s", token, error.message)
            return path_of(token)
        cameras = Cameras([CameraSpec(token, token, driver)], self._memory, self._clock)
        cameras.watch(lambda _: self.changed())
        self._open[token] = cameras, asyncio.create_task(cameras.run(), name=f"receiver {token}")
        return path_of(token)

    def close(self, token: str) -> None:
        """Let go of a stream."""
        if (opened := self._open.pop(token, None)) is not None:
            opened[1].cancel()

    async def stop(self) -> None:
        """Let go of all streams."""
        tasks = [task for _, task in self._open.values()]
        for token in tuple(self._open):
            self.close(token)
        await asyncio.gather(*tasks, return_exceptions=True)

    def state(self, token: str) -> ReceiverState:
        """Return whether a stream is connected."""
        found = self._open.get(token)
        return ReceiverState.NOT_CONNECTED if found is None else _STATES[found[0].channels()[0].state]

    def stream(self, path: str) -> LiveStream | None:
        """Return the live stream of a path that `open` returned."""
        token = path.rpartition("/")[2]
        found = self._open.get(token) if path == path_of(token) else None
        return None if found is None else found[0].stream(live_path(token, _PROFILE))

    def description(self, path: str) -> StreamDescription | None:
        """Return what is known of the stream at a path."""
        token = path.rpartition("/")[2]
        found = self._open.get(token) if path == path_of(token) else None
        return None if found is None else found[0].description(live_path(token, _PROFILE))

    def _driver(self, token: str, uri: str, transport: ReceiverTransport) -> CameraDriver:
        kind = self._registry.drivers.get(DRIVER)
        if kind is None:
            raise GatewayError(ErrorKind.UNSUPPORTED, f"receivers need the driver {DRIVER!r}, which is not there")
        plain, username, password = _without_login(uri)
        settings = settings_for(kind, {"main": plain, "transport": _TRANSPORTS[transport]}, token)
        if username:
            settings = replace(settings, username=username, password=Secret(password))
        return kind(settings, DriverContext(token, token, self._clock))


def path_of(token: str) -> str:
    """Return the path of a receiver's stream."""
    return f"/receiver/{token}"


def _without_login(uri: str) -> tuple[str, str, str]:
    """Split a URI into one without user information, the user and the password."""
    parts = urlsplit(uri)
    login, _, host = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    return urlunsplit(parts._replace(netloc=host)), unquote(username), unquote(password)
