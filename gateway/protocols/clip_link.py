"""Links to a moment of footage that need no login: signed, so that nothing in them can be changed, and good for a time.

`/clip/CAMERA?from=MS&to=MS&until=S&signature=…`: milliseconds of the footage and the second up to which the link is
good, since the Unix epoch, UTC; HMAC-SHA256 in base64url of all that stands before, without padding.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

PATH = "/clip/"
_NUMBER = re.compile(r"[0-9]{1,15}")
_MS, _S = 1_000_000, 1_000_000_000


@dataclass(frozen=True, slots=True)
class ClipLink:
    """What a link leads to, and until when. All in nanoseconds since the Unix epoch, UTC; written in whole units."""

    camera: str
    start_ns: int
    end_ns: int
    until_ns: int

    def sign(self, key: bytes) -> str:
        """Return the link as path and query."""
        content = f"{PATH}{self.camera}?from={self.start_ns // _MS}&to={self.end_ns // _MS}&until={self.until_ns // _S}"
        return f"{content}&signature={_signature(content, key)}"


def read(camera: str, query: Mapping[str, str], key: bytes) -> ClipLink | None:
    """Read a link; None for one that nobody with this key has signed. Whether it is still good is not looked at."""
    values = [query.get(name, "") for name in ("from", "to", "until")]
    if not all(_NUMBER.fullmatch(value) for value in values):
        return None
    start, end, until = values
    content = f"{PATH}{camera}?from={start}&to={end}&until={until}"
    if not hmac.compare_digest(_signature(content, key).encode(), query.get("signature", "").encode()):
        return None
    return ClipLink(camera, int(start) * _MS, int(end) * _MS, int(until) * _S)


def _signature(content: str, key: bytes) -> str:
    digest = hmac.digest(key, content.encode("utf-8", "surrogateescape"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
