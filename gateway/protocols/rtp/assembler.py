"""RTP packets of one track into access units: the hot path, a few operations for every packet.

Packets stay in the receive buffer, framed for interleaved TCP, until their unit is complete; it is then copied
out once. A unit ends at the marker, when the timestamp changes, at 64 KB, or when the caller says so.

Between two units of a camera the processor's caches are overwritten, mostly by the copies for the viewers: what
costs is not so much what is computed as how many objects are touched.
"""

import struct
from array import array
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
_RTP_HEADER: Final = 12
_VERSION: Final = 2
_UNMARKED: Final = 0x7F
"""The byte of marker and payload type is not above this without the marker, which is the top bit."""
_COUNT_AFTER: Final = 1024
"""Packets after which `reception` is told: what it knows are sums over seconds, and it is asked every few."""
_RTCP_FIRST, _RTCP_LAST = 200, 204
"""What the byte of marker and payload type is in RTCP packets that a camera puts on the RTP channel (RFC 5761 §4)."""

_headers = struct.Struct(">HHBB2xI").unpack_from
"""`$` and channel, length; of RTP: version and flags, marker and payload type, timestamp."""


class Assembler:
    """Collects the packets of one track. `deliver` is called with each unit as soon as it is complete."""

    __slots__ = (
        "_buffer",
        "_channel",
        "_count_after",
        "_every_packet",
        "_format",
        "_keyed",
        "_marks",
        "_newest",
        "_offsets",
        "_pieces",
        "_previous",
        "_size",
        "_timeline",
        "_timestamp",
        "_track",
        "_uncounted",
        "_view",
        "deliver",
        "deliver_key",
        "reception",
        "unwrap",
        "waiting_since_ns",
    )

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
        self.deliver = self.deliver_key = deliver
        """Who gets the units, and who gets those that are key frames."""
        self._format = depacketizer(track)
        self._every_packet = track.kind is MediaKind.AUDIO and not self._format.marks_end()
        self._marks = False
        """Whether a marker was ever seen; without one the end of a frame is only known when the next begins."""
        self._timestamp = -1
        """That of the frame in progress, as it came."""
        self._keyed = False
        """Whether a unit with this timestamp was already handed on as a key frame."""
        self._previous: PartOfFrame | None = None
        self._pieces: list[memoryview | bytes] = []
        """The runs of adjoining packets of the unit in progress."""
        self._offsets = array("I")
        self._size = 0
        self._uncounted = 0
        """Packets that `reception` has not been told of."""
        self._count_after = 1
        self._newest = (b"", 0, 0, 0)
        """The block of the last of them, its offset there, its unwrapped timestamp and its arrival."""

    @property
    def needs_timer(self) -> bool:
        """Tell whether only time can end the unit in progress: its source does not mark the ends of frames."""
        return bool(self.waiting_since_ns) and not self._marks

    @property
    def marks(self) -> bool:
        """Tell whether the source has been seen to mark the ends of frames."""
        return self._marks

    @property
    def newest_ns(self) -> int:
        """Arrival of the newest unit; 0 before the first."""
        return self._newest[3]

    def take(self, position: int, end: int, now_ns: int) -> int:
        """Take the packets of one channel that follow each other in the buffer, whose bytes end at `end`.

        The first one's frame header is at `position`; returns the position after the last complete one.
        """
        buffer, start = self._buffer, position
        frame = _DOLLAR << 8 | buffer[position + 1]
        while end - position >= _FRAME_HEADER + _RTP_HEADER:
            framing, size, first, second, timestamp = _headers(buffer, position)
            stop = position + _FRAME_HEADER + size
            if framing != frame or stop > end:
                break
            if size < _RTP_HEADER or first >> 6 != _VERSION or _RTCP_FIRST <= second <= _RTCP_LAST:
                if start != position:
                    self._add(start, position, now_ns)
                start = position = stop
                continue
            if timestamp != self._timestamp:
                if start != position:
                    self._add(start, position, now_ns)
                    start = position
                if self.waiting_since_ns:
                    self._emit(complete=True)
                self._timestamp = timestamp
                self._keyed = False
                self._previous = None
            self._offsets.append(self._size + position - start)
            position = stop
            ends = second > _UNMARKED or self._every_packet
            if ends or self._size + position - start >= MAX_UNIT_BYTES:
                self._marks |= ends
                self._add(start, position, now_ns)
                start = position
                self._emit(complete=ends)
        if start != position:
            self._add(start, position, now_ns)
        return position

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
            self._uncounted, self._count_after = 0, _COUNT_AFTER

    def detach(self) -> None:
        """Copy the unit in progress out of the buffer, whose content is about to be overwritten."""
        if self._pieces:
            self._pieces = [b"".join(self._pieces)]

    def _add(self, start: int, stop: int, now_ns: int) -> None:
        """Add a run of adjoining packets to the unit in progress; their offsets are there already."""
        if not self._pieces:
            self.waiting_since_ns = now_ns
        if self._buffer[start + 1] != self._channel:
            for offset in reversed(self._offsets):
                if offset < self._size:
                    break
                self._buffer[start + offset - self._size + 1] = self._channel
        self._pieces.append(self._view[start:stop])
        self._size += stop - start

    def _emit(self, *, complete: bool) -> None:
        data, offsets = b"".join(self._pieces), self._offsets
        self._pieces.clear()
        self._offsets = array("I")
        self._size = 0
        arrival_ns, self.waiting_since_ns = self.waiting_since_ns, 0
        block = PacketBlock(data, offsets)
        rtp_time = self.unwrap.extend(self._timestamp)
        self._uncounted += len(offsets)
        self._newest = data, offsets[-1], rtp_time, arrival_ns
        if self._uncounted >= self._count_after:
            self.count()
        key = not self._keyed and self._format.is_key(block)
        self._keyed |= key
        depacketize: PartOfFrame | None = None
        if self._previous is not None or not complete:
            depacketize = self._previous = PartOfFrame(self._format, block, self._previous)
        if complete:
            self._previous = None
        utc_ns = self._timeline.utc_ns(rtp_time, arrival_ns)
        unit = AccessUnit(self._track, rtp_time, utc_ns, key, block, depacketize or self._format)
        (self.deliver_key if key else self.deliver)(unit)
