"""Replay of pictures, sound, metadata and of all three, over every transport: who chooses tracks gets just those."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from rtsp_peers import Client, House
from wire.test_rtsp_replay import (
    FAST,
    FPS,
    NAME,
    Film,
    Got,
    Tunnel,
    archive_house,
    at,
    clock,
    datagram,
    got,
    next_media,
    play,
    read,
    to_the_end,
    udp_socket,
)

from gateway.protocols.rtp import rtcp
from gateway.testing.clock import FakeClock

CHOICES = {"video": (0,), "audio": (1,), "metadata": (2,), "all": (0, 1, 2)}
LETTERS = "vam"
STEP = (1 / FPS, 1 / FPS, 1.0)
"""Seconds from frame to frame of each track."""

choices = pytest.mark.parametrize("tracks", CHOICES.values(), ids=CHOICES)


@pytest.fixture
def film() -> Film:
    """Return six seconds of footage with two missing in the middle."""
    film = Film(documents=True)
    film.record(0, 3)
    film.record(5, 3)
    return film


def gop(second: int, track: int) -> list[str]:
    """Return the names of a track's frames in a second."""
    return [f"{LETTERS[track]}{second + number * STEP[track]:g}" for number in range(round(1 / STEP[track]))]


def expected(tracks: tuple[int, ...], seconds: list[int]) -> dict[int, list[str]]:
    return {track: [name for second in seconds for name in gop(second, track)] for track in tracks}


@dataclass
class Player:
    """A client that has set up some tracks, and where their frames come."""

    client: Client
    tracks: tuple[int, ...]
    sockets: dict[int, tuple[socket.socket, socket.socket]]
    """Of media and of RTCP by track; none where the connection carries both."""

    async def all(self) -> dict[int, list[Got]]:
        """Return the frames of every track until each has said BYE."""
        if not self.sockets:
            frames = await to_the_end(self.client, len(self.tracks))
            return {track: [frame for frame in frames if frame.track == track] for track in self.tracks}
        found = {}
        for track, (media, control) in self.sockets.items():
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(30):
                while not any(isinstance(each, rtcp.Bye) for each in rtcp.parse(await loop.sock_recv(control, 2048))):
                    pass
            found[track] = [frame async for frame in _waiting(media, track)]
        return found


async def _waiting(media: socket.socket, track: int) -> AsyncIterator[Got]:
    """Yield what has arrived: BYE comes after it."""
    while True:
        try:
            media.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        yield read(await datagram(media), track)


@asynccontextmanager
async def player(home: House, transport: str, tracks: tuple[int, ...]) -> AsyncIterator[Player]:
    async with AsyncExitStack() as stack:
        client = await (Tunnel if transport == "tunnel" else Client).connect(home)
        stack.push_async_callback(client.close)
        if isinstance(client, Tunnel):
            await client.open(home.port)
        client.url = f"rtsp://127.0.0.1:{home.port}/replay/{NAME}"
        sockets = {}
        for track in tracks:
            carried = f"RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1}"
            if transport == "udp":
                media, control = (stack.enter_context(udp_socket()) for _ in range(2))
                sockets[track] = media, control
                carried = f"RTP/AVP;unicast;client_port={media.getsockname()[1]}-{control.getsockname()[1]}"
            assert (await client.setup(track, carried)).status == 200
        yield Player(client, tracks, sockets)


