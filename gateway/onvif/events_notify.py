"""Sends events to the consumers of base notification (ONVIF Core §11.1, WS-BaseNotification 1.3 §3.1)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

from lxml import etree

from gateway.domain.event import Event
from gateway.domain.reach import Reach
from gateway.onvif.codec import Codec
from gateway.onvif.events_message import EventMessages
from gateway.protocols.soap.outgoing import one_way

NOTIFY_ACTION = "http://docs.oasis-open.org/wsn/bw-2/NotificationConsumer/Notify"
NOTIFY_CONTENT_TYPE = f'application/soap+xml; charset=utf-8; action="{NOTIFY_ACTION}"'

Post: TypeAlias = Callable[[str, bytes, str], Awaitable[None]]
"""Takes a URL, a SOAP message and the IP address of who asked for it; returns when it was answered with 2xx, or raises
GatewayError. It has a deadline."""

_NOTIFY = "{http://docs.oasis-open.org/wsn/b-2}Notify"
_IS_PARAMETER = "{http://www.w3.org/2005/08/addressing}IsReferenceParameter"
_MAX_URL = 1024


@dataclass(frozen=True, slots=True)
class Consumer:
    """Where notifications go."""

    url: str
    parameters: tuple[str, ...] = ()
    """Reference parameters as header blocks."""
    client: str = ""
    """IP address of who subscribed."""

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def consumer_of(reference: Mapping[str, Any], client: str, reach: Reach) -> Consumer:
    """Read a wsa:EndpointReference that came from a client. Raises ValueError for an address that can't be sent to.

    A name is not looked up here: where it leads is seen when something is sent.
    """
    address = reference["Address"]
    url = (address["_"] if isinstance(address, Mapping) else address).strip()
    if not _is_web(url):
        raise ValueError(f"the consumer's address {url[:80]!r} is no http or https URL")
    host = urlsplit(url).hostname or ""
    if _is_ip(host) and not reach.permits(host, client):
        raise ValueError(f"nothing may be sent to the consumer's address {host}")
    parameters = reference.get("ReferenceParameters", {}).get("_any", ())
    return Consumer(url, tuple(_header(element) for element in parameters), client)


class NotifySender:
    """A `services.notifications.Send` that makes Notify messages."""

    def __init__(self, codec: Codec, messages: EventMessages, namespaces: Mapping[str, str], post: Post) -> None:
        """`namespaces` are those that the Event service declares."""
        self._codec = codec
        self._messages = messages
        self._namespaces = namespaces
        self._post = post

    async def __call__(self, consumer: Consumer, events: Sequence[Event], /) -> None:
        """Send events as one Notify. Raises GatewayError when it was not taken."""
        body = self._codec.encode(_NOTIFY, {"NotificationMessage": self._messages.texts(events)})
        message = one_way(body, self._namespaces, consumer.url, NOTIFY_ACTION, uuid4(), consumer.parameters)
        await self._post(consumer.url, message, consumer.client)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and len(url) <= _MAX_URL
    except ValueError:
        return False


def _header(element: etree._Element) -> str:
    copied = etree.fromstring(etree.tostring(element, with_tail=False))
    copied.set(_IS_PARAMETER, "true")
    return etree.tostring(copied, encoding="unicode")
