"""Recordings that wait: for a time of the week, or for an event, with what came before it."""

from dataclasses import replace

import pytest
from recorder_kit import RECORDING, Jobs, Kit, expected, job, recording

from gateway.domain.event import Event, PropertyOperation
from gateway.domain.recording import Trigger, WeeklyPeriod
from gateway.testing.streams import START_NS, video_description, video_unit

MOTION = "tns1:RuleEngine/CellMotionDetector/Motion"
_NS = 1_000_000_000
UNITS = [video_unit(number) for number in range(25 * 60)]
"""A minute, a GOP every second."""


def motion(seconds: float, *, on: bool, camera: str = "door", topic: str = MOTION) -> Event:
    event = Event.of(topic, {"VideoSource": camera}, {"IsMotion": on}, utc_ns=START_NS + round(seconds * _NS))
    return event.told(PropertyOperation.CHANGED, event.utc_ns)


def waiting(before: float = 0, after: float = 0) -> Kit:
    return Kit(jobs=Jobs(job(Trigger(topics=(MOTION,), before_seconds=before, after_seconds=after))))


async def play(kit: Kit, *events: Event, description: bool = True) -> None:
    """Play the minute with events at their times; the clock goes with it."""
    if description:
        kit.stream.describe(video_description())
    left = sorted(events, key=lambda event: event.utc_ns)
    for unit in UNITS:
        while left and left[0].utc_ns <= unit.utc_ns:
            kit.clock.set_utc(left[0].utc_ns)
            kit.bus.publish(left.pop(0))
        await kit.feed(unit)


def seconds_of(kit: Kit) -> list[tuple[int, int]]:
    """Return first and last whole second of every run."""
    runs: dict[int, list[int]] = {}
    for segment in kit.archive.segments:
        runs.setdefault(segment.run_ns, []).extend((segment.start_ns, segment.end_ns))
    return [((min(times) - START_NS) // _NS, (max(times) - START_NS) // _NS) for times in runs.values()]


async def test_an_event_is_recorded_with_what_came_before_and_after() -> None:
    async with recording(waiting(before=5, after=3)) as kit:
        await play(kit, motion(20.5, on=True), motion(22.5, on=False))
    # 15.5 is in the GOP that begins at 15, 25.5 in the one that ends at 26
    assert seconds_of(kit) == [(15, 26)]
    assert kit.samples() == expected(UNITS[15 * 25 : 26 * 25])


async def test_nothing_is_recorded_without_an_event() -> None:
    async with recording(waiting(before=5, after=3)) as kit:
        await play(kit)
        assert kit.recorder.state(RECORDING) == ("Idle", "")
    assert kit.archive.segments == []


async def test_events_in_the_time_after_another_extend_it() -> None:
    events = [motion(20.5, on=True), motion(21.5, on=False), motion(24.2, on=True), motion(25.2, on=False)]
    async with recording(waiting(before=2, after=5)) as kit:
        await play(kit, *events)
    assert seconds_of(kit) == [(18, 31)]


async def test_events_far_apart_are_runs_of_their_own() -> None:
    events = [motion(10.5, on=True), motion(11.5, on=False), motion(40.5, on=True), motion(41.5, on=False)]
    async with recording(waiting(before=2, after=2)) as kit:
        await play(kit, *events)
    assert seconds_of(kit) == [(8, 14), (38, 44)]
    assert kit.states == [("Active", ""), ("Idle", ""), ("Active", ""), ("Idle", "")]


async def test_what_comes_before_an_event_is_not_recorded_twice() -> None:
    events = [motion(10.5, on=True), motion(11.5, on=False), motion(14.5, on=True), motion(15.5, on=False)]
    async with recording(waiting(before=5, after=1)) as kit:
        await play(kit, *events)
    assert kit.samples() == expected(UNITS[5 * 25 : 17 * 25])


async def test_two_cameras_rules_are_one_state_each() -> None:
    events = [
        motion(10.5, on=True),
        motion(11.5, on=True, camera="yard"),
        motion(12.5, on=False),
        motion(20.5, on=False, camera="yard"),
    ]
    async with recording(waiting()) as kit:
        await play(kit, *events)
    assert seconds_of(kit) == [(10, 21)]


async def test_a_property_that_is_gone_is_over() -> None:
    gone = replace(motion(12.5, on=True), operation=PropertyOperation.DELETED)
    async with recording(waiting()) as kit:
        await play(kit, motion(10.5, on=True), gone)
    assert seconds_of(kit) == [(10, 13)]


async def test_an_event_without_a_state_is_a_moment() -> None:
    moment = replace(motion(10.5, on=True), operation=None)
    async with recording(waiting(before=1, after=2)) as kit:
        await play(kit, moment, replace(motion(30.5, on=True, topic="tns1:Device/Trigger/DigitalInput")))
    assert seconds_of(kit) == [(9, 13)]


async def test_a_state_that_was_true_before_is_recorded_from_the_start() -> None:
    kit = waiting()
    kit.bus.known = (motion(-100, on=True),)
    async with recording(kit):
        await play(kit, motion(10.5, on=False))
    assert seconds_of(kit) == [(0, 11)]


async def test_a_schedule_is_kept_by_whole_gops() -> None:
    # the made-up stream begins on a Tuesday at 22:13:20 UTC
    trigger = Trigger(schedule=(WeeklyPeriod(1, 22 * 60 + 14, 23 * 60),))
    async with recording(Kit(jobs=Jobs(job(trigger)))) as kit:
        await play(kit)
    assert seconds_of(kit) == [(40, 60)]


async def test_events_are_recorded_in_the_schedule_only() -> None:
    trigger = Trigger((WeeklyPeriod(1, 22 * 60 + 14, 23 * 60),), (MOTION,), before_seconds=2, after_seconds=1)
    events = [motion(10.5, on=True), motion(11.5, on=False), motion(39.5, on=True), motion(45.5, on=False)]
    async with recording(Kit(jobs=Jobs(job(trigger)))) as kit:
        await play(kit, *events)
    assert seconds_of(kit) == [(40, 47)]


async def test_another_trigger_takes_effect_at_once() -> None:
    async with recording(waiting()) as kit:
        kit.stream.describe(video_description())
        await kit.feed(*UNITS[:110])
        kit.jobs.set(job())
        await kit.feed(*UNITS[110:200])
    assert kit.samples() == expected(UNITS[100:200])


@pytest.mark.parametrize(
    ("topic", "on", "off"),
    [("tns1:Device/Trigger/DigitalInput", "true", "false"), ("tns1:Device/Trigger/Relay", "active", "inactive")],
)
async def test_a_contact_is_recorded_while_it_is_closed(topic: str, on: str, off: str) -> None:
    kit = Kit(jobs=Jobs(job(Trigger(topics=(topic,), before_seconds=1, after_seconds=1))))

    def told(seconds: float, state: str) -> Event:
        event = Event.of(topic, {"Token": "door_1"}, {"LogicalState": state}, utc_ns=START_NS + round(seconds * _NS))
        return event.told(PropertyOperation.CHANGED, event.utc_ns)

    async with recording(kit):
        await play(kit, told(20.5, on), told(30.5, off), told(40.5, off))
    assert seconds_of(kit) == [(19, 32)]
