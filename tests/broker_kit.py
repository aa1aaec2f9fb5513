"""Event brokers in memory: a store, a broker that takes what it is told to, and the operations on both."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.broker import BrokerAddress, BrokerConfig
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.onvif.codec import Codec
from gateway.onvif.context import Context
from gateway.onvif.events_brokers import BrokerEvents, BrokerOperations
from gateway.onvif.recording import Audit
from gateway.sdk.broker import BrokerConnection, BrokerTarget
from gateway.services.broker_link import Connect
from gateway.services.brokers import Brokers
from gateway.services.eventbus import EventBus
from gateway.testing.clock import FakeClock


@dataclass
class MemoryBrokerStore:
    """Brokers that end with the test."""

    kept: Sequence[BrokerConfig] = ()

    def load(self) -> Sequence[BrokerConfig]:
        return self.kept

    def save(self, brokers: Sequence[BrokerConfig]) -> None:
        self.kept = tuple(brokers)


@dataclass
class FakeBroker:
    """A broker that a test switches on and off."""

    refusal: GatewayError | None = None
    """Raised by every attempt to connect."""
    blocked: bool = False
    """Whether it takes messages without ever acknowledging them."""
    poison: str = ""
    """A topic over which it cuts the connection."""
    invalid: str = ""
    """A topic that can't be published."""
    silent: bool = False
    """Whether it lets those who connect wait."""
    heard: list[tuple[str, str, int, bool]] = field(default_factory=list)
    """Topic, payload, QoS and whether it is retained."""
    targets: list[tuple[BrokerConfig, BrokerAddress]] = field(default_factory=list)
    connections: "list[FakeConnection]" = field(default_factory=list)

    def connect(self, config: BrokerConfig, address: BrokerAddress) -> BrokerConnection:
        self.targets.append((config, address))
        connection = FakeConnection(self, BrokerTarget(address, "id", config.username, config.password))
        self.connections.append(connection)
        return connection

    def cut(self) -> None:
        """Lose every connection."""
        for connection in self.connections:
            connection.ended.set()

    def payloads(self) -> list[str]:
        """Return what it heard, in order, and forget it."""
        heard, self.heard = self.heard, []
        return [payload for _, payload, _, _ in heard]


class FakeConnection(BrokerConnection):
    """A connection to a FakeBroker."""

    def __init__(self, broker: FakeBroker, target: BrokerTarget) -> None:
        super().__init__(target)
        self.broker = broker
        self.ended = asyncio.Event()
        self.closed = False

    async def connect(self) -> None:
        if self.broker.silent:
            await asyncio.get_running_loop().create_future()
        if self.broker.refusal is not None:
            raise self.broker.refusal

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        if self.broker.invalid and self.broker.invalid in topic:
            raise GatewayError(ErrorKind.INVALID, f"{topic!r} is no topic")
        if self.broker.poison and self.broker.poison in topic:
            self.ended.set()
            raise GatewayError(ErrorKind.UNAVAILABLE, "the broker can't be reached: cut")
        if self.broker.blocked:
            await asyncio.get_running_loop().create_future()
        self.broker.heard.append((topic, payload.decode(), qos, retain))

    async def lost(self) -> None:
        await self.ended.wait()
        raise GatewayError(ErrorKind.UNAVAILABLE, "the broker can't be reached: gone")

    async def close(self) -> None:
        self.closed = True


def no_audit(_context: Context, _operation: str, _detail: str) -> None: ...


def broker_operations(
    bus: EventBus,
    codec: Codec,
    clock: FakeClock,
    kinds: Mapping[str, Connect] | None = None,
    audit: Audit = no_audit,
) -> BrokerOperations:
    """Return the operations on brokers that are kept in memory; nothing connects unless they run."""
    form = BrokerEvents(bus, codec)
    kinds = {"mqtt": FakeBroker().connect, "mqtts": FakeBroker().connect} if kinds is None else kinds
    return BrokerOperations(Brokers(MemoryBrokerStore(), kinds, form, bus, clock), audit)
