"""What the gateway tells of itself: whether pictures come, and since when it runs."""

from collections.abc import Callable
from dataclasses import replace

from media_samples import channel, media_profiles

from gateway.domain.camera import Channel, ConnectionState
from gateway.services.event_sources import (
    CONFIGURATION_CHANGED,
    LAST_REBOOT,
    PROFILE_CHANGED,
    SIGNAL_LOSS,
    tell_media_changes,
    tell_signal_loss,
    tell_start,
)
from gateway.services.eventbus import EventBus, RecentEvents
from gateway.services.profiles import ConfigurationKind, ConfigurationSettings
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


async def test_changes_of_profiles_and_configurations_are_told() -> None:
    bus, history = EventBus(FakeClock()), RecentEvents()
    bus.attach(history)
    profiles = media_profiles(channel("yard"))
    profiles.stored.watch(tell_media_changes(bus))
    token = profiles.create("Mine", "").token
    profiles.add(token, [("Metadata", "Metadata_yard")])
    profiles.configure(ConfigurationKind.METADATA, "Metadata_yard", ConfigurationSettings("Mine"))
    profiles.delete(token)
    events = [event for _, event in (await history.events((0, 0), reverse=False, limit=9)).found]
    assert [(event.topic, event.source, event.operation) for event in events] == [
        (PROFILE_CHANGED.topic, (("Token", token),), None),
        (PROFILE_CHANGED.topic, (("Token", token),), None),
        (CONFIGURATION_CHANGED.topic, (("Token", "Metadata_yard"), ("Type", "Metadata")), None),
        (PROFILE_CHANGED.topic, (("Token", token),), None),
    ]


def test_the_start_is_a_state() -> None:
    bus = EventBus(FakeClock())
    tell_start(bus, FakeClock())
    assert [(event.topic, event.data) for event in bus.properties()] == [
        (LAST_REBOOT.topic, (("Status", "2023-11-14T22:13:20Z"),))
    ]
