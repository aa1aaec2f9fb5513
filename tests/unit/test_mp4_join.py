"""Plain MP4 over several segments: what is in it, and that other programs play it."""

import json
import mmap
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from itertools import islice
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mp4_media import NS, START, Encoded, audio, metadata, segment, video

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, MediaKind, PacketBlock, StreamDescription, TrackDescription
from gateway.protocols.mp4 import join
from gateway.protocols.mp4.boxes import walk
from gateway.protocols.mp4.join import Movie, MoviePlan, SourceRange
from gateway.protocols.mp4.runs import head_size
from gateway.protocols.mp4.scan import Scanner
from gateway.protocols.mp4.writer import Muxer

SECONDS = 2.4


def planned(files: Sequence[bytes], start_ns: int, end_ns: int) -> MoviePlan:
    plan = MoviePlan(start_ns, end_ns)
    for source, data in enumerate(files):
        scanner = Scanner(lambda offset, size, data=data: data[offset : offset + size])  # type: ignore[misc]
        assert plan.segment(source, data[: scanner.header.size])
        for found in scanner.fragments():
            if found.end_ns > start_ns and found.start_ns < end_ns:
                fragment = data[found.offset : found.offset + found.size]
                plan.fragment(found.offset, fragment[: head_size(fragment)])
    return plan


def content(movie: Movie, files: Sequence[bytes], offset: int = 0, size: int | None = None) -> bytes:
    return b"".join(
        files[part.source][part.offset : part.offset + part.size] if isinstance(part, SourceRange) else part
        for part in movie.parts(offset, movie.size if size is None else size)
    )


def joined(files: Sequence[bytes], start: float = 0, end: float = 100) -> bytes:
    movie = planned(files, START + round(start * NS), START + round(end * NS)).movie()
    assert movie is not None
    data = content(movie, files)
    assert len(data) == movie.size
    return data


def file(tracks: Sequence[Encoded], at: float = 0) -> bytes:
    return segment(tracks, START + round(at * NS))[0]


@cache
def three() -> tuple[bytes, ...]:
    """Two segments that follow each other, and one after a gap of 2.2 seconds."""
    tracks = [video("H264"), audio("PCMU"), metadata()]
    return tuple(file(tracks, at) for at in (0, SECONDS, 7))


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(path) as container:
        return [frame for frame in container.decode(video=0) if isinstance(frame, av.VideoFrame)]


