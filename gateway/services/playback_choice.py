"""Which frames of a piece of a recording are sent, and what of them follows what: decisions without I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gateway.domain.media import MediaKind, StreamDescription


class Sample(Protocol):
    """One frame of a file."""

    @property
    def track(self) -> int: ...  # noqa: D102
    @property
    def utc_ns(self) -> int: ...  # noqa: D102
    @property
    def duration_ns(self) -> int: ...  # noqa: D102
    @property
    def keyframe(self) -> bool: ...  # noqa: D102
    @property
    def payload(self) -> tuple[memoryview, ...]: ...  # noqa: D102


_S = TypeVar("_S", bound=Sample)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to play. Backward, the start is later than the end."""

    start_ns: int
    end_ns: int | None = None
    backward: bool = False
    intra: bool = False
    """Key frames only."""
    references: bool = False
    """Only frames that others refer to."""
    interval_ns: int = 0
    """Least recording time between key frames that are sent."""


class Sections:
    """Which tracks have begun since the last gap, the GOPs so far, and which key frame was sent last."""

    def __init__(self) -> None:
        self.gop = 0
        """Number of the GOP that is being sent."""
        self._begun: set[int] = set()
        self._last_ns: int | None = None

    def next_gop(self, *, backward: bool) -> None:
        """Count a GOP; backward, it does not follow what was sent before."""
        self.gop += 1
        if backward:
            self._begun.clear()

    def begins(self, track: int) -> bool:
        """Tell whether a track begins with this frame."""
        begins = track not in self._begun
        self._begun.add(track)
        return begins

    def clear(self) -> None:
        """A gap comes."""
        self._begun.clear()

    def spaced(self, samples: Sequence[_S], wanted: Wanted) -> Sequence[_S]:
        """Leave out key frames that are too close to the one before."""
        if not wanted.interval_ns:
            return samples
        found = []
        for sample in samples:
            if self._last_ns is None or abs(sample.utc_ns - self._last_ns) >= wanted.interval_ns:
                self._last_ns = sample.utc_ns
                found.append(sample)
        return found


def leading(description: StreamDescription) -> frozenset[int]:
    """Return the tracks whose key frames are the clean points: those with pictures, else all."""
    videos = [index for index, track in enumerate(description.tracks) if track.kind is MediaKind.VIDEO]
    return frozenset(videos or range(len(description.tracks)))


def is_keyed(samples: Sequence[Sample], description: StreamDescription) -> bool:
    """Tell whether a piece begins with a clean point; False for the rest of a GOP that is in several pieces."""
    leads = leading(description)
    return next((sample.keyframe for sample in samples if sample.track in leads), False)


def chosen(samples: Sequence[_S], description: StreamDescription, wanted: Wanted, *, first: bool) -> list[Sequence[_S]]:
    """Return what is sent of a piece, by GOP in the order of sending. `first` tells that nothing was sent before.

    Forward, frames after the end are still there: whether the last one is sent says what ends (ONVIF Streaming §6.6).
    Backward there is no sound: nobody can listen to it when every second comes before the one before it.
    """
    leads = leading(description)
    if wanted.intra:
        samples = [sample for sample in samples if sample.track in leads and sample.keyframe]
    if wanted.backward:
        seen = {index for index, track in enumerate(description.tracks) if track.kind is not MediaKind.AUDIO}
        samples = [sample for sample in samples if sample.track in seen and sample.utc_ns <= wanted.start_ns]
    elif first:
        samples = _from_clean_point(samples, leads, wanted.start_ns)
    groups = _gops(samples, leads)
    return groups[::-1] if wanted.backward else groups


def _from_clean_point(samples: Sequence[_S], leads: frozenset[int], start_ns: int) -> Sequence[_S]:
    """Return the samples from the last clean point at or before the start on; all when there is none."""
    keys = [
        index
        for index, sample in enumerate(samples)
        if sample.track in leads and sample.keyframe and sample.utc_ns <= start_ns
    ]
    if not keys:
        return samples
    begin_ns = samples[keys[-1]].utc_ns
    return [sample for sample in samples[keys[-1] :] if sample.track in leads or sample.utc_ns >= begin_ns]


def _gops(samples: Sequence[_S], leads: frozenset[int]) -> list[Sequence[_S]]:
    """Split before every clean point but the first; what comes before that one goes with it."""
    cuts = [index for index, sample in enumerate(samples) if sample.track in leads and sample.keyframe][1:]
    groups = [samples[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(samples)], strict=True)]
    return [group for group in groups if group]
