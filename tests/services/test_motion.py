"""Watching cameras: from units to events, with an invented engine and decoder."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from recorder_kit import Jobs, expected, job, recording
from recorder_kit import Kit as Recording

from gateway.domain.camera import Channel, ConnectionState
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, PropertyOperation
from gateway.domain.media import AccessUnit, TrackDescription
from gateway.domain.motion import MotionResult, MotionSettings, MotionZone, Tampering
from gateway.domain.motion_rules import ALL_CELLS, MotionRule, RuleKind
from gateway.domain.recording import Trigger
from gateway.sdk.motion import GrayPicture, MotionEngine
from gateway.services.eventbus import EventBus
from gateway.services.motion import AGAIN_SECONDS, SILENCE_SECONDS, Motion, MotionPorts, MotionSpec
from gateway.services.motion_events import MotionEvents, Tokens
from gateway.services.motion_rules import CameraRules, CellModule, MotionRules, cell_rule
from gateway.services.streams import LiveStream
from gateway.testing.clock import FakeClock, settle
from gateway.testing.streams import START_NS, video_description, video_unit

ALARM = "tns1:VideoSource/MotionAlarm"
CELLS = "tns1:RuleEngine/CellMotionDetector/Motion"
REGION = "tns1:RuleEngine/MotionRegionDetector/Motion"
DARK = "tns1:VideoSource/ImageTooDark/AnalyticsService"
GATE = MotionRule(RuleKind.REGION, MotionZone("gate", ((0, 0), (1, 0), (0, 1))), 2.0)
RULES = CameraRules((cell_rule("Motion", ALL_CELLS, hold=2.0), GATE), hold=2.0)


class Engine(MotionEngine):
    """Sees motion in every zone in the pictures whose first pixel says so, and darkness in those with a second."""

    Settings = object
    tampering = frozenset({Tampering.DARK})

    def __init__(self, motion: MotionSettings) -> None:
        super().__init__(motion, None)

    def analyse(self, picture: GrayPicture) -> MotionResult:
        if picture.pixels[0] == 99:
            raise ZeroDivisionError("the engine is broken")
        moving = frozenset(zone.name for zone in self.motion.zones) if picture.pixels[0] else frozenset()
        dark = frozenset({Tampering.DARK} if picture.pixels[1] else ())
        return MotionResult(picture.utc_ns, moving, tampering=dark)


class Decoders:
    """Makes a picture of each unit: what it shows is the test's affair."""

    def __init__(self) -> None:
        self.moving: set[int] = set()
        self.dark: set[int] = set()
        self.broken: set[int] = set()
        self.made: list[tuple[TrackDescription, int, bool]] = []
        self.refusal: GatewayError | None = None

    def pictures(self, track: TrackDescription, width: int, *, key_frames_only: bool) -> "Decoders":
        if self.refusal is not None:
            raise self.refusal
        self.made.append((track, width, key_frames_only))
        return self

    async def look(
        self,
        units: Sequence[AccessUnit],
        due: Callable[[int], bool],
        look: Callable[[GrayPicture], MotionResult],
    ) -> list[MotionResult]:
        utc_ns = units[0].utc_ns
        number = (utc_ns - START_NS) // 40_000_000
        pixels = bytes([99 if number in self.broken else number in self.moving, number in self.dark])
        return [look(GrayPicture(2, 1, memoryview(pixels), utc_ns))] if due(utc_ns) else []


class Store:
    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def load(self, key: str) -> Any:
        return self.kept.get(key)

    def store(self, key: str, value: object) -> None:
        self.kept[key] = value


@dataclass
class Kit:
    clock: FakeClock
    bus: EventBus
    stream: LiveStream
    decoders: Decoders
    rules: MotionRules
    motion: Motion
    told: list[tuple[str, str, str, float]]
    """Topic, operation, value and time of every event."""

    def deliver(self, event: Event) -> None:
        seconds = (event.utc_ns - START_NS) / 1_000_000_000
        self.told.append((event.topic, str(event.operation), event.data[0][1], seconds))

    async def play(self, first: int, last: int) -> None:
        """Play frames, a GOP every second."""
        for number in range(first, last):
            self.stream.deliver(video_unit(number))
            await settle(3)

    def news(self) -> list[tuple[str, str, str, float]]:
        told, self.told = self.told, []
        return told


