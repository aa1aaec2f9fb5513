"""The composition root: builds the parts, starts them in order and stops them in reverse."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from importlib.metadata import version
from typing import Self

import msgspec
import uvloop

from gateway.archive_switch import ArchiveSwitch
from gateway.archiving import Surroundings
from gateway.brokers import broker_operations
from gateway.camera_commands import camera_commands
from gateway.camera_records import CameraRecords
from gateway.config import Config, data_directory
from gateway.controlling import Controlling
from gateway.db import Database, EventStore, load_identity, open_database
from gateway.domain.device import MANUFACTURER, MODEL, PACKAGE, DeviceIdentity
from gateway.domain.errors import GatewayError
from gateway.domain.reach import Reach
from gateway.drivers import camera_specs, with_added
from gateway.listeners import Listeners
from gateway.media.decoder import DecoderPool
from gateway.metadata import LiveMetadata
from gateway.onvif.authentication import Authenticator
from gateway.onvif.capabilities import CapabilityModel
from gateway.onvif.codec import Codec
from gateway.onvif.context import Service
from gateway.onvif.contract import Contract, load_contract
from gateway.onvif.device import DeviceActions, DeviceService
from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.endpoint import Endpoint
from gateway.onvif.events import EventService
from gateway.onvif.events_brokers import BrokerOperations
from gateway.onvif.events_notify import NOTIFY_CONTENT_TYPE
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.media_faults import ANONYMOUS_FAULTS
from gateway.onvif.media_model import video_source_token
from gateway.onvif.media_profiles import MediaProfiles, Streaming
from gateway.parts import (
    Report,
    device_settings,
    finder,
    gatekeeper,
    multicast_streams,
    report_of,
    rtsp_options,
    token_verifier,
)
from gateway.protocols.rtp import parameter_sets
from gateway.registry import Registry
from gateway.reloading import Reloading, cameras_watched_anew, taken_over
from gateway.sdk.clock import SystemClock
from gateway.servers import memory
from gateway.servers.access import Gatekeeper
from gateway.servers.console import console_routes
from gateway.servers.control import ControlServer
from gateway.servers.discovery import DiscoveryServer, system_interfaces
from gateway.servers.host import SystemNetwork
from gateway.servers.http import HttpServer, HttpSettings
from gateway.servers.http_access import HttpAccess
from gateway.servers.http_callbacks import HttpCallbacks
from gateway.servers.http_clip import clip_routes
from gateway.servers.http_export import export_routes
from gateway.servers.http_post import HttpPoster
from gateway.servers.http_wsdl import wsdl_routes
from gateway.servers.multicast import MulticastStreams
from gateway.servers.rtsp import RtspServer
from gateway.services.accounts import Accounts
from gateway.services.backfill import edge_archives
from gateway.services.cameras import Cameras, CameraSpec
from gateway.services.event_sources import tell_media_changes, tell_signal_loss, tell_start
from gateway.services.eventbus import EventBus
from gateway.services.metadata import MetadataStreams
from gateway.services.motion import Motion
from gateway.services.motion_rules import MotionRules
from gateway.services.profiles import Profiles
from gateway.services.sinks import Sinks
from gateway.services.snapshots import Snapshots
from gateway.services.subscriptions import Subscriptions
from gateway.services.talking import Talks
from gateway.sinks import CLIPS, camera_finder, sink_specs
from gateway.vendors import Control, mount_services
from gateway.watching import Watching

DEVICE_TYPES = (
    "{http://www.onvif.org/ver10/network/wsdl}NetworkVideoTransmitter",
    "{http://www.onvif.org/ver10/device/wsdl}Device",
)
WEBSOCKET_URI = "ws:/rtsp"
RESTART_SECONDS = 1.0
"""Between the answer to SystemReboot and the restart, so that the answer gets out."""
_DAY_NS = 86_400 * 1_000_000_000

_log = logging.getLogger(__name__)


def run(read: Callable[[], Config], ready: Callable[[Report], None], environment: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT; `ready` is called at every start. Raises GatewayError when it can't start.

    `read` returns the configuration; it is called again at SIGHUP.
    """
    memory.keep_freed()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(read, ready, environment))


async def _run(read: Callable[[], Config], ready: Callable[[Report], None], environment: Mapping[str, str]) -> None:
    config = read()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while not stop.is_set():
        async with Gateway(config, environment) as gateway:
            memory.settle()
            loop.add_signal_handler(signal.SIGHUP, gateway.reload, read)
            ready(gateway.report)
            await gateway.wait(stop)
            config = gateway.configured


