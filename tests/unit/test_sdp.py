import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import (
    AudioParameters,
    MediaKind,
    StreamDescription,
    TrackDescription,
    VideoParameters,
)
from gateway.protocols import sdp

CAMERA = """v=0
o=- 1120211 1 IN IP4 192.168.1.64
s=Media Presentation
e=NONE
b=AS:5100
t=0 0
a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/
m=video 0 RTP/AVP 96
c=IN IP4 0.0.0.0
b=AS:5000
a=recvonly
a=x-dimensions:1920,1080
a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1
a=rtpmap:96 H264/90000
a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z00AKZ2oHgCJ+WbgICA=,aO48gA==
a=framerate:25.0
m=audio 0 RTP/AVP 104
a=rtpmap:104 MPEG4-GENERIC/16000/1
a=fmtp:104 profile-level-id=15; streamtype=5; mode=AAC-hbr; config=1408;SizeLength=13; IndexLength=3; IndexDeltaLength=3
a=control:trackID=2
m=application 0 RTP/AVP 107
a=control:trackID=3
a=rtpmap:107 vnd.onvif.metadata/90000
"""

H264 = TrackDescription(
    MediaKind.VIDEO,
    "H264",
    96,
    90_000,
    fmtp="packetization-mode=1",
    video=VideoParameters(1280, 720, 12.5, 2_000_500, 25),
)
AAC = TrackDescription(
    MediaKind.AUDIO, "MPEG4-GENERIC", 97, 16_000, 1, "mode=AAC-hbr", None, AudioParameters(16_000, 1, 0)
)
METADATA = TrackDescription(MediaKind.APPLICATION, "VND.ONVIF.METADATA", 107, 90_000)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_camera_is_parsed_whatever_its_line_ends(ends: str, kind: type) -> None:
    session = sdp.parse(kind(CAMERA.replace("\n", ends)))
    assert session.name == "Media Presentation"
    assert session.control == "rtsp://192.168.1.64:554/Streaming/Channels/101/"
    video, audio, metadata = session.medias
    assert (video.kind, video.payload_type, video.encoding, video.clock_rate) == (MediaKind.VIDEO, 96, "H264", 90_000)
    assert video.control == "rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1"
    assert video.fmtp.startswith("profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z00AKZ2")
    assert (video.attributes["framerate"], video.attributes["x-dimensions"]) == ("25.0", "1920,1080")
    assert video.attributes["recvonly"] == ""
    assert (audio.encoding, audio.clock_rate, audio.channels) == ("MPEG4-GENERIC", 16_000, 1)
    assert (metadata.kind, metadata.encoding) == (MediaKind.APPLICATION, "VND.ONVIF.METADATA")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("m=audio 0 RTP/AVP 8", ("PCMA", 8000, 1)),
        ("m=audio 0 RTP/AVP 0\na=rtpmap:0 PCMU/16000", ("PCMU", 16_000, 1)),
        ("m=video 0 RTP/AVP 26\na=rtpmap:96 H264/90000", ("JPEG", 90_000, 1)),
        ("m=audio 0 RTP/AVP 97\na=rtpmap:97 opus/48000/2", ("OPUS", 48_000, 2)),
        ("m=video 0 RTP/AVP 96\na=rtpmap:97 H265/90000", ("H265", 90_000, 1)),
        ("m=video 0 RTP/AVP 96 97\na=rtpmap:97 H265/90000\na=rtpmap:96 H264/90000", ("H264", 90_000, 1)),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/x", ("H264", 90_000, 1)),
        ("m=text 0 RTP/AVP 98\na=RTPMAP: 98 t140/1000", ("T140", 1000, 1)),
        ("m=video 0 RTP/AVP 99", ("", 90_000, 1)),
    ],
)
def test_formats_as_cameras_write_them(lines: str, expected: tuple[str, int, int]) -> None:
    media = sdp.parse("v=0\r\n" + lines).medias[0]
    assert (media.encoding, media.clock_rate, media.channels) == expected