@asynccontextmanager
async def watching(rules: CameraRules = RULES, store: Store | None = None, mode: Any = "all") -> AsyncIterator[Kit]:
    clock, stream, decoders = FakeClock(START_NS), LiveStream("/live/door/sub"), Decoders()
    bus = EventBus(clock)
    kept = MotionRules({"door": rules}, store or Store())
    events = MotionEvents(bus, lambda camera: Tokens(f"source_{camera}", f"configuration_{camera}", f"va_{camera}"))
    ports = MotionPorts(lambda _: stream, decoders, lambda _: True, clock)
    motion = Motion([MotionSpec("door", mode, 320, Engine, Engine.tampering)], kept, events, ports)
    kit = Kit(clock, bus, stream, decoders, kept, motion, [])
    bus.attach(kit)
    stream.describe(video_description())
    task = asyncio.create_task(motion.run())
    await settle()
    try:
        yield kit
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_motion_is_told_with_the_time_of_its_frame() -> None:
    async with watching() as kit:
        kit.decoders.moving = {30, 31}
        await kit.play(0, 100)
    assert kit.news() == [
        (ALARM, "Initialized", "false", 0),
        (CELLS, "Initialized", "false", 0),
        (REGION, "Initialized", "false", 0),
        (DARK, "Initialized", "false", 0),
        (ALARM, "Changed", "true", 1.2),
        (CELLS, "Changed", "true", 1.2),
        (REGION, "Changed", "true", 1.2),
        (ALARM, "Changed", "false", 3.24),
        (CELLS, "Changed", "false", 3.24),
        (REGION, "Changed", "false", 3.24),
    ]


async def test_every_topic_has_its_items() -> None:
    async with watching() as kit:
        await kit.play(0, 1)
        sources = {event.topic: dict(event.source) for event in kit.bus.properties()}
    assert sources == {
        ALARM: {"Source": "source_door"},
        CELLS: {
            "VideoSourceConfigurationToken": "configuration_door",
            "VideoAnalyticsConfigurationToken": "va_door",
            "Rule": "Motion",
        },
        REGION: {"VideoSource": "source_door", "RuleName": "gate"},
        DARK: {"Source": "source_door"},
    }


async def test_tampering_is_told() -> None:
    async with watching() as kit:
        kit.decoders.dark = {3, 4, 5}
        await kit.play(0, 10)
    assert kit.news()[4:] == [(DARK, "Changed", "true", 0.12), (DARK, "Changed", "false", 0.24)]


async def test_what_no_engine_recognises_is_not_announced() -> None:
    async with watching() as kit:
        topics = {description.topic for description in kit.bus.topics()}
    assert topics == {ALARM, CELLS, REGION, DARK}


@pytest.mark.parametrize(("mode", "keys", "looked"), [("keyframes", True, 4), ("all", False, 100), (5.0, False, 21)])
async def test_the_mode_says_which_pictures_are_looked_at(mode: Any, keys: bool, looked: int) -> None:  # noqa: FBT001
    async with watching(mode=mode) as kit:
        found: list[MotionResult] = []
        kit.motion.watch(lambda _, result: found.append(result))
        await kit.play(0, 100)
        assert [each[1:] for each in kit.decoders.made] == [(320, keys)]
    assert len(found) == looked


async def test_motion_ends_with_the_camera() -> None:
    async with watching() as kit:
        kit.decoders.moving = {1}
        await kit.play(0, 5)
        kit.news()
        kit.motion.camera_changed(Channel("door", "Door", (), ConnectionState.ONLINE))
        assert kit.news() == []
        kit.motion.camera_changed(Channel("door", "Door", (), ConnectionState.OFFLINE))
        kit.motion.camera_changed(Channel("other", "Other", (), ConnectionState.OFFLINE))
        assert [each[:3] for each in kit.news()] == [(topic, "Changed", "false") for topic in (ALARM, CELLS, REGION)]


