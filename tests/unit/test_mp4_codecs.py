"""What tracks say of themselves, and what becomes of it in the file."""

from dataclasses import replace

import pytest

from gateway.domain.media import MediaKind, TrackDescription
from gateway.protocols.mp4 import nal_config
from gateway.protocols.mp4.aac import config_of, latm_frames
from gateway.protocols.mp4.sample_entry import entry, size_of
from gateway.protocols.mp4.tracks import opus_ticks, storing

AAC = TrackDescription(MediaKind.AUDIO, "MPEG4-GENERIC", 97, 48_000, 2)
X264_444_INTERLACED = "67f4001f919b280a00b7602d4040405000000300100000030328f1831960"
X265_MAIN10 = "42010102200000030090000003000003005aa0058200904d964a924cafff000100016a0c0c0c08000003000800000300c840"


@pytest.mark.parametrize(
    ("fmtp", "config", "rate", "ticks"),
    [
        ("config=1190", "1190", 48_000, 1024),
        ("", "1190", 48_000, 1024),
        ("config=1310", "1310", 24_000, 2048),
        ("config=2b098800", "2b098800", 24_000, 2048),
        ("config=1194", "1194", 48_000, 960),
        ("config=17805e0110", "17805e0110", 48_130, 1021),
    ],
    ids=["lc", "not told", "implicit sbr", "explicit sbr", "960", "rate in full"],
)
def test_audio_specific_config(fmtp: str, config: str, rate: int, ticks: int) -> None:
    found = config_of(replace(AAC, fmtp=fmtp))
    assert found is not None
    assert (found.data.hex(), found.rate, found.frame_ticks(48_000)) == (config, rate, ticks)
    assert bytes.fromhex(config) in entry(replace(AAC, fmtp=fmtp), (), (0, 0))


@pytest.mark.parametrize("fmtp", ["config=zz", "config=11", "config=1690", "config=1180"])
def test_a_config_that_is_not_understood_leaves_the_track_out(fmtp: str) -> None:
    assert storing(replace(AAC, fmtp=fmtp)) is None


@pytest.mark.parametrize(
    ("fmtp", "config"),
    [
        ("cpresent=0;config=400024203fc0", "1210"),
        ("cpresent=0;config=c00024203fc0", None),
        ("cpresent=0;config=410024203fc0", "1210"),
        ("cpresent=0;config=401024203fc0", None),
        ("config=400024203fc0", None),
        ("cpresent=0", None),
    ],
    ids=["plain", "version 1", "subframes", "programs", "in-band", "missing"],
)
def test_latm_config(fmtp: str, config: str | None) -> None:
    found = config_of(TrackDescription(MediaKind.AUDIO, "MP4A-LATM", 97, 44_100, 2, fmtp))
    assert (found and found.data.hex()) == config


def test_latm_frames() -> None:
    long = bytes(510)
    element = memoryview(b"\xff\xff\x00" + long + b"\3abc" + b"\5cut")
    assert [bytes(frame) for frame in latm_frames(element)] == [long, b"abc"]
    assert list(latm_frames(memoryview(b"\0rest"))) == []


@pytest.mark.parametrize(
    ("packet", "milliseconds"),
    [("78", 20), ("79", 40), ("7b03", 60), ("e0", 2.5), ("1b02", 120), ("7bff", 960), ("7b", 0), ("", 0)],
)
def test_opus_durations(packet: str, milliseconds: float) -> None:
    assert opus_ticks(memoryview(bytes.fromhex(packet))) == milliseconds * 48


def test_configuration_of_high_profiles_tells_the_format() -> None:
    sps, pps = bytes.fromhex(X264_444_INTERLACED), b"\x68\xce"
    record = nal_config.avcc((pps, sps))
    assert record[:6].hex() == "01f4001fffe1"
    assert record[8 : 8 + len(sps)] == sps
    assert record[-4:].hex() == "fff8f800"
    hevc = nal_config.hvcc((bytes.fromhex(X265_MAIN10), b"\x44\x01"))
    assert hevc[:14].hex() == "010220000000900000000000" + "5af0"
    assert hevc[16:19].hex() == "fdfafa"
    assert hevc[21:23].hex() == "0f02"


def test_parameter_sets_count_only_when_all_kinds_are_there() -> None:
    sps, pps, idr = b"\x67ab", b"\x68c", b"\x65d"
    assert nal_config.parameter_sets_in("H264", (sps, pps, sps, idr)) == (sps, pps)
    assert nal_config.parameter_sets_in("H264", (sps, idr)) == ()
    assert nal_config.parameter_sets_in("H265", (b"\x42\1s", b"\x44\1p")) == ()


def test_a_sample_entry_tells_the_size() -> None:
    track = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000)
    assert size_of(entry(track, (), (3840, 2160))) == (3840, 2160)
