"""H.265 in RTP: single NAL units, aggregation packets and fragmentation units (RFC 7798), without DON."""

from gateway.domain.media import PacketBlock
from gateway.protocols.rtp.block import FRAME_HEADER
from gateway.protocols.rtp.nal import HEADERS, PLAIN, NalFormat

VPS, SPS, PPS = 32, 33, 34
_FU = 49
_FIRST_IRAP = 16


class H265Format(NalFormat):
    """RFC 7798 with sprop-max-don-diff=0, which is what cameras send."""

    header_size = 2
    aggregate = 48
    fragment = _FU
    slices = range(32)
    random_access = frozenset({*range(_FIRST_IRAP, 24), VPS, SPS})
    parameter_sets = frozenset({VPS, SPS, PPS})
    single = range(48)

    def type_of(self, unit: bytes | memoryview) -> int:
        """Return the six bits after F (§1.1.4)."""
        return unit[0] >> 1 & 0x3F

    def fragment_type(self, payload: memoryview) -> int:
        """Return the type in the FU header (§4.4.3)."""
        return payload[2] & 0x3F

    def header_of_fragment(self, payload: memoryview) -> bytes:
        """Put the type of the FU header into the payload header."""
        return bytes((payload[0] & 0x81 | (payload[2] & 0x3F) << 1, payload[1]))

    def fragment_header(self, unit: memoryview) -> tuple[bytes, int]:
        """Return the payload header and the type."""
        return bytes((unit[0] & 0x81 | self.fragment << 1, unit[1])), self.type_of(unit)

    def is_key(self, packets: PacketBlock) -> bool:
        """Look no further when the first packet has a slice of types 0 to 15, or a fragment of one: nearly always."""
        data = packets.data
        if len(data) > HEADERS + 2 and data[FRAME_HEADER] == PLAIN:
            kind = data[HEADERS] >> 1 & 0x3F
            if (data[HEADERS + 2] & 0x3F if kind == _FU else kind) < _FIRST_IRAP:
                return False
        return super().is_key(packets)
