"""Snapshots: the last key frame of every stream as JPEG, also while its camera is away."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.camera import Channel, ChannelProfile
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, MediaKind, TrackDescription
from gateway.services.streams import KeyFrame, LiveStream

NO_SIGNAL = "No signal"
_DEFAULT_SIZE = (640, 360)
_MAX_PLACEHOLDERS = 512


class Sources(Protocol):
    """Where channels and their streams are."""

    def channels(self) -> tuple[Channel, ...]:
        """Return every channel."""
        ...

    def stream(self, path: str) -> LiveStream | None:
        """Return the live stream of an RTSP path."""
        ...


class Pictures(Protocol):
    """What makes JPEGs, without blocking."""

    async def key_frame(self, track: TrackDescription, units: Sequence[bytes | memoryview]) -> bytes:
        """Return the JPEG of a key frame."""
        ...

    async def placeholder(self, name: str, note: str, width: int, height: int) -> bytes:
        """Return the JPEG that stands for a camera that was never seen."""
        ...


class Snapshots:
    """Decodes the last key frame of a stream when somebody asks."""

    def __init__(self, sources: Sources, pictures: Pictures) -> None:
        self._sources = sources
        self._pictures = pictures
        self._shown: dict[LiveStream, _Shown] = {}
        self._placeholders: dict[tuple[str, int, int], bytes] = {}

    async def at(self, path: str) -> bytes:
        """Return the JPEG of `CAMERA/PROFILE`: of the last key frame that can be decoded, or a placeholder.

        Raises GatewayError: NOT_FOUND, or that of the decoding when nothing of the stream was ever decoded.
        """
        channel, profile = self._find(path)
        stream = self._sources.stream(profile.path)
        frame = None if stream is None else stream.key_frame()
        if stream is None or frame is None:
            return await self._placeholder(channel, profile)
        shown = self._shown.setdefault(stream, _Shown())
        try:
            shown.picture = await asyncio.shield(self._decoding(stream, shown, frame))
        except GatewayError:
            if not shown.picture:
                raise
        return shown.picture

    def close(self) -> None:
        """Stop whatever is being decoded."""
        for shown in self._shown.values():
            if shown.job is not None:
                shown.job.cancel()

    def _decoding(self, stream: LiveStream, shown: "_Shown", frame: KeyFrame) -> asyncio.Task[bytes]:
        """Return the task that makes the picture; one runs for each stream, and a picture is made once."""
        job, last = shown.job, frame.units[-1]
        if job is None or (job.done() and (shown.decoded is not last or _failed(job))):
            units = [part for unit in frame.units for part in unit.payload()]
            job = asyncio.create_task(self._pictures.key_frame(frame.track, units), name=f"snapshot {stream.path}")
            shown.job, shown.decoded = job, last
        return job

    def _find(self, path: str) -> tuple[Channel, ChannelProfile]:
        camera, _, name = path.partition("/")
        for channel in self._sources.channels():
            for profile in channel.profiles:
                if (channel.id, profile.name) == (camera, name):
                    return channel, profile
        raise GatewayError(ErrorKind.NOT_FOUND, f"there is no picture {path[:80]!r}")

    async def _placeholder(self, channel: Channel, profile: ChannelProfile) -> bytes:
        track = profile.description.first(MediaKind.VIDEO)
        size = (track.video.width, track.video.height) if track and track.video else _DEFAULT_SIZE
        key = (channel.name, *size)
        if key not in self._placeholders:
            if len(self._placeholders) >= _MAX_PLACEHOLDERS:
                self._placeholders.clear()
            self._placeholders[key] = await self._pictures.placeholder(channel.name, NO_SIGNAL, *size)
        return self._placeholders[key]


@dataclass(slots=True, eq=False)
class _Shown:
    """What was made of one stream."""

    picture: bytes = b""
    job: asyncio.Task[bytes] | None = None
    decoded: AccessUnit | None = None
    """The last unit of what the job is about."""


def _failed(task: asyncio.Task[bytes]) -> bool:
    return task.cancelled() or task.exception() is not None
