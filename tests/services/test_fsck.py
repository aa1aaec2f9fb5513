"""Files that a crash, a full disk or a person left behind: what fsck finds, and what it makes of it."""

import errno
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from memory_storage import MemoryStorage, Stored
from soak.cameras import FPS, GOP, encoded

from gateway.db import Database, open_database
from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.domain.recording import Fragment, Segment, Span
from gateway.protocols.mp4.check import check_samples
from gateway.protocols.mp4.scan import Scanner
from gateway.protocols.mp4.writer import Muxer
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtp.parameter_sets import to_fmtp
from gateway.sdk.storage import StorageBackend
from gateway.services.fsck import Fsck
from gateway.services.fsck_report import MOST_LISTED, Finding, Report, What
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


def record(disk: StorageBackend, minute: int = 0, *, closed: bool = True) -> Segment:
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


@pytest.mark.parametrize("known", [True, False])
async def test_damage_in_the_middle_is_no_torn_end(
    fsck: Fsck, disk: FilesystemStorage, database: Database, tmp_path: Path, *, known: bool
) -> None:
    segment = record(disk)
    path = tmp_path / "disk" / segment.name
    data = bytearray(path.read_bytes())
    at = data.index(b"moof", segment.fragments[1].offset)
    data[at : at + 4] = b"\0\0\0\0"
    path.write_bytes(data)
    if known:
        database.catalogue.add(segment)
    [finding] = (await fsck.check(2, repair=True)).findings
    assert (finding.what, finding.repaired) == (What.DAMAGED, False)
    assert finding.detail.endswith(f"behind byte {segment.fragments[1].offset} can't be made out")
    assert path.read_bytes() == data  # what follows can still be played
    [row] = await rows(database)
    assert (row.fragments, row.size) == (segment.fragments if known else segment.fragments[:1], len(data))
    assert (await fsck.check(1)).clean


async def test_a_file_of_a_crash_before_its_first_fragment_is_removed_known_or_not(
    fsck: Fsck, disk: FilesystemStorage
) -> None:
    whole = disk.read(record(disk).name, 0, 300)
    for name, data in (("0", b""), ("1", whole), ("2", bytes(5000))):
        file = disk.create(f"R/2026-11-18/7{name}.mp4")
        file.write([data])
        file.close()
    report = await fsck.check(repair=True)
    assert report.counts == {What.ORPHAN: 1, What.EMPTY: 3}
    assert report.clean
    assert [found.name for found in disk.objects()] == ["R/2026-11-18/00.mp4"]


async def test_a_clock_that_was_set_back_is_told_but_nothing_is_wrong(
    fsck: Fsck, disk: FilesystemStorage, database: Database
) -> None:
    segment = record(disk)
    database.catalogue.add(segment)
    database.catalogue.add(replace(record(disk, 1), start_ns=segment.start_ns + 1))
    report = await fsck.check()
    assert report.findings == [Finding(What.OVERLAPS, "disk", "R/2026-11-18/01.mp4")]
    assert report.clean


async def test_what_the_recorder_does_meanwhile_is_left_alone(disk: FilesystemStorage, database: Database) -> None:
    """A file that is being written, one begun while the check runs, and one that was closed since."""
    names = {"R/2026-11-18/00.mp4"}
    growing, begun, closed = record(disk, 0, closed=False), record(disk, 1, closed=False), record(disk, 2)
    disk.truncate(growing.name, growing.fragments[1].offset + 5)

    def scan(read: Callable[[int, int], bytes]) -> Scanner:
        database.catalogue.add(begun)
        database.catalogue.add(closed)
        return Scanner(read)

    with ThreadPoolExecutor(1) as pool:
        busy = Fsck(database.catalogue, {"disk": disk}, scan, check_samples, pool, lambda _, name: name in names)
        report = await busy.check(repair=True)
    assert report.findings == []
    assert (await database.catalogue.open_segments(), await rows(database)) == ([begun], [closed])
    assert next(iter(disk.objects())).size == growing.fragments[1].offset + 5


