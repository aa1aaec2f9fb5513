"""Live streams: one per camera profile, fanned out to readers without waiting for any of them."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription, VideoParameters

MAX_GOP_BYTES = 32 * 1024 * 1024
"""A camera that sends no key frames must not fill the memory: past this the kept GOP is given up."""

MAX_PARTS = 128
"""Units of one key frame; a camera whose timestamps stand still must not fill the memory."""

_MEASURE_SECONDS = 2.0
_GOPS_MEASURED = 8
_LONGEST_GOP_SECONDS = 60.0
_NS = 1_000_000_000

_Figure = TypeVar("_Figure", int, float)


class StreamReader(Protocol):
    """A consumer of a live stream. Neither call may block or raise for one slow viewer."""

    def deliver(self, unit: AccessUnit) -> None:
        """Take one access unit."""
        ...

    def described(self, description: StreamDescription) -> None:
        """Learn that the tracks changed: units from now on belong to this description."""
        ...


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A key frame of video with the parameters of its track; a large one comes in several units."""

    track: TrackDescription
    units: tuple[AccessUnit, ...]


class LiveStream:
    """The live flow of one profile: its description, the GOP in progress and its readers."""

    __slots__ = (
        "_announced",
        "_description",
        "_first_track",
        "_gop",
        "_gop_bytes",
        "_key_frame",
        "_known",
        "_meter",
        "_readers",
        "path",
    )

    def __init__(self, path: str, known: StreamDescription | None = None) -> None:
        """`known` is what its tracks were measured to be before a restart."""
        self.path = path
        self._announced: StreamDescription | None = None
        """What the driver said last."""
        self._description: StreamDescription | None = None
        """That, with measured figures."""
        self._known = known
        self._gop: list[AccessUnit] = []
        self._gop_bytes = 0
        self._key_frame: KeyFrame | None = None
        """The last one before the GOP in progress."""
        self._readers: tuple[StreamReader, ...] = ()
        self._meter = _VideoMeter()
        self._first_track = 0
        """The track whose key frames begin a GOP: video, if there is any."""

    def attach(self, reader: StreamReader) -> None:
        """Add a reader; it receives units from the next one on."""
        self._readers = (*self._readers, reader)

    def detach(self, reader: StreamReader) -> None:
        """Remove a reader; removing it twice does nothing."""
        self._readers = tuple(each for each in self._readers if each is not reader)

    @property
    def description(self) -> StreamDescription | None:
        """Its tracks; None before the first announcement."""
        return self._description

    @property
    def known(self) -> bool:
        """Whether its camera has ever said what it sends, now or before a restart."""
        return self._description is not None or self._known is not None

    @property
    def gop(self) -> Sequence[AccessUnit]:
        """Units since the last key frame (of every track), so that a new viewer starts at once."""
        return self._gop

    @property
    def readers(self) -> int:
        """Number of attached readers."""
        return len(self._readers)

    def describe(self, description: StreamDescription) -> None:
        """Take the driver's announcement of the tracks. What was measured of the same tracks stays known."""
        self.interrupted()
        if description != self._announced:
            self._meter = _VideoMeter()
            video = description.first(MediaKind.VIDEO)
            self._first_track = 0 if video is None else description.tracks.index(video)
            self._announced = description
        known = self._description or self._known
        self._description = known if known and _unmeasured(known) == _unmeasured(description) else description
        for reader in self._readers:
            reader.described(self._description)

    def deliver(self, unit: AccessUnit) -> None:
        """Take one access unit from the driver and hand it to every reader."""
        begins = unit.keyframe and unit.track == self._first_track
        if begins:
            self._end_gop(unit)
        self._gop_bytes += len(unit.packets.data)
        if self._gop_bytes > MAX_GOP_BYTES:
            self._drop_gop()
        elif begins or self._gop:
            self._gop.append(unit)
        for reader in self._readers:
            reader.deliver(unit)

    def key_frame(self) -> KeyFrame | None:
        """Return the last key frame, complete unless it is the first, also while the source is away."""
        return self._last_key_frame(ended=False)

    def synchronize(self) -> None:
        """Have the state of what has one told again, since a viewer has come: pictures and sound have none."""

    def interrupted(self) -> None:
        """The source is gone: units kept from before it must not be joined to those after."""
        self._drop_gop()

    def _end_gop(self, key: AccessUnit) -> None:
        if self._gop and self._description is not None:
            self._meter.add(self._gop, key)
            tracks = list(self._description.tracks)
            track = tracks[self._first_track]
            if track.video is not None and (measured := self._meter.corrected(track.video)) != track.video:
                tracks[self._first_track] = replace(track, video=measured)
                self._description = StreamDescription(tuple(tracks))
        self._drop_gop(ended=True)

    def _drop_gop(self, *, ended: bool = False) -> None:
        self._key_frame = self._last_key_frame(ended=ended)
        self._gop = []
        self._gop_bytes = 0

    def _last_key_frame(self, *, ended: bool) -> KeyFrame | None:
        """Return the key frame of the GOP in memory when all of it is there: another frame follows or the GOP ended."""
        track = self._description.tracks[self._first_track] if self._description else None
        if track is None or track.kind is not MediaKind.VIDEO or not self._gop:
            return self._key_frame
        parts: list[AccessUnit] = []
        for unit in self._gop:
            if unit.track == self._first_track:
                if unit.rtp_time != self._gop[0].rtp_time:
                    ended = True
                    break
                parts.append(unit)
        return KeyFrame(track, tuple(parts[:MAX_PARTS])) if ended or self._key_frame is None else self._key_frame


