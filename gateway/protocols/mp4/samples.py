"""The samples of one track, collected for the next fragment (ISO/IEC 14496-12 §8.8)."""

import struct
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Final

from gateway.domain.media import AccessUnit
from gateway.protocols.mp4.boxes import LARGEST_SMALL, box, full_box, to_ticks
from gateway.protocols.mp4.identity import LONGEST_SHIFT, Timing
from gateway.protocols.mp4.tracks import Form, Parts, Storing

SYNC, NOT_SYNC = 0x02000000, 0x01010000
"""Flags of a sample that decoding can begin with, and of one that depends on others (§8.8.3.1)."""
TFHD_FLAGS: Final = 0x020020
"""Offsets count from the movie fragment box; the only field is the default of the samples' flags."""
ROWS_OF_TWO: Final = 0x000301
"""`trun` with data offset, and duration and size of every sample."""
ROWS_OF_FOUR: Final = 0x000F01
"""The same with flags and composition time offset of every sample."""
_TRUN_VERSION: Final = 1
"""Composition time offsets are signed."""
_TRAF_SIZE: Final = 68
"""Bytes of a track fragment box without the rows."""
_LARGEST_OFFSET: Final = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Run:
    """The part of one track in a fragment."""

    track_id: int
    flags: int
    """Of its `trun`."""
    decode_time: int
    """Of the first sample, in the file's ticks."""
    rows: bytes
    count: int
    parts: list[bytes | memoryview]
    size: int
    """Bytes of all parts."""
    start: int
    """Capture time of the first sample in decode order, in ticks after the file's start."""
    end: int
    """Time at which the last sample ends, likewise."""
    sync: bool
    """Decoding can begin with the first sample."""

    @property
    def traf_size(self) -> int:
        """Bytes of its box."""
        return _TRAF_SIZE + len(self.rows)

    def traf(self, data_offset: int) -> bytes:
        """Return its box; the data lies so many bytes behind the beginning of the movie fragment box."""
        return box(
            b"traf",
            full_box(b"tfhd", 0, TFHD_FLAGS, struct.pack("!II", self.track_id, SYNC)),
            full_box(b"tfdt", 1, 0, self.decode_time.to_bytes(8, "big")),
            full_box(b"trun", _TRUN_VERSION, self.flags, struct.pack("!Ii", self.count, data_offset), self.rows),
        )


@dataclass(slots=True)
class _Samples:
    """Times of presentation, sizes, flags and bytes, in decode order."""

    times: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    parts: list[bytes | memoryview] = field(default_factory=list)


