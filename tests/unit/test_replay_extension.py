"""The header extension of replayed media fits where it is put, and changes nothing else of a frame."""

import pytest

from gateway.domain.media import MediaKind, TrackDescription
from gateway.protocols.rtp import block, ntp
from gateway.protocols.rtp.onvif_extension import SIZE, Mark, capture_time, extension
from gateway.protocols.rtp.packet import parse
from gateway.protocols.rtp.packetize import Packetizer

H264 = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000)
UTC_NS = 1_245_066_540_440_000_000
"""2009-06-15T11:49:00.440Z."""


@pytest.mark.parametrize("size", [1, 1300, 1368, 1369, 1384, 20_000])
def test_only_the_first_packet_of_a_frame_has_it(size: int) -> None:
    payload = b"\x65" + bytes(number % 251 for number in range(size))
    unit, found = (
        Packetizer(0, H264, 0x55, 65_534, 1400 - SIZE).unit(
            [b"\x67sps", payload], 90_000, UTC_NS, keyframe=True, extension=more
        )
        for more in (b"", extension(UTC_NS, Mark.CLEAN_POINT, 1))
    )
    before, after = list(block.packets(unit.packets)), list(block.packets(found.packets))
    assert [bytes(packet) for packet in after[1:]] == [bytes(packet) for packet in before[1:]]
    assert max(map(len, after)) <= 1400
    first, plain = parse(bytes(after[0])), parse(bytes(before[0]))
    assert first is not None
    assert plain is not None
    assert ntp.to_utc_ns(int.from_bytes(first.extension[:8], "big")) == pytest.approx(UTC_NS, abs=1)
    assert (first.sequence, first.timestamp, first.ssrc, first.marker, bytes(first.payload)) == (
        plain.sequence,
        plain.timestamp,
        plain.ssrc,
        plain.marker,
        bytes(plain.payload),
    )
    assert [part.tobytes() for part in found.payload()] == [b"\x67sps", payload]
    assert capture_time(found.packets) == pytest.approx(UTC_NS, abs=1)
    assert capture_time(unit.packets) is None