@pytest.mark.parametrize(("mode", "silence"), [("all", SILENCE_SECONDS), ("keyframes", 60.0), (0.1, 30.0)])
async def test_motion_ends_when_no_picture_comes(mode: Any, silence: float) -> None:
    async with watching(mode=mode) as kit:
        kit.decoders.moving = {0}
        await kit.play(0, 1)
        kit.news()
        await kit.clock.advance(silence)
        assert kit.news() == []
        await kit.clock.advance(2)
        assert len(kit.news()) == 3


async def test_an_engine_that_fails_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    async with watching() as kit:
        kit.decoders.broken, kit.decoders.moving = {4}, {3, 60}
        await kit.play(0, 10)
        assert [each[:3] for each in kit.news()[-3:]] == [
            (topic, "Changed", "false") for topic in (ALARM, CELLS, REGION)
        ]
        await kit.clock.advance(AGAIN_SECONDS)
        await kit.play(40, 70)
        assert (ALARM, "Changed", "true", 2.4) in kit.news()
    sentence = "camera door: motion can't be looked for: ZeroDivisionError: the engine is broken"
    assert [record.message for record in caplog.records] == [sentence]


async def test_what_can_not_be_decoded_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async with watching() as kit:
        kit.decoders.refusal = GatewayError(ErrorKind.UNSUPPORTED, "VP8 video can't be decoded")
        for number in range(0, 100, 25):
            await kit.play(number, number + 1)
            await kit.clock.advance(AGAIN_SECONDS)
    assert [record.message for record in caplog.records] == [
        "camera door: motion can't be looked for: VP8 video can't be decoded"
    ]


async def test_marks_are_there_for_the_archive() -> None:
    async with watching() as kit:
        kit.decoders.moving = {30}
        await kit.play(0, 50)
        spans = [(START_NS + second * 10**9, START_NS + (second + 1) * 10**9) for second in (0, 1)]
        assert [kit.motion.strongest("door", *span) for span in spans] == [0, 1]
        assert kit.motion.strongest("other", *spans[1]) == 0


async def test_rules_that_a_client_makes_count_at_once_and_stay() -> None:
    store = Store()
    yard = replace(GATE, zone=replace(GATE.zone, name="yard"))
    async with watching(store=store) as kit:
        await kit.play(0, 2)
        kit.news()
        kit.rules.change("door", (yard,), CellModule(sensitivity=80))
        assert [(topic, operation) for topic, operation, *_ in kit.news()] == [(CELLS, "Deleted"), (REGION, "Deleted")]
        kit.decoders.moving = {2}
        await kit.play(2, 3)
        assert kit.news() == [(ALARM, "Changed", "true", 0.08), (REGION, "Initialized", "true", 0.08)]
    async with watching(store=store) as kit:
        assert kit.rules.of("door").rules == (yard,)
        assert kit.rules.of("door").module == CellModule(sensitivity=80)
    anew = replace(RULES, hold=3.0)
    async with watching(anew, store) as kit:
        assert kit.rules.of("door") == anew


def test_cells_take_their_module_s_sensitivity_and_need_it() -> None:
    zones = replace(RULES, module=CellModule(sensitivity=80)).settings().zones
    assert [(zone.name, zone.sensitivity) for zone in zones] == [("Motion", 80), ("gate", 50)]
    assert [zone.name for zone in replace(RULES, module=None).settings().zones] == ["gate"]


def test_rules_have_names_of_their_own_and_a_limit() -> None:
    rules = MotionRules({"door": RULES}, Store())
    with pytest.raises(GatewayError, match="there is already a rule 'gate'"):
        rules.change("door", (GATE, GATE), None)
    many = tuple(replace(GATE, zone=replace(GATE.zone, name=str(number))) for number in range(17))
    with pytest.raises(GatewayError, match="camera 'door' can have 16 rules, not 17"):
        rules.change("door", many, None)
    assert rules.of("door") == RULES