class _VideoMeter:
    """Measures frame rate, bit rate and GOP length between key frames.

    What a client reads must not flicker: a figure is corrected only when it is clearly wrong.
    """

    def __init__(self) -> None:
        self.frame_rate = 0.0
        self.bitrate = 0
        self.gop_length = 0
        """Frames of the longest of the last GOPs: encoders that also cut at changes of the scene make shorter ones."""
        self._lengths: deque[int] = deque(maxlen=_GOPS_MEASURED)
        self._seconds = 0.0
        self._frames = 0
        self._bytes = 0

    def corrected(self, video: VideoParameters) -> VideoParameters:
        """Return the parameters with the measured figures in place of those that are clearly wrong."""
        return replace(
            video,
            frame_rate=_kept(video.frame_rate, self.frame_rate, 0.05),
            bitrate=_kept(video.bitrate, self.bitrate, 0.25),
            gop_length=_kept(video.gop_length, self.gop_length, 0.25),
        )

    def add(self, gop: Sequence[AccessUnit], following: AccessUnit) -> None:
        """Count a GOP, given with the key frame that follows it; figures come from at least two seconds."""
        first = gop[0]
        frames = [unit for unit in gop if unit.track == first.track]
        length = len({unit.rtp_time for unit in frames})
        self._lengths.append(length)
        self.gop_length = max(self._lengths)
        seconds = (following.utc_ns - first.utc_ns) / _NS
        if not 0 < seconds < _LONGEST_GOP_SECONDS:
            self._seconds, self._frames, self._bytes = 0.0, 0, 0
            return
        self._seconds += seconds
        self._frames += length
        self._bytes += sum(len(unit.packets.data) for unit in frames)
        if self._seconds >= _MEASURE_SECONDS:
            self.frame_rate = round(self._frames / self._seconds, 1)
            self.bitrate = round(self._bytes * 8 / self._seconds)
            self._seconds, self._frames, self._bytes = 0.0, 0, 0


def _unmeasured(description: StreamDescription) -> list[TrackDescription]:
    """Return its tracks without the figures that are measured."""
    return [
        track
        if track.video is None
        else replace(track, video=replace(track.video, frame_rate=0, bitrate=0, gop_length=0))
        for track in description.tracks
    ]


def _kept(known: _Figure, measured: _Figure, tolerance: float) -> _Figure:
    """Return the known figure while the measured one is within a tolerance of it."""
    return known if not measured or abs(measured - known) <= tolerance * known else measured
