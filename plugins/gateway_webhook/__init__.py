"""Posts events to a web service as signed JSON."""

from gateway.sdk.hooks import hookimpl
from gateway.sdk.sink import EventSink
from gateway_webhook.sink import WebhookSink


@hookimpl
def gateway_register_sinks() -> dict[str, type[EventSink]]:
    """Register the sink `webhook`."""
    return {"webhook": WebhookSink}
