"""One connection over MQTT 3.1.1, plain, with TLS, or in a WebSocket."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Iterator

from aiomqtt import Client, MqttCodeError, MqttError, TLSParameters
from paho.mqtt.reasoncodes import ReasonCode

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.broker import BrokerConnection, BrokerTarget

KEEPALIVE = 20
"""Seconds after which a silent connection is asked whether it still lives."""

SECONDS = 10.0
"""Longest wait for any answer."""

_REFUSED = (0x86, 0x87)
"""Bad user name or password, not authorized."""

_MAX_TOPIC = 65_535
_log = logging.getLogger(__name__)


class MqttConnection(BrokerConnection):
    """A client of one broker."""

    def __init__(self, target: BrokerTarget) -> None:
        super().__init__(target)
        self._client: Client | None = None
        self._connecting: asyncio.Task[Client] | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Connect and log in. A thread does the blocking part; giving up waits for its end in the background."""
        client = self._make()
        with _explained():
            self._connecting = asyncio.create_task(client.__aenter__(), name=f"mqtt {self.target.address.host}")
            await asyncio.shield(self._connecting)
        self._client = client

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Publish one message. Raises GatewayError INVALID for a topic that MQTT can't carry."""
        size = len(topic.encode(errors="replace"))
        if not topic or size > _MAX_TOPIC or any(sign in topic for sign in "+#\0"):
            raise GatewayError(ErrorKind.INVALID, f"{topic[:80]!r} is no topic of MQTT")
        with _explained():
            await self._connected().publish(topic, payload, qos=qos, retain=retain)

    async def lost(self) -> None:
        """Wait for the end of the connection; nothing is subscribed to, so no message comes."""
        with _explained():
            async for _ in self._connected().messages:
                pass

    async def close(self) -> None:
        """Say goodbye; a connection that is only now made is closed as soon as it is there."""
        if self._client is not None:
            await self._leave(self._client)
        elif self._connecting is not None:
            self._connecting.add_done_callback(self._connected_late)

    def _connected_late(self, connecting: "asyncio.Task[Client]") -> None:
        if not connecting.cancelled() and connecting.exception() is None:
            self._leaving = asyncio.create_task(self._leave(connecting.result()), name="mqtt goodbye")

    async def _leave(self, client: Client) -> None:
        with contextlib.suppress(MqttError):
            await client.__aexit__(None, None, None)

    def _connected(self) -> Client:
        if self._client is None:
            raise GatewayError(ErrorKind.UNAVAILABLE, "the connection was never made")
        return self._client

    def _make(self) -> Client:
        target, address = self.target, self.target.address
        web = address.scheme in ("ws", "wss")
        tls = None
        if address.secure:
            authorities = None if target.authorities is None else str(target.authorities)
            tls = TLSParameters(authorities, cert_reqs=ssl.CERT_REQUIRED if target.verify else ssl.CERT_NONE)
        return Client(
            address.host,
            address.port,
            username=target.username or None,
            password=None if target.password is None else target.password.reveal(),
            identifier=target.client_id,
            clean_session=True,
            transport="websockets" if web else "tcp",
            websocket_path=(address.path or "/") if web else None,
            tls_params=tls,
            tls_insecure=not target.verify if address.secure else None,
            keepalive=KEEPALIVE,
            timeout=SECONDS,
            logger=_log,
        )


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn the library's errors into ours. None of them holds a password."""
    try:
        yield
    except MqttCodeError as error:
        code = error.rc.value if isinstance(error.rc, ReasonCode) else error.rc
        kind = ErrorKind.UNAUTHENTICATED if code in _REFUSED else ErrorKind.UNAVAILABLE
        raise GatewayError(kind, f"the broker ends the connection: {error}") from None
    except MqttError as error:
        raise GatewayError(ErrorKind.UNAVAILABLE, f"the broker can't be reached: {error}") from None
    except (OSError, ValueError) as error:  # a name that can't be resolved, a message beyond MQTT's limits
        raise GatewayError(ErrorKind.UNAVAILABLE, f"the broker can't be reached: {error}") from None
