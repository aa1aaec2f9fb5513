"""Events at a real broker, as `mosquitto_sub` prints them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import pytest
from broker_kit import MemoryBrokerStore
from mosquitto_kit import PASSWORD, USER, Mosquitto, Subscriber
from onvif_calls import CODEC
from waiting import until

from gateway.brokers import broker_kinds, client_id
from gateway.config import Brokers as BrokerSettings
from gateway.domain.access import Secret
from gateway.domain.broker import BrokerAddress, BrokerConfig, BrokerStatus
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, TopicDescription
from gateway.onvif.events_brokers import BrokerEvents
from gateway.registry import Registry
from gateway.sdk.broker import BrokerConnection, BrokerTarget
from gateway.sdk.clock import SystemClock
from gateway.services import broker_link
from gateway.services.brokers import Brokers
from gateway.services.eventbus import EventBus
from gateway.testing.brokers import BrokerContract
from gateway_mqtt.connection import MqttConnection

pytestmark = pytest.mark.peer
STATE, BELL = "tns1:VideoSource/SignalLoss", "tns1:Device/Bell"
INSTALLATION = "6f2c8a52-3b41-4a6e-9d61-0123456789ab"
AT = 1_700_000_000_000_000_000


@dataclass
class House:
    """The gateway's side: a bus and its brokers, which end with `running`."""

    store: MemoryBrokerStore = field(default_factory=MemoryBrokerStore)
    settings: BrokerSettings = field(default_factory=BrokerSettings)

    def __post_init__(self) -> None:
        self.bus = EventBus(SystemClock())
        self.bus.declare(
            TopicDescription(STATE, (("Source", "tt:ReferenceToken"),), (("State", "xs:boolean"),), is_property=True),
            TopicDescription(BELL, data=(("Ring", "xs:int"),)),
        )
        kinds = broker_kinds(Registry(), self.settings, INSTALLATION)
        self.brokers = Brokers(self.store, kinds, BrokerEvents(self.bus, CODEC), self.bus, SystemClock())

    def state(self, value: object, source: str = "yard") -> None:
        self.bus.publish(Event.of(STATE, {"Source": source}, {"State": value}, utc_ns=AT))

    def ring(self, number: int) -> None:
        self.bus.publish(Event.of(BELL, data={"Ring": number}, utc_ns=AT))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.brokers.run())
        await asyncio.sleep(0)
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def becomes(self, status: BrokerStatus) -> None:
        """Wait until the one broker has a status."""
        await until(lambda: [state.status for state in self.brokers.all()] == [status])


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    mosquitto = Mosquitto(tmp_path)
    await mosquitto.start()
    yield mosquitto
    mosquitto.stop()


class TestContract(BrokerContract):
    @pytest.fixture(autouse=True)
    async def with_broker(self, mosquitto: Mosquitto) -> AsyncIterator[None]:
        self.mosquitto = mosquitto
        async with mosquitto.listening() as self.subscriber:
            yield

    def connection(self, password: str = PASSWORD, port: int = 0) -> BrokerConnection:
        address = BrokerAddress("mqtt", "127.0.0.1", port or self.mosquitto.port)
        return MqttConnection(BrokerTarget(address, "contract", USER, Secret(password)))

    def working(self) -> BrokerConnection:
        return self.connection()

    def refused(self) -> BrokerConnection:
        return self.connection("Wrong-Sesame-8")

    def unreachable(self) -> BrokerConnection:
        return self.connection(port=9)

    def cut(self) -> None:
        self.mosquitto.stop()

    async def received(self, count: int) -> list[tuple[str, bytes]]:
        messages = [await self.subscriber.next() for _ in range(count)]
        return [(topic, payload.encode()) for _, _, topic, payload in messages]


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(broker_link, "FIRST_DELAY", 0.05)
    house = House()
    async with house.running():
        yield house


def config(mosquitto: Mosquitto, **changes: object) -> BrokerConfig:
    plain = BrokerConfig(f"mqtt://127.0.0.1:{mosquitto.port}", "house", USER, Secret(PASSWORD), qos=1)
    return replace(plain, **changes)  # type: ignore[arg-type]


