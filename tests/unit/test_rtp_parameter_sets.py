"""Parameter sets of real encoders, fmtp, and the byte stream of an interleaved connection."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.rtp import fmtp, parameter_sets
from gateway.protocols.rtp.interleaved import BUFFER_SIZE, MAX_MESSAGE, InterleavedStream

X264_MAIN = "674d4028d900780227e5c05a808080a0000003002000000303d1e30649"
X264_BASELINE = "6742c01ed900a02ff97016a0c0c0d4a000007d20001d4c11e2c5c9"
X264_INTERLACED_444 = "67f4001f919b280a00b7602d4040405000000300100000030328f1831960"
X265_VPS = "40010c01ffff016000000300900000030000030078928090"
X265_MAIN = "420101016000000300900000030000030078a003c08010e5964a924cafff000100016a02020208000003000800000300a040"
X265_MAIN10 = "42010102200000030090000003000003005aa0058200904d964a924cafff000100016a0c0c0c08000003000800000300c840"


@pytest.mark.parametrize(
    ("encoding", "unit", "width", "height", "rate", "profile"),
    [
        ("H264", X264_MAIN, 1920, 1080, 15.0, "Main"),
        ("H264", X264_BASELINE, 640, 360, 29.97, "Baseline"),
        ("H264", X264_INTERLACED_444, 1280, 720, 25.0, "High"),
        ("H265", X265_MAIN, 1920, 1080, 20.0, "Main"),
        ("H265", X265_MAIN10, 704, 576, 25.0, "Main10"),
    ],
)
def test_parameter_sets_tell_size_rate_and_profile(
    encoding: str, unit: str, width: int, height: int, rate: float, profile: str
) -> None:
    found = parameter_sets.video_parameters(encoding, [bytes.fromhex(unit)])
    assert found is not None
    assert (found.width, found.height, found.frame_rate, found.codec_profile) == (width, height, rate, profile)
    assert found.bitrate > 100_000
    assert found.gop_length == round(2 * rate)


@given(st.sampled_from(["H264", "H265"]), st.binary(max_size=60))
def test_any_parameter_set_is_survived(encoding: str, data: bytes) -> None:
    for head in (b"\x67", b"\x42\x01", b"\x40\x01"):
        parameter_sets.video_parameters(encoding, [head + data])


@pytest.mark.parametrize("length", range(1, 45))
def test_a_parameter_set_cut_short_is_survived(length: int) -> None:
    parameter_sets.video_parameters("H265", [bytes.fromhex(X265_MAIN)[:length], bytes.fromhex(X265_VPS)[:length]])
    parameter_sets.video_parameters("H264", [bytes.fromhex(X264_MAIN)[:length]])


def test_sprop_comes_back_as_it_was() -> None:
    h264 = (bytes.fromhex(X264_MAIN), b"\x68\x01\x02")
    made = parameter_sets.to_fmtp("H264", h264)
    assert made.startswith("packetization-mode=1;sprop-parameter-sets=Z01AK")
    assert made.endswith(";profile-level-id=4D4028")
    assert parameter_sets.from_fmtp("H264", made) == h264
    h265 = (bytes.fromhex(X265_VPS), bytes.fromhex(X265_MAIN), b"\x44\x01\x02")
    assert parameter_sets.from_fmtp("H265", parameter_sets.to_fmtp("H265", h265)) == h265


def test_other_parameters_stay_as_they_were() -> None:
    old = "profile-level-id=42001E; sprop-parameter-sets=AAAA,BBBB; Level-Asymmetry-Allowed=1"
    assert parameter_sets.to_fmtp("H264", [bytes.fromhex(X264_MAIN)], old).startswith(
        "profile-level-id=4D4028;sprop-parameter-sets=Z01AKNkAeAIn5cBagICAoAAAAwAgAAADA9HjBkk=;Level-Asymmetry"
    )


def test_broken_sprop_is_left_out() -> None:
    assert parameter_sets.from_fmtp("H264", "sprop-parameter-sets=!!,aAEC,") == (b"\x68\x01\x02",)
    assert parameter_sets.from_fmtp("H264", "sprop-parameter-sets=aAE") == (b"\x68\x01",)
    assert parameter_sets.from_fmtp("H265", "") == ()


def test_fmtp_is_read_leniently() -> None:
    assert fmtp.parse("A = 1;; b=x=y ; flag") == {"a": "1", "b": "x=y", "flag": ""}
    assert fmtp.integer({"n": "-1"}, "n", 5) == 5


class Connection:
    """An interleaved stream whose channel 0 keeps its frames."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.frames: list[bytes] = []
        self.stream = InterleavedStream(self.messages.append, lambda: 1)
        self.stream.receivers[0] = self.take

    def take(self, position: int, end: int, _now_ns: int) -> int:
        size = 4 + int.from_bytes(self.stream.buffer[position + 2 : position + 4], "big")
        if position + size > end:
            return position
        self.frames.append(bytes(self.stream.buffer[position : position + size]))
        return position + size

    def send(self, data: bytes) -> None:
        while data:
            room = self.stream.room()
            count = min(len(room), len(data))
            room[:count] = data[:count]
            self.stream.received(count)
            data = data[count:]


def frame(channel: int, size: int) -> bytes:
    return b"$" + bytes((channel,)) + size.to_bytes(2, "big") + b"\x80" + bytes(size - 1)


REPLY = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nab$\0c"
REQUEST = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"

PARTS = {
    "small": frame(0, 20),
    "medium": frame(0, 1400),
    "large": frame(0, 65_535),
    "other channel": frame(7, 100),
    "reply": REPLY,
    "request": REQUEST,
    "line end": b"\r\n",
}


@given(st.lists(st.sampled_from(list(PARTS)), max_size=30), st.lists(st.integers(300, 100_000), min_size=1, max_size=8))
def test_frames_and_messages_are_told_apart_however_they_are_cut(names: list[str], cuts: list[int]) -> None:
    sent = [PARTS[name] for name in names]
    connection = Connection()
    data, number = b"".join(sent), 0
    while data:
        size = cuts[number % len(cuts)]
        connection.send(data[:size])
        data, number = data[size:], number + 1
    assert connection.frames == [part for part in sent if part[:2] == b"$\0"]
    assert connection.messages == [part for part in sent if part in (REPLY, REQUEST)]
    assert connection.stream.skipped == 0


def test_garbage_is_skipped_up_to_the_next_frame_or_message() -> None:
    connection = Connection()
    garbage = b"garbage with a $ in it and one more $\x09"
    connection.send(garbage + frame(0, 20) + frame(0, 30) + b"\xff" * 50 + REPLY + frame(0, 40))
    assert [len(data) for data in connection.frames] == [24, 34, 44]
    assert connection.messages == [REPLY]
    assert connection.stream.skipped == len(garbage) + 50


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    connection = Connection()
    connection.send(data)
    connection.send(data)


@pytest.mark.parametrize(
    "endless",
    [
        lambda: b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * (MAX_MESSAGE // 3),
        lambda: b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * BUFFER_SIZE,
        lambda: b"x" * (2 * BUFFER_SIZE),
    ],
)
def test_a_message_without_end_does_not_fill_the_memory(endless: Callable[[], bytes]) -> None:
    connection = Connection()
    connection.send(endless())
    connection.send(b"\r\n\r\n" + frame(0, 20) * 3)
    assert connection.frames
