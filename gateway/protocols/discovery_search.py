"""The searching side of WS-Discovery: what an answer says of how to reach its sender. Pure; the probes own sockets."""

import ipaddress
from dataclasses import replace
from urllib.parse import urlsplit

from gateway.protocols.discovery import Target


def reached_at(target: Target, peer: str) -> Target:
    """Return a target with an XAddr at the address that its answer came from in front, where none is there.

    Cameras announce addresses that they had before, or of another interface. A link-local IPv6 address stays out: it
    means nothing without its interface.
    """
    address = ipaddress.ip_address(peer.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    if not target.xaddrs or mapped.is_link_local or any(_host(url) == str(mapped) for url in target.xaddrs):
        return target
    try:
        parts = urlsplit(target.xaddrs[0])
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return target
    host = f"[{mapped}]" if mapped.version == 6 else str(mapped)  # noqa: PLR2004 - IPv6
    ours = parts._replace(netloc=f"{host}{port}").geturl()
    return replace(target, xaddrs=(ours, *target.xaddrs))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