async def test_a_deleted_property_is_told_as_such() -> None:
    async with watching() as kit:
        await kit.play(0, 1)
        kit.rules.change("door", (), None)
        gone = [each for each in kit.news() if each[1] == str(PropertyOperation.DELETED)]
    assert [topic for topic, *_ in gone] == [CELLS, REGION]


@pytest.mark.parametrize("topic", [ALARM, CELLS, REGION, "tns1:RuleEngine"])
async def test_motion_is_recorded_with_what_came_before_and_after(topic: str) -> None:
    trigger = Trigger(topics=(topic,), before_seconds=5, after_seconds=3)
    async with watching() as kit:
        recorded = Recording(clock=kit.clock, jobs=Jobs(job(trigger)), bus=kit.bus)
        async with recording(recorded):
            recorded.stream.describe(video_description())
            kit.decoders.moving = set(range(512, 563))
            for number in range(25 * 40):
                kit.clock.set_utc(video_unit(number).utc_ns)
                await kit.play(number, number + 1)
                await recorded.feed(video_unit(number))
    # motion from 20.48 to 22.48, told as over at 24.48: 15.48 is in the GOP from 15, 27.48 in the one up to 28
    assert recorded.samples() == expected([video_unit(number) for number in range(15 * 25, 28 * 25)])


async def test_a_fragment_is_marked_with_the_strongest_motion_in_it() -> None:
    async with watching() as kit:
        kit.decoders.moving = {30, 31, 75}
        recorded = Recording(
            clock=kit.clock, motion=lambda path, *span: kit.motion.strongest(path.split("/")[2], *span)
        )
        async with recording(recorded):
            recorded.stream.describe(video_description())
            for number in range(25 * 5):
                await recorded.feed(video_unit(number))  # the picture is recorded before it has been looked at
                await kit.play(number, number + 1)
        assert [each.motion for each in recorded.archive.segments[0].fragments] == [0, 1, 0, 1, 0]


async def test_motion_is_switched_off_and_on_again_and_rules_of_clients_stay() -> None:
    async with watching() as kit:
        kit.decoders.moving = set(range(30, 40))
        await kit.play(0, 35)
        kit.rules.change("door", (GATE,), CellModule())
        kit.news()
        spec = MotionSpec("door", "all", 320, Engine, Engine.tampering)
        kit.rules.follow({"door": RULES})
        await kit.motion.follow([spec])
        assert (kit.news(), kit.rules.of("door").rules) == ([], (GATE,)), "nothing has changed"

        kit.rules.follow({})
        await kit.motion.follow([])
        assert [(topic, operation) for topic, operation, *_ in kit.news()] == [
            (ALARM, "Changed"),
            (DARK, "Deleted"),
            (REGION, "Deleted"),
        ]
        await kit.play(35, 50)
        assert kit.news() == []

        kit.decoders.moving = {60}
        kit.rules.follow({"door": RULES})
        await kit.motion.follow(
            [
                replace(spec, mode="keyframes"),
            ]
        )
        await settle()
        await kit.play(50, 80)
        assert (REGION, "Initialized", "false") in [each[:3] for each in kit.news()]
        assert kit.rules.of("door").rules == (GATE,), (
            "a configuration that says the same as before goes after the client"
        )


async def test_zones_that_are_configured_anew_count_at_once() -> None:
    async with watching() as kit:
        await kit.play(0, 5)
        kit.news()
        other = replace(GATE, zone=replace(GATE.zone, name="other"))
        kit.rules.follow({"door": replace(RULES, rules=(other,))})
        await kit.play(5, 8)
        told = [each[:3] for each in kit.news()]
        assert told == [
            (CELLS, "Deleted", "false"),
            (REGION, "Deleted", "false"),
            (REGION, "Initialized", "false"),
        ]
