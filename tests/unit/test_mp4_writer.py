"""Segment files written of real media, read back, and played by other programs."""

import json
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mp4_media import NS, START, Encoded, audio, described, groups, merged, metadata, segment, video

from gateway.domain.media import AccessUnit, MediaKind, PacketBlock, StreamDescription, TrackDescription
from gateway.protocols.mp4.boxes import walk
from gateway.protocols.mp4.reader import Sample, read_fragment, read_header
from gateway.protocols.mp4.scan import Scanner
from gateway.protocols.mp4.writer import Muxer
from gateway.protocols.rtp import ntp, parameter_sets
from gateway.protocols.rtp.assembler import Assembler
from gateway.protocols.rtp.interleaved import InterleavedStream
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtp.timeline import CameraClock, Timeline

STREAMS = {
    "h264 aac": ("H264", "MPEG4-GENERIC"),
    "h264 pcmu metadata": ("H264", "PCMU", "VND.ONVIF.METADATA"),
    "h265 opus": ("H265", "OPUS"),
    "jpeg pcma": ("JPEG", "PCMA"),
}
CODECS = {"H264": "h264", "H265": "hevc", "JPEG": "mjpeg", "MPEG4-GENERIC": "aac", "OPUS": "opus"} | {
    "PCMU": "pcm_mulaw",
    "PCMA": "pcm_alaw",
}


def encoded(name: str) -> Encoded:
    if name in {"H264", "H265", "JPEG"}:
        return video(name)
    return metadata() if name.startswith("VND") else audio(name)


def samples_of(data: bytes) -> list[Sample]:
    scanner = Scanner(lambda offset, size: data[offset : offset + size])
    return [
        sample
        for found in scanner.fragments()
        for sample in read_fragment(data[found.offset : found.offset + found.size], scanner.header)
    ]


def unit(
    track: int, rtp_time: int, utc_ns: int, payload: tuple[bytes, ...] = (b"\x65abc",), *, key: bool = True
) -> AccessUnit:
    parts = tuple(memoryview(part) for part in payload)
    return AccessUnit(track, rtp_time, utc_ns, key, PacketBlock(b"", 0), lambda _: parts)


@pytest.mark.parametrize("names", STREAMS.values(), ids=STREAMS)
def test_every_sample_comes_back_byte_for_byte_with_its_time(names: tuple[str, ...]) -> None:
    tracks = [encoded(name) for name in names]
    data, fragments = segment(tracks)
    header = read_header(data)
    assert (header.info, header.start_ns) == ({"recording": "R"}, START)
    assert [track.encoding for track in header.description.tracks] == list(names)
    assert all(fragment.size == sum(map(len, fragment.parts)) for fragment in fragments)
    assert len(data) > header.size + sum(fragment.size for fragment in fragments)
    for index, track in enumerate(tracks):
        mine = [sample for sample in samples_of(data) if sample.track == index]
        assert [sample.payload for sample in mine] == [unit.payload() for unit in track.units()]
        assert [sample.keyframe for sample in mine] == [key for _, key, _ in track.frames]
        late = [sample.utc_ns - START - round(at * NS) for sample, (at, _, _) in zip(mine, track.frames, strict=True)]
        assert max(map(abs, late)) <= NS // header.timescales[index]
        assert all(sample.duration_ns > 0 for sample in mine)


@pytest.mark.parametrize("names", STREAMS.values(), ids=STREAMS)
def test_what_was_read_can_be_sent_again(names: tuple[str, ...]) -> None:
    data = segment([encoded(name) for name in names])[0]
    description = read_header(data).description
    packetizers = [Packetizer(index, track, ssrc=1, sequence=0) for index, track in enumerate(description.tracks)]
    for sample in samples_of(data):
        sent = packetizers[sample.track].unit(sample.payload, 0, sample.utc_ns, sample.keyframe)
        assert sent.payload() == sample.payload


