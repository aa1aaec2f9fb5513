import pytest

from gateway.protocols.rtsp.messages import Headers, Limits, Request, Response, RtspError, serialize
from gateway.protocols.rtsp.parser import InterleavedFrame, Parser, serialize_frame

DESCRIBE = Request("DESCRIBE", "rtsp://h/live/a/main", Headers([("CSeq", "2"), ("Accept", "application/sdp")]))
SET = Request("SET_PARAMETER", "*", Headers([("CSeq", "3"), ("Content-Length", "5")]), b"a: b\n")
OK = Response(200, Headers([("CSeq", "2"), ("Content-Length", "3")]), b"v=0", reason="OK")
FRAME = InterleavedFrame(1, b"\x80\xc9" + bytes(70))


def events(parser: Parser) -> list[object]:
    found = []
    while (event := parser.next_event()) is not None:
        found.append(event)
    return found


def parsed(data: bytes, limits: Limits | None = None) -> list[object]:
    parser = Parser(limits)
    parser.feed(data)
    return events(parser)


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_messages_and_frames_are_taken_apart_however_they_arrive(step: int) -> None:
    wire = (
        serialize(DESCRIBE)
        + serialize_frame(FRAME)
        + b"\r\n\r\n"
        + serialize(SET)
        + serialize_frame(FRAME)
        + serialize(OK)
    )
    parser = Parser()
    found = []
    for start in range(0, len(wire), step):
        parser.feed(wire[start : start + step])
        found += events(parser)
    assert found == [DESCRIBE, FRAME, SET, FRAME, OK]


def test_a_length_is_added_for_a_body() -> None:
    assert serialize(Response(404, Headers([("CSeq", "1")]), b"no")) == (
        b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\nContent-Length: 2\r\n\r\nno"
    )


def test_header_values_stay_on_their_line() -> None:
    assert serialize(Response(200, Headers([("X", "a\r\nY: b")]))) == b"RTSP/1.0 200 OK\r\nX: aY: b\r\n\r\n"


def test_bare_line_feeds_and_folded_headers_are_understood() -> None:
    (request,) = parsed(b"OPTIONS * RTSP/1.0\nCSeq:1\nUser-Agent: a\n  b\n\n")
    assert isinstance(request, Request)
    assert (request.cseq, request.headers.get("user-agent")) == ("1", "a b")


def test_repeated_headers_are_kept_and_lists_are_split() -> None:
    headers = Headers([("Require", "a, b"), ("require", "c"), ("User-Agent", "x"), ("User-Agent", "y")])
    assert headers.tokens("REQUIRE") == ("a", "b", "c")
    assert headers.all("user-agent") == ("x", "y")
    assert headers.get("missing", "?") == "?"
    assert "require" in headers
    assert "cseq" not in headers


@pytest.mark.parametrize(
    ("data", "status", "message", "cseq", "fatal"),
    [
        (b"GARBAGE\r\nCSeq: 7\r\n\r\n", 400, "request line 'GARBAGE' is malformed", "7", False),
        (b"OPTIONS * RTSP/1.0\r\nC Seq: 7\r\n\r\n", 400, "header name 'C Seq' is malformed", "", False),
        (b"OPTIONS * RTSP/1.0\r\nno colon\r\n\r\n", 400, "header name 'no colon' is malformed", "", False),
        (
            b"X * RTSP/1.0\r\nCSeq: 7\r\nContent-Length: -1\r\n\r\n",
            400,
            "Content-Length '-1' is not a number",
            "7",
            True,
        ),
        (
            b"X * RTSP/1.0\r\nContent-Length: 70000\r\n\r\n",
            413,
            "the body has 70000 bytes; at most 65536 are accepted",
            "",
            True,
        ),
        (
            b"OPTIONS " + b"a" * 5000 + b" RTSP/1.0\r\nCSeq: 1\r\n\r\n",
            414,
            "the request line has 5017 characters; at most 4096 are accepted",
            "1",
            False,
        ),
        (
            b"OPTIONS * RTSP/1.0\r\n" + b"A: b\r\n" * 101 + b"\r\n",
            431,
            "the request has 101 headers; at most 100 are accepted",
            "",
            False,
        ),
        (b"A" * 16_385, 431, "the head of the message has more than 16384 bytes", "", True),
        (b"\x16\x03\x01\x02\x00", 400, "a message can't begin with byte 0x16", "", True),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(
    data: bytes,
    status: int,
    message: str,
    cseq: str,
    fatal: bool,  # noqa: FBT001
) -> None:
    with pytest.raises(RtspError) as caught:
        parsed(data)
    error = caught.value
    assert (error.status, error.message, error.cseq, error.fatal) == (status, message, cseq, fatal)


def test_the_next_message_can_be_read_after_a_malformed_one() -> None:
    parser = Parser()
    parser.feed(b"WHAT\r\nCSeq: 1\r\n\r\n" + serialize(DESCRIBE))
    with pytest.raises(RtspError, match="malformed"):
        parser.next_event()
    assert parser.next_event() == DESCRIBE


def test_limits_hold_while_the_end_of_a_head_has_not_come() -> None:
    parser = Parser(Limits(head=64))
    parser.feed(b"OPTIONS * RTSP/1.0\r\n" + b"A: b\r\n" * 10)
    with pytest.raises(RtspError, match="more than 64 bytes"):
        parser.next_event()
