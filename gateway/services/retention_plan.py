"""What is deleted, when and why. `docs/guide/storage.md` says which rule wins.

1. What is held is never deleted.
2. Footage younger than `min_days` goes only when nothing else can make room for new footage.
3. Footage older than `max_days` goes, then the oldest of what is over a size, then the oldest of all to make room.

What is on a storage that is away does not count, and loses nothing.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gateway.domain.recording import Hold, Retention, Segment
from gateway.services.storage_health import Room

MOST_PLANNED = 20_000
"""Segments in one plan; the next one has the rest."""

_FIRST_PAGE = 16
_DAY_NS = 86_400 * 1_000_000_000


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
    full: set[str] = field(default_factory=set)
    """Storages without room on which nothing more may be deleted."""

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
    """Decides what to delete at one moment. Nothing is changed; one of `plan` and `free` is called once."""

    def __init__(
        self,
        catalogue: Catalogue,
        rules: Rules,
        rooms: Sequence[Room],
        now_ns: int,
        headroom: int = 0,
        *,
        by_age: bool = True,
        stuck: Collection[tuple[str, int]] = (),
    ) -> None:
        """`headroom` is how many bytes all storages together should have left.

        `stuck` are recordings and starts of segments that could not be deleted.
        """
        self._catalogue = catalogue
        self._rules = rules
        self._now_ns = now_ns
        self._headroom = headroom
        self._by_age = by_age
        self._plan = Plan()
        self._taken = set(stuck)
        self._left = {room.volume.id: room.left for room in rooms}
        self._freed = 0
        self._usage: dict[str, int] = {}
        self._young_ns = now_ns
        """What begins later is younger than every `min_days`."""

    async def plan(self) -> Plan:
        """Return what has to be deleted, in the order in which to do it."""
        await self._learn()
        for recording in sorted(self._usage):
            await self._shorten(recording)
        await self._limit_total()
        await self._make_room()
        return self._plan

    async def free(self, storage: str, size: int) -> Plan:
        """Return what to delete from one storage to free so many bytes, whatever it says of its room."""
        await self._learn()
        await self._free(lambda: self._freed >= size, storage=storage)
        return self._plan

    async def _learn(self) -> None:
        """Learn what there is on the storages that count."""
        for (recording, storage), size in (await self._catalogue.usage()).items():
            if storage in self._left:
                self._usage[recording] = self._usage.get(recording, 0) + size
        days = min((self._rules.of(recording).min_days for recording in self._usage), default=0)
        self._young_ns = self._now_ns - days * _DAY_NS

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
        limit, total = self._rules.overall.max_bytes, sum(self._usage.values())
        if limit is None or total <= limit:
            return
        async for segment in self._oldest():
            if not self._rules.young(segment, self._now_ns):
                self._take(segment, Why.TOTAL_SIZE)
                total -= segment.size
            if total <= limit:
                return
            if segment.start_ns > self._young_ns:
                break
        self._problem("all recordings stay over retention.max_size: the rest is held or younger than min_days")

    async def _make_room(self) -> None:
        """Free what every storage is over its limit, then the headroom wherever the oldest is."""
        for name in self._left:
            if self._left[name] < 0:
                await self._free(lambda name=name: self._left[name] >= 0, storage=name)  # type: ignore[misc]
                if self._left[name] < 0 and not self._cut_short:
                    self._plan.full.add(name)
                    self._problem(f"storage {name} is full, and nothing more on it may be deleted")
        if self._left and not self._roomy():
            await self._free(self._roomy)
            if not self._roomy() and not self._cut_short:
                self._problem("there is no room for new footage: everything else is held")

    async def _free(self, enough: Callable[[], bool], storage: str | None = None) -> None:
        for why in (Why.ROOM, Why.ROOM_IN_SPITE):
            async for segment in self._oldest(storage=storage):
                if enough():
                    return
                if why is Why.ROOM_IN_SPITE or not self._rules.young(segment, self._now_ns):
                    self._take(segment, why)
                elif segment.start_ns > self._young_ns:
                    break
            if enough():
                return

    def _roomy(self) -> bool:
        return sum(max(0, left) for left in self._left.values()) >= self._headroom

    @property
    def _cut_short(self) -> bool:
        return len(self._plan.deletions) >= MOST_PLANNED

    async def _oldest(self, *, storage: str | None = None, recording: str | None = None) -> AsyncIterator[Segment]:
        """Yield what may be deleted and is not planned to be, oldest first."""
        seen, limit = 0, _FIRST_PAGE
        while not self._cut_short:
            page = await self._catalogue.oldest(storage=storage, recording=recording, limit=limit)
            for segment in page[seen:]:
                if self._cut_short:
                    return
                if self._deletable(segment):
                    yield segment
            if len(page) < limit:
                return
            seen, limit = limit, limit * 2

    def _deletable(self, segment: Segment) -> bool:
        return (
            segment.storage in self._left
            and (segment.recording, segment.start_ns) not in self._taken
            and not self._rules.held(segment)
        )

    def _take(self, segment: Segment, why: Why) -> None:
        self._taken.add((segment.recording, segment.start_ns))
        self._plan.deletions.append(Deletion(segment, why))
        self._freed += segment.size
        self._left[segment.storage] += segment.size
        self._usage[segment.recording] -= segment.size

    def _problem(self, sentence: str) -> None:
        self._plan.problems.append(sentence)
