"""Events as the few bytes that their rows keep of them: MessagePack.

What makes a property (topic, source and key) stands once in a table of its own. A row keeps the data, and structures
where there are any; durations, which MessagePack lacks, are an extension of type 1 in microseconds.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from gateway.domain.event import Event, Items, PropertyKey, PropertyOperation

_DURATION = 1
_MICROSECOND = timedelta(microseconds=1)
_OPERATIONS = (None, *PropertyOperation)
_NUMBERS = {operation: number for number, operation in enumerate(_OPERATIONS)}
_log = logging.getLogger(__name__)


def pack_subject(subject: PropertyKey) -> bytes:
    """Return topic, source and key as bytes."""
    return msgspec.msgpack.encode(subject)


def unpack_subject(data: bytes) -> PropertyKey:
    """Return what `pack_subject` made these bytes of."""
    return _SUBJECTS.decode(data)


def pack(event: Event) -> bytes:
    """Return what an event tells as bytes. Structures that can't be kept are left out, which is logged."""
    if event.elements:
        try:
            return _ENCODER.encode((event.data, _plain(event.elements)))
        except (TypeError, ValueError, OverflowError) as error:
            _log.warning("the structures of an event of %s can't be kept: %s", event.topic, error)
    return _ENCODER.encode((event.data,))


def unpack(subject: PropertyKey, operation: int, time_ns: int, data: bytes) -> Event:
    """Return the event that a row was made of."""
    topic, source, key = subject
    told = _EVENTS.decode(data)
    elements = tuple((name, content) for name, content in told[1]) if len(told) > 1 else ()
    items = tuple((name, value) for name, value in told[0])
    return Event(topic, source, items, key, elements, time_ns, _OPERATIONS[operation])


def number_of(operation: PropertyOperation | None) -> int:
    """Return what a row keeps of an operation."""
    return _NUMBERS[operation]


def _plain(value: Any) -> Any:  # noqa: ANN401 - any plain value
    if isinstance(value, timedelta):
        return msgspec.msgpack.Ext(_DURATION, (value // _MICROSECOND).to_bytes(8, signed=True))
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _extension(code: int, data: memoryview) -> timedelta:
    if code != _DURATION:
        raise ValueError(f"an event has an extension of the unknown type {code}")
    return timedelta(microseconds=int.from_bytes(data, signed=True))


_ENCODER = msgspec.msgpack.Encoder()
_SUBJECTS = msgspec.msgpack.Decoder(tuple[str, Items, Items])
_EVENTS: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(ext_hook=_extension)
