"""A source that begins anew is told on: numbers without a gap, timestamps as far on as the capture times are."""

import pytest
from rtsp_peers import VIDEO

from gateway.domain.media import AccessUnit
from gateway.protocols.rtp import packet
from gateway.protocols.rtp.packetize import Packetizer
from gateway.servers.rtsp_continuation import Continuation

SECOND = 1_000_000_000
LARGE = b"\x65" + bytes(5000)


def packets(unit: AccessUnit) -> list[packet.RtpPacket]:
    block = unit.packets
    ends = [*block.offsets[1:], len(block.data)]
    found = [packet.parse(block.data[start + 4 : end]) for start, end in zip(block.offsets, ends, strict=True)]
    return [each for each in found if each is not None]


@pytest.mark.parametrize("sequence", [0, 7, 40_000, 65_533])
def test_another_source_is_numbered_on(sequence: int) -> None:
    old, new = Packetizer(0, VIDEO, 0xAA, 65_530), Packetizer(0, VIDEO, 0xBB, sequence)
    last = old.unit([LARGE], 2**32 - 1000, 10 * SECOND, keyframe=True)
    first, second = (new.unit([LARGE], 500 + n * 3600, 12 * SECOND + n * 40_000_000, keyframe=not n) for n in range(2))
    continuation = Continuation(90_000)
    continuation.after(last)
    told = [continuation.next(first), continuation.next(second)]
    sent = [each for unit in (last, *told) for each in packets(unit)]
    assert [each.sequence for each in sent] == [(65_530 + n) % 65_536 for n in range(len(sent))]
    assert len(sent) > 9
    assert {each.ssrc for each in sent} == {0xAA}
    assert [unit.rtp_time for unit in told] == [2**32 - 1000 + 180_000, 2**32 - 1000 + 183_600]
    for unit, source in zip(told, (first, second), strict=True):
        assert {each.timestamp for each in packets(unit)} == {unit.rtp_time & 0xFFFFFFFF}
        assert unit.payload() == source.payload()
        assert [each.marker for each in packets(unit)] == [each.marker for each in packets(source)]
    assert packets(continuation.told(first)) == packets(told[0]), "a viewer that comes later is told the same"


def test_a_third_source_goes_on_from_what_was_told_of_the_second() -> None:
    continuation, time, told = Continuation(90_000), 0, []
    for ssrc, sequence in ((1, 100), (2, 5), (3, 60_000)):
        unit = Packetizer(0, VIDEO, ssrc, sequence).unit([b"\x65\x00"], 77, time, keyframe=True)
        told.append(continuation.next(unit))
        continuation.after(told[-1])
        time += SECOND
    [numbers] = {each.ssrc for unit in told for each in packets(unit)}
    assert numbers == 1
    assert [each.sequence for unit in told for each in packets(unit)] == [100, 101, 102]
    assert [unit.rtp_time for unit in told] == [77, 90_077, 180_077]


def test_a_source_that_goes_on_is_left_as_it_is() -> None:
    source, continuation = Packetizer(0, VIDEO, 1, 1), Continuation(90_000)
    first, second = (source.unit([b"\x65\x00"], n, n, keyframe=True) for n in range(2))
    continuation.after(first)
    assert continuation.next(second) is second
    continuation.after(None)
    assert continuation.next(second) is second


def test_a_clock_that_was_set_back_never_sets_back_the_time_of_viewers() -> None:
    continuation = Continuation(90_000)
    continuation.after(Packetizer(0, VIDEO, 1, 1).unit([b"\x65\x00"], 1000, 100 * SECOND, keyframe=True))
    late = continuation.next(Packetizer(0, VIDEO, 2, 9).unit([b"\x65\x00"], 5, 40 * SECOND, keyframe=True))
    assert late.rtp_time == 1001
