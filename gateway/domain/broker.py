"""Event brokers that a client configured (ONVIF Core §11.12): where events go, which, and under what name."""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError

MAX_ADDRESS = 512
"""Characters in an address."""

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
_WEB = ("ws", "wss")


class BrokerStatus(StrEnum):
    """Whether a broker is connected (tev:ConnectionStatus)."""

    OFFLINE = "Offline"
    CONNECTING = "Connecting"
    CONNECTED = "Connected"


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """One configured broker (tev:EventBrokerConfig); its address is its key."""

    address: str
    prefix: str
    """What every topic begins with."""
    username: str = ""
    password: Secret | None = field(default=None, repr=False)
    filters: tuple[str, ...] = ()
    """Elements of its PublishFilter as XML; none lets every event pass."""
    qos: int = 0
    """0: at most once, 1: at least once, 2: exactly once."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """An address in its parts."""

    scheme: str
    host: str
    port: int
    path: str = ""
    """Of a WebSocket, with its query."""

    @property
    def secure(self) -> bool:
        """Tell whether the connection is encrypted."""
        return self.scheme in ("mqtts", "wss")

    @classmethod
    def parse(cls, text: str) -> "BrokerAddress":
        """Read `SCHEME://HOST[:PORT][/PATH]`. Raises GatewayError, UNSUPPORTED for a scheme that is no broker's.

        A login has no place in it, so that it can be shown and logged.
        """
        scheme = text.partition(":")[0].lower()
        if scheme not in _DEFAULT_PORTS:
            shown = f"the protocol {scheme[:20]!r} is none of {', '.join(_DEFAULT_PORTS)}"
            raise GatewayError(ErrorKind.UNSUPPORTED, shown)
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", _DEFAULT_PORTS[scheme] if parts.port is None else parts.port
        except ValueError:
            host, port, parts = "", 0, urlsplit("")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        wrong = not host or port == 0 or "@" in parts.netloc or parts.fragment or not text.isprintable() or " " in text
        if wrong or len(text) > MAX_ADDRESS or (path not in ("", "/") and scheme not in _WEB):
            example = f"{scheme}://HOST:PORT" + ("/PATH" if scheme in _WEB else "")
            shown = "the address" if "@" in text else f"the address {text[:80]!r}"
            raise GatewayError(ErrorKind.INVALID, f"{shown} is not possible; one looks like {example}")
        return cls(scheme, host, port, path)