async def test_beside_a_recorder_that_can_t_be_asked_nothing_unknown_is_cut(
    disk: FilesystemStorage, database: Database
) -> None:
    growing, unknown = record(disk, 0, closed=False), record(disk, 1, closed=False)
    disk.truncate(unknown.name, unknown.fragments[1].offset + 5)
    with ThreadPoolExecutor(1) as pool:
        outside = Fsck(database.catalogue, {"disk": disk}, Scanner, check_samples, pool)
        [finding] = (await outside.check(repair=True, writing=frozenset({growing.name}))).findings
        assert (finding.what, finding.name, finding.repaired) == (What.TORN, unknown.name, False)
        assert await rows(database) == []
        assert (await outside.check(repair=True)).clean
    assert {row.name for row in await rows(database)} == {growing.name, unknown.name}


async def test_a_file_that_was_moved_to_another_storage_is_found_there(
    disk: FilesystemStorage, database: Database, tmp_path: Path
) -> None:
    segment = record(disk)
    database.catalogue.add(segment)
    other = FilesystemStorage("another", "here", FilesystemSettings(tmp_path / "another"))
    other.format()
    (tmp_path / "another/R/2026-11-18").mkdir(parents=True)
    (tmp_path / "disk" / segment.name).rename(tmp_path / "another" / segment.name)
    with ThreadPoolExecutor(1) as pool:
        both = Fsck(database.catalogue, {"another": other, "disk": disk}, Scanner, check_samples, pool)
        report = await both.check(repair=True)
        assert report.counts == {What.MISSING: 1, What.ORPHAN: 1}
        assert await rows(database) == [replace(segment, storage="another")]
        alone = Fsck(database.catalogue, {"disk": disk}, Scanner, check_samples, pool)
        assert (await alone.check(repair=True)).findings == [Finding(What.AWAY, "another", "", "it is not configured")]
    assert len(await rows(database)) == 1


async def test_a_file_that_the_catalogue_was_not_told_of_in_time_is_taken_in(
    disk: FilesystemStorage, database: Database
) -> None:
    """Nor is what is being written touched, or what is older."""
    told = record(disk, 3)
    database.catalogue.add(told)
    record(disk, 2)
    untold, empty, growing = (record(disk, minute, closed=False) for minute in (4, 5, 6))
    for segment in (untold, empty, growing):
        disk.truncate(segment.name, segment.fragments[0 if segment is empty else 1].offset + 5)
    with ThreadPoolExecutor(1) as pool:
        fsck = Fsck(
            database.catalogue, {"disk": disk}, Scanner, check_samples, pool, lambda _, name: name == growing.name
        )
        assert await fsck.recover() == 2
    assert [(row.name, len(row.fragments)) for row in await rows(database)] == [(told.name, 3), (untold.name, 1)]
    assert [found.name for found in disk.objects()] == [
        "R/2026-11-18/02.mp4",
        told.name,
        untold.name,
        growing.name,
    ]
    assert [found.size for found in disk.objects()][3] == growing.fragments[1].offset + 5


@pytest.mark.parametrize("rest", [0, 1, 1000, 20_000])
async def test_a_power_cut_costs_what_was_not_synced(database: Database, rest: int) -> None:
    """At most the open fragment, whatever part of it happened to reach the disk."""
    disk = MemoryStorage("disk")
    kept = record(disk, 0)
    database.catalogue.add(kept)
    cut, unsynced = record(disk, 1, closed=False), record(disk, 2, closed=False)
    for segment in (cut, unsynced):
        database.catalogue.add(replace(segment, fragments=(), end_ns=segment.start_ns, size=0, tracks=()))
    disk.stored[cut.name].safe = cut.fragments[2].offset
    disk.stored[unsynced.name].safe = -1
    disk.cut_power(rest)
    with ThreadPoolExecutor(1) as pool:
        fsck = Fsck(database.catalogue, {"disk": disk}, Scanner, check_samples, pool)
        assert await fsck.recover() == 2
        assert (await fsck.check(3)).findings == []
    after = await rows(database)
    assert after[:2] == [
        kept,
        replace(cut, fragments=after[1].fragments, size=after[1].size, end_ns=after[1].end_ns, closed=True),
    ]
    assert after[1].fragments[:2] == cut.fragments[:2]
    if rest == 0:
        assert [row.name for row in after] == [kept.name, cut.name]


