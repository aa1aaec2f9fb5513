"""The video of the bench's cameras: H.264 in RTP, 4 Mbit/s, 25 fps, a GOP of 50, every packet with its send time.

Packets carry `TIME` and 16 hex digits of the monotonic clock behind their payload header, so whoever receives one on
the same machine knows how long it took. The content never looks like a start code, `$` or `RTSP`.
"""

import random
import struct
import time
from collections.abc import Iterator
from functools import cache

FPS = 25
GOP = 50
BITRATE = 4_000_000
CLOCK = 90_000
PACKET = 1400
"""Bytes of a full RTP packet."""
KEYFRAME = 100_000
"""Bytes of an IDR picture; the others share what is left of the GOP."""
MARK = b"TIME"
MARK_AT = 14
"""Offset of the mark in an RTP packet of a picture: behind the RTP header and FU-A's two bytes."""
STAMP = struct.Struct("!4s16s")

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=bench\r\nt=0 0\r\na=control:*\r\n"
    "m=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 packetization-mode=1;profile-level-id=42C028;"
    "sprop-parameter-sets=Z0LAKNoB4AiflwFqAgICgAAAAwCAAAAZB4wZUA==,aM48gA==\r\n"
    "a=framerate:25\r\na=control:trackID=0\r\n"
)
_PARAMETER_SETS = (
    bytes.fromhex("6742c028da01e0089f97016a020202800000030080000019078c1950"),
    bytes.fromhex("68ce3c80"),
)
_HEADER = struct.Struct("!BBHII")


def frame_sizes() -> Iterator[int]:
    """Return the sizes of one GOP's pictures: what is there at 4 Mbit/s, differing as pictures do."""
    rest = BITRATE // 8 * GOP // FPS - KEYFRAME
    noise = random.Random(1)
    weights = [noise.uniform(0.6, 1.4) for _ in range(GOP - 1)]
    yield KEYFRAME
    yield from (round(rest * weight / sum(weights)) for weight in weights)


@cache
def gop() -> tuple["Frame", ...]:
    """Return the frames of one GOP."""
    return tuple(Frame(size, key=index == 0) for index, size in enumerate(frame_sizes()))


class Frame:
    """One access unit, framed for interleaved TCP, as a template that `stamped` completes."""

    def __init__(self, size: int, *, key: bool) -> None:
        self.key = key
        payloads = [*(_PARAMETER_SETS if key else ()), *_fragments(size, 5 if key else 1)]
        self.offsets: list[int] = []
        self._template = bytearray()
        for payload in payloads:
            self.offsets.append(len(self._template))
            self._template += struct.pack("!BBH", 0x24, 0, 12 + len(payload)) + bytes(12) + payload
        self._pictures = [offset for offset, payload in zip(self.offsets, payloads, strict=True) if MARK in payload]

    def __len__(self) -> int:
        return len(self._template)

    def stamped(self, sequence: int, timestamp: int, ssrc: int) -> bytearray:
        """Return the frame with its RTP headers and the time of now."""
        data = bytearray(self._template)
        last = self.offsets[-1]
        for number, offset in enumerate(self.offsets):
            marker = 0x80 if offset == last else 0
            _HEADER.pack_into(
                data, offset + 4, 0x80, marker | 96, (sequence + number) & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
            )
        mark = b"%s%016x" % (MARK, time.monotonic_ns())
        for offset in self._pictures:
            data[offset + 4 + MARK_AT : offset + 4 + MARK_AT + len(mark)] = mark
        return data


def _fragments(size: int, kind: int) -> Iterator[bytes]:
    """Cut a picture into FU-A packets (RFC 6184 §5.8)."""
    room = PACKET - 12 - 2
    count = max(2, -(-size // room))
    noise = random.Random(size)
    content = bytes(noise.choices(range(0x80, 0x100), k=256)) * (room // 256 + 1)
    for index in range(count):
        length = min(room, max(size - index * room, STAMP.size))
        flags = (0x80 if index == 0 else 0) | (0x40 if index == count - 1 else 0)
        yield bytes((0x7C if kind == 5 else 0x5C, flags | kind)) + MARK + bytes(16) + content[: length - STAMP.size]


def is_key_packet(data: bytes | bytearray | memoryview, start: int) -> bool:
    """Tell whether the RTP packet at `start` begins a key frame: parameter sets, or an IDR's first packet."""
    kind = data[start + 12] & 0x1F
    return kind in {5, 7, 24} or (kind == 28 and data[start + 13] & 0x9F == 0x85)
