"""What of a recording is sent, in which order, and with which marks: forward and backward, from gap to gap.

Nothing is paced here: frames come as fast as they are asked for.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind, StreamDescription, TrackDescription
from gateway.domain.recording import Extent, Fragment, Segment, Span
from gateway.services.archive import JOINT_NS, LATEST_NS, TOUCH_NS
from gateway.services.playback_choice import Sample, Sections, Wanted, chosen, is_keyed
from gateway.services.playback_references import referred

GROWTH_SECONDS = 1.0
"""How often a recording that grows is looked at, should nothing tell of its growth."""
PATIENCE = 5
"""So many looks in vain after recording stopped it ends; between two files, too, nothing is being written."""

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

    def growth(self, recording: str) -> asyncio.Event:
        """Return what is set as soon as a fragment is added."""
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


@dataclass(frozen=True, slots=True)
class Format:
    """The file format, as services need it."""

    read_header: Callable[[bytes], Header]
    read_fragment: Callable[[bytes, Any], Sequence[Sample]]
    """Takes a fragment and the header of its file."""
    parameter_sets: Callable[[TrackDescription], Sequence[bytes]]
    """Returns those that a track's description holds."""


@dataclass(slots=True)
class Frame:
    """One frame to send; immutable once made. `track` is an index of the opened recording's description."""

    track: int
    utc_ns: int
    duration_ns: int
    keyframe: bool
    payload: tuple[bytes | memoryview, ...]
    gop: int
    """Counts the GOPs that were sent."""
    until_ns: int
    """Where the GOP ends, as far as it lies in one piece of a file."""
    begins: bool = False
    """It does not follow the frame of its track that was sent before."""
    ends: bool = False
    """It is the last before a gap, or in front of the end."""
    last: bool = False
    """There is no more data on this track."""
    after_gap: bool = False
    """Something is missing between it and the frame that was sent before, on any track."""


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


@dataclass(frozen=True, slots=True)
class _Read:
    """A piece that was read."""

    piece: _Piece
    description: StreamDescription
    samples: Sequence[Sample]
    keyed: bool
    """It begins with a clean point."""
    gap: bool
    """Something is missing between it and the piece that is sent next."""
    over: bool
    """There is no piece to be sent next."""


_Followed: TypeAlias = tuple[_Piece, _Piece | None, bool]
"""A piece, the one that is sent after it, and whether there may still be one where there is none now."""


