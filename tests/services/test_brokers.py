"""Event brokers: what each is told and when, what happens while one is away, and what is kept of them."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from broker_kit import FakeBroker, MemoryBrokerStore

from gateway.domain.access import Secret
from gateway.domain.broker import BrokerConfig, BrokerStatus
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, PropertyOperation, TopicDescription
from gateway.services import broker_link, broker_outbox
from gateway.services.broker_outbox import Outbox, Publication, Wants
from gateway.services.brokers import MAX_BROKERS, Brokers
from gateway.services.eventbus import EventBus
from gateway.testing.clock import FakeClock, settle

STATE, BELL = "tns1:VideoSource/SignalLoss", "tns1:Device/Bell"
YARD = BrokerConfig("mqtt://broker.example:1883", "yard", "user", Secret("Sesame-7"), qos=1)


class PlainForm:
    """`TOPIC SOURCE` as the topic and `OPERATION:value` as the payload; a filter is a topic."""

    def wants(self, config: BrokerConfig) -> Wants:
        if config.filters == ("broken",):
            raise GatewayError(ErrorKind.INVALID, "the filter can't be read")
        return lambda event: not config.filters or event.topic in config.filters

    def publication(self, config: BrokerConfig, event: Event) -> Publication:
        source = event.source[0][1] if event.source else ""
        text = f"{event.operation or '-'}:{event.data[0][1] if event.data else ''}"
        return Publication(f"{config.prefix}/{event.topic}/{source}", text.encode(), event.operation is not None)


@dataclass
class Site:
    """Brokers on a bus, and one broker that a test switches on and off."""

    store: MemoryBrokerStore = field(default_factory=MemoryBrokerStore)
    broker: FakeBroker = field(default_factory=FakeBroker)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.bus = EventBus(self.clock)
        source = (("Source", "tt:ReferenceToken"),)
        self.bus.declare(
            TopicDescription(STATE, source, (("State", "xs:boolean"),), is_property=True),
            TopicDescription(BELL, data=(("Ring", "xs:int"),)),
        )
        kinds = {"mqtt": self.broker.connect}
        self.brokers = Brokers(self.store, kinds, PlainForm(), self.bus, self.clock, _Even())

    def state(self, value: object, source: str = "yard") -> None:
        self.bus.publish(Event.of(STATE, {"Source": source}, {"State": value}))

    def ring(self, number: int) -> None:
        self.bus.publish(Event.of(BELL, data={"Ring": number}))

    @property
    def status(self) -> BrokerStatus:
        return self.brokers.all()[0].status

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.brokers.run())
        await settle()
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class _Even(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with site.running():
        yield site


async def test_a_new_broker_is_told_the_states_and_then_what_happens(site: Site) -> None:
    site.state(value=False)
    site.ring(1)
    site.brokers.put(YARD)
    await settle()
    assert site.status is BrokerStatus.CONNECTED
    site.state(value=True)
    site.ring(2)
    site.bus.delete(STATE, (("Source", "yard"),))
    await settle()
    topic = f"yard/{STATE}/yard"
    assert site.broker.heard == [
        (topic, "Initialized:false", 1, True),
        (topic, "Changed:true", 1, True),
        (f"yard/{BELL}/", "-:2", 1, False),
        (topic, "Deleted:true", 1, True),
    ]


async def test_each_broker_hears_what_its_filter_lets_pass(site: Site) -> None:
    site.state(value=False)
    site.brokers.put(replace(YARD, filters=(BELL,)))
    await settle()
    site.state(value=True)
    site.ring(1)
    await settle()
    assert site.broker.payloads() == ["-:1"]


async def test_nothing_is_lost_or_told_twice_while_a_broker_is_away(site: Site) -> None:
    site.state(value=False)
    site.brokers.put(YARD)
    await settle()
    assert site.broker.payloads() == ["Initialized:false"]
    site.broker.cut()
    await settle()
    assert site.status is BrokerStatus.OFFLINE
    site.state(value=True)
    site.ring(1)
    await site.clock.advance(broker_link.FIRST_DELAY)
    # The state was in the queue: it is not told once more.
    assert (site.status, site.broker.payloads()) == (BrokerStatus.CONNECTED, ["Changed:true", "-:1"])
    site.broker.cut()
    await settle()
    await site.clock.advance(2 * broker_link.FIRST_DELAY)
    assert site.broker.payloads() == ["Initialized:true"]
    assert [connection.closed for connection in site.broker.connections] == [True, True, False]


async def test_an_event_waits_until_the_broker_has_acknowledged_it(site: Site) -> None:
    site.brokers.put(YARD)
    await settle()
    site.broker.blocked = True
    site.ring(1)
    site.ring(2)
    await settle()
    assert site.broker.heard == []
    site.broker.blocked = False
    site.broker.cut()
    await settle()
    await site.clock.advance(broker_link.FIRST_DELAY)
    assert site.broker.payloads() == ["-:1", "-:2"]


async def test_a_property_that_ended_while_its_end_could_not_be_told_is_forgotten_at_the_broker() -> None:
    site = Site()
    outbox = Outbox("b", lambda _: True, site.bus, site.clock, size=1)
    site.bus.attach(outbox)
    outbox.connected()
    site.state(value=True)
    first = await outbox.next()
    outbox.done(first)
    site.bus.delete(STATE, first.source)
    site.ring(1)  # and drops the end
    outbox.connected()
    last = await outbox.next()
    outbox.done(last)
    end = await outbox.next()
    assert (last.topic, end.topic, end.operation) == (BELL, STATE, PropertyOperation.DELETED)


async def test_a_broker_that_is_away_loses_the_oldest_and_one_line_a_second_tells(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = Site()
    outbox = Outbox("mqtt://b:1", lambda _: True, site.bus, site.clock, size=3)
    site.bus.attach(outbox)
    for number in range(8):
        site.ring(number)
    assert (await outbox.next()).data == (("Ring", "5"),)
    assert [record.getMessage() for record in caplog.records] == [
        "event broker mqtt://b:1: 1 events are lost, the oldest that waited"
    ]
    await site.clock.advance(broker_outbox.LOG_SECONDS)
    outbox.done(await outbox.next())
    assert caplog.records[-1].getMessage() == "event broker mqtt://b:1: 4 events are lost, the oldest that waited"


async def test_a_broker_that_does_not_answer_is_tried_again_ever_more_slowly(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.broker.refusal = GatewayError(ErrorKind.UNAVAILABLE, "the broker can't be reached: refused")
    site.brokers.put(YARD)
    await settle()
    for delay in (1, 2, 4, 8, 16, 32, 60, 60):
        assert site.clock.sleeping == (delay,)
        await site.clock.advance(delay)
    assert len(site.broker.connections) == 9
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    address = YARD.address
    assert told == [f"event broker {address} is offline: the broker can't be reached: refused"]


async def test_a_refused_login_is_not_repeated_at_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.broker.refusal = GatewayError(ErrorKind.UNAUTHENTICATED, "the broker ends the connection: Not authorized")
    site.brokers.put(YARD)
    await settle()
    assert (site.status, site.clock.sleeping) == (BrokerStatus.OFFLINE, (broker_link.REFUSED_DELAY,))
    assert "Sesame-7" not in caplog.text
    assert "Sesame-7" not in repr(site.brokers.all())


async def test_a_broker_is_connecting_until_it_answers(site: Site) -> None:
    site.broker.silent = True
    site.brokers.put(YARD)
    await settle()
    assert site.status is BrokerStatus.CONNECTING


async def test_an_event_that_the_broker_can_not_take_does_not_hold_up_the_others(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.brokers.put(YARD)
    site.broker.invalid = BELL
    await settle()
    site.ring(1)
    site.state(value=True)
    await settle()
    assert site.broker.payloads() == ["Initialized:true"]
    assert f"an event of {BELL} is left out: 'yard/{BELL}/' is no topic" in caplog.text
    site.broker.invalid, site.broker.poison = "", STATE
    site.state(value=False)
    await settle()
    for _ in range(broker_link.MAX_FAILURES):
        await site.clock.advance(broker_link.LONGEST_DELAY)
    site.ring(2)
    await settle()
    assert site.broker.payloads() == ["-:2"]
    assert f"an event of {STATE} is left out: the connection was lost 5 times over it" in caplog.text


async def test_a_backlog_lets_others_have_their_turn(site: Site) -> None:
    site.brokers.put(YARD)
    await settle()
    for number in range(1000):
        site.ring(number)
    await settle()
    assert 0 < len(site.broker.heard) <= 20


async def test_brokers_are_kept_and_come_back() -> None:
    store = MemoryBrokerStore()
    first = Site(store)
    async with first.running():
        first.brokers.put(YARD)
        first.brokers.put(replace(YARD, address="mqtt://other:1"))
    assert [config.address for config in store.kept] == [YARD.address, "mqtt://other:1"]
    again = Site(store)
    async with again.running():
        again.ring(1)
        await settle()
        assert [state.status for state in again.brokers.all()] == [BrokerStatus.CONNECTED] * 2
        assert again.broker.payloads() == ["-:1", "-:1"]
        again.brokers.delete(YARD.address)
        await settle()
        assert again.broker.connections[0].closed
    assert [config.address for config in store.kept] == ["mqtt://other:1"]


async def test_a_stored_broker_with_a_broken_filter_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert Site(MemoryBrokerStore((replace(YARD, filters=("broken",)), YARD))).brokers.all()[0].config == YARD
    assert "a stored event broker is left out: the filter can't be read" in caplog.text


async def test_changing_a_broker_keeps_the_password_that_nobody_can_read(site: Site) -> None:
    site.brokers.put(YARD)
    site.brokers.put(replace(YARD, prefix="gate", password=None))
    await settle()
    assert site.broker.targets[-1][0] == replace(YARD, prefix="gate")
    site.brokers.put(replace(YARD, username="", password=None))
    assert site.brokers.all()[0].config.password is None


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        ("amqp://b:1", ErrorKind.UNSUPPORTED, "the protocol 'amqp' is none of mqtt, mqtts, ws, wss"),
        ("wss://b:1/x", ErrorKind.UNSUPPORTED, "no plug-in connects to brokers over 'wss'"),
        ("mqtt://", ErrorKind.INVALID, "the address 'mqtt://' is not possible; one looks like mqtt://HOST:PORT"),
        ("mqtt://b:0", ErrorKind.INVALID, "the address 'mqtt://b:0' is not possible; one looks like mqtt://HOST:PORT"),
        ("mqtt://b:1/x", ErrorKind.INVALID, "the address 'mqtt://b:1/x' is not possible"),
        ("mqtt://me:Sesame-7@b", ErrorKind.INVALID, "the address is not possible; one looks like mqtt://HOST:PORT"),
        ("mqtt://b:port", ErrorKind.INVALID, "the address 'mqtt://b:port' is not possible"),
        ("mqtt://a b:1", ErrorKind.INVALID, "the address 'mqtt://a b:1' is not possible"),
    ],
)
async def test_addresses_that_are_none(site: Site, address: str, kind: ErrorKind, message: str) -> None:
    with pytest.raises(GatewayError) as refused:
        site.brokers.put(replace(YARD, address=address))
    assert refused.value.kind is kind
    assert refused.value.message.startswith(message)


async def test_there_is_an_end_to_brokers(site: Site) -> None:
    for number in range(MAX_BROKERS):
        site.brokers.put(replace(YARD, address=f"mqtt://b:{number + 1}"))
    with pytest.raises(GatewayError, match=f"there are already {MAX_BROKERS} event brokers") as refused:
        site.brokers.put(YARD)
    assert refused.value.kind is ErrorKind.LIMIT
    with pytest.raises(GatewayError, match="there is no event broker 'mqtt://nobody:1'") as unknown:
        site.brokers.delete("mqtt://nobody:1")
    assert unknown.value.kind is ErrorKind.NOT_FOUND


async def test_another_way_to_connect_is_used_at_once_and_nothing_is_lost(site: Site) -> None:
    other = FakeBroker()
    site.brokers.put(YARD)
    await settle()
    site.ring(1)
    await settle()
    site.brokers.use({"mqtt": other.connect})
    site.ring(2)
    await settle()
    assert [payload for _, payload, *_ in site.broker.heard] == ["-:1"]
    assert [payload for _, payload, *_ in other.heard] == ["-:2"]
    assert site.status is BrokerStatus.CONNECTED
