"""What of a recording is sent, in which order, and with which marks: forward and backward, from gap to gap.

Nothing is paced here: frames come as fast as they are asked for.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind, StreamDescription, TrackDescription
from gateway.domain.recording import Extent, Fragment, Segment, Span
from gateway.services.archive import JOINT_NS, LATEST_NS

GROWTH_SECONDS = 1.0
"""How often a recording that grows is looked at, should nothing tell of its growth."""

_PAGE = 20


class Archive(Protocol):
    """What is recorded."""

    def extent(self, recording: str) -> Extent | None:
        """Return what a recording holds up to now."""
        ...

    def writing(self, recording: str) -> Segment | None:
        """Return the segment being written."""
        ...

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        """Return segments that overlap a span, in order of their starts."""
        ...

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        """Return bytes of a segment's file."""
        ...

    async def growth(self, recording: str) -> None:
        """Wait until a fragment was added."""
        ...


class Header(Protocol):
    """What comes before a file's fragments."""

    @property
    def description(self) -> StreamDescription:
        """Its tracks."""
        ...

    @property
    def info(self) -> Mapping[str, str]:
        """What the recorder wrote into it; `track.INDEX` is a track's token."""
        ...


class Sample(Protocol):
    """One frame of a file."""

    @property
    def track(self) -> int: ...  # noqa: D102
    @property
    def utc_ns(self) -> int: ...  # noqa: D102
    @property
    def duration_ns(self) -> int: ...  # noqa: D102
    @property
    def keyframe(self) -> bool: ...  # noqa: D102
    @property
    def payload(self) -> tuple[memoryview, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Format:
    """The file format, as services need it."""

    read_header: Callable[[bytes], Header]
    read_fragment: Callable[[bytes, Any], Sequence[Sample]]
    """Takes a fragment and the header of its file."""
    parameter_sets: Callable[[TrackDescription], Sequence[bytes]]
    """Returns those that a track's description holds."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to play. Backward, the start is later than the end."""

    start_ns: int
    end_ns: int | None = None
    backward: bool = False
    intra: bool = False
    """Key frames only."""
    interval_ns: int = 0
    """Least recording time between key frames that are sent."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame to send. `track` is an index of the opened recording's description."""

    track: int
    utc_ns: int
    duration_ns: int
    keyframe: bool
    payload: tuple[bytes | memoryview, ...]
    gop: int
    """Counts the GOPs that were sent."""
    begins: bool = False
    """It does not follow the frame of its track that was sent before."""
    ends: bool = False
    """It is the last before a gap, or in front of the end."""
    last: bool = False
    """There is no more data on this track."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A recording ready to be played."""

    recording: str
    description: StreamDescription
    tokens: tuple[str, ...]
    """The tracks' tokens."""
    span: Span


@dataclass(frozen=True, slots=True)
class _Piece:
    segment: Segment
    fragment: Fragment


_Followed: TypeAlias = tuple[_Piece, _Piece | None, bool]
"""A piece, the one that is sent after it, and whether there may still be one where there is none now."""


class Player:
    """Reads recordings in the order of replay."""

    def __init__(self, archive: Archive, form: Format) -> None:
        self._archive = archive
        self._form = form

    async def open(self, recording: str, at_ns: int | None = None) -> Opened:
        """Return what a recording is at a time, by default at its start. Raises GatewayError NOT_FOUND."""
        extent = self._archive.extent(recording)
        if extent is None:
            raise GatewayError(ErrorKind.NOT_FOUND, f"recording {recording!r} holds no data")
        start_ns = extent.span.start_ns if at_ns is None else at_ns
        found = await self._archive.segments(recording, Span(start_ns, LATEST_NS), limit=1)
        found = found or await self._archive.segments(recording, Span(0, LATEST_NS), descending=True, limit=1)
        if not found:
            raise GatewayError(ErrorKind.NOT_FOUND, f"recording {recording!r} holds no data")
        header = await self._header(found[0])
        tokens = tuple(header.info.get(f"track.{index}", "") for index in range(len(header.description.tracks)))
        return Opened(recording, header.description, tokens, extent.span)

    async def frames(self, opened: Opened, wanted: Wanted) -> AsyncIterator[Frame]:
        """Yield the frames in the order of sending. Ends where the data does; a recording that grows goes on."""
        pieces = self._backward(opened, wanted) if wanted.backward else self._forward(opened, wanted)
        sections = _Sections()
        header: tuple[int, Header] | None = None
        count = 0
        async for piece, following, growing in pieces:
            if header is None or header[0] != piece.segment.start_ns:
                header = piece.segment.start_ns, await self._header(piece.segment)
            places = _places(header[1].description, opened.description)
            if places is None:
                return
            data = await self._archive.read(piece.segment, piece.fragment.offset, piece.fragment.size)
            samples = [each for each in self._form.read_fragment(data, header[1]) if each.track in places]
            chosen = _chosen(samples, header[1].description, wanted, first=not count)
            chosen = sections.spaced(chosen, wanted)
            count += 1
            gap = following is not None and _apart(piece, following, backward=wanted.backward)
            over = following is None and not growing
            last = {sample.track: sample for sample in chosen}
            for sample in chosen:
                ends = sample is last[sample.track]
                yield Frame(
                    places[sample.track],
                    sample.utc_ns,
                    sample.duration_ns,
                    sample.keyframe,
                    self._payload(sample, header[1].description.tracks[sample.track]),
                    count,
                    begins=sections.begins(sample.track, wanted, count),
                    ends=ends and (gap or over),
                    last=ends and over,
                )
            if gap:
                sections.clear()

    async def _header(self, segment: Segment) -> Header:
        return self._form.read_header(await self._archive.read(segment, 0, segment.fragments[0].offset))

    def _payload(self, sample: Sample, track: TrackDescription) -> tuple[bytes | memoryview, ...]:
        """Return a frame; a key frame without parameter sets gets those of the description in front."""
        kind = _PARAMETER_SETS.get(track.encoding)
        if kind is None or not sample.keyframe or any(kind(unit) for unit in sample.payload):
            return sample.payload
        return (*self._form.parameter_sets(track), *sample.payload)

    async def _forward(self, opened: Opened, wanted: Wanted) -> AsyncIterator[_Followed]:
        before: _Piece | None = None
        async for piece in self._onward(opened.recording, wanted.start_ns):
            if before is not None:
                yield before, piece, True
            before = piece
            if piece is not None and wanted.end_ns is not None and piece.fragment.start_ns > wanted.end_ns:
                return
        if before is not None:
            yield before, None, False

    async def _onward(self, recording: str, start_ns: int) -> AsyncIterator[_Piece | None]:
        """Yield pieces from a time on, None whenever there are no more for now."""
        segment: Segment | None = None
        done = 0
        while True:
            found = await self._next(recording, segment, start_ns, done)
            if found is not None:
                if segment is None or found.start_ns != segment.start_ns:
                    done = 0
                segment = found
                for fragment in segment.fragments[done:]:
                    if fragment.end_ns > start_ns:
                        yield _Piece(segment, fragment)
                done = len(segment.fragments)
            elif self._archive.writing(recording) is None:
                return
            else:
                yield None
                try:
                    async with asyncio.timeout(GROWTH_SECONDS):
                        await self._archive.growth(recording)
                except TimeoutError:
                    continue

    async def _next(self, recording: str, segment: Segment | None, start_ns: int, done: int) -> Segment | None:
        """Return the same segment if it has grown, else the one after it."""
        from_ns = start_ns if segment is None else segment.start_ns
        for found in await self._archive.segments(recording, Span(from_ns, LATEST_NS), limit=_PAGE):
            if segment is None or found.start_ns > segment.start_ns:
                return found
            if found.start_ns == segment.start_ns and len(found.fragments) > done:
                return found
        return None

    async def _backward(self, opened: Opened, wanted: Wanted) -> AsyncIterator[_Followed]:
        before: _Piece | None = None
        async for piece in self._rearward(opened.recording, wanted.start_ns):
            if before is not None:
                yield before, piece, False
            before = piece
            if wanted.end_ns is not None and piece.fragment.end_ns <= wanted.end_ns:
                return
        if before is not None:
            yield before, None, False

    async def _rearward(self, recording: str, start_ns: int) -> AsyncIterator[_Piece]:
        cursor = start_ns + 1
        while page := await self._archive.segments(recording, Span(0, cursor), descending=True, limit=_PAGE):
            fresh = [segment for segment in page if segment.start_ns < cursor]
            for segment in fresh:
                for fragment in reversed(segment.fragments):
                    if fragment.start_ns <= start_ns:
                        yield _Piece(segment, fragment)
            if not fresh:
                return
            cursor = fresh[-1].start_ns


class _Sections:
    """Which tracks have begun since the last gap, and which key frame was sent last."""

    def __init__(self) -> None:
        self._begun: set[int] = set()
        self._gop = 0
        self._last_ns: int | None = None

    def begins(self, track: int, wanted: Wanted, gop: int) -> bool:
        """Tell whether a track begins with this frame; backward, every GOP does."""
        if wanted.backward and gop != self._gop:
            self._begun.clear()
        self._gop = gop
        begins = track not in self._begun
        self._begun.add(track)
        return begins

    def clear(self) -> None:
        """A gap comes."""
        self._begun.clear()

    def spaced(self, samples: list[Sample], wanted: Wanted) -> list[Sample]:
        """Leave out key frames that are too close to the one before."""
        if not wanted.interval_ns:
            return samples
        found = []
        for sample in samples:
            if self._last_ns is None or abs(sample.utc_ns - self._last_ns) >= wanted.interval_ns:
                self._last_ns = sample.utc_ns
                found.append(sample)
        return found


def _chosen(samples: list[Sample], description: StreamDescription, wanted: Wanted, *, first: bool) -> list[Sample]:
    """Return what is sent of a fragment."""
    kinds = [track.kind for track in description.tracks]
    video = [sample for sample in samples if kinds[sample.track] is MediaKind.VIDEO]
    if wanted.intra:
        samples = [sample for sample in video if sample.keyframe]
    elif wanted.backward:
        samples = video
    if wanted.backward:
        return [each for each in samples if each.utc_ns <= wanted.start_ns] or samples[:1] if first else samples
    if first:
        keys = [sample for sample in video if sample.keyframe and sample.utc_ns <= wanted.start_ns]
        if keys:
            samples = [
                each for each in samples[_index(samples, keys[-1]) :] if each.utc_ns >= keys[-1].utc_ns or each in video
            ]
    if wanted.end_ns is not None:
        samples = [sample for sample in samples if sample.utc_ns <= wanted.end_ns]
    return samples


def _index(samples: list[Sample], key: Sample) -> int:
    return next((index for index, sample in enumerate(samples) if sample is key), 0)


def _apart(piece: _Piece, following: _Piece, *, backward: bool) -> bool:
    """Tell whether something is missing between two pieces."""
    earlier, later = (following, piece) if backward else (piece, following)
    return (
        earlier.segment.run_ns != later.segment.run_ns or later.fragment.start_ns - earlier.fragment.end_ns > JOINT_NS
    )


def _places(found: StreamDescription, opened: StreamDescription) -> dict[int, int] | None:
    """Return where a file's tracks are among the opened ones; None when its picture is coded otherwise."""
    places = {}
    for index, track in enumerate(found.tracks):
        place = next((at for at, known in enumerate(opened.tracks) if known.kind is track.kind), None)
        if place is None:
            continue
        known = opened.tracks[place]
        if (known.encoding, known.clock_rate, known.channels) == (track.encoding, track.clock_rate, track.channels):
            places[index] = place
        elif track.kind is MediaKind.VIDEO:
            return None
    return places


_PARAMETER_SETS: dict[str, Callable[[memoryview], bool]] = {
    "H264": lambda unit: unit[0] & 0x1F == 7,  # noqa: PLR2004 - sequence parameter set
    "H265": lambda unit: unit[0] >> 1 & 0x3F == 33,  # noqa: PLR2004 - sequence parameter set
}
