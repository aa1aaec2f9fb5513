"""Events to the world: what is told on the bus is queued on the disk for every sink that wants it, and brought there.

A receiver hears of each property only what is new to it: after a restart the states that it was already told are not
told again, and one that changed meanwhile is told as Changed.
"""

import asyncio
import json
import logging
import random
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Protocol
from uuid import uuid4

from gateway.domain.errors import GatewayError
from gateway.domain.event import Event, PropertyOperation
from gateway.domain.outbox import OutboxEntry
from gateway.sdk.clock import Clock
from gateway.services.eventbus import EventReader
from gateway.services.sink_worker import Queue, SinkSpec, SinkStatus, SinkWorker

MAX_PENDING = 20_000
"""Entries in memory that are not yet on the disk."""
BATCH = 256
"""Entries that are written together."""
PACE_SECONDS = 0.02
"""From one write to the next: in a flood of events many are written, and waited for on the disk, together."""
AGAIN_SECONDS = 1.0
"""Until the database is tried again."""
GRACE_SECONDS = 3.0
"""For entries that are on their way at the end."""

_log = logging.getLogger(__name__)


class Outbox(Queue, Protocol):
    """What is asked of the stored queues."""

    def begin(self, sinks: Collection[str]) -> dict[str, dict[str, str]]:
        """Forget other sinks; return the digests of these sinks' known properties and values."""
        ...

    async def keep_only(self, sinks: Collection[str]) -> None:
        """Forget other sinks."""
        ...

    async def append(self, entries: Sequence[OutboxEntry], limits: Mapping[str, int]) -> dict[str, int]:
        """Queue entries, so many for a sink at most; returns how many of the oldest were dropped for each."""
        ...


class Bus(Protocol):
    """What is asked of the event bus."""

    def attach(self, reader: EventReader) -> None:
        """Add a reader."""
        ...

    def properties(self) -> tuple[Event, ...]:
        """Return every property as it is now."""
        ...


