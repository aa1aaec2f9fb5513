"""Base notification: events are sent to a consumer's address, again and again until it takes them.

A batch that was not taken is sent again until the subscription ends; a consumer that is slow or away loses the oldest
events beyond its queue. An answer that gets lost makes a consumer hear a batch twice.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.sdk.clock import Clock
from gateway.services.subscriptions import Subscription, Subscriptions, Wants

BATCH = 64
"""Events in one message."""

FIRST_SECONDS = 0.2
"""From the subscription to the first message, so that the answer to Subscribe comes first."""

SEND_SECONDS = 10.0
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""Seconds between attempts."""

ConsumerT = TypeVar("ConsumerT")
_ConsumerT_contra = TypeVar("_ConsumerT_contra", contravariant=True)
_log = logging.getLogger(__name__)


class Send(Protocol[_ConsumerT_contra]):
    """How events get to a consumer."""

    async def __call__(self, consumer: _ConsumerT_contra, events: Sequence[Event], /) -> None:
        """Send events as one message; return when they are taken. Raises GatewayError when they are not."""
        ...


class Notifications(Generic[ConsumerT]):
    """The subscriptions whose events are sent, one task each."""

    def __init__(self, subscriptions: Subscriptions, send: Send[ConsumerT], clock: Clock) -> None:
        self._subscriptions = subscriptions
        self._send = send
        self._clock = clock
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None

    def subscribe(
        self, account: str, wants: Wants, consumer: ConsumerT, seconds: float | None, *, changed_only: bool = False
    ) -> Subscription:
        """Begin to send to a consumer. Raises GatewayError LIMIT, or UNAVAILABLE while nothing is sent."""
        if self._tasks is None:
            raise GatewayError(ErrorKind.UNAVAILABLE, "notifications are not sent now")
        subscription = self._subscriptions.create(account, wants, seconds, changed_only=changed_only, pulled=False)
        self._tasks.create_task(self._serve(subscription, consumer), name=f"notify {subscription.id}")
        return subscription

    async def _serve(self, subscription: Subscription, consumer: ConsumerT) -> None:
        await self._clock.sleep(FIRST_SECONDS)
        while not subscription.ended:
            await subscription.filled()
            events = subscription.take(BATCH)
            if events:
                await self._bring(subscription, consumer, events)
                if len(subscription.queue) < BATCH:
                    await self._clock.sleep(self._subscriptions.pace(pulled=False))

    async def _bring(self, subscription: Subscription, consumer: ConsumerT, events: Sequence[Event]) -> None:
        """Send a batch until it is taken or the subscription ends."""
        delay, complaint = FIRST_DELAY, ""
        while not subscription.ended:
            problem = await self._attempt(consumer, events)
            if not problem:
                break
            if problem != complaint:
                _log.warning("subscription %s: %s is not notified: %s", subscription.id, consumer, problem)
            complaint = problem
            await self._clock.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY)
            self._subscriptions.expire()
        if complaint and not subscription.ended:
            _log.info("subscription %s: %s is notified again", subscription.id, consumer)

    async def _attempt(self, consumer: ConsumerT, events: Sequence[Event]) -> str:
        """Return why a batch was not taken, empty when it was."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(consumer, events)
        except GatewayError as error:
            return error.message
        except TimeoutError:
            return f"no answer within {SEND_SECONDS:g} seconds"
        except Exception as error:  # noqa: BLE001 - one consumer must not take the others down
            _log.exception("a notification failed")
            return f"{type(error).__name__}: {error}"
        return ""
