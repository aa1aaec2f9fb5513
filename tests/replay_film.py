"""A recording with an invented codec: a payload is the name of its frame, so that what is replayed says what it is."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind, StreamDescription, TrackDescription
from gateway.domain.recording import Fragment, Segment, Span
from gateway.services.archive import Archive
from gateway.services.playback import Format, Frame, Opened, Player
from gateway.services.playback_choice import Wanted

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
RECORDING = "Recording_door"
VIDEO = TrackDescription(MediaKind.VIDEO, "INVENTED", 96, 90_000)
AUDIO = TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8000)
BOTH, PICTURE = StreamDescription((VIDEO, AUDIO)), StreamDescription((VIDEO,))
FPS = 4
HEADER = 100


@dataclass(frozen=True)
class Sample:
    track: int
    utc_ns: int
    duration_ns: int
    keyframe: bool
    payload: tuple[memoryview, ...]


@dataclass(frozen=True)
class Header:
    description: StreamDescription
    info: dict[str, str]


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


@dataclass
class Film:
    """An archive in memory whose frames are named by kind and number: v0 is a key frame, v0.25 comes 250 ms later."""

    known: dict[int, Segment] = field(default_factory=dict)
    files: dict[str, list[list[Sample]]] = field(default_factory=dict)
    headers: dict[str, Header] = field(default_factory=dict)
    lost: dict[str, ErrorKind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.archive = Archive(self, self)
        self.player = Player(self.archive, Format(self.read_header, self.read_fragment, lambda _: (b"set1", b"set2")))

    def segment(
        self,
        start: float,
        gops: int = 2,
        *,
        run: float | None = None,
        description: StreamDescription = BOTH,
        keys: float = 1.0,
        keyed: int = 1,
    ) -> Segment:
        """Return a segment of fragments of a second, with key frames so far apart, the first in every `keyed` only."""
        name = f"{start}{description.tracks[0].encoding}"
        info = {f"track.{number}": f"T{number}" for number in range(len(description.tracks))}
        self.headers[name] = Header(description, info)
        self.files[name] = [
            _samples(start + number, description, keys if number % keyed == 0 else 0.0) for number in range(gops)
        ]
        fragments = tuple(Fragment(HEADER + n, 1, at(start + n), at(start + n + 1)) for n in range(gops))
        run_ns = at(start if run is None else run)
        return Segment(
            RECORDING, at(start), at(start + gops), run_ns, "disk", name, 1, ("T0", "T1")[: len(info)], fragments
        )

    def record(self, start: float, gops: int = 2, **more: object) -> Segment:
        """Put a closed segment into the archive."""
        segment = self.segment(start, gops, **more)
        self.archive.closed(segment)
        return segment

    def write(self, segment: Segment, fragments: int) -> None:
        """Let a segment be written, so far as that many fragments."""
        part = segment.fragments[:fragments]
        self.archive.grown(replace(segment, fragments=part, end_ns=part[-1].end_ns, closed=False))

    # What the archive needs

    def add(self, segment: Segment) -> None:
        self.known[segment.start_ns] = segment

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        closed = [each for _, each in sorted(self.known.items(), reverse=descending) if each.closed]
        return [each for each in closed if each.start_ns < span.end_ns and span.start_ns < each.end_ns][:limit]

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        if segment.name in self.lost:
            raise GatewayError(self.lost[segment.name], f"{segment.name} can't be read")
        return f"{segment.name}/{offset}".encode()

    # What the file format is

    def read_header(self, data: bytes) -> Header:
        return self.headers[data.decode().partition("/")[0]]

    def read_fragment(self, data: bytes, _header: Header) -> list[Sample]:
        name, _, offset = data.decode().partition("/")
        return self.files[name][int(offset) - HEADER]

    # What is asked of it

    async def opened(self) -> Opened:
        return await self.player.open(RECORDING)

    async def frames(self, start: float = 0.0, end: float | None = None, **more: object) -> list[Frame]:
        wanted = Wanted(at(start), None if end is None else at(end), **more)
        async with asyncio.timeout(30):
            return [frame async for frame in self.player.frames(await self.opened(), wanted)]

    async def sent(self, start: float = 0.0, end: float | None = None, **more: object) -> str:
        return shown(await self.frames(start, end, **more))


def _samples(start: float, description: StreamDescription, keys: float) -> list[Sample]:
    """Return a second of frames; a key frame each so many seconds, none at all for 0."""
    step = SECOND // FPS
    found = []
    for number in range(FPS):
        moment = start + number / FPS
        for track, described in enumerate(description.tracks):
            key = described.kind is not MediaKind.VIDEO or (keys > 0 and number / FPS % keys == 0)
            name = f"{described.kind.value[0]}{moment:g}"
            found.append(Sample(track, at(moment), step, key, (memoryview(name.encode()),)))
    return found


def shown(frames: Sequence[Frame]) -> str:
    """Return names with the marks that frames have: D begins, E ends, T is the last of its track."""
    return " ".join(
        bytes(frame.payload[-1]).decode()
        + "".join(mark for mark, is_set in zip("DET", (frame.begins, frame.ends, frame.last), strict=True) if is_set)
        for frame in frames
    )
