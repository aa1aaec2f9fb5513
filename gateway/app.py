"""The composition root: builds the parts, starts them in order and stops them in reverse."""

import asyncio
import contextlib
import logging
import secrets
import signal
import ssl
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import ip_address
from typing import Self

import uvloop

from gateway.config import Config, ListenAddress, data_directory
from gateway.db import load_identity, open_database
from gateway.domain.access import Account
from gateway.domain.camera import PROFILE_NAMES
from gateway.domain.device import DeviceIdentity
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.drivers import camera_specs
from gateway.media.decoder import DecoderPool
from gateway.onvif.authentication import Authenticator
from gateway.onvif.capabilities import CapabilityModel
from gateway.onvif.codec import Codec
from gateway.onvif.contract import load_contract
from gateway.onvif.device import DeviceActions, DeviceService, DeviceSettings
from gateway.onvif.device_network import ServicePorts
from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.endpoint import Endpoint
from gateway.onvif.events import EventService
from gateway.onvif.events_notify import NOTIFY_CONTENT_TYPE
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.media_faults import ANONYMOUS_FAULTS
from gateway.onvif.media_model import video_source_token
from gateway.onvif.media_profiles import MediaProfiles, Streaming
from gateway.protocols.http_auth import Algorithm, DigestServer
from gateway.protocols.rtp import parameter_sets
from gateway.protocols.soap.wsse import TokenVerifier
from gateway.registry import Registry
from gateway.sdk.clock import SystemClock
from gateway.servers import memory
from gateway.servers.access import Gatekeeper
from gateway.servers.console import console_routes
from gateway.servers.discovery import DiscoveryServer, system_interfaces
from gateway.servers.host import SystemNetwork
from gateway.servers.http import HttpServer, HttpSettings
from gateway.servers.http_access import HttpAccess
from gateway.servers.http_post import HttpPoster
from gateway.servers.listener import Listener
from gateway.servers.multicast import MulticastStreams
from gateway.servers.rtsp import RtspServer
from gateway.servers.rtsp_ports import RtspOptions
from gateway.services.accounts import Accounts
from gateway.services.cameras import Cameras, live_path
from gateway.services.event_sources import tell_signal_loss, tell_start
from gateway.services.eventbus import EventBus
from gateway.services.limiter import FailureLimiter
from gateway.services.profiles import Profiles
from gateway.services.snapshots import Snapshots
from gateway.services.subscriptions import Subscriptions

PACKAGE = "onvif-vms-gateway"
MANUFACTURER, MODEL = "ONVIF VMS Gateway", "Gateway"
DEVICE_TYPES = (
    "{http://www.onvif.org/ver10/network/wsdl}NetworkVideoTransmitter",
    "{http://www.onvif.org/ver10/device/wsdl}Device",
)
WEBSOCKET_URI = "ws:/rtsp"
RESTART_SECONDS = 1.0
"""Between the answer to SystemReboot and the restart, so that the answer gets out."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CameraReport:
    """A camera and the URIs of its streams by profile name."""

    id: str
    name: str
    streams: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """What a person or a program needs to know once the gateway is up."""

    onvif: str
    rtsp: str
    console: str
    cameras: tuple[CameraReport, ...]
    administrator: Account | None
    """The first administrator, if this start made it with a random password."""


def run(config: Config, ready: Callable[[Report], None], environment: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT; `ready` is called at every start. Raises GatewayError when it can't start."""
    memory.keep_freed()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(config, ready, environment))


