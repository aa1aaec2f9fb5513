"""The RTP header extension of replayed media (ONVIF Streaming §6.3): when a frame was taken, and where it stands."""

import struct
from enum import IntFlag
from typing import Final

from gateway.domain.media import AccessUnit, PacketBlock
from gateway.protocols.rtp import ntp

SIZE: Final = 16
"""Bytes that it adds to the first packet of a frame."""

_EXTENSION = struct.Struct("!HHQBB2x")
_PROFILE: Final = 0xABAC
_WORDS: Final = 3
_HEADERS: Final = 4 + 12
_EXTENDED: Final = 0x10
"""The bit X of an RTP header (RFC 3550 §5.1)."""


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


def extended(unit: AccessUnit, utc_ns: int, marks: Mark, cseq: int) -> AccessUnit:
    """Return a unit whose first packet carries the extension; `cseq` is that of the PLAY that it answers."""
    extension = _EXTENSION.pack(_PROFILE, _WORDS, ntp.from_utc_ns(utc_ns), marks, cseq & 0xFF)
    data, offsets = unit.packets.data, unit.packets.offsets
    size = int.from_bytes(data[2:4], "big") + SIZE
    head = data[:2] + size.to_bytes(2, "big") + bytes((data[4] | _EXTENDED,)) + data[5:_HEADERS]
    moved = [offset + SIZE for offset in offsets]
    moved[0] = 0
    block = PacketBlock(b"".join((head, extension, memoryview(data)[_HEADERS:])), moved)
    return AccessUnit(unit.track, unit.rtp_time, unit.utc_ns, unit.keyframe, block, unit.depacketize)