def probe(path: Path, *wanted: str) -> dict[str, list[dict[str, str]]]:
    command = ["ffprobe", "-v", "error", "-count_frames", *wanted, "-of", "json", str(path)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ran.stderr == ""
    found: dict[str, list[dict[str, str]]] = json.loads(ran.stdout)
    return found


@pytest.mark.peer
def test_segments_are_one_movie_with_the_gap_in_its_time(tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    path.write_bytes(joined(three(), 1.32, 8.5))
    found = probe(path, "-show_entries", "stream=codec_name,start_time,nb_read_frames:stream_tags=creation_time")[
        "streams"
    ]
    assert [stream["codec_name"] for stream in found] == ["h264", "pcm_mulaw"]
    assert [float(stream["start_time"]) for stream in found] == [pytest.approx(0, abs=0.02)] * 2
    shown = [at for at in (*range(60), *range(60, 120), *range(175, 213)) if at / 25 >= 1.32]
    assert [frame.time for frame in decoded(path)] == pytest.approx([at / 25 - 1.32 for at in shown], abs=2e-3)
    assert int(found[1]["nb_read_frames"]) == pytest.approx(54 + 120 + 75, abs=1)
    assert str(found[0]["tags"]).count("2025-06-15T15:06:41") == 1


@pytest.mark.peer
@pytest.mark.parametrize("names", [("H265", "OPUS"), ("JPEG", "PCMA"), ("H264", "MPEG4-GENERIC")])
def test_every_codec_plays(names: tuple[str, str], tmp_path: Path) -> None:
    tracks = [video(names[0]), audio(names[1])]
    path = tmp_path / "movie.mp4"
    path.write_bytes(joined([file(tracks), file(tracks, SECONDS)]))
    found = probe(path, "-show_entries", "stream=nb_read_frames")["streams"]
    assert [int(stream["nb_read_frames"]) for stream in found] == [120, 2 * len(tracks[1].frames)]


@pytest.mark.peer
def test_another_program_seeks_in_it(tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    path.write_bytes(joined(three()))
    with av.open(path) as container:
        container.seek(round(8.2 * av.time_base))
        frame = next(container.decode(video=0))
    assert isinstance(frame, av.VideoFrame)
    assert frame.time == pytest.approx(8, abs=1e-3)
    queue = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0"
    video_branch = f"d.video_0 ! {queue} ! h264parse ! avdec_h264 ! fakesink"
    audio_branch = f"d.audio_0 ! {queue} ! mulawdec ! fakesink"
    pipeline = f"filesrc location={path} ! qtdemux name=d {video_branch} {audio_branch}"
    ran = subprocess.run(
        ["gst-launch-1.0", "-q", *pipeline.split()], check=True, capture_output=True, text=True, timeout=20
    )
    assert ran.stderr == ""


@pytest.mark.peer
def test_a_change_of_resolution_is_another_sample_entry(tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    path.write_bytes(joined([file([video("H264")]), file([video("H264", size=(640, 384))], SECONDS)]))
    sizes = [(frame.width, frame.height) for frame in decoded(path)]
    assert sizes == [(320, 192)] * 60 + [(640, 384)] * 60


@pytest.mark.parametrize(
    "other", [[video("H265"), audio("PCMU")], [video("H264"), audio("PCMA")]], ids=["video", "audio"]
)
def test_a_change_of_codec_ends_the_movie(other: list[Encoded]) -> None:
    first, second = file([video("H264"), audio("PCMU")]), file(other, SECONDS)
    plan = planned([first], START, START + 100 * NS)
    before = plan.movie()
    plan = planned([first], START, START + 100 * NS)
    assert not plan.segment(1, second)
    after = plan.movie()
    assert before is not None
    assert after is not None
    assert content(after, [first]) == content(before, [first])


def test_audio_that_comes_and_goes_stays_in_its_place(tmp_path: Path) -> None:
    silent, loud = [video("H264")], [video("H264"), audio("PCMU")]
    path = tmp_path / "movie.mp4"
    path.write_bytes(joined([file(silent), file(loud, SECONDS), file(silent, 2 * SECONDS)]))
    with av.open(path) as container:
        heard = [packet.pts * packet.time_base for packet in container.demux(audio=0) if packet.pts is not None]
    assert float(heard[0]) == pytest.approx(SECONDS, abs=2e-3)
    assert float(heard[-1]) == pytest.approx(2 * SECONDS - 0.02, abs=2e-3)


@pytest.mark.parametrize("at", [0.4, -3])
def test_time_that_a_clock_ran_through_twice_is_shown_twice(at: float, tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    tracks = [video("H264"), audio("MPEG4-GENERIC")]
    path.write_bytes(joined([file(tracks), file(tracks, at)], -10))
    times = [frame.time for frame in decoded(path)]
    assert times == pytest.approx([number / 25 for number in range(120)], abs=2e-3)


def test_a_very_long_gap_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    path.write_bytes(joined([file([video("H264")]), file([video("H264")], 20 * 3600)], 0, 30 * 3600))
    times = [frame.time or 0 for frame in decoded(path)]
    assert times[60] - times[59] == pytest.approx(6 * 3600 + 0.04, abs=2e-3)


def test_samples_that_lie_too_far_behind_others_are_refused() -> None:
    """A damaged duration makes a frame last for half a day; the frames after it can't be told any more."""
    data = bytearray(file([video("H264")]))
    first, second = (found.start() for found in islice(re.finditer(b"trun", data), 2))
    assert int.from_bytes(data[first + 8 : first + 12], "big") > 0
    data[first + 16 : first + 20] = data[second + 16 : second + 20] = b"\xff" * 4
    with pytest.raises(GatewayError, match=r"samples are \d{10} ticks behind those in front of them") as refused:
        joined([bytes(data)], 0, 1e6)
    assert refused.value.kind is ErrorKind.INVALID


def test_without_anything_in_the_range_there_is_no_movie() -> None:
    assert planned([], START, START + NS).movie() is None
    assert planned(three(), START + 50 * NS, START + 60 * NS).movie() is None


def test_the_movie_box_comes_first_and_the_tables_are_those_of_a_plain_file() -> None:
    data = memoryview(joined(three()))
    boxes = {box.kind: box for box in walk(data)}
    assert list(boxes) == [b"ftyp", b"moov", b"mdat"]
    moov = bytes(data[boxes[b"moov"].start : boxes[b"moov"].end])
    assert moov.count(b"stco") == 2
    assert b"co64" not in moov
    assert b"mvex" not in moov


WHOLE = joined(three())
MOVIE = planned(three(), START, START + 100 * NS).movie()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(WHOLE) + 10), st.integers(0, len(WHOLE) + 10))
def test_any_part_of_it_can_be_had(offset: int, size: int) -> None:
    assert MOVIE is not None
    assert content(MOVIE, three(), offset, size) == WHOLE[offset : offset + size]


def test_more_than_four_gigabytes() -> None:
    track, keyframe = TrackDescription(MediaKind.VIDEO, "JPEG", 26, 90_000), True
    muxer, plan = Muxer(StreamDescription((track,)), {}, START), MoviePlan(START, START + 9 * NS)
    with mmap.mmap(-1, 1_500_000_000) as pages, memoryview(pages) as view:
        position = len(muxer.header())
        assert plan.segment(0, muxer.header())
        for number in range(4):
            unit = AccessUnit(0, number, START + number * NS, keyframe, PacketBlock(b"", 0), lambda _: (view,))
            made = muxer.fragment([unit], START + (number + 1) * NS)
            plan.fragment(position, bytes(made.parts[0]))
            position += made.size
            del made, unit
    movie = plan.movie()
    assert movie is not None
    parts = list(movie.parts(0, movie.size))
    head = parts[0]
    assert isinstance(head, bytes)
    assert movie.size == len(head) + 6_000_000_000
    at = head.index(b"co64") + 12
    offsets = [int.from_bytes(head[at + 8 * number :][:8], "big") for number in range(4)]
    assert offsets == [len(head) + number * 1_500_000_000 for number in range(4)]
    assert head[-16:-8] == b"\0\0\0\1mdat"
    assert int.from_bytes(head[-8:], "big") == 6_000_000_016


def test_a_movie_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "MAX_SAMPLES", 100)
    with pytest.raises(
        GatewayError, match="a movie has at most 100 frames, so this range is too long for one"
    ) as refused:
        joined(three())
    assert refused.value.kind is ErrorKind.LIMIT
