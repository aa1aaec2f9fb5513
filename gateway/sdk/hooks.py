"""The hooks. Each is called once, at registration; at run time the core calls the typed objects.

A hook argument is only ever added or deprecated, never changed.
"""

import pluggy

from gateway.sdk.broker import BrokerConnection
from gateway.sdk.driver import CameraDriver
from gateway.sdk.motion import MotionEngine
from gateway.sdk.sink import EventSink
from gateway.sdk.soap import SoapService
from gateway.sdk.storage import StorageBackend

PROJECT = "gateway"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def gateway_register_drivers() -> dict[str, type[CameraDriver]]:  # type: ignore[empty-body]
    """Return camera drivers by the name that a configuration's `driver =` uses."""


@hookspec
def gateway_register_storages() -> dict[str, type[StorageBackend]]:  # type: ignore[empty-body]
    """Return storage backends by the name that a configuration's `backend =` uses."""


@hookspec
def gateway_register_motion_engines() -> dict[str, type[MotionEngine]]:  # type: ignore[empty-body]
    """Return motion engines by the name that a configuration's `engine =` uses."""


@hookspec
def gateway_register_sinks() -> dict[str, type[EventSink]]:  # type: ignore[empty-body]
    """Return event sinks by the name that a configuration's `kind =` uses."""


@hookspec
def gateway_register_brokers() -> dict[str, type[BrokerConnection]]:  # type: ignore[empty-body]
    """Return connections to event brokers by the scheme of the addresses that they connect to."""


@hookspec
def gateway_register_soap_services() -> dict[str, type[SoapService]]:  # type: ignore[empty-body]
    """Return SOAP services by the last part of their addresses, `/onvif/vendor/NAME`."""
