"""The byte stream of an RTSP connection with interleaved media, taken apart (RFC 2326 §10.12)."""

import re
from collections.abc import Callable
from typing import Final, Protocol

BUFFER_SIZE: Final = 512 * 1024
MAX_MESSAGE: Final = 64 * 1024
"""An RTSP message, its body included, must not be longer."""

_DOLLAR: Final = 0x24
_FRAME_HEADER: Final = 4
_RTP_VERSION: Final = 0x80
_LARGEST_FRAME: Final = 4 + 0xFFFF
_ROOM: Final = _LARGEST_FRAME
"""A read is never offered less room than this."""
_BODY = re.compile(rb"\ncontent-length[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?\n", re.IGNORECASE)
_MESSAGE = re.compile(
    rb"(?:RTSP/|OPTIONS|DESCRIBE|ANNOUNCE|SETUP|PLAY|PAUSE|TEARDOWN|[GS]ET_PARAMETER|REDIRECT|RECORD)"
)
_LONGEST_START: Final = 13
_HEAD_END = re.compile(rb"\r?\n\r?\n")

FrameReceiver = Callable[[int, int, int], int]
"""Takes the frames of its channel that follow each other in the buffer.

Is called with the position of a frame header, the end of the bytes in the buffer and their arrival in UTC
nanoseconds; returns the position after the last complete frame that it took.
"""


class Holder(Protocol):
    """Whoever may still need bytes of the buffer after they were handed over."""

    waiting_since_ns: int
    """Arrival of the first of such bytes; 0 when there are none."""

    def detach(self) -> None:
        """Copy them: the buffer is about to be overwritten."""
        ...


class InterleavedStream:
    """One receive buffer: frames go to the receiver of their channel, RTSP messages, whole, to `on_message`.

    Bytes that are neither are skipped up to the next frame of a known channel or the next message. `room` and
    `received` are for whoever reads: an `asyncio.BufferedProtocol` needs nothing between.
    """

    __slots__ = (
        "_end",
        "_on_message",
        "_start",
        "_utc_ns",
        "_view",
        "after_read",
        "buffer",
        "holders",
        "receivers",
        "skipped",
    )

    def __init__(self, on_message: Callable[[bytes], None], utc_ns: Callable[[], int]) -> None:
        self.buffer = bytearray(BUFFER_SIZE)
        self.receivers: dict[int, FrameReceiver] = {}
        self.holders: list[Holder] = []
        self.skipped = 0
        """Bytes that made no sense."""
        self.after_read: Callable[[], None] | None = None
        """Called when all that a read has brought was handed over."""
        self._view = memoryview(self.buffer)
        self._on_message = on_message
        self._utc_ns = utc_ns
        self._start = self._end = 0

    def room(self, sizehint: int = 0) -> memoryview:  # noqa: ARG002 - as much as there is room for
        """Return where the next bytes are to be read into."""
        if self._start == self._end:
            for holder in self.holders:
                if holder.waiting_since_ns:
                    break
            else:
                self._start = self._end = 0
                return self._view
        if BUFFER_SIZE - self._end < _ROOM:
            self._reuse()
        return self._view[self._end :]

    def received(self, nbytes: int) -> None:
        """Take `nbytes` bytes read into the room; calls receivers and `on_message`, which may add receivers."""
        now_ns = self._utc_ns()
        self._end += nbytes
        buffer, end, receivers = self.buffer, self._end, self.receivers
        position = self._start
        while end - position >= _FRAME_HEADER:
            if buffer[position] == _DOLLAR:
                receiver = receivers.get(buffer[position + 1])
                stop = receiver(position, end, now_ns) if receiver else self._ignore(position, end)
            else:
                stop = self._other(position)
            if stop == position:
                break
            position = stop
        self._start = position
        if self.after_read is not None:
            self.after_read()

    def _ignore(self, position: int, end: int) -> int:
        """Skip a frame of a channel that nobody wants."""
        stop = position + 4 + (self.buffer[position + 2] << 8 | self.buffer[position + 3])
        return stop if stop <= end else position

    def _reuse(self) -> None:
        for holder in self.holders:
            holder.detach()
        rest = self._end - self._start
        self._view[:rest] = bytes(self._view[self._start : self._end])
        self._start, self._end = 0, rest

    def _other(self, position: int) -> int:
        """Take what is no frame; returns the position after it, the same one when more bytes must come first."""
        if self.buffer[position] in b"\r\n":
            return position + 1
        if _MESSAGE.match(self.buffer, position, self._end):
            return self._message(position)
        if self._end - position < _LONGEST_START:
            return position
        found = self._next_start(position + 1)
        self.skipped += found - position
        return found

    def _next_start(self, begin: int) -> int:
        """Return where the next frame of a known channel or message begins, or from where on to look again."""
        message = _MESSAGE.search(self.buffer, begin, self._end)
        limit = message.start() if message else self._end
        position = begin
        while 0 <= (position := self.buffer.find(b"$", position, limit)) < limit - _FRAME_HEADER:
            if self.buffer[position + 1] in self.receivers and self.buffer[position + 4] & 0xC0 == _RTP_VERSION:
                return position
            position += 1
        return message.start() if message else max(self._end - _LONGEST_START, begin)

    def _message(self, position: int) -> int:
        head = _HEAD_END.search(self.buffer, position, self._end)
        if head is None:
            return position if self._end - position < MAX_MESSAGE else self._end
        body = _BODY.search(self.buffer, position, head.end())
        stop = head.end() + (int(body[1]) if body else 0)
        if stop - position > MAX_MESSAGE:
            return head.end()
        if stop > self._end:
            return position
        self._on_message(bytes(self._view[position:stop]))
        return stop
