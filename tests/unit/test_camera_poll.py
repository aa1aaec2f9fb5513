"""When the cameras' sockets are read."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import pairwise

import pytest
from waiting import until

from gateway.rtsp_client import poll as module
from gateway.rtsp_client.poll import TOGETHER, Poll, add_reader


class Loop:
    """An event loop's times and promises, without the waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watched: dict[int, Callable[[], None]] = {}
        self.timer: tuple[float, Callable[[], None]] | None = None

    def time(self) -> float:
        return self.now

    def add_reader(self, fd: int, callback: Callable[[int], None], argument: int) -> None:
        assert fd not in self.watched
        self.watched[fd] = partial(callback, argument)

    def remove_reader(self, fd: int) -> None:
        del self.watched[fd]

    def call_later(self, delay: float, callback: Callable[[], None]) -> "Loop":
        assert self.timer is None
        self.timer = self.now + delay, callback
        return self

    def cancel(self) -> None:
        """Forget the timer, of which there is only one."""
        self.timer = None


class Cameras:
    """Sockets that are read by one poll: what is sent is told of as an event loop would."""

    def __init__(self, number: int) -> None:
        self.loop = Loop()
        self.poll = Poll(self.loop)
        self.pairs = [socket.socketpair() for _ in range(number)]
        self.taken: list[tuple[float, int]] = []
        """When which camera was read."""
        for index, (_, ours) in enumerate(self.pairs):
            self.poll.add(ours.fileno(), lambda index=index, ours=ours: self.take(index, ours))

    def take(self, index: int, sock: socket.socket) -> None:
        sock.recv(4096)
        self.taken.append((self.loop.now, index))

    def send(self, at: float, camera: int) -> None:
        """Let time pass up to the moment at which a camera sends a packet."""
        while self.loop.timer is not None and self.loop.timer[0] <= at:
            (self.loop.now, due), self.loop.timer = self.loop.timer, None
            due()
        self.loop.now = at
        self.pairs[camera][0].send(b"x")
        if (watcher := self.loop.watched.get(self.fd(camera))) is not None:
            watcher()

    def fd(self, camera: int) -> int:
        return self.pairs[camera][1].fileno()

    def close(self) -> None:
        for theirs, ours in self.pairs:
            if ours.fileno() in self.poll._readers:
                self.poll.remove(ours.fileno())
            theirs.close()
            ours.close()
        self.poll.close()


@pytest.fixture
def sixteen() -> Iterator[Cameras]:
    with closing(Cameras(16)) as cameras:
        yield cameras


def play(cameras: Cameras, number: int, begin: float, seconds: float, packets: int = 1) -> None:
    """Let some cameras send 25 frames a second, in turn, each of so many packets a tenth of a millisecond apart."""
    sent = [
        (begin + frame * 0.04 + camera * 0.04 / number + packet * 0.0001, camera)
        for frame in range(round(seconds * 25))
        for camera in range(number)
        for packet in range(packets)
    ]
    for at, camera in sorted(sent):
        cameras.send(at, camera)


def test_few_cameras_are_read_at_once_however_many_packets_their_frames_have(sixteen: Cameras) -> None:
    play(sixteen, 4, 0.0, 1.0, packets=13)
    assert len(sixteen.taken) == 4 * 25 * 13
    assert sixteen.loop.timer is None


@pytest.mark.parametrize("packets", [1, 13])
def test_many_cameras_are_read_together_every_few_milliseconds(sixteen: Cameras, packets: int) -> None:
    play(sixteen, 16, 0.0, 1.0, packets)
    moments = sorted({at for at, _ in sixteen.taken if at > 0.2})
    assert len(moments) <= 0.8 / TOGETHER + 1
    assert {camera for _, camera in sixteen.taken} == set(range(16))
    assert max(after - before for before, after in pairwise(moments)) < 2 * TOGETHER


def test_when_most_have_gone_the_rest_is_read_at_once_again(sixteen: Cameras) -> None:
    play(sixteen, 16, 0.0, 1.0)
    play(sixteen, 2, 1.0, 1.0)
    before = len(sixteen.taken)
    play(sixteen, 2, 2.0, 1.0)
    assert sixteen.loop.timer is None
    assert [at for at, _ in sixteen.taken[before:]] == pytest.approx([2.0 + 0.02 * frame for frame in range(50)])


def test_one_that_has_gone_is_read_no_more(sixteen: Cameras) -> None:
    sixteen.poll.remove(sixteen.fd(3))
    sixteen.send(0.0, 3)
    sixteen.send(0.1, 4)
    assert sixteen.taken == [(0.1, 4)]


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_the_end_leaves_nothing_behind(seconds: float) -> None:
    cameras = Cameras(16)
    play(cameras, 16, 0.0, seconds)
    assert (cameras.loop.timer is None) == (seconds == 0.0)
    cameras.close()
    assert (cameras.loop.timer, cameras.loop.watched) == (None, {})


def test_ones_trouble_is_no_others(sixteen: Cameras, caplog: pytest.LogCaptureFixture) -> None:
    ours = sixteen.pairs[0][1]
    sixteen.poll.remove(ours.fileno())
    sixteen.poll.add(ours.fileno(), lambda: 1 // int(not ours.recv(4096)))
    with caplog.at_level(logging.ERROR):
        play(sixteen, 16, 0.0, 1.0)
    assert {camera for _, camera in sixteen.taken} == set(range(1, 16))
    assert "ZeroDivisionError" in caplog.text


async def test_a_loop_has_one_as_long_as_anybody_reads() -> None:
    heard: list[bytes] = []
    pairs = [socket.socketpair() for _ in range(2)]
    ends = [add_reader(ours.fileno(), lambda ours=ours: heard.append(ours.recv(9))) for _, ours in pairs]
    assert list(module._polls) == [asyncio.get_running_loop()]
    for number, (theirs, _) in enumerate(pairs):
        theirs.send(b"%d" % number)
    await until(lambda: len(heard) == 2)
    assert sorted(heard) == [b"0", b"1"]
    for end in (*ends, *ends):
        end()
    assert not module._polls
    for pair in pairs:
        for sock in pair:
            sock.close()
