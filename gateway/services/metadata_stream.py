"""A camera's stream once more, with documents of what happens there as its last track (ONVIF Streaming §5.2.1.1)."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.sdk.clock import Clock
from gateway.services.streams import LiveStream, StreamReader

TRACK = TrackDescription(MediaKind.APPLICATION, "VND.ONVIF.METADATA", 107, 90_000)
SYNC_SECONDS = 10.0
"""Between two documents with all states, so that a recording can be read from any place."""
FOREIGN_NS = 5_000_000_000
"""A camera whose clock is farther from ours has documents stamped with its time, like the pictures they go with."""

_NS = 1_000_000_000

Packetize: TypeAlias = Callable[[bytes, int, int], AccessUnit]
"""Takes a document, its RTP time and its UTC time."""
Packetizer: TypeAlias = Callable[[int], Packetize]
"""Makes what packs the documents of one stream, as its track of some number."""


class Source(Protocol):
    """What metadata is made of."""

    def begin(self, stream: "MetadataStream") -> None:
        """Call the stream's `tell` from now on: somebody reads it."""
        ...

    def end(self, stream: "MetadataStream") -> None:
        """Stop that."""
        ...

    def states(self, channel: str) -> bytes | None:
        """Return a document with all states of a channel; None when it has none."""
        ...

    def description(self, path: str) -> StreamDescription | None:
        """Return the live, or else the last known, description of a path."""
        ...


class MetadataStream(LiveStream):
    """One path with metadata. While nobody reads it, it reads nothing."""

    __slots__ = ("_base", "_clock", "_due", "_lead", "_packetize", "_packetizer", "_source", "_track", "channel")

    def __init__(
        self, path: str, channel: str, base: LiveStream | None, source: Source, packetizer: Packetizer, clock: Clock
    ) -> None:
        """`base` is the stream without metadata, None for metadata alone; `channel` is the camera's id."""
        super().__init__(path)
        self.channel = channel
        self._base = base
        self._source = source
        self._packetizer = packetizer
        self._clock = clock
        self._track = -1
        """The track of documents."""
        self._packetize: Packetize | None = None
        self._lead = -1
        """The track of video; -1 without."""
        self._due = 0.0
        """When all states are told next."""

    @property
    def description(self) -> StreamDescription | None:
        """Its tracks; None before the camera's first announcement."""
        if self._base is None:
            return with_metadata(StreamDescription(()))
        known = self._base.description
        return None if known is None else with_metadata(known)

    @property
    def known(self) -> bool:
        """Whether its camera has ever said what it sends."""
        return self._base is None or self._base.known

    @property
    def gop(self) -> Sequence[AccessUnit]:
        """What a new viewer starts with: the camera's units since the last key frame."""
        return () if self._base is None else self._base.gop

    def attach(self, reader: StreamReader) -> None:
        """Add a reader; the first one has the camera and its events read."""
        super().attach(reader)
        if self.readers == 1:
            self._take_tracks(self._source.description(self.path))
            self._source.begin(self)
            if self._base is not None:
                self._base.attach(self)

    def detach(self, reader: StreamReader) -> None:
        """Remove a reader; after the last one nothing is read any more."""
        before = self.readers
        super().detach(reader)
        if before and not self.readers:
            self._source.end(self)
            if self._base is not None:
                self._base.detach(self)

    def described(self, description: StreamDescription) -> None:
        """Take the camera's tracks (`StreamReader`)."""
        new = with_metadata(description)
        self._take_tracks(new)
        for reader in self._readers:
            reader.described(new)

    def deliver(self, unit: AccessUnit) -> None:
        """Hand a unit of the camera to every reader (`StreamReader`)."""
        for reader in self._readers:
            reader.deliver(unit)
        if unit.keyframe and unit.track == self._lead and self._clock.monotonic() >= self._due:
            self.synchronize()

    def synchronize(self) -> None:
        """Tell all states now; viewers who wait for a key frame are told after it."""
        document = self._source.states(self.channel)
        waits = self._lead >= 0 and not self.gop
        self._due = 0.0 if waits else self._clock.monotonic() + SYNC_SECONDS
        if document is not None:
            self.tell(document)

    def tell(self, document: bytes) -> None:
        """Send a document to every reader."""
        if self._packetize is None:
            return
        utc_ns = self._now()
        unit = self._packetize(document, utc_ns * TRACK.clock_rate // _NS, utc_ns)
        for reader in self._readers:
            reader.deliver(unit)

    def _now(self) -> int:
        now = self._clock.utc_ns()
        pictures = self.gop[-1].utc_ns if self.gop else now
        return now if abs(pictures - now) <= FOREIGN_NS else pictures

    def _take_tracks(self, description: StreamDescription | None) -> None:
        """Learn which track documents are. As long as it is the same one, its sequence numbers run on."""
        if description is None:
            return
        video = description.first(MediaKind.VIDEO)
        self._lead = -1 if video is None else description.tracks.index(video)
        track = len(description.tracks) - 1
        if track != self._track:
            self._track, self._packetize = track, self._packetizer(track)


def with_metadata(description: StreamDescription) -> StreamDescription:
    """Return the tracks of a stream with that of its metadata behind them."""
    return StreamDescription((*description.tracks, TRACK))
