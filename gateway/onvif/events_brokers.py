"""Event brokers as clients configure them, and how events look to them (ONVIF Core §11.12)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from lxml import etree

from gateway.domain.access import Secret
from gateway.domain.broker import BrokerConfig
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.onvif.codec import Codec
from gateway.onvif.context import Context
from gateway.onvif.events_faults import EventFaults
from gateway.onvif.events_filter import FilterReader
from gateway.onvif.events_json import EventJson, mqtt_name, mqtt_topic
from gateway.onvif.faults import Receiver, Sender, SoapFault
from gateway.onvif.recording import Audit
from gateway.services.broker_outbox import Publication, Wants
from gateway.services.brokers import Brokers, BrokerState
from gateway.services.eventbus import EventBus

Plain: TypeAlias = dict[str, Any]
MAX_TEXT = 256
"""Characters in a topic prefix, a user name and a password."""

_ALL_QOS = (0, 1, 2)
_EPOCH = datetime.fromtimestamp(0, UTC)
_FAULTS = {
    ErrorKind.INVALID: (Sender, "InvalidArgVal", "InvalidAddress"),
    ErrorKind.NOT_FOUND: (Sender, "InvalidArgVal", "InvalidAddress"),
    ErrorKind.UNSUPPORTED: (Sender, "InvalidArgVal", "InvalidProtocol"),
    ErrorKind.LIMIT: (Receiver, "Action", "TooManyEventBrokers"),
}


class BrokerEvents:
    """How events look to a broker, and which one it wants (`services.broker_link.EventForm`)."""

    def __init__(self, bus: EventBus, codec: Codec) -> None:
        self._json = EventJson(codec, bus.topics)
        self._filters = FilterReader(bus.topics, codec.prefixes, EventFaults(codec))

    def wants(self, config: BrokerConfig) -> Wants:
        """Return the test of a broker's filter, also for topics that come later. Raises GatewayError INVALID."""
        try:
            nodes = [_parsed(text) for text in config.filters]
            return self._filters.wants({"Filter": {"_any": nodes}}, _EPOCH, standing=True)
        except (SoapFault, etree.XMLSyntaxError) as error:
            raise GatewayError(ErrorKind.INVALID, f"the filter of {config.address!r} can't be read: {error}") from None

    def publication(self, config: BrokerConfig, event: Event) -> Publication:
        """Return an event as a message; properties are kept by the broker (Core §11.12.7)."""
        retain = event.operation is not None
        return Publication(mqtt_topic(config.prefix, event), self._json.payload(event), retain)


class BrokerOperations:
    """What AddEventBroker, DeleteEventBroker and GetEventBrokers do."""

    def __init__(self, brokers: Brokers, audit: Audit) -> None:
        self.brokers = brokers
        """Its `run` publishes."""
        self._audit = audit

    def capabilities(self) -> Plain:
        """Return what is announced: nothing without a plug-in that connects to brokers."""
        if not self.brokers.most:
            return {"MaxEventBrokers": 0}
        return {"MaxEventBrokers": self.brokers.most, "EventBrokerProtocols": " ".join(self.brokers.protocols)}

    def add(self, broker: Mapping[str, Any], context: Context, filters: FilterReader, now: datetime) -> None:
        """Add or change a broker. Raises SoapFault."""
        _check_filters(broker, filters, now)
        config = read_broker(broker)
        try:
            self.brokers.put(config)
        except GatewayError as error:
            raise _fault(error) from None
        self._audit(context, "AddEventBroker", config.address)

    def delete(self, address: str, context: Context) -> None:
        """Forget a broker. Raises SoapFault InvalidAddress."""
        try:
            self.brokers.delete(address)
        except GatewayError as error:
            raise _fault(error) from None
        self._audit(context, "DeleteEventBroker", address)

    def found(self, address: str | None) -> list[Plain]:
        """Return every broker, or the one with an address. Raises SoapFault InvalidAddress."""
        if not address:
            return [_plain(state) for state in self.brokers.all()]
        state = self.brokers.get(address)
        if state is None:
            raise _fault(GatewayError(ErrorKind.NOT_FOUND, f"there is no event broker {address!r}"))
        return [_plain(state)]


def read_broker(broker: Mapping[str, Any]) -> BrokerConfig:
    """Return a tev:EventBrokerConfig. Raises SoapFault."""
    prefix, qos = mqtt_name(broker["TopicPrefix"]).strip("/"), broker.get("QoS", 0)
    username, password = broker.get("UserName", ""), broker.get("Password")
    if not prefix or prefix.startswith("$"):
        raise _invalid(f"the topic prefix {broker['TopicPrefix'][:80]!r} is not possible")
    if qos not in _ALL_QOS:
        raise _invalid(f"the quality of service {qos} is none of 0, 1 and 2")
    if password and not username:
        raise _invalid("a password needs a user name")
    for what, text in (("topic prefix", prefix), ("user name", username), ("password", password or "")):
        if len(text) > MAX_TEXT:
            raise _invalid(f"the {what} has {len(text)} characters, more than {MAX_TEXT}")
    for what in ("CertificateID", "CertPathValidationPolicyID"):
        if broker.get(what):
            raise _invalid(f"there is no {what} {broker[what][:80]!r}")
    nodes = broker.get("PublishFilter", {}).get("_any", ())
    filters = tuple(etree.tostring(node, encoding="unicode", with_tail=False) for node in nodes)
    secret = Secret(password) if password else None
    return BrokerConfig(broker["Address"].strip(), prefix, username, secret, filters, qos)


def _check_filters(broker: Mapping[str, Any], filters: FilterReader, now: datetime) -> None:
    if broker.get("MetadataFilter", {}).get("_any"):
        raise SoapFault(Sender, "InvalidArgVal", "InvalidFilter", "metadata is not published to event brokers")
    try:
        filters.wants({"Filter": broker.get("PublishFilter", {})}, now)
    except SoapFault as fault:
        raise SoapFault(Sender, "InvalidArgVal", "InvalidFilter", fault.reason) from None


def _plain(state: BrokerState) -> Plain:
    """Return a broker as every client may see it: without its password."""
    config = state.config
    plain: Plain = {"Address": config.address, "TopicPrefix": config.prefix, "QoS": config.qos}
    if config.username:
        plain["UserName"] = config.username
    if config.filters:
        plain["PublishFilter"] = {"_any": [_parsed(text) for text in config.filters]}
    return {**plain, "Status": str(state.status)}


def _parsed(text: str) -> etree._Element:
    return etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True))


def _invalid(reason: str) -> SoapFault:
    return SoapFault(Sender, "InvalidArgVal", "", reason)


def _fault(error: GatewayError) -> SoapFault:
    return SoapFault(*_FAULTS[error.kind], error.message)
