"""Subscriptions to events: who wants which, until when, and what waits for them (ONVIF Core §11.1, §11.2).

Every subscription has a bounded queue. When it is full the oldest event is dropped and counted; a client that asks for
a synchronisation point then knows every state again.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, PropertyOperation
from gateway.domain.event_history import Place, place_at
from gateway.sdk.clock import Clock
from gateway.services.eventbus import EventBus, EventHistory, RecentEvents

Wants: TypeAlias = Callable[[Event], bool]
"""Tells whether a subscription's filter lets an event pass."""

BUFFER_BEGIN = "tns1:EventBuffer/Begin"
"""Topic of the message that marks the beginning of what is kept (ONVIF Core §11.2.3)."""

PACE_SECONDS, PACE_EACH = 0.05, 0.01
"""Between two answers to one client, at least, and for each client that there is, unless there is a full answer: a
flood of events is told in batches, and takes no more than 100 answers a second. A single event is told at once."""

PAGE = 1000
"""Past events that are read at once."""

_NS, _MS = 1_000_000_000, 1_000_000
_STATES = (PropertyOperation.INITIALIZED, PropertyOperation.DELETED)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many subscriptions there can be, and how large and long they are."""

    pull_points: int = 256
    pull_points_per_account: int = 64
    consumers: int = 64
    consumers_per_account: int = 32
    queue: int = 8192
    """Events that wait in one subscription."""
    lifetime: float = 86_400.0
    """Longest seconds without a Renew; who asks for more gets this."""
    pull_lifetime: float = 60.0
    """Seconds between the pulls of a client that asked for no time: every pull prolongs."""


class Subscription:
    """One subscriber's filter, queue and time to live."""

    def __init__(self, account: str, wants: Wants, limits: Limits, *, changed_only: bool, pulled: bool) -> None:
        self.id = secrets.token_hex(8)
        self.account = account
        self.wants = wants
        self.pulled = pulled
        """Whether its client pulls; otherwise events are sent to a consumer."""
        self.queue: deque[Event] = deque()
        self.lost = 0
        """Events dropped since the queue was last emptied."""
        self.deadline = 0.0
        """On the monotonic clock."""
        self.keep = 0.0
        """Seconds that a pull prolongs it by at least."""
        self.paced = 0.0
        """When the next answer may be given that is waited for."""
        self.busy = False
        """Whether a pull is waiting: it does not expire meanwhile."""
        self.ended = False
        self.backwards = False
        """Whether it reads the past in reverse, and takes no new events."""
        self.past: Place | None = None
        """Up to where it has read the past, while it does: what is new comes from there too."""
        self._changed_only = changed_only
        self._capacity = limits.queue
        self._waiters: list[asyncio.Future[None]] = []

    def offer(self, event: Event) -> None:
        """Queue an event if it is wanted."""
        if self.backwards or not self.passes(event):
            return
        if self.past is not None and event.utc_ns > self.past[0]:
            return
        if len(self.queue) >= self._capacity:
            self.queue.popleft()
            self.lost += 1
            if self.lost == 1:
                _log.warning("subscription %s of %s is full: its oldest events are dropped", self.id, self.account)
        self.queue.append(event)
        self._wake()

    def passes(self, event: Event) -> bool:
        """Tell whether an event is wanted."""
        return not (self._changed_only and event.operation in _STATES) and self.wants(event)

    def take(self, limit: int) -> list[Event]:
        """Return the events that have waited longest, and forget them."""
        taken = [self.queue.popleft() for _ in range(min(limit, len(self.queue)))]
        if not self.queue and self.lost:
            _log.warning("subscription %s of %s has lost %d events", self.id, self.account, self.lost)
            self.lost = 0
        return taken

    def end(self) -> None:
        """Let those who wait learn that there is nothing to wait for."""
        self.ended = True
        self._wake()

    async def filled(self) -> None:
        """Wait until there is an event, or an end."""
        while not self.queue and not self.ended:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class Subscriptions:
    """All subscriptions: the bus's reader on behalf of every client."""

    def __init__(
        self, bus: EventBus, clock: Clock, *, history: EventHistory | None = None, limits: Limits | None = None
    ) -> None:
        """Without a history of its own it keeps the last events in memory."""
        self._bus = bus
        self._clock = clock
        self.limits = limits or Limits()
        self._live: dict[str, Subscription] = {}
        self._number = {True: 0, False: 0}
        """Of subscriptions that are pulled, and of others."""
        if history is None:
            history = recent = RecentEvents()
            bus.attach(recent)
        self.history: EventHistory = history
        bus.attach(self)

    def deliver(self, event: Event) -> None:
        """Queue an event for whoever wants it."""
        self.expire()
        for subscription in self._live.values():
            subscription.offer(event)

    def create(
        self, account: str, wants: Wants, seconds: float | None, *, changed_only: bool = False, pulled: bool = True
    ) -> Subscription:
        """Begin a subscription with the present states of all properties. Raises GatewayError LIMIT."""
        self.expire()
        self._check_room(account, pulled=pulled)
        limits = self.limits
        subscription = Subscription(account, wants, limits, changed_only=changed_only, pulled=pulled)
        self.prolong(subscription, seconds)
        if pulled and seconds is None:
            subscription.keep = limits.pull_lifetime
        self._live[subscription.id] = subscription
        self._number[pulled] += 1
        self.synchronize(subscription)
        return subscription

    def get(self, identifier: str) -> Subscription:
        """Return a live subscription. Raises GatewayError NOT_FOUND."""
        self.expire()
        subscription = self._live.get(identifier)
        if subscription is None:
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no subscription {identifier!r}: it ended or never began")
        return subscription

    def prolong(self, subscription: Subscription, seconds: float | None) -> None:
        """Let a subscription end after some seconds from now; None stands for the device's own choice."""
        if seconds is None:
            seconds = self.limits.pull_lifetime if subscription.pulled else self.limits.lifetime
        subscription.deadline = self._clock.monotonic() + min(seconds, self.limits.lifetime)

    def termination_ns(self, subscription: Subscription) -> int:
        """Return the UTC time at which a subscription ends, in whole milliseconds."""
        left = subscription.deadline - self._clock.monotonic()
        return round((self._clock.utc_ns() + left * _NS) / _MS) * _MS

    def remove(self, subscription: Subscription) -> None:
        """End a subscription."""
        if self._live.pop(subscription.id, None) is not None:
            self._number[subscription.pulled] -= 1
        subscription.end()

    def synchronize(self, subscription: Subscription) -> None:
        """Queue the present states of all properties (ONVIF Core §11.6.1)."""
        for event in self._bus.properties():
            subscription.offer(event)

    async def pull(self, subscription: Subscription, seconds: float, limit: int) -> list[Event]:
        """Return waiting events, at most so many; with none wait for the first, and return nothing after the time.

        The subscription lives on for at least the same time. Raises GatewayError CONFLICT while another pull waits and
        for a subscription whose events are sent, NOT_FOUND when it ends meanwhile.
        """
        if subscription.busy or not subscription.pulled:
            reason = "another pull is waiting" if subscription.pulled else "its events are sent to a consumer"
            raise GatewayError(ErrorKind.CONFLICT, f"subscription {subscription.id!r} can't be pulled: {reason}")
        subscription.busy = True
        try:
            while not subscription.queue and subscription.past is not None:
                await self._read_on(subscription, subscription.past)
            if len(subscription.queue) < limit and seconds > 0:
                await self._first(subscription, seconds)
        finally:
            subscription.busy = False
            deadline = self._clock.monotonic() + max(seconds, subscription.keep)
            subscription.deadline = max(subscription.deadline, deadline)
        if subscription.ended:
            raise GatewayError(ErrorKind.NOT_FOUND, f"subscription {subscription.id!r} ended during the pull")
        return subscription.take(limit)

    def pace(self, *, pulled: bool) -> float:
        """Return the seconds between two answers to one client, or two messages to one consumer."""
        return max(PACE_SECONDS, PACE_EACH * self._number[pulled])

    async def seek(self, subscription: Subscription, utc_ns: int, *, reverse: bool) -> None:
        """Let the next pulls return past events: from a time on, then the new ones; or from it back to the first.

        The message EventBuffer/Begin stands where what is kept begins (ONVIF Core §11.2.3).
        """
        subscription.queue.clear()
        subscription.backwards = reverse
        begin_ns = self.history.begin_ns()
        await self._read_on(subscription, place_at(utc_ns, reverse=reverse))
        if not reverse and (begin_ns is None or utc_ns < begin_ns):
            begin = self._begin(begin_ns)
            if subscription.wants(begin):
                subscription.queue.appendleft(begin)

    async def _read_on(self, subscription: Subscription, place: Place) -> None:
        """Fill the empty queue with the next page of the past, and what is told meanwhile and no later page has."""
        subscription.past = None
        try:
            page = await self.history.events(place, reverse=subscription.backwards, limit=PAGE)
        except BaseException:
            subscription.past = place
            raise
        subscription.past = page.rest
        past = [event for _, event in page.found if subscription.passes(event)]
        new = [event for event in subscription.queue if event not in past]
        if page.rest is not None:
            new = [event for event in new if event.utc_ns <= page.rest[0]]
        elif subscription.backwards and subscription.wants(begin := self._begin(self.history.begin_ns())):
            past.append(begin)
        subscription.queue.clear()
        subscription.queue.extend([*past, *new])

    def _begin(self, begin_ns: int | None) -> Event:
        return Event(BUFFER_BEGIN, utc_ns=self._clock.utc_ns() if begin_ns is None else begin_ns)

    async def _first(self, subscription: Subscription, seconds: float) -> None:
        """Wait for an event, but not longer than some seconds; then for the client's turn."""
        waits = (asyncio.ensure_future(subscription.filled()), asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if subscription.queue:
            await self._clock.sleep(min(seconds, max(0.0, subscription.paced - self._clock.monotonic())))
            subscription.paced = self._clock.monotonic() + self.pace(pulled=True)

    def _check_room(self, account: str, *, pulled: bool) -> None:
        limits = self.limits
        same = [subscription.account for subscription in self._live.values() if subscription.pulled is pulled]
        most, most_each = (
            (limits.pull_points, limits.pull_points_per_account)
            if pulled
            else (limits.consumers, limits.consumers_per_account)
        )
        if len(same) >= most:
            raise GatewayError(ErrorKind.LIMIT, f"there are already {most} subscriptions of this kind")
        if same.count(account) >= most_each:
            raise GatewayError(ErrorKind.LIMIT, f"{account!r} already has {most_each} subscriptions of this kind")

    def expire(self) -> None:
        """End what nobody prolonged in time."""
        now = self._clock.monotonic()
        for subscription in [each for each in self._live.values() if each.deadline <= now and not each.busy]:
            _log.info("subscription %s of %s expired", subscription.id, subscription.account)
            self.remove(subscription)
