"""Stored events: what was told is found again, after a restart too, in pages and in order; old ones go."""

import asyncio
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path

import postgres_kit
import pytest

from gateway.db import EventStore, events, open_database
from gateway.db.writer import Work, Writer
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, PropertyOperation, TopicDescription
from gateway.domain.event_history import EventPage, place_at
from gateway.domain.recording import Span
from gateway.services.eventbus import EventBus
from gateway.services.subscriptions import PAGE, Subscriptions
from gateway.testing.clock import FakeClock, settle

SECOND = 1_000_000_000
NOON = 1_700_000_000 * SECOND
LATEST = (1 << 62) - 1
MOTION, MESSAGE = "tns1:VideoSource/MotionAlarm", "tns1:RecordingConfig/RecordingConfiguration"
Open = Callable[..., EventStore]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else postgres_kit.new_database()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def opened(tmp_path: Path, url: str, clock: FakeClock) -> Iterator[Open]:
    """Return what opens the store, as often as the gateway starts."""
    database = open_database(tmp_path, url, environment={})
    stores: list[EventStore] = []

    def open_store(max_events: int = 1000) -> EventStore:
        for store in stores:
            store.close()
        stores.append(database.events(clock, max_events))
        return stores[-1]

    yield open_store
    stores[-1].close()
    database.close()


def motion(at: float, state: str = "true", source: str = "yard") -> Event:
    event = Event(MOTION, (("Source", source),), (("State", state),))
    return event.told(PropertyOperation.CHANGED, NOON + round(at * SECOND))


async def told(store: EventStore, *, reverse: bool = False, limit: int = 100) -> list[Event]:
    """Return all events, page by page."""
    page = EventPage((), place_at(LATEST if reverse else 0, reverse=reverse))
    found: list[Event] = []
    while page.rest is not None:
        page = await store.events(page.rest, reverse=reverse, limit=limit)
        found += [event for _, event in page.found]
    return found


async def test_events_come_back_as_they_were_after_a_restart(opened: Open) -> None:
    structure = {
        "MaximumRetentionTime": timedelta(days=3, microseconds=-7),
        "When": datetime(2026, 1, 31, 12, 0, 0, 123, tzinfo=UTC),
        "Source": [{"Name": "yärd", "Count": -3, "Part": 0.5, "On": True, "Raw": b"\xff\0", "None": None}],
    }
    message = Event(MESSAGE, (("RecordingToken", "R"),), elements=(("Configuration", structure),), utc_ns=NOON + 1)
    keyed = Event("tns1:A/B", (), (), (("Object", "7"),), utc_ns=NOON + 2, operation=PropertyOperation.DELETED)
    made = [motion(0), message, keyed]
    store = opened()
    assert store.extent() is None
    assert store.begin_ns() is None
    for event in made:
        store.deliver(event)
    assert await told(store) == made
    store = opened()
    assert await told(store) == made
    assert await told(store, reverse=True, limit=1) == made[::-1]
    assert store.extent() == Span(NOON, NOON + 2)
    assert store.begin_ns() == NOON
    store.deliver(motion(1))
    assert await told(opened()) == [*made, motion(1)], "closing writes what waits"