class Collector:
    """Takes the units of one track, and gives them up as runs. Decode times grow over all of its runs."""

    def __init__(self, track_id: int, how: Storing, start_ns: int) -> None:
        self._id = track_id
        self._how = how
        self._audio, self._nal_units = how.form is Form.FRAMES, how.form is Form.NAL_UNITS
        self._start_ns = start_ns
        self._floor = 0
        """Decode times do not come before it."""
        self._timing = Timing()
        self._samples = _Samples()
        self._rtp_time: int | None = None
        self._duration = 1
        """What the last sample lasts by its codec."""

    def add(self, unit: AccessUnit) -> None:
        """Take a unit; those of one timestamp are one sample, unless every part is one."""
        payload = unit.payload()
        if self._audio:
            self._add_frames(unit, self._how.split(payload) if self._how.split else payload)
            return
        samples = self._samples
        if unit.rtp_time != self._rtp_time:
            self._rtp_time = unit.rtp_time
            samples.times.append(to_ticks(unit.utc_ns - self._start_ns, self._how.timescale))
            samples.sizes.append(0)
            samples.flags.append(SYNC if unit.keyframe else NOT_SYNC)
        size = 0
        if self._nal_units:
            for part in payload:
                if length := len(part):
                    samples.parts += (length.to_bytes(4, "big"), part)
                    size += 4 + length
        else:
            samples.parts += payload
            size = sum(map(len, payload))
        samples.sizes[-1] += size

    def settle(self) -> Timing:
        """Return how the track's times are moved, so that none is negative; decided by what was added so far."""
        times = self._samples.times
        late = (due - time for due, time in zip(sorted(times), times, strict=True))
        self._timing = Timing(
            min(max(-min(times, default=0), 0), LONGEST_SHIFT), min(max(late, default=0), LONGEST_SHIFT)
        )
        return self._timing

    def take(self, end_ns: int, *, to_end: bool) -> Run | None:
        """Return the run of all that was added since the last time, None when that is nothing.

        Its last sample lasts up to `end_ns`, or, of audio and unless `to_end`, as long as its codec says.
        """
        samples, self._samples, self._rtp_time = self._samples, _Samples(), None
        if 0 in samples.sizes:
            _drop_empty(samples)
        if not samples.sizes:
            return None
        lead, delay = self._timing
        times = [time + lead for time in samples.times] if lead else samples.times
        decode = _decode_times(times, self._floor)
        last = self._duration
        if to_end or not self._audio:
            last = to_ticks(end_ns - self._start_ns, self._how.timescale) + lead - decode[-1]
        last = max(last, 1)
        durations = [after - before for before, after in pairwise(decode)]
        durations.append(last)
        if max(durations) > LARGEST_SMALL:
            durations = [min(duration, LARGEST_SMALL) for duration in durations]
        end = decode[-1] + last
        self._floor = decode[-1] + 1 if self._audio else end
        offsets = [time + delay - at for time, at in zip(times, decode, strict=True)]
        flags, rows = _rows(samples, durations, offsets)
        count, size, sync = len(decode), sum(samples.sizes), samples.flags[0] == SYNC
        return Run(self._id, flags, decode[0], rows, count, samples.parts, size, samples.times[0], end - lead, sync)

    def _add_frames(self, unit: AccessUnit, frames: Parts) -> None:
        samples = self._samples
        time = to_ticks(unit.utc_ns - self._start_ns, self._how.timescale)
        for frame in frames:
            samples.times.append(time)
            samples.sizes.append(len(frame))
            samples.flags.append(SYNC)
            samples.parts.append(frame)
            self._duration = self._how.duration(frame)
            time += self._duration


def _drop_empty(samples: _Samples) -> None:
    """Forget samples of units with nothing in them, which lost a packet; they have no parts, or an empty one."""
    kept = [index for index, size in enumerate(samples.sizes) if size]
    for column in (samples.times, samples.sizes, samples.flags):
        column[:] = [column[index] for index in kept]


def _decode_times(times: list[int], floor: int) -> list[int]:
    """Return decode times: those of presentation in order, each later than the one before, none before the floor."""
    decode = []
    for time in sorted(times):
        floor = max(time, floor)
        decode.append(floor)
        floor += 1
    return decode


def _rows(samples: _Samples, durations: list[int], offsets: list[int]) -> tuple[int, bytes]:
    """Return the flags and the rows of the `trun`: two columns where decode order is all there is to tell."""
    if not any(offsets) and NOT_SYNC not in samples.flags:
        return ROWS_OF_TWO, _packed(zip(durations, samples.sizes, strict=True), 2 * len(offsets))
    if max(offsets) > _LARGEST_OFFSET or min(offsets) < -_LARGEST_OFFSET:
        offsets = [min(max(offset, -_LARGEST_OFFSET), _LARGEST_OFFSET) for offset in offsets]
    signed = [offset & LARGEST_SMALL for offset in offsets]
    return ROWS_OF_FOUR, _packed(zip(durations, samples.sizes, samples.flags, signed, strict=True), 4 * len(offsets))


def _packed(rows: "zip[tuple[int, ...]]", count: int) -> bytes:
    return struct.pack(f"!{count}I", *chain.from_iterable(rows))
