"""Where a camera is, and what its own addresses become when it does not know how we reach it."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.rtsp_client import redacted

DEVICE_PATH: Final = "/onvif/device_service"
"""Where the Device service is, for an address without a path (ONVIF Core §5.1.2)."""
_PORTS: Final = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
_UNSAFE: Final = re.compile(r"[\s\x00-\x1f\x7f]")


def device_url(address: str, port: int | None = None) -> str:
    """Return the URL of the Device service of `HOST`, `HOST:PORT`, or a URL. Raises GatewayError (INVALID)."""
    given = address.strip()
    text = given if "://" in given else f"http://{_bracketed(given)}"
    try:
        parts = urlsplit(text)
        host, written = parts.hostname, parts.port
    except ValueError:
        host = written = None
        parts = urlsplit("")
    if not host or parts.scheme not in ("http", "https") or parts.username or _UNSAFE.search(given):
        message = f"camera address {redacted(given)!r} must be HOST, HOST:PORT or http://HOST/…, without a user"
        raise GatewayError(ErrorKind.INVALID, message)
    number = written or port
    authority = f"{_bracketed(host)}:{number}" if number else _bracketed(host)
    path = DEVICE_PATH if parts.path in ("", "/") else parts.path
    return parts._replace(netloc=authority, path=path, fragment="").geturl()


def host_of(url: str) -> str:
    """Return the host of a URL."""
    return urlsplit(url).hostname or ""


def name_of(url: str) -> str:
    """Return host and port, for messages."""
    authority = _Authority.of(urlsplit(url))
    return f"{_bracketed(authority.host)}:{authority.port}"


def service_url(announced: str, device: str, announced_device: str = "") -> str:
    """Return the URL of a service by which it can be reached, or an empty text for one that makes no sense.

    `device` is the Device service as we reached it, `announced_device` as the camera announces it: the same place by
    two names. A service at that place is asked where we reached it; one on another port or with another name of the
    host is asked there, but on our host.
    """
    try:
        parts, ours = urlsplit(announced.strip()), urlsplit(device)
        there, here = _Authority.of(parts), _Authority.of(ours)
        known = _Authority.of(urlsplit(announced_device.strip()))
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or _UNSAFE.search(announced.strip()):
        return ""
    if there == here:
        return parts.geturl()
    if there == known or (not known.host and there.host != here.host):
        return parts._replace(scheme=ours.scheme, netloc=ours.netloc).geturl()
    return parts._replace(netloc=f"{_bracketed(here.host)}:{there.port}").geturl()


def stream_url(announced: str, device: str) -> str:
    """Return a stream's URL on the host that we reached, without credentials; empty for one that makes no sense."""
    try:
        parts = urlsplit(announced.strip())
        there = _Authority.of(parts)
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or _UNSAFE.search(announced.strip()):
        return ""
    return parts._replace(netloc=f"{_bracketed(host_of(device))}:{there.port}").geturl()


@dataclass(frozen=True, slots=True)
class _Authority:
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, parts: SplitResult) -> "_Authority":
        """Raises ValueError for a port that is none."""
        return cls(parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0))


def _bracketed(host: str) -> str:
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
