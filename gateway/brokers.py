"""Event brokers, put together: what connects to them comes from plug-ins, who they are from the database."""

from functools import partial
from uuid import UUID, uuid5

from gateway.config import Brokers as BrokerSettings
from gateway.db import AuditTrail, Database
from gateway.domain.broker import BrokerAddress, BrokerConfig
from gateway.onvif.codec import Codec
from gateway.onvif.events_brokers import BrokerEvents, BrokerOperations
from gateway.registry import Registry
from gateway.sdk.broker import BrokerConnection, BrokerTarget
from gateway.sdk.clock import Clock
from gateway.services.broker_link import Connect
from gateway.services.brokers import Brokers
from gateway.services.eventbus import EventBus

_CLIENT_ID_LENGTH = 23
"""Every broker of MQTT 3.1.1 takes so many letters and digits (§3.1.3.1)."""


def broker_operations(
    registry: Registry,
    settings: BrokerSettings,
    installation: str,
    database: Database,
    bus: EventBus,
    codec: Codec,
    clock: Clock,
) -> BrokerOperations:
    """Return what clients do with brokers; the `run` of its `brokers` publishes."""
    trail = AuditTrail(database.audit, clock)
    kinds = broker_kinds(registry, settings, installation)
    return BrokerOperations(Brokers(database.brokers, kinds, BrokerEvents(bus, codec), bus, clock), trail.by)


def broker_kinds(registry: Registry, settings: BrokerSettings, installation: str) -> dict[str, Connect]:
    """Return what connects to brokers by the scheme of their address."""
    return {scheme: partial(_connection, kind, settings, installation) for scheme, kind in registry.brokers.items()}


def client_id(installation: str, address: str) -> str:
    """Return the name under which a broker knows this gateway: always the same, but another for another address."""
    return uuid5(UUID(installation), address).hex[:_CLIENT_ID_LENGTH]


def _connection(
    kind: type[BrokerConnection],
    settings: BrokerSettings,
    installation: str,
    config: BrokerConfig,
    address: BrokerAddress,
) -> BrokerConnection:
    name = client_id(installation, config.address)
    login = (config.username, config.password)
    return kind(BrokerTarget(address, name, *login, settings.verify, settings.authorities))
