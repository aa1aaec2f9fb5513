"""Cameras that misbehave: the state and the event that each gives, and fifteen others that do not notice."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from peers.scripted_camera import H264_LARGE_SPS, ScriptedCamera

from gateway.domain.access import Secret
from gateway.domain.camera import Channel, ConnectionState
from gateway.domain.event import Event
from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.protocols.rtp import ntp, parameter_sets, rtcp
from gateway.protocols.rtp.packetize import Packetizer
from gateway.services.cameras import FIRST_DELAY, REFUSED_DELAY, Cameras, CameraSpec
from gateway.services.event_sources import tell_signal_loss
from gateway.services.eventbus import EventBus
from gateway.testing.clock import FakeClock
from gateway.testing.drivers import driver_context
from gateway_rtsp.driver import RtspDriver, RtspSettings

OTHERS = 15
ONLINE, OFFLINE = ConnectionState.ONLINE, ConnectionState.OFFLINE
H265 = TrackDescription(MediaKind.VIDEO, "H265", 96, 90_000)
H265_SETS = tuple(
    map(
        bytes.fromhex,
        (
            "40010c01ffff016000000300900000030000030078928090",
            "420101016000000300900000030000030078a003c08010e5964a924cafff000100016a02020208000003000800000300a040",
            "44010102",
        ),
    )
)


class WatchedClock(FakeClock):
    """Tells when somebody sleeps."""

    def __init__(self) -> None:
        super().__init__(1_800_000_000 * ntp.NS)
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await super().sleep(seconds)


class Memory:
    def load(self, _path: str) -> StreamDescription | None:
        return None

    def store(self, path: str, description: StreamDescription) -> None:
        """Nothing outlives the test."""


class Reader:
    """Keeps what a stream delivers."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self._news = asyncio.Event()

    async def until(self, what: Callable[[], object]) -> None:
        """Wait until something is true after a unit."""
        async with asyncio.timeout(30):
            while not what():
                self._news.clear()
                await self._news.wait()

    def deliver(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._news.set()

    def described(self, description: StreamDescription) -> None:
        """A viewer would be told."""


class House:
    """One camera that misbehaves among others that do not; only the first one's time passes."""

    def __init__(self, camera: ScriptedCamera, others: list[ScriptedCamera], **settings: Any) -> None:
        self.camera, self._others = camera, others
        self.clock, self.driver_clock = WatchedClock(), FakeClock(1_800_000_000 * ntp.NS)
        self.states: list[ConnectionState] = []
        self.told: list[str] = []
        self._news = asyncio.Event()
        login = {"username": "admin", "password": Secret("s3cret")}
        driver = RtspDriver(RtspSettings(main=camera.url, **login | settings), driver_context(self.driver_clock))
        still = driver_context(FakeClock())
        drivers = [RtspDriver(RtspSettings(main=other.url), still) for other in others]
        specs = [CameraSpec("bad", "Bad", driver)]
        specs += [CameraSpec(f"good{index}", "Good", each) for index, each in enumerate(drivers)]
        self.cameras = Cameras(specs, Memory(), self.clock, random.Random(1))
        self._others_states: dict[str, list[ConnectionState]] = {}
        self.cameras.watch(self._changed)
        bus = EventBus(self.clock)
        bus.attach(self)
        tell_signal_loss(self.cameras, bus, lambda camera: camera)
        self.reader = self._attached("bad")
        self._readers = [self._attached(f"good{index}") for index in range(len(others))]

    def _attached(self, camera: str) -> Reader:
        reader, stream = Reader(), self.cameras.stream(f"/live/{camera}/main")
        assert stream is not None
        stream.attach(reader)
        return reader

    def _changed(self, channel: Channel) -> None:
        states = self.states if channel.id == "bad" else self._others_states.setdefault(channel.id, [])
        states.append(channel.state)
        self._news.set()

    def deliver(self, event: Event) -> None:
        if event.source[0][1] == "bad":
            self.told.append(event.data[0][1])

    async def until(self, what: Callable[[], object]) -> None:
        """Wait until something is true after a change of a camera's state."""
        async with asyncio.timeout(30):
            while not what():
                self._news.clear()
                await self._news.wait()

    async def playing(self, times: int = 1, sps: bytes | None = None) -> None:
        """Have the camera play, and send a key frame when it is asked to."""
        await self.camera.wait_for(lambda: len(self.camera.of("PLAY")) >= times, 30)
        self.camera.send_unit(self.camera.key_frame() if sps is None else self.camera.key_frame(sps=sps))
        await self.until(lambda: self.states[-1:] == [ONLINE])

    async def retry(self) -> float:
        """Let the time pass until the camera is tried again; return how long that is."""
        async with asyncio.timeout(30):
            await self.clock.asleep.wait()
        self.clock.asleep.clear()
        [pause] = self.clock.sleeping
        await self.clock.advance(pause)
        return pause

    async def others_play(self) -> None:
        """Assert that the others play as if nothing had happened."""
        for other, reader in zip(self._others, self._readers, strict=True):
            seen = len(reader.units)
            other.send_unit(other.frame(3600 * (seen + 1)))
            await reader.until(lambda reader=reader, seen=seen: len(reader.units) > seen)
            assert len(other.writers) == 1, "it was connected to anew"
        assert self._others_states == {f"good{index}": [ONLINE] for index in range(len(self._others))}


@contextlib.asynccontextmanager
async def house(camera: ScriptedCamera, **settings: Any) -> AsyncIterator[House]:
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(camera)
        others = [await stack.enter_async_context(ScriptedCamera()) for _ in range(OTHERS)]
        scene = House(camera, others, **settings)
        running = asyncio.create_task(scene.cameras.run())
        try:
            for other in others:
                await other.playing()
                other.send_unit(other.key_frame())
            await scene.until(lambda: len(scene._others_states) == OTHERS)
            yield scene
            await scene.others_play()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_camera_that_accepts_and_never_answers(caplog: pytest.LogCaptureFixture) -> None:
    camera = ScriptedCamera(answers={"OPTIONS": ""})
    async with house(camera, connect_timeout=0.5) as scene:
        await scene.until(lambda: scene.states)
        assert (scene.states, scene.told) == ([OFFLINE], ["true"])
        for _ in range(2):
            assert await scene.retry() < 2 * FIRST_DELAY * 1.25
        assert scene.states == [OFFLINE]
        assert caplog.text.count("does not answer OPTIONS within 0.5 s") == 1  # said once


async def test_a_camera_that_plays_and_never_sends() -> None:
    async with house(ScriptedCamera()) as scene:
        await scene.camera.wait_for(lambda: scene.camera.reports, 30)
        await scene.driver_clock.advance(10.0)
        await scene.until(lambda: scene.states)
        assert (scene.states, scene.told) == ([OFFLINE], ["true"])


async def test_a_half_open_connection_is_a_loss_and_the_camera_comes_back() -> None:
    async with house(ScriptedCamera()) as scene:
        await scene.playing()
        await scene.driver_clock.advance(6.0)  # not a byte, and no end either
        await scene.until(lambda: scene.states == [ONLINE, OFFLINE])
        await scene.retry()
        await scene.playing(2)
        assert (scene.states, scene.told) == ([ONLINE, OFFLINE, ONLINE], ["false", "true", "false"])


async def test_a_flapping_camera_is_told_each_time_and_never_stormed() -> None:
    async with house(ScriptedCamera()) as scene:
        for times in range(1, 5):
            await scene.playing(times)
            scene.camera.writers[-1].transport.abort()
            await scene.until(lambda wanted=2 * times: len(scene.states) == wanted)
            pause = await scene.retry()
            assert FIRST_DELAY * 0.75 <= pause <= FIRST_DELAY * 1.25
        assert scene.states == [ONLINE, OFFLINE] * 4
        assert scene.told == ["false", "true"] * 4


GARBAGE = {
    "too short": b"$\x00\x00\x02\x80\x60",
    "no RTP": b"$\x00\x00\x20" + b"\x00" * 32,
    "another payload type": b"$\x00\x00\x10\x80\x21" + bytes(14),
    "a padding longer than the packet": b"$\x00\x00\x10\xa0\x60" + bytes(10) + b"\xff" * 4,
    "an extension that does not end": b"$\x00\x00\x10\x90\x60" + bytes(10) + b"\xff" * 4,
    "another channel": b"$\x4d\x00\x04\xde\xad\xbe\xef",
    "bytes between packets": b"\xde\xad\xbe\xef" * 40,
    "no RTCP": b"$\x01\x00\x08" + b"\xff" * 8,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_let_pass(garbage: bytes) -> None:
    async with house(ScriptedCamera()) as scene:
        await scene.playing()
        scene.camera.send(garbage * 100)
        scene.camera.send_unit(scene.camera.key_frame(90_000))
        await scene.reader.until(lambda: any(unit.rtp_time == 90_000 for unit in scene.reader.units))
        assert (scene.states, scene.told) == ([ONLINE], ["false"])


async def test_a_camera_that_changes_its_resolution_stays_and_is_described_anew() -> None:
    async with house(ScriptedCamera()) as scene:
        await scene.playing()
        scene.camera.send_unit(scene.camera.key_frame(3600, H264_LARGE_SPS))
        scene.camera.send_unit(scene.camera.key_frame(7200, H264_LARGE_SPS))
        await scene.reader.until(lambda: len(scene.reader.units) == 3)
        assert _video(scene).video.width == 1920
        assert (scene.states, scene.told) == ([ONLINE], ["false"])


async def test_a_camera_that_changes_its_codec_is_lost_for_a_moment_and_described_anew() -> None:
    async with house(ScriptedCamera()) as scene:
        await scene.playing()
        fmtp = parameter_sets.to_fmtp("H265", H265_SETS)
        sdp = f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=fmtp:96 {fmtp}\r\n"
        scene.camera.medias = [(sdp, "trackID=1")]
        scene.camera.writers[-1].transport.abort()
        await scene.until(lambda: scene.states == [ONLINE, OFFLINE])
        await scene.retry()
        await scene.camera.wait_for(lambda: len(scene.camera.of("PLAY")) == 2, 30)
        video = Packetizer(0, H265, 0x3333, 0)
        scene.camera.send_unit(video.unit([*H265_SETS, b"\x26\x01" + bytes(900)], 0, 0, keyframe=True))
        await scene.until(lambda: scene.states == [ONLINE, OFFLINE, ONLINE])
        assert (_video(scene).encoding, _video(scene).video.width) == ("H265", 1920)
        assert scene.told == ["false", "true", "false"]


async def test_a_changed_password_is_not_tried_on() -> None:
    async with house(ScriptedCamera(authenticate=("MD5",))) as scene:
        await scene.playing()
        scene.camera.password = "another"
        scene.camera.writers[-1].transport.abort()
        await scene.until(lambda: scene.states == [ONLINE, OFFLINE])
        before = len(scene.camera.requests)
        await scene.retry()  # from the loss
        async with asyncio.timeout(30):
            await scene.clock.asleep.wait()
        assert scene.clock.sleeping == (REFUSED_DELAY,)
        tried = [each for each in scene.camera.requests[before:] if "authorization" in each.headers]
        assert len({each.headers["authorization"] for each in tried}) == 1
        scene.camera.password = "s3cret"
        await scene.retry()
        await scene.playing(2)
        assert scene.told == ["false", "true", "false"]


@pytest.mark.parametrize("year_ns", [0, 86_400 * 365 * ntp.NS, 2_050_000_000 * ntp.NS])
async def test_a_camera_with_a_wrong_clock_plays_in_our_time(year_ns: int) -> None:
    async with house(ScriptedCamera()) as scene:
        await scene.playing()
        report = rtcp.serialize([rtcp.SenderReport(0x1111, ntp.from_utc_ns(year_ns) if year_ns else 0, 0, 1, 1)])
        scene.camera.send(b"$\x01" + len(report).to_bytes(2, "big") + report)
        scene.camera.send_unit(scene.camera.key_frame(90_000))
        await scene.reader.until(lambda: len(scene.reader.units) == 2)
        for unit in scene.reader.units:
            assert abs(unit.utc_ns - scene.driver_clock.utc_ns()) <= 2 * ntp.NS
        assert (scene.states, scene.told) == ([ONLINE], ["false"])


def _video(scene: House) -> Any:
    description = scene.cameras.description("/live/bad/main")
    assert description is not None
    return description.tracks[0]
