"""What every event sink must do, as tests to inherit, and a context to make one in."""

import asyncio
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, PropertyOperation
from gateway.sdk.clock import Clock, SystemClock
from gateway.sdk.sink import EventSink, SinkContext, SinkEntry

CAMERAS = {"door": "Front door", "gate": "Gate"}
_NS = 1_000_000_000


class DictMemory:
    """A `gateway.sdk.sink.SinkMemory` that lasts as long as the test keeps it."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def load(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return what was last stored under a key, or None."""
        return self.values.get(key)

    def store(self, key: str, value: object) -> None:
        """Keep a value."""
        self.values[key] = value


def sink_context(
    memory: DictMemory | None = None, clock: Clock | None = None, cameras: Mapping[str, str] = CAMERAS
) -> SinkContext:
    """Return what the gateway would hand a sink."""
    device = "7f9c0d3e-4a6b-4a52-9d11-02005e107701"
    return SinkContext("sink", device, "North site", cameras, clock or SystemClock(), memory or DictMemory())


def motion(
    *, on: bool = True, camera: str = "door", utc_ns: int = 1_790_000_000 * _NS, identity: str = ""
) -> SinkEntry:
    """Return an entry that tells of motion at a camera."""
    source, state = {"Source": f"VideoSource_{camera}"}, {"State": on}
    event = Event.of("tns1:VideoSource/MotionAlarm", source, state).told(PropertyOperation.CHANGED, utc_ns)
    return SinkEntry(identity or str(uuid4()), event, camera)


class SinkContract(ABC):
    """Inherit in a test class whose name begins with Test; give it a sink whose receiver answers and one without."""

    @abstractmethod
    def working(self) -> EventSink:
        """Return a sink whose receiver acknowledges what it is sent."""

    @abstractmethod
    def unreachable(self) -> EventSink:
        """Return a sink whose receiver does not answer."""

    @abstractmethod
    async def received(self, count: int) -> list[str]:
        """Return what the receiver of `working` was sent, once there are so many; a repeat shows as the same text."""

    def test_settings_are_a_frozen_dataclass(self) -> None:
        """Settings are validated by their fields and never change."""
        settings: Any = self.unreachable().Settings
        assert dataclasses.is_dataclass(settings)
        assert vars(settings)["__dataclass_params__"].frozen

    async def test_what_is_sent_arrives_once_and_in_order(self) -> None:
        """`send` returns when the receiver has it."""
        sink = self.working()
        await sink.open()
        try:
            for on in (True, False, True, False):
                await sink.send(motion(on=on))
            arrived = await self.received(4)
        finally:
            await sink.close()
        assert len(arrived) == len(set(arrived)) == 4  # noqa: PLR2004 - as many as were sent

    async def test_it_can_be_closed_and_opened_again(self) -> None:
        """As the gateway does after an error, and at its end."""
        sink = self.working()
        for on in (True, False):
            await sink.open()
            await sink.send(motion(on=on))
            await sink.close()
        assert len(set(await self.received(2))) == 2  # noqa: PLR2004 - as many as were sent

    async def test_it_shows_a_sign_of_life(self) -> None:
        """Where it promises to."""
        sink = self.working()
        await sink.open()
        try:
            await sink.supervise()
        finally:
            await sink.close()

    async def test_an_unreachable_receiver_is_worth_a_retry(self) -> None:
        """The entry waits, so the error must say that waiting helps."""
        sink = self.unreachable()
        async with asyncio.timeout(20.0):
            with pytest.raises(GatewayError) as caught:
                await _send(sink, motion())
            await sink.close()
        assert caught.value.kind is ErrorKind.UNAVAILABLE
        assert caught.value.message

    async def test_cancelling_ends_it_at_once(self) -> None:
        """A sink must not hold up the gateway's end."""
        sink = self.unreachable()
        task = asyncio.ensure_future(_send(sink, motion()))
        await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(2.0):
            await asyncio.gather(task, return_exceptions=True)
            await sink.close()


async def _send(sink: EventSink, entry: SinkEntry) -> None:
    await sink.open()
    await sink.send(entry)
