"""What the payload formats of H.264 and H.265 share: single NAL units, aggregates and fragments."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from gateway.domain.media import PacketBlock
from gateway.protocols.rtp import block
from gateway.protocols.rtp.packet import HEADER_SIZE
from gateway.protocols.rtp.payload import PayloadFormat, Piece, Rest, joined

HEADERS: Final = block.FRAME_HEADER + HEADER_SIZE
_WORTHWHILE: Final = 4
"""So many packets must follow before they are taken at once."""
_NUMBERS: Final = bytes(range(256))
PLAIN: Final = 0x80
"""First byte of an RTP header without CSRCs, extension and padding."""


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a NAL unit in a packet."""

    type: int
    unit: memoryview
    """The whole NAL unit, or of a fragmented one an empty view."""


class NalFormat(PayloadFormat):
    """The payload format of a codec made of NAL units. Types and header sizes differ, the shape does not."""

    header_size: ClassVar[int]
    aggregate: ClassVar[int]
    fragment: ClassVar[int]
    slices: ClassVar[range]
    """Types of coded slices."""
    random_access: ClassVar[frozenset[int]]
    """Types at whose sight decoding can begin: intra slices and the first of the parameter sets."""
    parameter_sets: ClassVar[frozenset[int]]
    single: ClassVar[range]
    """Types that travel as they are."""

    @abstractmethod
    def type_of(self, unit: bytes | memoryview) -> int:
        """Return the type in a NAL unit's header."""

    @abstractmethod
    def fragment_type(self, payload: memoryview) -> int:
        """Return the type of the NAL unit that a fragment belongs to."""

    @abstractmethod
    def header_of_fragment(self, payload: memoryview) -> bytes:
        """Return the header of the NAL unit that a fragment belongs to."""

    @abstractmethod
    def fragment_header(self, unit: memoryview) -> tuple[bytes, int]:
        """Return the payload header of a unit's fragments, and the type to put into the byte after it."""

    def is_key(self, packets: PacketBlock) -> bool:
        """Tell whether the block begins an intra picture or carries its parameter sets."""
        for head in self._heads(packets):
            if head.type in self.random_access:
                return True
            if head.type in self.slices:
                return False
        return False

    def resume(self, packets: PacketBlock, rest: Rest) -> tuple[tuple[memoryview, ...], Rest]:
        """Depacketise one block of a frame, as every format does; the middle of a long unit is taken at once."""
        data, view, offsets = packets.data, memoryview(packets.data), packets.offsets
        units: list[memoryview] = []
        fragments, expected = list(rest.fragments), rest.sequence
        index, count = 0, len(offsets)
        while index < count:
            found = block.payload(packets, view, index)
            index += 1
            if found is None:
                continue
            sequence, marker, payload = found
            if sequence != expected:
                fragments.clear()
            expected = (sequence + 1) & 0xFFFF
            self._take(payload, fragments, units, last=marker)
            if fragments and count - index > _WORTHWHILE:
                more = self._middle(data, offsets, index - 1)
                size = offsets[index] - offsets[index - 1]
                begin = offsets[index] + HEADERS + self.header_size + 1
                fragments += [
                    view[at : at + size - (begin - offsets[index])] for at in range(begin, begin + more * size, size)
                ]
                index += more
                expected = (expected + more) & 0xFFFF
        return tuple(units), Rest(expected, tuple(fragments))

    def inband(self, packets: PacketBlock) -> tuple[bytes, ...]:
        """Return the parameter sets in front of the first slice, in order."""
        found = []
        for head in self._heads(packets):
            if head.type in self.slices:
                break
            if head.type in self.parameter_sets and len(head.unit) > self.header_size:
                found.append(bytes(head.unit))
        return tuple(found)

    def pieces(self, frame: Sequence[bytes | memoryview], room: int) -> Iterator[Piece]:
        """Yield every NAL unit as it is, or cut into fragments when it is too long."""
        for unit in frame:
            if len(unit) <= room:
                yield b"", b"", b"", unit
                continue
            view = memoryview(unit)
            header, kind = self.fragment_header(view)
            first, middle, last = (header + bytes((flags | kind,)) for flags in (0x80, 0, 0x40))
            yield first, middle, last, view[self.header_size :]  # always several packets: the unit exceeds the room

    def marks_end(self) -> bool:
        """The last packet of a picture is marked."""
        return True

    def _heads(self, packets: PacketBlock) -> Iterator[Head]:
        nothing = memoryview(b"")
        for _, _, payload in block.payloads(packets):
            if len(payload) <= self.header_size:
                continue
            kind = self.type_of(payload)
            if kind == self.fragment:
                if payload[self.header_size] & 0x80:
                    yield Head(self.fragment_type(payload), nothing)
                elif self.fragment_type(payload) in self.slices:
                    return
            elif kind == self.aggregate:
                for unit in self._split(payload):
                    yield Head(self.type_of(unit), unit)
            else:
                yield Head(kind, payload)

    def _take(self, payload: memoryview, fragments: list[memoryview], units: list[memoryview], *, last: bool) -> None:  # noqa: ARG002
        if len(payload) <= self.header_size:
            return
        kind = self.type_of(payload)
        if kind == self.fragment:
            self._take_fragment(payload, fragments, units)
            return
        fragments.clear()
        if kind == self.aggregate:
            units.extend(self._split(payload))
        elif kind in self.single:
            units.append(payload)

    def _take_fragment(self, payload: memoryview, fragments: list[memoryview], units: list[memoryview]) -> None:
        flags = payload[self.header_size]
        body = payload[self.header_size + 1 :]
        if flags & 0x80:
            fragments[:] = [memoryview(self.header_of_fragment(payload)), body]
        elif fragments:
            fragments.append(body)
        if flags & 0x40 and fragments:
            units.append(joined(fragments))
            fragments.clear()

    def _middle(self, data: bytes, offsets: Sequence[int], index: int) -> int:
        """Return how many packets behind one with a fragment are like it and go on with its NAL unit.

        Whole columns of bytes are compared, which costs a fraction of looking at packets one by one.
        """
        first, follows = offsets[index], offsets[index + 1]
        size, low = follows - first, data[first + 7]
        fragment_header = HEADERS + self.header_size
        count = min(len(offsets) - 2 - index, 0xFF - low)
        if size <= fragment_header or data[first + 4] != PLAIN:
            return 0
        goes_on = bytes((data[first + fragment_header] & 0x3F,))
        for column in (2, 3, 4, 6, *range(HEADERS, fragment_header + 1)):
            alike = goes_on if column == fragment_header else data[first + column : first + column + 1]
            values = data[follows + column : follows + count * size : size]
            count = len(values) - len(values.lstrip(alike))  # packets may be fewer than there was room for
        numbers = data[follows + 7 : follows + count * size : size]
        if numbers != _NUMBERS[low + 1 : low + 1 + count] or offsets[index + count] != first + count * size:
            return 0
        return count

    def _split(self, payload: memoryview) -> Iterator[memoryview]:
        position, end = self.header_size, len(payload)
        while position + 2 + self.header_size <= end:
            size = payload[position] << 8 | payload[position + 1]
            unit = payload[position + 2 : position + 2 + size]
            if len(unit) < size:
                return
            if size >= self.header_size:
                yield unit
            position += 2 + size
