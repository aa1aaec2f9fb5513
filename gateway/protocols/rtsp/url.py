"""RTSP URLs (RFC 2326 §3.2) and the controls of our tracks."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

_URL = re.compile(r"(?:(rtsps?|rtspu|https?|wss?)://([^/?#]*))?([^?#]*)(?:\?([^#]*))?.*", re.IGNORECASE | re.DOTALL)
_TRACK = re.compile(r"/?trackID=(\d{1,3})/?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about: a stream, or one track of it."""

    path: str
    """Decoded, without query, track and trailing slashes: `/live/CAMERA/PROFILE`."""
    track: int | None
    base: str
    """The stream's absolute URL as the client wrote it, without user, query and track; no trailing slash."""
    query: str
    """The query, verbatim."""


def parse(uri: str) -> Target:
    """Normalise a request's URI; a track's control may follow the path or the query."""
    match = _URL.fullmatch(uri)
    scheme, authority, path, query = match.groups("") if match else ("", "", uri, "")
    track, path, query = _take_track(path, query)
    path = path.rstrip("/")
    host = authority.rpartition("@")[2]
    return Target(unquote(path) or "/", track, f"{scheme.lower()}://{host}{path}" if scheme else path, query)


def _take_track(path: str, query: str) -> tuple[int | None, str, str]:
    if match := _TRACK.search(query):
        return int(match[1]), path, query[: match.start()]
    if match := _TRACK.search(path):
        return int(match[1]), path[: match.start()], query
    return None, path, query


def control(base: str, track: int) -> str:
    """Return the URL of one track."""
    return f"{base}/trackID={track}"
