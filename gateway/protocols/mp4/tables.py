"""The sample tables of one track of a movie without fragments (ISO/IEC 14496-12 §8.6 and §8.7)."""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, pairwise

from gateway.domain.media import MediaKind
from gateway.protocols.mp4.boxes import LARGEST_SMALL, full_box, invalid
from gateway.protocols.mp4.runs import LEAST_OFFSET, Run


class Lengths:
    """Values, kept as how often each follows itself."""

    def __init__(self) -> None:
        self.counts, self.values = array("I"), array("q")

    def extend(self, values: Iterable[int]) -> None:
        """Append values."""
        for value, same in groupby(values):
            count = sum(1 for _ in same)
            if self.values and self.values[-1] == value:
                self.counts[-1] += count
            else:
                self.counts.append(count)
                self.values.append(value)

    def table(self, kind: bytes, more: int = 0) -> bytes:
        """Return the box of counts and values, something added to each of these."""
        cells = array("I", bytes(2 * self.counts.itemsize * len(self.counts)))
        cells[::2] = self.counts
        cells[1::2] = array("I", [min(value + more, LARGEST_SMALL) for value in self.values])
        return full_box(kind, 0, 0, len(self.counts).to_bytes(4, "big"), _big_endian(cells))


class TrackTable:
    """Takes runs of samples in order. Times are in the track's timescale and count from the movie's zero."""

    def __init__(self, kind: MediaKind, timescale: int) -> None:
        self.kind = kind
        self.timescale = timescale
        self.entries: list[bytes] = []
        """Sample entries in use."""
        self.first = 0
        """Decode time of the first sample."""
        self.first_capture = 0
        self.samples = 0
        self._sizes = array("I")
        self._durations = Lengths()
        """Of all samples but the last."""
        self._offsets = Lengths()
        """Times of presentation less those of decoding."""
        self._last, self._last_duration = -1, 0
        """Decode time and duration of the last sample."""
        self._keys = array("I")
        """Numbers of the random access points, from 1."""
        self._chunks: list[tuple[int, int]] = []
        """Number of samples and sample entry, from 1."""
        self._positions = array("Q")
        """Of the chunks, from the beginning of the movie's data."""

    @property
    def end(self) -> int:
        """Time at which the last sample ends; it is taken to begin when it is decoded."""
        return self._last + self._last_duration

    @property
    def delay(self) -> int:
        """What composition offsets are moved by, so that none is negative."""
        return max(0, -min(self._offsets.values, default=0))

    def add(self, run: Run, shift: int, entry: bytes, position: int) -> None:
        """Take a run, whose decode times are moved, as one chunk; the sample before it lasts until it begins."""
        start, durations, offsets = run.decode_time + shift, run.durations, run.composition
        if self.kind is MediaKind.AUDIO:
            offsets = array("i", bytes(offsets.itemsize * len(offsets)))  # its frames follow each other
        if not self.samples:
            self.first, self.first_capture = start, start + offsets[0]
        elif start <= self._last:
            durations, moved = _delayed(start, durations, offsets, self._last + 1)
            start, offsets = self._last + 1, offsets if self.kind is MediaKind.AUDIO else moved
            self._durations.extend((1,))
        else:
            self._durations.extend((start - self._last,))
        self._durations.extend(durations[:-1])
        self._offsets.extend(offsets)
        self._last_duration = durations[-1]
        self._last = start + sum(durations) - durations[-1]
        self._keys.extend(number for number, key in enumerate(run.keys, self.samples + 1) if key)
        self._sizes.extend(run.sizes)
        self.samples += len(run.sizes)
        if entry not in self.entries:
            self.entries.append(entry)
        self._chunks.append((len(run.sizes), self.entries.index(entry) + 1))
        self._positions.append(position)

    def boxes(self) -> bytes:
        """Return the tables, all but that of the chunks' positions; no run can be added then."""
        self._durations.extend((self._last_duration,))
        tables = [self._durations.table(b"stts")]
        if any(self._offsets.values):
            tables.append(self._offsets.table(b"ctts", self.delay))
        if len(self._keys) < self.samples:
            tables.append(full_box(b"stss", 0, 0, len(self._keys).to_bytes(4, "big"), _big_endian(self._keys)))
        rows = list(_chunk_rows(self._chunks))
        chunks = array("I", chain.from_iterable(rows))
        tables.append(full_box(b"stsc", 0, 0, len(rows).to_bytes(4, "big"), _big_endian(chunks)))
        tables.append(full_box(b"stsz", 0, 0, bytes(4), self.samples.to_bytes(4, "big"), _big_endian(self._sizes)))
        return b"".join(tables)

    def chunk_offsets(self, base: int, *, large: bool) -> bytes:
        """Return the table of the chunks' positions in the file; `base` is where the movie's data begins."""
        count, letter, kind = len(self._positions), "Q" if large else "I", b"co64" if large else b"stco"
        positions = (base + position for position in self._positions)
        return full_box(kind, 0, 0, count.to_bytes(4, "big"), struct.pack(f"!{count}{letter}", *positions))


def _delayed(
    start: int, durations: "array[int]", offsets: "array[int]", floor: int
) -> tuple["array[int]", "array[int]"]:
    """Return durations and offsets of a run that begins at the floor, a little late; times of presentation stay."""
    times, captures, at = [], [], start
    for duration, offset in zip(durations, offsets, strict=True):
        captures.append(at + offset)
        times.append(max(at, floor))
        floor = times[-1] + 1
        at += duration
    steps = [after - before for before, after in pairwise(times)]
    moved = [capture - time for capture, time in zip(captures, times, strict=True)]
    if min(moved) < LEAST_OFFSET:
        raise invalid(f"samples are {-min(moved)} ticks behind those in front of them")
    return array("I", [*steps, max(at - times[-1], 1)]), array("i", moved)


def _chunk_rows(chunks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Yield the number of a chunk, its samples and its entry, wherever those of the chunk before were others."""
    before = None
    for number, chunk in enumerate(chunks, 1):
        if chunk != before:
            yield (number, *chunk)
        before = chunk


def _big_endian(values: "array[int]") -> bytes:
    if sys.byteorder == "little":
        values = values[:]
        values.byteswap()
    return values.tobytes()
