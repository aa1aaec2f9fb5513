"""Parts of the running gateway that follow from its configuration, and what is reported of it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from gateway.config import Config
from gateway.domain.access import Account
from gateway.domain.camera import PROFILE_NAMES
from gateway.domain.device import PACKAGE
from gateway.listeners import Listeners
from gateway.onvif.device import DeviceService, DeviceSettings
from gateway.onvif.device_network import ServicePorts
from gateway.protocols.http_auth import Algorithm, DigestServer
from gateway.protocols.soap.wsse import TokenVerifier
from gateway.sdk.clock import Clock
from gateway.servers.access import Gatekeeper
from gateway.servers.finder import NetworkFinder
from gateway.servers.host import SystemNetwork
from gateway.servers.multicast import MulticastStreams
from gateway.servers.probe import probe
from gateway.services.accounts import Accounts
from gateway.services.cameras import Cameras, live_path
from gateway.services.limiter import FailureLimiter
from gateway.services.metadata import MetadataStreams

SEARCH_SECONDS = 3.0
"""For the answers of cameras that are looked for again."""


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


def report_of(cameras: Cameras, listeners: Listeners, administrator: Account | None) -> Report:
    """Return the report of a gateway that has opened its ports."""
    web = listeners.http_base(_own_host(listeners.http.address))
    rtsp = listeners.rtsp_base(_own_host(listeners.rtsp.address))
    reports = tuple(
        CameraReport(channel.id, channel.name, {profile.name: rtsp + profile.path for profile in channel.profiles})
        for channel in cameras.channels()
    )
    return Report(web + DeviceService.path, rtsp, f"{web}/", reports, administrator)


def gatekeeper(config: Config, accounts: Accounts, clock: Clock) -> Gatekeeper:
    """Return who decides on logins."""
    digest = DigestServer(PACKAGE, secrets.token_bytes(32))
    digest.algorithms = tuple(Algorithm(name) for name in config.access.digest_algorithms)
    return Gatekeeper(accounts, digest, FailureLimiter(), clock, config.access.anonymous_viewers)


def token_verifier(config: Config) -> TokenVerifier | None:
    """Return what checks UsernameTokens; None where they are not taken."""
    access = config.access
    return TokenVerifier(allow_text=access.plain_password_tokens) if access.username_tokens else None


def finder(config: Config, clock: Clock) -> NetworkFinder | None:
    """Return what looks for cameras that have moved; None where nothing is searched for."""
    settings = config.discovery
    return NetworkFinder(lambda: probe(SEARCH_SECONDS, settings.interfaces), clock) if settings.enabled else None


def multicast_streams(config: Config, streams: MetadataStreams, cameras: Cameras) -> MulticastStreams | None:
    """Return the groups of all live streams; None where there are none."""
    settings = config.multicast
    if not settings.enabled:
        return None
    paths = [live_path(channel.id, name) for channel in cameras.channels() for name in PROFILE_NAMES]
    return MulticastStreams(settings.groups(paths), streams.description, settings.ttl, settings.interface)


def device_settings(config: Config, listeners: Listeners) -> DeviceSettings:
    """Return what the Device service says of itself."""
    ports = ServicePorts(listeners.http.port, listeners.rtsp.port, listeners.port("https"))
    own, access = config.gateway, config.access
    return DeviceSettings(own.name, own.location, ports, access.username_tokens, access.digest_algorithms)


def _own_host(bound: str) -> str:
    """Return the host to print for a bound address: this machine's first address where it is the wildcard."""
    if ip_address(bound).is_unspecified:
        interfaces = [interface for interface in SystemNetwork().interfaces() if not interface.loopback]
        addresses = [address for interface in interfaces for address, _ in interface.ipv4]
        bound = addresses[0] if addresses else "127.0.0.1"
    return f"[{bound}]" if ":" in bound else bound
