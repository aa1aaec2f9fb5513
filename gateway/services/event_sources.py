"""Events that the gateway itself has to tell: lost cameras, its own start, and what clients change of media."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from gateway.domain.camera import Channel, ConnectionState
from gateway.domain.event import Event, TopicDescription
from gateway.sdk.clock import Clock
from gateway.services.eventbus import EventBus
from gateway.services.profiles import PROFILE

SIGNAL_LOSS = TopicDescription(
    "tns1:VideoSource/SignalLoss", (("Source", "tt:ReferenceToken"),), (("State", "xs:boolean"),), is_property=True
)
LAST_REBOOT = TopicDescription(
    "tns1:Monitoring/OperatingTime/LastReboot", data=(("Status", "xs:dateTime"),), is_property=True
)
PROFILE_CHANGED = TopicDescription("tns1:Media/ProfileChanged", source=(("Token", "tt:ReferenceToken"),))
CONFIGURATION_CHANGED = TopicDescription(
    "tns1:Media/ConfigurationChanged", source=(("Token", "tt:ReferenceToken"), ("Type", "xs:string"))
)
_NS = 1_000_000_000


class Channels(Protocol):
    """What is asked of the cameras."""

    def channels(self) -> tuple[Channel, ...]:
        """Return every camera."""
        ...

    def watch(self, watcher: Callable[[Channel], None]) -> None:
        """Have a function called for every change of a camera's state."""
        ...


def tell_signal_loss(cameras: Channels, bus: EventBus, source_token: Callable[[str], str]) -> None:
    """Tell from now on whether a camera's picture is there; `source_token` makes a video source's token of its id.

    A camera that was not reached yet has no state.
    """
    bus.declare(SIGNAL_LOSS)

    def changed(channel: Channel) -> None:
        if channel.state is not ConnectionState.CONNECTING:
            lost = channel.state is ConnectionState.OFFLINE
            bus.publish(Event.of(SIGNAL_LOSS.topic, {"Source": source_token(channel.id)}, {"State": lost}))

    cameras.watch(changed)
    for channel in cameras.channels():
        changed(channel)


def tell_media_changes(bus: EventBus) -> Callable[[str, str], None]:
    """Return what tells of a change, given what changed, PROFILE or a kind of configuration, and its token."""
    bus.declare(PROFILE_CHANGED, CONFIGURATION_CHANGED)

    def changed(kind: str, token: str) -> None:
        if kind == PROFILE:
            bus.publish(Event.of(PROFILE_CHANGED.topic, {"Token": token}))
        else:
            bus.publish(Event.of(CONFIGURATION_CHANGED.topic, {"Token": token, "Type": kind}))

    return changed


def tell_start(bus: EventBus, clock: Clock) -> None:
    """Tell that the device has started now."""
    bus.declare(LAST_REBOOT)
    now = datetime.fromtimestamp(clock.utc_ns() // _NS, UTC)
    bus.publish(Event.of(LAST_REBOOT.topic, data={"Status": now.strftime("%Y-%m-%dT%H:%M:%SZ")}))
