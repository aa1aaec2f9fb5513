"""Events of a camera by a pull point: made, kept alive, asked again and again, and given back (ONVIF Core §9.1)."""

from collections.abc import Callable
from typing import Final, NoReturn

from gateway.domain.errors import ErrorKind
from gateway.protocols.soap.answers import Element, SoapFault
from gateway.sdk.clock import Clock
from gateway_onvif.messages import EVENTS
from gateway_onvif.subscription import LIFE_SECONDS, Subscription, remaining

WAIT_SECONDS: Final = 30
"""How long a request waits for events. Routers forget connections that are silent for a minute."""
EMPTY_SECONDS: Final = 1.0
"""Between two requests to a camera that answers at once that there is nothing."""
_LIMIT: Final = 64
_PORT: Final = f"{EVENTS}/EventPortType"
_POINT: Final = f"{EVENTS}/PullPointSubscription"
_CREATE: Final = (
    "<tev:CreatePullPointSubscription>"
    f"<tev:InitialTerminationTime>PT{LIFE_SECONDS}S</tev:InitialTerminationTime></tev:CreatePullPointSubscription>"
)
_PULL: Final = (
    f"<tev:PullMessages><tev:Timeout>PT{WAIT_SECONDS}S</tev:Timeout>"
    f"<tev:MessageLimit>{_LIMIT}</tev:MessageLimit></tev:PullMessages>"
)
_UNKNOWN: Final = "ActionNotSupported"


async def pull(subscription: Subscription, clock: Clock, take: Callable[[Element], None]) -> NoReturn:
    """Have a function called with every answer. Raises GatewayError, UNSUPPORTED where there are no pull points."""
    await subscription.create(_CREATE, f"{_PORT}/CreatePullPointSubscriptionRequest")
    renews = True
    try:
        while True:
            asked = clock.monotonic()
            answer = await subscription.call(_PULL, f"{_POINT}/PullMessagesRequest", wait=float(WAIT_SECONDS))
            take(answer)
            empty = answer.find("{*}NotificationMessage") is None
            if empty and clock.monotonic() - asked < EMPTY_SECONDS:  # it does not wait for events
                await clock.sleep(EMPTY_SECONDS)
            if renews and remaining(answer) < WAIT_SECONDS * 2:
                renews = await _renewed(subscription)
    except SoapFault as fault:
        kind = ErrorKind.UNSUPPORTED if _UNKNOWN in fault.codes else ErrorKind.UNAVAILABLE
        raise subscription.failed(kind, fault) from fault
    finally:
        await subscription.close()


async def _renewed(subscription: Subscription) -> bool:
    """Keep it alive; cameras that know no Renew keep it alive by being asked."""
    try:
        await subscription.renew()
    except SoapFault:
        return False
    return True
