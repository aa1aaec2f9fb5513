"""Describing a camera: the questions in their order, and what they bring to light."""

import logging
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.domain.camera import CameraInfo
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.soap.answers import SoapFault, text
from gateway.sdk.clock import Clock
from gateway_onvif import messages
from gateway_onvif.address import service_url, stream_url
from gateway_onvif.choice import choose, named, of_source
from gateway_onvif.client import CLOCK_TOLERANCE, SoapClient
from gateway_onvif.messages import DEVICE, MEDIA, MEDIA2, Profile

_log = logging.getLogger(__name__)
_MEDIA_SERVICES: Final = (MEDIA2, MEDIA)


class Wanted(Protocol):
    """What of a camera is wanted."""

    @property
    def transport(self) -> str:
        """`tcp`, `udp` or `http`."""

    @property
    def source(self) -> str:
        """Token or number of the video source; empty for the first."""

    @property
    def main_profile(self) -> str:
        """Token of the main profile; empty for the best."""

    @property
    def sub_profile(self) -> str:
        """Token of the sub profile; empty for the smallest sensible one."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of the camera."""

    profile: Profile
    url: str
    """Its RTSP address, on the host by which we reach the camera, without credentials."""

    def is_like(self, other: "Stream") -> bool:
        """Tell whether it is played as another is: bit rates and the like change while it plays."""
        mine, theirs = self.profile, other.profile
        return (self.url, mine.encoding, mine.width, mine.height) == (
            other.url,
            theirs.encoding,
            theirs.width,
            theirs.height,
        )


@dataclass(frozen=True, slots=True)
class Description:
    """What a camera says of itself."""

    info: CameraInfo
    login: str
    """How it is logged in to, in words."""
    clock_offset: float | None
    """Seconds that its clock is ahead of ours; None where it does not tell."""
    services: dict[str, str] = field(hash=False)
    """Addresses by namespace, by which we reach them."""
    announced_device: str
    """Address of the Device service as the camera says it."""
    profiles: tuple[Profile, ...]
    """Those with video."""
    main: Stream
    sub: Stream
    """The same as main where there is no smaller one."""
    media: str
    """Namespace of the Media service that describes it."""


async def describe(client: SoapClient, wanted: Wanted, clock: Clock) -> Description:
    """Ask a camera for all that is needed to play it. Raises GatewayError."""
    try:
        await read_clock(client, clock)
        services, announced = await find_services(client)
        information = messages.information(await client.call(client.device, messages.GET_INFORMATION))
        media, profiles = await _profiles(client, services)
        chosen = of_source(profiles, wanted.source, client.name)
        main, sub = choose(chosen, client.name) if not wanted.main_profile else (None, None)
        first = named(profiles, wanted.main_profile, client.name) if main is None else main
        second = named(profiles, wanted.sub_profile, client.name) if wanted.sub_profile else sub or first
        transport = wanted.transport
        main_stream = await _stream(client, services[media], media, first, transport)
        sub_stream = main_stream
        if second != first:
            sub_stream = await _stream(client, services[media], media, second, transport)
    except SoapFault as fault:
        raise _refusal(client, fault) from fault
    return Description(
        information, client.login.value, client.offset, services, announced, profiles, main_stream, sub_stream, media
    )


def facts(described: Description) -> tuple[tuple[str, str], ...]:
    """Return a description in words."""
    offset = described.clock_offset
    clock = "unknown" if offset is None else "right" if abs(offset) <= CLOCK_TOLERANCE else f"off by {offset:.0f} s"
    return (
        ("login", described.login),
        ("clock", clock),
        *((f"service {name.rpartition('.org/')[2]}", url) for name, url in sorted(described.services.items())),
        *(("profile", str(profile)) for profile in described.profiles),
        ("main", f"{described.main.profile} {described.main.url}"),
        ("sub", f"{described.sub.profile} {described.sub.url}"),
    )


async def read_clock(client: SoapClient, clock: Clock) -> None:
    """Learn the camera's time, without which it may refuse a UsernameToken. One that won't tell is not asked twice."""
    before = clock.utc_ns()
    try:
        answer = await client.call(client.device, messages.GET_TIME, anonymous=True)
    except SoapFault:
        return
    except GatewayError as error:
        if error.kind is not ErrorKind.UNAUTHENTICATED:
            raise
        return
    if (told := messages.utc_seconds(answer)) is None:
        return
    client.offset = told - (before + clock.utc_ns()) / 2e9
    if abs(client.offset) > CLOCK_TOLERANCE:
        _log.info("camera %s: its clock is off by %.0f s", client.name, client.offset)


async def find_services(client: SoapClient) -> tuple[dict[str, str], str]:
    """Return the addresses of the camera's services by namespace, as we reach them, and what it calls the first."""
    try:
        announced = messages.services(await client.call(client.device, messages.GET_SERVICES))
    except SoapFault:
        announced = {}
    if not announced.keys() & set(_MEDIA_SERVICES):  # old, or a GetServices that was left half-done
        announced |= messages.capabilities(await client.call(client.device, messages.GET_CAPABILITIES))
    own = announced.get(DEVICE, "")
    found = {name: service_url(address, client.device, own) for name, address in announced.items()}
    return {name: address for name, address in found.items() if address}, own


async def _profiles(client: SoapClient, services: dict[str, str]) -> tuple[str, tuple[Profile, ...]]:
    """Return the Media service to use, and its profiles: Media2 where it works and has some with video, else Media1."""
    fault: SoapFault | None = None
    offered = [service for service in _MEDIA_SERVICES if service in services]
    for service in offered:
        try:
            found = messages.profiles(await client.call(services[service], messages.GET_PROFILES[service]))
        except SoapFault as raised:
            fault = raised
            continue
        if found:
            return service, found
    if fault is not None:
        raise fault
    reason = "has no profile with video" if offered else "has no Media service: it is no camera"
    raise GatewayError(ErrorKind.UNSUPPORTED, f"camera {client.name} {reason}")


async def _stream(client: SoapClient, url: str, media: str, profile: Profile, transport: str) -> Stream:
    answer = await client.call(url, messages.get_stream_uri(media, profile.token, transport))
    announced = text(answer, ".//{*}Uri")
    address = stream_url(announced, client.device)
    if not address:
        shown = announced.rpartition("@")[2][:200]
        message = f"camera {client.name} gives no RTSP address for profile {profile}, but {shown!r}"
        raise GatewayError(ErrorKind.UNSUPPORTED, message)
    return Stream(profile, address)


def _refusal(client: SoapClient, fault: SoapFault) -> GatewayError:
    """Return a fault as an error in plain words."""
    codes = "/".join(fault.codes)
    return GatewayError(ErrorKind.UNAVAILABLE, f"camera {client.name} answers with a fault: {fault.reason} ({codes})")
