"""GStreamer and ffprobe replay what the installed program has recorded; pictures carry the time they were taken at."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e.conftest import PASSWORD, PEERS, RTSP_PORT, SYSTEM_PYTHON, USER, Gateway, run_json
from e2e.network import HOUSE
from e2e.test_archive import WAIT_SECONDS, rows

from gateway.domain.media import MediaKind
from gateway.protocols.mp4.reader import read_fragment
from gateway.protocols.mp4.scan import Scanner
from gateway_testpattern.timecode import read_time

pytestmark = pytest.mark.peer
MS, SECOND = 10**6, 10**9
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


@dataclass(frozen=True, slots=True)
class Recorded:
    """A gateway, and four seconds in the middle of what it recorded of the simulated camera."""

    gateway: Gateway
    start: int
    stop: int
    """In UTC nanoseconds."""
    frames: dict[int, bool]
    """All frames until now, by their times in milliseconds, with whether each is a key frame."""

    def whole(self, start: int, stop: int) -> list[int]:
        """Return the frames of a time, from the key frame on that the first of them needs."""
        start, stop = start // MS, stop // MS
        first = max(time for time, key in self.frames.items() if key and time <= start)
        return [time for time in self.frames if first <= time <= stop]


def frames_of(gateway: Gateway) -> dict[int, bool]:
    """Read the files of the simulated camera, the last of which still grows."""
    found: dict[int, bool] = {}
    for file in sorted((gateway.folder / "archive" / "Recording_pattern").rglob("*.mp4")):
        data = file.read_bytes()
        scanner = Scanner(lambda offset, size, data=data: data[offset : offset + size])
        for fragment in scanner.fragments():
            for sample in read_fragment(data[fragment.offset : fragment.offset + fragment.size], scanner.header):
                if scanner.header.description.tracks[sample.track].kind is MediaKind.VIDEO:
                    found[round(sample.utc_ns / MS)] = sample.keyframe
    return found


@pytest.fixture(scope="module")
def recorded(measured: Gateway) -> Recorded:
    begin = rows(measured)["Recording_pattern"]["runs"][0][0]
    start = begin + 4 * SECOND + 350 * MS
    stop, deadline = start + 4 * SECOND, time.monotonic() + WAIT_SECONDS
    while max(frames := frames_of(measured)) <= stop // MS:
        assert time.monotonic() < deadline, f"nothing after {max(frames)} is recorded within {WAIT_SECONDS} s"
        time.sleep(0.2)
    return Recorded(measured, start, stop, frames)


def test_forward(recorded: Recorded, tmp_path: Path) -> None:
    """Every picture of the time that was asked for comes, in order, from the clean point before it on."""
    start, stop = recorded.start, recorded.stop
    report, times = replay(recorded.gateway, tmp_path, "--start", start, "--stop", stop, "--frames", 1000)
    assert report["ended"]
    assert report["marks"][0] & CLEAN_POINT
    assert times == pytest.approx(recorded.whole(start, stop), abs=1)


def test_backward(recorded: Recorded, tmp_path: Path) -> None:
    """GOPs come from the last to the first, the frames of each in their order."""
    start, stop = recorded.start, recorded.stop
    options = ("--start", stop, "--stop", start, "--rate", -1, "--frames", 1000)
    report, times = replay(recorded.gateway, tmp_path, *options)
    assert report["ended"]
    begins = [place for place, mark in enumerate(report["marks"]) if mark & CLEAN_POINT]
    gops = [times[begin:end] for begin, end in zip(begins, [*begins[1:], len(times)], strict=True)]
    assert [gop[0] for gop in gops] == sorted((gop[0] for gop in gops), reverse=True)
    assert all(gop == sorted(gop) for gop in gops)
    wanted = [time for time in recorded.whole(start, stop) if time >= start // MS]
    assert [time for time in sorted(times) if start // MS <= time <= stop // MS] == pytest.approx(wanted, abs=1)


@pytest.mark.parametrize("rate", [1, -1])
def test_key_frames_only(recorded: Recorded, tmp_path: Path, rate: int) -> None:
    start, stop = (recorded.start, recorded.stop)[::rate]
    options = ("--start", start, "--stop", stop, "--rate", rate, "--intra", "--frames", 1000)
    report, times = replay(recorded.gateway, tmp_path, *options)
    keys = [time for time in recorded.whole(recorded.start, recorded.stop) if recorded.frames[time]]
    assert all(mark & CLEAN_POINT for mark in report["marks"])
    assert times == pytest.approx(keys[::rate], abs=1)


def test_as_fast_as_it_goes(recorded: Recorded, tmp_path: Path) -> None:
    """Four seconds come in less."""
    report, times = replay(recorded.gateway, tmp_path, "--start", recorded.start, "--no-rate-control", "--frames", 40)
    assert report["seconds"] < 3
    assert times == pytest.approx(recorded.whole(recorded.start, recorded.stop)[:40], abs=1)


def test_what_was_recorded_just_now_is_replayed(measured: Gateway, tmp_path: Path) -> None:
    """GStreamer asks for no more than there was when it came."""
    now = time.time_ns() // MS
    report, times = replay(measured, tmp_path, "--start", (now - 3000) * MS, "--frames", 1000)
    assert report["ended"]
    assert times[0] <= now - 3000 < times[-1] <= time.time_ns() // MS
    frames = list(frames_of(measured))
    assert times == pytest.approx([each for each in frames if times[0] - 1 <= each <= times[-1] + 1], abs=1)


@pytest.mark.parametrize(("camera", "codecs"), [("film", ["h264", "aac"]), ("pattern", ["h264", "pcm_mulaw"])])
def test_ffprobe_replays_without_knowing_of_onvif(measured: Gateway, camera: str, codecs: list[str]) -> None:
    options = ("-v", "error", "-rtsp_transport", "tcp", "-read_intervals", "%+2", "-count_frames")
    found = run_json(measured.place, "ffprobe", *options, "-show_streams", "-of", "json", replay_uri(camera))
    assert [stream.get("codec_name", stream["codec_type"]) for stream in found["streams"]] == [*codecs, "data"]
    assert all(int(stream["nb_read_frames"]) >= 10 for stream in found["streams"][: len(codecs)])
