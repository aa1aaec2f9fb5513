"""The incremental parser of an RTSP connection: messages and interleaved frames (RFC 2326 §10.12)."""

import re
from dataclasses import dataclass, replace
from typing import Final

from gateway.protocols.rtsp.messages import Limits, Request, Response, RtspError, content_length, parse_head

_DOLLAR: Final = 0x24
_FRAME_HEADER: Final = 4
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_BLANK: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class InterleavedFrame:
    """One RTP or RTCP packet between the messages."""

    channel: int
    payload: bytes


def serialize_frame(frame: InterleavedFrame) -> bytes:
    """Return a frame as it is sent."""
    return b"$" + bytes((frame.channel,)) + len(frame.payload).to_bytes(2, "big") + frame.payload


Event = Request | Response | InterleavedFrame


class Parser:
    """Takes bytes as they come and gives events one by one.

    After an RtspError that is not fatal the next event can be asked for; after a fatal one the connection must end.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._buffer = bytearray()
        self._message: Request | Response | None = None
        self._body = 0
        self._searched = 0

    def feed(self, data: bytes) -> None:
        """Take received bytes."""
        self._buffer += data

    def next_event(self) -> Event | None:
        """Return the next complete message or frame, or None when more bytes are needed. Raises RtspError."""
        if self._message is None:
            self._skip_blank_lines()
            if self._buffer[:1] == b"$":
                return self._frame()
            if not self._head():
                return None
        return self._complete()

    def _skip_blank_lines(self) -> None:
        blank = 0
        while blank < len(self._buffer) and self._buffer[blank] in _BLANK:
            blank += 1
        if blank:
            del self._buffer[:blank]
            self._searched = 0

    def _frame(self) -> InterleavedFrame | None:
        if len(self._buffer) < _FRAME_HEADER:
            return None
        end = _FRAME_HEADER + int.from_bytes(self._buffer[2:4], "big")
        if len(self._buffer) < end:
            return None
        frame = InterleavedFrame(self._buffer[1], bytes(self._buffer[_FRAME_HEADER:end]))
        del self._buffer[:end]
        return frame

    def _head(self) -> bool:
        """Take a whole head out of the buffer; tell whether there was one."""
        if self._buffer and not (0x41 <= self._buffer[0] <= 0x5A or 0x61 <= self._buffer[0] <= 0x7A):  # noqa: PLR2004 - letters
            raise RtspError(400, f"a message can't begin with byte 0x{self._buffer[0]:02x}", fatal=True)
        end = _END_OF_HEAD.search(self._buffer, max(0, self._searched - 3))
        self._searched = len(self._buffer)
        size = end.start() if end else len(self._buffer)
        if size > self._limits.head:
            raise RtspError(431, f"the head of the message has more than {self._limits.head} bytes", fatal=True)
        if end is None:
            return False
        head = bytes(self._buffer[: end.start()])
        del self._buffer[: end.end()]
        self._searched = 0
        message = parse_head(head, self._limits)
        self._body = content_length(message, self._limits)
        self._message = message
        return True

    def _complete(self) -> Event | None:
        message = self._message
        if message is None or len(self._buffer) < self._body:
            return None
        self._message = None
        if not self._body:
            return message
        body = bytes(self._buffer[: self._body])
        del self._buffer[: self._body]
        return replace(message, body=body)
