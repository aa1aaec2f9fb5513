"""One client's way through a recording: when its frames are sent, with which numbers, and what PAUSE and PLAY do."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from replay_film import AUDIO, PICTURE, START, Film, at

from gateway.domain.media import AccessUnit, StreamDescription
from gateway.protocols.rtp import block
from gateway.protocols.rtp.packet import RtpPacket, parse
from gateway.protocols.rtsp.messages import Headers, Request, RtspError
from gateway.protocols.rtsp.ranges import ClockRange
from gateway.servers.rtsp_asked import asked_of
from gateway.servers.rtsp_playback import Replay, Replays
from gateway.testing.clock import FakeClock, settle

QUARTER = 22_500
"""Ticks from frame to frame."""


@dataclass
class Viewer:
    """Stands for session, hub, connection and the sessions of a server."""

    transports: dict[int, object] = field(default_factory=lambda: {0: None})
    viewer: None = None
    idle: bool = True
    reporting: bool = False
    byes: int = 0
    most: int = 1000
    """So many units it takes at first."""
    units: list[AccessUnit] = field(default_factory=list)
    bursts: list[int] = field(default_factory=list)
    """How many units came at once."""

    def __post_init__(self) -> None:
        self.hub = self.machine = self.carrier = self.sender = self

    def deliver(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self.most -= 1
        self.idle = self.idle and self.most != 0

    def direct(self) -> None:
        """It takes units only."""

    def deliver_burst(self, units: list[AccessUnit]) -> None:
        self.bursts.append(len(units))
        for unit in units:
            self.deliver(unit)

    def say_bye(self, _session: object) -> None:
        self.byes += 1

    def packets(self) -> list[RtpPacket]:
        """Return what came since the last time."""
        found = [parse(bytes(data)) for unit in self.units for data in block.packets(unit.packets)]
        self.units.clear()
        return [packet for packet in found if packet is not None]


class Remote:
    """A client's remote control."""

    def __init__(self, film: Film, replay: Replay, clock: FakeClock, viewer: Viewer) -> None:
        self.film, self.replay, self.clock, self.viewer = film, replay, clock, viewer
        self.cseq = 0
        self.info = (0, 0)
        """First sequence number and timestamp as RTP-Info said."""

    async def play(self, **headers: str) -> ClockRange:
        self.cseq += 1
        pairs = [("CSeq", str(self.cseq)), *((name.replace("_", "-"), value) for name, value in headers.items())]
        self.replay.stop()
        played = await self.replay.seek(asked_of(Request("PLAY", "rtsp://host/replay/R", Headers(pairs))))
        info = self.replay.rtp_info("", [0])
        self.info = tuple(int(part.partition("=")[2]) for part in info.split(";")[1:])
        any_viewer: Any = self.viewer
        self.replay.start(any_viewer, any_viewer)
        await settle()
        return played

    def names(self) -> str:
        return " ".join(bytes(packet.payload).decode() for packet in self.viewer.packets())


async def remote(film: Film, **more: Any) -> Remote:
    clock = FakeClock(START)
    replays = Replays(film.player, lambda name: "Recording_door" if name == "R" else None, lambda: 60.0, clock)
    return Remote(film, await replays.open("/replay/R"), clock, Viewer(**more))


@pytest.fixture
def film() -> Film:
    film = Film()
    film.record(0, 2, description=PICTURE)
    film.record(10, 2, description=PICTURE)
    return film


def clock_range(start: float, end: float | None = None) -> str:
    return str(ClockRange(at(start), None if end is None else at(end)))


async def test_frames_come_in_real_time_over_gaps_and_then_bye(film: Film) -> None:
    client = await remote(film)
    assert await client.play(Range=clock_range(1.3)) == ClockRange(at(1))
    assert client.names() == "v1"
    await client.clock.advance(0.5)
    assert client.names() == "v1.25 v1.5"
    await client.clock.advance(0.75)
    assert client.names() == "v1.75 v10 v10.25"
    await client.clock.advance(1.5)
    assert client.names() == "v10.5 v10.75 v11 v11.25 v11.5 v11.75"
    assert client.viewer.byes == 1


async def test_numbers_and_times_run_on_over_gaps(film: Film) -> None:
    client = await remote(film)
    await client.play(Range=clock_range(0))
    await client.clock.advance(10)
    packets = client.viewer.packets()
    assert len(packets) == 16
    sequence, rtp_time = client.info
    assert [packet.sequence for packet in packets] == [(sequence + n) & 0xFFFF for n in range(16)]
    assert [packet.timestamp for packet in packets] == [(rtp_time + n * QUARTER) & 0xFFFFFFFF for n in range(16)]
    assert {packet.extension[9] for packet in packets} == {1}


