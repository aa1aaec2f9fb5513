"""WebSocket (RFC 6455) on the server's side: the opening handshake and frames."""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from gateway.domain.errors import ErrorKind, GatewayError

MAX_FRAME: Final = 256 * 1024
"""Bytes; clients send us only RTSP requests and receiver reports."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16
_SHORT, _MEDIUM, _LONG = 125, 126, 127
_MAX_CONTROL: Final = 125


class Opcode(IntEnum):
    """What a frame carries (RFC 6455 §5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, unmasked."""

    opcode: Opcode
    payload: bytes
    final: bool = True


def accept_key(key: str) -> str:
    """Return Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2). Raises GatewayError (INVALID)."""
    try:
        nonce = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        nonce = b""
    if len(nonce) != _KEY_BYTES:
        raise GatewayError(ErrorKind.INVALID, f"Sec-WebSocket-Key {key[:40]!r} is not 16 bytes in base64")
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def accept_response(key: str, subprotocol: str) -> bytes:
    """Return the 101 response that opens the connection with a sub-protocol."""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    ).encode()


def serialize(frame: Frame) -> bytes:
    """Return a frame as a server sends it: unmasked."""
    return header(frame.opcode, len(frame.payload), final=frame.final) + frame.payload


def header(opcode: Opcode, length: int, *, final: bool = True) -> bytes:
    """Return the header of an unmasked frame."""
    first = (0x80 if final else 0) | opcode
    if length <= _SHORT:
        return bytes((first, length))
    if length < 1 << 16:
        return bytes((first, _MEDIUM)) + length.to_bytes(2, "big")
    return bytes((first, _LONG)) + length.to_bytes(8, "big")


def binary(parts: Iterable[bytes]) -> bytes:
    """Return one binary frame made of several parts."""
    payload = b"".join(parts)
    return header(Opcode.BINARY, len(payload)) + payload


class Parser:
    """Takes a client's bytes as they come and gives frames one by one."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._max = max_frame

    def feed(self, data: bytes) -> None:
        """Take received bytes."""
        self._buffer += data

    def next_frame(self) -> Frame | None:
        """Return the next complete frame. Raises GatewayError (INVALID), after which the connection must end."""
        buffer = self._buffer
        if len(buffer) < 2:  # noqa: PLR2004 - the shortest header
            return None
        opcode = self._check(buffer[0], buffer[1])
        length, start = buffer[1] & 0x7F, 2
        if length > _SHORT:
            start = 4 if length == _MEDIUM else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start], "big")
        if length > self._max:
            raise GatewayError(
                ErrorKind.INVALID, f"a WebSocket frame has {length} bytes; at most {self._max} are accepted"
            )
        end = start + 4 + length
        if len(buffer) < end:
            return None
        payload = _unmask(bytes(buffer[start + 4 : end]), bytes(buffer[start : start + 4]))
        frame = Frame(opcode, payload, final=bool(buffer[0] & 0x80))
        del buffer[:end]
        return frame

    @staticmethod
    def _check(first: int, second: int) -> Opcode:
        if first & 0x70 or (first & 0x0F) not in Opcode._value2member_map_:
            raise GatewayError(ErrorKind.INVALID, f"a WebSocket frame begins with 0x{first:02x}, which is reserved")
        if not second & 0x80:
            raise GatewayError(ErrorKind.INVALID, "a client's WebSocket frame is not masked")
        opcode = Opcode(first & 0x0F)
        if opcode >= Opcode.CLOSE and (not first & 0x80 or second & 0x7F > _MAX_CONTROL):
            raise GatewayError(ErrorKind.INVALID, f"a WebSocket {opcode.name} frame is fragmented or too long")
        return opcode


def _unmask(payload: bytes, key: bytes) -> bytes:
    """XOR with the repeated key, as one large integer: a loop over bytes would be a hundred times slower."""
    mask = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(payload), "big")


mask = _unmask
"""Masking is its own inverse; clients (and tests) mask with it."""