class Gateway:
    """One running gateway, as an asynchronous context. Raises GatewayError on entry when it can't start."""

    report: Report

    def __init__(self, config: Config, environment: Mapping[str, str]) -> None:
        self.config = config
        """As it is in force, with the cameras that were added by command."""
        self._cameras_of_file = config.cameras
        self._environment = environment
        self._clock = SystemClock()
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._restart = asyncio.Event()
        self._callbacks = HttpCallbacks()
        self._http: HttpServer | None = None
        self._discovery: DiscoveryServer | None = None
        self._reloads = asyncio.Lock()
        self._reloading: Reloading
        self._records: CameraRecords

    async def __aenter__(self) -> Self:
        async with self._stack:
            self._stack.push_async_callback(self._cancel_tasks)
            self.report = await self._start()
            self._stack = self._stack.pop_all()
        return self

    @property
    def configured(self) -> Config:
        """Return the configuration in force, without what was added to it by command."""
        return msgspec.structs.replace(self.config, cameras=self._cameras_of_file)

    async def __aexit__(self, *_: object) -> None:
        _log.info("stopping")
        await self._stack.aclose()

    async def wait(self, stop: asyncio.Event) -> None:
        """Return when told to stop or to restart. Raises what a part that must not end has ended with."""
        told = {asyncio.create_task(event.wait()) for event in (stop, self._restart)}
        running = {*told, *self._tasks}
        try:
            while told <= running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in told:
                task.cancel()

    def reload(self, read: Callable[[], Config]) -> None:
        """Take over what of a new configuration needs no restart: `gateway.reloading` says what that is."""
        self._spawn("reload", self._reload(read))

    async def _reload(self, read: Callable[[], Config]) -> None:
        async with self._reloads:
            try:
                new = read()
                config = taken_over(self.config, new)
                followed = await self._reloading.follow(self.config, config)
            except GatewayError as error:
                _log.error("the configuration is not read again: %s", error.message)
                return
            if followed:
                self.config = config
                self._cameras_of_file = cameras_watched_anew(self._cameras_of_file, new.cameras)
                _log.info("the configuration was read again")

    async def _start(self) -> Report:
        database = self._open_database()
        config, clock = self.config, self._clock
        accounts = Accounts(database.accounts)
        administrator = await accounts.ensure_first_administrator(self._environment)
        keeper = self._keeper(accounts)

        registry = Registry(config.plugins.disabled)
        specs, cameras = self._bring_in(registry, database)
        bus = EventBus(clock)
        past = self._past_events(database, bus)
        codec = Codec(contract := load_contract())
        metadata = LiveMetadata(cameras, bus, codec, clock)
        multicast = multicast_streams(config, streams := metadata.streams, cameras)
        controlling = self._control(Controlling(config, specs, cameras, database, clock))
        rtsp = self._rtsp(streams, keeper, multicast, controlling.talks)
        listeners = self._listen(rtsp)

        streaming = Streaming(multicast, streams.synchronize, listeners.port("rtsps"), WEBSOCKET_URI)
        watching = Watching(config, registry, database, codec, clock)
        profiles = MediaProfiles(
            cameras, Profiles(database.profiles), streaming, watching.configurations, controlling.access
        )
        if multicast is not None:
            multicast.written, multicast.sender = profiles.groups, rtsp

        identity = load_identity(database.settings, manufacturer=MANUFACTURER, model=MODEL, firmware=version(PACKAGE))
        model = CapabilityModel(contract, codec)
        device = DeviceService(
            identity,
            device_settings(config, listeners),
            model,
            SystemNetwork(),
            accounts,
            database.settings,
            self._device_actions(profiles, watching.rules, database),
            clock,
            controlling.contacts,
        )
        decoders = self._decoders()
        motion = self._watch(watching.motion(cameras, bus, decoders))
        watching.tell_changes(profiles.stored, tell_media_changes(bus))
        self._spawn("camera events", watching.camera_events(specs, bus, self._records.events_lost).run())
        sinks = self._sinks(registry, database, bus, identity)
        brokers = broker_operations(registry, config.brokers, identity.uuid, database, bus, codec, clock)
        events = await self._events(
            Subscriptions(bus, clock, history=past), bus, cameras, contract, codec, sinks, brokers
        )
        media = (MediaService(profiles), Media2Service(profiles), DeviceIOService(profiles, controlling.contacts))
        services: tuple[Service, ...] = (device, *media, events, *watching.services())
        for service in services:
            model.register(service)
        authenticator = Authenticator(keeper, token_verifier(config), clock)
        endpoint = Endpoint(services, contract, codec, authenticator, clock, anonymous_faults=ANONYMOUS_FAULTS)

        controlling.show(profiles, model, endpoint, self._scopes_changed)

        access = HttpAccess(keeper)
        around = Surroundings(
            registry,
            database,
            identity.uuid,
            cameras,
            streams,
            profiles,
            bus,
            contract,
            codec,
            clock,
            rtsp,
            WEBSOCKET_URI,
            watching.strongest,
            past,
            edge_archives(specs, cameras),
        )
        archive = ArchiveSwitch(around, model, endpoint, self._scopes_changed)
        self._reloading = Reloading(
            registry,
            database,
            identity.uuid,
            clock,
            watching,
            sinks,
            brokers.brokers,
            archive.follow,
            controlling.use,
            model,
            endpoint,
            self._scopes_changed,
        )
        metadata.follow(profiles, events, motion, archive.recordings)
        routes = [
            wsdl_routes(
                mount_services(
                    registry,
                    Control(cameras, database, archive.storages, archive.tokens, self._records.past, clock),
                    model,
                    endpoint,
                ),
                config.http.external or "",
            ),
            console_routes(config.gateway.name, cameras, access, listeners.rtsp_base),
            export_routes(access, archive.movie),
            clip_routes(database.derived(CLIPS), archive.movie, clock),
            self._callbacks.routes(),
        ]
        snapshots, settings = (
            self._snapshots(cameras, decoders),
            HttpSettings(listeners.rtsp_base, config.http.external or ""),
        )
        await self._start_http(HttpServer(endpoint, access, snapshots.at, settings, routes))
        await self._start_archive(archive, cameras, past)

        # they remember their streams in the database when they end
        self._stack.push_async_callback(_cancel, self._spawn("cameras", cameras.run()))
        self._spawn("rtsp", rtsp.run())
        listeners.start()
        await self._start_discovery(identity, device, listeners)
        return report_of(cameras, listeners, administrator)

    def _open_database(self) -> Database:
        """Open the database, and take the cameras in it into the configuration in force."""
        config = self.config
        database = open_database(data_directory(config, self._environment), config.database.url, self._environment)
        self._stack.callback(database.close)
        self.config = with_added(config, database.added_cameras.load())
        return database

    def _bring_in(self, registry: Registry, database: Database) -> tuple[list[CameraSpec], Cameras]:
        """Make the cameras; what becomes of them is written to the end, once they have ended."""
        config, clock = self.config, self._clock
        self._records = records = CameraRecords(database, clock)
        looking = finder(config, clock)
        specs = camera_specs(config, registry, clock, callbacks=self._callbacks, finder=looking, known=records.known)
        cameras = Cameras(specs, records, clock)
        records.follow(specs, cameras)
        self._stack.push_async_callback(_cancel, self._spawn("camera records", records.run()))
        return specs, cameras

    def _keeper(self, accounts: Accounts) -> Gatekeeper:
        self._spawn("accounts", accounts.follow(self._clock))
        return gatekeeper(self.config, accounts, self._clock)

    def _snapshots(self, cameras: Cameras, decoders: DecoderPool) -> Snapshots:
        snapshots = Snapshots(cameras, decoders)
        self._stack.callback(snapshots.close)
        return snapshots

    def _rtsp(
        self, streams: MetadataStreams, gatekeeper: Gatekeeper, multicast: MulticastStreams | None, talks: Talks
    ) -> RtspServer:
        options = rtsp_options(self.config)
        rtsp = RtspServer(streams, gatekeeper, self._clock, options=options, multicast=multicast, talks=talks)
        rtsp.start()
        self._stack.callback(rtsp.close)
        return rtsp

    def _listen(self, rtsp: RtspServer) -> Listeners:
        config = self.config
        listeners = Listeners(config, rtsp, self._web_protocol)
        self._stack.callback(listeners.close)
        listeners.open("http", config.http.listen)
        self._callbacks.reached_at = listeners.callbacks_at
        listeners.open("rtsp", config.rtsp.listen)
        if config.tls.http_listen is not None:
            listeners.open("https", config.tls.http_listen)
        if config.tls.rtsp_listen is not None:
            listeners.open("rtsps", config.tls.rtsp_listen)
        return listeners

    def _web_protocol(self) -> asyncio.Protocol:
        if self._http is None:
            raise RuntimeError("a web connection was accepted before the web server was started")
        return self._http.protocol()

    def _device_actions(self, profiles: MediaProfiles, rules: MotionRules, database: Database) -> DeviceActions:
        async def restart() -> None:
            self._spawn("restart", self._restart_soon())

        async def reset() -> None:
            for profile in profiles.stored.virtual():
                profiles.stored.delete(profile.token)
            rules.reset()
            database.brokers.save(())
            await restart()

        return DeviceActions(restart=restart, reset=reset, scopes_changed=self._scopes_changed)

    def _scopes_changed(self) -> None:
        if self._discovery is not None:
            self._discovery.announce()

    async def _restart_soon(self) -> None:
        await self._clock.sleep(RESTART_SECONDS)
        self._restart.set()

    def _past_events(self, database: Database, bus: EventBus) -> EventStore | None:
        """Keep what is told from now on, unless that is not wanted."""
        if not self.config.events.max_events:
            return None
        past = database.events(self._clock, self.config.events.max_events)
        self._stack.callback(past.close)
        bus.attach(past)
        self._stack.push_async_callback(_cancel, self._spawn("events", past.run()))
        return past

    def _oldest_event_ns(self, archive: ArchiveSwitch) -> int:
        """Return the time from which events are kept: some days ago, and as long as there is footage of the time."""
        days_ago_ns = self._clock.utc_ns() - self.config.events.days * _DAY_NS
        return min(days_ago_ns, archive.begin_ns() or days_ago_ns)

    async def _events(
        self,
        subscriptions: Subscriptions,
        bus: EventBus,
        cameras: Cameras,
        contract: Contract,
        codec: Codec,
        sinks: Sinks,
        brokers: BrokerOperations,
    ) -> EventService:
        """Make the Event service, send events out, and tell what the gateway itself has to."""
        self._spawn("sinks", sinks.run())
        self._stack.push_async_callback(sinks.stop)
        tell_start(bus, self._clock)
        tell_signal_loss(cameras, bus, video_source_token)
        reach = Reach(self.config.events.consumers)
        poster = await self._stack.enter_async_context(HttpPoster(NOTIFY_CONTENT_TYPE, reach))
        service = EventService(bus, subscriptions, contract, codec, poster.post, self._clock, brokers, reach)
        self._spawn("notifications", service.notifications.run())
        self._spawn("brokers", brokers.brokers.run())
        return service

    def _decoders(self) -> DecoderPool:
        decoders = DecoderPool(parameter_sets.from_fmtp)
        self._stack.callback(decoders.close)
        return decoders

    def _watch(self, motion: Motion) -> Motion:
        """Have motion looked for until what it decodes with is closed."""
        self._stack.push_async_callback(_cancel, self._spawn("motion", motion.run()))
        return motion

    def _control(self, controlling: Controlling) -> Controlling:
        """Keep what can be controlled of the cameras up to date."""
        self._spawn("controls", controlling.controls.run())
        self._stack.push_async_callback(controlling.encoders.stop)
        self._stack.push_async_callback(controlling.talks.stop)
        return controlling

    async def _start_http(self, http: HttpServer) -> None:
        self._http = http
        await http.start()
        self._stack.push_async_callback(http.stop)

    def _sinks(self, registry: Registry, database: Database, bus: EventBus, identity: DeviceIdentity) -> Sinks:
        key = database.derived(CLIPS)
        specs = sink_specs(self.config, registry, identity.uuid, database.settings, self._clock, key=key)
        return Sinks(specs, database.outbox, bus, self._clock, camera_finder(self.config))

    async def _start_archive(self, archive: ArchiveSwitch, cameras: Cameras, past: EventStore | None) -> None:
        if past is not None:
            past.oldest_ns = partial(self._oldest_event_ns, archive)
        shown = camera_commands(cameras, self._restart.set, self._records.history.flush, archive.recordings)
        commands = archive.commands() | shown
        control = ControlServer(data_directory(self.config, self._environment), commands)
        await control.start()
        self._stack.push_async_callback(control.stop)
        await archive.follow(self.config)
        self._stack.push_async_callback(archive.stop)
        self._spawn("archive", archive.run())

    async def _start_discovery(self, identity: DeviceIdentity, device: DeviceService, listeners: Listeners) -> None:
        settings = self.config.discovery
        if not settings.enabled:
            return
        discovery = DiscoveryServer(
            identity.uuid,
            DEVICE_TYPES,
            device.scopes,
            lambda host: listeners.onvif_at(host, device.path),
            self._clock,
            enabled=lambda: device.discoverable,
            interfaces=lambda: system_interfaces(settings.interfaces),
        )
        await discovery.start()
        self._discovery = discovery
        self._stack.push_async_callback(discovery.stop)

    def _spawn(self, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        self._tasks.append(asyncio.create_task(work, name=name))
        return self._tasks[-1]

    async def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _cancel(task: asyncio.Task[None]) -> None:
    """Cancel a task that works with what is closed next."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