@pytest.mark.peer
@pytest.mark.parametrize("names", STREAMS.values(), ids=STREAMS)
def test_other_programs_play_it(names: tuple[str, ...], tmp_path: Path) -> None:
    tracks = [encoded(name) for name in names]
    path = tmp_path / "segment.mp4"
    path.write_bytes(segment(tracks)[0])
    played = [
        "-count_frames",
        "-show_entries",
        "stream=codec_name,nb_read_frames,start_time,width,height",
        "-of",
        "json",
    ]
    ran = subprocess.run(["ffprobe", "-v", "error", *played, path], check=True, capture_output=True, text=True)
    assert ran.stderr == ""
    for track, found in zip(tracks, json.loads(ran.stdout)["streams"], strict=True):
        if track.track.kind is not MediaKind.APPLICATION:
            assert found["codec_name"] == CODECS[track.track.encoding]
            assert int(found["nb_read_frames"]) == len(track.frames)
            assert float(found["start_time"]) == 0
    with av.open(path) as container:
        frames = [frame for frame in container.decode(video=0) if isinstance(frame, av.VideoFrame)]
    shown = sorted(at for at, _, _ in tracks[0].frames)
    assert [frame.time for frame in frames] == pytest.approx(shown, abs=1e-4)
    assert {(frame.width, frame.height) for frame in frames} == {(320, 192)}


def test_parameter_sets_in_the_first_key_frame_complete_the_description() -> None:
    track = video("H264")
    sets = tuple(part for part in track.frames[0][2] if part[0] & 0x1F in {7, 8})
    header = read_header(segment([track])[0])
    stored = header.description.tracks[0]
    assert parameter_sets.from_fmtp("H264", stored.fmtp) == sets
    assert header.entries[0][4:8] == b"avc1"
    assert all(one in header.entries[0] for one in sets)
    assert replace(stored, fmtp="") == track.track


@pytest.mark.peer
@pytest.mark.parametrize(("encoding", "entry"), [("H264", b"avc3"), ("H265", b"hev1")])
def test_without_known_parameter_sets_those_in_the_stream_serve(encoding: str, entry: bytes, tmp_path: Path) -> None:
    track = video(encoding)
    muxer = Muxer(described([track]), {}, START)
    data = muxer.header()
    assert read_header(data).entries[0][4:8] == entry
    for group in groups(merged([track]), START + 2_400_000_000):
        data += b"".join(muxer.fragment(*group).parts)
    path = tmp_path / "segment.mp4"
    path.write_bytes(data)
    with av.open(path) as container:
        assert len(list(container.decode(video=0))) == 60


@pytest.mark.parametrize("encoding", ["H264", "H265", "JPEG"])
def test_frames_that_arrive_in_several_units_are_whole(encoding: str) -> None:
    """As they come from a camera: frames of hundreds of kilobytes, cut at 64 KB."""
    big = video(encoding, frames=4, gop=4, size=(1280, 720))
    arrived: list[AccessUnit] = []
    now = 0
    stream = InterleavedStream(lambda _: None, lambda: now)
    assembler = Assembler(0, big.track, stream.buffer, Timeline(90_000, CameraClock()), arrived.append)
    stream.receivers[0] = assembler.take
    stream.holders.append(assembler)
    sent = big.units()
    for one in sent:
        for at in range(0, len(one.packets.data), 30_000):
            piece = one.packets.data[at : at + 30_000]
            stream.room()[: len(piece)] = piece
            now = one.utc_ns
            stream.received(len(piece))
    assert len(arrived) > len(sent)
    muxer = Muxer(StreamDescription((big.track,)), {}, START)
    made = muxer.fragment(arrived, START + NS)
    samples = read_fragment(b"".join(made.parts), read_header(muxer.header()))
    assert [sample.payload for sample in samples] == [one.payload() for one in sent]
    assert [sample.keyframe for sample in samples] == [one.keyframe for one in sent]


