"""Simple types: XML text to typed Python values and back (XML Schema 1.0 part 2).

`bool`, `int`, `float`, `str`, `bytes`, `datetime` (aware, UTC), `timedelta`, lists of these; QNames are strings
`{namespace}name`. Both directions raise ValueError with what was expected.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from lxml import etree

_DATE_TIME = re.compile(
    r"(\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?\s*(Z|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)
_DURATION = re.compile(
    r"(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII
)
_UNIT_SECONDS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)


@dataclass(frozen=True, slots=True)
class SimpleType:
    """How the text of one simple type is read and written."""

    name: str
    read: Callable[[str, etree._Element], Any]
    """Takes the text and the element whose namespaces apply."""
    write: Callable[[Any], str]
    collapse: bool = True
    """Whether surrounding white space counts for nothing."""
    qname: bool = False
    """Whether values are `{namespace}name`, or `prefix:name` with a prefix of the catalogue."""


class Precise(datetime):
    """A moment to be written to the millisecond, as where pictures are told apart by it."""


def read_date_time(text: str) -> datetime:
    """Read an xs:dateTime, also without seconds or zone (then UTC), to UTC. Raises ValueError."""
    match = _DATE_TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError("a date and time such as 2026-01-31T12:00:00Z is expected")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    days, hour = (1, "0") if hour == "24" else (0, hour)
    moment = datetime(
        int(year), int(month), int(day), int(hour), int(minute), min(int(second or 0), 59),
        int((fraction or "0")[:6].ljust(6, "0")), tzinfo=_zone(zone),
    )  # fmt: skip
    try:
        return (moment + timedelta(days=days)).astimezone(UTC)
    except OverflowError:
        raise ValueError("the date lies outside the years 1 to 9999") from None


def write_date_time(value: datetime) -> str:
    """Write `YYYY-MM-DDThh:mm:ssZ`: clients choke on fractions, if not `Precise`, and on offsets other than Z."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a datetime with a time zone is expected")
    fraction = f".{value.microsecond // 1000:03d}" if isinstance(value, Precise) else ""
    return value.astimezone(UTC).strftime(f"%Y-%m-%dT%H:%M:%S{fraction}Z").rjust(20 + len(fraction), "0")


