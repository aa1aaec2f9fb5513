"""Packets into access units, for every codec there and back, whole and in the ways that cameras cut them."""

import io
import random
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.media import AccessUnit, MediaKind, TrackDescription
from gateway.protocols.rtp import block, packet
from gateway.protocols.rtp.assembler import MAX_UNIT_BYTES, Assembler
from gateway.protocols.rtp.datagrams import DatagramBuffer
from gateway.protocols.rtp.depacketize import depacketizer
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtp.timeline import CameraClock, Timeline

NOW = 1_800_000_000_000_000_000
H264 = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000)
H265 = TrackDescription(MediaKind.VIDEO, "H265", 97, 90_000)
JPEG = TrackDescription(MediaKind.VIDEO, "JPEG", 26, 90_000)
AAC = TrackDescription(MediaKind.AUDIO, "MPEG4-GENERIC", 98, 16_000, fmtp="sizelength=13;indexlength=3")
LATM = TrackDescription(MediaKind.AUDIO, "MP4A-LATM", 98, 16_000)
PCMA = TrackDescription(MediaKind.AUDIO, "PCMA", 8, 8000)
OPUS = TrackDescription(MediaKind.AUDIO, "OPUS", 99, 48_000, 2)
METADATA = TrackDescription(MediaKind.APPLICATION, "VND.ONVIF.METADATA", 107, 90_000)


class Wire:
    """An assembler fed with datagrams."""

    def __init__(self, track: TrackDescription, index: int = 0) -> None:
        self.units: list[AccessUnit] = []
        self.buffer = DatagramBuffer()
        self.assembler = Assembler(
            index, track, self.buffer.buffer, Timeline(track.clock_rate, CameraClock()), self.units.append
        )
        self.buffer.receiver = self.assembler.take
        self.buffer.holder = self.assembler

    def send(self, data: bytes | memoryview, now: int = NOW) -> None:
        self.buffer.room()[: len(data)] = data
        self.buffer.received(len(data), now)

    def send_unit(self, unit: AccessUnit, now: int = NOW) -> None:
        for data in block.packets(unit.packets):
            self.send(data, now)

    def payload(self) -> list[bytes]:
        return [bytes(part) for unit in self.units for part in unit.payload()]


def rtp(payload: bytes, sequence: int = 0, timestamp: int = 0, *, marker: bool = False) -> bytes:
    return packet.serialize(packet.RtpPacket(96, sequence, timestamp, 5, marker, payload))


def framed(data: bytes) -> bytes:
    return b"$\0" + len(data).to_bytes(2, "big") + data


def h264(kind: int, size: int = 100) -> bytes:
    return bytes((0x60 | kind,)) + random.Random(size).randbytes(size - 1)


def h265(kind: int, size: int = 100) -> bytes:
    return bytes((kind << 1, 1)) + random.Random(size).randbytes(size - 2)


def jpeg(width: int = 64, height: int = 48, format_: str = "yuvj420p") -> bytes:
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, format_
    codec.time_base = Fraction(1, 25)
    codec.options = {"huffman": "default"}
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, "rgb24").reformat(format=format_)
    return b"".join(bytes(part) for part in [*codec.encode(frame), *codec.encode(None)])


def pixels(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data), format="mjpeg") as file:
        return next(file.decode(video=0)).to_ndarray()


frames = {
    "H264": (H264, st.lists(st.builds(h264, st.integers(1, 23), st.integers(2, 9000)), min_size=1, max_size=5)),
    "H265": (H265, st.lists(st.builds(h265, st.integers(0, 47), st.integers(3, 9000)), min_size=1, max_size=5)),
    "AAC": (AAC, st.lists(st.binary(min_size=1, max_size=4000), min_size=1, max_size=1)),
    "short AAC": (AAC, st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4)),
    "LATM": (LATM, st.lists(st.binary(min_size=1, max_size=4000), min_size=1, max_size=1)),
    "PCMA": (PCMA, st.lists(st.binary(min_size=1, max_size=1300), min_size=1, max_size=1)),
    "OPUS": (OPUS, st.lists(st.binary(min_size=1, max_size=1300), min_size=1, max_size=1)),
    "metadata": (METADATA, st.lists(st.binary(min_size=1, max_size=4000), min_size=1, max_size=1)),
}


