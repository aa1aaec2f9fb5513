"""The connection to an event broker: what carries events to a broker that a client configured."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from gateway.domain.access import Secret
from gateway.domain.broker import BrokerAddress


@dataclass(frozen=True, slots=True)
class BrokerTarget:
    """Where to connect to, and as whom."""

    address: BrokerAddress
    client_id: str
    """The same at every connection to this address, also after a restart: 1 to 23 letters and digits."""
    username: str = ""
    password: Secret | None = field(default=None, repr=False)
    verify: bool = True
    """Whether the broker's certificate is checked."""
    authorities: Path | None = None
    """PEM file of those who may have signed it; None: whom the system trusts."""


class BrokerConnection(ABC):
    """One connection. The gateway makes a new object for every attempt, calls `connect` once and `close` at the end.

    Every call is made on the event loop, has a deadline of its own and raises GatewayError: UNAUTHENTICATED when the
    broker refuses the login, INVALID for a message that can't be published, UNAVAILABLE when a new attempt may help.
    """

    def __init__(self, target: BrokerTarget) -> None:
        self.target = target

    @abstractmethod
    async def connect(self) -> None:
        """Connect and log in."""

    @abstractmethod
    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Bring one message to the broker.

        Returns when the broker has acknowledged it (`qos` 1 and 2), or when it is sent (`qos` 0). `retain` has the
        broker keep it for those who come later; an empty payload has it forget what it kept.
        """

    @abstractmethod
    async def lost(self) -> None:
        """Wait until the connection is lost, and raise why."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect; also after a failure, and without one."""
