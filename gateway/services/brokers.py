"""Event brokers: every configured one is told the events that it wants (ONVIF Core §11.12).

A broker that is away loses the oldest events beyond its queue; when it is back it is told the state of every property.
"""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.domain.broker import BrokerAddress, BrokerConfig, BrokerStatus
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.clock import Clock
from gateway.services.broker_link import Connect, EventForm, Link
from gateway.services.broker_outbox import Outbox
from gateway.services.eventbus import EventBus

MAX_BROKERS = 8
_log = logging.getLogger(__name__)


class BrokerStore(Protocol):
    """Keeps the brokers over restarts."""

    def load(self) -> Sequence[BrokerConfig]:
        """Return what was kept."""
        ...

    def save(self, brokers: Sequence[BrokerConfig]) -> None:
        """Keep these, in place of all others; returns at once."""
        ...


@dataclass(frozen=True, slots=True)
class BrokerState:
    """One broker as it is now."""

    config: BrokerConfig
    status: BrokerStatus


class Brokers:
    """All configured brokers, one task each."""

    def __init__(
        self,
        store: BrokerStore,
        kinds: Mapping[str, Connect],
        form: EventForm,
        bus: EventBus,
        clock: Clock,
        jitter: random.Random | None = None,
    ) -> None:
        """`kinds` are what makes connections, by the scheme of the address."""
        self._store = store
        self._kinds = kinds
        self._form = form
        self._bus = bus
        self._clock = clock
        self._jitter = jitter or random.Random()
        self._links: dict[str, Link] = {}
        for config in store.load():
            self._restore(config)
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def protocols(self) -> tuple[str, ...]:
        """Return the schemes of addresses that work here."""
        return tuple(sorted(self._kinds))

    @property
    def most(self) -> int:
        """Return how many brokers there can be."""
        return MAX_BROKERS if self._kinds else 0

    def all(self) -> tuple[BrokerState, ...]:
        """Return every broker, oldest first."""
        return tuple(BrokerState(link.config, link.status) for link in self._links.values())

    def get(self, address: str) -> BrokerState | None:
        """Return the broker with this address."""
        link = self._links.get(address)
        return None if link is None else BrokerState(link.config, link.status)

    async def run(self) -> None:
        """Serve every broker until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for link in self._links.values():
                    self._start(link)
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None
            for link in self._links.values():
                self._bus.detach(link.outbox)

    def use(self, kinds: Mapping[str, Connect]) -> None:
        """Connect in another way from now on; what waits for each broker goes on waiting."""
        self._kinds = kinds
        for address, link in self._links.items():
            self._stop(address)
            self._links[address] = again = self._link(link.config, link.outbox)
            self._start(again)

    def put(self, config: BrokerConfig) -> None:
        """Add a broker, or change the one with the same address.

        Who says the same user name and no password keeps the password: nobody can read it to say it again.
        Raises GatewayError: UNSUPPORTED for a protocol, INVALID for an address, LIMIT when there are enough.
        """
        address = BrokerAddress.parse(config.address)
        if address.scheme not in self._kinds:
            raise GatewayError(ErrorKind.UNSUPPORTED, f"no plug-in connects to brokers over {address.scheme!r}")
        old = self._links.get(config.address)
        if old is None and len(self._links) >= MAX_BROKERS:
            raise GatewayError(ErrorKind.LIMIT, f"there are already {MAX_BROKERS} event brokers")
        if old is not None and config.password is None and config.username == old.config.username:
            config = replace(config, password=old.config.password)
        self._stop(config.address)
        link = self._links[config.address] = self._link(config)
        self._start(link)
        self._save()

    def delete(self, address: str) -> None:
        """Forget a broker. Raises GatewayError NOT_FOUND."""
        if address not in self._links:
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no event broker {address!r}")
        self._stop(address)
        del self._links[address]
        self._save()

    def _restore(self, config: BrokerConfig) -> None:
        try:
            self._links[config.address] = self._link(config)
        except GatewayError as error:
            _log.warning("a stored event broker is left out: %s", error.message)

    def _link(self, config: BrokerConfig, outbox: Outbox | None = None) -> Link:
        outbox = outbox or Outbox(config.address, self._form.wants(config), self._bus, self._clock)
        return Link(config, outbox, self._kinds, self._form, self._clock, self._jitter)

    def _start(self, link: Link) -> None:
        if self._tasks is not None:
            self._bus.attach(link.outbox)
            name = link.config.address
            self._running[name] = self._tasks.create_task(link.run(), name=f"event broker {name}")

    def _stop(self, address: str) -> None:
        if (link := self._links.get(address)) is not None:
            self._bus.detach(link.outbox)
        if (task := self._running.pop(address, None)) is not None:
            task.cancel()

    def _save(self) -> None:
        self._store.save([link.config for link in self._links.values()])