async def rings(subscriber: Subscriber, number: int) -> list[int]:
    return [json.loads((await subscriber.next())[3])["Data"]["Ring"] for _ in range(number)]


async def test_messages_are_those_of_the_specification(mosquitto: Mosquitto, house: House) -> None:
    topic = "house/onvif-ej/VideoSource/SignalLoss/&yard"
    house.state(value=False)
    async with mosquitto.listening() as subscriber:
        house.brokers.put(config(mosquitto))
        first = await subscriber.next()
        house.state(value=True)
        house.ring(7)
        told = [await subscriber.next() for _ in range(2)]
        payload = '{"UtcTime":"2023-11-14T22:13:20Z","Source":{"Source":"yard"},"Data":{"State":true}}'
        assert (first[:3], json.loads(first[3])["Data"]) == ((False, 1, topic), {"State": False})
        assert told == [
            (False, 1, topic, payload),
            (
                False,
                1,
                "house/onvif-ej/Device/Bell",
                '{"UtcTime":"2023-11-14T22:13:20Z","Source":{},"Data":{"Ring":7}}',
            ),
        ]
    async with mosquitto.listening() as late:
        # Only the property is kept, and only as long as it lives.
        assert await late.next() == (True, 1, topic, payload)
        house.bus.delete(STATE, (("Source", "yard"),))
        assert await late.next() == (False, 1, topic, "")
        house.ring(8)
        assert await rings(late, 1) == [8]
    async with mosquitto.listening() as later:
        house.ring(9)
        assert await rings(later, 1) == [9]


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_every_quality_of_service(mosquitto: Mosquitto, house: House, qos: int) -> None:
    async with mosquitto.listening() as subscriber:
        house.brokers.put(config(mosquitto, qos=qos))
        for number in range(50):
            house.ring(number)
        told = [await subscriber.next() for _ in range(50)]
    assert {each[1] for each in told} == {qos}
    assert [json.loads(each[3])["Data"]["Ring"] for each in told] == list(range(50))


async def test_the_filter_counts(mosquitto: Mosquitto, house: House) -> None:
    expression = (
        '<wsnt:TopicExpression xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" '
        'xmlns:tns1="http://www.onvif.org/ver10/topics">tns1:Device//.</wsnt:TopicExpression>'
    )
    content = (
        '<wsnt:MessageContent xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2">'
        'boolean(//tt:SimpleItem[@Name="Ring" and @Value="2"])</wsnt:MessageContent>'
    )
    async with mosquitto.listening() as subscriber:
        house.brokers.put(config(mosquitto, filters=(expression, content)))
        await house.becomes(BrokerStatus.CONNECTED)
        house.state(value=True)
        house.ring(1)
        house.ring(2)
        assert await rings(subscriber, 1) == [2]


async def test_a_restart_of_the_broker_loses_nothing(mosquitto: Mosquitto, house: House) -> None:
    house.state(value=False)
    house.brokers.put(config(mosquitto))
    async with mosquitto.listening("house/#", "-i", "listener", "-c") as subscriber:
        house.ring(1)
        await house.becomes(BrokerStatus.CONNECTED)
        assert 1 in [json.loads((await subscriber.next())[3])["Data"].get("Ring") for _ in range(2)]
    mosquitto.stop()
    await house.becomes(BrokerStatus.OFFLINE)
    house.state(value=True)
    for number in range(2, 100):
        house.ring(number)
    await mosquitto.start()
    async with mosquitto.listening("house/#", "-i", "listener", "-c") as subscriber:
        await house.becomes(BrokerStatus.CONNECTED)
        house.ring(100)
        told: list[int] = []
        while 100 not in told:
            _, _, topic, payload = await subscriber.next()
            told += [json.loads(payload)["Data"]["Ring"]] if topic.endswith("Bell") else []
        assert told == list(range(2, 101))
    async with mosquitto.listening("house/+/VideoSource/#") as late:
        assert json.loads((await late.next())[3])["Data"] == {"State": True}


