"""When replayed frames are due, at which playing time they are shown, and what a PLAY can ask for."""

from dataclasses import replace

import pytest

from gateway.protocols.rtsp.messages import Headers, Request, RtspError
from gateway.protocols.rtsp.ranges import ClockRange, NptRange
from gateway.servers.rtsp_asked import Asked, asked_of
from gateway.servers.rtsp_pace import Pace
from gateway.services.playback import Frame

MS = 1_000_000
FRAME = 250 * MS
START = 1_700_000_000_000 * MS


def gop(number: int, at_ms: int, frames: int = 4, *, begins: bool = False) -> list[Frame]:
    """Return the frames of a GOP at a time of the recording, four a second."""
    until_ns = START + at_ms * MS + frames * FRAME
    return [
        Frame(0, START + at_ms * MS + n * FRAME, FRAME, n == 0, (b"",), number, until_ns, begins=begins and n == 0)
        for n in range(frames)
    ]


def played(pace: Pace, frames: list[Frame], now: float = 100.0) -> list[tuple[float, float]]:
    """Return when each frame is due, in seconds from now on, and at which playing time in milliseconds it is shown."""
    return [(round(pace.due(frame, now) - now, 3), pace.frame_ns / MS) for frame in frames]


@pytest.mark.parametrize(("scale", "step"), [(1.0, 0.25), (4.0, 0.0625), (0.5, 0.5)])
def test_forward_frames_are_shown_as_they_are_sent(scale: float, step: float) -> None:
    pace = Pace(100.0, 0.0, scale, backward=False)
    frames = [*gop(1, 0, begins=True), *gop(2, 1000)]
    assert played(pace, frames) == [(round(n * step, 3), n * step * 1000) for n in range(8)]


def test_a_gap_takes_no_time() -> None:
    pace = Pace(100.0, 0.0, 1.0, backward=False)
    frames = [*gop(1, 0, 2, begins=True), *gop(2, 60_000, 2, begins=True)]
    assert played(pace, frames) == [(0.0, 0.0), (0.25, 250.0), (0.5, 500.0), (0.75, 750.0)]


def test_playing_time_goes_on_where_it_was() -> None:
    pace = Pace(100.0, 5000.0 * MS, 1.0, backward=False)
    assert played(pace, gop(1, 7000, 2)) == [(0.0, 5000.0), (0.25, 5250.0)]
    assert pace.played_ns == 5500 * MS


def test_backward_a_gop_is_sent_at_once_and_shown_from_its_end() -> None:
    pace = Pace(100.0, 0.0, 1.0, backward=True)
    frames = [*gop(1, 2000, begins=True), *gop(2, 1000, begins=True)]
    assert played(pace, frames) == [
        *((0.0, shown) for shown in (750.0, 500.0, 250.0, 0.0)),
        *((1.0, shown) for shown in (1750.0, 1500.0, 1250.0, 1000.0)),
    ]
    assert pace.played_ns == 2000 * MS


def test_backward_faster() -> None:
    pace = Pace(100.0, 0.0, 2.0, backward=True)
    frames = [*gop(1, 500, 2, begins=True), *gop(2, 0, 2, begins=True)]
    assert played(pace, frames) == [(0.0, 125.0), (0.0, 0.0), (0.25, 375.0), (0.25, 250.0)]
    assert played(pace, [replace(gop(3, -9000, 1)[0], after_gap=True)]) == [(0.5, 500.0)]


def test_backward_what_is_left_out_takes_its_time_and_a_gap_takes_none() -> None:
    pace = Pace(100.0, 0.0, 1.0, backward=True)
    later, earlier, before_gap = (
        gop(number, at_ms, 1, begins=True)[0] for number, at_ms in ((1, 4000), (2, 2000), (3, 0))
    )
    frames = [later, earlier, replace(before_gap, after_gap=True)]
    assert played(pace, frames) == [(0.0, 0.0), (2.0, 2000.0), (2.25, 2250.0)]


def test_what_is_very_late_is_not_caught_up_with() -> None:
    pace = Pace(100.0, 0.0, 1.0, backward=False)
    first, second, third, *_ = gop(1, 0)
    assert pace.due(first, 100.0) == 100.0
    assert pace.due(second, 101.0) == 100.25
    assert pace.due(third, 102.0) == 102.0
    assert pace.frame_ns == 500 * MS
    assert pace.due(gop(1, 750, 1)[0], 102.0) == 102.25


def play(**headers: str) -> Asked:
    pairs = [("CSeq", "300"), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return asked_of(Request("PLAY", "rtsp://host/replay/R", Headers(pairs)))


def test_without_headers_everything_is_played_in_real_time() -> None:
    assert play() == Asked(None, 1.0, paced=True, intra=False, references=False, interval_ns=0, cseq=300)


def test_what_play_can_ask_for() -> None:
    asked = play(Range="clock=20090615T114900.440Z-", Rate_Control="no", Scale="-1.0", Frames="intra/4000")
    assert asked.range == ClockRange(1_245_066_540_440 * MS)
    assert (asked.paced, asked.scale, asked.intra, asked.interval_ns) == (False, -1.0, True, 4000 * MS)
    asked = play(Range="npt=0.000-", Scale="-2", Frames="predicted", Immediate="yes", Rate_Control="YES")
    assert (asked.range, asked.scale, asked.intra, asked.paced) == (NptRange(0.0), -2.0, False, True)
    assert asked.references
    assert play(Scale="8", Rate_Control="no").scale == 1.0


@pytest.mark.parametrize(
    ("name", "value", "status", "sentence"),
    [
        ("Range", "clock=today-", 457, "range 'clock=today-' is neither npt, clock nor smpte"),
        ("Rate_Control", "maybe", 400, "Rate-Control 'maybe' is none of yes, no"),
        ("Immediate", "1", 400, "Immediate '1' is none of yes, no"),
        ("Scale", "0", 400, "Scale '0' is not from -64 to 64, or is 0"),
        ("Scale", "100", 400, "Scale '100' is not from -64 to 64, or is 0"),
        ("Scale", "nan", 400, "Scale 'nan' is not from -64 to 64, or is 0"),
        ("Scale", "fast", 400, "Scale 'fast' is not from -64 to 64, or is 0"),
        ("Frames", "some", 400, "Frames 'some' is none of all, intra, predicted"),
        ("Frames", "all/100", 400, "Frames 'all/100' is neither intra, intra/MILLISECONDS, predicted nor all"),
        ("Frames", "intra/soon", 400, "Frames 'intra/soon' is neither intra, intra/MILLISECONDS, predicted nor all"),
    ],
)
def test_what_play_can_not_ask_for(name: str, value: str, status: int, sentence: str) -> None:
    with pytest.raises(RtspError) as refused:
        play(**{name: value})
    assert (refused.value.status, refused.value.message) == (status, sentence)
