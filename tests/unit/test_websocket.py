import pytest

from gateway.domain.errors import GatewayError
from gateway.protocols.websocket import Frame, Opcode, Parser, accept_key, accept_response, binary, mask, serialize


def client_frame(
    payload: bytes, opcode: int = Opcode.BINARY, *, final: bool = True, key: bytes = b"\x01\x02\x03\x04"
) -> bytes:
    plain = serialize(Frame(Opcode(opcode), payload, final))
    header = plain[: len(plain) - len(payload)]
    return header[:1] + bytes([header[1] | 0x80]) + header[2:] + key + mask(payload, key)


def test_the_handshake_of_the_specification() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    response = accept_response("dGhlIHNhbXBsZSBub25jZQ==", "rtsp.onvif.org")
    assert response.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nSec-WebSocket-Protocol: rtsp.onvif.org\r\n" in response
    with pytest.raises(GatewayError, match=r"^Sec-WebSocket-Key 'short' is not 16 bytes in base64$"):
        accept_key("short")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("step", [1000, 100_000])
def test_frames_of_every_length(size: int, step: int) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    data = client_frame(payload) + client_frame(b"next", Opcode.CONTINUATION)
    parser = Parser()
    found = []
    for start in range(0, len(data), step):
        parser.feed(data[start : start + step])
        while (frame := parser.next_frame()) is not None:
            found.append(frame)
    assert found == [Frame(Opcode.BINARY, payload), Frame(Opcode.CONTINUATION, b"next")]
    assert serialize(found[0]) == binary((payload[:5], payload[5:]))


def test_fragments_are_told() -> None:
    parser = Parser()
    parser.feed(client_frame(b"a", final=False))
    assert parser.next_frame() == Frame(Opcode.BINARY, b"a", final=False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x82\x01a", "a client's WebSocket frame is not masked"),
        (b"\xc2\x81", "a WebSocket frame begins with 0xc2, which is reserved"),
        (b"\x83\x81", "a WebSocket frame begins with 0x83, which is reserved"),
        (b"\x09\x80", "a WebSocket PING frame is fragmented or too long"),
        (b"\x82\xff" + (300_000).to_bytes(8, "big"), "a WebSocket frame has 300000 bytes; at most 262144 are accepted"),
    ],
)
def test_wrong_frames_are_refused(data: bytes, message: str) -> None:
    parser = Parser()
    parser.feed(data)
    with pytest.raises(GatewayError, match=f"^{message}$"):
        parser.next_frame()
