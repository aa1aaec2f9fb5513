"""Base notification: in order, again until it is taken, one slow consumer alone."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, TopicDescription
from gateway.services.eventbus import EventBus
from gateway.services.notifications import BATCH, LONGEST_DELAY, Notifications
from gateway.services.subscriptions import PACE_SECONDS, Limits, Subscription, Subscriptions
from gateway.testing.clock import FakeClock, settle

TOPIC = "tns1:Device/Bell"


class Post:
    """Consumers by name: what they took, and why they refuse."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str]]] = []
        self.refusals: dict[str, Exception] = {}
        self.attempts = 0

    async def __call__(self, consumer: str, events: Sequence[Event], /) -> None:
        self.attempts += 1
        if consumer in self.refusals:
            raise self.refusals[consumer]
        self.taken.append((consumer, [event.data[0][1] for event in events]))


class Office:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.bus = EventBus(self.clock)
        self.bus.declare(TopicDescription(TOPIC, data=(("Name", "xs:string"),)))
        self.subscriptions = Subscriptions(self.bus, self.clock, limits=Limits(queue=100))
        self.post = Post()
        self.notifications: Notifications[str] = Notifications(self.subscriptions, self.post, self.clock)

    async def subscribe(self, consumer: str, seconds: float = 600) -> Subscription:
        made = self.notifications.subscribe("root", lambda _: True, consumer, seconds)
        await settle()
        return made

    def ring(self, *names: str) -> None:
        for name in names:
            self.bus.publish(Event.of(TOPIC, data={"Name": name}))


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    task = asyncio.create_task(office.notifications.run())
    await settle()
    yield office
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_events_are_sent_in_batches_after_the_answer_is_out(office: Office) -> None:
    await office.subscribe("vms")
    office.ring(*(f"{number}" for number in range(BATCH + 1)))
    await office.clock.advance(0.1)
    assert office.post.taken == []
    await office.clock.advance(0.1)
    assert [(consumer, len(events)) for consumer, events in office.post.taken] == [("vms", BATCH)]
    await office.clock.advance(PACE_SECONDS)
    assert [(consumer, len(events)) for consumer, events in office.post.taken[1:]] == [("vms", 1)]
    await office.clock.advance(PACE_SECONDS)
    office.ring("late")
    await settle()
    assert office.post.taken[-1] == ("vms", ["late"])


async def test_a_consumer_that_is_away_gets_everything_later_and_holds_nobody_up(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    await office.subscribe("away")
    await office.subscribe("here")
    office.post.refusals["away"] = GatewayError(ErrorKind.UNAVAILABLE, "connection refused")
    await office.clock.advance(1)
    with caplog.at_level(logging.INFO):
        office.ring("one")
        await settle()
        await office.clock.advance(10)
        office.ring("two")
        await settle()
        assert office.post.taken == [("here", ["one"]), ("here", ["two"])]
        del office.post.refusals["away"]
        await office.clock.advance(LONGEST_DELAY)
    assert office.post.taken[2:] == [("away", ["one"]), ("away", ["two"])]
    messages = [message.partition(": ")[2] for message in caplog.messages]
    assert messages == ["away is not notified: connection refused", "away is notified again"]


async def test_what_breaks_for_one_consumer_does_not_break_the_others(office: Office) -> None:
    await office.subscribe("broken")
    await office.subscribe("vms")
    office.post.refusals["broken"] = RuntimeError("no such thing")
    await office.clock.advance(1)
    office.ring("one")
    await settle()
    await office.clock.advance(5)
    assert office.post.taken == [("vms", ["one"])]


async def test_nothing_is_sent_after_the_end(office: Office) -> None:
    gone, expired = await office.subscribe("gone"), await office.subscribe("expired", 20)
    office.post.refusals["expired"] = TimeoutError()
    await office.clock.advance(1)
    office.subscriptions.remove(gone)
    office.ring("one")
    await settle()
    await office.clock.advance(60)
    attempts = office.post.attempts
    assert expired.ended
    assert attempts > 2
    await office.clock.advance(600)
    assert (office.post.attempts, office.post.taken, office.clock.sleeping) == (attempts, [], ())


async def test_nobody_can_subscribe_while_nothing_is_sent() -> None:
    with pytest.raises(GatewayError, match="notifications are not sent now"):
        await Office().subscribe("vms")
