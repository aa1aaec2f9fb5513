"""Events of a camera by a pull point: made, kept alive, asked again and again, and given back (ONVIF Core §9.1)."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, NoReturn
from uuid import uuid4

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.soap.answers import Element, SoapFault, header_blocks, text
from gateway.protocols.soap.envelope import escape
from gateway.protocols.soap.wsse import created_at
from gateway.sdk.clock import Clock
from gateway_onvif.address import service_url
from gateway_onvif.client import SoapClient
from gateway_onvif.messages import EVENTS

LIFE_SECONDS: Final = 120
WAIT_SECONDS: Final = 30
"""How long a request waits for events. Routers forget connections that are silent for a minute."""
CLOSE_SECONDS: Final = 1.0
EMPTY_SECONDS: Final = 1.0
"""Between two requests to a camera that answers at once that there is nothing."""
_LIMIT: Final = 64
_PORT: Final = f"{EVENTS}/EventPortType"
_POINT: Final = f"{EVENTS}/PullPointSubscription"
_MANAGER: Final = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager"
_CREATE: Final = (
    "<tev:CreatePullPointSubscription>"
    f"<tev:InitialTerminationTime>PT{LIFE_SECONDS}S</tev:InitialTerminationTime></tev:CreatePullPointSubscription>"
)
_PULL: Final = (
    f"<tev:PullMessages><tev:Timeout>PT{WAIT_SECONDS}S</tev:Timeout>"
    f"<tev:MessageLimit>{_LIMIT}</tev:MessageLimit></tev:PullMessages>"
)
_RENEW: Final = f"<wsnt:Renew><wsnt:TerminationTime>PT{LIFE_SECONDS}S</wsnt:TerminationTime></wsnt:Renew>"


class PullPoint:
    """One subscription. `run` asks until cancelled or lost."""

    def __init__(self, client: SoapClient, service: str, announced_device: str, clock: Clock) -> None:
        """`service` is the Event service's address, `announced_device` the Device service's as the camera says it."""
        self._client = client
        self._service = service
        self._announced_device = announced_device
        self._clock = clock
        self._address = ""
        self._parameters = ""
        self._renews = True

    async def run(self, take: Callable[[Element], None]) -> NoReturn:
        """Have a function called with every answer. Raises GatewayError, UNSUPPORTED where there are no pull points."""
        await self._create()
        try:
            while True:
                asked = self._clock.monotonic()
                answer = await self._call(_PULL, f"{_POINT}/PullMessagesRequest", wait=float(WAIT_SECONDS))
                take(answer)
                empty = answer.find("{*}NotificationMessage") is None
                if empty and self._clock.monotonic() - asked < EMPTY_SECONDS:  # it does not wait for events
                    await self._clock.sleep(EMPTY_SECONDS)
                if self._renews and _remaining(answer) < WAIT_SECONDS * 2:
                    await self._renew()
        except SoapFault as fault:
            raise self._failed(ErrorKind.UNAVAILABLE, fault) from fault
        finally:
            await self._close()

    async def _create(self) -> None:
        try:
            answer = await self._ask(self._service, _CREATE, f"{_PORT}/CreatePullPointSubscriptionRequest")
        except SoapFault as fault:
            raise self._failed(ErrorKind.UNSUPPORTED, fault) from fault
        reference = answer.find("{*}SubscriptionReference")
        announced = text(reference, "{*}Address")
        self._address = service_url(announced, self._client.device, self._announced_device) or self._service
        if reference is not None:
            self._parameters = header_blocks(reference.find("{*}ReferenceParameters"))

    async def _renew(self) -> None:
        """Keep it alive; cameras that know no Renew keep it alive by being asked."""
        try:
            await self._call(_RENEW, f"{_MANAGER}/RenewRequest")
        except SoapFault:
            self._renews = False

    async def _close(self) -> None:
        """Give it back, but not for long: cameras have few."""
        with contextlib.suppress(GatewayError, SoapFault, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._call("<wsnt:Unsubscribe/>", f"{_MANAGER}/UnsubscribeRequest")

    async def _call(self, body: str, action: str, *, wait: float = 0.0) -> Element:
        return await self._ask(self._address, body, action, wait=wait)

    async def _ask(self, url: str, body: str, action: str, *, wait: float = 0.0) -> Element:
        addressing = f"<wsa:Action>{action}</wsa:Action><wsa:MessageID>{uuid4().urn}</wsa:MessageID>"
        headers = f"{addressing}<wsa:To>{escape(url)}</wsa:To>{self._parameters}"
        return await self._client.call(url, body, headers=headers, action=action, wait=wait)

    def _failed(self, kind: ErrorKind, fault: SoapFault) -> GatewayError:
        reason = f"{fault.reason} ({'/'.join(fault.codes)})"
        return GatewayError(kind, f"camera {self._client.name} gives no events: {reason}")


def _remaining(answer: Element) -> float:
    """Return the seconds that the subscription lives without being renewed, by the camera's own clock."""
    end, now = created_at(text(answer, "{*}TerminationTime")), created_at(text(answer, "{*}CurrentTime"))
    return 0.0 if end is None or now is None else end - now
