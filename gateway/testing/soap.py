"""A SOAP service of a plug-in, called without a network."""

from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.camera import Channel
from gateway.domain.recording import Hold, Span
from gateway.onvif.context import Context
from gateway.onvif.vendor import VendorService
from gateway.sdk.soap import SoapCall, SoapService

ADMINISTRATOR = Account("admin", UserLevel.ADMINISTRATOR, Secret("Test-Sesame-1"))


class MemoryGateway:
    """A `GatewayControl` that remembers."""

    def __init__(
        self, cameras: Sequence[Channel] = (), storages: Sequence[Mapping[str, Any]] = (), started_ns: int = 0
    ) -> None:
        self.kept: dict[str, Hold] = {}
        """The holds."""
        self.histories: dict[str, Sequence[Mapping[str, str]]] = {}
        """By the cameras' ids."""
        self._cameras = cameras
        self._storages = storages
        self._started_ns = started_ns

    def started_ns(self) -> int:
        """Return what was given."""
        return self._started_ns

    def cameras(self) -> Sequence[Channel]:
        """Return what was given."""
        return self._cameras

    async def camera_history(self, camera: str) -> Sequence[Mapping[str, str]]:
        """Return what is kept of a camera."""
        return self.histories[camera]

    async def storages(self) -> Sequence[Mapping[str, Any]]:
        """Return what was given."""
        return self._storages

    async def holds(self) -> Sequence[Hold]:
        """Return what is kept."""
        return list(self.kept.values())

    async def add_hold(self, caller: SoapCall, recording: str, start_ns: int, end_ns: int, reason: str) -> str:
        """Keep a hold."""
        name = f"hold{len(self.kept) + 1}"
        self.kept[name] = Hold(name, recording, Span(start_ns, end_ns), reason, caller.account.name)
        return name

    async def remove_hold(self, caller: SoapCall, hold: str) -> None:  # noqa: ARG002 - as GatewayControl has it
        """Forget a hold."""
        del self.kept[hold]


class SoapBench:
    """Calls one service as the gateway does, once a message has been parsed and its caller let in."""

    def __init__(self, service: SoapService, gateway: MemoryGateway | None = None) -> None:
        """Raises what makes the gateway refuse the service."""
        self.service = VendorService("bench", service, gateway or MemoryGateway())

    async def call(self, request: str, account: Account = ADMINISTRATOR) -> etree._Element:
        """Return the answer to the element in a message's Body. Raises SoapFault and KeyError for no operation."""
        element = etree.fromstring(request)
        context = Context(account, "http://gateway", "gateway", "192.0.2.9", "rtsp://gateway", "192.0.2.1")
        answer = await self.service.operations[str(element.tag)].call(element, context)
        return etree.fromstring(answer)
