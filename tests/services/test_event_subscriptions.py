"""Subscriptions: long pulls, keep-alive, expiry by the clock, bounded queues, limits and looking back."""

import asyncio
import logging

import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, TopicDescription
from gateway.services.eventbus import EventBus
from gateway.services.subscriptions import BUFFER_BEGIN, Limits, Subscription, Subscriptions, Wants
from gateway.testing.clock import FakeClock, settle

MOTION, PRESET = "tns1:VideoSource/MotionAlarm", "tns1:PTZController/PTZPresets/Reached"
TOKEN = (("Source", "tt:ReferenceToken"),)
_S = 1_000_000_000


def everything(_event: Event) -> bool:
    return True


class Desk:
    """A bus with subscriptions on a clock that stands still."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = FakeClock()
        self.bus = EventBus(self.clock)
        self.bus.declare(
            TopicDescription(MOTION, TOKEN, (("State", "xs:boolean"),), is_property=True),
            TopicDescription(PRESET, TOKEN, (("PresetToken", "tt:ReferenceToken"),)),
        )
        self.subscriptions = Subscriptions(self.bus, self.clock, limits=limits)

    def motion(self, state: str, source: str = "a") -> None:
        self.bus.publish(Event.of(MOTION, {"Source": source}, {"State": state}))

    def preset(self, name: str) -> None:
        self.bus.publish(Event.of(PRESET, {"Source": "a"}, {"PresetToken": name}))

    def create(self, seconds: float | None = 60, wants: Wants = everything, **options: bool) -> Subscription:
        return self.subscriptions.create("root", wants, seconds, **options)

    async def pull(self, subscription: Subscription, seconds: float = 0, limit: int = 99) -> list[str]:
        """Return values with the first letter of what happened to them."""
        events = await self.subscriptions.pull(subscription, seconds, limit)
        return [f"{event.operation or '-'}"[0] + ":" + event.data[0][1] for event in events]

    def left(self, subscription: Subscription) -> float:
        return (self.subscriptions.termination_ns(subscription) - self.clock.utc_ns()) / _S


async def test_a_new_subscription_begins_with_every_state() -> None:
    desk = Desk()
    desk.motion("false")
    desk.motion("true", "b")
    desk.preset("gate")
    subscription = desk.create()
    desk.motion("true")
    assert await desk.pull(subscription) == ["I:false", "I:true", "C:true"]


async def test_a_pull_waits_for_the_first_event_and_takes_what_comes_with_it() -> None:
    desk = Desk()
    subscription = desk.create()
    pull = asyncio.create_task(desk.pull(subscription, 60))
    await settle()
    await desk.clock.advance(20)
    assert not pull.done()
    desk.preset("gate")
    desk.preset("yard")
    assert await pull == ["-:gate", "-:yard"]


async def test_a_flood_is_told_in_batches() -> None:
    desk = Desk()
    subscription = desk.create()
    told = []
    for name in "abc":
        pull = asyncio.create_task(desk.pull(subscription, 60))
        await settle()
        desk.preset(name)
        await desk.clock.advance(0.03)
        if pull.done():
            told.append(pull.result())
        else:
            desk.preset(name + name)
            await desk.clock.advance(0.03)
            told.append(await pull)
    assert told == [["-:a"], ["-:b", "-:bb"], ["-:c", "-:cc"]]


async def test_a_pull_without_events_ends_at_its_time_and_not_before() -> None:
    desk = Desk()
    subscription = desk.create(5)
    pull = asyncio.create_task(desk.pull(subscription, 60))
    await settle()
    await desk.clock.advance(59.9)
    assert not pull.done()
    await desk.clock.advance(0.1)
    assert await pull == []
    assert desk.left(subscription) == 60


async def test_a_pull_takes_no_more_than_it_asks_for() -> None:
    desk = Desk()
    subscription = desk.create()
    for name in "abc":
        desk.preset(name)
    assert await desk.pull(subscription, limit=2) == ["-:a", "-:b"]
    assert await desk.pull(subscription, limit=2) == ["-:c"]


async def test_a_second_pull_at_the_same_time_is_refused() -> None:
    desk = Desk()
    subscription = desk.create()
    first = asyncio.create_task(desk.pull(subscription, 60))
    await settle()
    with pytest.raises(GatewayError, match="can't be pulled: another pull is waiting") as refused:
        await desk.pull(subscription)
    assert refused.value.kind is ErrorKind.CONFLICT
    desk.preset("gate")
    assert await first == ["-:gate"]


async def test_a_pull_that_is_cancelled_loses_nothing() -> None:
    desk = Desk()
    subscription = desk.create()
    first = asyncio.create_task(desk.pull(subscription, 60))
    await settle()
    first.cancel()
    desk.preset("gate")
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await desk.pull(subscription) == ["-:gate"]


async def test_pulls_keep_a_subscription_alive_that_asked_for_no_time() -> None:
    desk = Desk()
    subscription = desk.create(None)
    for _ in range(4):
        await desk.clock.advance(40)
        await desk.pull(subscription)
    assert desk.left(subscription) == 60


async def test_a_subscription_expires_and_its_place_is_free() -> None:
    desk = Desk(Limits(pull_points_per_account=1))
    subscription = desk.create(30)
    await desk.clock.advance(29)
    assert desk.subscriptions.get(subscription.id) is subscription
    desk.subscriptions.prolong(subscription, 10)
    await desk.clock.advance(10)
    with pytest.raises(GatewayError, match=f"there is no subscription '{subscription.id}': it ended") as unknown:
        desk.subscriptions.get(subscription.id)
    assert unknown.value.kind is ErrorKind.NOT_FOUND
    assert desk.create().id != subscription.id


async def test_who_asks_for_ages_gets_a_day() -> None:
    desk = Desk()
    assert desk.left(desk.create(1e9)) == 86_400


async def test_a_jump_of_utc_neither_ends_nor_prolongs() -> None:
    desk = Desk()
    subscription = desk.create(30)
    desk.clock.set_utc(desk.clock.utc_ns() + 3600 * _S)
    assert desk.subscriptions.get(subscription.id) is subscription
    assert desk.left(subscription) == 30


async def test_the_end_of_a_subscription_ends_its_pull() -> None:
    desk = Desk()
    subscription = desk.create()
    pull = asyncio.create_task(desk.pull(subscription, 60))
    await settle()
    desk.subscriptions.remove(subscription)
    with pytest.raises(GatewayError, match="ended during the pull"):
        await pull


async def test_a_filter_and_changed_only() -> None:
    desk = Desk()
    desk.motion("false")
    only = desk.create(wants=lambda event: event.topic == MOTION, changed_only=True)
    desk.motion("true")
    desk.preset("gate")
    desk.bus.delete(MOTION, (("Source", "a"),))
    assert await desk.pull(only) == ["C:true"]


async def test_a_full_queue_drops_the_oldest_and_a_synchronisation_point_heals_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk(Limits(queue=3))
    subscription = desk.create()
    with caplog.at_level(logging.WARNING):
        desk.motion("true")
        for name in "abcd":
            desk.preset(name)
        assert await desk.pull(subscription) == ["-:b", "-:c", "-:d"]
    name = f"subscription {subscription.id} of root"
    assert caplog.messages == [f"{name} is full: its oldest events are dropped", f"{name} has lost 2 events"]
    desk.subscriptions.synchronize(subscription)
    assert await desk.pull(subscription) == ["I:true"]


async def test_an_account_can_have_so_many_and_all_together_so_many() -> None:
    desk = Desk(Limits(pull_points=3, pull_points_per_account=2, consumers=1))
    desk.create()
    desk.create()
    with pytest.raises(GatewayError, match="'root' already has 2 subscriptions of this kind") as refused:
        desk.create()
    assert refused.value.kind is ErrorKind.LIMIT
    desk.subscriptions.create("viewer", everything, 60)
    with pytest.raises(GatewayError, match="there are already 3 subscriptions of this kind"):
        desk.subscriptions.create("operator", everything, 60)
    consumer = desk.create(pulled=False)
    with pytest.raises(GatewayError, match="can't be pulled: its events are sent to a consumer"):
        await desk.pull(consumer)


async def test_seek_forward_reads_the_past_in_order_and_goes_on_with_the_present() -> None:
    desk = Desk()
    start = desk.clock.utc_ns()
    desk.motion("true")
    for name in "abc":
        await desk.clock.advance(1)
        desk.preset(name)
    subscription = desk.create()
    await desk.subscriptions.seek(subscription, start + 2 * _S, reverse=False)
    desk.preset("d")
    assert await desk.pull(subscription) == ["-:b", "-:c", "-:d"]
    await desk.subscriptions.seek(subscription, start - 1, reverse=False)
    events = await desk.subscriptions.pull(subscription, 0, 99)
    assert [event.topic for event in events] == [BUFFER_BEGIN, MOTION, PRESET, PRESET, PRESET, PRESET]


async def test_seek_in_reverse_ends_at_the_beginning() -> None:
    desk = Desk()
    start = desk.clock.utc_ns()
    for name in "abc":
        desk.preset(name)
        await desk.clock.advance(1)
    subscription = desk.create()
    await desk.subscriptions.seek(subscription, start + 1 * _S, reverse=True)
    desk.preset("d")
    events = await desk.subscriptions.pull(subscription, 0, 99)
    assert [event.topic if not event.data else event.data[0][1] for event in events] == ["b", "a", BUFFER_BEGIN]
    assert events[-1].utc_ns == start
    await desk.subscriptions.seek(subscription, desk.clock.utc_ns() + 1, reverse=False)
    desk.preset("e")
    assert await desk.pull(subscription) == ["-:e"]


async def test_64_pull_points_are_told_everything() -> None:
    desk = Desk()
    subscriptions = [desk.create() for _ in range(64)]
    pulls = [asyncio.create_task(desk.pull(subscription, 60)) for subscription in subscriptions]
    await settle()
    for number in range(200):
        desk.preset(f"p{number}")
    assert [len(events) for events in await asyncio.gather(*pulls)] == [99] * 64
    assert [len(await desk.pull(subscription, limit=200)) for subscription in subscriptions] == [101] * 64
