"""Units become GOPs, and GOPs find their segments: nothing lost or doubled, every segment begins with a key frame."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.services import recorder_gops
from gateway.services.recorder_gops import Gop, GopCollector
from gateway.services.segmenter import SEGMENT_NS, Segmenter
from gateway.testing.streams import video_description, video_unit

_NS = 1_000_000_000
AUDIO = TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8_000)
BOTH = StreamDescription((*video_description().tracks, AUDIO))


def audio_unit(milliseconds: int) -> AccessUnit:
    like = video_unit(0)
    return replace(like, track=1, rtp_time=milliseconds * 8, utc_ns=like.utc_ns + milliseconds * 1_000_000)


def collector(description: StreamDescription = BOTH) -> GopCollector:
    made = GopCollector()
    made.described(description, frozenset(range(len(description.tracks))))
    return made


def gops_of(units: list[AccessUnit], into: GopCollector | None = None) -> list[Gop]:
    into = into or collector()
    found = [into.deliver(unit) for unit in units]
    return [gop for gop in (*found, into.flush()) if gop is not None]


def shifted(unit: AccessUnit, seconds: float, *, rtp: bool = False) -> AccessUnit:
    """Return a unit with another capture time, and, where frames are missing, another timestamp."""
    ticks = round(seconds * 90_000) if rtp else 0
    return replace(unit, utc_ns=unit.utc_ns + round(seconds * _NS), rtp_time=unit.rtp_time + ticks)


def runs_of(gops: list[Gop]) -> list[int]:
    segmenter = Segmenter("Recording_door")
    places = [segmenter.place(gop, is_open=index > 0) for index, gop in enumerate(gops)]
    return [place.run_ns for place in places if place is not None]


def test_a_gop_runs_from_key_frame_to_key_frame_with_the_sound_between() -> None:
    units = [video_unit(0), audio_unit(0), *(video_unit(n) for n in range(1, 25)), audio_unit(990), video_unit(25)]
    first, second = gops_of(units)
    assert list(first.units) == units[:-1]
    assert (first.start_ns, first.end_ns) == (units[0].utc_ns, units[-1].utc_ns)
    assert list(second.units) == units[-1:]
    assert second.follows
    assert second.end_ns == second.start_ns + 40_000_000


def test_frames_in_several_units_stay_together() -> None:
    key = video_unit(25)
    parts = [replace(key, keyframe=False), key, replace(key, keyframe=False)]
    first, second = gops_of([*(video_unit(n) for n in range(25)), *parts, video_unit(26)])
    assert len(first.units) == 25
    assert [unit.rtp_time for unit in second.units] == [key.rtp_time] * 3 + [video_unit(26).rtp_time]


def test_units_before_the_first_key_frame_are_counted() -> None:
    into = collector()
    assert gops_of([video_unit(1), audio_unit(50)], into) == []
    assert into.skipped == 2


def test_key_frames_close_together_share_a_gop() -> None:
    gops = gops_of([video_unit(number, keyframe=True) for number in range(50)])
    assert [len(gop.units) for gop in gops] == [13, 13, 13, 11]


def test_sound_alone_is_cut_every_two_seconds() -> None:
    units = [replace(audio_unit(20 * number), track=0) for number in range(250)]
    gops = gops_of(units, collector(StreamDescription((AUDIO,))))
    assert [len(gop.units) for gop in gops] == [100, 100, 50]
    assert len(set(runs_of(gops))) == 1


def test_a_gap_ends_the_run() -> None:
    units = [video_unit(n) for n in range(25)] + [shifted(video_unit(n), 2.5, rtp=True) for n in range(25, 50)]
    first, second = gops_of(units)
    assert first.end_ns == units[24].utc_ns + 40_000_000
    assert runs_of([first, second]) == [first.start_ns, second.start_ns]


def test_a_camera_with_few_pictures_has_no_gaps() -> None:
    slow = [shifted(video_unit(n, keyframe=n % 4 == 0), 5 * n, rtp=True) for n in range(12)]
    assert len(set(runs_of(gops_of(slow)[1:]))) == 1


@pytest.mark.parametrize("seconds", [-3600.0, -1.5, 1.5, 3600.0])
def test_a_step_of_the_clock_takes_effect_at_the_next_key_frame(seconds: float) -> None:
    units = [video_unit(n) for n in range(35)] + [shifted(video_unit(n), seconds) for n in range(35, 75)]
    first, second, third = gops_of(units)
    assert [unit.utc_ns for unit in second.units] == [video_unit(n).utc_ns for n in range(25, 50)]
    assert [unit.utc_ns for unit in third.units] == [unit.utc_ns for unit in units[50:]]
    assert runs_of([first, second, third]) == [first.start_ns, first.start_ns, third.start_ns]


@pytest.mark.parametrize("seconds", [-0.3, 0.3])
def test_a_small_correction_goes_on_in_the_same_run(seconds: float) -> None:
    units = [video_unit(n) for n in range(35)] + [shifted(video_unit(n), seconds) for n in range(35, 75)]
    assert len(set(runs_of(gops_of(units)))) == 1


def test_timestamps_that_begin_anew_are_no_gap() -> None:
    units = [video_unit(n) for n in range(25)] + [replace(video_unit(n), rtp_time=n * 7) for n in range(25, 50)]
    assert len(set(runs_of(gops_of(units)))) == 1


def test_the_same_description_again_is_a_new_connection() -> None:
    into = collector()
    gops = gops_of([video_unit(n) for n in range(25)], into)
    into.described(BOTH, frozenset({0, 1}))
    gops += gops_of([video_unit(n) for n in range(25, 50)], into)
    assert len(set(runs_of(gops))) == 2


def test_another_description_goes_on_in_the_same_run() -> None:
    into = collector()
    gops = gops_of([video_unit(n) for n in range(25)], into)
    into.described(other := video_description(1280, 720), frozenset({0}))
    gops += gops_of([video_unit(n) for n in range(25, 50)], into)
    assert gops[1].description == other
    assert len(set(runs_of(gops))) == 1


def test_after_silence_nothing_is_recorded_before_the_next_key_frame() -> None:
    into = collector()
    gops = gops_of([video_unit(n) for n in range(10)], into)
    gops += gops_of([video_unit(n) for n in range(10, 30)], into)
    assert [len(gop.units) for gop in gops] == [10, 5]
    assert len(set(runs_of(gops))) == 2


def test_a_gop_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_gops, "MAX_GOP_BYTES", 5000)
    units = [video_unit(n, keyframe=n == 0, size=100) for n in range(100)]
    gops = gops_of(units)
    assert [unit for gop in gops for unit in gop.units] == units
    assert all(gop.size <= 5000 for gop in gops)
    assert [gop.keyed for gop in gops] == [True, *[False] * (len(gops) - 1)]
    assert len(set(runs_of(gops))) == 1
    hour = [shifted(unit, index, rtp=True) for index, unit in enumerate(units)]
    assert max(gop.end_ns - gop.start_ns for gop in gops_of(hour)) < 62 * _NS


def test_the_rest_of_a_lost_gop_is_not_begun_with() -> None:
    segmenter = Segmenter("Recording_door")
    gop = gops_of([video_unit(0)])[0]
    assert segmenter.place(replace(gop, keyed=False), is_open=False) is None


def test_recordings_rotate_at_different_seconds() -> None:
    gops = gops_of([video_unit(n) for n in range(25 * 120)])
    begins = {}
    for token in ("Recording_a", "Recording_b", "Recording_c"):
        segmenter = Segmenter(token)
        places = [segmenter.place(gop, is_open=index > 0) for index, gop in enumerate(gops)]
        begins[token] = [
            gop.start_ns for gop, place in zip(gops, places, strict=True) if place and place.begins_segment
        ]
    for starts in begins.values():
        assert starts[2] - starts[1] == SEGMENT_NS
    assert len({starts[1] for starts in begins.values()}) == 3


def test_a_gop_that_was_not_written_is_placed_again_or_left_out() -> None:
    first, second, third = gops_of([video_unit(n) for n in range(75)])
    segmenter = Segmenter("Recording_door")
    segmenter.place(first, is_open=False)
    segmenter.place(second, is_open=True)
    segmenter.retry()
    again = segmenter.place(second, is_open=False)
    assert again is not None
    assert (again.begins_segment, again.run_ns) == (True, first.start_ns)
    segmenter.retry()
    left = segmenter.place(third, is_open=False)
    assert left is not None
    assert left.run_ns == third.start_ns


FRAMES = st.lists(
    st.tuples(
        st.sampled_from([0.04, 0.04, 0.04, 0.0, 3.0, 70.0]),
        st.booleans(),
        st.integers(1, 3),
        st.sampled_from([0.0, 0.0, 0.0, 0.0, 5.0, -5.0, -0.2]),
        st.sampled_from(["", "", "", "", "same", "other", "audio"]),
    ),
    max_size=60,
)


@given(FRAMES)
@settings(max_examples=150, deadline=None)
def test_nothing_is_lost_or_doubled_whatever_a_camera_does(
    frames: list[tuple[float, bool, int, float, str]],
) -> None:
    into, other = collector(), StreamDescription((video_description(1280, 720).tracks[0], AUDIO))
    fed: list[AccessUnit] = []
    gops: list[Gop | None] = []
    seconds, step, known = 0.0, 0.0, BOTH
    for number, (passed, key, parts, jump, more) in enumerate(frames):
        seconds += passed + 0.001
        step += jump
        if more in {"same", "other"}:
            known = known if more == "same" else other if known is BOTH else BOTH
            gops.append(into.described(known, frozenset({0, 1})))
        unit = shifted(video_unit(0, keyframe=key, size=number + 40), seconds, rtp=True)
        unit = replace(unit, utc_ns=unit.utc_ns + round(step * _NS))
        units = [replace(unit, keyframe=key and part == 0, packets=replace(unit.packets)) for part in range(parts)]
        if more == "audio":
            units.append(audio_unit(round(seconds * 1000)))
        fed += units
        gops += [into.deliver(each) for each in units]
    gops.append(into.flush())
    found = [gop for gop in gops if gop is not None]
    recorded = [unit.packets for gop in found for unit in gop.units]
    assert len(recorded) + into.skipped == len(fed)
    order = {id(unit.packets): index for index, unit in enumerate(fed)}
    assert [order[id(packets)] for packets in recorded] == sorted({order[id(packets)] for packets in recorded})
    segmenter, is_open = Segmenter("Recording_door"), False
    for gop in found:
        assert gop.end_ns > gop.start_ns
        assert not gop.keyed or gop.units[0].keyframe
        place = segmenter.place(gop, is_open=is_open)
        assert place is not None
        assert not place.begins_segment or gop.units[0].keyframe
        is_open = True