def test_units_of_one_timestamp_are_one_sample() -> None:
    muxer = Muxer(StreamDescription((TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000),)), {}, START)
    parts = [unit(0, 5, START, (b"\x67a", b"\x68b")), unit(0, 5, START, (), key=False), unit(0, 5, START, (b"\x65c",))]
    lost, following = unit(0, 6, START + 1, (), key=False), unit(0, 7, START + NS, (b"\x41d",), key=False)
    made = muxer.fragment([*parts, lost, following], START + 2 * NS)
    first, second = read_fragment(b"".join(made.parts), read_header(muxer.header()))
    assert [bytes(part) for part in first.payload] == [b"\x67a", b"\x68b", b"\x65c"]
    assert (first.keyframe, first.utc_ns, first.duration_ns) == (True, START, NS)
    assert (second.keyframe, second.utc_ns, second.duration_ns) == (False, START + NS, NS)


def test_several_audio_frames_in_a_unit_are_a_frame_duration_apart() -> None:
    aac = audio("MPEG4-GENERIC").track
    muxer = Muxer(StreamDescription((aac,)), {}, START)
    made = muxer.fragment(
        [unit(0, 0, START, (b"one", b"two")), unit(0, 2048, START + 128_000_000, (b"3",))], START + NS
    )
    samples = read_fragment(b"".join(made.parts), read_header(muxer.header()))
    assert [sample.utc_ns - START for sample in samples] == [0, 64_000_000, 128_000_000]


def test_latm_becomes_plain_aac() -> None:
    track = TrackDescription(
        MediaKind.AUDIO, "MP4A-LATM", 98, 16_000, fmtp="profile-level-id=30;cpresent=0;config=400028103FC0"
    )
    muxer = Muxer(StreamDescription((track,)), {}, START)
    long = b"x" * 300
    frames = (b"\xff\x2d" + long + b"\x02yz",)
    made = muxer.fragment([unit(0, 0, START, frames)], START + NS)
    header = read_header(muxer.header())
    samples = read_fragment(b"".join(made.parts), header)
    assert [bytes(sample.payload[0]) for sample in samples] == [long, b"yz"]
    (stored,) = header.description.tracks
    assert (stored.encoding, stored.clock_rate) == ("MPEG4-GENERIC", 16_000)
    assert "config=1408" in stored.fmtp
    assert "SizeLength=13" in stored.fmtp


def test_what_can_not_be_stored_is_left_out() -> None:
    tracks = (
        TrackDescription(MediaKind.VIDEO, "VP8", 96, 90_000),
        TrackDescription(MediaKind.AUDIO, "MP4A-LATM", 97, 16_000, fmtp="cpresent=1"),
        TrackDescription(MediaKind.AUDIO, "G726-32", 98, 8_000),
        TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8_000),
        TrackDescription(MediaKind.AUDIO, "PCMU", 0, 0),
    )
    muxer = Muxer(StreamDescription(tracks), {}, START)
    assert muxer.tracks == (3,)
    nothing = muxer.fragment([unit(0, 0, START), unit(1, 0, START)], START + NS)
    assert (nothing.parts, nothing.size, nothing.start_ns, nothing.end_ns) == ([], 0, START + NS, START + NS)
    made = muxer.fragment([unit(0, 0, START), unit(3, 0, START, (b"\x7f" * 80,))], START + NS)
    header = read_header(muxer.header())
    assert header.description.tracks == tracks
    assert [sample.track for sample in read_fragment(b"".join(made.parts), header)] == [3]


