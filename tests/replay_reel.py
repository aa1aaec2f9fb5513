"""A recording of real segment files whose every frame carries its number."""

from dataclasses import dataclass, field, replace

from gateway.domain.media import AccessUnit, MediaKind, PacketBlock, StreamDescription, TrackDescription
from gateway.domain.recording import Fragment, Segment, Span
from gateway.protocols.mp4.reader import read_fragment, read_header
from gateway.protocols.mp4.writer import Fragmented, Muxer
from gateway.services.archive import Archive
from gateway.services.playback import Format, Player

RECORDING = "Recording_door"
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
SETS = (bytes.fromhex("6742c01ed90141fb016a02020280"), bytes.fromhex("68ce3c80"))
PICTURE = StreamDescription((TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000, fmtp="packetization-mode=1"),))
DIGITS = slice(1, 9)
"""Where a picture's NAL unit carries its number."""


@dataclass
class Reel:
    """Frame N is captured N / fps seconds after START; every GOP is a fragment."""

    fps: int = 10
    gop: int = 10
    gops: int = 6
    """Of a segment."""
    size: int = 2000
    """Bytes of a picture; a key frame has twice as many."""
    known: list[Segment] = field(default_factory=list)
    files: dict[str, bytearray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.archive = Archive(self, self)
        self.player = Player(self.archive, Format(read_header, read_fragment, lambda _: ()))

    def at(self, frame: float) -> int:
        """Return when a frame was captured."""
        return START + round(frame * SECOND / self.fps)

    def record(self, first: int, segments: int) -> int:
        """Add a run of closed segments that begins with a frame; returns the frame behind it."""
        for number in range(segments):
            segment = self.grow(first + number * self.gop * self.gops, self.gops, run=first)
            self.archive.closed(segment)
        return first + segments * self.gop * self.gops

    def grow(self, first: int, gops: int, run: int | None = None) -> Segment:
        """Let a segment that begins with a frame have so many GOPs, the newest told at once."""
        muxer = Muxer(PICTURE, {"track.0": "VIDEO001"}, self.at(first))
        made = [self._fragment(muxer, first + number * self.gop) for number in range(gops)]
        data = bytearray(muxer.header())
        fragments = []
        for each in made:
            fragments.append(Fragment(len(data), each.size, each.start_ns, each.end_ns))
            data += b"".join(each.parts)
        name, run_ns = str(first), self.at(first if run is None else run)
        self.files[name] = data
        segment = Segment(
            RECORDING,
            self.at(first),
            fragments[-1].end_ns,
            run_ns,
            "disk",
            name,
            len(data),
            ("VIDEO001",),
            tuple(fragments),
        )
        self.archive.grown(replace(segment, closed=False))
        return segment

    def _fragment(self, muxer: Muxer, first: int) -> Fragmented:
        units = [self._unit(number) for number in range(first, first + self.gop)]
        return muxer.fragment(units, self.at(first + self.gop))

    def _unit(self, number: int) -> AccessUnit:
        key = number % self.gop == 0
        picture = (b"\x65" if key else b"\x41") + b"%08d" % number + b"\xaa" * (self.size * (1 + key) - 9)
        parts = tuple(map(memoryview, (*SETS, picture) if key else (picture,)))
        ticks = number * 90_000 // self.fps
        return AccessUnit(0, ticks, self.at(number), key, PacketBlock(b"", 0), lambda _: parts)

    # What the archive needs

    def add(self, segment: Segment) -> None:
        """Keep a closed segment."""
        if segment.closed:
            self.known.append(segment)

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        """Return closed segments that overlap a span."""
        found = [each for each in self.known if each.start_ns < span.end_ns and span.start_ns < each.end_ns]
        return sorted(found, key=lambda each: each.start_ns, reverse=descending)[:limit]

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        """Return bytes of a file."""
        return bytes(self.files[segment.name][offset : offset + size])
