"""Publishes events over MQTT."""

from gateway.sdk.broker import BrokerConnection
from gateway.sdk.hooks import hookimpl
from gateway_mqtt.connection import MqttConnection


@hookimpl
def gateway_register_brokers() -> dict[str, type[BrokerConnection]]:
    """Register the four protocols of ONVIF's event broker (tev:EventBrokerProtocol)."""
    return dict.fromkeys(("mqtt", "mqtts", "ws", "wss"), MqttConnection)
