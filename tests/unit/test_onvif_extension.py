"""The header extension of replayed frames, byte by byte."""

from gateway.domain.media import MediaKind, TrackDescription
from gateway.protocols.rtp.onvif_extension import SIZE, Mark, extension
from gateway.protocols.rtp.packetize import Packetizer

TRACK = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000)
NOON = 1_795_348_800_500_000_000
"""2026-11-22T12:00:00.5Z."""


def test_it_stands_behind_the_header_of_the_first_packet_only() -> None:
    mark = extension(NOON, Mark.CLEAN_POINT | Mark.DISCONTINUITY, 0x1FE)
    plain, unit = (
        Packetizer(1, TRACK, 0xCAFE, 7, mtu=100).unit([b"\x65" + bytes(range(250))], 1234, NOON, True, more)  # noqa: FBT003
        for more in (b"", mark)
    )
    before, after = plain.packets.data, unit.packets.data
    first = 4 + 100
    assert (len(plain.packets.offsets), unit.packets.offsets[0], unit.packets.offsets[1]) == (3, 0, first + SIZE)
    assert after[:2] == b"$\x02"
    assert int.from_bytes(after[2:4], "big") == 100 + SIZE
    assert after[4] == before[4] | 0x10
    assert after[5:16] == before[5:16]
    seconds = (NOON // 1_000_000_000 + 2_208_988_800).to_bytes(4, "big")
    assert after[16 : 16 + SIZE] == b"\xab\xac\x00\x03" + seconds + b"\x80\x00\x00\x00" + b"\xa0\xfe\x00\x00"
    assert after[16 + SIZE :] == before[16:]
    assert (unit.rtp_time, unit.keyframe, unit.track) == (1234, True, 1)


def test_marks_are_those_of_the_specification() -> None:
    assert [int(mark) for mark in (Mark.CLEAN_POINT, Mark.END, Mark.DISCONTINUITY, Mark.LAST)] == [128, 64, 32, 16]
