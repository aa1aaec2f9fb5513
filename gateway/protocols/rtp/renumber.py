"""Packets of one source told as another's: viewers who follow a source go on when a camera begins anew."""

import struct
from dataclasses import dataclass
from typing import Final

from gateway.domain.media import PacketBlock

_FIELDS: Final = struct.Struct("!HII")
"""Sequence number, timestamp and SSRC (RFC 3550 §5.1)."""
_AT: Final = 6
"""Where they are, behind the interleaved header and the first two bytes of the packet."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Sequence number, timestamp and SSRC of a packet."""

    sequence: int
    timestamp: int
    ssrc: int


def first_numbers(block: PacketBlock) -> Numbers:
    """Return the numbers of the first packet of a block."""
    return Numbers(*_FIELDS.unpack_from(block.data, _AT))


@dataclass(frozen=True, slots=True)
class Renumbering:
    """What is added to sequence numbers and timestamps, and the SSRC instead of the source's own."""

    sequence: int
    timestamp: int
    ssrc: int

    def __call__(self, block: PacketBlock) -> PacketBlock:
        """Return a block with other numbers."""
        data, more, ticks, ssrc = bytearray(block.data), self.sequence, self.timestamp, self.ssrc
        read, write = _FIELDS.unpack_from, _FIELDS.pack_into
        for offset in block.offsets:
            at = offset + _AT
            sequence, timestamp, _ = read(data, at)
            write(data, at, sequence + more & 0xFFFF, timestamp + ticks & 0xFFFFFFFF, ssrc)
        return PacketBlock(bytes(data), block.count)
