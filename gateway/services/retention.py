"""Deletes what has to go, each minute and when a storage is full; `retention_plan` says what that is."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from gateway.domain.recording import Segment
from gateway.sdk.clock import Clock
from gateway.services.retention_plan import Catalogue, Deletion, Plan, Planner, Rules
from gateway.services.storage_health import Room

__all__ = ["Plan", "Rules", "Sweeper"]

SWEEP_SECONDS = 60.0
HEADROOM_SECONDS = 600.0
"""Room is made ahead for so long at the rate that is being written."""

LEAST_HEADROOM = 256 * 2**20
BATCH = 500
"""Segments that are deleted in one go, between which others get the disk."""

JUMP_SECONDS = 86_400.0
"""A wall clock that moves so much against the monotonic one is not believed: nothing is deleted by age …"""
DOUBT_SECONDS = 86_400.0
"""… for so long, or until a restart."""

ROUNDS = 5
"""Plans that are made at once, when some of what they say can't be deleted."""

STUCK_SECONDS = 3600.0
"""What can't be deleted is tried again after this; until then others go in its place."""

FREED_SECONDS = 2.0
"""All who find a storage full at once get by with what was freed for the first."""

_log = logging.getLogger(__name__)


class Storages(Protocol):
    """Where the segments are."""

    def rooms(self) -> Sequence[Room]:
        """Return the storages that can be deleted from."""
        ...

    async def check(self) -> None:
        """Look at them now."""
        ...

    async def delete(self, segments: Sequence[Segment]) -> list[Segment]:
        """Delete files; returns the segments that are gone."""
        ...

    def full(self, storages: Collection[str]) -> None:
        """Take which storages are full and have nothing on them that may be deleted."""
        ...


class Sweeper:
    """Carries out what retention says."""

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
        self._stuck: dict[tuple[str, int], float] = {}
        """Recording and start of what could not be deleted, and until when that is not tried again."""
        self._freeing: dict[str, asyncio.Task[bool]] = {}
        self._freed: dict[str, float] = {}
        """When room was last made on a storage."""

    async def run(self) -> None:
        """Sweep each minute until cancelled."""
        try:
            while True:
                await self.sweep()
                await self._clock.sleep(SWEEP_SECONDS)
        finally:
            await asyncio.gather(*self._freeing.values(), return_exceptions=True)

    async def plan(self) -> Plan:
        """Return what would be deleted now."""
        rooms, headroom = self._storages.rooms(), max(LEAST_HEADROOM, round(self._rate * HEADROOM_SECONDS))
        smallest = min((room.status.capacity for room in rooms), default=0)
        planner = await self._planner(rooms, min(headroom, smallest // 20) if smallest else headroom)
        plan = await planner.plan()
        if self._doubtful:
            plan.problems.append("nothing is deleted by its age: the clock moved by more than a day")
        return plan

    async def sweep(self) -> Plan:
        """Delete what has to go; returns what that was."""
        await self._storages.check()
        self._look_at_the_clock()
        await self._measure()
        plan = await self._carry_out(self.plan)
        self._storages.full(plan.full)
        for sentence in plan.problems:
            if sentence not in self._told:
                _log.warning("retention: %s", sentence)
        self._told = plan.problems
        return plan

    async def make_room(self, storage: str) -> bool:
        """Free some of a storage that turned out to be full; tells whether that worked. May be cancelled."""
        if self._clock.monotonic() - self._freed.get(storage, -FREED_SECONDS) < FREED_SECONDS:
            return True
        task = self._freeing.get(storage)
        if task is None or task.done():
            task = self._freeing[storage] = asyncio.create_task(self._make_room(storage), name=f"room on {storage}")
        return await asyncio.shield(task)

    async def _make_room(self, storage: str) -> bool:
        room = next((room for room in self._storages.rooms() if room.volume.id == storage), None)
        if room is None:
            return False
        size = min(max(LEAST_HEADROOM, round(self._rate * SWEEP_SECONDS)), room.status.capacity // 20)

        async def planned() -> Plan:
            return await (await self._planner([room])).free(storage, size)

        plan = await self._carry_out(planned)
        if plan.deletions:
            self._freed[storage] = self._clock.monotonic()
        return bool(plan.deletions)

    async def _planner(self, rooms: Sequence[Room], headroom: int = 0) -> Planner:
        now = self._clock.monotonic()
        self._stuck = {key: until for key, until in self._stuck.items() if until > now}
        return Planner(
            self._catalogue,
            await self._rules(),
            rooms,
            self._clock.utc_ns(),
            headroom,
            by_age=not self._doubtful,
            stuck=self._stuck.keys(),
        )

    async def _carry_out(self, make: Callable[[], Awaitable[Plan]]) -> Plan:
        """Delete what a plan says, and others in the place of what can't be; returns the plan with what is gone."""
        done: list[Deletion] = []
        for _ in range(ROUNDS):
            plan = await make()
            gone = await self._delete(plan.deletions)
            done += gone
            if len(gone) == len(plan.deletions):
                break
            await self._storages.check()
        return Plan(done, plan.problems, plan.full)

    async def _delete(self, deletions: Sequence[Deletion]) -> list[Deletion]:
        """Delete in batches; returns what is gone, and remembers what is not."""
        done: list[Deletion] = []
        for start in range(0, len(deletions), BATCH):
            some = {_key(each.segment): each for each in deletions[start : start + BATCH]}
            gone = await self._storages.delete([each.segment for each in some.values()])
            await self._removed(gone)
            if self._used is not None:
                self._used -= sum(segment.size for segment in gone)
            done += [some.pop(_key(segment)) for segment in gone]
            self._stuck |= dict.fromkeys(some, self._clock.monotonic() + STUCK_SECONDS)
        return done

    @property
    def _doubtful(self) -> bool:
        """Whether the time of day is not believed."""
        return self._clock.monotonic() < self._doubted_until

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


def _key(segment: Segment) -> tuple[str, int]:
    return segment.recording, segment.start_ns
