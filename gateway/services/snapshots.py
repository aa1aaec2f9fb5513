"""Snapshots: the last key frame of every stream as JPEG, also while its camera is away."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from gateway.domain.camera import Channel, ChannelProfile
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.services.streams import LiveStream

NO_SIGNAL = "No signal"
_DEFAULT_SIZE = (640, 360)


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
    """Keeps the last key frame of every stream, undecoded until somebody asks."""

    def __init__(self, sources: Sources, pictures: Pictures) -> None:
        self._sources = sources
        self._pictures = pictures
        self._last: dict[LiveStream, _LastKeyFrame] = {}
        self._jobs: dict[LiveStream, tuple[AccessUnit, asyncio.Task[bytes]]] = {}
        for channel in sources.channels():
            for profile in channel.profiles:
                stream = sources.stream(profile.path)
                if stream is not None and stream not in self._last:
                    self._last[stream] = _LastKeyFrame(stream)

    async def at(self, path: str) -> bytes:
        """Return the JPEG of `CAMERA/PROFILE`. Raises GatewayError: NOT_FOUND, or that of a failed decoding."""
        channel, profile = self._find(path)
        stream = self._sources.stream(profile.path)
        last = None if stream is None else self._last.get(stream)
        if stream is None or last is None or last.track is None or not last.units:
            return await self._placeholder(channel, profile)
        key = last.units[0]
        job = self._jobs.get(stream)
        if job is None or job[0] is not key or _failed(job[1]):
            units = [part for unit in last.units for part in unit.payload()]
            job = key, asyncio.create_task(self._pictures.key_frame(last.track, units), name=f"snapshot {path}")
            self._jobs[stream] = job
        return await asyncio.shield(job[1])

    def close(self) -> None:
        """Stop watching the streams, and whatever is being decoded."""
        for last in self._last.values():
            last.close()
        for _, task in self._jobs.values():
            task.cancel()

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
        return await self._pictures.placeholder(channel.name, NO_SIGNAL, *size)


class _LastKeyFrame:
    """Reads a stream and keeps all units of its last key frame; a large frame comes in several."""

    def __init__(self, stream: LiveStream) -> None:
        self.track: TrackDescription | None = None
        self.units: list[AccessUnit] = []
        self._index = -1
        self._stream = stream
        if stream.description is not None:
            self.described(stream.description)
        stream.attach(self)

    def close(self) -> None:
        self._stream.detach(self)

    def described(self, description: StreamDescription) -> None:
        """Follow the video track; a frame of other parameters stays until the first new one."""
        track = description.first(MediaKind.VIDEO)
        self._index = -1 if track is None else description.tracks.index(track)
        self._next_track = track

    def deliver(self, unit: AccessUnit) -> None:
        """Keep a unit of a key frame."""
        if unit.track != self._index:
            return
        if unit.keyframe:
            self.track, self.units = self._next_track, [unit]
        elif self.units and unit.rtp_time == self.units[0].rtp_time:
            self.units.append(unit)


def _failed(task: asyncio.Task[bytes]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