@pytest.mark.parametrize("name", frames)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), index=st.integers(0, 3), sequence=st.integers(0, 65_535), start=st.integers(0, 2**33))
def test_frames_come_back_as_they_were(name: str, data: st.DataObject, index: int, sequence: int, start: int) -> None:
    track, strategy = frames[name]
    packetizer = Packetizer(index, track, 9, sequence)
    wire = Wire(track, index)
    sent = [data.draw(strategy) for _ in range(3)]
    made = [packetizer.unit(frame, start + 3600 * n, NOW, keyframe=True) for n, frame in enumerate(sent)]
    for unit in made:
        wire.send_unit(unit)
    assert wire.payload() == [part for frame in sent for part in frame]
    assert [unit.packets.data for unit in wire.units] == [unit.packets.data for unit in made]
    assert [unit.rtp_time & 0xFFFFFFFF for unit in wire.units] == [unit.rtp_time & 0xFFFFFFFF for unit in made]
    for unit, frame in zip(made, sent, strict=True):
        assert [bytes(part) for part in unit.payload()] == frame


def test_a_jpeg_comes_back_as_the_same_picture() -> None:
    picture = jpeg(320, 240)
    wire = Wire(JPEG)
    unit = Packetizer(0, JPEG, 9, 0).unit([picture], 0, NOW, keyframe=True)
    wire.send_unit(unit)
    assert len(unit.packets.offsets) > 10
    assert np.array_equal(pixels(wire.payload()[0]), pixels(picture))
    assert depacketizer(JPEG).size(wire.units[0].packets) == (320, 240)


@given(st.sampled_from([H264, H265, JPEG, AAC, LATM, OPUS, METADATA]), st.lists(st.binary(max_size=80), max_size=8))
def test_anything_is_survived(track: TrackDescription, payloads: list[bytes]) -> None:
    wire = Wire(track)
    for number, payload in enumerate(payloads):
        wire.send(payload)
        wire.send(rtp(payload, number, marker=number % 3 == 0))
    wire.assembler.flush()
    wire.payload()
    for unit in wire.units:
        depacketizer(track).is_key(unit.packets)


@given(st.binary(max_size=300), st.integers(0, 255), st.integers(0, 255))
def test_any_jpeg_header_is_survived(data: bytes, kind: int, q: int) -> None:
    wire = Wire(JPEG)
    wire.send(rtp(bytes((0, 0, 0, 0, kind, q, 8, 6)) + data, marker=True))
    wire.payload()


def test_a_large_frame_comes_in_several_units_of_which_one_is_key() -> None:
    idr = h264(5, 300_000)
    wire = Wire(H264)
    wire.send_unit(Packetizer(0, H264, 9, 0).unit([h264(7), h264(8), idr], 0, NOW, keyframe=True))
    assert [unit.keyframe for unit in wire.units] == [True, False, False, False, False]
    assert all(len(unit.packets.data) < MAX_UNIT_BYTES + 1500 for unit in wire.units)
    assert [len(unit.payload()) for unit in reversed(wire.units)] == [1, 0, 0, 0, 2]
    assert wire.payload() == [h264(7), h264(8), idr]


def test_a_timestamp_change_ends_a_unit_without_marker() -> None:
    wire = Wire(H264)
    wire.send(rtp(h264(1), 1, 0))
    assert wire.assembler.needs_timer
    assert not wire.units
    wire.send(rtp(h264(1), 2, 3600))
    assert [unit.rtp_time for unit in wire.units] == [0]


def test_the_timer_ends_a_unit_and_the_frame_goes_on_in_the_next() -> None:
    wire = Wire(H264)
    unit = Packetizer(0, H264, 9, 0).unit([h264(5, 4000)], 0, NOW, keyframe=True)
    first, *others = block.packets(unit.packets)
    wire.send(first)
    wire.assembler.flush()
    wire.assembler.flush()
    for other in others:
        wire.send(other)
    assert [unit.keyframe for unit in wire.units] == [True, False]
    assert wire.units[0].payload() == ()
    assert wire.payload() == [h264(5, 4000)]


def test_once_a_marker_was_seen_the_timer_is_not_needed() -> None:
    wire = Wire(H264)
    wire.send(rtp(h264(1), 1, 0, marker=True))
    wire.send(rtp(h264(1), 2, 3600))
    assert not wire.assembler.needs_timer


@pytest.mark.parametrize(
    ("track", "payload", "key"),
    [
        (H264, h264(5), True),
        (H264, h264(7), True),
        (H264, h264(1), False),
        (H264, h264(9), False),
        (H264, b"\x78\x00\x02\x67\x01\x00\x02\x68\x01", True),
        (H264, b"\x78\x00\x02\x06\x01\x00\x02\x41\x01", False),
        (H264, b"\x7c\x85abc", True),
        (H264, b"\x7c\x05abc", False),
        (H264, b"\x7c\x81abc", False),
        (H265, h265(19), True),
        (H265, h265(21), True),
        (H265, h265(32), True),
        (H265, h265(1), False),
        (H265, b"\x62\x01\x93abc", True),
        (H265, b"\x62\x01\x13abc", False),
        (H265, b"\x62\x01\x81abc", False),
        (H265, b"\x60\x01\x00\x04\x40\x01\x0c\x01\x00\x04\x42\x01\x01\x01", True),
        (JPEG, b"x", True),
        (PCMA, b"x", True),
        (METADATA, b"x", True),
    ],
)
def test_key_frames_are_known_by_their_first_packets(track: TrackDescription, payload: bytes, key: object) -> None:
    wire = Wire(track)
    wire.send(rtp(payload, marker=True))
    assert [unit.keyframe for unit in wire.units] == [bool(key)]


