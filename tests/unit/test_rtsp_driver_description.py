"""What the RTSP driver makes of SDP, addresses and answers."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import GatewayError
from gateway.domain.media import AccessUnit, MediaKind
from gateway.protocols import sdp
from gateway.protocols.rtp.packetize import Packetizer
from gateway.rtsp_client import replies, url
from gateway.rtsp_client.description import Description, track

SPS = bytes.fromhex("6742c01ed900a02ff97016a0c0c0d4a000007d20001d4c11e2c5c9")
LARGE_SPS = bytes.fromhex("674d4028d900780227e5c05a808080a0000003002000000303d1e30649")
PPS = b"\x68\xcb\x8c\xb2"


def media(text: str) -> sdp.Media:
    return sdp.parse(f"v=0\r\n{text}").medias[0]


def key_frame(described: Description, *units: bytes) -> AccessUnit:
    return Packetizer(0, described.current.tracks[0], 1, 0).unit([*units, b"\x65abc"], 0, 0, keyframe=True)


def test_declared_size_and_rate_are_used_where_the_codec_tells_nothing() -> None:
    found = track(media("m=video 0 RTP/AVP 26\r\na=x-dimensions:1280,720\r\na=framerate:12.5")).video
    assert (found.width, found.height, found.frame_rate) == (1280, 720, 12.5)
    found = track(media("m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=framesize:96 640-480")).video
    assert (found.width, found.height, found.frame_rate) == (640, 480, 25.0)


def test_unknown_video_and_metadata_are_taken_as_they_are() -> None:
    assert track(media("m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000")).video is None
    found = track(media("m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000"))
    assert (found.kind, found.encoding, found.video) == (MediaKind.APPLICATION, "VND.ONVIF.METADATA", None)


def test_only_a_changed_parameter_set_changes_the_description() -> None:
    declared = media("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;x=1")
    described = Description((track(declared),), (30.0,))
    assert not described.complete
    assert not described.learn(key_frame(described))
    assert described.learn(key_frame(described, SPS, PPS))
    assert described.complete
    assert not described.learn(key_frame(described, SPS, PPS))
    assert not described.learn(key_frame(described, PPS))
    assert described.learn(key_frame(described, LARGE_SPS))
    fmtp = described.current.tracks[0].fmtp
    assert fmtp.startswith("packetization-mode=1;x=1;sprop-parameter-sets=")
    assert fmtp.count(",") == 1, "the picture parameter set from before is kept"


def test_a_broken_parameter_set_changes_nothing() -> None:
    declared = media("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000")
    described = Description((track(declared),), (0.0,))
    assert not described.learn(key_frame(described, b"\x67\x42"))


@given(st.text(max_size=80))
def test_any_address_is_read_or_refused(text: str) -> None:
    for value in (text, f"rtsp://{text}"):
        with contextlib.suppress(GatewayError):
            assert url.parse(value).host


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_any_control_stays_on_the_camera(base: str, location: str, session: str, control: str) -> None:
    made = url.base_url("rtsp://camera:554/x", base, location, session)
    for result in (made, url.control_url(made, control), url.control_url(made, f"rtsp://{control}")):
        assert result.startswith("rtsp://camera:554")
        assert not set(result) & set("\r\n ")


def test_addresses_with_ipv6_and_default_ports() -> None:
    camera = url.parse("rtsps://[2001:db8::1]/x?y=1#z")
    assert (camera.tls, camera.host, camera.port, camera.target) == (
        True,
        "2001:db8::1",
        322,
        "rtsps://[2001:db8::1]/x?y=1",
    )
    assert camera.name == "[2001:db8::1]:322"


@given(st.binary(max_size=120))
def test_any_message_is_normalised_or_refused(data: bytes) -> None:
    for message in (data, b"RTSP/1.0 200" + data, b"RTSP/1.0 200 OK\r\n" + data):
        replies.normalized(message, 1)


def test_transport_headers_are_read_leniently() -> None:
    found = replies.transport('RTP/AVP;unicast;client_port=1-2; server_port = 6970 ;source="10.0.0.9";ssrc=zz')
    assert (found.channels, found.server_ports, found.source) == (None, (6970, 6971), "10.0.0.9")
    assert replies.transport("RTP/AVP/TCP;interleaved=400-401").channels is None
    assert replies.transport("").source == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12;timeout=30", ("12", 30.0)),
        ("12 ; Timeout = 30 ", ("12", 30.0)),
        ("12", ("12", 60.0)),
        ("12;timeout=0", ("12", 60.0)),
        ("12;timeout=x", ("12", 60.0)),
    ],
)
def test_session_headers(value: str, expected: tuple[str, float]) -> None:
    assert replies.session(value) == expected
