"""The event bus: a change is told once, a newcomer learns every state, a stranger's topic is refused."""

import logging

import pytest

from gateway.domain.event import Event, PropertyOperation, TopicDescription
from gateway.domain.event_history import EventPage, place_at
from gateway.services.eventbus import EventBus, RecentEvents
from gateway.testing.clock import FakeClock

MOTION, PRESET = "tns1:VideoSource/MotionAlarm", "tns1:PTZController/PTZPresets/Reached"
TOKEN = (("Source", "tt:ReferenceToken"),)
_S = 1_000_000_000


class Reader:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def deliver(self, event: Event) -> None:
        self.events.append(event)

    @property
    def told(self) -> list[tuple[str, str | None]]:
        return [(event.data[0][1], event.operation and event.operation.value) for event in self.events]


def make_bus(clock: FakeClock, **limits: int) -> tuple[EventBus, Reader]:
    bus, reader = EventBus(clock, **limits), Reader()
    bus.declare(
        TopicDescription(MOTION, TOKEN, (("State", "xs:boolean"),), is_property=True),
        TopicDescription(PRESET, source=TOKEN, data=(("PresetToken", "tt:ReferenceToken"),)),
    )
    bus.attach(reader)
    return bus, reader


def motion(state: str, source: str = "a") -> Event:
    return Event.of(MOTION, {"Source": source}, {"State": state})


async def test_a_property_is_told_when_it_is_new_and_when_it_changes() -> None:
    clock = FakeClock()
    bus, reader = make_bus(clock)
    for state in ("false", "false", "true", "true", "false"):
        await clock.advance(1)
        bus.publish(motion(state))
    bus.publish(motion("false", "b"))
    assert reader.told == [
        ("false", "Initialized"),
        ("true", "Changed"),
        ("false", "Changed"),
        ("false", "Initialized"),
    ]
    assert [(event.utc_ns - FakeClock().utc_ns()) // _S for event in reader.events] == [1, 3, 5, 5]


def test_a_time_of_its_own_is_kept() -> None:
    bus, reader = make_bus(FakeClock())
    bus.publish(Event.of(MOTION, {"Source": "a"}, {"State": True}, utc_ns=17))
    assert reader.events[0].utc_ns == 17


def test_a_message_that_is_no_property_is_told_every_time() -> None:
    bus, reader = make_bus(FakeClock())
    for _ in range(2):
        bus.publish(Event.of(PRESET, {"Source": "a"}, {"PresetToken": "gate"}))
    assert reader.told == [("gate", None), ("gate", None)]
    assert bus.properties() == ()


def test_a_property_that_goes_is_told_as_deleted_and_begins_anew() -> None:
    bus, reader = make_bus(FakeClock())
    bus.publish(motion("true"))
    bus.delete(MOTION, (("Source", "a"),))
    bus.delete(MOTION, (("Source", "a"),))
    bus.publish(motion("true"))
    assert reader.told == [("true", "Initialized"), ("true", "Deleted"), ("true", "Initialized")]


def test_a_source_that_goes_takes_its_properties_with_it() -> None:
    bus, reader = make_bus(FakeClock())
    bus.publish(motion("true"))
    bus.publish(motion("true", "b"))
    bus.delete_source(("Source", "a"))
    assert reader.told[-1] == ("true", "Deleted")
    assert [event.source[0][1] for event in bus.properties()] == ["b"]
    assert bus.value(MOTION, (("Source", "a"),)) is None


async def test_a_newcomer_learns_the_states_of_this_moment() -> None:
    clock = FakeClock()
    bus, _ = make_bus(clock)
    bus.publish(motion("false"))
    bus.publish(motion("true"))
    await clock.advance(9)
    (event,) = bus.properties()
    assert (event.data, event.operation) == ((("State", "true"),), PropertyOperation.INITIALIZED)
    assert event.utc_ns == clock.utc_ns()


def test_only_declared_topics_are_told() -> None:
    bus, reader = make_bus(FakeClock())
    with pytest.raises(ValueError, match="the topic tns1:Device/Fire is not declared"):
        bus.publish(Event.of("tns1:Device/Fire"))
    with pytest.raises(ValueError, match=r"the source of tns1:VideoSource/MotionAlarm has \['Source'\], not \[\]"):
        bus.publish(Event.of(MOTION, {}, {"State": True}))
    with pytest.raises(ValueError, match="the topic tns1:VideoSource/MotionAlarm is declared in two ways"):
        bus.declare(TopicDescription(MOTION))
    assert reader.events == []
    assert [topic.topic for topic in bus.topics()] == [PRESET, MOTION]


def test_a_detached_reader_hears_nothing() -> None:
    bus, reader = make_bus(FakeClock())
    bus.detach(reader)
    bus.detach(reader)
    bus.publish(motion("true"))
    assert reader.events == []


def test_keys_without_end_do_not_fill_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    bus, reader = make_bus(FakeClock(), max_properties=2)
    with caplog.at_level(logging.WARNING):
        for source in "abcd":
            bus.publish(motion("true", source))
    assert [event.source[0][1] for event in reader.events] == ["a", "b"]
    assert caplog.messages == ["2 properties are live: tns1:VideoSource/MotionAlarm is left out"]
    bus.publish(motion("false"))
    assert reader.told[-1] == ("false", "Changed")


async def told(history: RecentEvents, time_ns: int, *, reverse: bool = False, limit: int = 9) -> list[Event]:
    """Return events from a time on, or back, page by page."""
    page = EventPage((), place_at(time_ns, reverse=reverse))
    found: list[Event] = []
    while page.rest is not None:
        page = await history.events(page.rest, reverse=reverse, limit=limit)
        assert len(page.found) <= limit
        found += [event for _, event in page.found]
    return found


async def test_the_last_events_can_be_read_again_both_ways() -> None:
    clock, history = FakeClock(), RecentEvents(3)
    bus, reader = make_bus(clock)
    bus.attach(history)
    assert history.begin_ns() is None
    for _ in range(5):
        await clock.advance(1)
        bus.publish(Event.of(PRESET, {"Source": "a"}, {"PresetToken": "gate"}))
    last = reader.events[2:]
    assert history.begin_ns() == last[0].utc_ns
    assert await told(history, 0) == last
    assert await told(history, last[1].utc_ns, reverse=True) == [last[1], last[0]]
    assert await told(history, last[2].utc_ns, reverse=True, limit=1) == [last[2], last[1], last[0]], "a page each"
