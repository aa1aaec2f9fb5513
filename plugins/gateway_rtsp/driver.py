"""The driver `rtsp`: a camera by its RTSP addresses."""

import logging
from dataclasses import dataclass
from typing import ClassVar, Literal

from gateway.domain.access import Secret
from gateway.domain.errors import GatewayError
from gateway.rtsp_client import CameraUrl, PlayerOptions, find_backchannel, parse, play
from gateway.sdk.controls import CameraControls
from gateway.sdk.driver import CameraDriver, DriverContext, MediaSink

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RtspSettings:
    """The keys of `[camera.settings]`."""

    main: str
    """Address of the main stream: `rtsp://`, `rtsps://`, or `http://` and `https://` for RTSP over HTTP.

    Credentials in it are percent-encoded.
    """
    sub: str = ""
    """Address of the sub stream; without one, `sub` shows the main stream."""
    username: str = ""
    """Counts before the one in the addresses."""
    password: Secret | None = None
    transport: Literal["tcp", "udp", "http"] = "tcp"
    """How the media come: over RTSP's connection, by UDP, or with RTSP over HTTP. TCP loses nothing."""
    connect_timeout: float = 5.0
    """Seconds for the connection, and for each answer."""
    media_timeout: float = 5.0
    """Seconds without media after which the camera counts as lost."""
    verify_certificate: bool = True
    """With TLS: whether the certificate must be valid; cameras mostly have one of their own making."""
    backchannel: bool = True
    """Whether the camera is asked if it can be talked to."""


class RtspDriver(CameraDriver):
    """Brings an RTSP camera in, its media untouched."""

    Settings: ClassVar[type[RtspSettings]] = RtspSettings

    def __init__(self, settings: RtspSettings, context: DriverContext) -> None:
        super().__init__(settings, context)
        self._wanted = settings
        self._credentials = settings.username, settings.password
        self._options = PlayerOptions(
            settings.transport, settings.connect_timeout, settings.media_timeout, settings.verify_certificate
        )
        self._addresses = {"main": self._address(settings.main)}
        if settings.sub:
            self._addresses["sub"] = self._address(settings.sub)

    def profiles(self) -> tuple[str, ...]:
        """Return `main`, and `sub` when it has an address."""
        return tuple(self._addresses)

    async def stream(self, profile: str, sink: MediaSink) -> None:
        """Play until cancelled or lost, following the camera where it redirects to."""
        await play(self._addresses[profile], self._options, self.context.clock, sink)

    async def controls(self) -> CameraControls:
        """Ask the camera whether it can be talked to, on a connection of its own; one that breaks over it can't be."""
        backchannel = None
        if self._wanted.backchannel:
            try:
                backchannel = await find_backchannel(self._addresses["main"], self._options, self.context.clock)
            except GatewayError as error:
                _log.info("camera %s can't be talked to: %s", self.context.camera_id, error.message)
        return CameraControls(backchannel=backchannel)

    def _address(self, text: str) -> CameraUrl:
        camera = parse(text)
        username, password = self._credentials
        return camera.with_credentials(username, password) if username else camera
