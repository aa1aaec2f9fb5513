"""Brings one sink's queue to its receiver: in order, again and again until each entry is acknowledged.

That an entry was acknowledged is in the database before the next one is sent. Only a kill between the acknowledgement
and that moment makes a receiver hear an entry twice, with the same id.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.domain.outbox import OutboxEntry
from gateway.domain.topics import TopicSet
from gateway.sdk.clock import Clock
from gateway.sdk.sink import EventSink, RetryLaterError, SinkEntry

FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds between attempts."""
LONGEST_WISH = 3600.0
"""Most seconds for which a receiver can put the gateway off."""
CALL_SECONDS = 120.0
"""A sink that takes longer for one call counts as unreachable."""
CLOSE_SECONDS = 5.0
"""A sink that takes longer to close is left to itself."""
MOST_FAULTS = 5
"""Unexpected errors of a sink with one entry, after which that entry is dropped."""

PAGE = 64
"""Entries that are read together."""

_NS = 1_000_000_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SinkSpec:
    """One configured sink."""

    id: str
    sink: EventSink
    topics: TopicSet | None = None
    """None: all."""
    cameras: frozenset[str] = frozenset()
    """Ids; events about other cameras are not sent. Empty: all."""
    max_events: int = 10_000
    """How many may wait."""
    max_seconds: float = 7 * 86_400.0
    """How long each may wait."""

    def same(self, other: "SinkSpec") -> bool:
        """Tell whether another spec is of the same sink, doing the same."""
        mine, its = self.sink, other.sink
        like = type(mine) is type(its) and mine.settings == its.settings and mine.context.like(its.context)
        return like and replace(self, sink=its) == other


class SinkState(StrEnum):
    """Where a sink stands."""

    NEW = "new"
    """Nothing was sent since the start."""
    WORKING = "working"
    FAILING = "failing"


@dataclass(slots=True)
class SinkStatus:
    """What became of a sink's events since the start."""

    state: SinkState = SinkState.NEW
    reason: str = ""
    """Why it fails."""
    sent: int = 0
    refused: int = 0
    """Dropped because the receiver or the sink can't take them."""
    dropped: int = 0
    """Dropped because too many waited, or for too long."""


class Waiting(Protocol):
    """What comes first in a queue."""

    @property
    def entries(self) -> Sequence[tuple[int, OutboxEntry]]:
        """The entries in their order, each with the number of its row."""
        ...

    @property
    def dropped(self) -> int:
        """How many were too old, and are gone."""
        ...


class Queue(Protocol):
    """What is asked of the stored queue."""

    async def waiting(self, sink: str, oldest_ns: int, limit: int) -> Waiting:
        """Remove what was queued before a time; return what is first now, at most so many."""
        ...

    async def done(self, sink: str, number: int) -> None:
        """Remove an entry."""
        ...


