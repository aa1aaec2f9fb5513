"""The simulated camera's picture carries a time that survives encoding, scaling and JPEG."""

import io
import json
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.jpeg import encode, jpeg_of_key_frame
from gateway_testpattern import timecode, tone
from gateway_testpattern.colour import to_yuv
from gateway_testpattern.encoder import Encoder, split
from gateway_testpattern.scene import Scene, seed_of

NOW_NS = 1_795_381_550_641_000_000


def _row(utc_ms: int, width: int = 640, height: int = 360) -> np.ndarray:
    gray = np.full((height, width), 90, np.uint8)
    edges = np.arange(width) * timecode.CELLS // width
    gray[: timecode.row_height(height)] = np.where(timecode.cells(utc_ms), 235, 16)[edges]
    return gray


@given(st.integers(0, 2**44 - 1))
def test_every_time_is_read_back(utc_ms: int) -> None:
    assert timecode.read_time(_row(utc_ms)) == utc_ms


def test_a_damaged_row_is_not_read() -> None:
    gray = _row(1_795_381_550_641)
    gray[:, 300:330] = 255 - gray[:, 300:330]
    assert timecode.read_time(gray) is None


def test_a_picture_without_a_row_has_no_time() -> None:
    assert timecode.read_time(np.full((360, 640), 90, np.uint8)) is None


