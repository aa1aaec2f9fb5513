"""The event half of the running gateway: what happens is kept, and told to clients, brokers and sinks."""

import logging
from collections.abc import Callable, Sequence

from gateway.brokers import broker_kinds, broker_operations
from gateway.config import Config
from gateway.db import Database, EventStore
from gateway.domain.errors import GatewayError
from gateway.domain.reach import Reach
from gateway.lifetime import Lifetime
from gateway.onvif.codec import Codec
from gateway.onvif.contract import Contract
from gateway.onvif.events import EventService
from gateway.onvif.events_notify import NOTIFY_CONTENT_TYPE
from gateway.onvif.media_model import video_source_token
from gateway.registry import Registry
from gateway.sdk.clock import Clock
from gateway.servers.http_post import HttpPoster
from gateway.services.brokers import Brokers
from gateway.services.cameras import Cameras
from gateway.services.event_sources import tell_signal_loss, tell_start
from gateway.services.eventbus import EventBus
from gateway.services.sink_worker import SinkSpec
from gateway.services.sinks import Sinks
from gateway.services.subscriptions import Subscriptions
from gateway.sinks import CLIPS, camera_finder, sink_specs

_DAY_NS = 86_400 * 1_000_000_000

_log = logging.getLogger(__name__)


class Telling:
    """The event bus, and whoever hears of what is told on it."""

    def __init__(
        self, config: Config, registry: Registry, database: Database, installation: str, clock: Clock, life: Lifetime
    ) -> None:
        self._config = config
        self._registry = registry
        self._database = database
        self._installation = installation
        self._clock = clock
        self.bus = EventBus(clock)
        self.past = self._keep(life)
        """Past events, where they are kept."""
        self._sinks: Sinks
        self._brokers: Brokers

    def _keep(self, life: Lifetime) -> EventStore | None:
        """Keep what is told from now on, unless that is not wanted."""
        most = self._config.events.max_events
        if not most:
            return None
        past = self._database.events(self._clock, most)
        life.callback(past.close)
        self.bus.attach(past)
        life.spawn_in_turn("events", past.run())
        return past

    def keep_from(self, footage_ns: Callable[[], int | None]) -> None:
        """Keep events for some days, and as long as there is footage of the time; this begins at `footage_ns`."""

        def oldest_ns() -> int:
            days_ago_ns = self._clock.utc_ns() - self._config.events.days * _DAY_NS
            return min(days_ago_ns, footage_ns() or days_ago_ns)

        if self.past is not None:
            self.past.oldest_ns = oldest_ns

    async def start(self, cameras: Cameras, contract: Contract, codec: Codec, life: Lifetime) -> EventService:
        """Send events out, tell what the gateway itself has to, and return the Event service."""
        config, bus, clock = self._config, self.bus, self._clock
        self._sinks = sinks = Sinks(self.prepare(config), self._database.outbox, bus, clock, camera_finder(config))
        operations = broker_operations(
            self._registry, config.brokers, self._installation, self._database, bus, codec, clock
        )
        self._brokers = operations.brokers
        life.spawn("sinks", sinks.run())
        life.push_async_callback(sinks.stop)
        subscriptions = Subscriptions(bus, clock, history=self.past)
        tell_start(bus, clock)
        tell_signal_loss(cameras, bus, video_source_token)
        reach = Reach(config.events.consumers)
        poster = await life.enter_async_context(HttpPoster(NOTIFY_CONTENT_TYPE, reach))
        service = EventService(bus, subscriptions, contract, codec, poster.post, clock, operations, reach)
        life.spawn("notifications", service.notifications.run())
        life.spawn("brokers", operations.brokers.run())
        return service

    def prepare(self, config: Config) -> list[SinkSpec]:
        """Return the sinks of a configuration. Raises ConfigError for what can't be."""
        key = self._database.derived(CLIPS)
        return sink_specs(config, self._registry, self._installation, self._database.settings, self._clock, key=key)

    async def follow(self, config: Config, sinks: Sequence[SinkSpec]) -> None:
        """Tell brokers and sinks as a configuration says from now on; the sinks are those that `prepare` returned."""
        if config.brokers != self._config.brokers:
            self._brokers.use(broker_kinds(self._registry, config.brokers, self._installation))
        self._config = config
        try:
            await self._sinks.follow(sinks, camera_finder(config))
        except GatewayError as error:
            _log.error("events for sinks that are gone are still kept: %s", error.message)
