"""Addresses of cameras, and what they make of them in Content-Base and control attributes."""

import re
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.domain.access import Secret
from gateway.domain.errors import ErrorKind, GatewayError

_DEFAULT_PORTS: Final = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_RTSP_OF: Final = {"rtsp": "rtsp", "rtsps": "rtsps", "http": "rtsp", "https": "rtsps"}
"""What an address is called in requests, which may go over HTTP."""
_UNSAFE: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_ABSOLUTE: Final = re.compile(r"rtsps?://", re.IGNORECASE)
_USERINFO: Final = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/]*@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """An address of RTSP, or of RTSP over HTTP; its credentials are kept apart."""

    tls: bool
    host: str
    port: int
    target: str
    """The URL as it goes into requests: of RTSP, without credentials."""
    username: str = ""
    password: Secret | None = field(default=None, repr=False)
    over_http: bool = False
    """Whether it was `http://` or `https://`: RTSP over HTTP."""

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def with_credentials(self, username: str, password: Secret | None) -> "CameraUrl":
        """Return the same address for another user."""
        return replace(self, username=username, password=password)


def parse(text: str) -> CameraUrl:
    """Read `rtsp://USER:PASSWORD@HOST:PORT/…`, `rtsps`, `http` or `https`; credentials are percent-decoded.

    Raises GatewayError (INVALID).
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in _DEFAULT_PORTS or _UNSAFE.search(text.strip()):
        raise GatewayError(
            ErrorKind.INVALID,
            f"camera address {redacted(text)!r} must be rtsp://HOST/…, rtsps://HOST/…, http://HOST/… or https://HOST/…",
        )
    authority = parts.netloc.rpartition("@")[2]
    return CameraUrl(
        tls=parts.scheme in ("rtsps", "https"),
        host=host,
        port=port or _DEFAULT_PORTS[parts.scheme],
        target=parts._replace(scheme=_RTSP_OF[parts.scheme], netloc=authority, fragment="").geturl(),
        username=unquote(parts.username or ""),
        password=Secret(unquote(parts.password)) if parts.password is not None else None,
        over_http=parts.scheme in ("http", "https"),
    )


def redacted(text: str) -> str:
    """Return a text without the credentials of the URLs in it."""
    return _USERINFO.sub(r"\1", text)


def base_url(target: str, content_base: str, content_location: str, session_control: str) -> str:
    """Return the URL of the presentation, to which relative controls are added and which PLAY names.

    The session's control attribute counts first when it is absolute, then Content-Base, then Content-Location,
    then the URL asked for (RFC 2326 §C.1.1). Host and port are always those that we are connected to: cameras
    behind a router name the address that they have inside, and some name 0.0.0.0.
    """
    if _ABSOLUTE.match(session_control) and (control := _moved(session_control, target)):
        return control
    return _moved(content_base, target) or _moved(content_location, target) or target


def control_url(base: str, control: str) -> str:
    """Return the URL to SET UP a media with; a relative control is put behind the base, its query included."""
    if _ABSOLUTE.match(control):
        return _moved(control, base) or base
    if control in ("", "*") or _UNSAFE.search(control):
        return base
    if control.startswith("?") or base.endswith("/"):
        return base + control.lstrip("/")
    return base + ("" if control.startswith("/") else "/") + control


def _moved(value: str, target: str) -> str:
    """Return an absolute URL or absolute path on the target's authority, or nothing when it makes no sense."""
    value = value.strip()
    if not value or _UNSAFE.search(value):
        return ""
    try:
        parts, here = urlsplit(value), urlsplit(target)
    except ValueError:
        return ""
    if value.startswith("/") and not value.startswith("//"):
        return f"{here.scheme}://{here.netloc}{value}"
    if parts.scheme not in ("rtsp", "rtsps") or not parts.netloc:
        return ""
    start = value.index("//") + 2
    return f"{here.scheme}://{here.netloc}{value[start + len(parts.netloc) :]}"
