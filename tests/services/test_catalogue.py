"""The catalogue: what was added is found again, and what is derived from it is what a plain look at it gives."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import postgres_kit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, update

from gateway.db import Catalogue, Database, catalogue_index, open_database, opening
from gateway.db.catalogue_queries import Queries
from gateway.db.catalogue_schema import RECORDINGS
from gateway.db.catalogue_times import DAY_NS, JOINT_NS, MINUTE_NS
from gateway.domain.recording import Extent, Fragment, Segment, Span, TrackExtent

SECOND = 1_000_000_000
NOON = 19_700 * DAY_NS + DAY_NS // 2
FOREVER = Span(0, (1 << 63) - 1)
DOOR, GATE = "Recording_door", "Recording_gate"
VIDEO, AUDIO = "VIDEO001", "AUDIO001"


def segment(
    start_ns: int,
    seconds: float = 60,
    *,
    recording: str = DOOR,
    run_ns: int = NOON,
    storage: str = "disk1",
    tracks: tuple[str, ...] = (VIDEO, AUDIO),
    size: int = 1000,
    closed: bool = True,
) -> Segment:
    start = datetime.fromtimestamp(start_ns // SECOND, UTC)
    name = f"{recording}/{start:%Y-%m-%d/%H-%M-%S}.{start_ns % SECOND // 1_000_000:03}Z.mp4"
    end_ns = start_ns + round(seconds * SECOND)
    return Segment(recording, start_ns, end_ns, run_ns, storage, name, size, tracks, (), closed)


def minute(number: int, **others: object) -> Segment:
    return segment(NOON + number * MINUTE_NS, **others)  # type: ignore[arg-type]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Return where the catalogue is: in the data directory, or in a new database of a real server."""
    return "" if request.param == "sqlite" else postgres_kit.new_database()


@pytest.fixture
def database(tmp_path: Path, url: str) -> Iterator[Database]:
    database = open_database(tmp_path, url, environment={})
    yield database
    database.close()


@pytest.fixture
def catalogue(database: Database) -> Catalogue:
    return database.catalogue


@pytest.fixture
def connection(tmp_path: Path, url: str) -> Iterator[Connection]:
    connection = opening.connect(*opening.locate(tmp_path, url), opening.CATALOGUE)
    yield connection
    connection.close()