async def test_what_can_t_be_read_just_now_stays_open(
    fsck: Fsck, disk: FilesystemStorage, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    segment = record(disk, closed=False)
    database.catalogue.add(segment)
    memory = MemoryStorage("disk")
    memory.broken = OSError(errno.EIO, "Input/output error")
    with ThreadPoolExecutor(1) as pool:
        broken = Fsck(database.catalogue, {"disk": memory}, Scanner, check_samples, pool)
        assert await broken.recover() == 0
        memory.stored[segment.name] = Stored(bytearray(b"x"))
        [finding] = (await broken.check(repair=True)).findings
        assert (finding.what, finding.detail) == (What.UNREADABLE, "[Errno 5] Input/output error")
    assert f"{segment.name} on storage disk can't be recovered" in caplog.text
    assert await fsck.recover() == 1


async def test_rows_of_a_storage_that_vanishes_during_the_check_are_kept(
    disk: FilesystemStorage, database: Database, tmp_path: Path
) -> None:
    database.catalogue.add(record(disk))

    class Vanishing(FilesystemStorage):
        def read(self, name: str, offset: int, size: int) -> bytes:
            if (tmp_path / "disk").exists():
                (tmp_path / "disk").rename(tmp_path / "away")
            return super().read(name, offset, size)

    with ThreadPoolExecutor(1) as pool:
        backend = Vanishing("disk", "here", disk.settings)
        report = await Fsck(database.catalogue, {"disk": backend}, Scanner, check_samples, pool).check(repair=True)
    assert [finding.what for finding in report.findings] == [What.AWAY]
    assert "its files can't be listed" in report.findings[0].detail
    assert len(await rows(database)) == 1


async def test_a_long_archive_is_gone_through_in_pages(disk: FilesystemStorage, database: Database) -> None:
    """Of files with rows in order; all are looked at, and progress is told."""
    memory = MemoryStorage("disk")
    template = record(disk)
    segments = [
        replace(
            template,
            start_ns=BEGIN + minute * 60 * SECOND,
            end_ns=BEGIN + minute * 60 * SECOND + SECOND,
            run_ns=BEGIN,
            fragments=(),
            name=f"R/{datetime.fromtimestamp(BEGIN // SECOND + minute * 60, UTC):%Y-%m-%d}/{minute:05}.mp4",
        )
        for minute in range(1100)
    ]
    await database.catalogue.add_all(segments)
    memory.stored = {segment.name: Stored(bytearray(segment.size)) for segment in segments[:-1]}
    seen: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        fsck = Fsck(database.catalogue, {"disk": memory}, Scanner, check_samples, pool)
        report = await fsck.check(progress=seen.append)
    assert report.findings == [Finding(What.MISSING, "disk", segments[-1].name)]
    assert (report.files, seen[-1]) == (1099, 1099)


def test_a_report_keeps_a_bounded_number_of_findings() -> None:
    report = Report()
    for number in range(MOST_LISTED + 5):
        report.add(Finding(What.ORPHAN, "disk", str(number), repaired=True))
    assert (len(report.findings), report.counts[What.ORPHAN], report.mended) == (
        MOST_LISTED,
        MOST_LISTED + 5,
        MOST_LISTED + 5,
    )
    assert report.clean
    report.add(Finding(What.TORN, "disk", "x"))
    assert not report.clean


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
