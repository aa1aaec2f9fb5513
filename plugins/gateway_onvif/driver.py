"""The driver `onvif`: a camera by its address."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Literal, NoReturn

from gateway.domain.access import Secret
from gateway.domain.camera import CameraInfo
from gateway.domain.device_event import DeviceEvent
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, StreamDescription
from gateway.protocols.rtp.timeline import TRUSTED_NS
from gateway.protocols.soap.answers import Element
from gateway.rtsp_client import CameraUrl, PlayerOptions, RtspBackchannel, find_backchannel, parse, play, replay
from gateway.sdk.controls import CameraControls
from gateway.sdk.driver import CameraDriver, DriverContext, Inspection, MediaSink
from gateway_onvif.address import device_url, host_of, name_of, stream_url
from gateway_onvif.asking import Asker
from gateway_onvif.base_notification import listen
from gateway_onvif.capabilities import names_of
from gateway_onvif.client import SoapClient
from gateway_onvif.contacts import Wired
from gateway_onvif.controls import read_controls
from gateway_onvif.description import Description, Stream, describe, facts, read_clock
from gateway_onvif.edge import find_recordings, recording_of, replay_address
from gateway_onvif.messages import EVENTS
from gateway_onvif.notifications import Changed, read
from gateway_onvif.patience import Patience
from gateway_onvif.pullpoint import pull
from gateway_onvif.subscription import Subscription

MAX_PLACES: Final = 4
"""Addresses of a camera that was found again that are tried."""
_log = logging.getLogger(__name__)
_MAX_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class OnvifSettings:
    """The keys of `[camera.settings]`."""

    address: str
    """`HOST`, `HOST:PORT`, or the URL of the Device service."""
    port: int | None = None
    """For an address without one; 80 or 443 by default."""
    username: str = ""
    password: Secret | None = None
    source: str = ""
    """Token or number (from 1) of the video source, for a device with several."""
    main_profile: str = ""
    """Token of the profile for `main`; the largest picture by default."""
    sub_profile: str = ""
    """Token of the profile for `sub`; the smallest sensible picture by default."""
    contacts: tuple[str, ...] | None = None
    """Tokens of the relays and digital inputs at this camera; by default the first video source of a device has all."""
    transport: Literal["tcp", "udp", "http"] = "tcp"
    """How the media come: over RTSP's connection, by UDP, or with RTSP over HTTP. TCP loses nothing."""
    connect_timeout: float = 5.0
    """Seconds for a connection, and for each answer."""
    media_timeout: float = 5.0
    """Seconds without media after which the camera counts as lost."""
    endpoint: str = ""
    """Its endpoint reference (`urn:uuid:…`), by which it is found again when its address has changed."""
    events: Literal["auto", "pull", "notify", "off"] = "auto"
    """How its events come: asked for (pull point), or sent by the camera (base notification) if that can't be."""
    verify_certificate: bool = True
    """For `https://` and `rtsps://`: whether the certificate must be valid; cameras mostly have one of their own."""
    backchannel: bool = True
    """Whether the camera is asked if it can be talked to."""


