"""What every connection to an event broker must do, as tests to inherit."""

import asyncio
from abc import ABC, abstractmethod

import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.broker import BrokerConnection

TOPIC = "house/onvif-ej/VideoSource/SignalLoss/&VideoSource_door"
DEADLINE = 20.0
"""Seconds within which everything happens."""


class BrokerContract(ABC):
    """Inherit in a test class whose name begins with Test; give it connections to a broker that answers and others."""

    @abstractmethod
    def working(self) -> BrokerConnection:
        """Return a connection to a broker that takes everything."""

    @abstractmethod
    def refused(self) -> BrokerConnection:
        """Return a connection to the same broker with a wrong password."""

    @abstractmethod
    def unreachable(self) -> BrokerConnection:
        """Return a connection to an address where nobody answers."""

    @abstractmethod
    def cut(self) -> None:
        """End what the broker has of connections."""

    @abstractmethod
    async def received(self, count: int) -> list[tuple[str, bytes]]:
        """Return topics and payloads that the broker was sent, once there are so many."""

    async def test_what_is_published_arrives_once_and_in_order(self) -> None:
        """`publish` returns when the broker has it, whatever the quality of service."""
        connection = self.working()
        async with asyncio.timeout(DEADLINE):
            await connection.connect()
            for number in range(6):
                await connection.publish(TOPIC, b"%d" % number, qos=number % 3, retain=False)
            arrived = await self.received(6)
            await connection.close()
        assert sorted(arrived) == [(TOPIC, b"%d" % number) for number in range(6)]
        for qos in range(3):  # a broker may let one quality of service overtake another (MQTT 3.1.1 §4.6)
            same = [payload for _, payload in arrived if int(payload) % 3 == qos]
            assert same == sorted(same)

    async def test_a_lost_connection_says_so(self) -> None:
        """`lost` waits for that, and raises UNAVAILABLE."""
        connection = self.working()
        async with asyncio.timeout(DEADLINE):
            await connection.connect()
            lost = asyncio.create_task(connection.lost())
            await connection.publish(TOPIC, b"x", qos=1, retain=False)
            assert not lost.done()
            self.cut()
            with pytest.raises(GatewayError) as told:
                await lost
            await connection.close()
        assert told.value.kind is ErrorKind.UNAVAILABLE

    async def test_a_refused_login_is_told_from_a_broker_that_is_away(self) -> None:
        """After the one the gateway waits long, so that no account is locked."""
        for connection, kind in (
            (self.refused(), ErrorKind.UNAUTHENTICATED),
            (self.unreachable(), ErrorKind.UNAVAILABLE),
        ):
            async with asyncio.timeout(DEADLINE):
                with pytest.raises(GatewayError) as told:
                    await connection.connect()
                await connection.close()
            assert told.value.kind is kind

    async def test_it_can_be_given_up_at_any_time(self) -> None:
        """`close` after a connect that was cancelled, and without one."""
        async with asyncio.timeout(DEADLINE):
            await self.working().close()
            connection = self.working()
            connecting = asyncio.create_task(connection.connect())
            await asyncio.sleep(0)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            await connection.close()

    async def test_the_password_does_not_show(self) -> None:
        """Not in what a log could print."""
        connection = self.working()
        password = connection.target.password
        assert password is None or password.reveal() not in f"{connection!r} {vars(connection)!r}"
