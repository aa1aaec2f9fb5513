"""The one motion alarm of a camera, whoever sees motion: the gateway, the camera, or both."""

from collections.abc import Callable

from gateway.domain.event import Event, TopicDescription
from gateway.services.eventbus import EventBus

MOTION_ALARM = TopicDescription(
    "tns1:VideoSource/MotionAlarm", (("Source", "tt:ReferenceToken"),), (("State", "xs:boolean"),), is_property=True
)


class MotionAlarms:
    """Tells that motion begins with the first who sees it and ends with the last."""

    def __init__(self, bus: EventBus, source_token: Callable[[str], str]) -> None:
        """`source_token` makes a video source's token of a camera's id."""
        self._bus = bus
        self._source_token = source_token
        self._seeing: dict[str, set[str]] = {}

    def tell(self, camera: str, who: str, *, on: bool, utc_ns: int = 0) -> None:
        """Take what somebody sees from now on."""
        seeing = self._seeing.setdefault(camera, set())
        (seeing.add if on else seeing.discard)(who)
        source = {"Source": self._source_token(camera)}
        self._bus.publish(Event.of(MOTION_ALARM.topic, source, {"State": bool(seeing)}, utc_ns=utc_ns))
