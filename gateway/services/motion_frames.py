"""Units of a live stream into the frames that are decoded for motion: few, bounded, and never half a GOP."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription

Mode: TypeAlias = Literal["keyframes", "all"] | float
"""Which pictures are looked at: key frames only, all, or at most so many a second."""

MAX_FRAMES = 64
MAX_BYTES = 16 * 1024 * 1024
MAX_NS = 3_000_000_000
"""What may wait for a decoder that is late: past one of these the oldest frames are given up, whole GOPs at a time."""
MAX_PARTS = 128
"""Units of one frame; a camera whose timestamps stand still must not fill the memory."""

STEP_NS = 2_000_000_000
"""A time that is so much before the last one is a step of the clock."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One coded picture, in the units it came in."""

    units: tuple[AccessUnit, ...]
    keyframe: bool
    size: int

    @property
    def utc_ns(self) -> int:
        """Return its capture time."""
        return self.units[0].utc_ns


class Pace:
    """Tells which pictures are looked at, by their capture times."""

    def __init__(self, mode: Mode) -> None:
        self._interval_ns = 0 if isinstance(mode, str) else round(_NS / mode)
        self._due_ns: int | None = None

    def due(self, utc_ns: int) -> bool:
        """Take the time of the next picture and tell whether it is looked at."""
        if not self._interval_ns:
            return True
        due_ns, interval = self._due_ns, self._interval_ns
        if due_ns is None or abs(utc_ns - due_ns) > STEP_NS + interval:
            self._due_ns = utc_ns + interval
            return True
        if utc_ns < due_ns - interval // 4:
            return False
        self._due_ns = max(due_ns, utc_ns - interval) + interval
        return True


class FrameQueue:
    """Reads a stream and keeps what is to be decoded, for one consumer. A `StreamReader`.

    When the consumer is late, frames are given up from the oldest up to a key frame, so that what is left can be
    decoded; in the mode `keyframes` any frame can be.
    """

    def __init__(self, mode: Mode, ends_frame: Callable[[AccessUnit], bool]) -> None:
        """`ends_frame` tells whether a unit is the last of its frame; the next frame tells it in any case."""
        self.track: TrackDescription | None = None
        """The video track that frames are of."""
        self.generation = 0
        """Counts descriptions and losses: frames of another one need a new decoder."""
        self.dropped = 0
        """Frames given up because the consumer was late."""
        self._keys_only = mode == "keyframes"
        self._ends_frame = ends_frame
        self._index = -1
        self._parts: list[AccessUnit] = []
        self._frames: deque[Frame] = deque()
        self._size = 0
        self._skipping = True
        """Nothing can be decoded before the next key frame."""
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._frames)

    def described(self, description: StreamDescription) -> None:
        """Take what the stream is from now on."""
        self.track = description.first(MediaKind.VIDEO)
        self._index = -1 if self.track is None else description.tracks.index(self.track)
        self.restart()

    def restart(self) -> None:
        """Give up what waits; it goes on with the next key frame."""
        self.generation += 1
        self._parts.clear()
        self._clear()

    def deliver(self, unit: AccessUnit) -> None:
        """Take one access unit."""
        if unit.track != self._index:
            return
        if self._parts and (unit.rtp_time != self._parts[0].rtp_time or len(self._parts) >= MAX_PARTS):
            self._end_frame()
        self._parts.append(unit)
        if self._ends_frame(unit):
            self._end_frame()

    async def take(self) -> Frame:
        """Wait for the next frame and take it."""
        while not self._frames:
            self._some.clear()
            await self._some.wait()
        frame = self._frames.popleft()
        self._size -= frame.size
        return frame

    def _end_frame(self) -> None:
        units = tuple(self._parts)
        self._parts.clear()
        keyframe = any(unit.keyframe for unit in units)
        if not keyframe and (self._keys_only or self._skipping):
            return
        self._skipping = False
        frame = Frame(units, keyframe, sum(len(unit.packets.data) for unit in units))
        self._frames.append(frame)
        self._size += frame.size
        self._shorten()
        self._some.set()

    def _shorten(self) -> None:
        """Give up the oldest frames until the bounds are kept; the newest stays where it can be decoded."""
        while self._is_too_much():
            self._drop()
            while self._frames and not (self._frames[0].keyframe or self._keys_only):
                self._drop()
        self._skipping = not self._frames

    def _is_too_much(self) -> bool:
        frames = self._frames
        return len(frames) > 1 and (
            len(frames) > MAX_FRAMES or self._size > MAX_BYTES or frames[-1].utc_ns - frames[0].utc_ns > MAX_NS
        )

    def _drop(self) -> None:
        self._size -= self._frames.popleft().size
        self.dropped += 1

    def _clear(self) -> None:
        self._frames.clear()
        self._size = 0
        self._skipping = True
