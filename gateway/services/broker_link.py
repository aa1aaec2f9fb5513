"""The connection to one event broker, made again and again, and what is published over it."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Protocol, TypeAlias

from gateway.domain.broker import BrokerAddress, BrokerConfig, BrokerStatus
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.sdk.broker import BrokerConnection
from gateway.sdk.clock import Clock
from gateway.services.broker_outbox import Outbox, Publication, Wants

CONNECT_SECONDS, CLOSE_SECONDS = 20.0, 5.0
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds between attempts; each is a quarter longer or shorter."""

STEADY_SECONDS = 10.0
"""A connection that lasted so long was a good one: the next attempt comes soon."""

REFUSED_DELAY = 60.0
"""After a refused login: trying again at once could lock the account."""

MAX_FAILURES = 5
"""Connections that one event may cost before it is given up: it is the event that the broker can't take."""

Connect: TypeAlias = Callable[[BrokerConfig, BrokerAddress], BrokerConnection]
"""Returns a new connection to a broker, for `connect` to be called."""

_log = logging.getLogger(__name__)


class EventForm(Protocol):
    """How events look to a broker."""

    def wants(self, config: BrokerConfig) -> Wants:
        """Return the test of a broker's filter."""
        ...

    def publication(self, config: BrokerConfig, event: Event) -> Publication:
        """Return an event as the message that a broker gets."""
        ...


class Link:
    """One broker: what waits for it, and the connection to it."""

    def __init__(
        self,
        config: BrokerConfig,
        outbox: Outbox,
        kinds: Mapping[str, Connect],
        form: EventForm,
        clock: Clock,
        jitter: random.Random,
    ) -> None:
        self.config = config
        self.outbox = outbox
        self.status = BrokerStatus.OFFLINE
        self._kinds = kinds
        self._form = form
        self._clock = clock
        self._jitter = jitter
        self._delay = FIRST_DELAY
        self._complaint = ""

    async def run(self) -> None:
        """Keep the broker connected and tell it what waits, until cancelled."""
        while True:
            refused = False
            try:
                await self._serve()
            except GatewayError as error:
                self._complain(error.message)
                refused = error.kind is ErrorKind.UNAUTHENTICATED
            except TimeoutError:
                self._complain(f"no answer within {CONNECT_SECONDS:g} seconds")
            except Exception as error:  # noqa: BLE001 - one broker must not take the others down
                _log.exception("event broker %s: the connection failed", self.config.address)
                self._complain(f"{type(error).__name__}: {error}")
            finally:
                self.status = BrokerStatus.OFFLINE
            await self._clock.sleep(REFUSED_DELAY if refused else self._delay * self._jitter.uniform(0.75, 1.25))
            self._delay = min(self._delay * 2, LONGEST_DELAY)

    async def _serve(self) -> None:
        """Connect and publish until something fails."""
        address = BrokerAddress.parse(self.config.address)
        if address.scheme not in self._kinds:
            raise GatewayError(ErrorKind.UNSUPPORTED, f"no plug-in connects to brokers over {address.scheme!r}")
        self.status = BrokerStatus.CONNECTING
        connection = self._kinds[address.scheme](self.config, address)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()
            _log.info("event broker %s is connected", self.config.address)
            self.status, self._complaint, since = BrokerStatus.CONNECTED, "", self._clock.monotonic()
            self.outbox.connected()
            try:
                await _first(connection.lost(), self._publish(connection))
            finally:
                if self._clock.monotonic() - since >= STEADY_SECONDS:
                    self._delay = FIRST_DELAY
        finally:
            await self._close(connection)

    async def _publish(self, connection: BrokerConnection) -> None:
        """Publish what waits, each event until the broker has it."""
        while True:
            event = await self.outbox.next()
            if self.outbox.failures >= MAX_FAILURES:
                self._give_up(event, f"the connection was lost {MAX_FAILURES} times over it")
                continue
            message = self._form.publication(self.config, event)
            try:
                await connection.publish(message.topic, message.payload, qos=self.config.qos, retain=message.retain)
            except GatewayError as error:
                if error.kind is not ErrorKind.INVALID:
                    raise
                self._give_up(event, error.message)
            else:
                self.outbox.done(event)
            await asyncio.sleep(0)  # a backlog that is sent without waiting must not hold up the media

    def _give_up(self, event: Event, reason: str) -> None:
        _log.warning("event broker %s: an event of %s is left out: %s", self.config.address, event.topic, reason)
        self.outbox.done(event)

    async def _close(self, connection: BrokerConnection) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await connection.close()
        except (GatewayError, TimeoutError) as error:
            _log.debug("event broker %s: closing failed: %s", self.config.address, error)

    def _complain(self, problem: str) -> None:
        if problem != self._complaint:
            _log.warning("event broker %s is offline: %s", self.config.address, problem)
        self._complaint = problem


async def _first(*works: Coroutine[object, object, None]) -> None:
    """Do works at the same time until the first one ends, and end as that did."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
