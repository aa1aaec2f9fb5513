"""Which frames of a GOP no other frame refers to, so that `Frames: predicted` leaves them out (ONVIF Replay §6.7)."""

from collections.abc import Sequence
from typing import TypeVar

from gateway.domain.media import StreamDescription
from gateway.services.playback_choice import Sample, Wanted

_S = TypeVar("_S", bound=Sample)
_CODED_H264, _CODED_H265, _SUB_LAYERS = range(1, 6), range(32), range(0, 16, 2)
"""Types of NAL units: coded slices, and those of sub-layer non-reference pictures (H.265 Table 7-1)."""


def referred(samples: list[_S], description: StreamDescription, wanted: Wanted) -> list[_S]:
    """Return the samples of a GOP, without those that no other one refers to if that is wanted."""
    if not wanted.references:
        return samples
    encodings = [track.encoding for track in description.tracks]
    highest: dict[int, int] = {}
    for sample in samples:
        if encodings[sample.track] == "H265":
            highest[sample.track] = max(highest.get(sample.track, 0), _layer(sample.payload))
    return [
        sample
        for sample in samples
        if not _is_disposable(encodings[sample.track], sample.payload, highest.get(sample.track, 0))
    ]


def _is_disposable(encoding: str, payload: Sequence[memoryview], highest: int) -> bool:
    """Tell whether no other frame refers to this one (H.264 §7.4.1, H.265 §7.4.2.2).

    A sub-layer non-reference picture of H.265 is none for its own sub-layer only: higher ones may refer to it.
    """
    if encoding == "H264":
        slices = [unit[0] for unit in payload if unit[0] & 0x1F in _CODED_H264]
        return bool(slices) and not any(first & 0x60 for first in slices)
    if encoding == "H265":
        kinds = [unit[0] >> 1 & 0x3F for unit in payload]
        coded = [kind for kind in kinds if kind in _CODED_H265]
        return bool(coded) and all(kind in _SUB_LAYERS for kind in coded) and _layer(payload) == highest
    return False


def _layer(payload: Sequence[memoryview]) -> int:
    """Return the temporal sub-layer of an H.265 frame."""
    return max(((unit[1] & 7) - 1 for unit in payload if len(unit) > 1), default=0)
