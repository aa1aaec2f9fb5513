"""What somebody else sent is sent on as our own."""

from gateway.protocols.rtp.packet import RtpPacket, parse, serialize
from gateway.protocols.rtp.restamp import Restamper


def told(sequence: int, timestamp: int, ssrc: int = 1, **more: object) -> bytes:
    return serialize(RtpPacket(0, sequence, timestamp, ssrc, marker=sequence == 9, payload=b"abcd", **more))


def test_steps_stay_and_everything_else_is_ours() -> None:
    restamper = Restamper(97, 0xFEED, 65_535, 2**32 - 160)
    packets = [told(9, 100), told(10, 260), told(13, 740, csrcs=(5,), extension_profile=0xABAC, extension=b"1234")]
    sent = [parse(restamper.packet(packet) or b"") for packet in packets]
    assert [(each.sequence, each.timestamp, each.marker) for each in sent if each] == [
        (65_535, 2**32 - 160, True),
        (0, 0, False),
        (3, 480, False),
    ]
    assert {
        (each.payload_type, each.ssrc, bytes(each.payload), each.csrcs, each.extension) for each in sent if each
    } == {(97, 0xFEED, b"abcd", (), b"")}


def test_another_source_goes_on_behind_the_last_packet_and_nonsense_is_left_out() -> None:
    restamper = Restamper(0, 7, 100, 1000)
    restamper.packet(told(50, 5000))
    assert restamper.packet(b"no RTP") is None
    other = parse(restamper.packet(told(7, 70, ssrc=2)) or b"")
    assert other is not None
    assert (other.sequence, other.timestamp) == (101, 1000)
