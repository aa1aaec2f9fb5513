"""Cameras are supervised: they connect, back off and come back, and their states are told once."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from gateway.domain.camera import Channel, ConnectionState
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import StreamDescription
from gateway.sdk.driver import CameraDriver, MediaSink
from gateway.services.cameras import LONGEST_DELAY, REFUSED_DELAY, Cameras, CameraSpec, unknown_description
from gateway.testing.clock import FakeClock, settle
from gateway.testing.drivers import driver_context
from gateway.testing.streams import video_description, video_unit


@dataclass(frozen=True)
class _Settings:
    pass


class _Driver(CameraDriver):
    Settings = _Settings

    def __init__(self, play: Callable[[str, MediaSink], Awaitable[None]], names: tuple[str, ...] = ("main",)) -> None:
        super().__init__(_Settings(), driver_context())
        self._play = play
        self._names = names

    def profiles(self) -> tuple[str, ...]:
        return self._names

    async def stream(self, profile: str, sink: MediaSink) -> None:
        await self._play(profile, sink)


class _Memory:
    def __init__(self) -> None:
        self.stored: dict[str, StreamDescription] = {}

    def load(self, path: str) -> StreamDescription | None:
        return self.stored.get(path)

    def store(self, path: str, description: StreamDescription) -> None:
        self.stored[path] = description


class _Script:
    """A camera that a test plugs in and out."""

    def __init__(self) -> None:
        self.attempts = 0
        self.error: Exception | None = None
        self._lost = asyncio.Event()
        self.description = video_description()

    async def play(self, _profile: str, sink: MediaSink) -> None:
        self.attempts += 1
        if self.error is not None:
            raise self.error
        sink.describe(self.description)
        sink.deliver(video_unit(0))
        self._lost.clear()
        await self._lost.wait()
        raise GatewayError(ErrorKind.UNAVAILABLE, "camera 10.0.0.9 closed the connection")

    def unplug(self) -> None:
        self.error = GatewayError(ErrorKind.UNAVAILABLE, "camera 10.0.0.9 does not answer")
        self._lost.set()


@asynccontextmanager
async def _running(cameras: Cameras) -> AsyncIterator[None]:
    task = asyncio.create_task(cameras.run())
    await settle()
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def _cameras(clock: FakeClock, memory: _Memory, *drivers: CameraDriver) -> Cameras:
    specs = [CameraSpec(f"cam{index}", f"Camera {index}", driver) for index, driver in enumerate(drivers)]
    return Cameras(specs, memory, clock, random.Random(1))


async def test_a_camera_that_returns_is_playing_within_two_seconds() -> None:
    clock, script = FakeClock(), _Script()
    cameras = _cameras(clock, _Memory(), _Driver(script.play))
    seen: list[ConnectionState] = []
    cameras.watch(lambda channel: seen.append(channel.state))
    async with _running(cameras):
        assert cameras.channels()[0].state is ConnectionState.ONLINE
        script.unplug()
        await settle()
        await clock.advance(60.0)
        assert cameras.channels()[0].state is ConnectionState.OFFLINE
        script.error = None
        await clock.advance(2.0)
        assert cameras.channels()[0].state is ConnectionState.ONLINE
    assert seen == [ConnectionState.ONLINE, ConnectionState.OFFLINE, ConnectionState.ONLINE]


async def test_attempts_back_off_with_jitter() -> None:
    clock, script = FakeClock(), _Script()
    script.error = GatewayError(ErrorKind.UNAVAILABLE, "camera 10.0.0.9 does not answer")
    async with _running(_cameras(clock, _Memory(), _Driver(script.play))):
        delays = []
        for _ in range(8):
            (delay,) = clock.sleeping
            delays.append(delay)
            await clock.advance(delay)
    assert script.attempts == 9
    assert delays[0] <= 0.25
    assert all(0.75 * LONGEST_DELAY <= delay <= 1.25 * LONGEST_DELAY for delay in delays[4:])
    assert len(set(delays[4:])) == 4


async def test_a_refused_password_is_tried_rarely() -> None:
    clock, script = FakeClock(), _Script()
    script.error = GatewayError(ErrorKind.UNAUTHENTICATED, "camera 10.0.0.9 refuses user 'admin'")
    async with _running(_cameras(clock, _Memory(), _Driver(script.play))):
        assert clock.sleeping == (REFUSED_DELAY,)


async def test_a_driver_that_crashes_does_not_take_the_others_down(caplog: pytest.LogCaptureFixture) -> None:
    clock, bad, good = FakeClock(), _Script(), _Script()
    bad.error = ZeroDivisionError("oops")
    cameras = _cameras(clock, _Memory(), _Driver(bad.play), _Driver(good.play))
    async with _running(cameras):
        states = [channel.state for channel in cameras.channels()]
    assert states == [ConnectionState.OFFLINE, ConnectionState.ONLINE]
    assert "camera cam0 main: the driver failed" in caplog.text


async def test_an_offline_camera_keeps_its_last_complete_profile_even_over_a_restart() -> None:
    clock, memory, script = FakeClock(), _Memory(), _Script()
    script.description = video_description(1280, 720)
    cameras = _cameras(clock, memory, _Driver(script.play))
    async with _running(cameras):
        script.unplug()
        await settle()
        assert cameras.channels()[0].profiles[0].description == script.description
    restarted = _cameras(clock, memory, _Driver(script.play))
    assert restarted.channels()[0].profiles[0].description == script.description


async def test_a_never_seen_camera_still_shows_complete_profiles() -> None:
    cameras = _cameras(FakeClock(), _Memory(), _Driver(_Script().play, ("main", "sub")))
    main, sub = cameras.channels()[0].profiles
    assert main.description == unknown_description("main")
    assert sub.description == unknown_description("sub")


async def test_a_camera_with_one_stream_shows_it_twice() -> None:
    cameras = _cameras(FakeClock(), _Memory(), _Driver(_Script().play))
    (channel,) = cameras.channels()
    assert [profile.path for profile in channel.profiles] == ["/live/cam0/main", "/live/cam0/sub"]
    assert cameras.stream("/live/cam0/sub") is cameras.stream("/live/cam0/main")
    assert cameras.stream("/live/cam1/main") is None


async def test_an_incomplete_description_does_not_replace_the_known_one() -> None:
    script = _Script()
    whole = script.description
    script.description = StreamDescription((replace(whole.tracks[0], video=None),))
    cameras = _cameras(FakeClock(), _Memory(), _Driver(script.play))
    async with _running(cameras):
        channel: Channel = cameras.channels()[0]
    assert channel.profiles[0].description == unknown_description("main")
