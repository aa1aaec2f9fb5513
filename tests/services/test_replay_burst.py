"""Frames that go out together are the same bytes as their access units, on the viewer's channel."""

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.domain.media import MediaKind, TrackDescription
from gateway.protocols.rtp.onvif_extension import extension
from gateway.protocols.rtp.packetize import Packetizer, Part
from gateway.servers.rtsp_burst import Burst
from gateway.servers.rtsp_hub import Count, Framing
from gateway.services.playback import Frame

H264 = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000)
FRAMES = ((b"\x67sps", b"\x68pps", b"\x65" + b"i" * 40_000), (b"\x41" + b"p" * 5_000,), (b"\x41short",))
LAST = 65_534
"""Sequence numbers wrap in the first frame."""


class Hub:
    """Takes what is sent."""

    def __init__(self) -> None:
        self.data = b""
        self.counts: list[Count] = []
        self.units = 0

    def deliver_packets(self, parts: Sequence[Part], counts: Sequence[Count]) -> None:
        self.data += b"".join(parts)
        self.counts += counts

    def deliver_burst(self, units: Sequence[Any]) -> None:
        self.data += b"".join(unit.packets.data for unit in units)
        self.units += len(units)


def sent(framing: Framing | None) -> Hub:
    hub: Any = Hub()
    burst = Burst([Packetizer(0, H264, 7, LAST)], framing)
    for number, payload in enumerate(FRAMES):
        views = tuple(map(memoryview, payload))
        frame = Frame(0, number, 1, number == 0, views, 1, 10)
        burst.add(frame, number * 3600, number, extension(number, 0, 3))
    assert burst.size == sum(len(unit) for payload in FRAMES for unit in payload)
    burst.send(hub)
    found: Hub = hub
    return found


@pytest.mark.parametrize("channel", [0, 4])
def test_bytes_are_those_of_access_units_on_the_channel_asked_for(channel: int) -> None:
    units, plain = sent(None), sent(Framing(((channel, channel + 1),)))
    expected, at, packets = bytearray(units.data), 0, 0
    while at < len(expected):
        assert (expected[at], expected[at + 1]) == (0x24, 0)
        expected[at + 1] = channel
        at += 4 + int.from_bytes(expected[at + 2 : at + 4], "big")
        packets += 1
    assert plain.data == expected
    assert (units.units, len(plain.counts)) == (3, 3)
    assert sum(count[1] for count in plain.counts) == packets
    assert [count[2:] for count in plain.counts] == [(40_009, True), (5_001, False), (6, False)]


def test_nothing_is_sent_of_frames_that_could_not_be_packed() -> None:
    hub: Any = Hub()
    jpeg = TrackDescription(MediaKind.VIDEO, "JPEG", 26, 90_000)
    burst = Burst([Packetizer(0, jpeg, 7, 0)], Framing(((0, 1),)))
    with pytest.raises(ValueError, match="JPEG"):
        burst.add(Frame(0, 0, 1, keyframe=True, payload=(memoryview(b"no picture"),), gop=1, until_ns=10), 0, 0, b"")
    burst.send(hub)
    assert not burst
    assert hub.data == b""
