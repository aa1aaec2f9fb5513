"""The catalogue as a check reads and repairs it."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

from gateway.domain.recording import Extent, Segment, Span
from gateway.services.archive import LATEST_NS
from gateway.services.fsck_files import with_motion

_PAGE = 500
_DAY_NS = 86_400 * 1_000_000_000


class Catalogue(Protocol):
    """The index of segments."""

    async def add_all(self, segments: Sequence[Segment]) -> None:
        """Keep segments, each in place of what was known of it."""
        ...

    async def remove(self, segments: Sequence[Segment]) -> None:
        """Forget segments."""
        ...

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        """Return closed segments that overlap a span, in order of their starts."""
        ...

    async def open_segments(self) -> list[Segment]:
        """Return the segments that are not closed."""
        ...

    async def extents(self) -> dict[str, Extent]:
        """Return what every recording holds."""
        ...


class Rows:
    """Rows of segments, always as they are now."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.open_segments = catalogue.open_segments
        self.remove = catalogue.remove
        self._adopted: dict[tuple[str, int], Segment] = {}
        """Segments that nothing was known of, which are yet to be written in one go."""

    async def recordings(self) -> list[str]:
        """Return the recordings that have closed segments."""
        return sorted(await self._catalogue.extents())

    async def last(self, recording: str) -> Segment | None:
        """Return the closed segment of a recording that began last."""
        rows = await self._catalogue.segments(recording, Span(0, LATEST_NS), descending=True, limit=1)
        return rows[0] if rows else None

    async def replace(self, row: Segment | None, found: Segment | None) -> None:
        """Put what a file says in the place of its row."""
        if row is not None and (found is None or (found.recording, found.start_ns) != (row.recording, row.start_ns)):
            await self._catalogue.remove([row])
        if found is None:
            return
        if row is not None:
            await self._catalogue.add_all([with_motion(found, row)])
            return
        self._adopted[found.recording, found.start_ns] = found
        if len(self._adopted) >= _PAGE:
            await self.flush()

    async def flush(self) -> None:
        """Write what is yet to be written."""
        adopted, self._adopted = self._adopted, {}
        if adopted:
            await self._catalogue.add_all(list(adopted.values()))

    async def pages(self, recording: str, span: Span) -> AsyncIterator[list[Segment]]:
        """Yield the closed segments that begin in a span, in order, in pages."""
        cursor = span.start_ns
        while True:
            page = await self._catalogue.segments(recording, Span(cursor, span.end_ns), limit=_PAGE)
            yield [segment for segment in page if segment.start_ns >= cursor]
            if len(page) < _PAGE:
                return
            cursor = max(cursor, page[-1].start_ns) + 1

    async def of_folder(self, storage: str, folder: str) -> dict[str, Segment]:
        """Return the rows of a folder's files by name; of one that is not named by recording and day, none."""
        recording, _, day = folder.rpartition("/")
        try:
            midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
        except ValueError:
            return {}
        start_ns = int(midnight.timestamp()) * 1_000_000_000
        pages = self.pages(recording, Span(start_ns, start_ns + _DAY_NS))
        return {row.name: row async for rows in pages for row in rows if row.storage == storage}

    async def known(self, segment: Segment) -> Segment | None:
        """Return the present row of the same recording and start."""
        if adopted := self._adopted.get((segment.recording, segment.start_ns)):
            return adopted
        for row in await self._catalogue.segments(
            segment.recording, Span(segment.start_ns, segment.start_ns + 1), limit=_PAGE
        ):
            if row.start_ns == segment.start_ns:
                return row
        return next(
            (
                row
                for row in await self._catalogue.open_segments()
                if (row.recording, row.start_ns) == (segment.recording, segment.start_ns)
            ),
            None,
        )

    async def opened(self, storage: str, name: str) -> Segment | None:
        """Return the row of a file that is not closed."""
        rows = await self._catalogue.open_segments()
        return next((row for row in rows if (row.storage, row.name) == (storage, name)), None)
