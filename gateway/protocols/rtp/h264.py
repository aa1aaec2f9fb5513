"""H.264 in RTP: single NAL units, STAP-A and FU-A (RFC 6184)."""

from gateway.domain.media import PacketBlock
from gateway.protocols.rtp.block import FRAME_HEADER
from gateway.protocols.rtp.nal import HEADERS, PLAIN, NalFormat

IDR, SPS, PPS = 5, 7, 8
_FU_A = 28


class H264Format(NalFormat):
    """RFC 6184 in packetization modes 0 and 1."""

    header_size = 1
    aggregate = 24
    fragment = _FU_A
    slices = range(1, 6)
    random_access = frozenset({IDR, SPS})
    parameter_sets = frozenset({SPS, PPS})
    single = range(1, 24)

    def type_of(self, unit: bytes | memoryview) -> int:
        """Return the low five bits (§5.3)."""
        return unit[0] & 0x1F

    def fragment_type(self, payload: memoryview) -> int:
        """Return the type in the FU header (§5.8)."""
        return payload[1] & 0x1F

    def header_of_fragment(self, payload: memoryview) -> bytes:
        """Join F and NRI of the indicator and the type of the FU header."""
        return bytes((payload[0] & 0xE0 | payload[1] & 0x1F,))

    def fragment_header(self, unit: memoryview) -> tuple[bytes, int]:
        """Return the FU indicator and the type."""
        return bytes((unit[0] & 0xE0 | self.fragment,)), unit[0] & 0x1F

    def is_key(self, packets: PacketBlock) -> bool:
        """Look no further when the first packet has a NAL unit of type 1, or a fragment of one: nearly always."""
        data = packets.data
        if len(data) > HEADERS + 1 and data[FRAME_HEADER] == PLAIN:
            kind = data[HEADERS] & 0x1F
            if (data[HEADERS + 1] & 0x1F if kind == _FU_A else kind) == 1:
                return False
        return super().is_key(packets)
