"""What cameras tell, on the gateway's bus."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.services.device_events import (
    FIRST_DELAY,
    HOPELESS_DELAY,
    LONGEST_DELAY,
    CameraEvents,
    EventCamera,
)
from gateway.services.eventbus import EventBus
from gateway.services.motion_alarm import MotionAlarms
from gateway.testing.clock import FakeClock, settle

MOTION = DeviceEventKind.MOTION


HOLD = 60.0
SECOND = 1_000_000_000


class Camera:
    """Tells what the test says, and fails when it says so."""

    def __init__(self) -> None:
        self.tell: Callable[[DeviceEvent], None] = lambda _: None
        self.calls = 0
        self._failure: asyncio.Future[None] | None = None

    async def events(self, tell: Callable[[DeviceEvent], None]) -> None:
        self.calls += 1
        self.tell = tell
        self._failure = asyncio.get_running_loop().create_future()
        await self._failure

    async def fail(self, kind: ErrorKind = ErrorKind.UNAVAILABLE) -> None:
        assert self._failure is not None
        self._failure.set_exception(GatewayError(kind, "camera c closed the connection"))
        await settle()


class Scene:
    def __init__(self, *, motion: bool = True, hold: float = HOLD) -> None:
        self.clock, self.camera, self.told = FakeClock(), Camera(), list[tuple[str, str, str]]()
        self.bus = EventBus(self.clock)
        self.alarms = MotionAlarms(self.bus, token)
        camera = EventCamera("door", self.camera, motion, hold)
        self.failures = list[tuple[str, str]]()
        self.events = CameraEvents([camera], self.bus, self.alarms, token, self.clock, self.failed)
        self.bus.attach(self)

    def failed(self, camera: str, error: str) -> None:
        self.failures.append((camera, error))

    def deliver(self, event: Event) -> None:
        topic = event.topic.removeprefix("tns1:")
        self.told.append((topic, event.source[0][1], event.data[0][1]))

    def news(self) -> list[tuple[str, str, str]]:
        told, self.told = self.told, []
        return told


def token(camera: str) -> str:
    return f"VideoSource_{camera}"


@contextlib.asynccontextmanager
async def listening(*, motion: bool = True, hold: float = HOLD) -> AsyncIterator[Scene]:
    scene = Scene(motion=motion, hold=hold)
    task = asyncio.create_task(scene.events.run())
    await settle()
    try:
        yield scene
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


BEGINS, ENDS = [("VideoSource/MotionAlarm", "VideoSource_door", state) for state in ("true", "false")]


async def test_motion_begins_with_the_first_rule_and_ends_with_the_last() -> None:
    async with listening() as scene:
        for name, on in (("a", False), ("a", True), ("b", True), ("a", True), ("a", False), ("b", False)):
            scene.camera.tell(DeviceEvent(MOTION, on, name))
        assert scene.news() == [ENDS, BEGINS, ENDS]


async def test_motion_that_the_camera_never_ends_is_ended() -> None:
    async with listening() as scene:
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        await scene.clock.advance(HOLD - 1)
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))  # it goes on
        await scene.clock.advance(HOLD - 1)
        assert scene.news() == [BEGINS]
        await scene.clock.advance(1)
        assert scene.news() == [ENDS]
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        await scene.clock.advance(HOLD)
        assert scene.news() == [BEGINS, ENDS]


async def test_the_archive_learns_when_a_camera_saw_motion() -> None:
    async with listening() as scene:
        began = scene.clock.utc_ns()
        before, during, after = (
            (began - SECOND, began),
            (began, began + SECOND),
            (began + 3 * SECOND, began + 9 * SECOND),
        )
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        assert [scene.events.strongest("door", *when) for when in (before, during, after)] == [0, 128, 128]
        await scene.clock.advance(3)
        scene.camera.tell(DeviceEvent(MOTION, on=False, name="a"))
        assert [scene.events.strongest("door", *when) for when in (before, during, after)] == [0, 128, 0]
        assert scene.events.strongest("gate", *during) == 0


async def test_a_camera_whose_word_does_not_count_marks_nothing() -> None:
    async with listening(motion=False) as scene:
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        assert scene.events.strongest("door", 0, scene.clock.utc_ns() + SECOND) == 0


async def test_motion_of_a_camera_that_is_trusted_to_end_it_goes_on() -> None:
    async with listening(hold=0.0) as scene:
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        await scene.clock.advance(86_400)
        assert scene.news() == [BEGINS]


async def test_a_camera_that_is_lost_sees_no_motion_and_is_asked_again_ever_more_slowly() -> None:
    async with listening() as scene:
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        await scene.camera.fail()
        assert scene.news() == [BEGINS, ENDS]
        delay = FIRST_DELAY
        for calls in range(2, 10):
            await scene.clock.advance(delay - 0.1)
            assert scene.camera.calls == calls - 1
            await scene.clock.advance(0.1)
            assert scene.camera.calls == calls
            await scene.camera.fail()
            delay = min(delay * 2, LONGEST_DELAY)


async def test_a_camera_without_events_or_a_login_is_left_in_peace() -> None:
    async with listening() as scene:
        for calls, kind in enumerate((ErrorKind.UNSUPPORTED, ErrorKind.UNAUTHENTICATED), 1):
            assert scene.camera.calls == calls
            await scene.camera.fail(kind)
            await scene.clock.advance(HOPELESS_DELAY - 1)
            assert scene.camera.calls == calls
            await scene.clock.advance(1)
        assert scene.failures == [("door", "camera c closed the connection")]  # of the login, not of one without events


DARK, LIGHT = [("VideoSource/ImageTooDark/ImagingService", "VideoSource_door", state) for state in ("true", "false")]


async def test_an_alarm_of_the_picture_that_the_camera_never_ends_is_ended_but_an_input_is_not() -> None:
    async with listening() as scene:
        hold = EventCamera("x", scene.camera, motion=False).picture_hold
        scene.camera.tell(DeviceEvent(DeviceEventKind.DIGITAL_INPUT, on=True, name="1"))
        scene.camera.tell(DeviceEvent(DeviceEventKind.DARK, on=True))
        scene.camera.tell(DeviceEvent(DeviceEventKind.BLURRED, on=True))
        scene.camera.tell(DeviceEvent(DeviceEventKind.BLURRED, on=False))
        scene.news()
        await scene.clock.advance(hold - 1)
        scene.camera.tell(DeviceEvent(DeviceEventKind.DARK, on=True))  # it goes on
        await scene.clock.advance(hold - 1)
        assert scene.news() == []
        await scene.clock.advance(1)
        assert scene.news() == [LIGHT]
        await scene.clock.advance(hold)
        scene.camera.tell(DeviceEvent(DeviceEventKind.DARK, on=True))
        assert scene.news() == [DARK]


async def test_what_was_told_last_stays_while_a_camera_is_lost_but_motion_does_not() -> None:
    async with listening() as scene:
        for kind in (DeviceEventKind.DARK, DeviceEventKind.DIGITAL_INPUT, DeviceEventKind.RELAY, MOTION):
            scene.camera.tell(DeviceEvent(kind, on=True, name="1"))
        scene.news()
        await scene.camera.fail()
        assert scene.news() == [ENDS]
        await scene.clock.advance(FIRST_DELAY)
        scene.camera.tell(DeviceEvent(DeviceEventKind.DIGITAL_INPUT, on=True, name="1"))
        scene.camera.tell(DeviceEvent(DeviceEventKind.DARK, on=False))
        assert scene.news() == [LIGHT]


async def test_pictures_and_inputs_have_topics_of_their_own() -> None:
    async with listening() as scene:
        scene.camera.tell(DeviceEvent(DeviceEventKind.DARK, on=True))
        scene.camera.tell(DeviceEvent(DeviceEventKind.BRIGHT, on=True))
        scene.camera.tell(DeviceEvent(DeviceEventKind.BLURRED, on=True))
        scene.camera.tell(DeviceEvent(DeviceEventKind.SCENE, on=False))
        scene.camera.tell(DeviceEvent(DeviceEventKind.DIGITAL_INPUT, on=True, name="1"))
        scene.camera.tell(DeviceEvent(DeviceEventKind.DIGITAL_INPUT, on=True, name="1"))
        scene.camera.tell(DeviceEvent(DeviceEventKind.RELAY, on=True, name="1"))
        assert scene.news() == [
            ("VideoSource/ImageTooDark/ImagingService", "VideoSource_door", "true"),
            ("VideoSource/ImageTooBright/ImagingService", "VideoSource_door", "true"),
            ("VideoSource/ImageTooBlurry/ImagingService", "VideoSource_door", "true"),
            ("VideoSource/GlobalSceneChange/ImagingService", "VideoSource_door", "false"),
            ("Device/Trigger/DigitalInput", "DigitalInput_door_1", "true"),
            ("Device/Trigger/Relay", "RelayOutput_door_1", "active"),
        ]


async def test_motion_of_the_camera_does_not_count_where_the_gateway_looks() -> None:
    async with listening(motion=False) as scene:
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        assert scene.news() == []
        assert "tns1:VideoSource/MotionAlarm" not in {each.topic for each in scene.bus.topics()}


@pytest.mark.parametrize(
    ("kinds", "topics"),
    [
        (
            {DeviceEventKind.RELAY, DeviceEventKind.DARK},
            {"Device/Trigger/Relay", "VideoSource/ImageTooDark/ImagingService"},
        ),
        ({DeviceEventKind.MOTION}, {"VideoSource/MotionAlarm"}),
    ],
)
async def test_topics_are_those_that_a_camera_can_tell(kinds: set[DeviceEventKind], topics: set[str]) -> None:
    clock, camera = FakeClock(), Camera()
    camera.event_kinds = frozenset(kinds)
    bus = EventBus(clock)
    events = CameraEvents([EventCamera("door", camera, motion=True)], bus, MotionAlarms(bus, token), token, clock)
    assert {each.topic.removeprefix("tns1:") for each in bus.topics()} == topics
    events.follow({"door": (True, HOLD)})
    assert {each.topic.removeprefix("tns1:") for each in bus.topics()} == topics


async def test_two_who_see_the_same_motion_give_one_alarm() -> None:
    async with listening() as scene:
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        scene.alarms.tell("door", "gateway", on=True)
        scene.camera.tell(DeviceEvent(MOTION, on=False, name="a"))
        assert scene.news() == [BEGINS]
        scene.alarms.tell("door", "gateway", on=False)
        assert scene.news() == [ENDS]


async def test_whose_word_counts_can_change() -> None:
    async with listening(motion=False) as scene:
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        scene.events.follow({"door": (True, 5.0), "gate": (True, 5.0)})
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        assert scene.news() == [BEGINS]
        await settle()
        await scene.clock.advance(5.0)
        assert scene.news() == [ENDS]
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        scene.events.follow({"door": (False, 5.0)})
        assert scene.news() == [BEGINS, ENDS]
        scene.camera.tell(DeviceEvent(MOTION, on=True, name="a"))
        assert scene.news() == []
        scene.alarms.forget("door")
        assert scene.news() == [("VideoSource/MotionAlarm", "VideoSource_door", "false")]
