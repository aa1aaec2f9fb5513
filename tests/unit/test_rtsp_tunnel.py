import base64

import pytest

from gateway.protocols.rtsp.messages import RtspError
from gateway.protocols.rtsp.opening import MAX_PEEK, Service, classify
from gateway.protocols.rtsp.tunnel import Decoder

FIRST = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
SECOND = b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 2\r\n\r\n"


@pytest.mark.parametrize("step", [1, 3, 5, 1000])
def test_base64_trickles_with_line_breaks_and_padding_in_the_middle(step: int) -> None:
    assert base64.b64encode(FIRST).endswith(b"=")
    body = base64.encodebytes(FIRST) + base64.b64encode(SECOND + b"x") + b"\r\n" + base64.b64encode(FIRST)
    decoder = Decoder()
    found = b"".join(decoder.feed(body[start : start + step]) for start in range(0, len(body), step))
    assert found == FIRST + SECOND + b"x" + FIRST


@pytest.mark.parametrize("text", [b"####", b"a===", b"ab=c"])
def test_what_is_not_base64_is_refused(text: bytes) -> None:
    with pytest.raises(RtspError, match=r"which is not base64$") as caught:
        Decoder().feed(text)
    assert caught.value.fatal


COOKIE = b"x-sessioncookie: abc\r\n"


@pytest.mark.parametrize(
    ("data", "service"),
    [
        (b"", None),
        (b"OPTI", None),
        (b"OPTIONS rtsp://h/ RTSP/1.0\r\n", Service.RTSP),
        (b"\r\nDESCRIBE rtsp://h/a b RTSP/1.0\n", Service.RTSP),
        (b"GET_PARAMETER * RTSP/2.0\r\n", Service.RTSP),
        (b"$\x01\x00\x04", Service.RTSP),
        (b"GET / HTTP/1.1\r\nHost: h\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", Service.WEB),
        (b"GET /live HTTP/1.0\r\n" + COOKIE, Service.RTSP_IN_HTTP),
        (b"POST /live HTTP/1.1\r\nX-SessionCookie :abc\r\n", Service.RTSP_IN_HTTP),
        (b"POST /onvif HTTP/1.1\r\n\r\n" + COOKIE, Service.WEB),
        (
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: a, rtsp.onvif.org\r\n",
            Service.RTSP_IN_HTTP,
        ),
        (b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: chat\r\n\r\n", Service.WEB),
        (b"PUT / HTTP/1.1\r\n", Service.WEB),
        (b"garbage\n", Service.WEB),
        (b"x" * MAX_PEEK, Service.WEB),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * MAX_PEEK, Service.WEB),
    ],
)
def test_the_first_bytes_tell_what_is_wanted(data: bytes, service: Service | None) -> None:
    assert classify(data) is service
