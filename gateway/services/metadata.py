"""The metadata track: a camera's stream once more, with documents of what happens there as its last track.

A stream with metadata is another path than the one without: whoever wants pictures alone is not disturbed. While
nobody reads it, it reads nothing: neither its camera, nor the events, nor what moves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.camera import PROFILE_NAMES
from gateway.domain.event import Event
from gateway.domain.media import StreamDescription
from gateway.domain.motion import MotionResult
from gateway.sdk.clock import Clock
from gateway.services.eventbus import EventReader
from gateway.services.metadata_stream import MetadataStream, Packetizer, with_metadata
from gateway.services.streams import LiveStream

_SUFFIX = "/metadata"
_CAMERA = "/live/CAMERA".count("/")


@dataclass(frozen=True, slots=True)
class Content:
    """What the metadata of a channel holds (tt:MetadataConfiguration)."""

    events: bool = True
    passes: Callable[[Event], bool] | None = None
    """The events' filter, which can ask for those of the device, too; None lets pass what the channel itself tells."""
    analytics: bool = True

    def tells(self, event: Event, *, own: bool) -> bool:
        """Tell whether an event of the channel, or of no channel, goes into its metadata."""
        if not self.events:
            return False
        return own if self.passes is None else self.passes(event)


class Documents(Protocol):
    """Writes metadata documents."""

    def __call__(self, events: Sequence[Event], scenes: Sequence[MotionResult], /) -> bytes:
        """Return events and what was seen as one tt:MetadataStream."""
        ...


class Events(Protocol):
    """The event bus."""

    def attach(self, reader: EventReader) -> None:
        """Add a reader."""
        ...

    def detach(self, reader: EventReader) -> None:
        """Remove a reader."""
        ...

    def properties(self) -> tuple[Event, ...]:
        """Return every property as it is now."""
        ...


class Cameras(Protocol):
    """Where the streams without metadata are."""

    def stream(self, path: str) -> LiveStream | None:
        """Return the live stream of a path."""
        ...

    def description(self, path: str) -> StreamDescription | None:
        """Return the live, or else the last known, description of a path."""
        ...


@dataclass(frozen=True, slots=True)
class MetadataPorts:
    """What metadata is made with."""

    write: Documents
    packetizer: Packetizer
    clock: Clock


class MetadataStreams:
    """All streams, those with metadata made when they are first asked for."""

    def __init__(self, cameras: Cameras, bus: Events, ports: MetadataPorts) -> None:
        self._cameras = cameras
        self._bus = bus
        self._ports = ports
        self._streams: dict[str, MetadataStream] = {}
        self._active: list[MetadataStream] = []
        self._moving: set[str] = set()
        """Cameras with objects in the last scene."""
        self.content: Callable[[str], Content] = lambda _: Content()
        """Returns what the metadata of a channel holds."""
        self.channels: Callable[[Event], frozenset[str]] = lambda _: frozenset()
        """Returns the channels that an event is about; none for one of the device."""

    def stream(self, path: str) -> LiveStream | None:
        """Return the live stream of a path."""
        found = self._cameras.stream(path)
        if found is not None or not path.endswith(_SUFFIX):
            return found
        return self._streams.get(path) or self._make(path)

    def description(self, path: str) -> StreamDescription | None:
        """Return the live, or else the last known, description of a path."""
        found = self._cameras.description(path)
        if found is not None or self.stream(path) is None:
            return found
        known = self._cameras.description(path.removesuffix(_SUFFIX))
        return with_metadata(known or StreamDescription(()))

    def synchronize(self, path: str) -> None:
        """Have all states of a path's metadata told."""
        found = self._streams.get(path)
        if found is not None:
            found.synchronize()

    def scene(self, camera: str, result: MotionResult) -> None:
        """Take what a camera's picture shows. That nothing moves any more is told once."""
        was_moving = camera in self._moving
        if result.regions:
            self._moving.add(camera)
        elif was_moving:
            self._moving.discard(camera)
        else:
            return
        told = [each for each in self._active if each.channel == camera and self.content(camera).analytics]
        if told:
            document = self._ports.write((), (result,))
            for stream in told:
                stream.tell(document)

    def deliver(self, event: Event) -> None:
        """Take an event of the bus (`EventReader`)."""
        channels = self.channels(event)
        told = [each for each in self._active if not channels or each.channel in channels]
        told = [each for each in told if self.content(each.channel).tells(event, own=bool(channels))]
        if told:
            document = self._ports.write((event,), ())
            for stream in told:
                stream.tell(document)

    def states(self, channel: str) -> bytes | None:
        """Return a document with all properties of a channel; None when it has none."""
        content = self.content(channel)
        found = [
            event
            for event in (self._bus.properties() if content.events else ())
            if (not (channels := self.channels(event)) or channel in channels)
            and content.tells(event, own=bool(channels))
        ]
        return self._ports.write(found, ()) if found else None

    def begin(self, stream: MetadataStream) -> None:
        """Tell a stream what happens from now on: somebody reads it."""
        if not self._active:
            self._bus.attach(self)
        self._active.append(stream)

    def end(self, stream: MetadataStream) -> None:
        """Stop that."""
        self._active.remove(stream)
        if not self._active:
            self._bus.detach(self)

    def _make(self, path: str) -> MetadataStream | None:
        base = path.removesuffix(_SUFFIX)
        pictures = self._cameras.stream(base)
        if pictures is None and self._cameras.stream(f"{base}/{PROFILE_NAMES[0]}") is None:
            return None
        camera = base.split("/")[2]
        made = MetadataStream(path, camera, pictures, self, self._ports.packetizer, self._ports.clock)
        self._streams[path] = made
        return made


def base_path(path: str) -> str:
    """Return the path of the same stream without metadata; of metadata alone, that of the camera's main profile."""
    base = path.removesuffix(_SUFFIX)
    return base if base == path or base.count("/") > _CAMERA else f"{base}/{PROFILE_NAMES[0]}"


def metadata_path(path: str) -> str:
    """Return the RTSP path of a live profile with metadata; of `/live/CAMERA`, metadata alone."""
    return f"{path}{_SUFFIX}"
