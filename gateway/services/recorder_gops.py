"""Access units of a live stream into GOPs, each of which becomes one fragment of a file.

A GOP runs from one key frame of the main track, the first video track, to the next. Key frames closer than half a
second share one, so that a stream of key frames only does not make a fragment of each; without video it is two
seconds. Times inside a GOP run steadily: a step of the clock takes effect at the next key frame.
"""

from dataclasses import dataclass, replace

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription

MAX_GOP_BYTES = 32 * 1024 * 1024
MAX_GOP_NS = 60_000_000_000
"""Past either a GOP is cut, so that memory is bounded; what follows up to the next key frame is its rest."""

STEP_NS = 1_000_000_000
"""A capture time that leaves the timestamps by more than this is a step of the clock."""
GAP_NS = 2_000_000_000
"""Key frames that come later than this after the frame before them, and than 1.5 usual intervals, follow a gap."""
_GAP_WHEN_DESCRIBED_NS = 500_000_000
"""The same where the stream was described anew: a camera that changes its picture size goes on at once."""

_SHORTEST_NS = {MediaKind.VIDEO: 500_000_000}
_SHORTEST_OTHER_NS = 2_000_000_000
_FRAME_NS = 40_000_000
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Gop:
    """Units of all recorded tracks from one key frame to the next, in order of arrival."""

    units: tuple[AccessUnit, ...]
    description: StreamDescription
    start_ns: int
    end_ns: int
    """Start of the next GOP when nothing is missing between, else the end of the last frame."""
    size: int
    """Bytes of its packets."""
    number: int
    """Counts the GOPs of one source; a number left out is a GOP that was dropped."""
    follows: bool
    """Nothing is missing between it and the GOP with the number before."""
    keyed: bool
    """It begins with a key frame; False only for the rest of a GOP that was cut."""


@dataclass(slots=True)
class _TrackTime:
    """Where one track is in time."""

    rate: int
    rtp_time: int
    utc_ns: int
    """As the unit had it."""
    shift_ns: int
    """What is added to it until the next key frame, to keep the time steady."""


