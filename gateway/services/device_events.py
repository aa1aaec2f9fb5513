"""Events that cameras tell, on the gateway's own bus: one supervised task per camera, one policy of coming back."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, TopicDescription
from gateway.sdk.clock import Clock
from gateway.sdk.driver import DeviceEvents
from gateway.services.eventbus import EventBus
from gateway.services.expiring import Expiring
from gateway.services.motion_alarm import MOTION_ALARM, MotionAlarms, MotionStretches

FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds until a camera whose events were lost is asked again; they double."""
HOPELESS_DELAY = 600.0
"""For a camera that has no events, or refuses the login."""
TOLD_STRENGTH: Final = 128
"""Of motion that a camera tells, of 255: it says that something moves, not how much."""
_WHO: Final = "camera"
_HOPELESS: Final = (ErrorKind.UNSUPPORTED, ErrorKind.UNAUTHENTICATED)
_log = logging.getLogger(__name__)


def _of_picture(topic: str) -> TopicDescription:
    name = f"tns1:VideoSource/{topic}/ImagingService"
    return TopicDescription(name, (("Source", "tt:ReferenceToken"),), (("State", "xs:boolean"),), is_property=True)


PICTURE_TOPICS: Final = {
    DeviceEventKind.DARK: _of_picture("ImageTooDark"),
    DeviceEventKind.BRIGHT: _of_picture("ImageTooBright"),
    DeviceEventKind.BLURRED: _of_picture("ImageTooBlurry"),
    DeviceEventKind.SCENE: _of_picture("GlobalSceneChange"),
}
DIGITAL_INPUT: Final = TopicDescription(
    "tns1:Device/Trigger/DigitalInput",
    (("InputToken", "tt:ReferenceToken"),),
    (("LogicalState", "xs:boolean"),),
    is_property=True,
)
RELAY: Final = TopicDescription(
    "tns1:Device/Trigger/Relay",
    (("RelayToken", "tt:ReferenceToken"),),
    (("LogicalState", "tt:RelayLogicalState"),),
    is_property=True,
)
_TOPICS: Final = {**PICTURE_TOPICS, DeviceEventKind.DIGITAL_INPUT: DIGITAL_INPUT, DeviceEventKind.RELAY: RELAY}


def input_token(camera: str, name: str) -> str:
    """Return the gateway's token for a digital input of a camera, which calls it `name`."""
    return f"DigitalInput_{camera}_{name}"


def relay_token(camera: str, name: str) -> str:
    """Return the gateway's token for a relay of a camera, which calls it `name`."""
    return f"RelayOutput_{camera}_{name}"


@dataclass(frozen=True, slots=True)
class EventCamera:
    """One camera that tells events."""

    id: str
    driver: DeviceEvents
    motion: bool
    """Whether its word on motion counts."""
    hold: float = 60.0
    """Seconds after which motion ends that it never ends, unless it says again that it goes on; 0: never."""
    picture_hold: float = 86_400.0
    """The same of alarms of its picture: too dark, too bright, blurred, another scene."""

    @property
    def tells(self) -> frozenset[DeviceEventKind]:
        """Return what it may tell of: all, unless its driver says otherwise."""
        return getattr(self.driver, "event_kinds", frozenset(DeviceEventKind))


class CameraEvents:
    """Listens to all cameras that tell events. `run` does it until cancelled."""

    def __init__(
        self,
        cameras: Sequence[EventCamera],
        bus: EventBus,
        alarms: MotionAlarms,
        source_token: Callable[[str], str],
        clock: Clock,
        failed: Callable[[str, str], None] = lambda _camera, _error: None,
    ) -> None:
        """`source_token` makes a video source's token of a camera's id.

        `failed` is called with a camera and the error whenever its events were lost, but not for one that has none.
        """
        self._listeners = {
            camera.id: _Listener(camera, bus, alarms, source_token(camera.id), clock, failed) for camera in cameras
        }
        self._bus = bus
        told = frozenset().union(*(camera.tells for camera in cameras))
        bus.declare(*(topic for kind, topic in _TOPICS.items() if kind in told))
        self._declare_motion()

    def follow(self, motion: Mapping[str, tuple[bool, float]]) -> None:
        """Take whether each camera's word on motion counts from now on, and its seconds as in `EventCamera.hold`."""
        for camera, (counts, hold) in motion.items():
            if camera in self._listeners:
                self._listeners[camera].believe(counts=counts, hold=hold)
        self._declare_motion()

    def _declare_motion(self) -> None:
        cameras = (listener.camera for listener in self._listeners.values())
        if any(camera.motion and DeviceEventKind.MOTION in camera.tells for camera in cameras):
            self._bus.declare(MOTION_ALARM)

    def strongest(self, camera: str, start_ns: int, end_ns: int) -> int:
        """Return how strong a camera lately said that motion was in a stretch of time: `TOLD_STRENGTH`, or 0."""
        listener = self._listeners.get(camera)
        told = listener is not None and listener.stretches.touch(start_ns, end_ns)
        return TOLD_STRENGTH if told else 0

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for listener in self._listeners.values():
                tasks.create_task(listener.run(), name=f"events of camera {listener.camera.id}")


