"""Frames that no other refers to, by what their NAL units say."""

from dataclasses import dataclass

from gateway.domain.media import MediaKind, StreamDescription, TrackDescription
from gateway.services.playback_choice import Wanted
from gateway.services.playback_references import referred

TRAIL_N, TRAIL_R, IDR, SPS = 0, 1, 19, 33
PREDICTED = Wanted(0, None, references=True)
VIDEO = StreamDescription((TrackDescription(MediaKind.VIDEO, "H265", 96, 90_000),))


@dataclass(frozen=True)
class Sample:
    payload: tuple[memoryview, ...]
    track: int = 0
    utc_ns: int = 0
    duration_ns: int = 0
    keyframe: bool = False


def frame(kind: int, layer: int = 0) -> Sample:
    sets = [bytes((SPS << 1, 1))] if kind == IDR else []
    return Sample(tuple(memoryview(unit) for unit in (*sets, bytes((kind << 1, layer + 1)))))


def test_in_one_layer_every_non_reference_picture_goes() -> None:
    frames = [frame(IDR), frame(TRAIL_N), frame(TRAIL_R), frame(TRAIL_N)]
    assert referred(frames, VIDEO, PREDICTED) == [frames[0], frames[2]]


def test_higher_layers_refer_to_non_reference_pictures_of_lower_ones() -> None:
    frames = [frame(IDR), frame(TRAIL_N, 2), frame(TRAIL_N, 1), frame(TRAIL_N, 2), frame(TRAIL_R, 0), frame(TRAIL_R, 2)]
    assert referred(frames, VIDEO, PREDICTED) == [frames[0], frames[2], frames[4], frames[5]]
