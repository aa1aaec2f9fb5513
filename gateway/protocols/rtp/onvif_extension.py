"""The RTP header extension of replayed media (ONVIF Streaming §6.3): when a frame was taken, and where it stands."""

import struct
from enum import IntFlag
from typing import Final

from gateway.protocols.rtp import ntp

SIZE: Final = 16
"""Bytes that it adds to the first packet of a frame."""

_EXTENSION = struct.Struct("!HHQBB2x")
_PROFILE: Final = 0xABAC
_WORDS: Final = 3


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
