"""Segment files, read: their header, and fragments with their samples."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.domain.media import StreamDescription
from gateway.protocols.mp4 import identity, runs
from gateway.protocols.mp4.boxes import Box, child, invalid, peek, to_ns, unpack, walk
from gateway.protocols.mp4.tracks import Form, storing

MAX_HEADER: Final = 1024 * 1024
"""Bytes before the first fragment."""
_TKHD, _MDHD, _STSD = struct.Struct("!12xI"), struct.Struct("!12xI"), struct.Struct("!II")


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What comes before the fragments."""

    description: StreamDescription
    info: Mapping[str, str]
    size: int
    """Bytes: where the first fragment begins."""
    start_ns: int
    """UTC of the file's time zero."""
    tracks: Mapping[int, runs.Placing]
    """The tracks that are stored, by track id."""
    timescales: Mapping[int, int]
    """Units per second by index."""
    entries: Mapping[int, bytes]
    """Sample entries by index."""
    nal_tracks: frozenset[int]
    """Indices of the tracks whose samples are NAL units."""


@dataclass(slots=True)
class Sample:
    """One frame. Immutable once made."""

    track: int
    utc_ns: int
    """Capture time, to half a tick of its track."""
    duration_ns: int
    keyframe: bool
    payload: tuple[memoryview, ...]
    """NAL units, or the JPEG file, or the audio frame, or the document."""


def read_header(data: bytes | memoryview) -> SegmentHeader:
    """Read the header of a segment; what follows it is not looked at. Raises GatewayError INVALID."""
    view = memoryview(data)
    moov = _movie(view)
    known = None
    found: dict[int, tuple[int, bytes]] = {}
    for each in walk(view, moov.content, moov.end):
        if each.kind == b"uuid":
            known = known or identity.parse(view[each.content : each.end])
        elif each.kind == b"trak":
            track_id, timescale, entry = _track(view, each)
            found[track_id - 1] = timescale, entry
    if known is None:
        raise invalid("the file does not describe itself: it is none of the gateway's segments")
    hows = {index: how for index, track in enumerate(known.description.tracks) if (how := storing(track))}
    if hows.keys() != found.keys() or any(hows[index].timescale != scale for index, (scale, _) in found.items()):
        raise invalid(f"the file has tracks {sorted(found)} but describes {sorted(hows)}")
    return SegmentHeader(
        description=known.description,
        info=known.info,
        size=moov.end,
        start_ns=known.start_ns,
        tracks={index + 1: runs.Placing(index, known.timings.get(index, identity.Timing())) for index in found},
        timescales={index: timescale for index, (timescale, _) in found.items()},
        entries={index: entry for index, (_, entry) in found.items()},
        nal_tracks=frozenset(index for index, how in hows.items() if how.form is Form.NAL_UNITS),
    )


def read_fragment(data: bytes | memoryview, header: SegmentHeader) -> list[Sample]:
    """Return the samples of a fragment, given whole, by their decode times. Raises GatewayError INVALID."""
    view = memoryview(data).toreadonly()
    fragment = runs.parse(view, header.tracks)
    if fragment.end > len(view):
        raise invalid(f"of a fragment of {fragment.end} bytes only {len(view)} are there")
    timed = [pair for run in fragment.runs for pair in _samples(view, run, header)]
    if len(fragment.runs) > 1:
        timed.sort(key=_first)
    return [sample for _, sample in timed]


def _first(pair: tuple[int, Sample]) -> int:
    return pair[0]


def _samples(view: memoryview, run: runs.Run, header: SegmentHeader) -> Iterator[tuple[int, Sample]]:
    """Yield samples with their decode times in UTC nanoseconds."""
    track, start_ns, scale = run.track, header.start_ns, header.timescales[run.track]
    nal_units = track in header.nal_tracks
    at, time, due_ns = run.offset, run.decode_time, start_ns + to_ns(run.decode_time, scale)
    for duration, size, key, offset in zip(run.durations, run.sizes, run.keys, run.composition, strict=True):
        end = at + size
        payload = _units(view, at, end) if nal_units else (view[at:end],)
        utc_ns = start_ns + to_ns(time + offset, scale) if offset else due_ns
        time += duration
        next_ns = start_ns + to_ns(time, scale)
        yield due_ns, Sample(track, utc_ns, next_ns - due_ns, key, payload)
        at, due_ns = end, next_ns


def _units(view: memoryview, at: int, end: int) -> tuple[memoryview, ...]:
    units = []
    while at < end:
        begin = at + 4
        size = int.from_bytes(view[at:begin], "big")
        at = begin + size
        if not size or at > end:
            raise invalid(f"a sample has a NAL unit of {size} bytes where {max(end - begin, 0)} are left")
        units.append(view[begin:at])
    return tuple(units)


def _movie(view: memoryview) -> Box:
    """Find the movie box, behind the file type."""
    ftyp = peek(view, 0, len(view))
    if ftyp is None or ftyp.kind != b"ftyp":
        raise invalid(f"the file is no MP4: it begins with {bytes(view[:8]).hex()}")
    moov = peek(view, ftyp.end, len(view))
    if moov is None or moov.kind != b"moov" or moov.end > min(len(view), MAX_HEADER):
        raise invalid("the file has no whole movie box behind its type")
    return moov


def _track(view: memoryview, trak: Box) -> tuple[int, int, bytes]:
    """Return id, timescale and sample entry of a track."""
    tkhd = child(view, trak.content, trak.end, b"tkhd")
    mdia = child(view, trak.content, trak.end, b"mdia")
    mdhd = child(view, mdia.content, mdia.end, b"mdhd")
    stsd = child(view, mdia.content, mdia.end, b"minf", b"stbl", b"stsd")
    unpack(_STSD, view, stsd.content, stsd.end)
    entry = next(walk(view, stsd.content + _STSD.size, stsd.end), None)
    if entry is None:
        raise invalid("a track of the file has no sample entry")
    (track_id,) = unpack(_TKHD, view, tkhd.content, tkhd.end)
    (timescale,) = unpack(_MDHD, view, mdhd.content, mdhd.end)
    return track_id, timescale, bytes(view[entry.start : entry.end])
