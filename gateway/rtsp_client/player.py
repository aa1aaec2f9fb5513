"""Playing a camera's RTSP address into a sink, wherever the camera redirects to."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NoReturn, TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.rtsp_client import url
from gateway.rtsp_client.connection import Redirected
from gateway.rtsp_client.session import Session
from gateway.rtsp_client.signalling import SessionOptions
from gateway.rtsp_client.url import CameraUrl
from gateway.sdk.clock import Clock
from gateway.sdk.driver import MediaSink

_MAX_REDIRECTS: Final = 5
_T = TypeVar("_T")


@dataclass(frozen=True)
class PlayerOptions:
    """How to play. Raises GatewayError (INVALID) for what can't be meant."""

    transport: str = "tcp"
    """`tcp`, `udp`, or `http`: RTSP over HTTP, as with an address of HTTP always."""
    connect_timeout: float = 5.0
    """Seconds for the connection, and for each answer."""
    media_timeout: float = 5.0
    """Seconds without media after which the camera counts as lost."""
    verify_certificate: bool = True
    """For `rtsps://` and `https://`: whether the certificate must be valid."""

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "media_timeout"):
            if (value := getattr(self, name)) <= 0:
                raise GatewayError(ErrorKind.INVALID, f"{name} must be more than 0 seconds, not {value:g}")
        if self.transport not in {"tcp", "udp", "http"}:
            raise GatewayError(ErrorKind.INVALID, f"transport must be 'tcp', 'udp' or 'http', not {self.transport!r}")

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """What a TLS connection is made with."""
        context = ssl.create_default_context()
        if not self.verify_certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


async def play(first: CameraUrl, options: PlayerOptions, clock: Clock, sink: MediaSink) -> NoReturn:
    """Play until cancelled or lost. Raises GatewayError."""
    await following(first, options, lambda camera, how: Session(camera, how, clock, sink).run())
    raise AssertionError("a session ends by an exception")


async def following(
    first: CameraUrl, options: PlayerOptions, attempt: Callable[[CameraUrl, SessionOptions], Awaitable[_T]]
) -> _T:
    """Return what becomes of a session, wherever the camera redirects it to. Raises GatewayError."""
    camera = first
    for _ in range(_MAX_REDIRECTS + 1):
        session = SessionOptions(
            udp=options.transport == "udp" and not camera.over_http,
            tunnelled=options.transport == "http" or camera.over_http,
            connect_timeout=options.connect_timeout,
            media_timeout=options.media_timeout,
            tls=options.tls if camera.tls else None,
            digest_only=camera.host != first.host or (first.tls and not camera.tls),
        )
        try:
            return await attempt(camera, session)
        except Redirected as redirected:
            camera = _redirected(camera, redirected.location)
    raise GatewayError(ErrorKind.UNAVAILABLE, f"camera {first.name} redirects more than {_MAX_REDIRECTS} times")


def _redirected(camera: CameraUrl, location: str) -> CameraUrl:
    """Return where the camera sends us; the credentials stay ours."""
    try:
        target: CameraUrl | None = url.parse(location)
    except GatewayError:
        target = None
    if target is None or (target.over_http and not camera.over_http):  # else a web page would be taken for a stream
        message = f"camera {camera.name} redirects to nowhere: {url.redacted(location)!r}"
        raise GatewayError(ErrorKind.UNAVAILABLE, message)
    return target.with_credentials(camera.username, camera.password)