def read_duration(text: str) -> timedelta:
    """Read an xs:duration; a year counts 365 days and a month 30. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()[1:]):
        raise ValueError("a duration such as PT60S is expected")
    seconds = sum(float(count or 0) * unit for count, unit in zip(match.groups()[1:], _UNIT_SECONDS, strict=True))
    try:
        return timedelta(seconds=-seconds if match[1] else seconds)
    except OverflowError:
        raise ValueError("the duration is too long") from None


def write_duration(value: timedelta) -> str:
    """Write seconds only: `PT60S`."""
    if not isinstance(value, timedelta):
        raise ValueError("a timedelta is expected")  # noqa: TRY004 - one kind of error for every wrong value
    seconds = value.total_seconds()
    return f"{'-' if seconds < 0 else ''}PT{_number(abs(seconds))}S"


def _zone(text: str | None) -> timezone:
    if not text or text in "zZ":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(round(value, 6))


def _read_bool(text: str, _: etree._Element) -> bool:
    match text.lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise ValueError("true or false is expected")


def _write_bool(value: object) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise ValueError("a bool is expected")


def _integer(name: str, low: int | None = None, high: int | None = None) -> SimpleType:
    def check(value: int) -> int:
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueError(f"an integer from {low} to {high if high is not None else 'any'} is expected")
        return value

    def read(text: str, _: etree._Element) -> int:
        if not re.fullmatch(r"[+-]?\d{1,30}", text, re.ASCII):
            raise ValueError("an integer is expected")
        return check(int(text))

    def write(value: Any) -> str:  # noqa: ANN401 - checked here
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("an int is expected")  # noqa: TRY004 - one kind of error for every wrong value
        return str(check(value))

    return SimpleType(name, read, write)


def _read_float(text: str, _: etree._Element) -> float:
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?|-?INF|NaN", text, re.ASCII):
        raise ValueError("a number is expected")
    return float(text)


def _write_float(value: Any) -> str:  # noqa: ANN401 - checked here
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number is expected")  # noqa: TRY004 - one kind of error for every wrong value
    if value - value != 0:
        return "NaN" if value != value else "INF" if value > 0 else "-INF"  # noqa: PLR0124 - NaN differs from itself
    return _number(value)


def _read_text(text: str, _: etree._Element) -> str:
    return text


def _write_text(value: Any) -> str:  # noqa: ANN401 - checked here
    if not isinstance(value, str):
        raise ValueError("a str is expected")  # noqa: TRY004 - one kind of error for every wrong value
    return value


def _read_qname(text: str, node: etree._Element) -> str:
    prefix, _, local = text.rpartition(":")
    namespace = node.nsmap.get(prefix or None)
    if prefix and namespace is None:
        raise ValueError(f"the prefix {prefix!r} is not declared")
    return f"{{{namespace}}}{local}" if namespace else local


def _read_base64(text: str, _: etree._Element) -> bytes:
    return b64decode("".join(text.split()), validate=True)


def _bytes_writer(encode: Callable[[bytes], str]) -> Callable[[Any], str]:
    def write(value: Any) -> str:  # noqa: ANN401 - checked here
        if not isinstance(value, bytes):
            raise ValueError("bytes are expected")  # noqa: TRY004 - one kind of error for every wrong value
        return encode(value)

    return write


ANY_SIMPLE = SimpleType("anySimpleType", _read_text, _write_text, collapse=False)
_INT = 2**31
_LONG = 2**63
BUILTIN = {
    simple.name: simple
    for simple in (
        ANY_SIMPLE,
        SimpleType("string", _read_text, _write_text, collapse=False),
        *(
            SimpleType(name, _read_text, _write_text)
            for name in ("anyURI", "token", "NCName", "ID", "language", "time")
        ),
        SimpleType("date", _read_text, _write_text),
        SimpleType("boolean", _read_bool, _write_bool),
        _integer("int", -_INT, _INT - 1),
        _integer("integer"),
        _integer("nonNegativeInteger", 0),
        _integer("positiveInteger", 1),
        _integer("long", -_LONG, _LONG - 1),
        _integer("unsignedInt", 0, 2 * _INT - 1),
        _integer("unsignedLong", 0, 2 * _LONG - 1),
        *(SimpleType(name, _read_float, _write_float) for name in ("float", "double", "decimal")),
        SimpleType("dateTime", lambda text, _: read_date_time(text), write_date_time),
        SimpleType("duration", lambda text, _: read_duration(text), write_duration),
        SimpleType("QName", _read_qname, _write_text, qname=True),
        SimpleType("base64Binary", _read_base64, _bytes_writer(lambda value: b64encode(value).decode())),
        SimpleType("hexBinary", lambda text, _: bytes.fromhex(text), _bytes_writer(lambda value: value.hex().upper())),
    )
}


def restrict(base: SimpleType, name: str, facets: Iterable[tuple[str, str]], misspelt: Mapping[str, str]) -> SimpleType:
    """Return a base type with its facets checked in both directions; misspelt values are read as the right ones."""
    found = list(facets)
    allowed = dict.fromkeys(value for facet, value in found if facet == "enumeration")
    checks = [check for facet, value in found if (check := _facet(facet, value)) is not None]
    if not allowed and not checks:
        return SimpleType(name, base.read, base.write, base.collapse, base.qname)

    def read(text: str, node: etree._Element) -> Any:  # noqa: ANN401 - the base decides
        if allowed:
            text = misspelt.get(text.strip(), text.strip())
        value = base.read(text, node)
        verify(text, value)
        return value

    def write(value: Any) -> str:  # noqa: ANN401 - the base decides
        text = base.write(value)
        verify(text, value)
        return text

    def verify(text: str, value: object) -> None:
        if allowed and text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)} is expected")
        for check in checks:
            check(text, value)

    return SimpleType(name, read, write, base.collapse, base.qname)


def _facet(facet: str, value: str) -> Callable[[str, Any], None] | None:
    """Return the check of one facet (XML Schema 1.0 part 2 §4.3), or None for one that says nothing here."""
    limits: dict[str, tuple[Callable[[str, Any], bool], str]] = {
        "length": (lambda text, _: len(text) == int(value), f"{value} characters are expected"),
        "minLength": (lambda text, _: len(text) >= int(value), f"at least {value} characters are expected"),
        "maxLength": (lambda text, _: len(text) <= int(value), f"at most {value} characters are expected"),
        "minInclusive": (lambda _, number: number >= float(value), f"at least {value} is expected"),
        "maxInclusive": (lambda _, number: number <= float(value), f"at most {value} is expected"),
    }
    if facet not in limits:
        return None
    holds, message = limits[facet]

    def check(text: str, number: object) -> None:
        if not holds(text, number):
            raise ValueError(message)

    return check


def simple_list(name: str, item: SimpleType) -> SimpleType:
    """Return the type of a list of items separated by white space."""

    def read(text: str, node: etree._Element) -> list[Any]:
        return [item.read(part, node) for part in text.split()]

    def write(value: Any) -> str:  # noqa: ANN401 - checked here
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError("a list is expected")  # noqa: TRY004 - one kind of error for every wrong value
        return " ".join(item.write(part) for part in value)

    return SimpleType(name, read, write)


def union(name: str, members: Sequence[SimpleType]) -> SimpleType:
    """Return the type that is the first of its members to take a value."""

    def first(attempt: Callable[[SimpleType], Any]) -> Any:  # noqa: ANN401 - the members decide
        errors = []
        for member in members:
            try:
                return attempt(member)
            except ValueError as error:
                errors.append(str(error))
        raise ValueError(", or ".join(errors))

    def read(text: str, node: etree._Element) -> Any:  # noqa: ANN401 - the members decide
        return first(lambda member: member.read(text.strip(), node))

    def write(value: Any) -> str:  # noqa: ANN401 - the members decide
        text: str = first(lambda member: member.write(value))
        return text

    return SimpleType(name, read, write)
