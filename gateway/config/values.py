"""Values with a form of their own: what each looks like in the file, and what is made of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from gateway.domain.camera import check_camera_id

_LISTEN = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*)):([0-9]{1,5})")
_AUTHORITY = re.compile(r"[a-z]+://[A-Za-z0-9._:\[\]-]+/?")
_LAST_PORT = 65535
_LOCAL_GROUPS = ip_network("224.0.0.0/24")
_NAME_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Parsed:
    """Marks a type whose values are made by `parse`, which raises ValueError or GatewayError with a sentence's end."""

    parse: Callable[[Any], object]
    """Takes the value from the file, which already has the type written in the file: a string or an integer."""


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


Listen: TypeAlias = Annotated[ListenAddress, Parsed(parse_listen)]
Network: TypeAlias = Annotated[IPv4Network | IPv6Network, Parsed(_parse_network)]
Group: TypeAlias = Annotated[IPv4Address, Parsed(_parse_group)]
HttpUrl: TypeAlias = Annotated[str, Parsed(_base_url("http", "https"))]
RtspUrl: TypeAlias = Annotated[str, Parsed(_base_url("rtsp", "rtsps"))]
Name: TypeAlias = Annotated[str, Parsed(_parse_name)]
Location: TypeAlias = Annotated[str, Parsed(_parse_location)]
CameraId: TypeAlias = Annotated[str, Parsed(check_camera_id)]