@pytest.mark.parametrize(
    "text", ["", "v=0\n", "garbage", "m=video\n", "m=video 0 RTP/AVP 200\n", "m=video 0 RTP/AVP x"]
)
def test_a_description_without_media_is_refused(text: str) -> None:
    with pytest.raises(GatewayError, match=r"^the SDP describes no media$") as caught:
        sdp.parse(text)
    assert caught.value.kind is ErrorKind.INVALID


def test_sizes_are_limited() -> None:
    with pytest.raises(GatewayError, match=r"^the SDP has 65537 bytes; at most 65536 are accepted$"):
        sdp.parse(b"x" * 65_537)
    with pytest.raises(GatewayError, match=r"^the SDP has 33 medias; at most 32 are accepted$"):
        sdp.parse("m=video 0 RTP/AVP 96\n" * 33)


def test_a_description_is_written_for_unicast() -> None:
    text = sdp.serialize(
        StreamDescription((H264, AAC, METADATA)), session_name="Front\r\ndoor", session_id=7, version=3
    )
    assert text.decode().split("\r\n") == [
        "v=0",
        "o=- 7 3 IN IP4 0.0.0.0",
        "s=Front door",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        "m=video 0 RTP/AVP 96",
        "b=AS:2001",
        "a=rtpmap:96 H264/90000",
        "a=fmtp:96 packetization-mode=1",
        "a=framerate:12.5",
        "a=x-dimensions:1280,720",
        "a=recvonly",
        "a=control:trackID=0",
        "m=audio 0 RTP/AVP 97",
        "a=rtpmap:97 MPEG4-GENERIC/16000/1",
        "a=fmtp:97 mode=AAC-hbr",
        "a=recvonly",
        "a=control:trackID=1",
        "m=application 0 RTP/AVP 107",
        "a=rtpmap:107 vnd.onvif.metadata/90000",
        "a=recvonly",
        "a=control:trackID=2",
        "",
    ]


def test_multicast_names_the_group_of_every_track() -> None:
    targets = (sdp.MulticastTarget("239.1.2.3", 40_000, 5), sdp.MulticastTarget("ff15::1", 40_002, 5))
    text = sdp.serialize(StreamDescription((H264, AAC)), session_name="", ipv6=True, multicast=targets).decode()
    assert " IN IP6 ::\r\ns=-\r\nc=IN IP6 ::\r\n" in text
    assert "m=video 40000 RTP/AVP 96\r\nc=IN IP4 239.1.2.3/5\r\n" in text
    assert "m=audio 40002 RTP/AVP 97\r\nc=IN IP6 ff15::1\r\n" in text


def test_what_is_written_is_read_again() -> None:
    session = sdp.parse(sdp.serialize(StreamDescription((H264, AAC, METADATA)), session_name="Hall"))
    assert (session.name, session.control, session.attributes["range"]) == ("Hall", "*", "npt=now-")
    for index, (media, track) in enumerate(zip(session.medias, (H264, AAC, METADATA), strict=True)):
        assert media.control == f"trackID={index}"
        for name in ("kind", "payload_type", "encoding", "clock_rate", "channels", "fmtp"):
            assert getattr(media, name) == getattr(track, name)


def test_a_cameras_text_cannot_add_lines() -> None:
    track = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000, fmtp="x=1\r\na=control:elsewhere")
    text = sdp.serialize(StreamDescription((track,)), session_name="x")
    assert b"a=fmtp:96 x=1 a=control:elsewhere\r\n" in text


def test_what_the_client_sends_is_described_last_and_marked() -> None:
    back = (TrackDescription(MediaKind.AUDIO, "PCMA", 8, 8000), TrackDescription(MediaKind.AUDIO, "G726-32", 97, 8000))
    text = sdp.serialize(StreamDescription((H264,)), session_name="s", backchannel=back).decode()
    _, video, first, second = text.split("m=")
    assert "a=recvonly\r\na=control:trackID=0\r\n" in video
    assert first == "audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=sendonly\r\na=control:trackID=1\r\n"
    assert second == "audio 0 RTP/AVP 97\r\na=rtpmap:97 G726-32/8000\r\na=sendonly\r\na=control:trackID=2\r\n"
    assert [media.attributes.get("sendonly") for media in sdp.parse(text).medias] == [None, "", ""]