@pytest.mark.parametrize(("encoding", "decoder"), [("H264", "h264"), ("H265", "hevc")])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360)])
def test_the_time_survives_encoding(encoding: str, decoder: str, width: int, height: int) -> None:
    scene, encoder = Scene("Loading bay", width, height, 3), Encoder(encoding, width, height, 5.0)
    context = av.CodecContext.create(decoder, "r")
    taken = [NOW_NS + index * 200_000_000 for index in range(12)]
    frames = []
    for moment in taken:
        encoded = encoder.encode(scene.draw(moment))
        frames += context.decode(av.Packet(b"".join(b"\0\0\0\1" + unit for unit in encoded.units)))
    frames += context.decode(None)
    read = [timecode.read_time(frame.to_ndarray(format="gray")) for frame in frames]
    assert read == [moment // 1_000_000 for moment in taken]


def test_key_frames_come_every_two_seconds_with_their_parameter_sets() -> None:
    scene, encoder = Scene("Gate", 320, 180, 1), Encoder("H264", 320, 180, 5.0)
    pictures = [encoder.encode(scene.draw(NOW_NS + index * 200_000_000)) for index in range(21)]
    assert [index for index, picture in enumerate(pictures) if picture.keyframe] == [0, 10, 20]
    assert {unit[0] & 0x1F for unit in pictures[10].units} >= {5, 7, 8}


@pytest.mark.peer
@pytest.mark.parametrize(("encoding", "codec", "demuxer"), [("H264", "h264", "h264"), ("H265", "hevc", "hevc")])
def test_ffprobe_reads_a_dump_of_the_stream(tmp_path: Path, encoding: str, codec: str, demuxer: str) -> None:
    scene, encoder = Scene("Gate", 320, 180, 1), Encoder(encoding, 320, 180, 5.0)
    pictures = [encoder.encode(scene.draw(NOW_NS + index * 200_000_000)) for index in range(15)]
    dump = tmp_path / "dump"
    dump.write_bytes(b"".join(b"\0\0\0\1" + unit for picture in pictures for unit in picture.units))
    entries = "stream=codec_name,width,height,color_range,color_space,nb_read_frames"
    command = ["ffprobe", "-v", "error", "-f", demuxer, "-count_frames", "-show_entries", entries, "-of", "json"]
    result = subprocess.run([*command, str(dump)], capture_output=True, timeout=30, check=True)
    (stream,) = json.loads(result.stdout)["streams"]
    assert result.stderr == b""
    assert stream == {
        "codec_name": codec,
        "width": 320,
        "height": 180,
        "color_range": "tv",
        "color_space": "bt709",
        "nb_read_frames": "15",
    }


def test_the_time_survives_a_jpeg_and_scaling() -> None:
    scene, encoder = Scene("Gate", 1280, 720, 1), Encoder("H264", 1280, 720, 5.0)
    jpeg = jpeg_of_key_frame("H264", encoder.encode(scene.draw(NOW_NS)).units)
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (1280, 720)
    assert timecode.read_time(frame.to_ndarray(format="gray")) == NOW_NS // 1_000_000
    small = frame.reformat(640, 360).to_ndarray(format="gray")
    assert timecode.read_time(small) == NOW_NS // 1_000_000


def test_a_jpeg_has_the_full_range_of_levels() -> None:
    levels = np.full((120, 160), 235, np.uint8)
    levels[:60] = 16
    frame = av.VideoFrame.from_ndarray(np.concatenate([levels, np.full((60, 160), 128, np.uint8)]), format="yuv420p")
    with av.open(io.BytesIO(encode(frame)), format="mjpeg") as container:
        gray = next(container.decode(video=0)).to_ndarray()[:120]
    assert gray[:50].max() <= 4
    assert gray[70:].min() >= 251


def test_a_long_name_and_any_script_can_be_drawn() -> None:
    picture = Scene("Склад № 7 — " + "x" * 200, 320, 180, seed_of("a")).draw(NOW_NS)
    assert timecode.read_time(picture[:180]) == NOW_NS // 1_000_000


def test_the_balloon_moves_and_the_rest_stands_still() -> None:
    scene = Scene("Gate", 640, 360, 1)
    first, second = (scene.draw(NOW_NS + seconds * 1_000_000_000)[:360].copy() for seconds in (0, 1))
    assert 0.002 < (first != second).mean() < 0.1


def test_a_picture_does_not_depend_on_those_before_it() -> None:
    scene = Scene("Gate", 320, 180, 2)
    for seconds in range(0, 48, 5):
        scene.draw(NOW_NS + seconds * 1_000_000_000)
    assert np.array_equal(scene.draw(NOW_NS), Scene("Gate", 320, 180, 2).draw(NOW_NS))


def test_the_four_hours_look_different_and_main_and_sub_alike() -> None:
    pictures = [Scene("Gate", 320, 180, seed).draw(NOW_NS) for seed in range(4)]
    means = {(int(picture[:180].mean()), int(picture[180:].mean())) for picture in pictures}
    assert len(means) == 4
    small = av.VideoFrame.from_ndarray(Scene("Gate", 640, 360, 3).draw(NOW_NS), format="yuv420p").reformat(320, 180)
    difference = abs(small.to_ndarray()[:120].astype(int) - pictures[3][:120])
    assert difference.mean() < 3


@pytest.mark.parametrize(("width", "height"), [(160, 160), (160, 2048), (2048, 160)])
def test_every_size_can_be_drawn(width: int, height: int) -> None:
    picture = Scene("Loading bay", width, height, 0).draw(NOW_NS)
    assert picture.shape == (height * 3 // 2, width)


@pytest.mark.parametrize("encoding", ["H264", "H265"])
def test_a_jpeg_has_the_colours_of_the_scene(encoding: str) -> None:
    red, green, blue = 200, 60, 40
    rgb = np.full((160, 160, 3), np.array((red, green, blue)) / 255, np.float32)
    picture = np.concatenate([plane.ravel() for plane in to_yuv(rgb)]).reshape(240, 160)
    jpeg = jpeg_of_key_frame(encoding, Encoder(encoding, 160, 160, 5.0).encode(picture).units)
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
        planes = next(container.decode(video=0)).to_ndarray()
    y, cb, cr = planes[:160].mean(), planes[160:200].mean() - 128, planes[200:].mean() - 128
    shown = y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb
    assert shown == pytest.approx((red, green, blue), abs=4)


@pytest.mark.parametrize("matrix", [0, 2, 3, 5, 6, 8, 10, 14])
def test_every_matrix_makes_a_jpeg(matrix: int) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((240, 160), 128, np.uint8), format="yuv420p")
    frame.colorspace = matrix
    assert encode(frame)[:2] == b"\xff\xd8"


def test_the_beep_opens_the_second_and_ulaw_is_that_of_g711() -> None:
    samples = np.frombuffer(tone.second(), np.uint8)
    assert len(samples) == tone.RATE
    assert len(set(samples[:800])) > 20
    assert set(samples[800:]) == {0xFF}
    known = np.array([0, 1, -1, 1000, -1000, 32767, -32768], np.int16)
    assert tone.ulaw(known).tolist() == [0xFF, 0xFF, 0x7F, 0xCE, 0x4E, 0x80, 0x00]


def test_a_byte_stream_is_split_at_both_kinds_of_start_code() -> None:
    assert split(b"\0\0\0\1\x67ab\0\0\1\x68c\0\0\0\1\x65d\0") == (b"\x67ab", b"\x68c", b"\x65d")