async def _run(config: Config, ready: Callable[[Report], None], environment: Mapping[str, str]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while not stop.is_set():
        async with Gateway(config, environment) as gateway:
            memory.settle()
            ready(gateway.report)
            await gateway.wait(stop)


class Gateway:
    """One running gateway, as an asynchronous context. Raises GatewayError on entry when it can't start."""

    report: Report

    def __init__(self, config: Config, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment
        self._clock = SystemClock()
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._restart = asyncio.Event()
        self._http: HttpServer | None = None
        self._discovery: DiscoveryServer | None = None

    async def __aenter__(self) -> Self:
        async with self._stack:
            self._stack.push_async_callback(self._cancel_tasks)
            self.report = await self._start()
            self._stack = self._stack.pop_all()
        return self

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

    async def _start(self) -> Report:
        config, clock, stack = self._config, self._clock, self._stack
        database = open_database(data_directory(config, self._environment), config.database.url, self._environment)
        stack.callback(database.close)
        accounts = Accounts(database.accounts)
        administrator = await accounts.ensure_first_administrator(self._environment)
        gatekeeper = self._gatekeeper(accounts)

        specs = camera_specs(config, Registry(config.plugins.disabled), clock)
        cameras = Cameras(specs, database.channels, clock)
        multicast = self._multicast(cameras)
        rtsp = RtspServer(cameras, gatekeeper, clock, options=self._rtsp_options(), multicast=multicast)
        rtsp.start()
        stack.callback(rtsp.close)
        listeners = self._listen(rtsp)

        streaming = Streaming(multicast=multicast, rtsps_port=listeners.port("rtsps"), websocket=WEBSOCKET_URI)
        profiles = MediaProfiles(cameras, Profiles(database.profiles), streaming)
        if multicast is not None:
            multicast.written, multicast.sender = profiles.groups, rtsp

        identity = load_identity(database.settings, manufacturer=MANUFACTURER, model=MODEL, firmware=version(PACKAGE))
        contract = load_contract()
        codec = Codec(contract)
        model = CapabilityModel(contract, codec)
        device = DeviceService(
            identity,
            self._device_settings(listeners),
            model,
            SystemNetwork(),
            accounts,
            database.settings,
            self._device_actions(profiles),
            clock,
        )
        bus = EventBus(clock)
        subscriptions = Subscriptions(bus, clock)
        tell_start(bus, clock)
        tell_signal_loss(cameras, bus, video_source_token)
        poster = await stack.enter_async_context(HttpPoster(NOTIFY_CONTENT_TYPE))
        events = EventService(bus, subscriptions, contract, codec, poster.post, clock)
        services = (device, MediaService(profiles), Media2Service(profiles), DeviceIOService(profiles), events)
        for service in services:
            model.register(service)
        verifier = self._token_verifier()
        authenticator = Authenticator(gatekeeper, verifier, clock)
        endpoint = Endpoint(services, contract, codec, authenticator, clock, anonymous_faults=ANONYMOUS_FAULTS)

        decoders = DecoderPool(parameter_sets.from_fmtp)
        stack.callback(decoders.close)
        snapshots = Snapshots(cameras, decoders)
        stack.callback(snapshots.close)
        access = HttpAccess(gatekeeper)
        console = console_routes(config.gateway.name, cameras, access, listeners.rtsp_base)
        settings = HttpSettings(listeners.rtsp_base, config.http.external or "")
        self._http = HttpServer(endpoint, access, snapshots.at, settings, [console])
        await self._http.start()
        stack.push_async_callback(self._http.stop)

        self._spawn("cameras", cameras.run())
        self._spawn("rtsp", rtsp.run())
        self._spawn("notifications", events.notifications.run())
        self._spawn("accounts", accounts.follow(clock))
        listeners.start()
        await self._start_discovery(identity, device, listeners)
        return _report(cameras, listeners, administrator)

    def _gatekeeper(self, accounts: Accounts) -> Gatekeeper:
        digest = DigestServer(PACKAGE, secrets.token_bytes(32))
        digest.algorithms = tuple(Algorithm(name) for name in self._config.access.digest_algorithms)
        return Gatekeeper(accounts, digest, FailureLimiter(), self._clock, self._config.access.anonymous_viewers)

    def _token_verifier(self) -> TokenVerifier | None:
        access = self._config.access
        return TokenVerifier(allow_text=access.plain_password_tokens) if access.username_tokens else None

    def _multicast(self, cameras: Cameras) -> MulticastStreams | None:
        settings = self._config.multicast
        if not settings.enabled:
            return None
        paths = [live_path(channel.id, name) for channel in cameras.channels() for name in PROFILE_NAMES]
        return MulticastStreams(settings.groups(paths), cameras.description, settings.ttl, settings.interface)

    def _rtsp_options(self) -> RtspOptions:
        settings = self._config.rtsp
        return RtspOptions(
            session_timeout=settings.session_timeout,
            max_connections=settings.max_connections,
            max_connections_per_address=settings.max_connections_per_address,
        )

    def _listen(self, rtsp: RtspServer) -> "_Listeners":
        config = self._config
        listeners = _Listeners(config, rtsp, self._web_protocol)
        self._stack.callback(listeners.close)
        listeners.open("http", config.http.listen)
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

    def _device_settings(self, listeners: "_Listeners") -> DeviceSettings:
        config = self._config.gateway
        ports = ServicePorts(listeners.http.port, listeners.rtsp.port, listeners.port("https"))
        access = self._config.access
        return DeviceSettings(config.name, config.location, ports, access.username_tokens, access.digest_algorithms)

    def _device_actions(self, profiles: MediaProfiles) -> DeviceActions:
        async def restart() -> None:
            self._spawn("restart", self._restart_soon())

        async def reset(_hard: bool) -> None:  # noqa: FBT001 - the port's shape
            for profile in profiles.stored.virtual():
                profiles.stored.delete(profile.token)
            await restart()

        return DeviceActions(restart=restart, reset=reset, scopes_changed=self._scopes_changed)

    def _scopes_changed(self) -> None:
        if self._discovery is not None:
            self._discovery.announce()

    async def _restart_soon(self) -> None:
        await self._clock.sleep(RESTART_SECONDS)
        self._restart.set()

    async def _start_discovery(self, identity: DeviceIdentity, device: DeviceService, listeners: "_Listeners") -> None:
        settings = self._config.discovery
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

    def _spawn(self, name: str, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Listeners:
    """The open ports by protocol, and the addresses that clients reach them at."""

    def __init__(self, config: Config, rtsp: RtspServer, web: Callable[[], asyncio.Protocol]) -> None:
        self._config = config
        self._rtsp = rtsp
        self._web = web
        self._open: dict[str, Listener] = {}

    def open(self, protocol: str, listen: ListenAddress) -> None:
        """Open the port of `http`, `https`, `rtsp` or `rtsps`. Raises GatewayError."""
        web = self._web if protocol.startswith("http") else None
        tls = _tls_context(self._config) if protocol.endswith("s") else None
        try:
            self._open[protocol] = Listener(listen.address, listen.port, self._rtsp, web, tls)
        except OSError as error:
            message = f"{protocol.upper()} can't listen on {listen}: {error.strerror or error}"
            raise GatewayError(ErrorKind.UNAVAILABLE, message) from error

    def start(self) -> None:
        """Begin to accept."""
        for listener in self._open.values():
            listener.start()

    def close(self) -> None:
        """Stop accepting."""
        for listener in self._open.values():
            listener.close()

    @property
    def http(self) -> ListenAddress:
        """Where ONVIF and the console listen."""
        return ListenAddress(*self._open["http"].address)

    @property
    def rtsp(self) -> ListenAddress:
        """Where RTSP listens."""
        return ListenAddress(*self._open["rtsp"].address)

    def port(self, protocol: str) -> int | None:
        """Return a protocol's port, or None where it is not served."""
        listener = self._open.get(protocol)
        return None if listener is None else listener.address[1]

    def http_base(self, host: str) -> str:
        """Return the web's base address at a host, or the configured external one."""
        return (self._config.http.external or f"http://{host}:{self.http.port}").rstrip("/")

    def rtsp_base(self, host: str) -> str:
        """Return RTSP's base address at a host, or the configured external one."""
        return (self._config.rtsp.external or f"rtsp://{host}:{self.rtsp.port}").rstrip("/")

    def onvif_at(self, address: str, path: str) -> str | None:
        """Return the device service's URL at one of our IP addresses; None where nobody listens."""
        bound = ip_address(self.http.address)
        if not bound.is_unspecified and bound != ip_address(address):
            return None
        return self.http_base(f"[{address}]" if ":" in address else address) + path


def _tls_context(config: Config) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(str(config.tls.certificate), str(config.tls.key))
    except (OSError, ssl.SSLError) as error:
        message = f"tls.certificate {str(config.tls.certificate)!r} and its key can't be loaded: {error}"
        raise GatewayError(ErrorKind.INVALID, message) from error
    return context


def _report(cameras: Cameras, listeners: _Listeners, administrator: Account | None) -> Report:
    host = _own_host(listeners.http.address)
    rtsp = listeners.rtsp_base(_own_host(listeners.rtsp.address))
    reports = tuple(
        CameraReport(channel.id, channel.name, {profile.name: rtsp + profile.path for profile in channel.profiles})
        for channel in cameras.channels()
    )
    web = listeners.http_base(host)
    return Report(web + DeviceService.path, rtsp, f"{web}/", reports, administrator)


def _own_host(bound: str) -> str:
    """Return the host to print for a bound address: this machine's first address where it is the wildcard."""
    if ip_address(bound).is_unspecified:
        interfaces = [interface for interface in SystemNetwork().interfaces() if not interface.loopback]
        addresses = [address for interface in interfaces for address, _ in interface.ipv4]
        bound = addresses[0] if addresses else "127.0.0.1"
    return f"[{bound}]" if ":" in bound else bound
