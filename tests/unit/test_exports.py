"""Exports of a recording, over segments in memory."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from mp4_media import NS, START, Encoded, audio, segment, video

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Fragment, Segment, Span
from gateway.protocols.mp4.join import MoviePlan
from gateway.protocols.mp4.reader import read_header
from gateway.protocols.mp4.runs import head_size
from gateway.services.exports import Export, Exports

LENGTH = round(2.4 * NS)


class MemoryArchive:
    """Segments of one recording, of 2.4 seconds each."""

    def __init__(self, files: Sequence[tuple[int, tuple[Encoded, ...]]]) -> None:
        self.data: dict[int, bytes] = {}
        self.known: list[Segment] = []
        self.deleted: set[int] = set()
        for start_ns, tracks in files:
            data, made = segment(tracks, start_ns)
            offset, fragments = read_header(data).size, []
            for each in made:
                fragments.append(Fragment(offset, each.size, each.start_ns, each.end_ns))
                offset += each.size
            self.data[start_ns] = data
            self.known.append(
                Segment("R", start_ns, start_ns + LENGTH, START, "s", "R/a.mp4", len(data), (), tuple(fragments))
            )

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        found = [each for each in self.known if each.end_ns > span.start_ns and each.start_ns < span.end_ns]
        return found[:limit]

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        if segment.start_ns in self.deleted:
            raise GatewayError(ErrorKind.NOT_FOUND, f"{segment.name} is gone")
        return self.data[segment.start_ns][offset : offset + size]


@cache
def tracks(name: str = "H264") -> tuple[Encoded, ...]:
    return video(name), audio("PCMU")


def archive(count: int = 5) -> MemoryArchive:
    return MemoryArchive([(START + number * LENGTH, tracks()) for number in range(count)])


def exports(source: MemoryArchive) -> Exports:
    return Exports(source, MoviePlan, head_size)


async def whole(export: Export, offset: int = 0, size: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in export.chunks(offset, size)])


async def test_a_range_is_a_movie_of_known_size_of_which_any_part_can_be_had() -> None:
    source = archive()
    export = await exports(source).movie("R", START + LENGTH + NS // 2, START + 3 * LENGTH)
    assert export.name == "R_2025-06-15T15-06-43Z_2025-06-15T15-06-47Z.mp4"
    assert (export.start_ns, export.end_ns) == (START + LENGTH + NS // 2, START + 3 * LENGTH)
    assert export.content_type == "video/mp4"
    data = await whole(export)
    assert len(data) == export.size
    assert data[4:8] == b"ftyp"
    assert await whole(export, 1000, 5000) == data[1000:6000]
    assert await whole(export, export.size - 10) == data[-10:]
    second, third = (source.data[START + number * LENGTH] for number in (1, 2))
    assert data.count(b"mdat") == 1
    assert len(data) < len(second) + len(third)


async def test_many_segments_are_asked_for_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    source = archive()
    at_once = await whole(await exports(source).movie("R", START, START + 5 * LENGTH))
    monkeypatch.setattr("gateway.services.exports._PAGE", 2)
    assert await whole(await exports(source).movie("R", START, START + 5 * LENGTH)) == at_once


async def test_large_parts_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.services.exports._BLOCK", 1000)
    export = await exports(archive(2)).movie("R", START, START + 2 * LENGTH)
    chunks = [chunk async for chunk in export.chunks()]
    assert max(map(len, chunks)) == 1000
    assert sum(map(len, chunks)) == export.size


async def test_a_fragment_with_long_tables_is_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = await whole(await exports(archive(2)).movie("R", START, START + 2 * LENGTH))
    monkeypatch.setattr("gateway.services.exports._FIRST_READ", 64)
    assert await whole(await exports(archive(2)).movie("R", START, START + 2 * LENGTH)) == at_once


async def test_an_empty_range_names_recording_and_times() -> None:
    with pytest.raises(GatewayError) as refused:
        await exports(archive(1)).movie("R", START + 60 * NS, START + 120 * NS)
    assert refused.value.kind is ErrorKind.NOT_FOUND
    assert refused.value.message == "R has nothing recorded from 2025-06-15T15:07:40Z to 2025-06-15T15:08:40Z"


async def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(GatewayError) as refused:
        await exports(archive(1)).movie("R", START + NS, START)
    assert refused.value.kind is ErrorKind.INVALID
    assert refused.value.message == "a range can't end at 2025-06-15T15:06:40Z when it begins at 2025-06-15T15:06:41Z"


async def test_a_change_of_codec_ends_the_export_and_the_rest_is_another() -> None:
    source = MemoryArchive([(START, tracks()), (START + LENGTH, tracks("H265")), (START + 2 * LENGTH, tracks("H265"))])
    first = await exports(source).movie("R", START, START + 3 * LENGTH)
    assert first.end_ns == START + LENGTH
    rest = await exports(source).movie("R", first.end_ns, START + 3 * LENGTH)
    assert (rest.start_ns, rest.end_ns) == (START + LENGTH, START + 3 * LENGTH)
    assert b"avc1" in await whole(first)
    assert b"hvc1" in await whole(rest)


async def test_what_retention_deleted_meanwhile_is_a_gap() -> None:
    source = archive(3)
    complete = await exports(source).movie("R", START, START + 3 * LENGTH)
    source.deleted.add(START + LENGTH)
    assert (await exports(source).movie("R", START, START + 3 * LENGTH)).size < complete.size
    with pytest.raises(GatewayError, match=r"R/a\.mp4 is gone"):
        await whole(complete)


async def test_a_file_that_is_shorter_than_known_is_noticed() -> None:
    source = archive(1)
    export = await exports(source).movie("R", START, START + LENGTH)
    source.data[START] = source.data[START][:5000]
    with pytest.raises(GatewayError, match=r"R/a\.mp4 ends at byte 5000, \d+ are needed") as refused:
        await whole(export)
    assert refused.value.kind is ErrorKind.UNAVAILABLE


async def test_a_damaged_file_is_named() -> None:
    source = archive(1)
    source.data[START] = bytes(len(source.data[START]))
    with pytest.raises(GatewayError, match=r"^R/a\.mp4 can't be exported: the file is no MP4") as refused:
        await exports(source).movie("R", START, START + LENGTH)
    assert refused.value.kind is ErrorKind.INVALID


async def test_a_segment_that_is_being_written_is_exported_as_far_as_it_is() -> None:
    source = archive(1)
    (known,) = source.known
    source.known = [replace(known, fragments=known.fragments[:1], closed=False)]
    source.data[START] = source.data[START][: known.fragments[0].offset + known.fragments[0].size]
    export = await exports(source).movie("R", START, START + LENGTH)
    assert len(await whole(export)) == export.size
