"""RTP datagrams of one track, laid out in a buffer as interleaved frames, so that the assembler has one input."""

from typing import Final

from gateway.protocols.rtp.interleaved import FrameReceiver, Holder

BUFFER_SIZE: Final = 256 * 1024

_FRAME_HEADER: Final = 4
_ROOM: Final = _FRAME_HEADER + 0xFFFF


class DatagramBuffer:
    """Where the datagrams of one socket are received; `receiver` and `holder` are set once they exist."""

    def __init__(self) -> None:
        self.buffer = bytearray(BUFFER_SIZE)
        self.receiver: FrameReceiver | None = None
        self.holder: Holder | None = None
        self._view = memoryview(self.buffer)
        self._end = 0

    def room(self) -> memoryview:
        """Return where the next datagram is to be read into."""
        if self.holder is None or not self.holder.waiting_since_ns:
            self._end = 0
        elif BUFFER_SIZE - self._end < _ROOM:
            self.holder.detach()
            self._end = 0
        return self._view[self._end + _FRAME_HEADER :]

    def received(self, size: int, now_ns: int) -> None:
        """Take one datagram of `size` bytes that was read into the room."""
        start = self._end
        self._end = end = start + _FRAME_HEADER + size
        self.buffer[start : start + _FRAME_HEADER] = bytes((0x24, 0, size >> 8 & 0xFF, size & 0xFF))
        if self.receiver is not None:
            self.receiver(start, end, now_ns)
