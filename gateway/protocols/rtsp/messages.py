"""RTSP requests and responses (RFC 2326 §4 to §7); HTTP/1 heads have the same form."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.errors import ErrorKind, GatewayError

VERSION: Final = "RTSP/1.0"

REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    431: "Request Header Fields Too Large",
    451: "Parameter Not Understood",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    457: "Invalid Range",
    459: "Aggregate Operation Not Allowed",
    460: "Only Aggregate Operation Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
    551: "Option Not Supported",
}

_REQUEST_LINE = re.compile(r"([A-Za-z_]{1,32}) +(\S+) +([A-Z]+/\d\.\d)")
_STATUS_LINE = re.compile(r"([A-Z]+/\d\.\d) +(\d{3})(?: +(.*))?")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class RtspError(GatewayError):
    """A refused message: the status to answer, one sentence, and the headers that explain it.

    `fatal` means that the end of the message is unknown, so that the connection can't go on.
    """

    def __init__(
        self, status: int, message: str, *, headers: Iterable[tuple[str, str]] = (), cseq: str = "", fatal: bool = False
    ) -> None:
        super().__init__(ErrorKind.INVALID, message)
        self.status = status
        self.headers = tuple(headers)
        self.cseq = cseq
        self.fatal = fatal


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a message may be, in bytes, and how many headers it may have."""

    line: int = 4096
    head: int = 16_384
    headers: int = 100
    body: int = 65_536


class Headers:
    """The headers of one message in order; names compare without case."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple(pairs)

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a header."""
        return next(iter(self.all(name)), default)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a header, as sent."""
        wanted = name.lower()
        return tuple(value for key, value in self._pairs if key.lower() == wanted)

    def tokens(self, name: str) -> tuple[str, ...]:
        """Return the comma-separated members of a list header."""
        return tuple(token for value in self.all(name) for token in map(str.strip, value.split(",")) if token)

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and other._pairs == self._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        return f"Headers({self._pairs!r})"


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `method` and `uri` are as sent."""

    method: str
    uri: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    version: str = VERSION

    @property
    def cseq(self) -> str:
        """The number that the response must repeat; empty when missing."""
        return self.headers.get("CSeq")


@dataclass(frozen=True, slots=True)
class Response:
    """A response."""

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    version: str = VERSION
    reason: str = ""

    @property
    def cseq(self) -> str:
        """The number of the request that this answers."""
        return self.headers.get("CSeq")


def parse_head(head: bytes, limits: Limits) -> Request | Response:
    """Parse the lines before the body, without the empty line. Raises RtspError (400, 414 or 431) with its CSeq."""
    first, *lines = head.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    pairs = _fields(lines)
    cseq = next((value for name, value in pairs if name.lower() == "cseq"), "")
    if len(first) > limits.line:
        raise RtspError(
            414, f"the request line has {len(first)} characters; at most {limits.line} are accepted", cseq=cseq
        )
    if len(pairs) > limits.headers:
        raise RtspError(431, f"the request has {len(pairs)} headers; at most {limits.headers} are accepted", cseq=cseq)
    for name, _ in pairs:
        if not _FIELD_NAME.fullmatch(name):
            raise RtspError(400, f"header name {name[:40]!r} is malformed", cseq=cseq)
    if request := _REQUEST_LINE.fullmatch(first.strip()):
        return Request(request[1], request[2], Headers(pairs), version=request[3])
    if status := _STATUS_LINE.fullmatch(first.strip()):
        return Response(int(status[2]), Headers(pairs), version=status[1], reason=status[3] or "")
    raise RtspError(400, f"request line {first[:80]!r} is malformed", cseq=cseq)


def _fields(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Split header lines at their colons, joining continuation lines (RFC 2326 §15.1)."""
    pairs: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and pairs:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {line.strip()}")
        elif line:
            name, _, value = line.partition(":")
            pairs.append((name.rstrip(), value.strip()))
    return pairs


def content_length(message: Request | Response, limits: Limits) -> int:
    """Return the length of the body that follows. Raises a fatal RtspError (400 or 413)."""
    text = message.headers.get("Content-Length", "0")
    if not (text.isascii() and text.isdigit()):
        raise RtspError(400, f"Content-Length {text[:40]!r} is not a number", cseq=message.cseq, fatal=True)
    length = int(text[:12])
    if length > limits.body:
        raise RtspError(
            413, f"the body has {text[:20]} bytes; at most {limits.body} are accepted", cseq=message.cseq, fatal=True
        )
    return length


def serialize(message: Request | Response) -> bytes:
    """Return a message as it is sent; Content-Length is added where there is a body."""
    if isinstance(message, Request):
        first = f"{message.method} {message.uri} {message.version}"
    else:
        first = f"{message.version} {message.status} {message.reason or REASONS.get(message.status, 'Unknown')}"
    lines = [first, *(f"{name}: {_value(value)}" for name, value in message.headers)]
    if message.body and "Content-Length" not in message.headers:
        lines.append(f"Content-Length: {len(message.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + message.body


def _value(text: str) -> str:
    """Return a value that stays on its line."""
    return text if text.isprintable() else "".join(char for char in text if char.isprintable())
