"""What is deleted, when and why. `docs/guide/storage.md` says which rule wins.

1. What is held is never deleted.
2. Footage younger than `min_days` goes only when nothing else can make room for new footage.
3. Footage older than `max_days` goes, then the oldest of what is over a size, then the oldest of all to make room.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gateway.domain.recording import Hold, Retention, Segment
from gateway.sdk.clock import Clock
from gateway.services.storage_health import Room

SWEEP_SECONDS = 60.0
HEADROOM_SECONDS = 600.0
"""Room is made ahead for so long at the rate that is being written."""

LEAST_HEADROOM = 256 * 2**20
BATCH = 500
"""Segments that are deleted in one go, between which others get the disk."""

MOST_PLANNED = 20_000
JUMP_SECONDS = 86_400.0
"""A wall clock that moves so much against the monotonic one is not believed: nothing is deleted by age …"""
DOUBT_SECONDS = 86_400.0
"""… for so long, or until a restart."""

_DAY_NS = 86_400 * 1_000_000_000
_log = logging.getLogger(__name__)


class Why(StrEnum):
    """Why a segment is deleted."""

    AGE = "older than max_days"
    RECORDING_SIZE = "the recording is over its max_size"
    TOTAL_SIZE = "all recordings are over retention.max_size"
    ROOM = "room for new footage"
    ROOM_IN_SPITE = "room for new footage, although younger than min_days"


class Catalogue(Protocol):
    """The index of segments."""

    async def oldest(self, *, storage: str | None = None, recording: str | None = None, limit: int) -> list[Segment]:
        """Return closed segments with the earliest starts."""
        ...

    async def usage(self) -> Mapping[tuple[str, str], int]:
        """Return the bytes of every recording on every storage."""
        ...


class Storages(Protocol):
    """Where the segments are."""

    def rooms(self) -> Sequence[Room]:
        """Return the storages that work."""
        ...

    async def check(self) -> None:
        """Look at them now."""
        ...

    async def delete(self, segments: Sequence[Segment]) -> list[Segment]:
        """Delete files; returns the segments that are gone."""
        ...


@dataclass(frozen=True, slots=True)
class Deletion:
    """One segment to delete, and why."""

    segment: Segment
    why: Why


@dataclass(slots=True)
class Plan:
    """What retention would do now."""

    deletions: list[Deletion] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Sentences: limits that can't be kept because of holds or `min_days`."""

    @property
    def size(self) -> int:
        """Bytes that would be freed."""
        return sum(deletion.segment.size for deletion in self.deletions)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of all recordings, and what is held."""

    recordings: Mapping[str, Retention]
    overall: Retention
    holds: tuple[Hold, ...]

    def of(self, recording: str) -> Retention:
        """Return the rules of a recording; the overall ones count where they are stricter."""
        own = self.recordings.get(recording, Retention())
        days = [days for days in (own.max_days, self.overall.max_days) if days is not None]
        return Retention(min(days, default=None), own.max_bytes, max(own.min_days, self.overall.min_days))

    def held(self, segment: Segment) -> bool:
        """Tell whether a segment is protected."""
        return any(
            hold.recording == segment.recording
            and hold.span.start_ns < segment.end_ns
            and segment.start_ns < hold.span.end_ns
            for hold in self.holds
        )

    def young(self, segment: Segment, now_ns: int) -> bool:
        """Tell whether a segment is younger than its `min_days`."""
        return segment.end_ns > now_ns - self.of(segment.recording).min_days * _DAY_NS

    def expired(self, segment: Segment, now_ns: int) -> bool:
        """Tell whether a segment is older than its `max_days`, and than its `min_days`."""
        days = self.of(segment.recording).max_days
        return days is not None and segment.end_ns <= now_ns - max(days, self.of(segment.recording).min_days) * _DAY_NS


class Planner:
    """Decides what to delete at one moment. Nothing is changed; `plan` is called once."""

    def __init__(
        self,
        catalogue: Catalogue,
        rules: Rules,
        rooms: Sequence[Room],
        now_ns: int,
        headroom: int,
        *,
        by_age: bool = True,
    ) -> None:
        """`headroom` is how many bytes all storages together should have left."""
        self._catalogue = catalogue
        self._rules = rules
        self._rooms = {room.volume.id: room for room in rooms}
        self._now_ns = now_ns
        self._headroom = headroom
        self._by_age = by_age
        self._plan = Plan()
        self._taken: set[tuple[str, int]] = set()
        self._left = {name: room.left for name, room in self._rooms.items()}
        self._usage: dict[str, int] = {}

    async def plan(self) -> Plan:
        """Return what has to be deleted, in the order in which to do it."""
        usage = await self._catalogue.usage()
        for (recording, _), size in usage.items():
            self._usage[recording] = self._usage.get(recording, 0) + size
        for recording in self._usage:
            await self._shorten(recording)
        await self._limit_total()
        await self._make_room()
        return self._plan

    async def _shorten(self, recording: str) -> None:
        """Apply one recording's own rules."""
        rules = self._rules.of(recording)
        if rules.max_days is not None and self._by_age:
            async for segment in self._oldest(recording=recording):
                if not self._rules.expired(segment, self._now_ns):
                    break
                self._take(segment, Why.AGE)
        if rules.max_bytes is not None and self._usage[recording] > rules.max_bytes:
            async for segment in self._oldest(recording=recording):
                if self._rules.young(segment, self._now_ns):
                    break
                self._take(segment, Why.RECORDING_SIZE)
                if self._usage[recording] <= rules.max_bytes:
                    return
            self._problem(f"recording {recording} stays over its max_size: the rest is held or younger than min_days")

    async def _limit_total(self) -> None:
        limit = self._rules.overall.max_bytes
        if limit is None or sum(self._usage.values()) <= limit:
            return
        async for segment in self._oldest():
            if not self._rules.young(segment, self._now_ns):
                self._take(segment, Why.TOTAL_SIZE)
            if sum(self._usage.values()) <= limit:
                return
        self._problem("all recordings stay over retention.max_size: the rest is held or younger than min_days")

    async def _make_room(self) -> None:
        """Free what every storage is over its limit, then the headroom wherever the oldest is."""
        for name in self._rooms:
            if self._left[name] < 0:
                await self._free(lambda name=name: self._left[name] >= 0, storage=name)  # type: ignore[misc]
        if self._rooms and not self._roomy():
            await self._free(self._roomy)
            if not self._roomy():
                self._problem("there is no room for new footage: everything else is held")

    async def _free(self, enough: Callable[[], bool], storage: str | None = None) -> None:
        for why in (Why.ROOM, Why.ROOM_IN_SPITE):
            async for segment in self._oldest(storage=storage):
                if enough():
                    return
                if segment.storage in self._rooms and (
                    why is Why.ROOM_IN_SPITE or not self._rules.young(segment, self._now_ns)
                ):
                    self._take(segment, why)

    def _roomy(self) -> bool:
        return sum(max(0, left) for left in self._left.values()) >= self._headroom

    async def _oldest(self, *, storage: str | None = None, recording: str | None = None) -> AsyncIterator[Segment]:
        """Yield what may be deleted and is not planned to be, oldest first."""
        limit = BATCH
        seen = 0
        while len(self._plan.deletions) < MOST_PLANNED:
            page = await self._catalogue.oldest(storage=storage, recording=recording, limit=limit)
            for segment in page[seen:]:
                if (segment.recording, segment.start_ns) not in self._taken and not self._rules.held(segment):
                    yield segment
            if len(page) < limit:
                return
            seen, limit = limit, limit * 2

    def _take(self, segment: Segment, why: Why) -> None:
        self._taken.add((segment.recording, segment.start_ns))
        self._plan.deletions.append(Deletion(segment, why))
        self._usage[segment.recording] -= segment.size
        if segment.storage in self._left:
            self._left[segment.storage] += segment.size

    def _problem(self, sentence: str) -> None:
        self._plan.problems.append(sentence)


