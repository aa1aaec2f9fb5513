"""Units into frames for motion: whole frames, the right rate, and bounds that never cut a GOP."""

from dataclasses import replace

import pytest

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.protocols.rtp.block import ends_frame
from gateway.services.motion_frames import MAX_FRAMES, FrameQueue, Mode, Pace
from gateway.testing.streams import START_NS, video_description, video_unit

_SECOND = 1_000_000_000
SOUND = TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8000)


def queue(mode: Mode) -> FrameQueue:
    made = FrameQueue(mode, lambda unit: ends_frame(unit.packets))
    made.described(video_description())
    return made


async def numbers(frames: FrameQueue) -> list[int]:
    """Return the numbers of the frames that wait."""
    return [((await frames.take()).utc_ns - START_NS) // 40_000_000 for _ in range(len(frames))]


def unmarked(unit: AccessUnit) -> AccessUnit:
    data = bytearray(unit.packets.data)
    data[5] &= 0x7F
    return replace(unit, packets=replace(unit.packets, data=bytes(data)))


async def test_key_frames_only() -> None:
    frames = queue("keyframes")
    for number in range(60):
        frames.deliver(video_unit(number))
    assert await numbers(frames) == [0, 25, 50]


async def test_all_frames_from_the_first_key_frame_on() -> None:
    frames = queue("all")
    for number in range(20, 30):
        frames.deliver(video_unit(number))
    assert await numbers(frames) == [25, 26, 27, 28, 29]


async def test_a_frame_in_several_units_is_one() -> None:
    frames = queue("all")
    parts = [unmarked(video_unit(0)), unmarked(video_unit(0, keyframe=False)), video_unit(0, keyframe=False)]
    for part in parts:
        frames.deliver(part)
    frame = await frames.take()
    assert frame.units == tuple(parts)
    assert frame.keyframe
    assert frame.size == sum(len(part.packets.data) for part in parts)


async def test_without_markers_the_next_frame_ends_one() -> None:
    frames = queue("all")
    frames.deliver(unmarked(video_unit(0)))
    assert len(frames) == 0
    frames.deliver(unmarked(video_unit(1)))
    assert await numbers(frames) == [0]


async def test_sound_is_left_out() -> None:
    frames = queue("all")
    frames.described(StreamDescription((SOUND, *video_description().tracks)))
    frames.deliver(replace(video_unit(0), track=1))
    frames.deliver(video_unit(1))
    assert await numbers(frames) == [0]


async def test_a_late_consumer_goes_on_with_the_newest_gop() -> None:
    frames = queue("all")
    for number in range(MAX_FRAMES + 1):
        frames.deliver(video_unit(number))
    assert await numbers(frames) == list(range(25, MAX_FRAMES + 1))
    assert frames.dropped == 25


async def test_without_a_newer_key_frame_all_is_given_up_until_there_is_one() -> None:
    frames = queue("all")
    for number in range(MAX_FRAMES + 10):
        frames.deliver(video_unit(number, keyframe=number == 0))
    assert len(frames) == 0
    frames.deliver(video_unit(100))
    assert await numbers(frames) == [100]


async def test_of_key_frames_the_newest_stay() -> None:
    frames = queue("keyframes")
    for number in range(0, 250, 25):
        frames.deliver(video_unit(number))
    assert await numbers(frames) == [150, 175, 200, 225]


async def test_a_new_description_begins_anew() -> None:
    frames = queue("all")
    before = frames.generation
    for number in range(5):
        frames.deliver(video_unit(number))
    frames.described(video_description())
    frames.deliver(video_unit(5))
    assert (len(frames), frames.generation) == (0, before + 1)


@pytest.mark.parametrize(
    ("mode", "rate", "expected"),
    [("all", 25, 25), (5.0, 25, 5), (10.0, 25, 10), (25.0, 5, 5), (5.0, 5, 5), (7.0, 30, 7), (0.5, 25, 0.5)],
)
def test_the_pace(mode: Mode, rate: int, expected: float) -> None:
    pace = Pace(mode)
    due = [pace.due(START_NS + _SECOND * number // rate) for number in range(rate * 10)]
    assert due[0]
    assert expected * 10 <= sum(due) <= expected * 10 + 1


def test_jitter_loses_no_picture() -> None:
    pace = Pace(5.0)
    times = [START_NS + number * 200_000_000 + (-1) ** number * 15_000_000 for number in range(50)]
    assert all(pace.due(time) for time in times)


def test_a_step_of_the_clock_does_not_stop_it() -> None:
    pace = Pace(1.0)
    assert pace.due(START_NS)
    assert pace.due(START_NS - 3600 * _SECOND)
    assert not pace.due(START_NS - 3600 * _SECOND + 40_000_000)
    assert pace.due(START_NS - 3599 * _SECOND)