@choices
@pytest.mark.parametrize("transport", ["udp", "tcp", "tunnel"])
async def test_forward(film: Film, transport: str, tracks: tuple[int, ...]) -> None:
    with archive_house(film) as home:
        async with player(home, transport, tracks) as viewer:
            answer = await play(viewer.client, clock(1, 6.9), **FAST)
            found = await viewer.all()
    assert {track: [frame.name for frame in frames] for track, frames in found.items()} == expected(
        tracks, [1, 2, 5, 6]
    )
    for track, frames in found.items():
        clean = [frame for frame in frames if "C" in frame.marks]
        assert [frame.name for frame in clean] == [
            frame.name for frame in frames if track != 0 or float(frame.name[1:]).is_integer()
        ]
        assert [frame.name for frame in frames if "D" in frame.marks] == [gop(1, track)[0], gop(5, track)[0]]
        assert [frame.name for frame in frames if "E" in frame.marks] == [gop(2, track)[-1]]
        assert [frame.utc_ns // 1000 for frame in frames] == [at(float(each.name[1:])) // 1000 for each in frames]
        assert {frame.cseq for frame in frames} == {int(answer.cseq)}


@choices
@pytest.mark.parametrize("transport", ["udp", "tcp", "tunnel"])
async def test_backward(film: Film, transport: str, tracks: tuple[int, ...]) -> None:
    """Second after second comes from the last to the first, the frames of each in their order; sound stays out."""
    with archive_house(film) as home:
        async with player(home, transport, tracks) as viewer:
            await play(viewer.client, clock(6.9, 1), Scale="-1.0", **FAST)
            found = await viewer.all()
    names = {track: [frame.name for frame in frames] for track, frames in found.items()}
    assert names == expected(tracks, [6, 5, 2, 1]) | {track: [] for track in tracks if track == 1}
    for frames in found.values():
        assert all("D" in frame.marks for frame in frames if float(frame.name[1:]).is_integer())


def timed(tracks: tuple[int, ...], start: float, end: float) -> Iterator[tuple[float, list[str]]]:
    """Yield the moments from `start` to before `end`, with the frames of each."""
    for quarter in range(round(start * FPS), round(end * FPS)):
        moment = quarter / FPS
        if names := [f"{LETTERS[track]}{moment:g}" for track in tracks if moment % STEP[track] == 0]:
            yield moment, names


async def paced(viewer: Player, time: FakeClock, start: float, end: float) -> None:
    """Check that frames come when they are due, none before."""
    now = start
    for moment, names in timed(viewer.tracks, start, end):
        if moment > now:
            assert viewer.client.frames == []
            await time.advance(moment - now)
            now = moment
        assert [got(await next_media(viewer.client)).name for _ in names] == names


@choices
async def test_rate_control(film: Film, tracks: tuple[int, ...]) -> None:
    time = FakeClock()
    with archive_house(film, time) as home:
        async with player(home, "tcp", tracks) as viewer:
            await play(viewer.client, clock(0))
            await paced(viewer, time, 0, 2.5)


@choices
async def test_immediate(film: Film, tracks: tuple[int, ...]) -> None:
    time = FakeClock()
    with archive_house(film, time) as home:
        async with player(home, "tcp", tracks) as viewer:
            await play(viewer.client, clock(0))
            await paced(viewer, time, 0, 0.25)
            answer = await play(viewer.client, clock(6), Immediate="yes")
            frames = [got(await next_media(viewer.client)) for _ in tracks]
            assert [(str(frame), frame.cseq) for frame in frames] == [
                (f"{LETTERS[track]}6:CD", int(answer.cseq)) for track in tracks
            ]


@choices
async def test_seek(film: Film, tracks: tuple[int, ...]) -> None:
    time = FakeClock()
    with archive_house(film, time) as home:
        async with player(home, "tcp", tracks) as viewer:
            await play(viewer.client, clock(0))
            await paced(viewer, time, 0, 1)
            assert (await viewer.client.request("PAUSE")).status == 200
            answer = await play(viewer.client, clock(7))
            while (frame := got(await next_media(viewer.client))).cseq != int(answer.cseq):
                pass
            assert (frame.name, "D" in frame.marks) == (f"{LETTERS[tracks[0]]}7", True)


@choices
async def test_pause_without_range(film: Film, tracks: tuple[int, ...]) -> None:
    time = FakeClock()
    with archive_house(film, time) as home:
        async with player(home, "tcp", tracks) as viewer:
            await play(viewer.client, clock(0))
            await paced(viewer, time, 0, 1.25)
            assert (await viewer.client.request("PAUSE")).status == 200
            await time.advance(60)
            answer = await viewer.client.request("PLAY")
            following = [names for moment, names in timed(tracks, 1.25, 3)]
            frames = [got(await next_media(viewer.client)) for _ in following[0]]
            assert [frame.name for frame in frames] == following[0]
            assert {frame.cseq for frame in frames} == {int(answer.cseq)}


@choices
async def test_pause_at_a_moment(film: Film, tracks: tuple[int, ...]) -> None:
    time = FakeClock()
    with archive_house(film, time) as home:
        async with player(home, "tcp", tracks) as viewer:
            await play(viewer.client, clock(0))
            assert (await viewer.client.request("PAUSE", Range=clock(1.25))).status == 200
            await paced(viewer, time, 0, 1.25)
            await time.advance(60)
            assert viewer.client.frames == []
            answer = await viewer.client.request("PLAY")
            assert answer.headers.get("Range") == clock(1.25)
            following = next(names for _, names in timed(tracks, 1.25, 3))
            assert [got(await next_media(viewer.client)).name for _ in following] == following