def test_a_key_frame_after_a_unit_of_the_same_frame_without_one_is_key() -> None:
    wire = Wire(H264)
    wire.send(rtp(h264(9), 1))
    wire.assembler.flush()
    wire.send(rtp(h264(5), 2, marker=True))
    assert [unit.keyframe for unit in wire.units] == [False, True]


def test_a_unit_with_a_lost_packet_is_left_out_and_the_others_kept() -> None:
    wire = Wire(H264)
    unit = Packetizer(0, H264, 9, 0).unit([h264(7), h264(1, 9000), h264(1, 50)], 0, NOW, keyframe=True)
    for number, data in enumerate(block.packets(unit.packets)):
        if number != 3:
            wire.send(data)
    assert wire.payload() == [h264(7), h264(1, 50)]


def test_a_jpeg_with_a_lost_packet_is_left_out() -> None:
    wire = Wire(JPEG)
    unit = Packetizer(0, JPEG, 9, 0).unit([jpeg(320, 240)], 0, NOW, keyframe=True)
    for number, data in enumerate(block.packets(unit.packets)):
        if number != 2:
            wire.send(data)
    assert wire.payload() == []


def test_stap_a_gives_its_units() -> None:
    wire = Wire(H264)
    wire.send(rtp(b"\x78\x00\x03\x67ab\x00\x02\x68c\x00\x09\x65", marker=True))
    assert wire.payload() == [b"gab", b"hc"]


def test_rtcp_on_the_rtp_channel_is_no_media() -> None:
    wire = Wire(H264)
    wire.send(bytes.fromhex("80c90001 00000001 00000000 00000000".replace(" ", "")))
    assert not wire.assembler.waiting_since_ns


@pytest.mark.parametrize("size", [0, 1, 7, 8, 11])
def test_a_packet_without_a_whole_header_is_no_media(size: int) -> None:
    """What lies behind it in the buffer looks like the timestamp of the frame in progress."""
    short, last = framed(b"\x80" * size), framed(rtp(h264(1), 1, marker=True))
    first = framed(rtp(h264(1), timestamp=int.from_bytes((short + last)[8:12], "big")))
    wire, position, stream = Wire(H264), 0, first + short + last
    wire.buffer.buffer[: len(stream)] = stream
    while position < len(stream):
        position = wire.assembler.take(position, len(stream), NOW)
    assert [unit.packets.data for unit in wire.units] == [first, last]
    wire.assembler.count()


def test_a_unit_outlives_the_reuse_of_the_buffer() -> None:
    wire = Wire(H264)
    unit = Packetizer(0, H264, 9, 0).unit([h264(1, 9000)], 0, NOW, keyframe=False)
    for data in block.packets(unit.packets):
        wire.send(data)
        wire.assembler.detach()
        wire.assembler.detach()
    assert wire.units[0].packets.data == unit.packets.data
    assert list(wire.units[0].packets.offsets) == list(unit.packets.offsets)


def test_a_jpeg_that_rtp_cannot_carry_is_refused_with_the_reason() -> None:
    packetizer = Packetizer(0, JPEG, 9, 0)
    with pytest.raises(ValueError, match="the picture is no JPEG: it does not begin with FF D8"):
        packetizer.unit([b"GIF"], 0, NOW, keyframe=True)
    with pytest.raises(ValueError, match="too large for RTP; at most 2040 either way"):
        packetizer.unit([jpeg(2048, 16)], 0, NOW, keyframe=True)
    with pytest.raises(ValueError, match="a JPEG with sampling factors 22 12 12 can't be sent by RTP"):
        packetizer.unit([jpeg(format_="yuvj422p")], 0, NOW, keyframe=True)


def test_audio_frames_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a frame of 2000 bytes does not fit a packet with room for 1388"):
        Packetizer(0, PCMA, 9, 0).unit([bytes(2000)], 0, NOW, keyframe=True)
    with pytest.raises(ValueError, match="2 access units do not fit a packet with room for"):
        Packetizer(0, AAC, 9, 0).unit([bytes(900), bytes(900)], 0, NOW, keyframe=True)