async def test_nothing_is_lost_or_repeated_by_a_pause(film: Film) -> None:
    client = await remote(film)
    await client.play(Range=clock_range(0))
    await client.clock.advance(0.6)
    client.replay.stop()
    await client.clock.advance(60)
    packets = client.viewer.packets()
    assert [bytes(packet.payload) for packet in packets] == [b"v0", b"v0.25", b"v0.5"]
    assert await client.play() == ClockRange(at(0.75))
    assert client.names() == "v0.75"
    assert client.info == ((packets[-1].sequence + 1) & 0xFFFF, (packets[-1].timestamp + QUARTER) & 0xFFFFFFFF)
    await client.clock.advance(0.5)
    assert client.names() == "v1 v1.25"


async def test_a_pause_where_recording_goes_on(film: Film) -> None:
    growing = film.segment(20, 2, description=PICTURE)
    film.write(growing, 1)
    client = await remote(film)
    await client.play(Range=clock_range(20))
    await client.clock.advance(2)
    assert client.names() == "v20 v20.25 v20.5 v20.75"
    client.replay.stop()
    await settle()
    film.write(growing, 2)
    await settle()
    assert client.names() == ""
    await client.play()
    await client.clock.advance(2)
    assert client.names() == "v21 v21.25 v21.5 v21.75"
    assert client.viewer.byes == 0
    client.replay.close()


async def test_what_is_yet_to_be_recorded_is_waited_for_but_its_request_is_answered(film: Film) -> None:
    growing = film.segment(20, 2, description=PICTURE)
    film.write(growing, 1)
    client = await remote(film)
    asking = asyncio.create_task(client.play(Range=clock_range(21)))
    await settle()
    await client.clock.advance(1)
    assert await asking == ClockRange(at(21))
    film.write(growing, 2)
    await settle()
    packet = client.viewer.packets()[0]
    assert (bytes(packet.payload), packet.sequence, packet.timestamp) == (b"v21", *client.info)
    client.replay.close()


async def test_after_the_end_it_goes_on_where_recording_has(film: Film) -> None:
    client = await remote(film)
    await client.play(Range=clock_range(11))
    await client.clock.advance(2)
    assert client.names() == "v11 v11.25 v11.5 v11.75"
    await client.play()
    await client.clock.advance(2)
    assert (client.names(), client.viewer.byes) == ("v11 v11.25 v11.5 v11.75", 2)
    film.record(30, 1, description=PICTURE)
    await client.play()
    await client.clock.advance(4)
    assert (client.names(), client.viewer.byes) == ("v11 v11.25 v11.5 v11.75 v30 v30.25 v30.5 v30.75", 3)