async def test_a_restart_of_the_gateway_tells_the_states_again(mosquitto: Mosquitto) -> None:
    store = MemoryBrokerStore()
    first = House(store)
    async with first.running():
        first.brokers.put(config(mosquitto))
        first.state(value=False)
        await first.becomes(BrokerStatus.CONNECTED)
        async with mosquitto.listening() as subscriber:
            await subscriber.next()
    again = House(store)
    again.state(value=True)
    async with mosquitto.listening() as subscriber:
        assert json.loads((await subscriber.next())[3])["Data"] == {"State": False}
        async with again.running():
            assert json.loads((await subscriber.next())[3])["Data"] == {"State": True}


async def test_a_wrong_password_is_offline_and_said_once(
    mosquitto: Mosquitto, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.brokers.put(config(mosquitto, password=Secret("Wrong-Sesame-8")))
    await until(lambda: "is offline" in caplog.text)
    await house.becomes(BrokerStatus.OFFLINE)
    address = f"mqtt://127.0.0.1:{mosquitto.port}"
    told = [record.getMessage() for record in caplog.records if record.name == "gateway.services.broker_link"]
    assert told == [f"event broker {address} is offline: the broker ends the connection: [code:135] Not authorized"]
    assert "Wrong-Sesame-8" not in caplog.text


@pytest.mark.parametrize(
    ("scheme", "listener"), [("mqtts", "tls_port"), ("ws", "web_port"), ("wss", "secure_web_port")]
)
async def test_other_protocols(mosquitto: Mosquitto, scheme: str, listener: str) -> None:
    house = House(settings=BrokerSettings(authorities=mosquitto.folder / "authority.pem"))
    async with house.running(), mosquitto.listening() as subscriber:
        house.brokers.put(config(mosquitto, address=f"{scheme}://127.0.0.1:{getattr(mosquitto, listener)}"))
        house.ring(1)
        assert await rings(subscriber, 1) == [1]


@pytest.mark.parametrize("verify", [True, False])
async def test_certificates_are_checked_unless_that_is_turned_off(mosquitto: Mosquitto, *, verify: bool) -> None:
    address = BrokerAddress("mqtts", "127.0.0.1", mosquitto.tls_port)
    connection = MqttConnection(BrokerTarget(address, "check", USER, Secret(PASSWORD), verify))
    if not verify:
        await connection.connect()
    else:
        with pytest.raises(GatewayError, match="certificate verify failed: unable to get local issuer") as refused:
            await connection.connect()
        assert refused.value.kind is ErrorKind.UNAVAILABLE
    await connection.close()


async def test_a_connection_that_is_given_up_is_closed_when_it_is_there(mosquitto: Mosquitto) -> None:
    address = BrokerAddress("mqtt", "127.0.0.1", mosquitto.port)
    connection = MqttConnection(BrokerTarget(address, "hasty", USER, Secret(PASSWORD)))
    connecting = asyncio.create_task(connection.connect())
    await asyncio.sleep(0)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    await connection.close()
    log = mosquitto.folder / "log"
    await until(lambda: "Client hasty disconnected." in log.read_text())


async def test_a_broker_that_is_not_there_or_is_none() -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for address, message in (
        (BrokerAddress("mqtt", "127.0.0.1", 9), "Connection refused"),
        (BrokerAddress("ws", "127.0.0.1", port), "can't be reached"),
        (BrokerAddress("mqtt", "b..example", 1), "can't be reached"),
    ):
        connection = MqttConnection(BrokerTarget(address, "lost"))
        with pytest.raises(GatewayError, match=message):
            await connection.connect()
        await connection.close()
    server.close()


async def test_topics_that_mqtt_can_not_carry() -> None:
    connection = MqttConnection(BrokerTarget(BrokerAddress("mqtt", "127.0.0.1", 9), "id"))
    for topic in ("", "a/+", "#", "x" * 65_536):
        with pytest.raises(GatewayError, match="is no topic of MQTT") as refused:
            await connection.publish(topic, b"", qos=0, retain=False)
        assert refused.value.kind is ErrorKind.INVALID


def test_the_client_id_is_stable_and_short_and_of_the_address() -> None:
    one = client_id(INSTALLATION, "mqtt://b:1")
    assert (one, len(one)) == (client_id(str(UUID(INSTALLATION)), "mqtt://b:1"), 23)
    assert one != client_id(INSTALLATION, "mqtts://b:1")
