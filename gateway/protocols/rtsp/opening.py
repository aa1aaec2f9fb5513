"""What a new connection wants, told by its first bytes: RTSP, RTSP inside HTTP, or the web."""

import re
from enum import StrEnum
from typing import Final

MAX_PEEK: Final = 8192
"""Bytes by which it must be clear; a longer head belongs to the web server, which has limits of its own."""

_RTSP_LINE = re.compile(rb"[A-Za-z_]{1,32} [^\r\n]* RTSP/\d\.\d\s*\Z")
_HTTP_LINE = re.compile(rb"([A-Za-z_]{1,32}) [^\r\n]* HTTP/\d\.\d\s*\Z")
_COOKIE = re.compile(rb"\nx-sessioncookie[ \t]*:", re.IGNORECASE)
_WEBSOCKET = re.compile(rb"\nsec-websocket-protocol[ \t]*:[^\r\n]*\brtsp\.onvif\.org\b", re.IGNORECASE)


class Service(StrEnum):
    """Who serves a connection."""

    RTSP = "RTSP"
    RTSP_IN_HTTP = "RTSP in HTTP"
    """A half of an HTTP tunnel, or a WebSocket with the sub-protocol `rtsp.onvif.org`."""
    WEB = "web"


def classify(data: bytes) -> Service | None:
    """Return who serves a connection that begins with these bytes; None while that is not clear."""
    data = data.lstrip(b"\r\n")
    if data[:1] == b"$":
        return Service.RTSP
    line, newline, _ = data.partition(b"\n")
    if not newline:
        return Service.WEB if len(data) >= MAX_PEEK else None
    if _RTSP_LINE.match(line):
        return Service.RTSP
    http = _HTTP_LINE.match(line)
    if http is None or http[1] not in (b"GET", b"POST"):
        return Service.WEB
    end = re.search(rb"\n\r?\n", data)
    head = data[: end.start() + 1] if end else data
    if _COOKIE.search(head) or _WEBSOCKET.search(head):
        return Service.RTSP_IN_HTTP
    return Service.WEB if end or len(data) >= MAX_PEEK else None
