"""The capture time in the header extension of replayed frames (ONVIF Streaming §6.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.media import PacketBlock
from gateway.protocols.rtp.onvif_extension import Mark, capture_time, extension

TIME = 1_795_429_298_779_886_784


def block(header: bytes, rest: bytes) -> PacketBlock:
    packet = header + bytes(11) + rest
    return PacketBlock(b"$\x00" + len(packet).to_bytes(2, "big") + packet, 1)


@pytest.mark.parametrize("sources", [0, 3])
def test_what_a_recorder_says_is_read(sources: int) -> None:
    said = extension(TIME, Mark.CLEAN_POINT, 7)
    found = capture_time(block(bytes([0x90 | sources]), bytes(4 * sources) + said + b"payload"))
    assert found is not None
    assert abs(found - TIME) <= 1


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (0x80, extension(TIME, 0, 0)),
        (0x90, extension(TIME, 0, 0)[:-1]),
        (0x90, b"\xbe\xde" + extension(TIME, 0, 0)[2:]),
        (0x90, b"\xab\xac\x00\x03" + bytes(12)),
        (0x9F, extension(TIME, 0, 0)),
    ],
    ids=["no extension", "cut", "another extension", "no time", "behind sources that are not there"],
)
def test_what_says_no_time_has_none(first: int, rest: bytes) -> None:
    assert capture_time(block(bytes([first]), rest)) is None


@given(first=st.integers(0, 255), rest=st.binary(max_size=64))
def test_no_packet_raises(first: int, rest: bytes) -> None:
    found = capture_time(block(bytes([first]), rest))
    assert found is None or found > 0