class OnvifDriver(CameraDriver):
    """Brings an ONVIF camera in: asks it where its streams are, and plays them."""

    Settings: ClassVar[type[OnvifSettings]] = OnvifSettings

    def __init__(self, settings: OnvifSettings, context: DriverContext) -> None:
        super().__init__(settings, context)
        self._wanted = settings
        if settings.port is not None and not 0 < settings.port <= _MAX_PORT:
            raise GatewayError(ErrorKind.INVALID, f"port must be 1 to {_MAX_PORT}, not {settings.port}")
        self._device = device_url(settings.address, settings.port)
        self._options = PlayerOptions(
            settings.transport, settings.connect_timeout, settings.media_timeout, settings.verify_certificate
        )
        self._described: Description | None = None
        self._serial = context.known.serial
        self._known = self.client()
        """One that has found out how to log in."""
        self._describing = asyncio.Lock()
        self._changed = asyncio.Event()
        """Set and replaced when the camera says that its configuration is another now."""
        self._patience = Patience()

    def profiles(self) -> tuple[str, ...]:
        """Return both: `sub` is the main stream again for a camera with one only."""
        return ("main", "sub")

    async def info(self) -> CameraInfo:
        """Return what the camera says of itself."""
        return (await self.describe()).info

    async def inspect(self) -> Inspection:
        """Return what the camera says of itself, for a support engineer; its time is asked for anew."""
        described = await self.describe()
        async with self._known.again() as client:
            await read_clock(client, self.context.clock)
        self._known.offset = client.offset
        described = replace(described, clock_offset=client.offset)
        return Inspection(described.info, facts(described), names_of(described.services), client.offset)

    async def stream(self, profile: str, sink: MediaSink) -> None:
        """Play until cancelled or lost; the camera is described anew afterwards, as it may have been changed."""
        described = await self.describe()
        stream = described.main if profile == "main" else described.sub
        try:
            await _first_of(
                play(self._rtsp(stream), self._options, self.context.clock, sink),
                self._until_changed(profile, stream),
            )
        except GatewayError as error:
            if error.kind is ErrorKind.UNAUTHENTICATED:
                self._patience.refused(error, self.context.clock.monotonic())
            raise
        finally:
            if self._described is described:
                self._described = None

    async def events(self, tell: Callable[[DeviceEvent], None]) -> None:
        """Tell what the camera notices, and follow changes of its configuration."""
        if self._wanted.events == "off":
            await asyncio.Event().wait()
        described = await self.describe()
        service = described.services.get(EVENTS)
        if service is None:
            raise GatewayError(ErrorKind.UNSUPPORTED, f"camera {name_of(self._device)} has no Event service")

        wired = self._wired(described)

        def take(answer: Element) -> None:
            for found in read(answer, described.main.profile, described.profiles):
                if isinstance(found, Changed):
                    self._was_changed()
                elif wired.hears(found):
                    tell(found)

        async with self.client() as client:
            client.offset = described.clock_offset
            await self._listen(lambda: Subscription(client, service, described.announced_device), take)

    async def _listen(self, subscription: Callable[[], Subscription], take: Callable[[Element], None]) -> None:
        """Pull events or, from a camera that knows no pull points, have them sent."""
        way, clock, callbacks = self._wanted.events, self.context.clock, self.context.callbacks
        try:
            if way != "notify":
                await pull(subscription(), clock, take)
        except GatewayError as error:
            if way == "pull" or callbacks is None or error.kind is not ErrorKind.UNSUPPORTED:
                raise
        if callbacks is None:
            message = f"camera {name_of(self._device)} can send its events only to a gateway that runs"
            raise GatewayError(ErrorKind.UNSUPPORTED, message)
        await listen(subscription(), callbacks, host_of(self._device), clock, take)

    async def controls(self) -> CameraControls:
        """Ask the camera what of it can be controlled."""
        described = await self.describe()
        asker = Asker(self._known, described.services, self._patience, self.context.clock)
        controls = await read_controls(asker, described, self._wired(described), self._was_changed)
        return replace(controls, backchannel=await self._backchannel(described.main))

    async def _backchannel(self, stream: Stream) -> RtspBackchannel | None:
        """Ask on the main stream whether the camera can be talked to; if that can't be asked, the rest still holds."""
        if not self._wanted.backchannel:
            return None
        try:
            return await find_backchannel(self._rtsp(stream), self._options, self.context.clock)
        except GatewayError as error:
            _log.info("camera %s can't be talked to: %s", self.context.camera_id, error.message)
            return None

    def _rtsp(self, stream: Stream) -> CameraUrl:
        return parse(stream.url).with_credentials(self._wanted.username, self._wanted.password)

    def _wired(self, described: Description) -> Wired:
        return Wired(described, self._wanted.contacts)

    async def recorded(
        self, profile: str, start_ns: int, end_ns: int
    ) -> AsyncGenerator[StreamDescription | AccessUnit, None]:
        """Replay what the camera has recorded (`EdgeArchive`); a clock that we don't believe live isn't either here."""
        described = await self.describe()
        asker = Asker(self._known, described.services, self._patience, self.context.clock)
        stream = described.main if profile == "main" else described.sub
        offset_ns = round((described.clock_offset or 0.0) * 1e9)
        ahead_ns = offset_ns if abs(offset_ns) > TRUSTED_NS else 0
        recording = recording_of(stream, await find_recordings(asker), main=profile == "main")
        if not recording.has(start_ns + ahead_ns, end_ns + ahead_ns):
            return
        address = stream_url(await replay_address(asker, recording), self._device)
        if not address:
            message = f"camera {name_of(self._device)} gives no RTSP address for recording {recording.token!r}"
            raise GatewayError(ErrorKind.UNSUPPORTED, message)
        camera = parse(address).with_credentials(self._wanted.username, self._wanted.password)
        playing = replay(camera, self._options, self.context.clock, start_ns + ahead_ns, end_ns + ahead_ns)
        async with aclosing(playing):
            async for item in playing:
                if ahead_ns and isinstance(item, AccessUnit):
                    item = replace(item, utc_ns=item.utc_ns - ahead_ns)  # noqa: PLW2901
                yield item

    def _was_changed(self) -> None:
        """Have the camera described anew, and the streams follow."""
        self._described = None
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _until_changed(self, profile: str, playing: Stream) -> NoReturn:
        """Raise GatewayError when the camera has said that it was changed, and describes this stream otherwise."""
        while True:
            await self._changed.wait()
            try:
                described = await self.describe()
            except GatewayError:
                continue  # as long as it plays, it plays
            stream = described.main if profile == "main" else described.sub
            if not stream.is_like(playing):
                message = f"camera {name_of(self._device)} was changed: {profile} is {stream.profile} now"
                raise GatewayError(ErrorKind.UNAVAILABLE, message)

    async def describe(self) -> Description:
        """Return what the camera says of itself; asked once for all streams that start together."""
        async with self._describing:
            if self._described is None:
                self._patience.check(self.context.clock.monotonic())
                try:
                    described = await self._describe()
                except GatewayError:
                    if not await self._found_elsewhere():
                        raise
                    described = await self._describe()
                if described.info.serial != self._serial and self._serial:
                    described = await self._not_another(described)
                self._described, self._serial = described, described.info.serial
            return self._described

    async def _not_another(self, described: Description) -> Description:
        """Return the camera's description where another device has its address now, and perhaps its password.

        A camera with an endpoint reference is the device that was known by it, and no other; one without is what is at
        its address. Raises GatewayError.
        """
        if await self._found_elsewhere():
            described = await self._describe()
        serial = described.info.serial
        if serial == self._serial:
            return described
        message = (
            f"camera {name_of(self._device)} is another device: its serial number is {serial!r}, not {self._serial!r}"
        )
        if self._wanted.endpoint:
            message += f"; if it was replaced, say so: gateway camera accept {self.context.camera_id}"
            raise GatewayError(ErrorKind.UNAUTHENTICATED, message)
        _log.warning("%s", message)
        return described

    async def _describe(self) -> Description:
        try:
            async with self.client() as client:
                described = await describe(client, self._wanted, self.context.clock)
        except GatewayError as error:
            if error.kind is ErrorKind.UNAUTHENTICATED:
                self._patience.refused(error, self.context.clock.monotonic())
            raise
        self._known = client
        self._patience.accepted()
        return described

    async def _found_elsewhere(self) -> bool:
        """Look for a camera that is not as it should be where it was; tell whether it has another address now."""
        finder, endpoint = self.context.finder, self._wanted.endpoint
        if finder is None or not endpoint:
            return False
        for address in (await finder.find(endpoint))[:MAX_PLACES]:
            with contextlib.suppress(GatewayError):  # an address that leads nowhere
                device = device_url(address)
                if device != self._device and await self._answers(device):
                    _log.warning("camera %s has moved from %s to %s", self.context.camera_id, self._device, device)
                    self._device = device
                    return True
        return False

    async def _answers(self, device: str) -> bool:
        async with self.client(device) as client:
            await read_clock(client, self.context.clock)
        return True

    def client(self, device: str = "") -> SoapClient:
        """Return a new client of the camera, or of one that might be it."""
        url = device or self._device
        settings, tls = self._wanted, self._options.tls if url.startswith("https:") else None
        return SoapClient(
            url,
            settings.username,
            settings.password,
            self.context.clock,
            timeout=settings.connect_timeout,
            tls=tls,
        )


async def _first_of(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run jobs until one ends, and end as it did."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
