"""Snapshots: the last key frame of every stream as JPEG, also while its camera is away."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.camera import Channel, ChannelProfile
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.services.streams import LiveStream

NO_SIGNAL = "No signal"
_DEFAULT_SIZE = (640, 360)
_MAX_PLACEHOLDERS = 512
_MAX_PARTS = 128
"""Units of one key frame; a camera whose timestamps stand still must not fill the memory."""


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
        self._watches: dict[LiveStream, _Watch] = {}
        self._placeholders: dict[tuple[str, int, int], bytes] = {}
        for channel in sources.channels():
            for profile in channel.profiles:
                stream = sources.stream(profile.path)
                if stream is not None and stream not in self._watches:
                    self._watches[stream] = _Watch(stream)

    async def at(self, path: str) -> bytes:
        """Return the JPEG of `CAMERA/PROFILE`: of the last key frame that can be decoded, or a placeholder.

        Raises GatewayError: NOT_FOUND, or that of the decoding when nothing of the stream was ever decoded.
        """
        channel, profile = self._find(path)
        stream = self._sources.stream(profile.path)
        watch = None if stream is None else self._watches.get(stream)
        frame = None if watch is None else watch.frame
        if watch is None or frame is None:
            return await self._placeholder(channel, profile)
        try:
            watch.picture = await asyncio.shield(self._decoding(watch, frame))
        except GatewayError:
            if not watch.picture:
                raise
        return watch.picture

    def close(self) -> None:
        """Stop watching the streams, and whatever is being decoded."""
        for watch in self._watches.values():
            watch.close()

    def _decoding(self, watch: "_Watch", frame: "_KeyFrame") -> asyncio.Task[bytes]:
        """Return the task that makes the picture; one runs for each stream, and a picture is made once."""
        job, last = watch.job, frame.units[-1]
        if job is None or (job.done() and (watch.decoded is not last or _failed(job))):
            units = [part for unit in frame.units for part in unit.payload()]
            job = asyncio.create_task(self._pictures.key_frame(frame.track, units), name=f"snapshot {watch.path}")
            watch.job, watch.decoded = job, last
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
class _KeyFrame:
    """A key frame with its parameters; a large one comes in several units."""

    track: TrackDescription
    units: list[AccessUnit]


class _Watch:
    """Reads a stream and keeps its last key frame, also when the stream breaks off within the next one."""

    def __init__(self, stream: LiveStream) -> None:
        self.path = stream.path
        self.picture = b""
        """The last one that was made."""
        self.job: asyncio.Task[bytes] | None = None
        self.decoded: AccessUnit | None = None
        """The last unit of what the job is about."""
        self._complete: _KeyFrame | None = None
        self._arriving: _KeyFrame | None = None
        self._track: TrackDescription | None = None
        self._index = -1
        self._stream = stream
        if stream.description is not None:
            self.described(stream.description)
        for unit in stream.gop:
            self.deliver(unit)
        stream.attach(self)

    @property
    def frame(self) -> _KeyFrame | None:
        """The last key frame: complete, unless it is the first."""
        return self._complete or self._arriving

    def close(self) -> None:
        self._stream.detach(self)
        if self.job is not None:
            self.job.cancel()

    def described(self, description: StreamDescription) -> None:
        """Follow the video track; a frame of other parameters stays until the first new one."""
        self._settle()
        self._track = description.first(MediaKind.VIDEO)
        self._index = -1 if self._track is None else description.tracks.index(self._track)

    def deliver(self, unit: AccessUnit) -> None:
        """Keep a unit of a key frame, which is complete when one of another frame comes."""
        if unit.track != self._index or self._track is None:
            return
        arriving = self._arriving
        if arriving is not None:
            if unit.rtp_time == arriving.units[0].rtp_time and len(arriving.units) < _MAX_PARTS:
                arriving.units.append(unit)
                return
            self._settle()
        if unit.keyframe:
            self._arriving = _KeyFrame(self._track, [unit])

    def _settle(self) -> None:
        if self._arriving is not None:
            self._complete, self._arriving = self._arriving, None


def _failed(task: asyncio.Task[bytes]) -> bool:
    return task.cancelled() or task.exception() is not None