class Sinks:
    """All sinks: the bus's reader on their behalf. `run` sends until cancelled."""

    def __init__(
        self,
        specs: Sequence[SinkSpec],
        outbox: Outbox,
        bus: Bus,
        clock: Clock,
        camera_of: Callable[[Event], str],
        jitter: random.Random | None = None,
        *,
        pace: float = PACE_SECONDS,
    ) -> None:
        """`camera_of` returns the id of the camera that an event is about, or nothing. Raises GatewayError."""
        self._outbox = outbox
        self._clock = clock
        self._camera_of = camera_of
        self._pace = pace
        self._jitter = jitter or random.Random()
        self._workers = {spec.id: SinkWorker(spec, outbox, clock, self._jitter) for spec in specs}
        self._limits = {spec.id: spec.max_events for spec in specs}
        self._known = outbox.begin(list(self._workers))
        self._pending: deque[OutboxEntry] = deque()
        self._arrived = asyncio.Event()
        self._finishing = False
        self._group: asyncio.TaskGroup | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._bus = bus
        bus.attach(self)
        self._tell_states(self._workers)

    async def follow(self, specs: Sequence[SinkSpec], camera_of: Callable[[Event], str]) -> None:
        """Serve these sinks from now on; those whose spec is the same go on, and queues of those that are gone go.

        Raises GatewayError when these can't be removed.
        """
        self._camera_of = camera_of
        wanted = {spec.id: spec for spec in specs}
        same = {name for name, worker in self._workers.items() if name in wanted and worker.spec.same(wanted[name])}
        await self._end([name for name in self._workers if name not in same])
        self._workers = {
            name: self._workers[name] if name in same else SinkWorker(spec, self._outbox, self._clock, self._jitter)
            for name, spec in wanted.items()
        }
        self._limits = {name: spec.max_events for name, spec in wanted.items()}
        self._known = {name: self._known.get(name, {}) for name in wanted}
        self._pending = deque(entry for entry in self._pending if entry.sink in wanted)
        new = [name for name in wanted if name not in same]
        self._tell_states(new)
        for name in new:
            self._start(name)
        await self._outbox.keep_only(list(wanted))

    def statuses(self) -> Mapping[str, SinkStatus]:
        """Return what became of each sink's events, by the sink's id."""
        return {name: worker.status for name, worker in self._workers.items()}

    def deliver(self, event: Event) -> None:
        """Queue an event for every sink that wants it."""
        self._offer(event, self._workers)

    def _tell_states(self, sinks: Collection[str]) -> None:
        for event in self._bus.properties() if sinks else ():
            self._offer(event, sinks)

    def _offer(self, event: Event, sinks: Collection[str]) -> None:
        camera = self._camera_of(event) if sinks else ""
        identity = ""
        for name in sinks:
            worker = self._workers[name]
            told = self._new_to(name, event) if _selects(worker.spec, event, camera) else None
            if told is not None and worker.wants(told):
                identity = identity or str(uuid4())
                self._queue(OutboxEntry(name, identity, told, camera, self._clock.utc_ns(), *self._learn(name, told)))

    async def run(self) -> None:
        """Keep and send until cancelled or stopped."""
        async with asyncio.TaskGroup() as tasks:
            self._keeper = tasks.create_task(self._keep(), name="outbox")
            self._group = tasks
            for name in self._workers:
                self._start(name)

    def _start(self, name: str) -> None:
        if self._group is not None and not self._finishing:
            self._tasks[name] = self._group.create_task(self._workers[name].run(), name=f"sink {name}")

    async def _end(self, sinks: Collection[str]) -> None:
        """End some sinks, once what is on its way has arrived, for which there are some seconds."""
        ending = {self._tasks.pop(name) for name in sinks if name in self._tasks}
        busy = {name for name in sinks if self._workers[name].busy}
        for name in sinks:
            self._workers[name].finish()
        if busy and ending:
            await asyncio.wait(ending, timeout=GRACE_SECONDS)
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending, timeout=GRACE_SECONDS)

    async def stop(self) -> None:
        """Let what is on its way arrive, for some seconds, then end `run`."""
        self._finishing = True
        self._arrived.set()
        busy = {self._tasks[name] for name, worker in self._workers.items() if worker.busy}
        for worker in self._workers.values():
            worker.finish()
        if self._keeper is not None:
            await asyncio.wait({self._keeper, *busy}, timeout=GRACE_SECONDS)
            for task in (self._keeper, *self._tasks.values()):
                task.cancel()
            await asyncio.wait({self._keeper, *self._tasks.values()}, timeout=GRACE_SECONDS)

    def _new_to(self, sink: str, event: Event) -> Event | None:
        """Return an event as a sink should be told, None when it knows."""
        if event.operation is not PropertyOperation.INITIALIZED:
            return event
        known = self._known[sink].get(_property(event))
        if known is None:
            return event
        return None if known == _value(event) else replace(event, operation=PropertyOperation.CHANGED)

    def _learn(self, sink: str, event: Event) -> tuple[str, str]:
        """Note what a sink is told; returns the digests of property and value."""
        if event.operation is None:
            return "", ""
        name, known = _property(event), self._known[sink]
        if event.operation is PropertyOperation.DELETED:
            known.pop(name, None)
            return name, ""
        known[name] = value = _value(event)
        return name, value

    def _queue(self, entry: OutboxEntry) -> None:
        if len(self._pending) >= MAX_PENDING:
            self._lost(self._pending.popleft().sink, 1)
        self._pending.append(entry)
        self._arrived.set()

    async def _keep(self) -> None:
        """Write what was queued, a batch at a time."""
        complaint = ""
        while self._pending or not self._finishing:
            if not self._pending:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            batch = [self._pending.popleft() for _ in range(min(BATCH, len(self._pending)))]
            try:
                dropped = await self._outbox.append(batch, self._limits)
            except GatewayError as error:
                if error.message != complaint:
                    _log.error("events for sinks wait in memory: %s", error.message)
                complaint = error.message
                self._pending.extendleft(reversed(batch))
                await self._clock.sleep(AGAIN_SECONDS)
                continue
            complaint = ""
            for name, count in dropped.items():
                self._lost(name, count)
                if name in self._workers:
                    self._workers[name].wake()
            if self._pace:
                await self._clock.sleep(self._pace)

    def _lost(self, sink: str, count: int) -> None:
        if sink in self._workers:
            self._workers[sink].lost(count)


def _selects(spec: SinkSpec, event: Event, camera: str) -> bool:
    """Tell whether an event passes a sink's filters; one that is about no camera passes that of cameras."""
    if spec.topics is not None and event.topic not in spec.topics:
        return False
    return not (camera and spec.cameras and camera not in spec.cameras)


def _property(event: Event) -> str:
    return _digest(event.property_key)


def _value(event: Event) -> str:
    return _digest((event.data, [(name, dict(content)) for name, content in event.elements]))


def _digest(value: object) -> str:
    return sha256(json.dumps(value, default=str, sort_keys=True).encode()).hexdigest()
