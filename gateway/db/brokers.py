"""Event brokers in the database, their passwords sealed."""

import logging
from collections.abc import Sequence
from typing import Any

from gateway.db.secrets import SecretBox
from gateway.db.stores import SettingsStore
from gateway.domain.broker import BrokerConfig
from gateway.domain.errors import GatewayError

_KEY = "gateway.event_brokers"
_log = logging.getLogger(__name__)


class BrokerStore:
    """Keeps all brokers as one setting: there are few."""

    def __init__(self, settings: SettingsStore, box: SecretBox) -> None:
        self._settings = settings
        self._box = box

    def load(self) -> list[BrokerConfig]:
        """Return every broker, oldest first; one that can't be read is logged and left out."""
        return [found for record in self._settings.load(_KEY) or () if (found := self._restored(record))]

    def save(self, brokers: Sequence[BrokerConfig]) -> None:
        """Keep these, in place of all others; returns at once."""
        self._settings.store(_KEY, [self._record(broker) for broker in brokers])

    def _record(self, broker: BrokerConfig) -> dict[str, Any]:
        sealed = None if broker.password is None else self._box.seal(broker.password, _identity(broker.address)).hex()
        return {
            "address": broker.address,
            "prefix": broker.prefix,
            "username": broker.username,
            "password": sealed,
            "filters": list(broker.filters),
            "qos": broker.qos,
        }

    def _restored(self, record: dict[str, Any]) -> BrokerConfig | None:
        try:
            address, sealed = record["address"], record["password"]
            password = None if sealed is None else self._box.open(bytes.fromhex(sealed), _identity(address))
            filters = tuple(record["filters"])
            return BrokerConfig(address, record["prefix"], record["username"], password, filters, record["qos"])
        except (KeyError, TypeError, ValueError) as error:
            _log.warning("a stored event broker is left out: %s", error)
        except GatewayError as error:
            _log.warning("a stored event broker is left out: %s", error.message)
        return None


def _identity(address: str) -> str:
    return f"password of event broker {address}"
