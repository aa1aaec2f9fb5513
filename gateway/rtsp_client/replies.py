"""What cameras answer, read leniently."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DEFAULT_TIMEOUT: Final = 60.0
"""Seconds that a session lives without a sign of life, when the camera does not tell (RFC 2326 §12.37)."""

_STATUS_LINE: Final = re.compile(r"RTSP/\d[\d.]*\s+(\d{3})\s*(.*)", re.IGNORECASE)
_REQUEST_LINE: Final = re.compile(r"([A-Z_]+)\s+(\S+)\s+RTSP/\d", re.IGNORECASE)
_TIMEOUT: Final = re.compile(r"timeout\s*=\s*(\d{1,6})", re.IGNORECASE)
_PAIR: Final = re.compile(r"(\d{1,5})(?:\s*-\s*(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; header names are lower case, and of a repeated header the first value counts."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of success


@dataclass(frozen=True, slots=True)
class SetupTransport:
    """What matters of a Transport header in an answer; None or empty where it does not tell."""

    channels: tuple[int, int] | None
    server_ports: tuple[int, int] | None
    source: str


def normalized(message: bytes, cseq: int) -> bytes | None:
    """Return a message in the strict form that the parser of the library wants, or None when it is none.

    Cameras leave out the reason phrase or CSeq (then it answers the request `cseq`), write RTSP/1.1, fold lines
    or send lines without a colon, and other character sets than UTF-8.
    """
    head, _, body = message.replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
    first, *lines = head.decode("utf-8", "replace").splitlines() or [""]
    if match := _STATUS_LINE.match(first):
        first = f"RTSP/1.0 {match[1]} {match[2].strip() or 'Unknown'}"
    elif match := _REQUEST_LINE.match(first):
        first = f"{match[1].upper()} {match[2]} RTSP/1.0"
    else:
        return None
    headers = _headers(lines)
    if not any(name == "cseq" and value.isascii() and value.isdigit() for name, value in headers):
        headers = [("cseq", str(cseq)), *((name, value) for name, value in headers if name != "cseq")]
    headers.append(("content-length", str(len(body))))
    text = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{first}\r\n{text}\r\n".encode() + body


def _headers(lines: list[str]) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if line[:1] in (" ", "\t") and headers:
            headers[-1] = headers[-1][0], f"{headers[-1][1]} {line.strip()}"
        elif colon and name.strip().lower() != "content-length":
            headers.append((name.strip().lower(), value.strip()))
    return headers


def session(value: str) -> tuple[str, float]:
    """Return the id and the time-out in seconds of a Session header."""
    identity, _, parameters = value.partition(";")
    match = _TIMEOUT.search(parameters)
    return identity.strip(), float(match[1]) if match and int(match[1]) else DEFAULT_TIMEOUT


def methods(public: str) -> frozenset[str]:
    """Return the methods of a Public header."""
    return frozenset(name.strip().upper() for name in public.split(",") if name.strip())


def transport(value: str) -> SetupTransport:
    """Read the Transport header of an answer."""
    parameters = {
        name.strip().lower(): text.strip().strip('"')
        for name, _, text in (part.partition("=") for part in value.split(";"))
    }
    channels = _pair(parameters.get("interleaved", ""))
    return SetupTransport(
        channels if channels and max(channels) < 256 else None,  # noqa: PLR2004 - a byte
        _pair(parameters.get("server_port", "")),
        parameters.get("source", ""),
    )


def _pair(text: str) -> tuple[int, int] | None:
    match = _PAIR.match(text)
    if match is None:
        return None
    first = int(match[1])
    second = int(match[2]) if match[2] else first + 1
    return (first, second) if 0 <= first < 65_536 and second < 65_536 else None  # noqa: PLR2004 - 16 bits
