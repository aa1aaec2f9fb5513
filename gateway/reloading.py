"""What a gateway that runs takes over from a configuration that is read again."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec.structs import replace

from gateway.brokers import broker_kinds
from gateway.config import Brokers as BrokerSettings
from gateway.config import Camera, Config, Writes
from gateway.db import Database
from gateway.domain.errors import GatewayError
from gateway.onvif.capabilities import CapabilityModel
from gateway.onvif.context import Service
from gateway.onvif.endpoint import Endpoint
from gateway.registry import Registry
from gateway.sdk.clock import Clock
from gateway.services.brokers import Brokers
from gateway.services.sinks import Sinks
from gateway.sinks import CLIPS, camera_finder, sink_specs
from gateway.watching import Watching

_log = logging.getLogger(__name__)


def taken_over(running: Config, new: Config) -> Config:
    """Return a running configuration with what of a new one needs no restart."""
    return replace(
        running,
        storages=new.storages,
        recordings=new.recordings,
        retention=new.retention,
        motion=new.motion,
        sinks=new.sinks,
        brokers=new.brokers,
        writes=new.writes,
        cameras=cameras_watched_anew(running.cameras, new.cameras),
    )


def cameras_watched_anew(running: tuple[Camera, ...], new: tuple[Camera, ...]) -> tuple[Camera, ...]:
    """Return running cameras with what new ones of the same ids say of motion."""
    motion = {camera.id: camera.motion for camera in new}
    return tuple(replace(camera, motion=motion.get(camera.id, camera.motion)) for camera in running)


@dataclass(frozen=True, slots=True)
class Reloading:
    """The parts of a running gateway that follow its configuration."""

    registry: Registry
    database: Database
    installation: str
    clock: Clock
    watching: Watching
    sinks: Sinks
    brokers: Brokers
    record: Callable[[Config], Awaitable[bool]]
    """Records as a configuration says; returns whether that could be."""
    use_writes: Callable[[Writes], None]
    """Treats what clients write as a configuration says."""
    model: CapabilityModel
    endpoint: Endpoint
    announced: Callable[[], None]
    """Called when services have come or gone."""

    async def follow(self, running: Config, config: Config) -> bool:
        """Do as a configuration says from now on; returns whether that could be. If not, nothing has changed.

        Raises GatewayError, when what it says can't be.
        """
        plan = self.watching.prepare(config)
        specs = sink_specs(
            config,
            self.registry,
            self.installation,
            self.database.settings,
            self.clock,
            key=self.database.derived(CLIPS),
        )
        if self._says_otherwise_of_recording(running, config) and not await self.record(config):
            return False
        before = self.watching.services()
        await self.watching.follow(plan)
        after = self.watching.services()
        if before != after:
            self._announce(before, after)
        if config.brokers != running.brokers:
            self._use_brokers(config.brokers)
        self.use_writes(config.writes)
        try:
            await self.sinks.follow(specs, camera_finder(config))
        except GatewayError as error:
            _log.error("events for sinks that are gone are still kept: %s", error.message)
        return True

    def _announce(self, gone: tuple[Service, ...], come: tuple[Service, ...]) -> None:
        for service in gone:
            self.model.withdraw(service)
            self.endpoint.remove(service)
        for service in come:
            self.model.register(service)
            self.endpoint.add(service)
        self.announced()

    @staticmethod
    def _says_otherwise_of_recording(running: Config, config: Config) -> bool:
        sections = ("storages", "recordings", "retention")
        return any(getattr(running, name) != getattr(config, name) for name in sections)

    def _use_brokers(self, settings: BrokerSettings) -> None:
        self.brokers.use(broker_kinds(self.registry, settings, self.installation))
