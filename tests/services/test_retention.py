"""A year of recording in seconds: what is deleted, in which order, and what never is."""

import asyncio
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Collection, Sequence

from gateway.domain.recording import Hold, Retention, Segment, Span
from gateway.domain.storage import StorageState, StorageStatus, Volume
from gateway.services.retention import LEAST_HEADROOM, Sweeper
from gateway.services.retention_plan import Planner, Rules, Why
from gateway.services.storage_health import Room
from gateway.testing.clock import FakeClock

NS = 1_000_000_000
HOUR = 3600 * NS
DAY = 24 * HOUR
GB = 10**9
BEGIN = 1_700_000_000 * NS


class Disks:
    """Storages and catalogue in memory. Each recording is written in order of time."""

    def __init__(self, capacities: dict[str, int], limits: dict[str, int] | None = None) -> None:
        self.capacities, self.limits = capacities, limits or {}
        self.segments: dict[str, dict[int, Segment]] = {}
        self.bytes: Counter[tuple[str, str]] = Counter()
        self.deleted: list[Segment] = []
        self.stuck: set[int] = set()
        """Starts of segments that can't be deleted."""
        self.reported: list[set[str]] = []

    def write(self, recording: str, start_ns: int, size: int, length: int = 4 * HOUR) -> str | None:
        room = max(self.rooms(), key=lambda room: room.left)
        if room.status.free < size:
            return None
        name = room.volume.id
        segment = Segment(recording, start_ns, start_ns + length, start_ns, name, f"{recording}/x.mp4", size, (), ())
        self.segments.setdefault(recording, {})[start_ns] = segment
        self.bytes[recording, name] += size
        return name

    async def oldest(self, *, storage: str | None = None, recording: str | None = None, limit: int) -> list[Segment]:
        wanted = self.segments.values() if recording is None else [self.segments[recording]]
        found = heapq.merge(*(each.values() for each in wanted), key=lambda segment: segment.start_ns)
        there = (segment for segment in found if storage in {None, segment.storage})
        return list(itertools.islice(there, limit))

    async def usage(self) -> dict[tuple[str, str], int]:
        return {key: size for key, size in self.bytes.items() if size}

    def rooms(self) -> list[Room]:
        used: Counter[str] = Counter()
        for (_, name), size in self.bytes.items():
            used[name] += size
        return [
            Room(
                Volume(name, "memory", self.limits.get(name)),
                StorageStatus(StorageState.OK, "", capacity, capacity - used[name]),
                used[name],
            )
            for name, capacity in self.capacities.items()
        ]

    async def check(self) -> None:
        """Always up to date."""

    def full(self, storages: Collection[str]) -> None:
        self.reported.append(set(storages))

    async def delete(self, segments: Sequence[Segment]) -> list[Segment]:
        await asyncio.sleep(0)
        gone = [segment for segment in segments if segment.start_ns not in self.stuck]
        self.deleted += gone
        return gone

    async def removed(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            del self.segments[segment.recording][segment.start_ns]
            self.bytes[segment.recording, segment.storage] -= segment.size


def sweeping(disks: Disks, ruled: Rules, clock: FakeClock) -> Sweeper:
    async def rules_now() -> Rules:
        return ruled

    return Sweeper(disks, disks, disks.removed, rules_now, clock)


def rules(recordings: dict[str, Retention] | None = None, overall: Retention = Retention(), *holds: Hold) -> Rules:  # noqa: B008 - frozen
    return Rules(recordings or {}, overall, holds)


def hold(recording: str, start_ns: int, end_ns: int) -> Hold:
    return Hold("h", recording, Span(start_ns, end_ns), "theft", "admin")


async def planned(disks: Disks, ruled: Rules, now_ns: int, headroom: int = 0) -> list[tuple[str, int, Why]]:
    plan = await Planner(disks, ruled, disks.rooms(), now_ns, headroom).plan()
    return [(each.segment.recording, (each.segment.start_ns - BEGIN) // DAY, each.why) for each in plan.deletions]


def filled(days: int, recordings: Sequence[str] = ("a",), size: int = GB, capacity: int = 1000 * GB) -> Disks:
    disks = Disks({"disk": capacity})
    for day in range(days):
        for recording in recordings:
            disks.write(recording, BEGIN + day * DAY, size, DAY)
    return disks


async def test_footage_goes_by_age_each_recording_at_its_own() -> None:
    disks = filled(10, ("a", "b", "c"))
    ruled = rules({"a": Retention(3), "b": Retention(max_days=8)}, Retention(9))
    found = await planned(disks, ruled, BEGIN + 10 * DAY)
    assert found == [
        *(("a", day, Why.AGE) for day in range(7)),
        *(("b", day, Why.AGE) for day in range(2)),
        ("c", 0, Why.AGE),
    ]


async def test_sizes_hold_and_the_oldest_goes_first() -> None:
    ruled = rules({"a": Retention(max_bytes=8 * GB)}, Retention(max_bytes=15 * GB))
    found = await planned(filled(10, ("a", "b")), ruled, BEGIN + 10 * DAY)
    assert found == [
        ("a", 0, Why.RECORDING_SIZE),
        ("a", 1, Why.RECORDING_SIZE),
        ("b", 0, Why.TOTAL_SIZE),
        ("b", 1, Why.TOTAL_SIZE),
        ("a", 2, Why.TOTAL_SIZE),
    ]


async def test_min_days_beats_days_and_sizes() -> None:
    ruled = rules({"a": Retention(max_days=2, max_bytes=GB, min_days=5)})
    disks = filled(10)
    plan = await Planner(disks, ruled, disks.rooms(), BEGIN + 10 * DAY, 0).plan()
    assert len(plan.deletions) == 5
    assert plan.problems == ["recording a stays over its max_size: the rest is held or younger than min_days"]


async def test_only_room_for_new_footage_beats_min_days_and_nothing_beats_a_hold() -> None:
    disks = filled(10, capacity=int(10.6 * GB))
    ruled = rules({"a": Retention(min_days=9)}, Retention(), hold("a", BEGIN, BEGIN + DAY))
    found = await planned(disks, ruled, BEGIN + 10 * DAY, headroom=2 * GB)
    assert found == [("a", 1, Why.ROOM_IN_SPITE), ("a", 2, Why.ROOM_IN_SPITE)]
    everything = rules(None, Retention(max_days=1, max_bytes=1), hold("a", 0, BEGIN + 99 * DAY))
    plan = await Planner(disks, everything, disks.rooms(), BEGIN + 50 * DAY, 2 * GB).plan()
    assert plan.deletions == []
    assert plan.problems == [
        "all recordings stay over retention.max_size: the rest is held or younger than min_days",
        "there is no room for new footage: everything else is held",
    ]


async def test_a_limit_that_was_lowered_is_reached_on_that_storage() -> None:
    disks = Disks({"one": 1000 * GB, "two": 1000 * GB})
    for day in range(10):
        disks.write("a", BEGIN + day * DAY, 10 * GB, DAY)
    disks.limits = {"one": 25 * GB}
    found = await Planner(disks, rules(), disks.rooms(), BEGIN + 10 * DAY, 0).plan()
    assert {deletion.segment.storage for deletion in found.deletions} == {"one"}
    assert found.size == 30 * GB


async def test_a_clock_that_jumps_deletes_nothing_until_it_is_believed() -> None:
    disks, clock = filled(10), FakeClock(BEGIN + 10 * DAY)
    sweeper = sweeping(disks, rules({"a": Retention(max_days=30)}), clock)
    clock.set_utc(BEGIN + 400 * DAY)
    plan = await sweeper.sweep()
    assert (plan.deletions, plan.problems) == (
        [],
        ["nothing is deleted by its age: the clock moved by more than a day"],
    )
    clock.set_utc(BEGIN + 10 * DAY)
    assert (await sweeper.sweep()).deletions == []
    clock.set_utc(BEGIN + 400 * DAY)  # and there it stays: it was right after all
    await sweeper.sweep()
    await clock.advance(86_500)
    assert len((await sweeper.sweep()).deletions) == 10


async def test_a_storage_that_is_away_does_not_count_and_loses_nothing() -> None:
    disks = Disks({"one": 1000 * GB, "two": 1000 * GB})
    for day in range(10):
        disks.write("a", BEGIN + day * DAY, 10 * GB, DAY)
    del disks.capacities["one"]
    ruled = rules({"a": Retention(max_days=6, max_bytes=20 * GB)})
    plan = await Planner(disks, ruled, disks.rooms(), BEGIN + 10 * DAY).plan()
    assert {each.segment.storage for each in plan.deletions} == {"two"}
    assert [each.why for each in plan.deletions] == [Why.AGE, Why.AGE, Why.RECORDING_SIZE]
    assert plan.problems == []


async def test_a_storage_with_nothing_but_held_footage_is_full() -> None:
    disks = Disks({"one": 100 * GB, "two": 100 * GB})
    for day in range(10):
        disks.write("a", BEGIN + day * DAY, 10 * GB, DAY)
    held = {segment.start_ns for segment in disks.segments["a"].values() if segment.storage == "one"}
    disks.limits = {"one": 40 * GB}
    ruled = rules(None, Retention(), *(hold("a", start, start + DAY) for start in held))
    sweeper = sweeping(disks, ruled, FakeClock(BEGIN + 10 * DAY))
    plan = await sweeper.sweep()
    assert (plan.deletions, plan.full) == ([], {"one"})
    assert plan.problems == ["storage one is full, and nothing more on it may be deleted"]
    disks.limits = {}
    await sweeper.sweep()
    assert disks.reported == [{"one"}, set()]


async def test_others_go_in_the_place_of_what_can_t_be_deleted() -> None:
    disks, clock = filled(10, capacity=int(10.6 * GB)), FakeClock(BEGIN + 10 * DAY)
    disks.stuck = {BEGIN, BEGIN + DAY}
    sweeper = sweeping(disks, rules(), clock)
    await sweeper.sweep()
    assert [(each.start_ns - BEGIN) // DAY for each in disks.deleted] == [2]
    disks.stuck.clear()
    disks.write("a", BEGIN + 10 * DAY, GB, DAY)
    await clock.advance(60)
    await sweeper.sweep()
    assert [(each.start_ns - BEGIN) // DAY for each in disks.deleted] == [2, 3]  # not yet tried again
    disks.write("a", BEGIN + 11 * DAY, GB, DAY)
    await clock.advance(3600)
    await sweeper.sweep()
    assert [(each.start_ns - BEGIN) // DAY for each in disks.deleted] == [2, 3, 0]


async def test_room_is_made_at_once_on_a_storage_that_is_full_whatever_it_says_of_its_room() -> None:
    disks, clock = Disks({"one": 1000 * GB, "two": 1000 * GB}), FakeClock(BEGIN + 10 * DAY)
    for day in range(10):
        disks.write("a", BEGIN + day * DAY, GB // 8, DAY)
    sweeper = sweeping(disks, rules({"a": Retention(min_days=30)}, Retention(), hold("a", BEGIN, BEGIN + DAY)), clock)
    assert await asyncio.gather(*(sweeper.make_room("one") for _ in range(16))) == [True] * 16
    assert [(each.storage, (each.start_ns - BEGIN) // DAY) for each in disks.deleted] == [
        ("one", 2),
        ("one", 4),
        ("one", 6),
    ]
    assert await sweeper.make_room("one")
    assert len(disks.deleted) == 3
    assert not await sweeper.make_room("three")
    await clock.advance(5)
    assert await sweeper.make_room("one")
    await clock.advance(5)
    assert not await sweeper.make_room("one")  # the rest is held
    assert {segment.storage for segment in disks.deleted} == {"one"}


async def test_whoever_no_longer_waits_for_room_leaves_nothing_half_done() -> None:
    disks = filled(10)
    sweeper = sweeping(disks, rules(), FakeClock(BEGIN + 10 * DAY))
    waiting = asyncio.create_task(sweeper.make_room("disk"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    assert await sweeper.make_room("disk")
    assert len(disks.deleted) == 1
    assert next(iter(disks.segments["a"])) == BEGIN + DAY


async def test_a_long_backlog_is_deleted_in_parts() -> None:
    disks = filled(100, ("a", "b"))
    plan = await Planner(disks, rules(None, Retention(max_days=1)), disks.rooms(), BEGIN + 400 * DAY).plan()
    assert len(plan.deletions) == 200
    assert all(each.why is Why.AGE for each in plan.deletions)


async def test_a_year_of_sixteen_cameras() -> None:
    chance = random.Random(1)
    disks = Disks({"one": 60 * GB, "two": 90 * GB}, {"two": 70 * GB})
    own = {
        f"cam{index}": Retention(
            chance.choice([None, 7, 30, 360]), chance.choice([None, 5 * GB]), chance.choice([0, 2])
        )
        for index in range(16)
    }
    holds = [hold(f"cam{index}", BEGIN + 20 * DAY, BEGIN + 21 * DAY) for index in (0, 5)]
    ruled = rules(own, Retention(max_days=200), *holds)
    clock = FakeClock(BEGIN)
    sweeper = sweeping(disks, ruled, clock)
    lost, full, whys = 0, 0, Counter[Why]()
    for day in range(365):
        for name in own:
            size = chance.randint(50, 200) * GB // 1000
            if disks.write(name, clock.utc_ns(), size, DAY) is None:
                full += 1
                assert await sweeper.make_room(max(disks.rooms(), key=lambda room: room.left).volume.id)
                lost += disks.write(name, clock.utc_ns(), size, DAY) is None
            await clock.advance(24 * 3600 / len(own))
        before = len(disks.deleted)
        plan = await sweeper.sweep()
        now = clock.utc_ns()
        whys.update(deletion.why for deletion in plan.deletions)
        for deletion in plan.deletions:
            assert not ruled.held(deletion.segment)
            assert deletion.why is Why.ROOM_IN_SPITE or not ruled.young(deletion.segment, now)
        assert len(disks.deleted) - before == len(plan.deletions)
        for room in disks.rooms():
            assert room.left >= 0
        if day % 10 == 0:
            late = [each for kept in disks.segments.values() for each in kept.values() if ruled.expired(each, now)]
            assert all(ruled.held(segment) for segment in late)
            for storage in disks.capacities:
                gone = [each.segment for each in plan.deletions if each.why is Why.ROOM]
                left = [each for kept in disks.segments.values() for each in kept.values() if each.storage == storage]
                free = [each.start_ns for each in left if not ruled.held(each) and not ruled.young(each, now)]
                assert all(each.start_ns <= min(free, default=now) for each in gone if each.storage == storage)
    assert lost == 0
    assert full > 100
    assert whys.keys() == {Why.AGE, Why.RECORDING_SIZE, Why.ROOM}
    kept = {name for name, segments in disks.segments.items() if any(map(ruled.held, segments.values()))}
    assert kept == {"cam0", "cam5"}
    assert not any(map(ruled.held, disks.deleted))
    assert sum(room.left for room in disks.rooms()) >= LEAST_HEADROOM