class _Listener:
    """One camera: who sees motion in it, and since when nothing was heard of that."""

    def __init__(
        self,
        camera: EventCamera,
        bus: EventBus,
        alarms: MotionAlarms,
        source: str,
        clock: Clock,
        failed: Callable[[str, str], None],
    ) -> None:
        self.camera = camera
        self._failed = failed
        self._bus = bus
        self._alarms = alarms
        self._source = source
        self._clock = clock
        self._moving = Expiring(camera.hold, lambda _: self._tell_motion(), clock)
        """Which rules of the camera see motion."""
        self._pictures = Expiring(camera.picture_hold, self._end_pictures, clock)
        """Which alarms of its picture go on, by their kinds."""
        self.stretches = MotionStretches()
        self._heard = False
        self._complaint = ""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for name, work in (("events", self._listen), ("motion", self._moving.run), ("picture", self._pictures.run)):
                tasks.create_task(work(), name=f"{name} of camera {self.camera.id}")

    async def _listen(self) -> None:
        delay = FIRST_DELAY
        while True:
            self._heard, hopeless = False, False
            try:
                await self.camera.driver.events(self._take)
                self._complain("the driver ended the events")
            except GatewayError as error:
                hopeless = error.kind in _HOPELESS
                self._complain(error.message, none=error.kind is ErrorKind.UNSUPPORTED)
            except Exception as error:  # noqa: BLE001 - the supervisor of a driver, which may be a stranger's
                self._complain(f"{type(error).__name__}: {error}")
            self._still()  # but inputs, relays and alarms of the picture stay as they were last told
            if self._heard:
                delay = FIRST_DELAY
            await self._clock.sleep(HOPELESS_DELAY if hopeless else delay)
            delay = min(delay * 2, LONGEST_DELAY)

    def _take(self, event: DeviceEvent) -> None:
        self._heard, self._complaint = True, ""
        if event.kind is DeviceEventKind.MOTION:
            self._motion(event)
        elif event.kind is DeviceEventKind.DIGITAL_INPUT:
            token = {"InputToken": input_token(self.camera.id, event.name)}
            self._bus.publish(Event.of(DIGITAL_INPUT.topic, token, {"LogicalState": event.on}))
        elif event.kind is DeviceEventKind.RELAY:
            token = {"RelayToken": relay_token(self.camera.id, event.name)}
            self._bus.publish(Event.of(RELAY.topic, token, {"LogicalState": "active" if event.on else "inactive"}))
        else:
            self._pictures.tell(event.kind, on=event.on)
            self._tell_picture(event.kind, on=event.on)

    def believe(self, *, counts: bool, hold: float) -> None:
        """Take whether the camera's word on motion counts, and for how long."""
        self.camera = replace(self.camera, motion=counts, hold=hold)
        if not counts:
            self._still()
        self._moving.hold(hold)

    def _motion(self, event: DeviceEvent) -> None:
        if not self.camera.motion:
            return
        self._moving.tell(event.name, on=event.on)
        self._tell_motion()

    def _tell_motion(self) -> None:
        self.stretches.tell(self._clock.utc_ns(), on=bool(self._moving))
        self._alarms.tell(self.camera.id, _WHO, on=bool(self._moving))

    def _still(self) -> None:
        """End all motion: nobody hears any more whether it goes on."""
        if self._moving:
            self._moving.clear()
            self._tell_motion()

    def _end_pictures(self, kinds: Iterable[str]) -> None:
        for kind in kinds:
            self._tell_picture(DeviceEventKind(kind), on=False)

    def _tell_picture(self, kind: DeviceEventKind, *, on: bool) -> None:
        self._bus.publish(Event.of(PICTURE_TOPICS[kind].topic, {"Source": self._source}, {"State": on}))

    def _complain(self, complaint: str, *, none: bool = False) -> None:
        if not none:
            self._failed(self.camera.id, complaint)
        if complaint != self._complaint:
            _log.warning("camera %s: no events: %s", self.camera.id, complaint)
        self._complaint = complaint