class SinkWorker:
    """One sink and its receiver. `run` sends until cancelled."""

    def __init__(self, spec: SinkSpec, queue: Queue, clock: Clock, jitter: random.Random) -> None:
        self.spec = spec
        self.status = SinkStatus()
        self._queue = queue
        self._clock = clock
        self._jitter = jitter
        self._arrived = asyncio.Event()
        self._done = 0
        """The row that is acknowledged, but not yet removed."""
        self._due = 0.0
        """Seconds on the monotonic clock at which a sign of life is due; at the start at once."""
        self._faults: tuple[int, int] = (0, 0)
        """A row, and how often sending it failed unexpectedly."""
        self._failed_to_choose = False
        self._cut = False
        """Whether entries were dropped from the queue since it was read."""
        self._finishing = False
        self.busy = False
        """Whether an entry is on its way."""

    def wants(self, event: Event) -> bool:
        """Tell whether the sink wants an event; one that fails at the question gets it. Never raises."""
        try:
            return self.spec.sink.wants(event)
        except Exception:  # noqa: BLE001 - nor may it take those down who publish
            if not self._failed_to_choose:
                _log.exception("sink %s fails to choose among events", self.spec.id)
            self._failed_to_choose = True
            return True

    def wake(self) -> None:
        """Say that something was queued."""
        self._arrived.set()

    def finish(self) -> None:
        """Let `run` return when the entry on its way is acknowledged and removed."""
        self._finishing = True
        self._arrived.set()

    def lost(self, count: int) -> None:
        """Count entries that were dropped from the queue."""
        if count:
            self._cut = True
            self.status.dropped += count
            _log.warning("sink %s: %d events were dropped, too many or too old", self.spec.id, count)

    async def run(self) -> None:
        """Send until cancelled or told to finish."""
        delay = FIRST_DELAY
        while not self._finishing:
            before = self.status.sent
            wish = await self._attempt()
            if self._finishing:
                break
            if self.status.sent > before:
                delay = FIRST_DELAY
            await self._clock.sleep(max(wish, delay * self._jitter.uniform(0.75, 1.25)))
            delay = min(delay * 2, LONGEST_DELAY)

    async def _attempt(self) -> float:
        """Send until something fails; returns how many seconds the receiver wants to be left alone at least."""
        try:
            await self._session()
        except RetryLaterError as error:
            self._failed(error.message)
            return min(error.seconds, LONGEST_WISH)
        except GatewayError as error:
            self._failed(error.message)
        except TimeoutError:
            self._failed("it does not answer in time")
        except Exception as error:  # noqa: BLE001 - a sink's fault must not take the others down
            _log.exception("sink %s failed", self.spec.id)
            self._failed(f"{type(error).__name__}: {error}")
        return 0.0

    async def _session(self) -> None:
        sink = self.spec.sink
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await sink.open()
            while not self._finishing:
                self._arrived.clear()
                found = await self._first()
                for number, entry in found:
                    if self._finishing or self._cut:
                        break
                    await self._send(number, entry)
                    await self._acknowledge()
                if not found and not self._finishing and await self._idle():
                    async with asyncio.timeout(CALL_SECONDS):
                        await sink.supervise()
                    self._worked()
        finally:
            self.busy = False
            async with asyncio.timeout(CLOSE_SECONDS):
                await sink.close()

    async def _first(self) -> Sequence[tuple[int, OutboxEntry]]:
        await self._acknowledge()
        oldest_ns = self._clock.utc_ns() - round(self.spec.max_seconds * _NS)
        found = await self._queue.waiting(self.spec.id, oldest_ns, PAGE)
        self.lost(found.dropped)
        self._cut = False
        return found.entries

    async def _acknowledge(self) -> None:
        """Remove what the receiver has; when that fails, it is tried again before anything else is sent."""
        if self._done:
            await self._queue.done(self.spec.id, self._done)
        self._done = 0
        self.busy = False

    async def _send(self, number: int, entry: OutboxEntry) -> None:
        """Return when an entry is acknowledged or refused for good; else raise."""
        self.busy = True
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self.spec.sink.send(SinkEntry(entry.id, entry.event, entry.camera))
        except GatewayError as error:
            if error.kind is ErrorKind.UNAVAILABLE:
                raise
            self._refused(entry, error.message)
        except TimeoutError:
            raise
        except Exception as error:
            same, faults = self._faults
            self._faults = number, faults + 1 if same == number else 1
            if self._faults[1] < MOST_FAULTS:
                raise
            self._refused(entry, f"{type(error).__name__}: {error}")
        else:
            self.status.sent += 1
            self._worked()
        self._done = number

    async def _idle(self) -> bool:
        """Wait for something to send; returns whether it is time to show a sign of life instead."""
        supervision = self.spec.sink.supervision
        if supervision is None:
            await self._arrived.wait()
            return False
        sleep = self._clock.sleep(self._due - self._clock.monotonic())
        waits = asyncio.ensure_future(self._arrived.wait()), asyncio.ensure_future(sleep)
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return not self._arrived.is_set()

    def _worked(self) -> None:
        self._due = self._clock.monotonic() + (self.spec.sink.supervision or 0.0)
        if self.status.state is not SinkState.WORKING:
            _log.info("sink %s works", self.spec.id)
        self.status.state, self.status.reason = SinkState.WORKING, ""

    def _failed(self, reason: str) -> None:
        if self.status.state is not SinkState.FAILING or reason != self.status.reason:
            _log.warning("sink %s: events wait: %s", self.spec.id, reason)
        self.status.state, self.status.reason = SinkState.FAILING, reason

    def _refused(self, entry: OutboxEntry, reason: str) -> None:
        self.status.refused += 1
        _log.error("sink %s: event %s of %s is dropped: %s", self.spec.id, entry.id, entry.event.topic, reason)
