"""GStreamer and ffprobe replay what the installed program has recorded; pictures carry the time they were taken at."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e.conftest import PASSWORD, PEERS, RTSP_PORT, SYSTEM_PYTHON, USER, Gateway, run_json
from e2e.network import HOUSE
from e2e.test_archive import rows

from gateway_testpattern.timecode import read_time

pytestmark = pytest.mark.peer
MS, SECOND = 10**6, 10**9
FRAME_MS, GOP_MS = 100, 2000
"""Of the simulated camera; its clock may lag by a few milliseconds."""

LAG_MS = 30
CLEAN_POINT = 0x80


def replay_uri(camera: str) -> str:
    return f"rtsp://{USER}:{PASSWORD}@{HOUSE}:{RTSP_PORT}/replay/Recording_{camera}"


def replay(gateway: Gateway, folder: Path, *options: object) -> tuple[dict[str, Any], list[int]]:
    """Replay the simulated camera with GStreamer in ONVIF mode; returns its report, and what its pictures say, in ms.

    Every picture says the time that its frame's header extension has said.
    """
    raw = folder / "pictures"
    program = (SYSTEM_PYTHON, PEERS / "gst_replay.py", replay_uri("pattern"), *options, "--raw", raw)
    report = run_json(gateway.place, *program)
    assert (report["gaps"], report["problem"]) == (0, "")
    width, height = report["width"], report["height"]
    pictures = np.fromfile(raw, np.uint8).reshape(-1, height * 3 // 2, width)
    times = [read_time(picture[:height]) for picture in pictures]
    said = [round(utc_ns / MS) for utc_ns in report["utc_ns"][: len(times)]]
    assert times == pytest.approx(said, abs=2)
    return report, said


def steps(times: list[int]) -> list[int]:
    return [after - before for before, after in pairwise(times)]


@pytest.fixture(scope="module")
def recorded(measured: Gateway) -> tuple[Gateway, int, int]:
    """A gateway, and four seconds in the middle of what it recorded, in UTC nanoseconds."""
    begin = rows(measured)["Recording_pattern"]["runs"][0][0]
    start = begin + 4 * SECOND + 350 * MS
    return measured, start, start + 4 * SECOND


def test_forward(recorded: tuple[Gateway, int, int], tmp_path: Path) -> None:
    """Every picture of the time that was asked for comes, in order, from the clean point before it on."""
    gateway, start, stop = recorded
    report, times = replay(gateway, tmp_path, "--start", start, "--stop", stop, "--frames", 1000)
    assert report["ended"]
    assert report["marks"][0] & CLEAN_POINT
    assert start // MS - GOP_MS - LAG_MS <= times[0] <= start // MS
    assert stop // MS - FRAME_MS - LAG_MS <= times[-1] <= stop // MS
    assert steps(times) == pytest.approx([FRAME_MS] * (len(times) - 1), abs=LAG_MS)


def test_backward(recorded: tuple[Gateway, int, int], tmp_path: Path) -> None:
    """GOPs come from the last to the first, the frames of each in their order."""
    gateway, start, stop = recorded
    report, times = replay(gateway, tmp_path, "--start", stop, "--stop", start, "--rate", -1, "--frames", 1000)
    assert report["ended"]
    begins = [place for place, mark in enumerate(report["marks"]) if mark & CLEAN_POINT]
    gops = [times[begin:end] for begin, end in zip(begins, [*begins[1:], len(times)], strict=True)]
    assert [gop[0] for gop in gops] == sorted((gop[0] for gop in gops), reverse=True)
    inside = [time for time in sorted(times) if start // MS <= time <= stop // MS]
    assert steps(inside) == pytest.approx([FRAME_MS] * (len(inside) - 1), abs=LAG_MS)
    assert inside[-1] - inside[0] > (stop - start) // MS - 2 * FRAME_MS - LAG_MS
    assert all(gop == sorted(gop) for gop in gops)


@pytest.mark.parametrize("rate", [1, -1])
def test_key_frames_only(recorded: tuple[Gateway, int, int], tmp_path: Path, rate: int) -> None:
    gateway, *span = recorded
    start, stop = span[::rate]
    report, times = replay(
        gateway, tmp_path, "--start", start, "--stop", stop, "--rate", rate, "--intra", "--frames", 1000
    )
    assert len(times) in {2, 3}
    assert all(mark & CLEAN_POINT for mark in report["marks"])
    assert steps(times) == pytest.approx([GOP_MS * rate] * (len(times) - 1), abs=LAG_MS)


def test_as_fast_as_it_goes(recorded: tuple[Gateway, int, int], tmp_path: Path) -> None:
    """Four seconds take less than two, with the start of the program."""
    gateway, start, _ = recorded
    began = time.monotonic()
    _, times = replay(gateway, tmp_path, "--start", start, "--no-rate-control", "--frames", 40)
    assert time.monotonic() - began < 2
    assert len(times) == 40
    assert steps(times) == pytest.approx([FRAME_MS] * 39, abs=LAG_MS)


def test_what_was_recorded_just_now_is_replayed(measured: Gateway, tmp_path: Path) -> None:
    """GStreamer asks for no more than there was when it came: all but the GOP that was being recorded."""
    now = time.time_ns() // MS
    report, times = replay(measured, tmp_path, "--start", (now - 3000) * MS, "--frames", 1000)
    assert report["ended"]
    assert times[0] <= now - 3000
    assert now - GOP_MS - FRAME_MS - 5 * LAG_MS <= times[-1] <= time.time_ns() // MS
    assert steps(times) == pytest.approx([FRAME_MS] * (len(times) - 1), abs=LAG_MS)


@pytest.mark.parametrize(("camera", "codecs"), [("film", ["h264", "aac"]), ("pattern", ["h264", "pcm_mulaw"])])
def test_ffprobe_replays_without_knowing_of_onvif(measured: Gateway, camera: str, codecs: list[str]) -> None:
    options = ("-v", "error", "-rtsp_transport", "tcp", "-read_intervals", "%+2", "-count_frames")
    found = run_json(measured.place, "ffprobe", *options, "-show_streams", "-of", "json", replay_uri(camera))
    assert [stream.get("codec_name", stream["codec_type"]) for stream in found["streams"]] == [*codecs, "data"]
    assert all(int(stream["nb_read_frames"]) >= 10 for stream in found["streams"][: len(codecs)])
