"""The RTP header extension of replayed media (ONVIF Streaming §6.3): when a frame was taken, and where it stands."""

import struct
from enum import IntFlag
from typing import Final

from gateway.domain.media import PacketBlock
from gateway.protocols.rtp import ntp

SIZE: Final = 16
"""Bytes that it adds to the first packet of a frame."""

_EXTENSION = struct.Struct("!HHQBB2x")
_PROFILE: Final = 0xABAC
_WORDS: Final = 3
_FRAME_HEADER: Final = 4
_RTP_HEADER: Final = 12
_HAS_EXTENSION: Final = 0x10
_SOURCES: Final = 0x0F
"""In the first byte of an RTP header (RFC 3550 §5.1)."""


class Mark(IntFlag):
    """Where a frame stands."""

    CLEAN_POINT = 0x80
    """Decoding can begin with it."""
    END = 0x40
    """It is the last of a contiguous section."""
    DISCONTINUITY = 0x20
    """It does not follow the frame that was sent before it."""
    LAST = 0x10
    """The track has no more data."""


def extension(utc_ns: int, marks: int, cseq: int) -> bytes:
    """Return the extension of a frame's first packet; `cseq` is that of the PLAY that it answers."""
    return _EXTENSION.pack(_PROFILE, _WORDS, ntp.from_utc_ns(utc_ns), marks, cseq & 0xFF)


def capture_time(packets: PacketBlock) -> int | None:
    """Return when a frame was taken, by its first packet, in UTC nanoseconds; None where that does not say it."""
    data, header = packets.data, _FRAME_HEADER
    if not data[header] & _HAS_EXTENSION:
        return None
    start = header + _RTP_HEADER + 4 * (data[header] & _SOURCES)
    if len(data) < start + SIZE:
        return None
    profile, words, time, _, _ = _EXTENSION.unpack_from(data, start)
    return ntp.to_utc_ns(time) if profile == _PROFILE and words >= _WORDS and time else None