def test_samples_from_before_the_start_keep_their_times() -> None:
    tracks = (
        TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000),
        TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8_000),
    )
    muxer = Muxer(StreamDescription(tracks), {}, START)
    early = [unit(1, 160 * n, START + (n - 3) * 20_000_000, (b"a" * 160,)) for n in range(6)]
    made = muxer.fragment([unit(0, 0, START), *early], START + NS)
    samples = read_fragment(b"".join(made.parts), read_header(muxer.header()))
    assert [sample.utc_ns - START for sample in samples if sample.track == 1] == [
        (n - 3) * 20_000_000 for n in range(6)
    ]
    assert [sample.track for sample in samples] == [1, 1, 1, 0, 1, 1, 1]


def test_the_standard_box_tells_absolute_time() -> None:
    data, fragments = segment([video("H264")])
    view = memoryview(data)
    found = [view[box.content : box.end] for box in walk(view) if box.kind == b"prft"]
    times = [ntp.to_utc_ns(int.from_bytes(content[8:16], "big")) for content in found]
    assert times == [fragment.start_ns for fragment in fragments]


def test_the_trailer_tells_where_fragments_are() -> None:
    data = segment([video("H264"), audio("PCMU")])[0]
    view = memoryview(data)
    boxes = list(walk(view))
    moofs = [box.start for box in boxes if box.kind == b"moof"]
    mfra = boxes[-1]
    assert mfra.kind == b"mfra"
    assert int.from_bytes(view[-4:], "big") == mfra.end - mfra.start
    for tfra in list(walk(view, mfra.content, mfra.end))[:-1]:
        rows = [view[at : at + 19] for at in range(tfra.content + 16, tfra.end, 19)]
        assert [int.from_bytes(row[8:16], "big") for row in rows] == moofs


TIMES = st.lists(st.integers(-3 * NS, 3 * NS), min_size=1, max_size=12)
PAYLOADS = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=3).map(tuple)


@settings(max_examples=50, deadline=None)
@given(st.lists(TIMES, min_size=1, max_size=4), st.data())
def test_any_times_come_back_and_no_duration_is_negative(gops: list[list[int]], data: st.DataObject) -> None:
    """Also times that step back, which the recorder begins a new file at."""
    tracks = (
        TrackDescription(MediaKind.VIDEO, "H265", 96, 90_000),
        TrackDescription(MediaKind.AUDIO, "PCMA", 8, 8_000),
    )
    muxer = Muxer(StreamDescription(tracks), {"a": "ä"}, START)
    written, made, clock = [], [], 0
    for times in gops:
        units = []
        for time in times:
            clock += 1
            units.append(
                unit(data.draw(st.integers(0, 1)), clock, START + time, data.draw(PAYLOADS), key=clock % 3 == 0)
            )
        written += units
        made.append(muxer.fragment(units, START + data.draw(st.integers(-NS, 4 * NS))))
    file = muxer.header() + b"".join(part for fragment in made for part in fragment.parts)
    scanner = Scanner(lambda offset, size: file[offset : offset + size])
    found = list(scanner.fragments())
    assert [(each.start_ns, each.end_ns) for each in found] == [(each.start_ns, each.end_ns) for each in made]
    assert scanner.valid_end == len(file)
    samples = [
        sample
        for each in found
        for sample in read_fragment(file[each.offset : each.offset + each.size], scanner.header)
    ]
    assert all(sample.duration_ns >= NS // 90_000 for sample in samples)
    video_units = [each for each in written if each.track == 0]
    mine = [sample for sample in samples if sample.track == 0]
    assert [(s.keyframe, s.payload) for s in mine] == [(u.keyframe, u.payload()) for u in video_units]
    assert all(abs(s.utc_ns - u.utc_ns) <= NS // 90_000 for s, u in zip(mine, video_units, strict=True))
    frames = [(part, u.utc_ns) for u in written if u.track == 1 for part in u.payload()]
    heard = [sample for sample in samples if sample.track == 1]
    assert Counter(bytes(s.payload[0]) for s in heard) == Counter(bytes(part) for part, _ in frames)
    assert all(s.utc_ns >= at - NS // 8_000 for s, (_, at) in zip(heard, frames, strict=True))
