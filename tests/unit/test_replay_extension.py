"""The header extension of replayed media: its bytes, and that nothing else of a packet changes."""

import pytest

from gateway.domain.media import MediaKind, TrackDescription
from gateway.protocols.rtp import block, ntp
from gateway.protocols.rtp.onvif_extension import SIZE, Mark, extended
from gateway.protocols.rtp.packet import parse
from gateway.protocols.rtp.packetize import Packetizer

H264 = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000)
PCMU = TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8000)
UTC_NS = 1_245_066_540_440_000_000
"""2009-06-15T11:49:00.440Z."""


def test_its_bytes() -> None:
    unit = Packetizer(1, PCMU, 0x11223344, 7).unit([b"sound"], 800, UTC_NS, keyframe=True)
    found = extended(unit, UTC_NS, Mark.CLEAN_POINT | Mark.DISCONTINUITY, 0x1FE)
    assert found.packets.data.hex(" ") == (
        "24 02 00 21 "  # `$`, channel, 33 bytes
        "90 00 00 07 00 00 03 20 11 22 33 44 "  # X is set
        "ab ac 00 03 "
        "cd e0 b3 ac 70 a3 d7 0a "  # seconds since 1900, and 0.44 of 2³²
        "a0 fe 00 00 "  # C and D, the low byte of CSeq, padding
        "73 6f 75 6e 64"
    )
    assert (found.track, found.rtp_time, found.utc_ns, found.keyframe) == (1, 800, UTC_NS, True)


@pytest.mark.parametrize(
    ("marks", "byte"),
    [
        (Mark(0), 0x00),
        (Mark.CLEAN_POINT, 0x80),
        (Mark.END, 0x40),
        (Mark.DISCONTINUITY, 0x20),
        (Mark.LAST, 0x10),
        (Mark.CLEAN_POINT | Mark.END | Mark.DISCONTINUITY | Mark.LAST, 0xF0),
    ],
)
def test_marks(marks: Mark, byte: int) -> None:
    unit = Packetizer(0, PCMU, 1, 0).unit([b""], 0, 0, keyframe=False)
    packet = parse(bytes(next(block.packets(extended(unit, 0, marks, 5).packets))))
    assert packet is not None
    assert (packet.extension_profile, packet.extension[8:]) == (0xABAC, bytes((byte, 5, 0, 0)))


@pytest.mark.parametrize("size", [1, 1300, 1368, 1369, 1384, 20_000])
def test_only_the_first_packet_of_a_frame_has_it(size: int) -> None:
    payload = b"\x65" + bytes(number % 251 for number in range(size))
    unit = Packetizer(0, H264, 0x55, 65_534, 1400 - SIZE).unit([b"\x67sps", payload], 90_000, UTC_NS, keyframe=True)
    found = extended(unit, UTC_NS, Mark.CLEAN_POINT, 1)
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
