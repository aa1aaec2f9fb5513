"""Values with a form of their own: what each looks like in the file, and what is made of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from gateway.domain.camera import check_id
from gateway.domain.motion import Point, Polygon
from gateway.domain.recording import WeeklyPeriod
from gateway.domain.topics import parse_topic_set

_LISTEN = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*)):([0-9]{1,5})")
_AUTHORITY = re.compile(r"[a-z]+://[A-Za-z0-9._:\[\]-]+/?")
_LAST_PORT = 65535
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?([kMGT]i?B)")
_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "kiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_PERIOD = re.compile(r"([a-z,-]+) (\d{2}):(\d{2})-(\d{2}):(\d{2})")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_LOCAL_GROUPS = ip_network("224.0.0.0/24")
_NAME_LIMIT = 64
_RATES = (0.1, 60.0)
_CORNERS = (3, 64)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Marks a type whose values are made by `parse`, which raises ValueError or GatewayError with a sentence's end."""

    parse: Callable[[Any], object]
    """Takes the value from the file, a string."""
    any_type: bool = False
    """The value in the file need not be a string."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address and TCP port to listen on; port 0 lets the system choose."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def parse_listen(text: str) -> ListenAddress:
    """Read `ADDRESS:PORT` or `[ADDRESS]:PORT`. Raises ValueError."""
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[3]) > _LAST_PORT:
        raise ValueError(f"{text!r} must be ADDRESS:PORT, such as '0.0.0.0:8080' or '[::]:8080'")
    inner = match[1] if match[1] is not None else match[2]
    try:
        address = ip_address(inner)
    except ValueError:
        raise ValueError(f"{inner!r} in {text!r} is not an IP address") from None
    if (address.version == 6) != (match[1] is not None):  # noqa: PLR2004 - IPv6
        raise ValueError(f"{text!r} must have an IPv6 address in brackets, and no other")
    return ListenAddress(str(address), int(match[3]))


def _parse_network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network such as '192.168.1.0/24' or 'fd00::/8'") from None
    raise ValueError(f"{text!r} has host bits set; did you mean '{meant}'?")


def _parse_group(text: str) -> IPv4Address:
    try:
        address = IPv4Address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 address") from None
    if not address.is_multicast or address in _LOCAL_GROUPS:
        raise ValueError(f"{text!r} is not a multicast address that may be routed, such as '239.192.0.1'")
    return address


def _base_url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            parts = urlsplit(text)
            good = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if not good or parts.path not in {"", "/"} or not _AUTHORITY.fullmatch(text):
            raise ValueError(f"{text!r} must be {schemes[0]}://HOST or {schemes[0]}://HOST:PORT")
        return f"{parts.scheme}://{parts.netloc}"

    return parse


def _parse_name(text: str) -> str:
    if not 0 < len(text.strip()) <= _NAME_LIMIT or not text.isprintable():
        raise ValueError(f"{text!r} must have 1 to {_NAME_LIMIT} printable characters")
    return text.strip()


def _parse_location(text: str) -> str:
    return _parse_name(text) if text else text


def _parse_size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    size = round(float(match[1]) * _UNITS[match[2]]) if match else 0
    if not size:
        raise ValueError(f"{text!r} is not a size such as '500 GB' or '2 TiB'")
    return size


def parse_period(text: str) -> tuple[WeeklyPeriod, ...]:
    """Read `mon-fri 08:00-18:00` or `sat,sun 22:00-06:00` (into the next morning). Raises ValueError."""
    match = _PERIOD.fullmatch(text)
    days = [_parse_days(part) for part in match[1].split(",")] if match else []
    if match is None or None in days:
        raise ValueError(f"{text!r} is not a part of the week such as 'mon-fri 08:00-18:00' or 'sat,sun 22:00-06:00'")
    start, end = int(match[2]) * 60 + int(match[3]), int(match[4]) * 60 + int(match[5])
    if max(int(match[3]), int(match[5])) > 59 or max(start, end) > _DAY_MINUTES or start in {end, _DAY_MINUTES}:  # noqa: PLR2004 - minutes
        raise ValueError(f"{text!r} must have two different times from 00:00 to 24:00")
    found = []
    for day in sorted({day for part in days for day in part or ()}):
        if start < end:
            found.append(WeeklyPeriod(day, start, end))
            continue
        found.append(WeeklyPeriod(day, start, _DAY_MINUTES))
        if end:
            found.append(WeeklyPeriod((day + 1) % 7, 0, end))
    return tuple(found)


def _parse_days(text: str) -> list[int] | None:
    first, dash, last = text.partition("-")
    if first not in _DAYS or (dash and last not in _DAYS):
        return None
    start = _DAYS.index(first)
    count = (_DAYS.index(last) - start) % 7 + 1 if dash else 1
    return [(start + index) % 7 for index in range(count)]


def _parse_mode(value: object) -> str | float:
    if isinstance(value, str) and value in {"keyframes", "all"}:
        return value
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if number is None:
        raise ValueError(f"must be 'keyframes', 'all' or a number of pictures per second, not {value!r}")
    if not _RATES[0] <= number <= _RATES[1]:
        raise ValueError(f"must be from {_RATES[0]:g} to {_RATES[1]:g} pictures per second, not {number:g}")
    return float(number)


def _parse_polygon(value: object) -> Polygon:
    """Read `[[x, y], …]`. Raises ValueError."""
    example = "such as [[0.1, 0.2], [0.9, 0.2], [0.5, 0.8]]"
    points = value if isinstance(value, list) else []
    if not _CORNERS[0] <= len(points) <= _CORNERS[1]:
        raise ValueError(f"must be an array of {_CORNERS[0]} to {_CORNERS[1]} corners, {example}")
    return tuple(_parse_point(point, example) for point in points)


def _parse_point(value: object, example: str) -> Point:
    numbers = value if isinstance(value, list) else []
    good = [type(number) in {int, float} and 0 <= number <= 1 for number in numbers]
    if good != [True, True]:
        raise ValueError(f"{value!r} is no corner: x and y are from 0 to 1, {example}")
    return float(numbers[0]), float(numbers[1])


def _parse_topics(text: str) -> str:
    parse_topic_set(text)
    return text


Listen: TypeAlias = Annotated[ListenAddress, Parsed(parse_listen)]
Network: TypeAlias = Annotated[IPv4Network | IPv6Network, Parsed(_parse_network)]
Group: TypeAlias = Annotated[IPv4Address, Parsed(_parse_group)]
HttpUrl: TypeAlias = Annotated[str, Parsed(_base_url("http", "https"))]
RtspUrl: TypeAlias = Annotated[str, Parsed(_base_url("rtsp", "rtsps"))]
Name: TypeAlias = Annotated[str, Parsed(_parse_name)]
Location: TypeAlias = Annotated[str, Parsed(_parse_location)]
Size: TypeAlias = Annotated[int, Parsed(_parse_size)]
Period: TypeAlias = Annotated[tuple[WeeklyPeriod, ...], Parsed(parse_period)]
CameraId: TypeAlias = Annotated[str, Parsed(check_id)]
Topics: TypeAlias = Annotated[str, Parsed(_parse_topics)]
RecordingId: TypeAlias = Annotated[str, Parsed(partial(check_id, noun="recording"))]
SinkId: TypeAlias = Annotated[str, Parsed(partial(check_id, noun="sink"))]
StorageId: TypeAlias = Annotated[str, Parsed(partial(check_id, noun="storage"))]
MotionMode: TypeAlias = Annotated[Literal["keyframes", "all"] | float, Parsed(_parse_mode, any_type=True)]
Outline: TypeAlias = Annotated[Polygon, Parsed(_parse_polygon, any_type=True)]
MotionSource: TypeAlias = Literal["camera", "gateway", "both", "off"]
