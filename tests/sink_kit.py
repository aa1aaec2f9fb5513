"""A gateway's event bus and sinks on a data directory, to be stopped, killed and started again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.db import Database, open_database
from gateway.domain.event import Event, TopicDescription
from gateway.sdk.clock import Clock, SystemClock
from gateway.sdk.sink import EventSink
from gateway.services.eventbus import EventBus
from gateway.services.sink_worker import SinkSpec
from gateway.services.sinks import Sinks

ALARM = TopicDescription(
    "tns1:VideoSource/MotionAlarm", (("Source", "tt:ReferenceToken"),), (("State", "xs:boolean"),), is_property=True
)
TRIGGER = TopicDescription("tns1:Device/Trigger/Pressed", data=(("Count", "xs:int"),))


class HurriedClock(SystemClock):
    """Waits a thousandth of what it is asked to."""

    @staticmethod
    async def sleep(seconds: float) -> None:  # type: ignore[override]
        await asyncio.sleep(seconds / 1000)


@dataclass
class Place:
    """A gateway's bus and sinks on a data directory that outlives them."""

    sinks: Sinks
    bus: EventBus
    database: Database
    task: "asyncio.Task[None]" = field(repr=False)

    def press(self, *numbers: int) -> None:
        for number in numbers:
            self.bus.publish(Event.of(TRIGGER.topic, data={"Count": number}))

    def alarm(self, *, on: bool, camera: str = "door") -> None:
        self.bus.publish(Event.of(ALARM.topic, {"Source": camera}, {"State": on}))


@asynccontextmanager
async def running(
    directory: Path, clock: Clock, sink: EventSink, *, kill: bool = False, **spec: Any
) -> AsyncIterator[Place]:
    """Run a gateway; at its end it is stopped, or killed at once."""
    database = open_database(directory, environment={})
    bus = EventBus(clock)
    bus.declare(ALARM, TRIGGER)
    specs = [SinkSpec("out", sink, **spec)]
    sinks = Sinks(specs, database.outbox, bus, clock, lambda event: dict(event.source).get("Source", ""), pace=0)
    task = asyncio.create_task(sinks.run())
    await asyncio.sleep(0)
    try:
        yield Place(sinks, bus, database, task)
    finally:
        if not kill:
            await sinks.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        database.close()
