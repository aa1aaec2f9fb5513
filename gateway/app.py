"""The composition root: builds the parts, starts them in order and stops them in reverse."""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Self

import msgspec
import uvloop

from gateway.archive_switch import ArchiveSwitch
from gateway.archiving import Surroundings
from gateway.camera_commands import camera_commands
from gateway.camera_records import CameraRecords
from gateway.config import Config, data_directory
from gateway.controlling import Controlling
from gateway.db import Database, load_identity, open_database
from gateway.domain.device import MANUFACTURER, MODEL, PACKAGE
from gateway.domain.errors import GatewayError
from gateway.drivers import camera_specs, with_added
from gateway.lifetime import Lifetime
from gateway.media.decoder import DecoderPool
from gateway.metadata import LiveMetadata
from gateway.onvif.authentication import Authenticator
from gateway.onvif.capabilities import CapabilityModel
from gateway.onvif.codec import Codec
from gateway.onvif.contract import load_contract
from gateway.onvif.device import DeviceActions, DeviceService
from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.endpoint import Endpoint
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.media_faults import ANONYMOUS_FAULTS
from gateway.onvif.media_profiles import MediaProfiles, Streaming
from gateway.onvif.offer import Offer
from gateway.parts import (
    Report,
    device_settings,
    finder,
    gatekeeper,
    multicast_streams,
    report_of,
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
from gateway.servers.host import SystemNetwork
from gateway.servers.http import HttpServer, HttpSettings
from gateway.servers.http_access import HttpAccess
from gateway.servers.http_callbacks import HttpCallbacks
from gateway.servers.http_clip import clip_routes
from gateway.servers.http_export import export_routes
from gateway.servers.http_wsdl import wsdl_routes
from gateway.services.accounts import Accounts
from gateway.services.backfill import edge_archives
from gateway.services.cameras import Cameras, CameraSpec
from gateway.services.event_sources import tell_media_changes
from gateway.services.motion_rules import MotionRules
from gateway.services.profiles import Profiles
from gateway.services.snapshots import Snapshots
from gateway.serving import Serving
from gateway.sinks import CLIPS
from gateway.telling import Telling
from gateway.vendors import Control, mount_services
from gateway.watching import Watching

WEBSOCKET_URI = "ws:/rtsp"
RESTART_SECONDS = 1.0
"""Between the answer to SystemReboot and the restart, so that the answer gets out."""

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
        self._restart = asyncio.Event()
        self._callbacks = HttpCallbacks()
        self._reloads = asyncio.Lock()
        self._life: Lifetime
        self._reloading: Reloading
        self._records: CameraRecords

    async def __aenter__(self) -> Self:
        self._life = Lifetime()
        try:
            self.report = await self._start()
        except BaseException:
            await self._life.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        _log.info("stopping")
        await self._life.aclose()

    @property
    def configured(self) -> Config:
        """Return the configuration in force, without what was added to it by command."""
        return msgspec.structs.replace(self.config, cameras=self._cameras_of_file)

    async def wait(self, stop: asyncio.Event) -> None:
        """Return when told to stop or to restart. Raises what a part that must not end has ended with."""
        await self._life.wait(stop, self._restart)

    def reload(self, read: Callable[[], Config]) -> None:
        """Take over what of a new configuration needs no restart: `gateway.reloading` says what that is."""
        self._life.spawn("reload", self._reload(read))

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
        """Build the parts, each from those before it, and start them."""
        clock, life = self._clock, self._life
        database = self._open_database()
        config = self.config
        accounts = Accounts(database.accounts)
        administrator = await accounts.ensure_first_administrator(self._environment)
        keeper = self._keeper(accounts)
        identity = load_identity(database.settings, manufacturer=MANUFACTURER, model=MODEL, firmware=version(PACKAGE))
        registry = Registry(config.plugins.disabled)
        codec = Codec(contract := load_contract())

        # cameras, and what comes from them
        specs, cameras = self._bring_in(registry, database)
        telling = Telling(config, registry, database, identity.uuid, clock, life)
        metadata = LiveMetadata(cameras, telling.bus, codec, clock)
        controlling = Controlling(config, specs, cameras, database, clock)
        controlling.start(life)

        # what is sent, and by which profiles
        multicast = multicast_streams(config, streams := metadata.streams, cameras)
        serving = Serving(config, streams, keeper, multicast, controlling.talks, clock, life)
        self._callbacks.reached_at = (listeners := serving.listeners).callbacks_at
        streaming = Streaming(multicast, streams.synchronize, listeners.port("rtsps"), WEBSOCKET_URI)
        watching = Watching(config, registry, database, codec, clock)
        profiles = MediaProfiles(
            cameras, Profiles(database.profiles), streaming, watching.configurations, controlling.access
        )
        if multicast is not None:
            multicast.written, multicast.sender = profiles.groups, serving.rtsp
        decoders = self._decoders()
        motion = watching.start(specs, cameras, telling.bus, decoders, self._records.events_lost, life)
        watching.tell_changes(profiles.stored, tell_media_changes(telling.bus))

        # services
        model = CapabilityModel(contract, codec)
        device = DeviceService(
            identity,
            device_settings(config, listeners),
            model,
            SystemNetwork(),
            accounts,
            database.settings,
            self._device_actions(profiles, watching.rules, database, serving.announce),
            clock,
            controlling.contacts,
        )
        events = await telling.start(cameras, contract, codec, life)
        media = MediaService(profiles), Media2Service(profiles), DeviceIOService(profiles, controlling.contacts)
        authenticator = Authenticator(keeper, token_verifier(config), clock)
        endpoint = Endpoint((), contract, codec, authenticator, clock, anonymous_faults=ANONYMOUS_FAULTS)
        offer = Offer(model, endpoint, serving.announce)
        offer.add((device, *media, events, *watching.services()))
        controlling.show(profiles, offer)
        surroundings = Surroundings(
            registry,
            database,
            identity.uuid,
            cameras,
            streams,
            profiles,
            telling.bus,
            contract,
            codec,
            clock,
            serving.rtsp,
            WEBSOCKET_URI,
            watching.strongest,
            telling.past,
            edge_archives(specs, cameras),
        )
        archive = ArchiveSwitch(surroundings, offer)
        telling.keep_from(archive.begin_ns)
        metadata.follow(profiles, events, motion, archive.recordings)
        self._reloading = Reloading(watching, telling, archive.follow, controlling.use, offer)
        control = Control(cameras, database, archive.storages, archive.tokens, self._records.past, clock)

        # everything is there: it may be asked for
        access, external = HttpAccess(keeper), config.http.external or ""
        routes = [
            wsdl_routes(mount_services(registry, control, offer), external),
            console_routes(config.gateway.name, cameras, access, listeners.rtsp_base),
            export_routes(access, archive.movie),
            clip_routes(database.derived(CLIPS), archive.movie, clock),
            self._callbacks.routes(),
        ]
        snapshots = self._snapshots(cameras, decoders)
        settings = HttpSettings(listeners.rtsp_base, external)
        await serving.start_http(HttpServer(endpoint, access, snapshots.at, settings, routes))
        await self._start_archive(archive, cameras)
        life.spawn_in_turn("cameras", cameras.run())  # they remember their streams in the database when they end
        serving.accept()
        await serving.be_found(identity.uuid, device)
        return report_of(cameras, listeners, administrator)

    def _open_database(self) -> Database:
        """Open the database, and take the cameras in it into the configuration in force."""
        config = self.config
        database = open_database(data_directory(config, self._environment), config.database.url, self._environment)
        self._life.callback(database.close)
        self.config = with_added(config, database.added_cameras.load())
        return database

    def _keeper(self, accounts: Accounts) -> Gatekeeper:
        self._life.spawn("accounts", accounts.follow(self._clock))
        return gatekeeper(self.config, accounts, self._clock)

    def _bring_in(self, registry: Registry, database: Database) -> tuple[list[CameraSpec], Cameras]:
        """Make the cameras; what becomes of them is written to the end, once they have ended."""
        config, clock = self.config, self._clock
        self._records = records = CameraRecords(database, clock)
        looking = finder(config, clock)
        specs = camera_specs(config, registry, clock, callbacks=self._callbacks, finder=looking, known=records.known)
        cameras = Cameras(specs, records, clock)
        records.follow(specs, cameras)
        self._life.spawn_in_turn("camera records", records.run())
        return specs, cameras

    def _decoders(self) -> DecoderPool:
        decoders = DecoderPool(parameter_sets.from_fmtp)
        self._life.callback(decoders.close)
        return decoders

    def _snapshots(self, cameras: Cameras, decoders: DecoderPool) -> Snapshots:
        snapshots = Snapshots(cameras, decoders)
        self._life.callback(snapshots.close)
        return snapshots

    def _device_actions(
        self, profiles: MediaProfiles, rules: MotionRules, database: Database, announce: Callable[[], None]
    ) -> DeviceActions:
        async def restart_soon() -> None:
            await self._clock.sleep(RESTART_SECONDS)
            self._restart.set()

        async def restart() -> None:
            self._life.spawn("restart", restart_soon())

        async def reset() -> None:
            for profile in profiles.stored.virtual():
                profiles.stored.delete(profile.token)
            rules.reset()
            database.brokers.save(())
            await restart()

        return DeviceActions(restart=restart, reset=reset, scopes_changed=announce)

    async def _start_archive(self, archive: ArchiveSwitch, cameras: Cameras) -> None:
        shown = camera_commands(cameras, self._restart.set, self._records.history.flush, archive.recordings)
        control = ControlServer(data_directory(self.config, self._environment), archive.commands() | shown)
        await control.start()
        self._life.push_async_callback(control.stop)
        await archive.follow(self.config)
        self._life.push_async_callback(archive.stop)
        self._life.spawn("archive", archive.run())
