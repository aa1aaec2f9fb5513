"""Payload formats: how one codec's frames travel in RTP packets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain.media import PacketBlock
from gateway.protocols.rtp import block

MAX_PARTS: Final = 128
"""A frame is joined from at most this many blocks (8 MB); what a stream sends beyond is no frame."""

Piece = tuple[bytes, bytes, bytes, bytes | memoryview]
"""A slice of the frame, to be cut into full packets when it is too long for one.

In front of it: what the format puts in the first packet of several, in those between, and in the last or only one,
all of one length.
"""


@dataclass(frozen=True, slots=True)
class Rest:
    """What a block leaves to the next one of the same frame: the payloads of a unit that is not complete."""

    sequence: int
    """Sequence number that must follow."""
    fragments: tuple[memoryview, ...]


NOTHING: Final = Rest(-1, ())


class PayloadFormat:
    """One codec's payload format: each packet is a unit. The formats of the codecs derive from it."""

    def __call__(self, packets: PacketBlock, /) -> tuple[memoryview, ...]:
        """Depacketise a whole frame (`Depacketizer`)."""
        return self.resume(packets, NOTHING)[0]

    def resume(self, packets: PacketBlock, rest: Rest) -> tuple[tuple[memoryview, ...], Rest]:
        """Depacketise one block of a frame; returns the units that end in it and what is left over.

        A unit with a packet missing is left out, and so is anything malformed.
        """
        units: list[memoryview] = []
        fragments = list(rest.fragments)
        expected = rest.sequence
        for sequence, marker, payload in block.payloads(packets):
            if sequence != expected:
                fragments.clear()
            expected = (sequence + 1) & 0xFFFF
            self._take(payload, fragments, units, last=marker)
        return tuple(units), Rest(expected, tuple(fragments))

    def is_key(self, packets: PacketBlock) -> bool:  # noqa: ARG002 - the formats that know look at them
        """Tell whether decoding can begin with this block."""
        return True

    def pieces(self, frame: Sequence[bytes | memoryview], room: int) -> Iterator[Piece]:
        """Yield the payloads of the packets that carry a frame, for packets with room for so many bytes.

        Raises ValueError when the format can't cut a frame that is too long.
        """
        for unit in frame:
            if len(unit) > room:
                raise ValueError(f"a frame of {len(unit)} bytes does not fit a packet with room for {room}")
            yield b"", b"", b"", unit

    def marks_end(self) -> bool:
        """Tell whether the marker bit stands on the last packet of a frame; for plain audio it means other things."""
        return False

    def _take(self, payload: memoryview, fragments: list[memoryview], units: list[memoryview], *, last: bool) -> None:  # noqa: ARG002
        """Add one packet's payload: to the unit in progress, or to the finished ones."""
        units.append(payload)


class Joined(PayloadFormat):
    """Frames cut at any byte, the last packet marked: metadata documents, LATM, unknown video."""

    def pieces(self, frame: Sequence[bytes | memoryview], room: int) -> Iterator[Piece]:  # noqa: ARG002 - it is cut anywhere
        """Cut the frame into packets."""
        for unit in frame:
            if unit:
                yield b"", b"", b"", memoryview(unit)

    def marks_end(self) -> bool:
        """The last packet is marked."""
        return True

    def _take(self, payload: memoryview, fragments: list[memoryview], units: list[memoryview], *, last: bool) -> None:
        fragments.append(payload)
        if last:
            units.append(joined(fragments))
            fragments.clear()


class PartOfFrame:
    """Depacketiser of one block of a frame that had to be cut: it knows the block before it."""

    __slots__ = ("_format", "_number", "_packets", "_previous", "_result")

    def __init__(self, payload_format: PayloadFormat, packets: PacketBlock, previous: "PartOfFrame | None") -> None:
        self._format = payload_format
        self._packets = packets
        self._number: int = previous._number + 1 if previous else 1  # noqa: SLF001 - another of this class
        self._previous = previous if self._number <= MAX_PARTS else None
        self._result: tuple[tuple[memoryview, ...], Rest] | None = None

    def __call__(self, packets: PacketBlock, /) -> tuple[memoryview, ...]:  # noqa: ARG002 - it has them
        """Return the units that end in this block, with their beginnings from the blocks before."""
        return self.result()[0]

    def result(self) -> tuple[tuple[memoryview, ...], Rest]:
        """Return the units that end in this block, and what it leaves to the next.

        Two threads that ask at once both work it out, to the same result.
        """
        previous = self._previous  # before the result is looked at: the other thread sets that first
        if self._result is None:
            rest = previous.result()[1] if previous else NOTHING
            self._result = self._format.resume(self._packets, rest)
            self._previous = None
        return self._result


def joined(parts: Sequence[bytes | memoryview]) -> memoryview:
    """Return the parts as one; a single one is not copied."""
    return memoryview(parts[0]) if len(parts) == 1 else memoryview(b"".join(parts))