async def starts(catalogue: Catalogue, span: Span, **others: object) -> list[int]:
    found = await catalogue.segments(DOOR, span, **others)  # type: ignore[arg-type]
    return [(each.start_ns - NOON) // MINUTE_NS for each in found]


async def test_a_segment_comes_back_as_it_was(catalogue: Catalogue) -> None:
    fragments = (
        Fragment(1200, 900, NOON + 5, NOON + 2 * SECOND, 7),
        Fragment(2107, 700, NOON + 2 * SECOND, NOON + 4 * SECOND),
    )
    usual = replace(minute(0), fragments=fragments)
    odd = replace(minute(1, recording=DOOR), name="elsewhere.mp4", origin="camera's card", fragments=())
    catalogue.add(usual)
    catalogue.add(odd)
    assert await catalogue.segments(DOOR, FOREVER) == [usual, odd]
    assert await catalogue.segments(GATE, FOREVER) == []
    catalogue.add(replace(usual, size=5, end_ns=usual.end_ns + 1))
    assert await catalogue.segments(DOOR, FOREVER, limit=1) == [replace(usual, size=5, end_ns=usual.end_ns + 1)]
    assert await catalogue.usage() == {(DOOR, "disk1"): 1005}


async def test_order_limit_and_overlap(catalogue: Catalogue) -> None:
    await catalogue.add_all([minute(number) for number in (2, 0, 1, 3)])
    assert await starts(catalogue, FOREVER) == [0, 1, 2, 3]
    assert await starts(catalogue, FOREVER, descending=True, limit=2) == [3, 2]
    moment = NOON + MINUTE_NS
    assert await starts(catalogue, Span(moment, moment + 1)) == [1]
    assert await starts(catalogue, Span(moment - 1, moment)) == [0]
    assert await starts(catalogue, Span(moment - 1, moment + 1)) == [0, 1]
    assert await starts(catalogue, Span(NOON + 10 * SECOND, NOON + 20 * SECOND)) == [0]
    assert await starts(catalogue, Span(NOON - 60 * SECOND, NOON)) == []


async def test_a_clock_that_stepped_back(catalogue: Catalogue) -> None:
    before, after = minute(0, seconds=90), segment(NOON + 5 * SECOND, 10, run_ns=NOON + 5 * SECOND)
    await catalogue.add_all([before, after])
    assert await catalogue.segments(DOOR, Span(NOON + 80 * SECOND, NOON + 81 * SECOND)) == [before]
    assert await catalogue.segments(DOOR, Span(NOON + 6 * SECOND, NOON + 7 * SECOND)) == [before, after]
    assert await catalogue.runs(DOOR, FOREVER) == [before.span, after.span]
    extent = await catalogue.extent(DOOR)
    assert extent is not None
    assert extent.span == before.span


async def test_what_a_crash_left_open_is_found(tmp_path: Path, url: str) -> None:
    database = open_database(tmp_path, url, environment={})
    database.catalogue.add(minute(0))
    database.catalogue.add(minute(1, closed=False))
    assert await starts(database.catalogue, FOREVER) == [0]
    assert await database.catalogue.usage() == {(DOOR, "disk1"): 1000}
    database.close()
    database = open_database(tmp_path, url, environment={})
    assert database.catalogue.fault == ""
    assert await database.catalogue.open_segments() == [minute(1, closed=False)]
    database.catalogue.add(minute(1))
    assert await database.catalogue.open_segments() == []
    assert await database.catalogue.runs(DOOR, FOREVER) == [Span(NOON, NOON + 2 * MINUTE_NS)]
    database.close()


async def test_runs(catalogue: Catalogue) -> None:
    later = NOON + 20 * MINUTE_NS
    await catalogue.add_all([minute(number) for number in range(10)])
    await catalogue.add_all([minute(number, run_ns=later) for number in range(20, 23)])
    assert await catalogue.runs(DOOR, FOREVER) == [
        Span(NOON, NOON + 10 * MINUTE_NS),
        Span(later, NOON + 23 * MINUTE_NS),
    ]
    assert await catalogue.runs(DOOR, Span(NOON + 1, NOON + 2)) == [Span(NOON, NOON + 10 * MINUTE_NS)]
    assert await catalogue.runs(DOOR, Span(NOON + 10 * MINUTE_NS, later)) == []
    assert await catalogue.runs_of([DOOR, GATE], Span(NOON, NOON + 1)) == {
        DOOR: [Span(NOON, NOON + 10 * MINUTE_NS)],
        GATE: [],
    }
    await catalogue.remove([minute(0), minute(1), minute(5)])
    assert await catalogue.runs(DOOR, Span(NOON, later)) == [
        Span(NOON + 2 * MINUTE_NS, NOON + 5 * MINUTE_NS),
        Span(NOON + 6 * MINUTE_NS, NOON + 10 * MINUTE_NS),
    ]
    await catalogue.add_all([minute(5)])
    assert await catalogue.runs(DOOR, Span(NOON, later)) == [Span(NOON + 2 * MINUTE_NS, NOON + 10 * MINUTE_NS)]


async def test_runs_of_tracks(catalogue: Catalogue) -> None:
    silent, later = (VIDEO,), NOON + 20 * MINUTE_NS
    await catalogue.add_all(
        [minute(number, tracks=silent if number in (3, 4) else (VIDEO, AUDIO)) for number in range(9)]
    )
    await catalogue.add_all([minute(number, run_ns=later, tracks=silent) for number in (20, 21)])
    whole, end = Span(NOON, NOON + 9 * MINUTE_NS), Span(later, NOON + 22 * MINUTE_NS)
    sound = [Span(NOON, NOON + 3 * MINUTE_NS), Span(NOON + 5 * MINUTE_NS, whole.end_ns)]
    assert await catalogue.runs(DOOR, FOREVER) == [whole, end]
    assert await catalogue.runs_of_tracks([DOOR, GATE], FOREVER) == {
        DOOR: {"": [whole, end], VIDEO: [whole, end], AUDIO: sound},
        GATE: {"": []},
    }
    moment = NOON + 4 * MINUTE_NS
    assert await catalogue.runs_of_tracks([DOOR], Span(moment, moment + 1)) == {DOOR: {"": [whole], VIDEO: [whole]}}
    await catalogue.add_all([minute(3), minute(4, tracks=())])
    assert (await catalogue.runs_of_tracks([DOOR], Span(NOON, later)))[DOOR] == {
        "": [whole],
        VIDEO: [Span(NOON, moment), sound[1]],
        AUDIO: [Span(NOON, moment), sound[1]],
    }


def test_the_stretches_of_an_earlier_catalogue_are_found_out(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of no track were all that the first schema knew."""
    place = opening.locate(tmp_path, url)
    silent = [replace(each, tracks=(VIDEO,)) for each in CHAIN[10:13]]
    others = [replace(CHAIN[30], run_ns=1, tracks=()), replace(CHAIN[35], recording=GATE, closed=False)]
    known = {(each.recording, each.start_ns): each for each in [*CHAIN[:20], *CHAIN[22:], *silent, *others]}
    connection = opening.connect(*place, replace(opening.CATALOGUE, head="0001"))
    with connection.begin(), monkeypatch.context() as earlier:
        earlier.setattr(catalogue_index, "add_runs", lambda *_: None)
        catalogue_index.add(connection, known.values())
        connection.execute(update(RECORDINGS).values(longest_run_ns=DAY_NS))
        connection.exec_driver_sql("INSERT INTO runs (recording, start_ns, run_ns, end_ns) VALUES (1, 5, 5, 7)")
    connection.close()
    connection, plain, queries = opening.connect(*place, opening.CATALOGUE), Plain(known), Queries()
    with connection.begin():
        compare(connection, queries, plain)
        catalogue_index.remove(connection, [plain.segments.pop((DOOR, each.start_ns)) for each in CHAIN[5:12:2]])
        compare(connection, queries, plain)
    connection.close()


async def test_days(catalogue: Catalogue) -> None:
    midnight = NOON + DAY_NS // 2
    await catalogue.add_all([segment(midnight - 30 * SECOND), segment(midnight + 90 * SECOND)])
    days = await catalogue.days(DOOR, date(2023, 12, 9), date(2023, 12, 10))
    assert {day: (len(bits), int.from_bytes(bits, "little")) for day, bits in days.items()} == {
        date(2023, 12, 9): (180, 1 << 1439),
        date(2023, 12, 10): (180, 0b111),
    }
    assert list(await catalogue.days(DOOR, date(2023, 12, 10), date(2024, 1, 10))) == [date(2023, 12, 10)]


async def test_a_minute_that_another_segment_has_too_stays(catalogue: Catalogue) -> None:
    early, late = segment(NOON - 60 * SECOND, 90), segment(NOON + 45 * SECOND, 10, run_ns=0)
    await catalogue.add_all([early, late])
    await catalogue.remove([late])
    days = await catalogue.days(DOOR, date(2023, 12, 9), date(2023, 12, 9))
    assert int.from_bytes(days[date(2023, 12, 9)], "little") == 0b11 << 719


async def test_extents_of_tracks_that_came_and_went(catalogue: Catalogue) -> None:
    silent = (VIDEO,)
    day = 1440
    await catalogue.add_all(
        [
            *(minute(0, tracks=silent), minute(day), minute(2 * day), minute(5 * day, tracks=silent)),
            minute(0, recording=GATE, size=5, tracks=silent),
        ]
    )
    extent = await catalogue.extent(DOOR)
    assert extent == Extent(
        Span(NOON, NOON + 5 * DAY_NS + MINUTE_NS),
        (
            TrackExtent(AUDIO, Span(NOON + DAY_NS, NOON + 2 * DAY_NS + MINUTE_NS)),
            TrackExtent(VIDEO, Span(NOON, NOON + 5 * DAY_NS + MINUTE_NS)),
        ),
        4000,
    )
    gate = Span(NOON, NOON + MINUTE_NS)
    assert await catalogue.extents() == {
        DOOR: extent,
        GATE: Extent(gate, (TrackExtent(VIDEO, gate),), 5),
    }
    await catalogue.remove([minute(0, recording=GATE)])
    assert await catalogue.extent(GATE) is None
    assert list(await catalogue.extents()) == [DOOR]


async def test_the_oldest_of_a_storage(catalogue: Catalogue) -> None:
    gate = minute(1, recording=GATE, storage="disk2")
    other = minute(4000, storage="disk2")
    doors = [minute(number) for number in (0, 2, 3)]
    await catalogue.add_all([*doors, other, gate, minute(-1, closed=False)])
    assert await catalogue.oldest(limit=3) == [doors[0], gate, doors[1]]
    assert await catalogue.oldest(storage="disk2", limit=3) == [gate, other]
    assert await catalogue.oldest(recording=DOOR, storage="disk2", limit=3) == [other]
    assert await catalogue.oldest(recording=DOOR, limit=1) == doors[:1]
    assert await catalogue.oldest(storage="disk3", limit=1) == []
    assert await catalogue.oldest(recording="none", limit=1) == []


async def test_impossible_segments_are_left_out(catalogue: Catalogue, caplog: pytest.LogCaptureFixture) -> None:
    impossible = [
        replace(minute(0), end_ns=NOON - 1),
        minute(1, seconds=100_000),
        replace(minute(3), start_ns=1 << 70, end_ns=1 << 70),
        minute(4, size=-1),
        minute(5, run_ns=-1),
    ]
    await catalogue.add_all([*impossible, minute(2)])
    assert await starts(catalogue, FOREVER) == [2]
    assert len(caplog.messages) == len(impossible)
    name = "Recording_door/2023-12-09/12-00-00.000Z.mp4"
    assert caplog.messages[0] == f"the segment '{name}' is not catalogued: its times or sizes can't be"


@dataclass
class Plain:
    """What the catalogue should know, found out the slow way."""

    segments: dict[tuple[str, int], Segment] = field(default_factory=dict)

    def closed(self, recording: str) -> list[Segment]:
        found = [each for each in self.segments.values() if each.closed and each.recording == recording]
        return sorted(found, key=lambda each: each.start_ns)

    def runs(self, recording: str, track: str = "") -> list[Span]:
        found: list[tuple[int, int, int]] = []
        segments = [each for each in self.closed(recording) if not track or track in each.tracks]
        for run_ns in {each.run_ns for each in segments}:
            chain: list[Segment] = []
            for each in [*(each for each in segments if each.run_ns == run_ns), None]:
                if chain and (each is None or each.start_ns > max(one.end_ns for one in chain) + JOINT_NS):
                    found.append((chain[0].start_ns, max(one.end_ns for one in chain), run_ns))
                    chain = []
                if each is not None:
                    chain.append(each)
        return [Span(start_ns, end_ns) for start_ns, end_ns, _run in sorted(found)]

    def minutes(self, recording: str) -> set[int]:
        return {
            number
            for each in self.closed(recording)
            for number in range(each.start_ns // MINUTE_NS, max(each.start_ns, each.end_ns - 1) // MINUTE_NS + 1)
        }

    def extent(self, recording: str) -> Extent | None:
        if not (found := self.closed(recording)):
            return None
        tracks = [
            TrackExtent(track, _hull([each for each in found if track in each.tracks]))
            for track in sorted({track for each in found for track in each.tracks})
        ]
        return Extent(_hull(found), tuple(tracks), sum(each.size for each in found))

    def usage(self) -> dict[tuple[str, str], int]:
        usage: dict[tuple[str, str], int] = {}
        for each in self.segments.values():
            if each.closed:
                usage[each.recording, each.storage] = usage.get((each.recording, each.storage), 0) + each.size
        return usage


def _hull(segments: list[Segment]) -> Span:
    return Span(min(each.start_ns for each in segments), max(each.end_ns for each in segments))


BEGIN = NOON + DAY_NS // 2 - 20 * 30 * SECOND
CHAIN = [segment(BEGIN + number * 30 * SECOND, 30, run_ns=0) for number in range(40)]
SEGMENTS = st.builds(
    segment,
    st.integers(0, 40).map(lambda number: BEGIN + number * 30 * SECOND),
    st.sampled_from([30, 30, 30, 31, 28, 60, 150, 1, 0]),
    recording=st.sampled_from([DOOR, DOOR, DOOR, GATE]),
    run_ns=st.sampled_from([0, 0, 0, 1]),
    storage=st.sampled_from(["disk1", "disk2"]),
    tracks=st.sampled_from([(VIDEO, AUDIO), (VIDEO,), (AUDIO,), ()]),
    size=st.integers(1, 9),
    closed=st.sampled_from([True, True, True, False]),
)
STEPS = st.lists(
    st.tuples(
        st.lists(SEGMENTS, max_size=8),
        st.lists(st.integers(0, 50), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=3,
)
"""What is added, and then the numbers of what is removed."""


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_what_is_derived_follows_from_the_segments(
    connection: Connection, steps: list[tuple[list[Segment], list[int]]]
) -> None:
    plain, queries = Plain(), Queries()
    with connection.begin() as transaction:
        for added, removals in [(CHAIN, [18]), *steps]:
            catalogue_index.add(connection, added)
            plain.segments |= {(each.recording, each.start_ns): each for each in added}
            compare(connection, queries, plain)
            for number in removals:
                if not (known := sorted(plain.segments)):
                    break
                gone = known[number % len(known) :: 1 + number % 9] if number % 2 else [known[number % len(known)]]
                catalogue_index.remove(connection, [plain.segments.pop(key) for key in gone])
                compare(connection, queries, plain)
        catalogue_index.remove(connection, list(plain.segments.values()))
        compare(connection, queries, Plain())
        transaction.rollback()


def test_a_long_segment_bridges_what_is_lost_below_it(connection: Connection) -> None:
    plain, queries = Plain(), Queries()
    bridge = replace(CHAIN[14], end_ns=CHAIN[14].start_ns + 150 * SECOND)
    with connection.begin():
        catalogue_index.add(connection, [*CHAIN[:18], *CHAIN[19:], bridge])
        plain.segments = {(each.recording, each.start_ns): each for each in [*CHAIN[:18], *CHAIN[19:], bridge]}
        compare(connection, queries, plain)
        gone = CHAIN[20:30:2]
        catalogue_index.remove(connection, gone)
        for each in gone:
            del plain.segments[each.recording, each.start_ns]
        compare(connection, queries, plain)


def compare(connection: Connection, queries: Queries, plain: Plain) -> None:
    always = Span(-1, FOREVER.end_ns)
    assert queries.usage(connection) == plain.usage()
    for recording in (DOOR, GATE):
        found = queries.segments(connection, recording, always, 100, descending=False)
        assert [(each.start_ns, set(each.tracks)) for each in found] == [
            (each.start_ns, set(each.tracks)) for each in plain.closed(recording)
        ]
        for moment in {each.end_ns - 1 for each in plain.closed(recording)}:
            found = queries.segments(connection, recording, Span(moment, moment + 1), 100, descending=False)
            assert [each.span for each in found] == [
                each.span for each in plain.closed(recording) if each.start_ns <= moment < each.end_ns
            ]
        assert queries.runs(connection, recording, always) == plain.runs(recording)
        runs = queries.runs_of_tracks(connection, recording, always)
        assert {track: runs.pop(track, []) for track in ("", VIDEO, AUDIO)} == {
            track: plain.runs(recording, track) for track in ("", VIDEO, AUDIO)
        }
        assert runs == {}
        assert queries.extent(connection, recording) == plain.extent(recording)
        days = queries.days(connection, recording, date(2023, 12, 1), date(2023, 12, 20))
        assert {
            (day - date(1970, 1, 1)).days * 1440 + number
            for day, bits in days.items()
            for number in range(1440)
            if bits[number // 8] >> number % 8 & 1
        } == plain.minutes(recording)
