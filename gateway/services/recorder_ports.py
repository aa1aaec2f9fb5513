"""What the recorder needs of others."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gateway.domain.event import Event
from gateway.domain.media import AccessUnit, StreamDescription
from gateway.domain.recording import Assignment, Extent, Segment
from gateway.sdk.clock import Clock
from gateway.sdk.storage import SegmentWriter
from gateway.services.eventbus import EventReader
from gateway.services.streams import LiveStream


class Fragmented(Protocol):
    """A fragment as it is to be written; no parts when none of the units could be stored."""

    @property
    def parts(self) -> Sequence[bytes | memoryview]:
        """Its bytes, in order."""
        ...

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        ...

    @property
    def start_ns(self) -> int:
        """Capture time of its first sample."""
        ...

    @property
    def end_ns(self) -> int:
        """When its last sample ends."""
        ...


class Muxer(Protocol):
    """Makes one segment file. Called in one disk thread at a time."""

    @property
    def tracks(self) -> tuple[int, ...]:
        """Indices of the tracks that can be stored."""
        ...

    def header(self) -> bytes:
        """Return what comes first; it is best made after the first fragment, whose parameter sets it tells."""
        ...

    def fragment(self, units: Sequence[AccessUnit], end_ns: int) -> Fragmented:
        """Return the units as the next fragment, whose last frame lasts up to `end_ns`."""
        ...

    def trailer(self) -> bytes:
        """Return what comes last in a complete file."""
        ...


MuxerFactory: TypeAlias = Callable[[StreamDescription, Mapping[str, str], int], Muxer]
"""Takes the tracks, what the file says of itself, and the capture time of its first sample."""


class Storages(Protocol):
    """Where segments are kept. `create` is called in disk threads, the rest on the loop."""

    def writable(self, exclude: Sequence[str] = ()) -> str | None:
        """Return the id of the storage to write to now; None when there is none besides the excluded."""
        ...

    def create(self, storage: str, name: str) -> SegmentWriter:
        """Make an object. Raises OSError or GatewayError."""
        ...

    def failed(self, storage: str, error: Exception) -> None:
        """Learn that a storage could not be written to; returns at once."""
        ...

    async def delete(self, segments: Sequence[Segment]) -> object:
        """Delete the files of segments. Raises GatewayError when that can't be done now."""
        ...


class Growing(Protocol):
    """The archive as the recorder tells it."""

    def grown(self, segment: Segment) -> None:
        """Take the new state of a segment that is being written."""
        ...

    def closed(self, segment: Segment) -> None:
        """Take a finished segment."""
        ...

    def extent(self, recording: str) -> Extent | None:
        """Return what a recording holds; None where there is no data."""
        ...


class Assignments(Protocol):
    """What is to be recorded."""

    def assignments(self) -> tuple[Assignment, ...]:
        """Return the winning job of every recording that has one."""
        ...

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Have a function called when `assignments` changed."""
        ...


class Events(Protocol):
    """The event bus, for recordings that wait for an event."""

    def attach(self, reader: EventReader) -> None:
        """Add a reader."""
        ...

    def detach(self, reader: EventReader) -> None:
        """Remove a reader."""
        ...

    def properties(self) -> tuple[Event, ...]:
        """Return every property as it is now."""
        ...


async def no_room(_storage: str) -> bool:
    """Answer that nothing can be deleted from a full storage."""
    return False


def no_motion(_path: str, _start_ns: int, _end_ns: int) -> int:
    """Answer that nothing moved."""
    return 0


@dataclass(frozen=True, slots=True)
class RecorderPorts:
    """What every recording of a recorder shares."""

    streams: Callable[[str], LiveStream | None]
    """The live stream of a path."""
    archive: Growing
    storages: Storages
    muxer: MuxerFactory
    clock: Clock
    disk: Executor
    make_room: Callable[[str], Awaitable[bool]] = no_room
    """Frees room on a full storage; tells whether writing can be tried again."""
    write_seconds: float = 10.0
    """A storage that takes longer for one write has failed."""
    motion: Callable[[str, int, int], int] = no_motion
    """How strong motion was in the picture of a stream's path in a stretch of time, 0 to 255; it may be known late."""
    version: str = "1"
    """Goes into every file."""
