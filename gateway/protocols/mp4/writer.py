"""Segment files: fragmented MP4, a fragment per group of pictures (ISO/IEC 14496-12 §8.8).

The time of a file is capture time: a sample's time of presentation is its UTC less that of the file's start, so that
players show it right and the UTC of every sample comes back. Nothing is encoded anew, NAL units stay byte for byte.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.protocols.mp4 import identity
from gateway.protocols.mp4.boxes import SMALL_HEADER, box, full_box, header, seconds, to_ns
from gateway.protocols.mp4.identity import Timing
from gateway.protocols.mp4.moov import TrackBox, edit_list, moov
from gateway.protocols.mp4.nal_config import parameter_sets_in
from gateway.protocols.mp4.sample_entry import entry
from gateway.protocols.mp4.samples import Collector, Run
from gateway.protocols.mp4.tracks import Storing, storing
from gateway.protocols.rtp import ntp, parameter_sets

_FTYP: Final = box(b"ftyp", b"iso6", bytes(4), b"iso6", b"mp41")
_EMPTY_TABLES: Final = b"".join(
    full_box(kind, 0, 0, bytes(size)) for kind, size in ((b"stts", 4), (b"stsc", 4), (b"stsz", 8), (b"stco", 4))
)
_MFRO_SIZE: Final = 16


@dataclass(frozen=True, slots=True)
class Fragmented:
    """A fragment as it is to be written; no parts when none of the units could be stored."""

    parts: list[bytes | memoryview]
    size: int
    start_ns: int
    end_ns: int


class Muxer:
    """Writes one file.

    The header tells the parameter sets in the first fragment's key frame when that is made before it, as is best;
    else those in the description.
    """

    def __init__(self, description: StreamDescription, info: Mapping[str, str], start_ns: int) -> None:
        self._description = description
        self._info = dict(info)
        self._start_ns = start_ns
        hows = {index: how for index, track in enumerate(description.tracks) if (how := storing(track))}
        self.tracks: tuple[int, ...] = tuple(hows)
        """Indices of the tracks that are stored, of which some may never have a sample."""
        self._hows = hows
        self._collectors = {index: Collector(index + 1, how, start_ns) for index, how in hows.items()}
        order = sorted(hows, key=lambda index: description.tracks[index].kind is not MediaKind.VIDEO)
        self._order = [self._collectors[index] for index in order]
        """Video first: the first track with samples tells when a fragment starts and ends."""
        self._timescales = {index + 1: how.timescale for index, how in hows.items()}
        self._header = b""
        self._position = 0
        self._sequence = 0
        self._entries: dict[int, list[tuple[int, int, int]]] = {}
        """By track id, of its random access points: time, offset of the fragment and number of the track in it."""

    def header(self) -> bytes:
        """Return what comes first in the file."""
        if not self._header:
            self._make_header(())
        return self._header

    def fragment(self, units: Sequence[AccessUnit], end_ns: int) -> Fragmented:
        """Return the units, in order of decoding in each track, as the next fragment, which lasts up to `end_ns`.

        Capture times that step back are kept; decode times then go on in steps of a tick, so that no duration is
        negative. A frame with nothing left of it, because packets were lost, is left out.
        """
        for unit in units:
            if (collector := self._collectors.get(unit.track)) is not None:
                collector.add(unit)
        if not self._header:
            self._make_header(units)
        runs: list[Run] = []
        for collector in self._order:
            if (run := collector.take(end_ns, to_end=not runs)) is not None:
                runs.append(run)
        if not runs:
            return Fragmented([], 0, end_ns, end_ns)
        lead, scale = runs[0], self._timescales[runs[0].track_id]
        start_ns, end_ns = (self._start_ns + to_ns(ticks, scale) for ticks in (lead.start, lead.end))
        prft = struct.pack("!IQq", lead.track_id, ntp.from_utc_ns(start_ns), lead.start)
        head = full_box(b"prft", 1, 0, prft)
        self._note(runs, self._position + len(head))
        head += self._moof(runs)
        parts = [head, *(part for run in runs for part in run.parts)]
        size = len(head) + sum(run.size for run in runs)
        self._position += size
        return Fragmented(parts, size, start_ns, end_ns)

    def trailer(self) -> bytes:
        """Return what comes last in a complete file: where every fragment is, for players that seek."""
        tables = [
            full_box(
                b"tfra",
                1,
                0,
                struct.pack("!III", track_id, 0, len(entries)),
                b"".join(struct.pack("!QQBBB", time, offset, number, 1, 1) for time, offset, number in entries),
            )
            for track_id, entries in self._entries.items()
        ]
        size = SMALL_HEADER + sum(map(len, tables)) + _MFRO_SIZE
        return box(b"mfra", *tables, full_box(b"mfro", 0, 0, size.to_bytes(4, "big")))

    def _make_header(self, units: Sequence[AccessUnit]) -> None:
        tracks = list(self._description.tracks)
        boxes, timings = [], {}
        for index, how in self._hows.items():
            sets = _sets(tracks[index], [unit for unit in units if unit.track == index])
            tracks[index] = _completed(tracks[index], sets)
            timings[index] = self._collectors[index].settle()
            boxes.append(_track_box(index + 1, tracks[index], how, sets, timings[index]))
        trex = [full_box(b"trex", 0, 0, struct.pack("!5I", track.id, 1, 0, 0, 0)) for track in boxes]
        stored = StreamDescription(tuple(map(identity.as_stored, tracks)))
        private = identity.Identity(identity.VERSION, self._start_ns, self._info, stored, timings)
        more = box(b"mvex", *trex), identity.serialize(private)
        self._header = _FTYP + moov(seconds(self._start_ns), 0, boxes, *more)
        self._position = len(self._header)

    def _moof(self, runs: Sequence[Run]) -> bytes:
        """Return the movie fragment box, and the header of the media data box after it."""
        self._sequence += 1
        mfhd = full_box(b"mfhd", 0, 0, self._sequence.to_bytes(4, "big"))
        mdat = header(b"mdat", sum(run.size for run in runs))
        offset = SMALL_HEADER + len(mfhd) + sum(run.traf_size for run in runs) + len(mdat)
        trafs = []
        for run in runs:
            trafs.append(run.traf(offset))
            offset += run.size
        return box(b"moof", mfhd, *trafs) + mdat

    def _note(self, runs: Sequence[Run], offset: int) -> None:
        for number, run in enumerate(runs, 1):
            if run.sync:
                self._entries.setdefault(run.track_id, []).append((max(run.start, 0), offset, number))


def _sets(track: TrackDescription, units: Sequence[AccessUnit]) -> tuple[bytes, ...]:
    """Return the parameter sets of a track: those in its first key frame, else those of the description."""
    if track.encoding not in {"H264", "H265"}:
        return ()
    key = next((unit.rtp_time for unit in units if unit.keyframe), None)
    frame = [part for unit in units if unit.rtp_time == key for part in unit.payload()]
    return parameter_sets_in(track.encoding, frame) or parameter_sets_in(
        track.encoding, parameter_sets.from_fmtp(track.encoding, track.fmtp)
    )


def _completed(track: TrackDescription, sets: Sequence[bytes]) -> TrackDescription:
    """Return a track with these parameter sets in its description."""
    if not sets or set(sets) == set(parameter_sets.from_fmtp(track.encoding, track.fmtp)):
        return track
    video = parameter_sets.video_parameters(track.encoding, sets)
    if video and track.video:
        video = replace(track.video, width=video.width, height=video.height, codec_profile=video.codec_profile)
    return replace(track, fmtp=parameter_sets.to_fmtp(track.encoding, sets, track.fmtp), video=video or track.video)


def _track_box(track_id: int, track: TrackDescription, how: Storing, sets: Sequence[bytes], timing: Timing) -> TrackBox:
    video = parameter_sets.video_parameters(track.encoding, sets) or track.video
    size = (video.width, video.height) if video else (0, 0)
    edits = edit_list([(0, sum(timing))]) if any(timing) else b""
    return TrackBox(track_id, track.kind, how.timescale, (entry(track, sets, size),), _EMPTY_TABLES, edits=edits)
