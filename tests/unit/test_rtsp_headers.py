import pytest

from gateway.protocols.rtsp import headers, ranges, transport, url
from gateway.protocols.rtsp.messages import RtspError
from gateway.protocols.rtsp.ranges import ClockRange, NptRange, SmpteRange
from gateway.protocols.rtsp.transport import Lower, Transport


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", Transport(Lower.TCP, interleaved=(0, 1))),
        ("RTP/AVP;unicast;client_port=5000-5001", Transport(client_port=(5000, 5001))),
        ("RTP/AVP/UDP;unicast;client_port=5000", Transport(client_port=(5000, 5001))),
        ('RTP/AVP;multicast;mode="PLAY"', Transport(multicast=True, mode="PLAY")),
        ("RTP/SAVP;unicast;client_port=5000-5001", Transport(profile="RTP/SAVP", client_port=(5000, 5001))),
        (
            "RTP/AVP;multicast;destination=239.0.0.1;port=4000-4001;ttl=3;ssrc=00FF00FF",
            Transport(multicast=True, destination="239.0.0.1", port=(4000, 4001), ttl=3, ssrc=0xFF00FF),
        ),
    ],
)
def test_transports_are_understood(text: str, expected: Transport) -> None:
    assert transport.parse(text) == (expected,)
    assert transport.parse(transport.serialize(expected)) == (expected,)


def test_alternatives_that_make_no_sense_are_left_out() -> None:
    text = "RTP/AVP;client_port=x,RAW/RAW/UDP,RTP/AVP/TCP;interleaved=300-301,RTP/AVP/SCTP,,RTP/AVP/TCP;interleaved=2-3"
    assert transport.parse(text) == (Transport(Lower.TCP, interleaved=(2, 3)),)
    assert transport.parse("") == ()


def test_all_alternatives_of_a_client_are_kept_in_order() -> None:
    offers = (Transport(client_port=(1, 2)), Transport(Lower.TCP, interleaved=(0, 1)))
    assert transport.parse(transport.serialize_all(offers)) == offers


@pytest.mark.parametrize(
    ("text", "expected", "written"),
    [
        ("npt=0.000-", NptRange(0.0), "npt=0.000-"),
        ("npt=now-", NptRange(None), "npt=now-"),
        ("npt=-20", NptRange(0.0, 20.0), "npt=0.000-20.000"),
        ("npt=1:02:03.5-7200;time=19970123T143720Z", NptRange(3723.5, 7200.0), "npt=3723.500-7200.000"),
        ("clock=20261122T030000Z-", ClockRange(1_795_316_400 * 10**9), "clock=20261122T030000Z-"),
        (
            "clock=20261122T030000.25Z-20261122T050000Z",
            ClockRange(1_795_316_400_250_000_000, 1_795_323_600 * 10**9),
            "clock=20261122T030000.250Z-20261122T050000Z",
        ),
        ("smpte-25=10:07:33:05.01-", SmpteRange("smpte-25", "10:07:33:05.01"), "smpte-25=10:07:33:05.01-"),
    ],
)
def test_ranges_in_their_three_formats(text: str, expected: ranges.Range, written: str) -> None:
    assert ranges.parse(text) == expected
    assert str(expected) == written
    assert ranges.parse(written) == expected


@pytest.mark.parametrize(
    "text", ["", "npt", "npt=-", "npt=x-", "bytes=0-", "clock=2026-", "clock=20261322T030000Z-", "smpte=1-"]
)
def test_other_ranges_are_invalid(text: str) -> None:
    with pytest.raises(RtspError, match=r"^range .* is neither npt, clock nor smpte$") as caught:
        ranges.parse(text)
    assert caught.value.status == 457


def test_the_session_header() -> None:
    assert headers.parse_session("abc;timeout=30") == headers.SessionHeader("abc", 30)
    assert headers.parse_session(" abc ; timeout=x") == headers.SessionHeader("abc", 60)
    assert str(headers.SessionHeader("abc", 60)) == "abc;timeout=60"


def test_rtp_info() -> None:
    infos = (headers.RtpInfo("rtsp://h/a/trackID=0", 65_535, 4_294_967_295), headers.RtpInfo("rtsp://h/a/trackID=1"))
    text = headers.serialize_rtp_info(infos)
    assert text == "url=rtsp://h/a/trackID=0;seq=65535;rtptime=4294967295,url=rtsp://h/a/trackID=1"
    assert headers.parse_rtp_info(text) == infos
    assert headers.parse_rtp_info("seq=1, url=x;seq=y") == (headers.RtpInfo("x"),)


def test_scale() -> None:
    assert headers.parse_scale("-2.5") == -2.5
    for text in ("fast", "nan", "0", "-64.5"):
        with pytest.raises(RtspError, match=f"Scale '{text}' is not from -64 to 64, or is 0"):
            headers.parse_scale(text)


@pytest.mark.parametrize(
    ("uri", "path", "track", "base"),
    [
        ("rtsp://h:554/live/a/main", "/live/a/main", None, "rtsp://h:554/live/a/main"),
        ("rtsp://user:p%40ss@h/live/a/main/", "/live/a/main", None, "rtsp://h/live/a/main"),
        ("RTSP://user:p@ss@h/live/a/main/trackID=1", "/live/a/main", 1, "rtsp://h/live/a/main"),
        ("rtsp://h/live/a/main?x=1&y=2", "/live/a/main", None, "rtsp://h/live/a/main"),
        ("rtsp://h/live/a/main?x=1/trackID=2", "/live/a/main", 2, "rtsp://h/live/a/main"),
        ("rtsp://h/live/a/main/trackid=0/", "/live/a/main", 0, "rtsp://h/live/a/main"),
        ("/live/a/main/trackID=1", "/live/a/main", 1, "/live/a/main"),
        ("http://[::1]:80/live/%61/main", "/live/a/main", None, "http://[::1]:80/live/%61/main"),
        ("*", "*", None, "*"),
        ("rtsp://h", "/", None, "rtsp://h"),
    ],
)
def test_urls_are_normalised(uri: str, path: str, track: int | None, base: str) -> None:
    target = url.parse(uri)
    assert (target.path, target.track, target.base) == (path, track, base)
    if track is not None and "?" not in uri:
        assert url.parse(url.control(target.base, track)) == url.Target(path, track, base, "")
