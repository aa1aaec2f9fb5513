"""What the gateway tells of itself: whether pictures come, and since when it runs."""

from collections.abc import Callable
from dataclasses import replace

from media_samples import channel

from gateway.domain.camera import Channel, ConnectionState
from gateway.services.event_sources import LAST_REBOOT, SIGNAL_LOSS, tell_signal_loss, tell_start
from gateway.services.eventbus import EventBus, RecentEvents
from gateway.testing.clock import FakeClock


class Yard:
    """One camera whose state a test sets."""

    def __init__(self) -> None:
        self.channel = replace(channel("yard"), state=ConnectionState.CONNECTING)
        self.watchers: list[Callable[[Channel], None]] = []

    def channels(self) -> tuple[Channel, ...]:
        return (self.channel,)

    def watch(self, watcher: Callable[[Channel], None]) -> None:
        self.watchers.append(watcher)

    def become(self, state: ConnectionState) -> None:
        for watcher in self.watchers:
            watcher(replace(self.channel, state=state))


async def test_a_lost_camera_is_told_and_its_return() -> None:
    bus, yard, history = EventBus(FakeClock()), Yard(), RecentEvents()
    bus.attach(history)
    tell_signal_loss(yard, bus, lambda camera: f"VideoSource_{camera}")
    assert bus.properties() == ()
    for state in (ConnectionState.OFFLINE, ConnectionState.OFFLINE, ConnectionState.ONLINE):
        yard.become(state)
    events = [event for _, event in (await history.events((0, 0), reverse=False, limit=9)).found]
    assert {event.source for event in events} == {(("Source", "VideoSource_yard"),)}
    told = [(event.data[0][1], str(event.operation)) for event in events]
    assert told == [("true", "Initialized"), ("false", "Changed")]
    assert bus.topics() == (SIGNAL_LOSS,)


def test_the_start_is_a_state() -> None:
    bus = EventBus(FakeClock())
    tell_start(bus, FakeClock())
    assert [(event.topic, event.data) for event in bus.properties()] == [
        (LAST_REBOOT.topic, (("Status", "2023-11-14T22:13:20Z"),))
    ]
