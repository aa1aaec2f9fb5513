"""SOAP services of plug-ins in the running gateway, and what these may see and change of it."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from gateway.db import AuditTrail, Database
from gateway.domain.camera import Channel
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Hold, Span
from gateway.onvif.offer import Offer
from gateway.registry import PluginState, Registry
from gateway.sdk.clock import Clock
from gateway.sdk.soap import SoapCall
from gateway.services.cameras import Cameras

MAX_HOLDS = 1000
MAX_REASON = 500
_KIND = "SOAP service"


class Control:
    """The gateway as `GatewayControl` shows it to plug-ins."""

    def __init__(
        self,
        cameras: Cameras,
        database: Database,
        storages: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]],
        recordings: Callable[[], Sequence[str]],
        history: Callable[[str], Awaitable[Sequence[Mapping[str, str]]]],
        clock: Clock,
    ) -> None:
        """`recordings` returns the tokens of all recordings, `history` what became of a camera."""
        self._cameras = cameras
        self._database = database
        self._storages = storages
        self._recordings = recordings
        self._history = history
        self._trail = AuditTrail(database.audit, clock)
        self._started_ns = clock.utc_ns()

    def started_ns(self) -> int:
        """Return when the gateway was started."""
        return self._started_ns

    def cameras(self) -> Sequence[Channel]:
        """Return every camera."""
        return self._cameras.channels()

    async def camera_history(self, camera: str) -> Sequence[Mapping[str, str]]:
        """Return what became of a camera. Raises GatewayError for an unknown one."""
        if camera not in {each.id for each in self.cameras()}:
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no camera {camera!r}")
        return await self._history(camera)

    async def storages(self) -> Sequence[Mapping[str, Any]]:
        """Return every storage."""
        return await self._storages()

    async def holds(self) -> Sequence[Hold]:
        """Return every hold."""
        return await self._database.holds.holds()

    async def add_hold(self, caller: SoapCall, recording: str, start_ns: int, end_ns: int, reason: str) -> str:
        """Protect a range of a recording. Raises GatewayError for what can't be."""
        if recording not in self._recordings():
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no recording {recording!r}")
        if start_ns >= end_ns:
            raise GatewayError(ErrorKind.INVALID, "a hold must end after it begins")
        if len(reason) > MAX_REASON:
            raise GatewayError(ErrorKind.INVALID, f"a reason has {MAX_REASON} characters at most, not {len(reason)}")
        if len(await self.holds()) >= MAX_HOLDS:
            raise GatewayError(ErrorKind.LIMIT, f"there are {MAX_HOLDS} holds already")
        hold = Hold(secrets.token_hex(4), recording, Span(start_ns, end_ns), reason, caller.account.name)
        await self._database.holds.add_hold(hold)
        self._trail.by(caller, "AddHold", f"{hold.id}: {recording} {start_ns} to {end_ns}")
        return hold.id

    async def remove_hold(self, caller: SoapCall, hold: str) -> None:
        """Protect a range no more. Raises GatewayError for an unknown hold."""
        if hold not in {each.id for each in await self.holds()}:
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no hold {hold!r}")
        await self._database.holds.remove_hold(hold)
        self._trail.by(caller, "RemoveHold", hold)


def mount_services(registry: Registry, control: Control, offer: Offer) -> Mapping[str, Callable[[str], bytes]]:
    """Offer the services of plug-ins; return by their paths what makes their WSDL documents.

    One that can't be served is marked in the registry, and the others are.
    """
    documents = {}
    for name, kind in registry.soap_services.items():
        from gateway.onvif.vendor import VendorService  # noqa: PLC0415 - loads spyne: only for those who need it

        try:
            service = VendorService(name, kind(), control)
            offer.mount(service)
        except Exception as error:  # noqa: BLE001 - a stranger's declarations may raise anything
            registry.mark(_KIND, name, PluginState.FAILED, f"SOAP service {name!r}: {type(error).__name__}: {error}")
            continue
        documents[service.path] = service.wsdl
    return documents