class Player:
    """Reads recordings in the order of replay."""

    def __init__(self, archive: Archive, form: Format) -> None:
        self._archive = archive
        self._form = form

    async def open(self, recording: str) -> Opened:
        """Return what a recording is, with its newest file's tracks. Raises GatewayError NOT_FOUND."""
        extent = self._archive.extent(recording)
        if extent is None:
            raise GatewayError(ErrorKind.NOT_FOUND, f"recording {recording!r} holds no data")
        found = await self._archive.segments(recording, Span(0, LATEST_NS), descending=True, limit=1)
        if not found:
            raise GatewayError(ErrorKind.NOT_FOUND, f"recording {recording!r} holds no data")
        header = await _Files(self._archive, self._form).header(found[0])
        tokens = tuple(header.info.get(f"track.{index}", "") for index in range(len(header.description.tracks)))
        return Opened(recording, header.description, tokens, extent.span)

    async def frames(self, opened: Opened, wanted: Wanted) -> AsyncIterator[Frame]:
        """Yield the frames in the order of sending. Ends where the data does; a recording that grows goes on.

        What is coded otherwise than it was opened is passed over at the start, and ends it later.

        Raises GatewayError UNAVAILABLE when a storage is away; what was deleted meanwhile is a gap.
        """
        sections = Sections()
        before: _Piece | None = None
        gap = False
        async for read in self._reads(opened, wanted):
            if read is None:
                sections.clear()
                gap = True
                continue
            places = _places(read.description, opened.description)
            if places is None:
                if wanted.backward or sections.gop:
                    return
                continue
            if before is not None and not wanted.backward and _apart(before, read.piece, backward=False):
                sections.clear()
            before = read.piece
            samples = [sample for sample in read.samples if sample.track in places]
            samples = referred(samples, read.description, wanted)
            groups = chosen(samples, read.description, wanted, first=not sections.gop)
            spaced = [(group, sections.spaced(group, wanted)) for group in groups]
            last = {sample.track: sample for _, sent in spaced for sample in sent}
            for group, sent in spaced:
                until_ns = max(sample.utc_ns + sample.duration_ns for sample in group)
                leads = group[0] if read.keyed or group is not groups[0] else None
                for sample in sent:
                    if sample is leads or not sections.gop:
                        sections.next_gop(backward=wanted.backward)
                    begins = sections.begins(sample.track)
                    if wanted.end_ns is not None and not wanted.backward and sample.utc_ns > wanted.end_ns:
                        continue
                    ends = sample is last[sample.track]
                    yield Frame(
                        places[sample.track],
                        sample.utc_ns,
                        sample.duration_ns,
                        sample.keyframe,
                        self._payload(sample, read.description.tracks[sample.track]),
                        sections.gop,
                        until_ns,
                        begins=begins,
                        ends=ends and (read.gap or read.over),
                        last=ends and read.over,
                        after_gap=gap,
                    )
                    gap = False
            gap = gap or read.gap

    async def _reads(self, opened: Opened, wanted: Wanted) -> AsyncIterator["_Read | None"]:
        """Yield pieces with their samples, in the order of sending; None for one that was deleted meanwhile.

        A GOP that was too long for one piece begins with the piece of its key frame, whatever piece was come to first.
        """
        pieces = self._backward(opened, wanted) if wanted.backward else self._forward(opened, wanted)
        files = _Files(self._archive, self._form, opened.description)
        rest: list[_Piece] = []
        begun = False
        async for piece, following, growing in pieces:
            if rest and rest[-1].segment.start_ns != piece.segment.start_ns:
                rest.clear()
            if wanted.backward and not rest and wanted.end_ns is not None and piece.fragment.end_ns <= wanted.end_ns:
                return
            gap = following is not None and _apart(piece, following, backward=wanted.backward)
            read = await files.read(piece, gap=gap, over=following is None and not growing)
            if read is None:
                rest.clear()
            elif not read.keyed and wanted.backward:
                rest.append(piece)
                continue
            chain = [piece, *reversed(rest)] if wanted.backward else [piece]
            if read is not None and not read.keyed and not begun:
                chain = await self._from_key(files, piece)
            begun = True
            for each in chain[:-1]:
                yield await files.read(each, gap=False, over=False)
            if len(chain) > 1:
                read = await files.read(chain[-1], gap=gap, over=following is None and not growing)
            yield read
            rest.clear()

    async def _from_key(self, files: "_Files", piece: _Piece) -> list[_Piece]:
        """Return the pieces of a GOP from that of its key frame to this one."""
        chain = [piece]
        for fragment in reversed(piece.segment.fragments):
            if fragment.offset < piece.fragment.offset:
                chain.insert(0, _Piece(piece.segment, fragment))
                read = await files.read(chain[0], gap=False, over=False)
                if read is None or read.keyed:
                    break
        return chain

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
                if wanted.end_ns is not None and before.fragment.end_ns > wanted.end_ns:
                    return
            before = piece
            if piece is not None and wanted.end_ns is not None and piece.fragment.start_ns > wanted.end_ns:
                return
        if before is not None:
            yield before, None, False

    async def _onward(self, recording: str, start_ns: int) -> AsyncIterator[_Piece | None]:
        """Yield pieces from a time on, None whenever there are no more for now."""
        segment: Segment | None = None
        done = vain = 0
        grew = False
        while True:
            grown = self._archive.growth(recording)  # before looking, so that nothing is missed in between
            found = await self._next(recording, segment, start_ns, done)
            if found is not None:
                grew, vain = grew or not found.closed, 0
                if segment is None or found.start_ns != segment.start_ns:
                    done = 0
                segment = found
                for fragment in segment.fragments[done:]:
                    if fragment.end_ns > start_ns:
                        yield _Piece(segment, fragment)
                done = len(segment.fragments)
                continue
            writing = self._archive.writing(recording) is not None
            grew = grew or writing
            vain = 0 if writing else vain + 1
            if not writing and (not grew or vain > PATIENCE):
                return
            yield None
            with suppress(TimeoutError):
                async with asyncio.timeout(GROWTH_SECONDS):
                    await grown.wait()

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


class _Files:
    """Reads pieces, and the header of each file once."""

    def __init__(self, archive: Archive, form: Format, opened: StreamDescription | None = None) -> None:
        self._archive = archive
        self._form = form
        self._opened = opened
        self._header: tuple[int, Header] | None = None

    async def header(self, segment: Segment) -> Header:
        """Return the header of a file. Raises GatewayError."""
        if self._header is None or self._header[0] != segment.start_ns:
            data = await self._archive.read(segment, 0, segment.fragments[0].offset)
            self._header = segment.start_ns, self._form.read_header(data)
        return self._header[1]

    async def read(self, piece: _Piece, *, gap: bool, over: bool) -> _Read | None:
        """Return a piece with its samples, None when it was deleted. Raises GatewayError UNAVAILABLE or INVALID."""
        try:
            header = await self.header(piece.segment)
            if self._opened is not None and _places(header.description, self._opened) is None:
                return _Read(piece, header.description, (), keyed=True, gap=gap, over=over)
            data = await self._archive.read(piece.segment, piece.fragment.offset, piece.fragment.size)
        except GatewayError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            raise
        samples = self._form.read_fragment(data, header)
        return _Read(piece, header.description, samples, is_keyed(samples, header.description), gap, over)


def _apart(piece: _Piece, following: _Piece, *, backward: bool) -> bool:
    """Tell whether something is missing between two pieces."""
    earlier, later = (following, piece) if backward else (piece, following)
    between_ns = later.fragment.start_ns - earlier.fragment.end_ns
    same_run = earlier.segment.run_ns == later.segment.run_ns
    return between_ns > JOINT_NS if same_run else abs(between_ns) > TOUCH_NS


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
