"""Plain MP4 of any time range over several segments, joined without encoding anew.

The sample tables are made of those in the segments, so that the size of the movie and every byte of it are known
before any payload is read: it can be sent, also in part, without ever being a file.

- It begins at the clean point at or before the range; an edit list lets players begin at the range's start.
- Where nothing was recorded, the last frame before stays for as long; of a gap of more than six hours, six are left.
- Time that a clock ran through twice is shown twice, one after the other.
- Parameter sets may change: each has its sample entry. Where the codec changes, the movie ends.
- Video and audio are in it; metadata is not.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind
from gateway.protocols.mp4 import runs
from gateway.protocols.mp4.boxes import LARGEST_SMALL, box, header, seconds, to_ns, to_ticks
from gateway.protocols.mp4.moov import MOVIE_TIMESCALE, TrackBox, edit_list, moov
from gateway.protocols.mp4.reader import SegmentHeader, read_header
from gateway.protocols.mp4.runs import Run
from gateway.protocols.mp4.tables import TrackTable

MAX_SAMPLES: Final = 8_000_000
"""About a day of video with audio; the tables are kept in memory."""
_LONGEST_GAP_NS: Final = 6 * 3600 * 1_000_000_000
"""Players count a sample's duration in 31 bits."""
_FTYP: Final = box(b"ftyp", b"isom", (512).to_bytes(4, "big"), b"isom", b"iso2", b"mp41")
_Key = tuple[MediaKind, int]
"""A track of the movie: kind, and number among those of its kind."""


@dataclass(frozen=True, slots=True)
class SourceRange:
    """Bytes that are to be read from a segment."""

    source: int
    offset: int
    size: int


class Movie:
    """A file that is not there: its beginning, and where the rest of it is."""

    def __init__(self, head: bytes, ranges: Sequence[SourceRange], start_ns: int) -> None:
        self.start_ns = start_ns
        """UTC at which playback begins."""
        self._pieces: list[bytes | SourceRange] = [head, *ranges]
        self._starts: list[int] = []
        self.size = 0
        """Bytes."""
        for piece in self._pieces:
            self._starts.append(self.size)
            self.size += _size(piece)

    def parts(self, offset: int, size: int) -> Iterator[bytes | SourceRange]:
        """Yield what the given bytes of the movie are; those behind its end are left out."""
        end = min(offset + size, self.size)
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            piece, start = self._pieces[index], self._starts[index]
            stop = min(start + _size(piece), end)
            if isinstance(piece, SourceRange):
                yield SourceRange(piece.source, piece.offset + offset - start, stop - offset)
            else:
                yield piece[offset - start : stop - start]
            offset = stop
            index += 1