class GopCollector:
    """Collects the GOPs of one source; it may be described again and again."""

    def __init__(self) -> None:
        self.frames = 0
        """Units of the main track so far, so that silence can be told."""
        self.skipped = 0
        """Units that no key frame came before."""
        self.longest_ns = 0
        """Longest time between frames of the main track since the key frame before the last."""
        self._description = StreamDescription(())
        self._tracks: frozenset[int] = frozenset()
        self._main = -1
        self._shortest_ns = 0
        self._number = -1
        self._times: dict[int, _TrackTime] = {}
        self._newest_ns: int | None = None
        """Latest time of a main frame, kept over descriptions; None before the first and after an interruption."""
        self._limit_ns = GAP_NS
        self._longest_here_ns = 0
        self._key_time: int | None = None
        """RTP timestamp of the last key frame."""
        self._units: list[AccessUnit] = []
        self._size = self._start_ns = self._intervals = 0
        self._follows, self._keyed = False, True

    def described(self, description: StreamDescription, tracks: frozenset[int]) -> Gop | None:
        """Take what the stream is from now on and which tracks are wanted; returns the GOP that this ends.

        The same description again means a new connection, so that something is missing; a different one may also
        be a change in mid-stream.
        """
        gop = self.flush()
        if description == self._description:
            self._newest_ns = None
        self._limit_ns = _GAP_WHEN_DESCRIBED_NS
        self._description, self._tracks = description, tracks
        kinds = {index: description.tracks[index].kind for index in sorted(tracks)}
        videos = [index for index, kind in kinds.items() if kind is MediaKind.VIDEO]
        self._main = (videos or [*kinds, -1])[0]
        self._shortest_ns = _SHORTEST_NS.get(kinds.get(self._main, MediaKind.AUDIO), _SHORTEST_OTHER_NS)
        self._times.clear()
        self._key_time = None
        return gop

    def deliver(self, unit: AccessUnit) -> Gop | None:
        """Take a unit; returns the GOP that it ends, if it does."""
        track = unit.track
        if track not in self._tracks:
            return None
        last = self._times.get(track)
        new_frame = last is None or unit.rtp_time != last.rtp_time
        steady = self._steady(unit, last)
        gop = None
        if track == self._main:
            self.frames += 1
            if unit.keyframe and unit.rtp_time != self._key_time:
                return self._key(unit, steady)
        if not self._units and self._keyed:
            self._skip(track)
            return None
        if track == self._main:
            if new_frame and self._too_long(steady):
                gop = self._cut()
            self._measure(steady.utc_ns)
        elif new_frame and self._size > 2 * MAX_GOP_BYTES:
            gop = self._cut()
        self._append(steady)
        return gop

    def flush(self) -> Gop | None:
        """Return the GOP in progress, as when nothing more will come; units are skipped up to the next key frame."""
        if not self._units:
            return None
        gop = self._ended(self._last_end())
        self._clear(follows=False, keyed=True)
        return gop

    def interrupted(self) -> Gop | None:
        """Return the GOP in progress; the next one will not follow it, whatever its time."""
        gop = self.flush()
        self._newest_ns = None
        return gop

    def _steady(self, unit: AccessUnit, last: _TrackTime | None) -> AccessUnit:
        """Return the unit with a time that fits those before it in its GOP, and remember it."""
        if last is None:
            rate = self._description.tracks[unit.track].clock_rate
            self._times[unit.track] = _TrackTime(rate, unit.rtp_time, unit.utc_ns, 0)
            return unit
        counted = (unit.rtp_time - last.rtp_time) * _NS // last.rate
        passed = unit.utc_ns - last.utc_ns
        if -STEP_NS <= counted <= GAP_NS and (abs(passed - counted) > STEP_NS or passed < 0 <= counted):
            last.shift_ns += counted - passed
        last.rtp_time, last.utc_ns = unit.rtp_time, unit.utc_ns
        return unit if not last.shift_ns else replace(unit, utc_ns=unit.utc_ns + last.shift_ns)

    def _key(self, key: AccessUnit, steady: AccessUnit) -> Gop | None:
        """Take a key frame, `steady` as it would go on with the GOP in progress; returns the GOP that it ends."""
        self._key_time = key.rtp_time
        stepped = abs(key.utc_ns - steady.utc_ns) > STEP_NS
        follows = not stepped and self._is_next(key.utc_ns)
        if self._units and follows and key.utc_ns - self._start_ns < self._shortest_ns:
            self._measure(steady.utc_ns)
            self._append(steady)
            return None
        gop, early = None, self._early(key)
        if self._units:
            gop = self._ended(max(key.utc_ns, self._newest_ns or 0) if follows else self._last_end())
        for time in self._times.values():
            time.shift_ns = 0
        self._clear(follows=follows, keyed=True)
        self._limit_ns = GAP_NS
        self.longest_ns, self._longest_here_ns = self._longest_here_ns, 0
        self._newest_ns = None
        self._units = [*early, key]
        self._size = sum(len(unit.packets.data) for unit in self._units)
        self._start_ns = key.utc_ns
        self._measure(key.utc_ns)
        return gop

    def _is_next(self, utc_ns: int) -> bool:
        """Tell whether a key frame of this time comes when it should after the last frame."""
        if self._newest_ns is None:
            return False
        passed = utc_ns - self._newest_ns
        usual = max(self.longest_ns, self._longest_here_ns)
        behind_start = bool(self._units) and utc_ns <= self._start_ns
        return -STEP_NS <= passed <= max(self._limit_ns, usual * 3 // 2) and not behind_start

    def _early(self, key: AccessUnit) -> list[AccessUnit]:
        """Take back the units of the key frame that came before the one that shows it is one."""
        early = [unit for unit in self._units[-2:] if (unit.track, unit.rtp_time) == (key.track, key.rtp_time)]
        for unit in early:
            self._units.remove(unit)
            self._size -= len(unit.packets.data)
        return [replace(unit, utc_ns=key.utc_ns) for unit in early]

    def _measure(self, utc_ns: int) -> None:
        """Note the time of a main frame."""
        if self._newest_ns is None:
            self._newest_ns = utc_ns
        elif utc_ns > self._newest_ns:
            self._longest_here_ns = max(self._longest_here_ns, utc_ns - self._newest_ns)
            self._newest_ns = utc_ns
            self._intervals += 1

    def _append(self, unit: AccessUnit) -> None:
        if not self._units:
            self._start_ns = unit.utc_ns
        self._units.append(unit)
        self._size += len(unit.packets.data)

    def _skip(self, track: int) -> None:
        """Leave out a unit that no key frame came before; after a picture left out, something is missing."""
        self.skipped += 1
        if track == self._main:
            self._newest_ns = None

    def _too_long(self, unit: AccessUnit) -> bool:
        return bool(self._units) and (
            self._size + len(unit.packets.data) > MAX_GOP_BYTES or unit.utc_ns - self._start_ns > MAX_GOP_NS
        )

    def _cut(self) -> Gop:
        gop = self._ended(self._last_end())
        self._clear(follows=True, keyed=False)
        return gop

    def _last_end(self) -> int:
        """Return when the last main frame ends, if it lasts as long as those before it did on average."""
        newest = self._start_ns if self._newest_ns is None else self._newest_ns
        if self._intervals:
            return newest + max(1, (newest - self._start_ns) // self._intervals)
        video = self._description.tracks[self._main].video
        return newest + (round(_NS / video.frame_rate) if video and video.frame_rate > 0 else _FRAME_NS)

    def _ended(self, end_ns: int) -> Gop:
        self._number += 1
        return Gop(
            tuple(self._units),
            self._description,
            self._start_ns,
            max(end_ns, self._start_ns + 1),
            self._size,
            self._number,
            self._follows,
            self._keyed,
        )

    def _clear(self, *, follows: bool, keyed: bool) -> None:
        self._units = []
        self._size = self._start_ns = self._intervals = 0
        self._follows, self._keyed = follows, keyed
