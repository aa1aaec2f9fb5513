"""Movie fragments, read: which samples there are, when, and where (ISO/IEC 14496-12 §8.8).

Only what the writer makes is understood: `prft`, `moof` and `mdat`, with one `trun` in every `traf`.
"""

import struct
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.protocols.mp4.boxes import LARGE_HEADER, Box, invalid, peek, unpack, walk
from gateway.protocols.mp4.identity import Timing
from gateway.protocols.mp4.samples import ROWS_OF_FOUR, ROWS_OF_TWO, TFHD_FLAGS

MAX_HEAD: Final = 4 * 1024 * 1024
"""Bytes before a fragment's payload; enough for hours of audio."""
_NOT_SYNC: Final = 0x00010000
"""Set in the flags of samples that are not random access points."""
_LATEST: Final = 1 << 48
"""Ticks; a century of video."""
_ZERO: Final = array("i", (0,))
LEAST_OFFSET: Final = -1 << 31
_TFHD, _TFDT, _TRUN = struct.Struct("!III"), struct.Struct("!IQ"), struct.Struct("!IIi")
_VERSION_1: Final = 0x01000000
_COLUMNS: Final = {_VERSION_1 | ROWS_OF_TWO: 2, _VERSION_1 | ROWS_OF_FOUR: 4}
"""Columns of a `trun` by version and flags."""


@dataclass(frozen=True, slots=True)
class Placing:
    """A track of the file."""

    track: int
    """Index in the stream's description."""
    timing: Timing


@dataclass(slots=True)
class Run:
    """The samples of one track in a fragment, in decode order. Immutable once made."""

    track: int
    """Index in the stream's description."""
    decode_time: int
    """Of the first sample, in ticks after the file's start."""
    offset: int
    """Of the first sample's bytes; the samples follow each other."""
    durations: "array[int]"
    sizes: "array[int]"
    keys: list[bool]
    """Which samples are random access points."""
    composition: "array[int]"
    """Times of capture less those of decoding, in ticks."""

    @property
    def end(self) -> int:
        """Decode time at which the last sample ends."""
        return self.decode_time + sum(self.durations)

    @property
    def size(self) -> int:
        """Bytes of all samples."""
        return sum(self.sizes)


@dataclass(frozen=True, slots=True)
class Fragment:
    """The movie fragment that begins at a position."""

    runs: list[Run]
    """Never empty; the first is of the leading track."""
    head: int
    """Bytes before its payload."""
    end: int
    """The byte after it."""


def head_size(data: bytes | memoryview) -> int:
    """Return how many bytes from the beginning of a fragment `parse` needs, as far as the given ones tell.

    When that is more than there are, ask again with so many. Raises GatewayError INVALID where no fragment begins.
    """
    view, at = memoryview(data), 0
    found = peek(view, at, len(view))
    if found is not None and found.kind == b"prft":
        at = found.end
        found = peek(view, at, len(view))
    if found is not None:
        if found.kind != b"moof" or found.end > MAX_HEAD:
            raise invalid(f"no fragment begins with {bytes(view[:LARGE_HEADER]).hex()}")
        at = found.end
    return at + LARGE_HEADER


def parse(data: bytes | memoryview, tracks: Mapping[int, Placing]) -> Fragment:
    """Read a fragment, of which only the first `head_size` bytes are needed; `tracks` are by track id.

    Raises GatewayError INVALID, also where samples lie outside the fragment.
    """
    view = memoryview(data)
    moof, mdat = _outline(view)
    runs = [_run(view, moof, each, tracks) for each in walk(view, moof.content, moof.end) if each.kind == b"traf"]
    for run in runs:
        if run.offset < mdat.content or run.offset + run.size > mdat.end:
            raise invalid(f"samples of track {run.track} lie outside of their fragment")
    if not runs:
        raise invalid("a fragment has no samples")
    return Fragment(runs, mdat.content, mdat.end)


def _outline(view: memoryview) -> tuple[Box, Box]:
    """Return where the movie fragment and its data are."""
    at, moof = 0, None
    while (found := peek(view, at, len(view))) is not None:
        if found.kind == b"mdat" and moof is not None:
            return moof, found
        if found.kind not in {b"prft", b"moof"} or found.end > len(view):
            break
        at, moof = found.end, found if found.kind == b"moof" else moof
    raise invalid(f"no whole fragment begins with {bytes(view[:LARGE_HEADER]).hex()}")


def _run(view: memoryview, moof: Box, traf: Box, tracks: Mapping[int, Placing]) -> Run:
    boxes = {each.kind: each for each in walk(view, traf.content, traf.end)}
    try:
        tfhd, tfdt, trun = boxes[b"tfhd"], boxes[b"tfdt"], boxes[b"trun"]
    except KeyError as error:
        raise invalid(f"a track fragment has no {error.args[0].decode()} box") from None
    flags, track_id, default = unpack(_TFHD, view, tfhd.content, tfhd.end)
    layout, decode_time = unpack(_TFDT, view, tfdt.content, tfdt.end)
    if flags != TFHD_FLAGS or layout != _VERSION_1 or decode_time > _LATEST:
        raise invalid(f"a track fragment is laid out in a way that is not ours: {flags:#x}, {layout:#x}")
    layout, count, offset = unpack(_TRUN, view, trun.content, trun.end)
    columns = _COLUMNS.get(layout)
    rows = trun.content + _TRUN.size
    placing = tracks.get(track_id)
    if columns is None or placing is None or not count or rows + 4 * columns * count != trun.end:
        raise invalid(f"track {track_id} has {count} samples that are laid out in a way that is not ours: {layout:#x}")
    cells = array("I")
    cells.frombytes(view[rows : trun.end])
    if sys.byteorder == "little":
        cells.byteswap()
    if layout == _VERSION_1 | ROWS_OF_TWO:
        keys, composition = [not default & _NOT_SYNC] * count, _ZERO * count
    else:
        keys = [not flags & _NOT_SYNC for flags in cells[2::4]]
        composition = array("i", cells[3::4].tobytes())
    if placing.timing.delay:
        composition = array("i", (max(offset - placing.timing.delay, LEAST_OFFSET) for offset in composition))
    start = decode_time - placing.timing.lead
    return Run(placing.track, start, moof.start + offset, cells[::columns], cells[1::columns], keys, composition)
