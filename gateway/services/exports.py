"""Exports: any time range of a recording as one plain MP4, made while it is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Segment, Span

_PAGE = 100
_BLOCK = 1024 * 1024
"""Bytes read at once."""
_FIRST_READ = 4096
"""Bytes of a fragment; its tables fit into them nearly always."""


class Archive(Protocol):
    """Where segments are."""

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        """Return segments that overlap a span, in order of their starts."""
        ...

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        """Return bytes of a segment's file. Raises GatewayError NOT_FOUND or UNAVAILABLE."""
        ...


class SourceRange(Protocol):
    """Bytes that come from a segment."""

    @property
    def source(self) -> int:
        """Number of the segment."""
        ...

    @property
    def offset(self) -> int:
        """Where they begin in its file."""
        ...

    @property
    def size(self) -> int:
        """How many they are."""
        ...


class Movie(Protocol):
    """A movie whose every byte is known, or known where to find."""

    start_ns: int
    size: int

    def parts(self, offset: int, size: int) -> Iterator[bytes | SourceRange]:
        """Yield what a part of the movie is made of."""
        ...


class Plan(Protocol):
    """Makes a movie of the tables of segments, handed in in order."""

    def segment(self, source: int, data: bytes, /) -> bool:
        """Go on with the segment that begins so; False when it can't be in the same movie."""
        ...

    def fragment(self, offset: int, data: bytes, /) -> None:
        """Take the fragment of that segment that begins so, at an offset in its file."""
        ...

    def movie(self) -> Movie | None:
        """Return the movie, None when it would be empty."""
        ...


class Export:
    """A movie that is ready to be sent, in full or in part."""

    content_type = "video/mp4"

    def __init__(self, archive: Archive, sources: Sequence[Segment], movie: Movie, name: str, end_ns: int) -> None:
        self.name = name
        """What to call the file."""
        self.size = movie.size
        """Bytes."""
        self.start_ns = movie.start_ns
        """When playback begins: where the range does, or later when nothing was recorded then."""
        self.end_ns = end_ns
        """Where the range ends, or earlier, where a codec changed: what follows is another movie, from there."""
        self._archive = archive
        self._sources = sources
        self._movie = movie

    async def chunks(self, offset: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        """Yield a part of the movie, up to its end by default, in blocks of at most 1 MB.

        Raises GatewayError NOT_FOUND or UNAVAILABLE when footage was deleted, or its storage went away, meanwhile.
        """
        for part in self._movie.parts(offset, self.size if size is None else size):
            length = len(part) if isinstance(part, bytes) else part.size
            for at in range(0, length, _BLOCK):
                wanted = min(_BLOCK, length - at)
                if isinstance(part, bytes):
                    yield part[at : at + wanted]
                else:
                    yield await self._read(self._sources[part.source], part.offset + at, wanted)

    async def _read(self, segment: Segment, offset: int, size: int) -> bytes:
        data = await self._archive.read(segment, offset, size)
        if len(data) != size:
            raise GatewayError(
                ErrorKind.UNAVAILABLE, f"{segment.name} ends at byte {offset + len(data)}, {offset + size} are needed"
            )
        return data


@dataclass(frozen=True, slots=True)
class Exports:
    """Makes movies of recordings."""

    archive: Archive
    plan: Callable[[int, int], Plan]
    """Begins a movie of a time range."""
    head_size: Callable[[bytes], int]
    """Tells how many bytes of a fragment a plan needs, by its first ones; more only when there are too few to tell."""

    async def movie(self, recording: str, start_ns: int, end_ns: int) -> Export:
        """Return the movie of a time range.

        Raises GatewayError: INVALID for a range that is empty or a file that is damaged, NOT_FOUND when nothing was
        recorded in it, LIMIT when it is too long, UNAVAILABLE when a storage is away.
        """
        if end_ns <= start_ns:
            raise GatewayError(
                ErrorKind.INVALID, f"a range can't end at {_text(end_ns)} when it begins at {_text(start_ns)}"
            )
        span, sources = Span(start_ns, end_ns), list[Segment]()
        plan = self.plan(start_ns, end_ns)
        async for segment in self._segments(recording, span):
            if not await self._take(plan, segment, len(sources), span):
                end_ns = segment.start_ns
                break
            sources.append(segment)
        movie = await asyncio.to_thread(plan.movie)  # of a whole day it takes a second
        if movie is None:
            raise GatewayError(
                ErrorKind.NOT_FOUND, f"{recording} has nothing recorded from {_text(start_ns)} to {_text(end_ns)}"
            )
        name = f"{recording}_{_text(movie.start_ns)}_{_text(end_ns)}.mp4".replace(":", "-")
        return Export(self.archive, sources, movie, name, end_ns)

    async def _segments(self, recording: str, span: Span) -> AsyncIterator[Segment]:
        """Yield all segments that overlap a span, in order."""
        latest = -1
        while page := await self.archive.segments(recording, span, limit=_PAGE):
            fresh = [segment for segment in page if segment.start_ns > latest]
            for segment in fresh:
                yield segment
            if not fresh or len(page) < _PAGE or fresh[-1].start_ns + 1 >= span.end_ns:
                return
            latest = fresh[-1].start_ns
            span = Span(max(latest + 1, span.start_ns), span.end_ns)

    async def _take(self, plan: Plan, segment: Segment, source: int, span: Span) -> bool:
        """Hand a segment's tables to the plan; False when the movie has to end before it.

        What retention has deleted since it was found is a gap like any other.
        """
        wanted = [each for each in segment.fragments if each.end_ns > span.start_ns and each.start_ns < span.end_ns]
        if not wanted:
            return True
        try:
            if not plan.segment(source, await self.archive.read(segment, 0, segment.fragments[0].offset)):
                return False
            for fragment in wanted:
                plan.fragment(fragment.offset, await self._head(segment, fragment.offset, fragment.size))
        except GatewayError as error:
            if error.kind is ErrorKind.INVALID:
                raise GatewayError(ErrorKind.INVALID, f"{segment.name} can't be exported: {error.message}") from error
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
        return True

    async def _head(self, segment: Segment, offset: int, size: int) -> bytes:
        """Return the first bytes of a fragment, as many as the plan needs."""
        data = await self.archive.read(segment, offset, min(_FIRST_READ, size))
        while (needed := min(self.head_size(data), size)) > len(data):
            more = await self.archive.read(segment, offset, needed)
            if len(more) <= len(data):
                break
            data = more
        return data


def _text(utc_ns: int) -> str:
    moment = datetime.fromtimestamp(utc_ns // 1_000_000_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
