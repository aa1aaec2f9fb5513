"""The movie box, for files with fragments and without (ISO/IEC 14496-12 §8.2 to §8.5)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.media import MediaKind
from gateway.protocols.mp4.boxes import LARGEST_SMALL, box, full_box
from gateway.protocols.mp4.sample_entry import size_of

MOVIE_TIMESCALE: Final = 1000
_MATRIX: Final = struct.pack("!9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_UNDETERMINED: Final = 0x55C4
"""The language `und` in three times five bits."""
_ENABLED_IN_MOVIE: Final = 3
_FULL_VOLUME: Final = 0x0100
_NORMAL_RATE: Final = 1 << 16
_SELF_CONTAINED: Final = box(b"dinf", full_box(b"dref", 0, 0, (1).to_bytes(4, "big"), full_box(b"url ", 0, 1)))
_HANDLERS: Final = {
    MediaKind.VIDEO: (b"vide", full_box(b"vmhd", 0, 1, bytes(8))),
    MediaKind.AUDIO: (b"soun", full_box(b"smhd", 0, 0, bytes(4))),
    MediaKind.APPLICATION: (b"meta", full_box(b"nmhd", 0, 0)),
}


@dataclass(frozen=True, slots=True)
class TrackBox:
    """What the movie box says of one track."""

    id: int
    kind: MediaKind
    timescale: int
    entries: Sequence[bytes]
    """Sample entries."""
    tables: bytes
    """The boxes of the sample table after `stsd`."""
    duration: int = 0
    """In the track's timescale; 0 in a file with fragments."""
    movie_duration: int = 0
    """In the movie's."""
    edits: bytes = b""
    """The edit box."""


def moov(created: int, duration: int, tracks: Sequence[TrackBox], *more: bytes) -> bytes:
    """Return the movie box; `created` in seconds since 1904, `duration` in the movie's timescale."""
    following = max((track.id for track in tracks), default=0) + 1
    rest = struct.pack("!iH10x", _NORMAL_RATE, _FULL_VOLUME) + _MATRIX + bytes(24) + following.to_bytes(4, "big")
    mvhd = _timed(b"mvhd", 0, created, MOVIE_TIMESCALE, b"", duration, rest)
    return box(b"moov", mvhd, *(_trak(track, created) for track in tracks), *more)


def edit_list(edits: Sequence[tuple[int, int]]) -> bytes:
    """Return the edit box: durations in the movie's timescale, and media times, -1 where nothing is shown (§8.6.6)."""
    rows = b"".join(struct.pack("!QqI", duration, time, _NORMAL_RATE) for duration, time in edits)
    return box(b"edts", full_box(b"elst", 1, 0, len(edits).to_bytes(4, "big"), rows))


def _trak(track: TrackBox, created: int) -> bytes:
    handler, media_header = _HANDLERS[track.kind]
    width, height = size_of(track.entries[0]) if track.kind is MediaKind.VIDEO else (0, 0)
    volume = _FULL_VOLUME if track.kind is MediaKind.AUDIO else 0
    rest = struct.pack("!8xHHH2x", 0, 0, volume) + _MATRIX + struct.pack("!II", width << 16, height << 16)
    stsd = full_box(b"stsd", 0, 0, len(track.entries).to_bytes(4, "big"), *track.entries)
    return box(
        b"trak",
        _timed(b"tkhd", _ENABLED_IN_MOVIE, created, track.id, bytes(4), track.movie_duration, rest),
        track.edits,
        box(
            b"mdia",
            _timed(b"mdhd", 0, created, track.timescale, b"", track.duration, struct.pack("!HH", _UNDETERMINED, 0)),
            full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), b"\0"),
            box(b"minf", media_header, _SELF_CONTAINED, box(b"stbl", stsd, track.tables)),
        ),
    )


def _timed(kind: bytes, flags: int, created: int, number: int, gap: bytes, duration: int, rest: bytes) -> bytes:
    """Return a box that begins with creation and modification time, a number and a duration."""
    large = duration > LARGEST_SMALL
    word = 8 if large else 4
    times = created.to_bytes(word, "big") * 2
    return full_box(kind, large, flags, times, number.to_bytes(4, "big"), gap, duration.to_bytes(word, "big"), rest)