async def test_a_pause_as_fast_as_it_goes(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.servers.rtsp_playback.BURST", 1)
    client = await remote(film, most=5)
    await client.play(Range=clock_range(0), Rate_Control="no")
    await settle(60)
    client.replay.stop()
    await client.clock.advance(5)
    assert client.names() == "v0 v0.25 v0.5 v0.75 v1"
    client.viewer.idle = True
    await client.play(Rate_Control="no")
    await settle(60)
    assert client.names() == "v1.25 v1.5 v1.75 v10 v10.25 v10.5 v10.75 v11 v11.25 v11.5 v11.75"


async def test_what_has_been_read_goes_in_one_burst_and_none_of_it_is_lost(film: Film) -> None:
    client = await remote(film, idle=False)
    await client.play(Range=clock_range(0), Rate_Control="no")
    client.replay.pause_at(at(10.5))
    client.viewer.idle = True
    await client.clock.advance(0.1)
    assert client.names() == "v0 v0.25 v0.5 v0.75 v1 v1.25 v1.5 v1.75 v10 v10.25"
    assert max(client.viewer.bursts) > 4
    assert await client.play(Rate_Control="no") == ClockRange(at(10.5))
    await settle(60)
    assert client.names() == "v10.5 v10.75 v11 v11.25 v11.5 v11.75"


async def test_a_burst_waits_for_the_client_whatever_track_comes_first() -> None:
    film = Film()
    film.record(0, 2)
    client = await remote(film, idle=False)
    client.viewer.transports = {1: None}
    await client.play(Range=clock_range(0), Rate_Control="no")
    assert client.names() == ""
    client.viewer.idle = True
    await client.clock.advance(0.1)
    assert client.names() == "a0 a0.25 a0.5 a0.75 a1 a1.25 a1.5 a1.75"


async def test_a_moment_to_pause_at(film: Film) -> None:
    client = await remote(film)
    await client.play(Range=clock_range(0))
    client.replay.pause_at(at(0.5))
    await client.clock.advance(5)
    assert client.names() == "v0 v0.25"
    assert client.viewer.byes == 0
    assert await client.play() == ClockRange(at(0.5))
    assert client.names() == "v0.5"
    client.replay.close()


async def test_a_play_at_once_replaces_the_one_before(film: Film) -> None:
    client = await remote(film)
    await client.play(Range=clock_range(0))
    await client.clock.advance(0.3)
    last = client.viewer.packets()[-1]
    assert await client.play(Range=clock_range(11), Immediate="yes") == ClockRange(at(11))
    first = client.viewer.packets()[0]
    assert (bytes(first.payload), first.extension[8], first.extension[9]) == (b"v11", 0xA0, 2)
    assert first.sequence == (last.sequence + 1) & 0xFFFF == client.info[0]
    assert first.timestamp == client.info[1] == (last.timestamp + QUARTER) & 0xFFFFFFFF
    client.replay.close()


async def test_without_a_range_it_turns_round_where_it_is(film: Film) -> None:
    client = await remote(film)
    await client.play(Range=clock_range(0))
    await client.clock.advance(1.3)
    assert client.names() == "v0 v0.25 v0.5 v0.75 v1 v1.25"
    assert await client.play(Scale="-1") == ClockRange(at(1))
    assert client.names() == "v1 v1.25 v1.5"
    await client.clock.advance(0.8)
    assert client.names() == "v0 v0.25 v0.5 v0.75"
    client.replay.close()


async def test_without_a_range_it_goes_on_with_key_frames(film: Film) -> None:
    client = await remote(film)
    await client.play(Range=clock_range(0, 10.5))
    await client.clock.advance(0.3)
    client.names()
    assert (await client.play(Scale="2", Frames="intra")).end_ns == at(10.5)
    await client.clock.advance(10)
    assert client.names() == "v0 v1 v10"


async def test_backward_what_is_sent_last_is_shown_first(film: Film) -> None:
    client = await remote(film)
    assert await client.play(Range=clock_range(1.9, 0), Scale="-1") == ClockRange(at(1), at(0))
    packets = client.viewer.packets()
    assert [bytes(packet.payload) for packet in packets] == [b"v1", b"v1.25", b"v1.5", b"v1.75"]
    times = [(packet.timestamp - packets[-1].timestamp) & 0xFFFFFFFF for packet in packets]
    assert times == [3 * QUARTER, 2 * QUARTER, QUARTER, 0]
    assert (packets[0].sequence, packets[0].timestamp) == client.info
    assert not client.viewer.reporting
    await client.clock.advance(1)
    again = client.viewer.packets()
    assert (again[-1].timestamp - packets[-1].timestamp) & 0xFFFFFFFF == 4 * QUARTER


async def test_backward_key_frames_come_as_far_apart_as_they_were(film: Film) -> None:
    film.record(20, 4, description=PICTURE)
    client = await remote(film)
    await client.play(Range=clock_range(23.9, 10), Scale="-2", Frames="intra/1500")
    seen = []
    for _ in range(8):
        seen.append(client.names())
        await client.clock.advance(0.5)
    assert seen == ["v23", "", "v21", "v11", "", "", "", ""]


async def test_as_fast_as_it_goes_timestamps_are_those_of_the_recording(film: Film) -> None:
    client = await remote(film)
    await client.play(Range=clock_range(0), Rate_Control="no")
    while not client.viewer.byes:
        await settle()
    packets = client.viewer.packets()
    times = [(packet.timestamp - client.info[1]) & 0xFFFFFFFF for packet in packets]
    assert times == [n * QUARTER for n in range(8)] + [900_000 + n * QUARTER for n in range(8)]
    assert client.clock.monotonic() == 0
    assert not client.viewer.reporting
    await client.play(Range=clock_range(10.5, 9), Rate_Control="no", Scale="-1")
    await settle(60)
    again = client.viewer.packets()
    assert [packet.timestamp for packet in again] == [packet.timestamp for packet in packets[8:11]]


async def test_a_client_that_takes_nothing_is_waited_for(film: Film) -> None:
    client = await remote(film, idle=False)
    await client.play(Range=clock_range(0), Rate_Control="no")
    await client.clock.advance(0.1)
    assert client.names() == ""
    client.viewer.idle = True
    while not client.viewer.byes:
        await client.clock.advance(0.01)
    assert len(client.viewer.packets()) == 16


async def test_a_frame_that_can_not_be_sent_is_left_out() -> None:
    film = Film()
    film.record(0, 1, description=StreamDescription((AUDIO,)))
    sounds = film.files["0PCMU"][0]
    sounds[1] = replace(sounds[1], payload=(memoryview(bytes(2000)),))
    client = await remote(film)
    await client.play()
    await client.clock.advance(5)
    assert client.names() == "a0 a0.5 a0.75"
    assert client.viewer.byes == 1


async def test_ranges_that_are_none(film: Film) -> None:
    client = await remote(film)
    for headers, sentence in (
        ({"Range": clock_range(5, 1)}, "range 'clock=20231114T221325Z-20231114T221321Z' goes backward"),
        ({"Range": clock_range(1, 5), "Scale": "-1"}, "goes forward"),
        ({"Range": "smpte=0:00:00-"}, "range 'smpte=0:00:00-' is neither clock nor npt"),
    ):
        with pytest.raises(RtspError, match=sentence) as refused:
            await client.play(**headers)
        assert refused.value.status == 457


async def test_seconds_count_from_the_start_of_the_recording(film: Film) -> None:
    client = await remote(film)
    assert await client.play(Range="npt=0.000-") == ClockRange(at(0))
    assert await client.play(Range="npt=10.6-11") == ClockRange(at(10), at(11))
    assert await client.play(Range="npt=now-", Scale="-1") == ClockRange(at(11))
    client.replay.close()