class Sweeper:
    """Deletes what has to go, each minute and when the recorder is out of room."""

    def __init__(
        self,
        catalogue: Catalogue,
        storages: Storages,
        removed: Callable[[Sequence[Segment]], Awaitable[None]],
        rules: Callable[[], Awaitable[Rules]],
        clock: Clock,
    ) -> None:
        """`removed` is told what was deleted; `rules` returns the present ones."""
        self._catalogue = catalogue
        self._storages = storages
        self._removed = removed
        self._rules = rules
        self._clock = clock
        self._wall_ns = clock.utc_ns()
        self._monotonic = clock.monotonic()
        self._passed = 0.0
        self._doubted_until = -1.0
        self._used: int | None = None
        self._rate = 0.0
        """Bytes per second that are written."""
        self._told: list[str] = []

    async def run(self) -> None:
        """Sweep each minute until cancelled."""
        while True:
            await self.sweep()
            await self._clock.sleep(SWEEP_SECONDS)

    async def plan(self) -> Plan:
        """Return what would be deleted now."""
        by_age = self._clock.monotonic() >= self._doubted_until
        rooms, headroom = self._storages.rooms(), max(LEAST_HEADROOM, round(self._rate * HEADROOM_SECONDS))
        smallest = min((room.status.capacity for room in rooms), default=0)
        planner = Planner(
            self._catalogue,
            await self._rules(),
            rooms,
            self._clock.utc_ns(),
            min(headroom, smallest // 20) if smallest else headroom,
            by_age=by_age,
        )
        return await planner.plan()

    async def sweep(self) -> Plan:
        """Delete what has to go; returns what that was."""
        await self._storages.check()
        self._look_at_the_clock()
        await self._measure()
        plan = await self.plan()
        for start in range(0, len(plan.deletions), BATCH):
            some = [deletion.segment for deletion in plan.deletions[start : start + BATCH]]
            gone = await self._storages.delete(some)
            await self._removed(gone)
            if self._used is not None:
                self._used -= sum(segment.size for segment in gone)
        for sentence in plan.problems:
            if sentence not in self._told:
                _log.warning("retention: %s", sentence)
        self._told = plan.problems
        return plan

    def _look_at_the_clock(self) -> None:
        wall_ns, monotonic = self._clock.utc_ns(), self._clock.monotonic()
        jump = (wall_ns - self._wall_ns) / 1e9 - (monotonic - self._monotonic)
        if abs(jump) > JUMP_SECONDS:
            self._doubted_until = monotonic + DOUBT_SECONDS
            _log.error("the clock moved by %+.0f s: for a day nothing is deleted by its age; a restart ends that", jump)
        self._wall_ns, self._monotonic, self._passed = wall_ns, monotonic, monotonic - self._monotonic

    async def _measure(self) -> None:
        used = sum((await self._catalogue.usage()).values())
        if self._used is not None and self._passed > 0:
            self._rate = max(0.0, 0.7 * self._rate + 0.3 * (used - self._used) / self._passed)
        self._used = used
