"""What a web service is sent: a JSON document, and headers that tell who sent it (Standard Webhooks 1.0)."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.domain.event import Event
from gateway.sdk.sink import SinkContext, SinkEntry

FORMAT = 1
"""Version of the document: a member may be added without a new one, but never changed or taken away."""

_KEY_PREFIX = "whsec_"
_NS, _US = 1_000_000_000, 1000


def document(entry: SinkEntry, context: SinkContext) -> dict[str, Any]:
    """Return an event as the gateway tells it: plain JSON values, all values of items as text."""
    event = entry.event
    found: dict[str, Any] = {
        "format": FORMAT,
        "id": entry.id,
        "time": iso_time(event.utc_ns),
        "device": {"id": context.device_id, "name": context.device_name},
        "camera": {"id": entry.camera, "name": context.cameras.get(entry.camera, "")} if entry.camera else None,
        "topic": event.topic,
        "operation": str(event.operation) if event.operation is not None else None,
        "source": dict(event.source),
        "data": dict(event.data),
    }
    clip = context.link(entry)
    return found | _optional(event) | ({"clip": clip} if clip else {})


def _optional(event: Event) -> dict[str, Any]:
    parts: Mapping[str, Any] = {"key": dict(event.key), "elements": dict(event.elements)}
    return {name: content for name, content in parts.items() if content}


def body(entry: SinkEntry, context: SinkContext) -> bytes:
    """Return the document as it is sent: UTF-8, the same bytes at every attempt."""
    return json.dumps(document(entry, context), ensure_ascii=False, separators=(",", ":")).encode()


def iso_time(utc_ns: int) -> str:
    """Return a time as `2026-11-22T08:00:00.000000Z`."""
    moment = datetime.fromtimestamp(utc_ns // _NS, UTC).replace(microsecond=utc_ns % _NS // _US)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def signing_key(secret: str) -> bytes:
    """Return the key of a secret: base64 after `whsec_`, else the text itself. Raises ValueError."""
    if not secret.startswith(_KEY_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_KEY_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"the secret is not base64 after {_KEY_PREFIX!r}") from None


def headers(identity: str, seconds: int, content: bytes, key: bytes | None) -> dict[str, str]:
    """Return the headers of one attempt at a time in seconds since the Unix epoch; without a key nothing is signed."""
    found = {"webhook-id": identity, "webhook-timestamp": str(seconds)}
    if key is not None:
        signed = hmac.new(key, f"{identity}.{seconds}.".encode() + content, hashlib.sha256).digest()
        found["webhook-signature"] = "v1," + base64.b64encode(signed).decode()
    return found


def retry_after(value: str, now_ns: int) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 §10.2.3), None for one that makes no sense."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now_ns / _NS)
