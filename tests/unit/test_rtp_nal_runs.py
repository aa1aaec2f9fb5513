"""Runs of fragments are taken at once, to the same result as packet by packet."""

import random

import pytest

from gateway.domain.media import MediaKind, PacketBlock, TrackDescription
from gateway.protocols.rtp import block
from gateway.protocols.rtp.depacketize import depacketizer
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtp.payload import NOTHING, PayloadFormat, Rest


def frame(encoding: str, rng: random.Random) -> tuple[list[bytes], PacketBlock]:
    """Make a frame of a few units, one of them long, its sequence numbers mostly about to wrap."""
    track = TrackDescription(MediaKind.VIDEO, encoding, 96, 90_000)
    header = b"\x65" if encoding == "H264" else b"\x26\x01"
    sizes = [rng.choice((3, 200, 1380)), rng.randrange(1380, 200_000), rng.randrange(3, 5000)]
    units = [header + rng.randbytes(size) for size in sizes]
    packetizer = Packetizer(0, track, ssrc=1, sequence=rng.choice((0, 250, 65_530)))
    return units, packetizer.unit(units, 0, 0, keyframe=True).packets


def damaged(packets: PacketBlock, rng: random.Random) -> PacketBlock:
    """Lose a packet, or change a byte of a header."""
    whole = [bytearray(packet) for packet in block.packets(packets)]
    victim = rng.randrange(len(whole))
    if rng.random() < 0.4:
        del whole[victim]
    else:
        whole[victim][rng.choice((0, 1, 2, 3, 12, 13, 14))] ^= 1 << rng.randrange(8)
    return block.frame(whole, 0)


@pytest.mark.parametrize("encoding", ["H264", "H265"])
@pytest.mark.parametrize("seed", range(40))
def test_a_run_gives_what_single_packets_give(encoding: str, seed: int) -> None:
    rng = random.Random(seed)
    units, packets = frame(encoding, rng)
    depacketize = depacketizer(TrackDescription(MediaKind.VIDEO, encoding, 96, 90_000))
    assert list(depacketize(packets)) == units
    for _ in range(5):
        packets = damaged(packets, rng)
        for rest in (NOTHING, Rest(rng.randrange(65_536), (memoryview(b"\x65"), memoryview(b"left over")))):
            assert depacketize.resume(packets, rest) == PayloadFormat.resume(depacketize, packets, rest)
