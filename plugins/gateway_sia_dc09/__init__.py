"""Reports events to monitoring stations (ANSI/SIA DC-09)."""

from gateway.sdk.hooks import hookimpl
from gateway.sdk.sink import EventSink
from gateway_sia_dc09.sink import SiaSink


@hookimpl
def gateway_register_sinks() -> dict[str, type[EventSink]]:
    """Register the sink `sia-dc09`."""
    return {"sia-dc09": SiaSink}
