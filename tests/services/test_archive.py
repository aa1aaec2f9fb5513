"""The archive joins what the catalogue knows with what is being written."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.recording import Extent, Fragment, Segment, Span, TrackExtent
from gateway.services.archive import LATEST_NS, Archive

SECOND = 1_000_000_000
EVERYTHING = Span(0, LATEST_NS)


class MemoryCatalogue:
    def __init__(self) -> None:
        self.added: list[Segment] = []
        self.known: list[Segment] = []
        self.stretches: list[Span] = []

    def add(self, segment: Segment) -> None:
        self.added.append(segment)
        if segment.closed:
            self.known.append(segment)

    async def remove(self, segments: Sequence[Segment]) -> None:
        self.known = [each for each in self.known if each not in segments]

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        found = [each for each in self.known if each.start_ns < span.end_ns and span.start_ns < each.end_ns]
        return sorted(found, key=lambda each: each.start_ns, reverse=descending)[:limit]

    async def runs(self, recording: str, span: Span) -> list[Span]:
        return self.stretches

    async def extents(self) -> dict[str, Extent]:
        return {}

    async def extent(self, recording: str) -> Extent | None:
        if not self.known:
            return None
        span = Span(self.known[0].start_ns, self.known[-1].end_ns)
        return Extent(span, (TrackExtent("VIDEO001", span),), sum(each.size for each in self.known))

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        return f"{segment.name} {offset} {size}".encode()


def segment(start: int, seconds: int, run: int = 0, *, closed: bool = True) -> Segment:
    fragments = tuple(
        Fragment(100 + 10 * at, 10, (start + at) * SECOND, (start + at + 1) * SECOND) for at in range(seconds)
    )
    size = 100 + 10 * seconds
    return Segment(
        "R", start * SECOND, (start + seconds) * SECOND, run * SECOND, "disk", f"R/{start}", size, ("VIDEO001",),
        fragments, closed,
    )  # fmt: skip


def archive() -> tuple[Archive, MemoryCatalogue]:
    catalogue = MemoryCatalogue()
    return Archive(catalogue, catalogue), catalogue


async def test_what_is_being_written_can_be_read_fragment_by_fragment() -> None:
    kept, catalogue = archive()
    kept.grown(replace(segment(0, 0, closed=False), tracks=()))
    assert kept.extent("R") is None
    assert await kept.segments("R", EVERYTHING) == []
    growing = segment(0, 2, closed=False)
    kept.grown(growing)
    assert kept.extent("R") == Extent(growing.span, (TrackExtent("VIDEO001", growing.span),), 120)
    assert await kept.segments("R", EVERYTHING) == [growing]
    assert await kept.read(growing, 100, 10) == b"R/0 100 10"
    assert [each.closed for each in catalogue.added] == [False]
    kept.closed(segment(0, 3))
    assert kept.writing("R") is None
    assert await kept.segments("R", EVERYTHING) == [segment(0, 3)]


async def test_order_and_limit_count_the_one_being_written_too() -> None:
    kept, _ = archive()
    for start in (0, 10):
        kept.closed(segment(start, 10))
    kept.grown(segment(20, 5, closed=False))
    assert [each.start_ns // SECOND for each in await kept.segments("R", EVERYTHING)] == [0, 10, 20]
    found = await kept.segments("R", EVERYTHING, descending=True, limit=2)
    assert [each.start_ns // SECOND for each in found] == [20, 10]
    assert await kept.segments("R", Span(0, 10 * SECOND)) == [segment(0, 10)]


async def test_a_run_goes_on_into_the_segment_being_written() -> None:
    kept, catalogue = archive()
    kept.grown(segment(60, 5, run=10, closed=False))
    catalogue.stretches = [Span(0, 5 * SECOND), Span(30 * SECOND, 60 * SECOND)]  # retention has shortened the run
    assert await kept.runs("R", EVERYTHING) == [Span(0, 5 * SECOND), Span(30 * SECOND, 65 * SECOND)]
    catalogue.stretches = [Span(10 * SECOND, 40 * SECOND)]
    assert await kept.runs("R", EVERYTHING) == [Span(10 * SECOND, 40 * SECOND), Span(60 * SECOND, 65 * SECOND)]


async def test_growth_wakes_whoever_waits_and_removal_shrinks_the_extent() -> None:
    kept, _ = archive()
    grown = kept.growth("R")
    kept.grown(segment(0, 1, closed=False))
    assert grown.is_set()
    assert not kept.growth("R").is_set()
    kept.closed(segment(0, 1))
    kept.closed(segment(10, 2, run=10))
    extent = kept.extent("R")
    assert extent is not None
    assert (extent.span, extent.size, kept.recordings()) == (Span(0, 12 * SECOND), 230, ("R",))
    await kept.removed([segment(0, 1)])
    assert (kept.extent("R") or extent).span == Span(10 * SECOND, 12 * SECOND)
    await kept.removed([segment(10, 2, run=10)])
    assert kept.extent("R") is None
