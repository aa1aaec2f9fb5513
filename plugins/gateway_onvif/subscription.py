"""A subscription at a camera, whichever way its events come: made, renewed, given back (WS-BaseNotification §5, §6)."""

import contextlib
from asyncio import timeout
from typing import Final
from uuid import uuid4

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.soap.answers import Element, SoapFault, header_blocks, text
from gateway.protocols.soap.envelope import escape
from gateway.protocols.soap.wsse import created_at
from gateway_onvif.address import service_url
from gateway_onvif.client import SoapClient

LIFE_SECONDS: Final = 120
CLOSE_SECONDS: Final = 1.0
_MANAGER: Final = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager"
_RENEW: Final = f"<wsnt:Renew><wsnt:TerminationTime>PT{LIFE_SECONDS}S</wsnt:TerminationTime></wsnt:Renew>"


class Subscription:
    """One subscription. `create` comes first, `close` last."""

    def __init__(self, client: SoapClient, service: str, announced_device: str) -> None:
        """`service` is the Event service's address, `announced_device` the Device service's as the camera says it."""
        self._client = client
        self._service = service
        self._announced_device = announced_device
        self._address = ""
        self._parameters = ""

    async def create(self, body: str, action: str) -> Element:
        """Make it, and return the camera's answer. Raises GatewayError, UNSUPPORTED where it answers with a fault."""
        try:
            answer = await self._ask(self._service, body, action)
        except SoapFault as fault:
            raise self.failed(ErrorKind.UNSUPPORTED, fault) from fault
        reference = answer.find("{*}SubscriptionReference")
        announced = text(reference, "{*}Address")
        self._address = service_url(announced, self._client.device, self._announced_device) or self._service
        if reference is not None:
            self._parameters = header_blocks(reference.find("{*}ReferenceParameters"))
        return answer

    async def call(self, body: str, action: str, *, wait: float = 0.0) -> Element:
        """Ask its manager. Raises GatewayError or SoapFault."""
        return await self._ask(self._address, body, action, wait=wait)

    async def renew(self) -> Element:
        """Keep it alive. Raises GatewayError or SoapFault."""
        return await self.call(_RENEW, f"{_MANAGER}/RenewRequest")

    async def close(self) -> None:
        """Give it back, but not for long: cameras have few."""
        with contextlib.suppress(GatewayError, SoapFault, TimeoutError):
            async with timeout(CLOSE_SECONDS):
                await self.call("<wsnt:Unsubscribe/>", f"{_MANAGER}/UnsubscribeRequest")

    def failed(self, kind: ErrorKind, fault: SoapFault) -> GatewayError:
        """Return a fault as an error in plain words."""
        reason = f"{fault.reason} ({'/'.join(fault.codes)})"
        return GatewayError(kind, f"camera {self._client.name} gives no events: {reason}")

    async def _ask(self, url: str, body: str, action: str, *, wait: float = 0.0) -> Element:
        addressing = f"<wsa:Action>{action}</wsa:Action><wsa:MessageID>{uuid4().urn}</wsa:MessageID>"
        headers = f"{addressing}<wsa:To>{escape(url)}</wsa:To>{self._parameters}"
        return await self._client.call(url, body, headers=headers, action=action, wait=wait)


def remaining(answer: Element) -> float:
    """Return the seconds that a subscription lives without being renewed, by the camera's own clock; 0 if unsaid."""
    end, now = created_at(text(answer, "{*}TerminationTime")), created_at(text(answer, "{*}CurrentTime"))
    return 0.0 if end is None or now is None else end - now
