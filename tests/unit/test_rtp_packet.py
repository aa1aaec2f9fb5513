"""RTP packets, packet blocks, unwrapping and NTP."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.rtp import block, ntp, packet
from gateway.protocols.rtp.timeline import CameraClock, Timeline

u16, u32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)


packets = st.builds(
    lambda extension, **fields: packet.RtpPacket(extension_profile=extension[0], extension=extension[1], **fields),
    payload_type=st.integers(0, 127),
    sequence=u16,
    timestamp=u32,
    ssrc=u32,
    marker=st.booleans(),
    payload=st.binary(max_size=50),
    csrcs=st.lists(u32, max_size=15).map(tuple),
    extension=st.just((None, b"")) | st.tuples(u16, st.binary(max_size=8).map(lambda data: data * 4)),
)


@given(packets)
def test_a_packet_comes_back_as_it_was(made: packet.RtpPacket) -> None:
    assert packet.parse(packet.serialize(made)) == made


@given(st.binary(max_size=60))
def test_any_bytes_are_a_packet_or_none(data: bytes) -> None:
    found = packet.parse(data)
    assert found is None or len(found.payload) <= len(data) - 12


def test_padding_is_not_payload() -> None:
    data = bytes.fromhex("a0600001 00000002 00000003".replace(" ", "")) + b"abc" + b"\0\0\3"
    assert bytes(packet.parse(data).payload) == b"abc"


def test_more_padding_than_packet_is_no_packet() -> None:
    assert packet.parse(bytes.fromhex("a06000010000000200000003") + b"abc\x20") is None


def test_a_block_gives_its_packets_back() -> None:
    sent = [packet.serialize(packet.RtpPacket(96, n, 1, 2, n == 8, bytes((n,)))) for n in (7, 8)]
    made = block.frame(sent, 4)
    assert made.data[made.offsets[1] : made.offsets[1] + 4] == b"$\x04\x00\x0d"
    assert [bytes(view) for view in block.packets(made)] == sent
    assert [(n, marker, bytes(view)) for n, marker, view in block.payloads(made)] == [
        (7, False, b"\7"),
        (8, True, b"\x08"),
    ]


@given(st.integers(0, 2**40), st.lists(st.integers(-(2**30), 2**30), max_size=20))
def test_unwrapped_timestamps_keep_their_distance(start: int, steps: list[int]) -> None:
    timeline = Timeline(90_000, CameraClock())
    value, (before, _) = start + 2**40, timeline.capture((start + 2**40) & 0xFFFFFFFF, 0)
    for step in steps:
        value += step
        after, _ = timeline.capture(value & 0xFFFFFFFF, 0)
        assert after & 0xFFFFFFFF == value & 0xFFFFFFFF
        assert after - before in {step, step + 2**32}
        before = after


@given(st.integers(0, 4_000_000_000 * ntp.NS))
def test_ntp_comes_back_to_the_nanosecond(utc_ns: int) -> None:
    assert abs(ntp.to_utc_ns(ntp.from_utc_ns(utc_ns)) - utc_ns) <= 1


def test_ntp_counts_from_1900() -> None:
    assert ntp.from_utc_ns(0) >> 32 == 2_208_988_800
    assert ntp.middle(0x0123_4567_89AB_CDEF) == 0x4567_89AB
