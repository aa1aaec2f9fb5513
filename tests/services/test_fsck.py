"""Files that a crash, a full disk or a person left behind: what fsck finds, and what it makes of it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from soak.cameras import FPS, GOP, encoded

from gateway.db import Database, open_database
from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.domain.recording import Fragment, Segment, Span
from gateway.protocols.mp4.check import check_samples
from gateway.protocols.mp4.scan import Scanner
from gateway.protocols.mp4.writer import Muxer
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtp.parameter_sets import to_fmtp
from gateway.services.fsck import Finding, Fsck, What
from gateway_filesystem.storage import FilesystemSettings, FilesystemStorage

BEGIN = 1_795_000_000_000_000_000
SECOND = 1_000_000_000
GOPS = 3
PICTURES = encoded()


def units(gop: int) -> list[AccessUnit]:
    packetizer = Packetizer(0, TRACK, 1, 0)
    return [
        packetizer.unit(picture, (gop * GOP + index) * 9000, BEGIN + gop * SECOND + index * SECOND // FPS, index == 0)
        for index, picture in enumerate(PICTURES)
    ]


TRACK = TrackDescription(
    MediaKind.VIDEO, "H264", 96, 90_000, fmtp=to_fmtp("H264", [unit for unit in PICTURES[0] if unit[0] & 31 in {7, 8}])
)


@pytest.fixture
def disk(tmp_path: Path) -> FilesystemStorage:
    storage = FilesystemStorage("disk", "here", FilesystemSettings(tmp_path / "disk"))
    storage.format()
    return storage


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def fsck(disk: FilesystemStorage, database: Database) -> Iterator[Fsck]:
    with ThreadPoolExecutor(1) as pool:
        yield Fsck(database.catalogue, {"disk": disk}, Scanner, check_samples, pool)


def record(disk: FilesystemStorage, minute: int = 0, *, closed: bool = True) -> Segment:
    """Write a segment of three fragments, and return its row."""
    start_ns = BEGIN + minute * GOPS * SECOND
    muxer = Muxer(
        StreamDescription((TRACK,)), {"recording": "R", "run_ns": str(BEGIN), "track.0": "VIDEO001"}, start_ns
    )
    name = f"R/2026-11-18/{minute:02}.mp4"
    file = disk.create(name)
    pieces = [muxer.fragment(units(minute * GOPS + gop), start_ns + (gop + 1) * SECOND) for gop in range(GOPS)]
    file.write([muxer.header()])
    size, fragments = len(muxer.header()), []
    for piece in pieces:
        file.write(piece.parts)
        fragments.append(Fragment(size, piece.size, piece.start_ns, piece.end_ns))
        size += piece.size
    if closed:
        file.write([muxer.trailer()])
        size += len(muxer.trailer())
    file.close()
    end_ns = fragments[-1].end_ns
    return Segment("R", start_ns, end_ns, BEGIN, "disk", name, size, ("VIDEO001",), tuple(fragments), closed)


async def rows(database: Database) -> list[Segment]:
    return await database.catalogue.segments("R", Span(0, 1 << 62))


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_what_is_right_is_clean(fsck: Fsck, disk: FilesystemStorage, database: Database, depth: int) -> None:
    for minute in range(3):
        database.catalogue.add(record(disk, minute))
    report = await fsck.check(depth)
    assert (report.files, report.findings, report.clean) == (3, [], True)


async def test_a_catalogue_is_made_anew_from_the_files_alone(
    fsck: Fsck, disk: FilesystemStorage, database: Database
) -> None:
    recorded = [record(disk, minute) for minute in range(3)]
    report = await fsck.check(repair=True)
    assert [finding.what for finding in report.findings] == [What.ORPHAN] * 3
    assert report.clean
    assert await rows(database) == recorded


CUTS: dict[str, Callable[[Segment], int]] = {
    "in the trailer": lambda segment: segment.size - 5,
    "in a picture": lambda segment: segment.fragments[2].offset + segment.fragments[2].size - 1,
    "in a fragment's head": lambda segment: segment.fragments[2].offset + 11,
    "between fragments": lambda segment: segment.fragments[2].offset,
}


@pytest.mark.parametrize("cut", CUTS)
async def test_a_torn_end_is_cut_off(fsck: Fsck, disk: FilesystemStorage, database: Database, cut: str) -> None:
    segment = record(disk)
    at = CUTS[cut](segment)
    database.catalogue.add(segment)
    disk.truncate(segment.name, at)
    report = await fsck.check()
    assert report.findings[0].what is (What.DIFFERS if cut == "between fragments" else What.TORN)
    assert not report.clean
    assert (await fsck.check(repair=True)).clean
    whole = 3 if cut == "in the trailer" else 2
    end = segment.fragments[whole - 1].offset + segment.fragments[whole - 1].size
    [row] = await rows(database)
    assert (row.fragments, row.size, row.end_ns) == (
        segment.fragments[:whole],
        end,
        segment.fragments[whole - 1].end_ns,
    )
    assert [found.size for found in disk.objects()] == [end]
    assert (await fsck.check(3)).findings == []


@pytest.mark.parametrize("cut", ["in a picture", "in a fragment's head", "between fragments"])
async def test_what_was_being_written_is_closed_at_the_next_start(
    fsck: Fsck, disk: FilesystemStorage, database: Database, cut: str
) -> None:
    segment = record(disk, closed=False)
    database.catalogue.add(replace(segment, fragments=(), end_ns=segment.start_ns, size=0, tracks=()))
    disk.truncate(segment.name, CUTS[cut](segment))
    assert await fsck.recover() == 1
    [row] = await rows(database)
    assert (row.closed, row.fragments, row.tracks) == (True, segment.fragments[:2], ("VIDEO001",))
    assert (await fsck.check(3)).findings == []
    assert await fsck.recover() == 0


@pytest.mark.parametrize("size", [0, 100, None])
async def test_a_file_without_a_whole_fragment_is_forgotten(
    fsck: Fsck, disk: FilesystemStorage, database: Database, size: int | None
) -> None:
    segment = record(disk, closed=False)
    database.catalogue.add(replace(segment, fragments=(), end_ns=segment.start_ns, size=0, tracks=()))
    disk.truncate(segment.name, segment.fragments[0].offset + 20 if size is None else size)
    await fsck.recover()
    assert await rows(database) == await database.catalogue.open_segments() == list(disk.objects()) == []


async def test_rows_without_files_and_files_that_are_none(
    fsck: Fsck, disk: FilesystemStorage, database: Database
) -> None:
    for minute in range(2):
        database.catalogue.add(record(disk, minute))
    disk.delete("R/2026-11-18/00.mp4")
    file = disk.create("R/2026-11-18/77.mp4")
    file.write([b"not a film"])
    file.close()
    report = await fsck.check(repair=True)
    assert report.findings == [
        Finding(What.MISSING, "disk", "R/2026-11-18/00.mp4", "", repaired=True),
        Finding(What.UNREADABLE, "disk", "R/2026-11-18/77.mp4", report.findings[1].detail),
    ]
    assert "no MP4" in report.findings[1].detail
    assert (report.wrong, report.mended) == (1, 1)
    assert not report.clean
    assert [row.name for row in await rows(database)] == ["R/2026-11-18/01.mp4"]
    assert (await fsck.check(writing=frozenset({"R/2026-11-18/77.mp4"}))).clean


async def test_a_second_file_of_the_same_time_takes_nothing_from_the_first(
    fsck: Fsck, disk: FilesystemStorage, database: Database
) -> None:
    segment = record(disk)
    database.catalogue.add(segment)
    twin = disk.create("R/2026-11-18/00.1.mp4")
    twin.write([disk.read(segment.name, 0, segment.size)])
    twin.close()
    [finding] = (await fsck.check(repair=True)).findings
    assert (finding.what, finding.name, finding.repaired) == (What.TWIN, "R/2026-11-18/00.1.mp4", False)
    assert await rows(database) == [segment]


async def test_the_deepest_look_finds_a_broken_sample(
    fsck: Fsck, disk: FilesystemStorage, database: Database, tmp_path: Path
) -> None:
    segment = record(disk)
    database.catalogue.add(segment)
    path = tmp_path / "disk" / segment.name
    data = bytearray(path.read_bytes())
    head = data.index(b"mdat", segment.fragments[1].offset) + 4
    data[head : head + 4] = b"\x00\xff\xff\xff"  # the length of the first NAL unit
    path.write_bytes(data)
    assert (await fsck.check(2)).clean
    [finding] = (await fsck.check(3, repair=True)).findings
    assert (finding.what, finding.repaired) == (What.DAMAGED, False)


async def test_a_storage_that_is_away_loses_nothing(
    fsck: Fsck, disk: FilesystemStorage, database: Database, tmp_path: Path
) -> None:
    database.catalogue.add(record(disk))
    database.catalogue.add(record(disk, 1, closed=False))
    (tmp_path / "disk").rename(tmp_path / "away")
    assert await fsck.recover() == 0
    [finding] = (await fsck.check(repair=True)).findings
    assert finding.what is What.AWAY
    assert len(await rows(database)) == 1
    (tmp_path / "away").rename(tmp_path / "disk")
    assert await fsck.recover() == 1
    assert len(await rows(database)) == 2