async def test_a_structure_that_cannot_be_kept_is_left_out(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    store = opened()
    store.deliver(Event(MESSAGE, data=(("A", "1"),), elements=(("Odd", {"x": object()}),), utc_ns=NOON))
    assert await told(store) == [Event(MESSAGE, data=(("A", "1"),), utc_ns=NOON)]
    assert f"the structures of an event of {MESSAGE} can't be kept" in caplog.text


@pytest.mark.parametrize("subjects", [3, events.events_queries.FEW + 1], ids=["merged", "filtered"])
async def test_pages_of_some_subjects_are_in_order_and_miss_nothing(opened: Open, subjects: int) -> None:
    dice = random.Random(subjects)
    names = [f"camera{number}" for number in range(subjects)]
    made = [
        motion(dice.randrange(40), str(number), dice.choice([*names[:2], "other", *names])) for number in range(700)
    ]
    store = opened()
    for event in made:
        store.deliver(event)
    wanted = store.subjects(names)
    assert {key[1][0][1] for key in wanted.values()} <= set(names)
    for low, high in ((0, 40), (7, 20)):
        mine = [event for event in made if event.source[0][1] in names]
        expected = [
            each
            for each in sorted(mine, key=lambda event: event.utc_ns)
            if NOON + low * SECOND <= each.utc_ns <= NOON + high * SECOND
        ]
        for reverse in (False, True):
            first, last = (high, low) if reverse else (low, high)
            page, found = EventPage((), place_at(NOON + first * SECOND, reverse=reverse)), []
            while page.rest is not None:
                page = await store.page(wanted, page.rest, NOON + last * SECOND, reverse=reverse, limit=50)
                found += [event for _, event in page.found]
            assert found == (expected[::-1] if reverse else expected)


async def test_states_are_the_last_events_up_to_a_time(opened: Open) -> None:
    store = opened()
    for event in (motion(0, "a"), motion(5, "b"), motion(3, "c", "door"), motion(9, "d"), motion(4, "e", "attic")):
        store.deliver(event)
    wanted = store.subjects(["yard", "door"])
    states = {event.source[0][1]: event.data[0][1] for _, event in await store.states(wanted, NOON + 5 * SECOND)}
    assert states == {"yard": "b", "door": "c"}
    assert await store.states(wanted, NOON - 1) == []
    assert store.subjects(["cellar"]) == {}


async def test_what_a_kill_loses_is_younger_than_a_second(opened: Open, clock: FakeClock) -> None:
    store = opened()
    running = asyncio.create_task(store.run())
    await settle()
    store.deliver(motion(1))
    await clock.advance(0.9)
    assert store.waiting == 1
    await clock.advance(0.1)
    assert store.waiting == 0
    running.cancel()


async def test_the_oldest_go_by_number_and_by_age(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PRUNE_ROWS", 15)
    store = opened(max_events=10)
    for number in range(30):
        store.deliver(motion(number))
    await store.written()
    await store.prune()
    assert store.begin_ns() == NOON + 15 * SECOND, "a part at a time"
    await store.prune()
    assert [event.utc_ns for event in await told(store)] == [NOON + at * SECOND for at in range(20, 30)]
    assert store.extent() == Span(NOON + 20 * SECOND, NOON + 29 * SECOND)
    store.oldest_ns = lambda: NOON + 25 * SECOND
    await store.prune()
    assert [event.utc_ns for event in await told(store)] == [NOON + at * SECOND for at in range(25, 30)]
    store.oldest_ns = lambda: NOON + 100 * SECOND
    store.deliver(motion(200, source="door"))
    await store.prune()
    assert store.extent() == Span(NOON + 200 * SECOND, NOON + 200 * SECOND), "it waits to be written"
    store = opened()
    assert [event.source[0][1] for event in await told(store)] == ["door"]
    assert store.subjects(["yard"]) == {}, "what has no events is forgotten"
    store.deliver(motion(201))
    assert len(await told(opened())) == 2


async def test_what_cannot_be_written_waits_and_is_written_once(
    opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(events, "MAX_WAITING", 3)
    store, insert = opened(), events.insert_batch

    def failing(*args: object, **kwargs: object) -> None:
        insert(*args, **kwargs)  # type: ignore[arg-type]
        raise GatewayError(ErrorKind.UNAVAILABLE, "the disk is full")

    for number in range(2):
        store.deliver(motion(number))
    monkeypatch.setattr(events, "insert_batch", failing)
    assert await told(store) == []
    assert "past events can't be written, and wait: the disk is full" in caplog.text
    for number in range(2, 5):
        store.deliver(motion(number))
    monkeypatch.setattr(events, "insert_batch", insert)
    assert [event.utc_ns - NOON for event in await told(store)] == [at * SECOND for at in (2, 3, 4)]
    assert "2 events were lost to searches while none could be written" in caplog.text


async def test_a_commit_that_was_not_heard_of_is_not_repeated(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store, submit = opened(), Writer.submit

    def unheard(self: Writer, work: Work[None]) -> "Future[None]":
        submit(self, work).result(15)
        raise GatewayError(ErrorKind.UNAVAILABLE, "the connection is lost")

    store.deliver(motion(1))
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "submit", unheard)
        await store.written()
    store.deliver(motion(2, source="door"))
    assert await told(store) == [motion(1), motion(2, source="door")]


async def test_too_many_properties_are_not_kept(
    opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(events, "MAX_SUBJECTS", 2)
    store = opened()
    for number in range(4):
        store.deliver(motion(number, source=str(number)))
        store.deliver(motion(number, source="0"))
    assert {event.source[0][1] for event in await told(store)} == {"0", "1"}
    assert caplog.text.count(f"2 properties are known: events of others, like {MOTION}, are not kept") == 1


async def test_a_damaged_file_is_put_aside(tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    database = open_database(tmp_path, environment={})
    (tmp_path / "events.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    store = database.events(clock, 10)
    assert await told(store) == []
    assert (
        f"past events are lost: the database '{tmp_path}/events.db' is damaged (file is not a database)" in caplog.text
    )
    assert (tmp_path / "events.db.damaged").exists()
    store.close()
    database.close()


class TestSeek:
    """A pull point that looks back over a restart."""

    def desk(self, store: EventStore, clock: FakeClock) -> tuple[EventBus, Subscriptions]:
        bus = EventBus(clock)
        bus.declare(TopicDescription(MOTION, (("Source", "tt:ReferenceToken"),), (("State", "xs:string"),)))
        bus.attach(store)
        return bus, Subscriptions(bus, clock, history=store)

    async def test_it_reads_pages_of_the_past_and_goes_on_with_the_present(
        self, opened: Open, clock: FakeClock
    ) -> None:
        count = 2 * PAGE + 10
        bus, _ = self.desk(opened(max_events=9999), clock)
        for number in range(count):
            bus.publish(Event(MOTION, (("Source", "yard"),), (("State", str(number)),), utc_ns=NOON - (count - number)))
        bus, subscriptions = self.desk(opened(max_events=9999), clock)
        assert subscriptions.history.persistent
        subscription = subscriptions.create("root", lambda event: event.topic == MOTION, 60)
        await subscriptions.seek(subscription, NOON - count + 1, reverse=False)
        found: list[str] = []
        while True:
            pulled = [event.data[0][1] for event in await subscriptions.pull(subscription, 0, 700)]
            found += pulled
            if len(found) < count - 1:
                bus.publish(Event.of(MOTION, {"Source": "yard"}, {"State": f"new {len(found)}"}))
            if not pulled:
                break
        new = [state for state in found if state.startswith("new")]
        assert found == [*(str(number) for number in range(1, count)), *new]
        assert new == ["new 700", "new 1000", "new 1700", "new 2000"], "none lost, none twice"
        await subscriptions.seek(subscription, NOON - 1, reverse=True)
        backwards = [event.data[0][1] for _ in range(3) for event in await subscriptions.pull(subscription, 0, PAGE)]
        assert backwards == [str(number) for number in reversed(range(count))]

    async def test_a_late_event_is_not_lost_meanwhile(self, opened: Open, clock: FakeClock) -> None:
        bus, subscriptions = self.desk(opened(max_events=9999), clock)
        for number in range(PAGE + 1):
            bus.publish(Event(MOTION, (("Source", "yard"),), (("State", str(number)),), utc_ns=NOON + number))
        subscription = subscriptions.create("root", lambda event: event.topic == MOTION, 60)
        await subscriptions.seek(subscription, NOON, reverse=False)
        bus.publish(Event(MOTION, (("Source", "yard"),), (("State", "late"),), utc_ns=NOON + 5))
        pulled = [event.data[0][1] for _ in range(3) for event in await subscriptions.pull(subscription, 0, PAGE)]
        assert pulled == [*(str(number) for number in range(PAGE)), "late", str(PAGE)]
