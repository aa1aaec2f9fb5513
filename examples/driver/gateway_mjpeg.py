"""A camera driver: motion JPEG over HTTP, as old cameras, doorbells and 3D printers serve it.

`[[camera]]` with `driver = "mjpeg"` and, in `[camera.settings]`, `url = "http://HOST/video.mjpg"`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind, StreamDescription, TrackDescription, VideoParameters
from gateway.protocols.rtp.packetize import Packetizer
from gateway.sdk.driver import CameraDriver, MediaSink
from gateway.sdk.hooks import hookimpl

MAX_JPEG = 4 * 1024 * 1024
CLOCK_RATE = 90_000
SILENCE = 10.0
"""Seconds without a picture after which the camera counts as gone."""

_START_OF_FRAME = frozenset({0xC0, 0xC1})
_UNAUTHORIZED = 401
_OK = 200


@dataclass(frozen=True, slots=True)
class MjpegSettings:
    """The keys of `[camera.settings]`; the gateway checks their names and types."""

    url: str
    username: str = ""
    password: Secret | None = None
    frame_rate: float = 10.0
    """Shown to a VMS until the true rate has been measured."""


class MjpegDriver(CameraDriver):
    """Reads a `multipart/x-mixed-replace` response and sends every picture as RTP (RFC 2435)."""

    Settings = MjpegSettings

    def profiles(self) -> tuple[str, ...]:
        """One stream; the gateway shows it as both `main` and `sub`."""
        return ("main",)

    async def stream(self, profile: str, sink: MediaSink) -> None:  # noqa: ARG002 - there is only `main`
        """Deliver pictures until cancelled. Raises GatewayError when the camera is gone or refuses."""
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeouts(), auth=self._auth()) as session,
                session.get(self.settings.url) as response,
            ):
                self._check(response.status)
                await self._relay(response.content, sink)
        except (aiohttp.ClientError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
            raise self._gone(str(error) or type(error).__name__) from error
        raise self._gone("it ended the stream")

    async def _relay(self, content: aiohttp.StreamReader, sink: MediaSink) -> None:
        shown: tuple[int, int] | None = None
        packetizer: Packetizer | None = None
        async for jpeg in pictures(content):
            size = picture_size(jpeg)
            if packetizer is None or size != shown:
                track = self._track(*size)
                sink.describe(StreamDescription((track,)))
                packetizer, shown = Packetizer(0, track, secrets.randbits(32), secrets.randbits(16)), size
            utc_ns = self.context.clock.utc_ns()
            rtp_time = utc_ns * CLOCK_RATE // 1_000_000_000
            sink.deliver(packetizer.unit([jpeg], rtp_time, utc_ns, keyframe=True))

    def _track(self, width: int, height: int) -> TrackDescription:
        video = VideoParameters(width, height, self.settings.frame_rate, bitrate=0, gop_length=1)
        return TrackDescription(MediaKind.VIDEO, "JPEG", 26, CLOCK_RATE, video=video)

    def _auth(self) -> aiohttp.BasicAuth | None:
        if not self.settings.username:
            return None
        password = self.settings.password
        return aiohttp.BasicAuth(self.settings.username, password.reveal() if password else "")

    def _timeouts(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None, sock_connect=2.0, sock_read=SILENCE)

    def _check(self, status: int) -> None:
        if status == _UNAUTHORIZED:
            raise GatewayError(
                ErrorKind.UNAUTHENTICATED, f"{self.settings.url} refuses user {self.settings.username!r}"
            )
        if status != _OK:
            raise self._gone(f"it answers with status {status}")

    def _gone(self, why: str) -> GatewayError:
        return GatewayError(ErrorKind.UNAVAILABLE, f"camera at {self.settings.url}: {why}")


async def pictures(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield the parts of a multipart body, which must carry Content-Length. Raises ValueError on other input."""
    while not content.at_eof():
        length = 0
        while line := (await content.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if length > MAX_JPEG:
            raise ValueError(f"a picture of {length} bytes is over the limit of {MAX_JPEG}")
        if length:
            yield await content.readexactly(length)


def picture_size(jpeg: bytes) -> tuple[int, int]:
    """Return width and height from the frame header (ITU-T T.81 §B.2.2). Raises ValueError."""
    position = 2
    while position + 9 <= len(jpeg) and jpeg[position] == 0xFF:  # noqa: PLR2004 - the marker prefix
        marker, length = jpeg[position + 1], int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if marker in _START_OF_FRAME:
            height, width = (int.from_bytes(jpeg[position + at : position + at + 2], "big") for at in (5, 7))
            return width, height
        position += 2 + length
    raise ValueError("the camera sent something that is not a JPEG picture")


@hookimpl
def gateway_register_drivers() -> dict[str, type[CameraDriver]]:
    """Offer the driver as `driver = "mjpeg"`."""
    return {"mjpeg": MjpegDriver}
