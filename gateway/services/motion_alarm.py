"""The one motion alarm of a camera, whoever sees motion: the gateway, the camera, or both."""

from collections import deque
from collections.abc import Callable

from gateway.domain.event import Event, TopicDescription
from gateway.services.eventbus import EventBus

MOTION_ALARM = TopicDescription(
    "tns1:VideoSource/MotionAlarm", (("Source", "tt:ReferenceToken"),), (("State", "xs:boolean"),), is_property=True
)


MAX_STRETCHES = 1024
"""Of one camera that are remembered for the archive."""


class MotionStretches:
    """When somebody lately said that there is motion in one camera."""

    def __init__(self) -> None:
        self._over: deque[tuple[int, int]] = deque(maxlen=MAX_STRETCHES)
        self._since: int | None = None

    def tell(self, utc_ns: int, *, on: bool) -> None:
        """Take what is said at a time; the same again changes nothing."""
        if on and self._since is None:
            self._since = utc_ns
        elif not on and self._since is not None:
            self._over.append((self._since, utc_ns))
            self._since = None

    def touch(self, start_ns: int, end_ns: int) -> bool:
        """Tell whether there was motion at some moment of a stretch of time."""
        if self._since is not None and self._since < end_ns:
            return True
        return any(since < end_ns and start_ns < until for since, until in reversed(self._over))


class MotionAlarms:
    """Tells that motion begins with the first who sees it and ends with the last."""

    def __init__(self, bus: EventBus, source_token: Callable[[str], str]) -> None:
        """`source_token` makes a video source's token of a camera's id."""
        self._bus = bus
        self._source_token = source_token
        self._seeing: dict[str, set[str]] = {}

    def leave(self, camera: str, who: str) -> None:
        """Take that somebody looks no more."""
        if who in self._seeing.get(camera, ()):
            self.tell(camera, who, on=False)

    def forget(self, camera: str) -> None:
        """Take back what was told of a camera in which nobody sees motion any more."""
        self._seeing.pop(camera, None)
        self._bus.delete(MOTION_ALARM.topic, (("Source", self._source_token(camera)),))

    def tell(self, camera: str, who: str, *, on: bool, utc_ns: int = 0) -> None:
        """Take what somebody sees from now on."""
        seeing = self._seeing.setdefault(camera, set())
        (seeing.add if on else seeing.discard)(who)
        source = {"Source": self._source_token(camera)}
        self._bus.publish(Event.of(MOTION_ALARM.topic, source, {"State": bool(seeing)}, utc_ns=utc_ns))
