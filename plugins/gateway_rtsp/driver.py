"""The driver `rtsp`: a camera by its RTSP addresses."""

import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, Literal

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.driver import CameraDriver, DriverContext, MediaSink
from gateway_rtsp import url
from gateway_rtsp.connection import Redirected
from gateway_rtsp.session import Session, SessionOptions
from gateway_rtsp.url import CameraUrl

_MAX_REDIRECTS: Final = 5


@dataclass(frozen=True, slots=True)
class RtspSettings:
    """The keys of `[camera.settings]`."""

    main: str
    """Address of the main stream, `rtsp://` or `rtsps://`; credentials in it are percent-encoded."""
    sub: str = ""
    """Address of the sub stream; without one, `sub` shows the main stream."""
    username: str = ""
    """Counts before the one in the addresses."""
    password: Secret | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    """How the media come. TCP loses nothing."""
    connect_timeout: float = 5.0
    """Seconds for the connection, and for each answer."""
    media_timeout: float = 5.0
    """Seconds without media after which the camera counts as lost."""
    verify_certificate: bool = True
    """For `rtsps://`: whether the certificate must be valid; cameras mostly have one of their own making."""


class RtspDriver(CameraDriver):
    """Brings an RTSP camera in, its media untouched."""

    Settings: ClassVar[type[RtspSettings]] = RtspSettings

    def __init__(self, settings: RtspSettings, context: DriverContext) -> None:
        super().__init__(settings, context)
        self._options: RtspSettings = settings
        for name, value in (("connect_timeout", settings.connect_timeout), ("media_timeout", settings.media_timeout)):
            if value <= 0:
                raise GatewayError(ErrorKind.INVALID, f"{name} must be more than 0 seconds, not {value:g}")
        if settings.transport not in {"tcp", "udp"}:
            raise GatewayError(ErrorKind.INVALID, f"transport must be 'tcp' or 'udp', not {settings.transport!r}")
        self._addresses = {"main": self._address(settings.main)}
        if settings.sub:
            self._addresses["sub"] = self._address(settings.sub)

    def profiles(self) -> tuple[str, ...]:
        """Return `main`, and `sub` when it has an address."""
        return tuple(self._addresses)

    async def stream(self, profile: str, sink: MediaSink) -> None:
        """Play until cancelled or lost, following the camera where it redirects to."""
        first = camera = self._addresses[profile]
        for _ in range(_MAX_REDIRECTS + 1):
            options = SessionOptions(
                udp=self._options.transport == "udp",
                connect_timeout=self._options.connect_timeout,
                media_timeout=self._options.media_timeout,
                tls=self._tls if camera.tls else None,
                digest_only=camera.host != first.host or (first.tls and not camera.tls),
            )
            try:
                await Session(camera, options, self.context.clock, sink).run()
            except Redirected as redirected:
                camera = self._redirected(camera, redirected.location)
        raise GatewayError(ErrorKind.UNAVAILABLE, f"camera {first.name} redirects more than {_MAX_REDIRECTS} times")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not self._options.verify_certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _address(self, text: str) -> CameraUrl:
        camera = url.parse(text)
        if self._options.username:
            return camera.with_credentials(self._options.username, self._options.password)
        return camera

    def _redirected(self, camera: CameraUrl, location: str) -> CameraUrl:
        """Return where the camera sends us; the credentials stay ours."""
        try:
            target = url.parse(location)
        except GatewayError as error:
            raise GatewayError(
                ErrorKind.UNAVAILABLE, f"camera {camera.name} redirects to nowhere: {url.redacted(location)!r}"
            ) from error
        return target.with_credentials(camera.username, camera.password)
