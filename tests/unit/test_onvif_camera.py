"""What the ONVIF driver makes of addresses and profiles."""

import pytest

from gateway.domain.errors import GatewayError
from gateway.protocols.soap.answers import SoapFault, parse_answer, text
from gateway.protocols.soap.envelope import EnvelopeError
from gateway_onvif import messages
from gateway_onvif.address import device_url, service_url, stream_url
from gateway_onvif.choice import choose
from gateway_onvif.messages import Profile, profiles

REACHED = "http://198.51.100.7:8081/onvif/device_service"


@pytest.mark.parametrize(
    ("address", "port", "url"),
    [
        ("192.0.2.5", None, "http://192.0.2.5/onvif/device_service"),
        ("192.0.2.5", 8000, "http://192.0.2.5:8000/onvif/device_service"),
        ("192.0.2.5:81", 8000, "http://192.0.2.5:81/onvif/device_service"),
        ("2001:db8::5", 81, "http://[2001:db8::5]:81/onvif/device_service"),
        ("[2001:db8::5]:81", None, "http://[2001:db8::5]:81/onvif/device_service"),
        ("https://cam.example/onvif/services", None, "https://cam.example/onvif/services"),
        (" cam.example ", None, "http://cam.example/onvif/device_service"),
    ],
)
def test_a_device_is_addressed_by_host_port_or_url(address: str, port: int | None, url: str) -> None:
    assert device_url(address, port) == url


@pytest.mark.parametrize("address", ["", "rtsp://192.0.2.5/", "http://u:hush@192.0.2.5/", "a b", "h:99999", "http://"])
def test_an_address_that_is_none_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(GatewayError, match="must be HOST, HOST:PORT or http://HOST/…, without a user") as caught:
        device_url(address)
    assert "hush" not in caught.value.message


@pytest.mark.parametrize(
    ("announced", "announced_device", "url"),
    [
        ("http://198.51.100.7:8081/m", "", "http://198.51.100.7:8081/m"),
        ("http://10.0.0.2/m", "http://10.0.0.2/d", "http://198.51.100.7:8081/m"),
        ("https://10.0.0.2/m", "https://10.0.0.2:443/d", "http://198.51.100.7:8081/m"),
        ("http://10.0.0.2/m", "", "http://198.51.100.7:8081/m"),
        ("http://10.0.0.2:8899/m", "http://10.0.0.2/d", "http://198.51.100.7:8899/m"),
        ("http://198.51.100.7:8899/m", "http://198.51.100.7:8081/d", "http://198.51.100.7:8899/m"),
        ("http://[fe80::1]/m?a=b", "http://[fe80::1]/d", "http://198.51.100.7:8081/m?a=b"),
        ("", "", ""),
        ("http://10.0.0.2:99999/m", "", ""),
        ("file:///etc/passwd", "", ""),
        ("http://10.0.0.2/a b", "", ""),
    ],
)
def test_services_are_asked_on_the_host_that_was_reached(announced: str, announced_device: str, url: str) -> None:
    assert service_url(announced, REACHED, announced_device) == url


@pytest.mark.parametrize(
    ("announced", "url"),
    [
        ("rtsp://10.0.0.2/1?a=b&c", "rtsp://198.51.100.7:554/1?a=b&c"),
        ("rtsp://u:p@[fe80::1]:8554/1", "rtsp://198.51.100.7:8554/1"),
        ("rtsps://10.0.0.2/1", "rtsps://198.51.100.7:322/1"),
        ("http://10.0.0.2/1", "http://198.51.100.7:80/1"),
        ("file:///1", ""),
        ("", ""),
        ("rtsp://10.0.0.2:x/1", ""),
    ],
)
def test_streams_are_played_from_the_host_that_was_reached(announced: str, url: str) -> None:
    assert stream_url(announced, REACHED) == url


@pytest.mark.parametrize(
    ("transport", "of_media", "of_media2"),
    [("tcp", "RTSP", "RTSP"), ("udp", "UDP", "RtspUnicast"), ("http", "HTTP", "RtspOverHttp")],
)
def test_streams_are_asked_for_by_transport(transport: str, of_media: str, of_media2: str) -> None:
    assert f"<tt:Protocol>{of_media}</tt:Protocol>" in messages.get_stream_uri(messages.MEDIA, "p", transport)
    assert f"<tr2:Protocol>{of_media2}</tr2:Protocol>" in messages.get_stream_uri(messages.MEDIA2, "p", transport)


def profile(token: str, encoding: str, width: int, height: int) -> Profile:
    return Profile(token, token, "source", encoding, width, height)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([("a", "H264", 1920, 1080), ("b", "H264", 640, 360), ("c", "H264", 160, 90)], ("a", "b")),
        ([("c", "H264", 160, 90), ("b", "H265", 640, 360), ("a", "H265", 3840, 2160)], ("a", "b")),
        ([("a", "H264", 1920, 1080), ("c", "H264", 176, 144), ("d", "H264", 160, 90)], ("a", "c")),
        ([("j", "JPEG", 3840, 2160), ("a", "H264", 1280, 720), ("k", "JPEG", 320, 180)], ("a", "a")),
        ([("j", "JPEG", 1280, 720), ("k", "JPEG", 320, 180)], ("j", "k")),
        ([("a", "H264", 1280, 720), ("b", "H264", 1280, 720)], ("a", "a")),
        ([("m", "MPEG4", 1280, 720), ("a", "H264", 0, 0)], ("a", "a")),
    ],
)
def test_main_is_the_largest_picture_and_sub_the_smallest_sensible(
    offered: list[tuple[str, str, int, int]], chosen: tuple[str, str]
) -> None:
    assert tuple(one.token for one in choose([profile(*one) for one in offered], "c")) == chosen


ENVELOPE = '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>{}</e:Body></e:Envelope>'


def test_numbers_that_are_none_and_profiles_without_video_do_no_harm() -> None:
    answer = parse_answer(
        ENVELOPE.format(
            '<a:R xmlns:a="a"><a:Profiles token="1"><a:Configurations><a:VideoEncoder><a:Encoding>h265</a:Encoding>'
            "<a:Resolution><a:Width>nan</a:Width><a:Height>-3</a:Height></a:Resolution></a:VideoEncoder></a:Configurations>"
            '</a:Profiles><a:Profiles token="2"/><a:Profiles/></a:R>'
        ).encode()
    )
    assert profiles(answer) == (Profile("1", "", "", "H265", 0, 0),)


def test_faults_of_both_versions_are_read() -> None:
    new = (
        "<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>ter:NotAuthorized</e:Value></e:Subcode></e:Code>"
        "<e:Reason><e:Text>Sender not Authorized</e:Text></e:Reason></e:Fault>"
    )
    with pytest.raises(SoapFault, match="Sender not Authorized") as caught:
        parse_answer(ENVELOPE.format(new).encode())
    assert caught.value.codes == ("Sender", "NotAuthorized")
    old = "<e:Fault><faultcode>e:Client</faultcode><faultstring>Bad</faultstring></e:Fault>"
    old_envelope = ENVELOPE.replace(
        "http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"
    )
    with pytest.raises(SoapFault, match="Bad") as caught:
        parse_answer(old_envelope.format(old).encode())
    assert caught.value.codes == ("Client",)


@pytest.mark.parametrize("data", [b"", b"<a/>", ENVELOPE.format("").encode(), b"<" * 90_000, b"<!DOCTYPE a><a/>"])
def test_what_is_no_soap_is_refused(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        parse_answer(data)


def test_text_of_nothing_is_empty() -> None:
    assert text(None, "a") == ""
