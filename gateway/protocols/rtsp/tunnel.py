"""RTSP over HTTP (the QuickTime scheme): a GET carries what we send, POSTs carry what we receive in base64."""

import base64
import binascii
from typing import Final

from gateway.protocols.rtsp.messages import RtspError

CONTENT_TYPE: Final = "application/x-rtsp-tunnelled"
COOKIE: Final = "x-sessioncookie"
MAX_COOKIE: Final = 128

GET_RESPONSE: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n"
    b"Cache-Control: no-store\r\nPragma: no-cache\r\nConnection: close\r\n\r\n"
)
"""What opens the downstream; it has no Content-Length, since it lasts as long as the tunnel."""

_SPACE: Final = b" \t\r\n"
_QUANTUM: Final = 4


class Decoder:
    """Decodes the body of a POST as it trickles in: line breaks anywhere, padding in the middle."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return what can be decoded so far. Raises a fatal RtspError (400)."""
        text = self._rest + data.translate(None, _SPACE)
        whole = len(text) - len(text) % _QUANTUM
        self._rest = text[whole:]
        return b"".join(_decode(part) for part in _parts(text[:whole]))


def _parts(text: bytes) -> list[bytes]:
    """Cut after every padding: each message may have been encoded on its own."""
    parts, start = [], 0
    while (padding := text.find(b"=", start)) >= 0:
        end = padding - padding % _QUANTUM + _QUANTUM
        parts.append(text[start:end])
        start = end
    parts.append(text[start:])
    return parts


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise RtspError(400, f"the tunnel carries {text[:20]!r}, which is not base64", fatal=True) from error