class MoviePlan:
    """Takes segments with their fragments, in order, and makes the movie of them."""

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self._start_ns, self._end_ns = start_ns, end_ns
        self._tables: dict[_Key, TrackTable] = {}
        self._ranges: list[SourceRange] = []
        self._size = 0
        self._zero_ns = 0
        """UTC of the movie's time zero; the first segment's start."""
        self._origin_ns: int | None = None
        """When playback begins."""
        self._shift_ns = 0
        """What times of the segment are moved by."""
        self._lead_end_ns: int | None = None
        """Where the leading track ends so far, moved likewise."""
        self._source = -1
        self._segment: SegmentHeader | None = None
        self._keys: dict[int, _Key] = {}
        self._fresh = False
        """No fragment of the segment was taken yet."""

    def segment(self, source: int, data: bytes) -> bool:
        """Go on with a segment, given its header; False when its codecs need another movie.

        Raises GatewayError INVALID.
        """
        segment = read_header(data)
        keys = _keys(segment)
        for index, key in keys.items():
            table = self._tables.get(key)
            if table is not None and not _fits(table, segment.entries[index], segment.timescales[index]):
                return False
        if not self._tables:
            self._zero_ns = segment.start_ns
        self._source, self._segment, self._keys, self._fresh = source, segment, keys, True
        return True

    def fragment(self, offset: int, data: bytes) -> None:
        """Take a fragment of the segment: its place in the file, and its first bytes (`runs.head_size`).

        Raises GatewayError INVALID, or LIMIT when the movie would be too long.
        """
        segment = self._segment
        if segment is None:
            raise ValueError("a fragment belongs to a segment")
        fragment = runs.parse(data, segment.tracks)
        self._place(segment, fragment.runs[0])
        for run in fragment.runs:
            key = self._keys.get(run.track)
            limit = to_ticks(self._end_ns - segment.start_ns, segment.timescales[run.track])
            if key is not None and (run_kept := _before(run, limit)) is not None:
                self._add(segment, key, run_kept, offset)
        if sum(table.samples for table in self._tables.values()) > MAX_SAMPLES:
            raise GatewayError(
                ErrorKind.LIMIT, f"a movie has at most {MAX_SAMPLES} frames, so this range is too long for one"
            )

    def movie(self) -> Movie | None:
        """Return the movie, None when nothing of the range was found."""
        origin_ns = self._origin_ns
        if origin_ns is None or not self._tables:
            return None
        begin, end = origin_ns - self._zero_ns, self._end_ns + self._shift_ns - self._zero_ns
        shown = [table for table in self._tables.values() if to_ns(table.end, table.timescale) > begin]
        last = max((to_ns(table.end, table.timescale) for table in shown), default=begin)
        created, duration = seconds(origin_ns), to_ticks(max(min(last, end) - begin, 0), MOVIE_TIMESCALE)
        tables = [table.boxes() for table in shown]

        def head(base: int, *, large: bool) -> bytes:
            boxes = [
                _track_box(number, table, fixed + table.chunk_offsets(base, large=large), begin, end)
                for number, (table, fixed) in enumerate(zip(shown, tables, strict=True), 1)
            ]
            return _FTYP + moov(created, duration, boxes) + header(b"mdat", self._size)

        size = len(head(0, large=True))
        large = size + self._size > LARGEST_SMALL
        size = size if large else len(head(0, large=False))
        return Movie(head(size, large=large), self._ranges, origin_ns)

    def _place(self, segment: SegmentHeader, lead: Run) -> None:
        """Decide where a fragment is in time."""
        scale = segment.timescales[lead.track]
        start_ns = segment.start_ns + to_ns(lead.decode_time + lead.composition[0], scale)
        if self._origin_ns is None or self._lead_end_ns is None:
            self._origin_ns = max(self._start_ns, start_ns)
        elif self._fresh:
            latest = self._lead_end_ns + _LONGEST_GAP_NS
            self._shift_ns = min(max(start_ns, self._lead_end_ns), latest) - start_ns
        self._fresh = False
        self._lead_end_ns = segment.start_ns + self._shift_ns + to_ns(lead.end, scale)

    def _add(self, segment: SegmentHeader, key: _Key, run: Run, offset: int) -> None:
        scale = segment.timescales[run.track]
        table = self._tables.setdefault(key, TrackTable(key[0], scale))
        shift = to_ticks(segment.start_ns + self._shift_ns - self._zero_ns, scale)
        table.add(run, shift, segment.entries[run.track], self._size)
        size = run.size
        begin, before = offset + run.offset, self._ranges[-1] if self._ranges else None
        if before is not None and before.source == self._source and before.offset + before.size == begin:
            self._ranges[-1] = SourceRange(self._source, before.offset, before.size + size)
        else:
            self._ranges.append(SourceRange(self._source, begin, size))
        self._size += size


def _size(piece: bytes | SourceRange) -> int:
    return piece.size if isinstance(piece, SourceRange) else len(piece)


def _keys(segment: SegmentHeader) -> dict[int, _Key]:
    """Return which track of a movie each track of a segment is, by index."""
    counts = dict.fromkeys(MediaKind, 0)
    keys: dict[int, _Key] = {}
    for index in sorted(segment.entries):
        kind = segment.description.tracks[index].kind
        if kind is not MediaKind.APPLICATION:
            keys[index] = kind, counts[kind]
            counts[kind] += 1
    return keys


def _fits(table: TrackTable, entry: bytes, timescale: int) -> bool:
    """Tell whether samples can go on in a track. Players take new parameter sets of video, but no other codec."""
    if entry in table.entries or not table.samples:
        return timescale == table.timescale
    return table.kind is MediaKind.VIDEO and entry[4:8] == table.entries[0][4:8]


def _before(run: Run, limit: int) -> Run | None:
    """Return the samples of a run up to the last that was captured before a time, None when there is none."""
    if run.end + max(run.composition) <= limit:
        return run
    kept, time = 0, run.decode_time
    for number, (duration, offset) in enumerate(zip(run.durations, run.composition, strict=True), 1):
        if time + offset < limit:
            kept = number
        time += duration
    if not kept:
        return None
    columns = (run.durations[:kept], run.sizes[:kept], run.keys[:kept], run.composition[:kept])
    return Run(run.track, run.decode_time, run.offset, *columns)


def _track_box(number: int, table: TrackTable, tables: bytes, begin_ns: int, end_ns: int) -> TrackBox:
    """Return a track of which a stretch is played, in nanoseconds after the movie's zero."""
    origin, end = (to_ticks(ns, table.timescale) for ns in (begin_ns, end_ns))
    begin = max(table.first_capture, origin)
    shown = max(min(table.end, end) - begin, 1)
    edits = [(_movie_time(shown, table.timescale), begin - table.first + table.delay)]
    if begin > origin:
        edits.insert(0, (_movie_time(begin - origin, table.timescale), -1))
    return TrackBox(
        number,
        table.kind,
        table.timescale,
        table.entries,
        tables,
        table.end - table.first,
        sum(duration for duration, _ in edits),
        edit_list(edits),
    )


def _movie_time(ticks: int, timescale: int) -> int:
    return to_ticks(to_ns(ticks, timescale), MOVIE_TIMESCALE)
