"""Replay of real segment files on real sockets, by the numbers that their frames carry."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from replay_reel import DIGITS, PICTURE, RECORDING, Reel
from rtsp_peers import Client, House, house

from gateway.protocols.rtp import block, ntp, rtcp
from gateway.protocols.rtp.depacketize import depacketizer
from gateway.protocols.rtp.packet import RtpPacket, parse
from gateway.protocols.rtsp.ranges import ClockRange
from gateway.sdk.clock import SystemClock
from gateway.servers.rtsp_playback import Replays

SEEKS = 40
Seen = tuple[int, int, int]
"""Number, capture time and size of a frame."""


@contextmanager
def reel_house(reel: Reel) -> Iterator[House]:
    with house(clock=SystemClock()) as home:
        home.server.replays = Replays(reel.player, {"reel": RECORDING}.get, lambda: 60.0, SystemClock())
        yield home


async def connected(home: House) -> Client:
    client = await Client.connect(home)
    client.url = f"rtsp://127.0.0.1:{home.port}/replay/reel"
    assert (await client.setup(0, "RTP/AVP/TCP;unicast;interleaved=0-1")).status == 200
    return client


async def play(client: Client, reel: Reel, start: int, end: int | None = None, **more: str) -> None:
    """Ask for frames from one to another, as fast as it goes."""
    asked = str(ClockRange(reel.at(start), None if end is None else reel.at(end)))
    answer = await client.request("PLAY", Range=asked, Rate_Control="no", **more)
    assert answer.status == 200, answer.body


async def frame(client: Client) -> Seen | None:
    """Return the next frame put together from its packets, None for a BYE."""
    packets: list[bytes] = []
    utc_ns = 0
    while True:
        got = await client.frame()
        if got.channel == 1:
            assert any(isinstance(each, rtcp.Bye) for each in rtcp.parse(got.payload))
            assert not packets
            return None
        packet = parse(got.payload)
        assert isinstance(packet, RtpPacket)
        if not packets:
            utc_ns = ntp.to_utc_ns(int.from_bytes(packet.extension[:8], "big"))
        packets.append(got.payload)
        if packet.marker:
            break
    units = depacketizer(PICTURE.tracks[0])(block.frame(packets, 0))
    picture = units[-1].tobytes()
    assert picture[9:] == b"\xaa" * (len(picture) - 9)
    return int(picture[DIGITS]), utc_ns, len(picture)


async def to_the_end(client: Client, reel: Reel) -> list[int]:
    """Return the numbers of the frames up to the BYE, each of which must be as it was recorded."""
    numbers = []
    async with asyncio.timeout(30):
        while (seen := await frame(client)) is not None:
            number, utc_ns, size = seen
            assert abs(utc_ns - reel.at(number)) < 1000
            assert size == reel.size * (1 + (number % reel.gop == 0))
            numbers.append(number)
    return numbers


@pytest.fixture
def reel() -> Reel:
    """Return frames 0 to 179 and 300 to 419."""
    reel = Reel()
    assert reel.record(0, 3) == 180
    reel.record(300, 2)
    return reel


def recorded(number: int) -> bool:
    return 0 <= number < 180 or 300 <= number < 420


async def test_every_seek_brings_exactly_the_frames_it_asked_for(reel: Reel) -> None:
    dice = random.Random(7)
    with reel_house(reel) as home:
        client = await connected(home)
        for _ in range(SEEKS):
            start = dice.randrange(-5, 419)
            end = start + dice.randrange(80)
            begin = start - start % reel.gop if recorded(start) else start
            await play(client, reel, start, end)
            assert await to_the_end(client, reel) == list(filter(recorded, range(begin, end + 1))), (start, end)
        await client.close()


async def test_every_seek_backward_brings_whole_gops_in_reverse(reel: Reel) -> None:
    dice = random.Random(8)
    with reel_house(reel) as home:
        client = await connected(home)
        for _ in range(SEEKS // 2):
            start = dice.randrange(0, 425)
            end = start - dice.randrange(80)
            await play(client, reel, start, end, Scale="-1")
            numbers = await to_the_end(client, reel)
            first = end - end % reel.gop if recorded(end) else end
            assert sorted(numbers) == list(filter(recorded, range(first, start + 1))), (start, end)
            gops = [number // reel.gop for number in numbers]
            assert gops == sorted(gops, reverse=True)
            assert all(later == one + 1 for one, later in pairwise(numbers) if later // 10 == one // 10)
        await client.close()


async def test_a_seek_in_full_flow_leaves_no_frame_of_the_new_range_out(reel: Reel) -> None:
    reel.size = 30_000
    reel.record(1000, 4)
    with reel_house(reel) as home:
        client = await connected(home)
        await play(client, reel, 1000)
        for start in (1100, 1033, 1210):
            assert await frame(client) is not None
            await play(client, reel, start, Immediate="yes")
            client.frames.clear()  # what was under way before the answer
        assert (await to_the_end(client, reel))[-30:] == list(range(1210, 1240))
        await client.close()


async def test_a_growing_recording_is_played_into_the_present_until_it_stops(
    reel: Reel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.services.playback.GROWTH_SECONDS", 0.01)
    reel.grow(500, 2)
    with reel_house(reel) as home:
        client = await connected(home)
        await play(client, reel, 415)
        assert [(await frame(client) or (None,))[0] for _ in range(30)] == [*range(410, 420), *range(500, 520)]
        for gops in (3, 4):
            whole = reel.grow(500, gops)
            assert [(await frame(client) or (None,))[0] for _ in range(10)] == list(
                range(490 + 10 * gops, 500 + 10 * gops)
            )
        reel.archive.closed(whole)
        assert await to_the_end(client, reel) == []
        reel.record(540, 1)
        assert (await client.request("PLAY", Rate_Control="no")).status == 200
        assert await to_the_end(client, reel) == list(range(530, 600))
        await client.close()
