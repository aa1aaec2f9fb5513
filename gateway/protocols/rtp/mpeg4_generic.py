"""AAC in RTP: access units with their sizes in front (RFC 3640)."""

from collections.abc import Iterator, Sequence

from gateway.protocols.rtp import fmtp
from gateway.protocols.rtp.payload import PayloadFormat, Piece, joined

_MAX_HEADER_BITS = 64 * 32
"""Nobody puts more access units into a packet."""


class Mpeg4GenericFormat(PayloadFormat):
    """RFC 3640 §3.2 with sizes and indexes as the fmtp says; AAC-hbr's 13 and 3 bits when it says nothing."""

    def __init__(self, parameters: str) -> None:
        values = fmtp.parse(parameters)
        self._size_bits = fmtp.integer(values, "sizelength", 13)
        self._first_bits = self._size_bits + fmtp.integer(values, "indexlength", 3)
        self._next_bits = self._size_bits + fmtp.integer(values, "indexdeltalength", 3)

    def pieces(self, frame: Sequence[bytes | memoryview], room: int) -> Iterator[Piece]:
        """Put several short access units into one packet, or cut a single long one into fragments (§3.2.3)."""
        units = [memoryview(unit) for unit in frame]
        header = self._headers([len(unit) for unit in units])
        room -= len(header)
        if sum(map(len, units)) <= room:
            yield header, header, header, joined(units)
        elif len(units) == 1:
            yield header, header, header, units[0]
        else:
            raise ValueError(f"{len(units)} access units do not fit a packet with room for {room} bytes")

    def marks_end(self) -> bool:
        """The last fragment of an access unit is marked (§3.1)."""
        return True

    def _take(self, payload: memoryview, fragments: list[memoryview], units: list[memoryview], *, last: bool) -> None:  # noqa: ARG002
        sizes, data = self._parse(payload)
        if len(sizes) == 1 and sizes[0] > len(data):
            self._take_fragment(sizes[0], payload, fragments, units)
            return
        fragments.clear()
        for size in sizes:
            if size > len(data):
                return
            units.append(data[:size])
            data = data[size:]

    def _take_fragment(
        self, size: int, payload: memoryview, fragments: list[memoryview], units: list[memoryview]
    ) -> None:
        fragments.append(payload)
        parts = [self._parse(fragment)[1] for fragment in fragments]
        if sum(map(len, parts)) >= size:
            units.append(joined(parts)[:size])
            fragments.clear()

    def _parse(self, payload: memoryview) -> tuple[list[int], memoryview]:
        """Return the sizes of the access units in a packet, and its data."""
        if self._size_bits == 0 or len(payload) < 2:  # noqa: PLR2004 - AU-headers-length
            return [], payload[:0]
        bits = payload[0] << 8 | payload[1]
        end = 2 + (bits + 7) // 8
        if end > len(payload) or bits > _MAX_HEADER_BITS:
            return [], payload[:0]
        section = int.from_bytes(payload[2:end], "big") >> (-bits % 8)
        sizes = []
        width = self._first_bits
        while bits >= width:
            bits -= width
            sizes.append((section >> bits & (1 << width) - 1) >> (width - self._size_bits))
            width = self._next_bits
        return sizes, payload[end:]

    def _headers(self, sizes: Sequence[int]) -> bytes:
        """Return the AU header section; every index and delta is 0, as without interleaving."""
        section = bits = 0
        width = self._first_bits
        for size in sizes:
            if size >> self._size_bits:
                raise ValueError(f"an access unit of {size} bytes is too long for a size of {self._size_bits} bits")
            section = section << width | size << (width - self._size_bits)
            bits += width
            width = self._next_bits
        padding = -bits % 8
        return bits.to_bytes(2, "big") + (section << padding).to_bytes((bits + padding) // 8, "big")
