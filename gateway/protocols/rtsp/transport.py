"""The Transport header (RFC 2326 §12.39)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PortPair = tuple[int, int]
"""RTP and RTCP, as UDP ports or as interleaved channels."""

_CHANNELS: Final = 256
_PORTS: Final = 65_536


class Lower(StrEnum):
    """The lower transport."""

    UDP = "UDP"
    TCP = "TCP"


@dataclass(frozen=True, slots=True)
class Transport:
    """One way to carry the media; absent parameters are None or empty."""

    lower: Lower = Lower.UDP
    multicast: bool = False
    profile: str = "RTP/AVP"
    interleaved: PortPair | None = None
    client_port: PortPair | None = None
    server_port: PortPair | None = None
    port: PortPair | None = None
    """The group's ports, for multicast."""
    destination: str = ""
    source: str = ""
    ttl: int | None = None
    ssrc: int | None = None
    mode: str = ""


def parse(value: str) -> tuple[Transport, ...]:
    """Return the alternatives of a header value in the client's order; those that make no sense are left out."""
    found = (_alternative(text) for text in value.split(","))
    return tuple(transport for transport in found if transport is not None)


def _alternative(text: str) -> Transport | None:
    specifier, *rest = (part.strip() for part in text.split(";"))
    protocol, _, profile = specifier.upper().partition("/")
    profile, _, lower = profile.partition("/")
    if protocol != "RTP" or not profile or lower not in ("", *Lower):
        return None
    parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in (p.partition("=") for p in rest)}
    try:
        return Transport(
            lower=Lower(lower or "UDP"),
            multicast="multicast" in parameters,
            profile=f"{protocol}/{profile}",
            interleaved=_pair(parameters.get("interleaved"), _CHANNELS),
            client_port=_pair(parameters.get("client_port"), _PORTS),
            server_port=_pair(parameters.get("server_port"), _PORTS),
            port=_pair(parameters.get("port"), _PORTS),
            destination=parameters.get("destination", ""),
            source=parameters.get("source", ""),
            ttl=int(parameters["ttl"]) if parameters.get("ttl") else None,
            ssrc=int(parameters["ssrc"], 16) if parameters.get("ssrc") else None,
            mode=parameters.get("mode", "").upper(),
        )
    except ValueError:
        return None


def _pair(text: str | None, limit: int) -> PortPair | None:
    """Return `A-B`, or `A` with its successor. Raises ValueError when out of range."""
    if not text:
        return None
    first, _, second = text.partition("-")
    pair = int(first), int(second) if second else int(first) + 1
    if not all(0 <= number < limit for number in pair):
        raise ValueError(text)
    return pair


def serialize(transport: Transport) -> str:
    """Return one transport as a header value."""
    lower = "/TCP" if transport.lower is Lower.TCP else ""
    parts = [f"{transport.profile}{lower}", "multicast" if transport.multicast else "unicast"]
    parts += [
        f"{name}={value}"
        for name, value in (("destination", transport.destination), ("source", transport.source))
        if value
    ]
    parts += [
        f"{name}={pair[0]}-{pair[1]}"
        for name, pair in (
            ("interleaved", transport.interleaved),
            ("client_port", transport.client_port),
            ("server_port", transport.server_port),
            ("port", transport.port),
        )
        if pair is not None
    ]
    parts += [] if transport.ttl is None else [f"ttl={transport.ttl}"]
    parts += [] if transport.ssrc is None else [f"ssrc={transport.ssrc:08X}"]
    parts += [f'mode="{transport.mode}"'] if transport.mode else []
    return ";".join(parts)


def serialize_all(transports: Iterable[Transport]) -> str:
    """Return several alternatives, as a client offers them."""
    return ",".join(map(serialize, transports))
