"""RTP packets of one track into access units: the hot path, a few operations for every packet.

Packets stay in the receive buffer, framed for interleaved TCP, until their unit is complete; it is then copied
out once. A unit ends at the marker, when the timestamp changes, at 64 KB, or when the caller says so.

Between two units of a camera the processor's caches are overwritten, mostly by the copies for the viewers: what
costs is not so much what is computed as how many objects are touched.
"""

import struct
from collections.abc import Callable
from typing import Final

from gateway.domain.media import AccessUnit, Depacketizer, MediaKind, PacketBlock, TrackDescription
from gateway.protocols.rtp import block
from gateway.protocols.rtp.depacketize import depacketizer
from gateway.protocols.rtp.payload import PartOfFrame
from gateway.protocols.rtp.reception import Reception
from gateway.protocols.rtp.timeline import Timeline

MAX_UNIT_BYTES: Final = 64 * 1024
"""A larger frame is handed on in several units; only the first of them can be a key frame."""

_FRAME_HEADER: Final = 4
_SMALLEST: Final = _FRAME_HEADER + 12
_VERSION, _VERSION_MASK, _MARKER = 0x8000, 0xC000, 0x80
"""In the first two bytes of RTP."""
_COUNT_AFTER: Final = 1024
"""Packets after which `reception` is told: what it knows are sums over seconds, and it is asked every few."""
_RTCP: Final = frozenset(range(200, 205))
"""What the byte of marker and payload type is in RTCP packets that a camera puts on the RTP channel (RFC 5761 §4)."""

_headers = struct.Struct(">IH2xI").unpack_from
"""`$`, channel and length; version, flags, marker and payload type; timestamp.

All packets of a frame but the last have the same, if they are equally long, which is nearly always.
"""


class Assembler:
    """Collects the packets of one track. `deliver` is called with each unit as soon as it is complete."""

    __slots__ = (
        "_aside",
        "_begin",
        "_buffer",
        "_channel",
        "_count",
        "_count_after",
        "_ending",
        "_format",
        "_keyed",
        "_newest",
        "_part",
        "_pieces",
        "_stop",
        "_timeline",
        "_timestamp",
        "_track",
        "_uncounted",
        "_view",
        "deliver",
        "deliver_key",
        "marks",
        "newest_ns",
        "reception",
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
        every_packet = track.kind is MediaKind.AUDIO and not self._format.marks_end()
        self._ending = _VERSION if every_packet else _MARKER
        """The bit that only last packets of a frame have."""
        self.marks = False
        """Whether one was ever seen; without it the end of a frame is only known when the next begins."""
        self._timestamp = -1
        """That of the frame in progress, as it came."""
        self._keyed = False
        """Whether a unit with this timestamp was already handed on as a key frame."""
        self._part: PartOfFrame | None = None
        """What was handed on of this frame, unless that is complete."""
        self._pieces: list[memoryview | bytes] = []
        """Runs of adjoining packets of the unit in progress, but the last one."""
        self._aside = 0
        """Bytes of them."""
        self._begin = self._stop = 0
        """Where in the buffer the last one lies."""
        self._count = 0
        """Packets of the unit in progress."""
        self._uncounted = 0
        """Packets that `reception` has not been told of."""
        self._count_after = 1
        self._newest: AccessUnit | None = None
        """The unit with the last of them."""
        self.newest_ns = 0
        """Its arrival; 0 before the first."""

    @property
    def needs_timer(self) -> bool:
        """Tell whether only time can end the unit in progress: its source does not mark the ends of frames."""
        return bool(self.waiting_since_ns) and not self.marks

    def take(self, position: int, end: int, now_ns: int) -> int:  # noqa: C901 - calls cost more than they explain
        """Take a packet, and those of its size behind it that go on with its frame (`FrameReceiver`)."""
        buffer = self._buffer
        if end - position < _SMALLEST:
            return position
        headers: tuple[int, int, int] = _headers(buffer, position)
        framing, flags, timestamp = headers
        size = _FRAME_HEADER + (framing & 0xFFFF)
        stop = position + size
        if stop > end:
            return position
        if size < _SMALLEST or flags & _VERSION_MASK != _VERSION or flags & 0xFF in _RTCP:
            return stop
        if timestamp != self._timestamp:
            if self._count:
                self._emit(complete=True)
            self._timestamp = timestamp
            self._part, self._keyed = None, False
        if position != self._stop:
            if self._count:
                self._set_aside()
            self._begin = position
        ends = flags & self._ending
        if not ends:
            last = min(end - size, self._begin + MAX_UNIT_BYTES - self._aside)
            while stop <= last and _headers(buffer, stop) == headers:
                stop += size
        if not self.waiting_since_ns:
            self.waiting_since_ns = now_ns
        self._count += (stop - position) // size
        self._stop = stop
        if ends:
            self.marks = True
            self._emit(complete=True)
        elif stop - self._begin + self._aside >= MAX_UNIT_BYTES:
            self._emit(complete=False)
        return stop

    def flush(self) -> None:
        """Hand on the unit in progress, if there is one; what comes later of its frame is another unit."""
        if self._count:
            self._emit(complete=False)

    def count(self) -> None:
        """Bring `reception` up to date."""
        if self._uncounted and self._newest is not None:
            data, at = self._newest.packets.data, self._newest.packets.offsets[-1]
            ssrc, sequence = int.from_bytes(data[at + 12 : at + 16], "big"), data[at + 6] << 8 | data[at + 7]
            self.reception.unit(ssrc, sequence, self._uncounted, self._newest.rtp_time, self.newest_ns)
            self._uncounted, self._count_after = 0, _COUNT_AFTER

    def detach(self) -> None:
        """Copy the unit in progress out of the buffer, whose content is about to be overwritten."""
        self._set_aside()
        if self._aside:
            self._pieces = [b"".join(self._pieces)]

    def _set_aside(self) -> None:
        """Begin a new run: what comes next of the unit in progress does not adjoin what is there."""
        if self._stop != self._begin:
            self._pieces.append(self._view[self._begin : self._stop])
            self._aside += self._stop - self._begin
            self._begin = self._stop

    def _emit(self, *, complete: bool) -> None:
        """Hand on the unit in progress; `complete` unless more of its frame may follow."""
        if self._aside:
            self._set_aside()
            data = b"".join(self._pieces)
            self._pieces, self._aside = [], 0
        else:
            data = bytes(self._view[self._begin : self._stop])
        packets = PacketBlock(data, self._count)
        if data[1] != self._channel:
            packets = block.on_channel(packets, self._channel)
        self._uncounted += self._count
        self._begin, self._count = self._stop, 0
        arrival_ns, self.waiting_since_ns = self.waiting_since_ns, 0
        rtp_time, utc_ns = self._timeline.capture(self._timestamp, arrival_ns)
        key = not self._keyed and self._format.is_key(packets)
        depacketize: Depacketizer = self._format
        if not complete or self._part is not None:
            depacketize = part = PartOfFrame(self._format, packets, self._part)
            self._part = None if complete else part
        unit = AccessUnit(self._track, rtp_time, utc_ns, key, packets, depacketize)
        self._newest, self.newest_ns = unit, arrival_ns
        if self._uncounted >= self._count_after:
            self.count()
        if key:
            self._keyed = True
            self.deliver_key(unit)
        else:
            self.deliver(unit)
