"""RTP packets of one track into access units: the hot path, a few operations for every packet.

Packets stay in the receive buffer, framed for interleaved TCP, until their unit is complete; it is then copied
out once. A unit ends at the marker, when the timestamp changes, at 64 KB, or when the caller says so.
"""

from collections.abc import Callable
from typing import Final

from gateway.domain.media import AccessUnit, MediaKind, PacketBlock, TrackDescription
from gateway.protocols.rtp.depacketize import depacketizer
from gateway.protocols.rtp.payload import PartOfFrame
from gateway.protocols.rtp.reception import Reception
from gateway.protocols.rtp.timeline import Timeline
from gateway.protocols.rtp.unwrap import TIMESTAMP_BITS, Unwrapper

MAX_UNIT_BYTES: Final = 64 * 1024
"""A larger frame is handed on in several units; only the first of them can be a key frame."""

_DOLLAR: Final = 0x24
_FRAME_HEADER: Final = 4
_NOWHERE: Final = -1
_COUNT_AFTER: Final = 64
"""Packets after which `reception` is told: what it knows are sums over seconds."""
_WORTHWHILE: Final = 4
"""So many packets must follow before they are taken at once."""
_ALIKE: Final = (5, 2, 3, 0, 1, 4, 11, 10, 9, 8)
"""Bytes that packets of one frame have in common: marker and payload type, size, framing, version and timestamp."""
_SMALLEST: Final = 4 + 12
"""Frame header and RTP header."""
_RTCP_FIRST, _RTCP_LAST = 200, 204
"""What the byte of marker and payload type is in RTCP packets that a camera puts on the RTP channel (RFC 5761 §4)."""


