"""Events of a camera that sends them to an address of ours (base notification, ONVIF Core §9.2)."""

import logging
from collections.abc import Callable
from typing import Final, NoReturn

from gateway.domain.errors import ErrorKind
from gateway.protocols.soap.answers import Element, SoapFault, parse_answer
from gateway.protocols.soap.envelope import EnvelopeError, escape
from gateway.sdk.callbacks import Callbacks
from gateway.sdk.clock import Clock
from gateway_onvif.messages import NOTIFICATION
from gateway_onvif.subscription import LIFE_SECONDS, Subscription, remaining

SHORTEST_LIFE: Final = 10.0
"""Seconds; what a camera says is less it does not mean."""
_ACTION: Final = "http://docs.oasis-open.org/wsn/bw-2/NotificationProducer/SubscribeRequest"
_log = logging.getLogger(__name__)


async def listen(
    subscription: Subscription, callbacks: Callbacks, camera: str, clock: Clock, take: Callable[[Element], None]
) -> NoReturn:
    """Have a function called with every Notify that the camera at a host sends, until it is lost: a GatewayError.

    The camera is asked for a renewal at half the life that it gives: that it is gone is noticed then.
    """

    def taken(body: bytes) -> None:
        try:
            notify = parse_answer(body)
        except (EnvelopeError, SoapFault) as error:
            _log.debug("camera %s: what it sent is no notification: %s", camera, error)
            return
        if notify.tag == f"{{{NOTIFICATION}}}Notify":
            take(notify)

    async with callbacks.open(camera, taken) as url:
        answer = await subscription.create(_subscribe(url), _ACTION)
        life: float = LIFE_SECONDS
        try:
            while True:
                life = max(remaining(answer) or life, SHORTEST_LIFE)
                await clock.sleep(min(life, LIFE_SECONDS) / 2)
                answer = await subscription.renew()
        except SoapFault as fault:
            raise subscription.failed(ErrorKind.UNAVAILABLE, fault) from fault
        finally:
            await subscription.close()


def _subscribe(url: str) -> str:
    return (
        f"<wsnt:Subscribe><wsnt:ConsumerReference><wsa:Address>{escape(url)}</wsa:Address></wsnt:ConsumerReference>"
        f"<wsnt:InitialTerminationTime>PT{LIFE_SECONDS}S</wsnt:InitialTerminationTime></wsnt:Subscribe>"
    )
