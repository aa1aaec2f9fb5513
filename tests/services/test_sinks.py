"""Queues of event sinks: nothing lost within the bound, nothing twice, in order, across restarts of either side."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sink_kit import ALARM, TRIGGER, HurriedClock, running
from waiting import until

from gateway.db import open_database
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, PropertyOperation, TopicDescription
from gateway.domain.topics import parse_topic_set
from gateway.sdk.sink import EventSink, RetryLaterError, SinkEntry
from gateway.services import sink_worker
from gateway.services.sink_worker import MOST_FAULTS, SinkSpec, SinkState
from gateway.testing.clock import FakeClock
from gateway.testing.sinks import sink_context

DAY = 86_400.0


@dataclass(frozen=True)
class _Settings:
    pass


class Receiver:
    """The other side, which outlives the gateway."""

    def __init__(self) -> None:
        self.entries: list[SinkEntry] = []
        self.signs = 0
        self.answer: Callable[[SinkEntry], None] = lambda _: None
        """Raises what an attempt is to fail with."""
        self.attempts: list[str] = []
        self._news = asyncio.Event()

    def take(self, entry: SinkEntry) -> None:
        self.attempts.append(entry.id)
        self._news.set()
        self.answer(entry)
        self.entries.append(entry)

    def sign(self) -> None:
        self.signs += 1
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not true():
                self._news.clear()
                await self._news.wait()

    @property
    def counts(self) -> list[int]:
        return [int(entry.event.data[0][1]) for entry in self.entries]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(str(entry.event.operation), entry.event.data[0][1]) for entry in self.entries]


class _Sink(EventSink):
    Settings = _Settings

    def __init__(self, receiver: Receiver, supervision: float | None = None) -> None:
        super().__init__(_Settings(), sink_context())
        self.receiver = receiver
        self.supervision = supervision

    def wants(self, event: Event) -> bool:
        return event.data != (("Count", "13"),)

    async def send(self, entry: SinkEntry) -> None:
        self.receiver.take(entry)

    async def supervise(self) -> None:
        self.receiver.sign()


def away(_: SinkEntry) -> None:
    raise GatewayError(ErrorKind.UNAVAILABLE, "the receiver 'x' is away")


async def test_events_arrive_in_order_once_and_with_ids(tmp_path: Path) -> None:
    receiver = Receiver()
    async with running(tmp_path, FakeClock(), _Sink(receiver)) as place:
        place.press(*range(20))
        await receiver.until(lambda: len(receiver.entries) == 19)
        await until(lambda: place.sinks.statuses()["out"].sent == 19)
    assert receiver.counts == [number for number in range(20) if number != 13], "the sink does not want that one"
    assert len({entry.id for entry in receiver.entries}) == 19


async def test_what_waits_survives_a_kill_and_is_retried_with_back_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, clock = Receiver(), FakeClock()
    receiver.answer = away
    caplog.set_level(logging.INFO)
    async with running(tmp_path, clock, _Sink(receiver), kill=True) as place:
        place.press(1, 2, 3)
        for attempts, most in ((1, 1.25), (2, 2.5), (3, 5.0)):
            await receiver.until(lambda attempts=attempts: len(receiver.attempts) == attempts)  # type: ignore[misc]
            await until(lambda: bool(clock.sleeping))
            assert 0.25 * most <= max(clock.sleeping) <= most
            await clock.advance(most)
        await receiver.until(lambda: len(receiver.attempts) == 4)
        status = place.sinks.statuses()["out"]
        await until(lambda: status.state is SinkState.FAILING)
        assert status.reason == "the receiver 'x' is away"
    told = [record.getMessage() for record in caplog.records if record.name.endswith("sink_worker")]
    assert told == ["sink out: events wait: the receiver 'x' is away"]
    receiver.answer = lambda _: None
    async with running(tmp_path, clock, _Sink(receiver)) as place:
        place.press(4)
        await receiver.until(lambda: len(receiver.entries) == 4)
    assert receiver.counts == [1, 2, 3, 4]
    assert receiver.attempts[0] == receiver.entries[0].id, "the id is the same at every attempt"


async def test_a_restart_in_the_middle_loses_and_repeats_nothing(tmp_path: Path) -> None:
    receiver, clock, chance = Receiver(), HurriedClock(), random.Random(4)

    def moody(_: SinkEntry) -> None:
        if chance.random() < 0.2:
            away(_)

    receiver.answer = moody
    published = 0
    for _ in range(4):
        async with running(tmp_path, clock, _Sink(receiver)) as place:
            place.press(*range(100 + published, 110 + published))
            published += 10
            await receiver.until(lambda published=published: len(receiver.attempts) >= published // 2)  # type: ignore[misc]
    receiver.answer = lambda _: None
    async with running(tmp_path, clock, _Sink(receiver)):
        await receiver.until(lambda: len(receiver.entries) >= 40)
    assert receiver.counts == list(range(100, 140))


async def test_a_receiver_is_told_after_a_restart_only_what_is_new_to_it(tmp_path: Path) -> None:
    receiver, clock = Receiver(), FakeClock()
    async with running(tmp_path, clock, _Sink(receiver)) as place:
        place.alarm(on=True)
        place.alarm(on=False, camera="gate")
        place.alarm(on=True, camera="hall")
        await receiver.until(lambda: len(receiver.entries) == 3)
    async with running(tmp_path, clock, _Sink(receiver)) as place:
        place.alarm(on=False)
        place.alarm(on=False, camera="gate")
        place.bus.delete(ALARM.topic, (("Source", "hall"),))
        place.alarm(on=True, camera="hall")
        await receiver.until(lambda: len(receiver.entries) == 4)
        place.bus.delete(ALARM.topic, (("Source", "hall"),))
        await receiver.until(lambda: len(receiver.entries) == 5)
    async with running(tmp_path, clock, _Sink(receiver)) as place:
        place.alarm(on=True, camera="hall")
        await receiver.until(lambda: len(receiver.entries) == 6)
    assert receiver.told == [
        ("Initialized", "true"),
        ("Initialized", "false"),
        ("Initialized", "true"),
        ("Changed", "false"),
        ("Deleted", "true"),
        ("Initialized", "true"),
    ]
    assert receiver.entries[3].event.operation is PropertyOperation.CHANGED


async def test_filters_choose_topics_and_cameras(tmp_path: Path) -> None:
    receiver, wanted = Receiver(), parse_topic_set("tns1:VideoSource//.|tns1:Device/Trigger/Pressed")
    spec = {"topics": wanted, "cameras": frozenset({"door"})}
    async with running(tmp_path, FakeClock(), _Sink(receiver), **spec) as place:
        place.bus.declare(TopicDescription("tns1:Device/Other"))
        place.bus.publish(Event("tns1:Device/Other"))
        place.alarm(on=True, camera="gate")
        place.alarm(on=True)
        place.press(7)
        await receiver.until(lambda: len(receiver.entries) == 2)
    assert [(entry.camera, entry.event.topic) for entry in receiver.entries] == [
        ("door", ALARM.topic),
        ("", TRIGGER.topic),
    ]


async def test_the_oldest_are_dropped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    receiver, clock = Receiver(), FakeClock()
    receiver.answer = away
    async with running(tmp_path, clock, _Sink(receiver), max_events=3, max_seconds=2 * DAY) as place:
        place.press(1, 2, 3, 4, 5)
        status = place.sinks.statuses()["out"]
        await until(lambda: status.dropped == 2)
    assert "sink out: 2 events were dropped, too many or too old" in caplog.text
    await clock.advance(DAY)
    async with running(tmp_path, clock, _Sink(receiver), max_events=4, max_seconds=2 * DAY) as place:
        place.press(6)
    await clock.advance(1.5 * DAY)
    receiver.answer = lambda _: None
    async with running(tmp_path, clock, _Sink(receiver), max_seconds=2 * DAY) as place:
        await receiver.until(lambda: len(receiver.entries) == 1)
        assert place.sinks.statuses()["out"].dropped == 3
    assert receiver.counts == [6]


async def test_an_entry_that_is_refused_is_reported_and_the_next_is_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, clock = Receiver(), HurriedClock()

    def answer(entry: SinkEntry) -> None:
        number = entry.event.data[0][1]
        if number == "2":
            raise GatewayError(ErrorKind.INVALID, "it answered with status 400")
        if number == "3":
            raise ZeroDivisionError("a fault of the sink")

    receiver.answer = answer
    async with running(tmp_path, clock, _Sink(receiver)) as place:
        place.press(1, 2, 3, 4)
        await receiver.until(lambda: len(receiver.entries) == 2)
        assert place.sinks.statuses()["out"].refused == 2
    assert receiver.counts == [1, 4]
    assert len(receiver.attempts) == 3 + MOST_FAULTS
    first, third = receiver.attempts[1], receiver.attempts[2]
    assert f"sink out: event {first} of {TRIGGER.topic} is dropped: it answered with status 400" in caplog.text
    reason = "ZeroDivisionError: a fault of the sink"
    assert f"sink out: event {third} of {TRIGGER.topic} is dropped: {reason}" in caplog.text


async def test_a_receiver_can_ask_for_time(tmp_path: Path) -> None:
    receiver, clock = Receiver(), FakeClock()

    def busy(_: SinkEntry) -> None:
        raise RetryLaterError("it is busy", 120.0)

    receiver.answer = busy
    async with running(tmp_path, clock, _Sink(receiver)) as place:
        place.press(1)
        await receiver.until(lambda: len(receiver.attempts) == 1)
        await until(lambda: bool(clock.sleeping))
        assert clock.sleeping == (120.0,)
        receiver.answer = lambda _: None
        await clock.advance(120.0)
        await receiver.until(lambda: len(receiver.entries) == 1)


async def test_signs_of_life_are_sent_while_nothing_else_is(tmp_path: Path) -> None:
    receiver, clock = Receiver(), FakeClock()
    async with running(tmp_path, clock, _Sink(receiver, 60.0)) as place:
        await receiver.until(lambda: receiver.signs == 1)
        await until(lambda: clock.sleeping == (60.0,))
        await clock.advance(40.0)
        place.press(1)
        await receiver.until(lambda: len(receiver.entries) == 1)
        await until(lambda: clock.sleeping[-1:] == (60.0,))
        await clock.advance(59.0)
        assert receiver.signs == 1
        await clock.advance(1.0)
        await receiver.until(lambda: receiver.signs == 2)


async def test_events_wait_while_the_database_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, clock = Receiver(), FakeClock()
    async with running(tmp_path, clock, _Sink(receiver)) as place:
        keep, fails = place.database.outbox.append, [True, True, False]

        async def append(*arguments: Any) -> dict[str, int]:
            if fails.pop(0):
                raise GatewayError(ErrorKind.UNAVAILABLE, "the database is locked")
            return await keep(*arguments)

        monkeypatch.setattr(place.database.outbox, "append", append)
        place.press(1, 2)
        for _ in range(2):
            await until(lambda: clock.sleeping == (1.0,))
            await clock.advance(1.0)
        await receiver.until(lambda: len(receiver.entries) == 2)
    assert receiver.counts == [1, 2]


async def test_a_sink_that_fails_to_choose_or_hangs_takes_nobody_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()
    sink = _Sink(receiver)
    hung = asyncio.Event()

    def wants(_: Event) -> bool:
        raise ZeroDivisionError("no choice")

    async def hang(_: SinkEntry) -> None:
        hung.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(sink, "wants", wants)
    monkeypatch.setattr(sink, "close", hung.wait)
    monkeypatch.setattr(sink_worker, "CALL_SECONDS", 0.05)
    async with running(tmp_path, HurriedClock(), sink) as place:
        with monkeypatch.context() as patched:
            patched.setattr(sink, "send", hang)
            place.press(1, 2)
            await hung.wait()
            status = place.sinks.statuses()["out"]
            await until(lambda: status.reason == "it does not answer in time")
        await receiver.until(lambda: len(receiver.entries) == 2)
    assert receiver.counts == [1, 2]
    assert caplog.text.count("sink out fails to choose among events") == 1


async def test_what_is_acknowledged_is_sent_again_only_after_a_kill_and_with_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, answers = Receiver(), ["locked", "locked", ""]
    async with running(tmp_path, HurriedClock(), _Sink(receiver)) as place:
        done = place.database.outbox.done

        async def fail(sink: str, number: int) -> None:
            if answers[0] and (problem := answers.pop(0)):
                raise GatewayError(ErrorKind.UNAVAILABLE, f"the database is {problem}")
            await done(sink, number)

        monkeypatch.setattr(place.database.outbox, "done", fail)
        place.press(1, 2)
        await receiver.until(lambda: len(receiver.entries) == 2)
    assert (receiver.counts, answers) == ([1, 2], [""])
    async with running(tmp_path, HurriedClock(), _Sink(receiver), kill=True) as place:
        answers[:] = ["locked"] * 1000
        monkeypatch.setattr(place.database.outbox, "done", fail)
        place.press(3)
        await receiver.until(lambda: len(receiver.entries) == 3)
    async with running(tmp_path, HurriedClock(), _Sink(receiver)):
        await receiver.until(lambda: len(receiver.entries) == 4)
    assert receiver.counts == [1, 2, 3, 3]
    assert receiver.entries[2].id == receiver.entries[3].id


async def test_structures_arrive_in_the_types_of_json(tmp_path: Path) -> None:
    receiver = Receiver()
    async with running(tmp_path, FakeClock(), _Sink(receiver)) as place:
        place.bus.declare(TopicDescription("tns1:A/B", elements=(("Thing", "tt:Thing"),)))
        thing = {"Name": "x", "Parts": [{"Size": 1.5, "On": True}], "Raw": b"\0"}
        place.bus.publish(Event.of("tns1:A/B", elements={"Thing": thing}))
        await receiver.until(lambda: len(receiver.entries) == 1)
    ((name, content),) = receiver.entries[0].event.elements
    assert (name, content) == ("Thing", {"Name": "x", "Parts": [{"Size": 1.5, "On": True}], "Raw": "AA=="})


async def test_the_queue_of_a_sink_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.answer = away
    async with running(tmp_path, FakeClock(), _Sink(receiver)) as place:
        place.press(1)
        await receiver.until(lambda: bool(receiver.attempts))
        assert len((await place.database.outbox.waiting("out", 0, 9)).entries) == 1
    database = open_database(tmp_path, environment={})
    assert database.outbox.begin(["other"]) == {"other": {}}
    assert (await database.outbox.waiting("out", 0, 9)).entries == ()
    database.close()


async def test_what_is_dropped_is_not_sent_after_all(tmp_path: Path) -> None:
    receiver, clock, rest = Receiver(), HurriedClock(), asyncio.Event()

    class Slow(_Sink):
        async def send(self, entry: SinkEntry) -> None:
            receiver.take(entry)
            await rest.wait()

    async with running(tmp_path, clock, Slow(receiver), max_events=3) as place:
        place.press(1, 2, 3)
        await receiver.until(lambda: len(receiver.entries) == 1)
        place.press(4, 5)
        await until(lambda: place.sinks.statuses()["out"].dropped == 2)
        rest.set()
        await receiver.until(lambda: len(receiver.entries) == 4)
    assert receiver.counts == [1, 3, 4, 5]


async def test_sinks_come_change_and_go_while_the_others_go_on(tmp_path: Path) -> None:
    clock, receivers = HurriedClock(), {name: Receiver() for name in ("out", "stays", "new", "other")}
    stays = SinkSpec("stays", _Sink(receivers["stays"]))

    def camera(event: Event) -> str:
        return dict(event.source).get("Source", "")

    async with running(tmp_path, clock, _Sink(receivers["out"])) as place:
        await place.sinks.follow([SinkSpec("out", _Sink(receivers["out"])), stays], camera)
        worker = place.sinks.statuses()["out"]
        place.press(1)
        place.alarm(on=True)
        await receivers["out"].until(lambda: len(receivers["out"].entries) == 2)
        await receivers["stays"].until(lambda: len(receivers["stays"].entries) == 2)
        receivers["out"].answer = away
        place.press(2)
        await receivers["out"].until(lambda: len(receivers["out"].attempts) > 3)

        wanted = parse_topic_set(TRIGGER.topic)
        changed = [SinkSpec("out", _Sink(receivers["other"]), wanted), SinkSpec("new", _Sink(receivers["new"])), stays]
        await place.sinks.follow(changed, camera)
        assert place.sinks.statuses()["out"] is not worker
        place.alarm(on=False)
        place.press(3)
        await receivers["other"].until(lambda: len(receivers["other"].entries) == 2)
        await receivers["new"].until(lambda: len(receivers["new"].entries) == 3)
        await receivers["stays"].until(lambda: len(receivers["stays"].entries) == 5)
        await until(lambda: place.sinks.statuses()["stays"].sent == 5)
        assert receivers["other"].counts == [2, 3], "what waited is sent by the sink as it is now"
        assert receivers["new"].told == [("Initialized", "true"), ("Changed", "false"), ("None", "3")]

        await place.sinks.follow([], camera)
        place.press(4)
        assert place.sinks.statuses() == {}
        assert (await place.database.outbox.waiting("stays", 0, 9)).entries == ()
    assert len(receivers["stays"].entries) == 5