class Assembler:
    """Collects the packets of one track. `deliver` is called with each unit as soon as it is complete."""

    def __init__(
        self,
        index: int,
        track: TrackDescription,
        buffer: bytearray,
        timeline: Timeline,
        deliver: Callable[[AccessUnit], None],
    ) -> None:
        self.reception = Reception(track.clock_rate)
        self.unwrap = Unwrapper(TIMESTAMP_BITS)
        self.waiting_since_ns = 0
        """Arrival of the first packet of the unit in progress; 0 when there is none."""
        self._track = index
        self._channel = 2 * index
        self._buffer = buffer
        self._view = memoryview(buffer)
        self._timeline = timeline
        self._deliver = deliver
        self._format = depacketizer(track)
        self._every_packet = track.kind is MediaKind.AUDIO and not self._format.marks_end()
        self._marks = False
        """Whether a marker was ever seen; without one the end of a frame is only known when the next begins."""
        self._timestamp = bytearray()
        self._keyed = False
        """Whether a unit with this timestamp was already handed on as a key frame."""
        self._previous: PartOfFrame | None = None
        self._pieces: list[memoryview | bytes] = []
        self._offsets: list[int] = []
        self._uncounted = 0
        """Packets that `reception` has not been told of."""
        self._newest = (b"", 0, 0, 0)
        """The block of the last of them, its offset there, its unwrapped timestamp and its arrival."""
        self._start, self._end = 0, _NOWHERE
        """The run of adjoining packets in the buffer that is not yet in `_pieces`."""
        self._shift = 0
        """What to add to a position in the buffer to get an offset in the unit."""

    @property
    def needs_timer(self) -> bool:
        """Tell whether only time can end the unit in progress: its source does not mark the ends of frames."""
        return bool(self.waiting_since_ns) and not self._marks

    @property
    def marks(self) -> bool:
        """Tell whether the source has been seen to mark the ends of frames."""
        return self._marks

    def take(self, position: int, end: int, now_ns: int) -> int:
        """Take the packets of one channel that follow each other in the buffer, whose bytes end at `end`.

        The first one's frame header is at `position`; returns the position after the last complete one.
        """
        buffer = self._buffer
        channel = buffer[position + 1]
        renumber = channel != self._channel
        while end - position >= _FRAME_HEADER and buffer[position] == _DOLLAR and buffer[position + 1] == channel:
            stop = position + 4 + (buffer[position + 2] << 8 | buffer[position + 3])
            if stop > end:
                break
            second = buffer[position + 5] if stop - position >= _SMALLEST and buffer[position + 4] >> 6 == 2 else 0xC8  # noqa: PLR2004 - RTP's version
            if second > 127 and _RTCP_FIRST <= second <= _RTCP_LAST:  # noqa: PLR2004 - the marker is the top bit
                position = stop
                continue
            if buffer[position + 8 : position + 12] != self._timestamp:
                self._new_frame(buffer[position + 8 : position + 12])
            if position != self._end:
                self._new_run(position, now_ns)
            if renumber:
                buffer[position + 1] = self._channel
            self._offsets.append(position + self._shift)
            size = stop - position
            self._end = position = stop
            if second > 127 or self._every_packet:  # noqa: PLR2004
                self._marks = True
                self._emit(complete=True)
            elif stop + self._shift >= MAX_UNIT_BYTES:
                self._emit(complete=False)
            elif not renumber and end - stop >= _WORTHWHILE * size:
                position = self._take_alike(stop, size, end)
        return position

    def _take_alike(self, position: int, size: int, end: int) -> int:
        """Take at once the packets at `position` that are like the one before in all but sequence number and payload.

        Encoders fill the packets of a frame but for the last one; comparing whole columns of bytes costs a tenth
        of looking at packets one by one. Returns the position after them.
        """
        buffer, before = self._buffer, position - size
        count = min(end - position, MAX_UNIT_BYTES - 1 - self._shift - position) // size
        for column in _ALIKE:
            if count <= 0:
                return position
            values = buffer[position + column : position + count * size : size]
            count -= len(values.lstrip(buffer[before + column : before + column + 1]))
        self._offsets.extend(range(position + self._shift, position + self._shift + count * size, size))
        self._end = position + count * size
        return self._end

    def flush(self) -> None:
        """Hand on the unit in progress, if there is one; what comes later of its frame is another unit."""
        if self.waiting_since_ns:
            self._emit(complete=False)

    def count(self) -> None:
        """Bring `reception` up to date."""
        data, at, rtp_time, arrival_ns = self._newest
        if self._uncounted:
            ssrc, sequence = int.from_bytes(data[at + 12 : at + 16], "big"), data[at + 6] << 8 | data[at + 7]
            self.reception.unit(ssrc, sequence, self._uncounted, rtp_time, arrival_ns)
            self._uncounted = 0

    def detach(self) -> None:
        """Copy the unit in progress out of the buffer, whose content is about to be overwritten."""
        if self.waiting_since_ns and self._start != self._end:
            self._cut(0)
            self._pieces = [b"".join(self._pieces)]

    def _new_frame(self, timestamp: bytearray) -> None:
        if self.waiting_since_ns:
            self._emit(complete=True)
        self._timestamp = timestamp
        self._keyed = False
        self._previous = None

    def _new_run(self, position: int, now_ns: int) -> None:
        """Begin a run of adjoining packets: the first of a unit, or one behind packets of another track."""
        if self.waiting_since_ns:
            self._cut(position)
        else:
            self.waiting_since_ns = now_ns
            self._start, self._shift = position, -position

    def _cut(self, start: int) -> None:
        """End the run of adjoining packets; the next one begins at `start`."""
        self._pieces.append(self._view[self._start : self._end])
        self._shift += self._end - start
        self._start = self._end = start

    def _emit(self, *, complete: bool) -> None:
        if self._pieces:
            self._pieces.append(self._view[self._start : self._end])
            data = b"".join(self._pieces)
            self._pieces = []
        else:
            data = bytes(self._view[self._start : self._end])
        offsets, self._offsets = self._offsets, []
        arrival_ns, self.waiting_since_ns = self.waiting_since_ns, 0
        self._end = _NOWHERE
        block = PacketBlock(data, offsets)
        rtp_time = self.unwrap(int.from_bytes(self._timestamp, "big"))
        self._uncounted += len(offsets)
        self._newest = data, offsets[-1], rtp_time, arrival_ns
        if self._uncounted >= _COUNT_AFTER or self.reception.ssrc is None:
            self.count()
        key = not self._keyed and self._format.is_key(block)
        self._keyed |= key
        depacketize: PartOfFrame | None = None
        if self._previous is not None or not complete:
            depacketize = self._previous = PartOfFrame(self._format, block, self._previous)
        if complete:
            self._previous = None
        self._deliver(
            AccessUnit(
                self._track,
                rtp_time,
                self._timeline.utc_ns(rtp_time, arrival_ns),
                key,
                block,
                depacketize or self._format,
            )
        )
