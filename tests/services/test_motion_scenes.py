"""Motion as it is installed, from an encoded picture to the alarm: rain, noise and a light are none, an object is."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from bench.clips import BEGIN, END, HEIGHT, RATE, WIDTH, Clip, Happening, rain, thing

from gateway.domain.event import Event
from gateway.domain.media import MediaKind, StreamDescription, TrackDescription
from gateway.domain.motion_rules import ALL_CELLS
from gateway.media.decoder import DecoderPool
from gateway.protocols.rtp.block import ends_frame
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtp.parameter_sets import from_fmtp, to_fmtp
from gateway.services.eventbus import EventBus
from gateway.services.motion import Motion, MotionPorts, MotionSpec
from gateway.services.motion_events import MotionEvents, Tokens
from gateway.services.motion_rules import CameraRules, MotionRules, cell_rule
from gateway.services.streams import LiveStream
from gateway.testing.clock import FakeClock, settle
from gateway.testing.streams import START_NS
from gateway_framediff.engine import FrameDifference, FrameDifferenceSettings
from gateway_testpattern.encoder import Encoder

ALARM = "tns1:VideoSource/MotionAlarm"
HOLD = 1.0
_NS = 1_000_000_000


def lamp(_clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
    """A light is switched on at second 5 and off at second 8."""
    return picture * (1.45 if 5 <= number / RATE < 8 else 1.0)


class Alarms:
    """The motion alarms that are told, with the seconds of their frames."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []

    def deliver(self, event: Event) -> None:
        if event.topic == ALARM:
            self.told.append((event.data[0][1], (event.utc_ns - START_NS) / _NS))


def rules() -> MotionRules:
    class Nothing:
        def load(self, key: str) -> None: ...
        def store(self, key: str, value: object) -> None: ...

    return MotionRules({"door": CameraRules((cell_rule("Motion", ALL_CELLS, hold=HOLD),), hold=HOLD)}, Nothing())


def camera(clip: Clip, stream: LiveStream) -> Iterator[int]:
    """Encode and deliver a clip's pictures; yields the number of each."""
    encoder = Encoder("H264", WIDTH, HEIGHT, float(RATE))
    packetizer = None
    for number, (picture, _) in enumerate(clip.pictures()):
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        planes[:HEIGHT] = picture
        encoded = encoder.encode(planes)
        if packetizer is None:
            sets = [unit for unit in encoded.units if unit[0] & 0x1F in (7, 8)]
            track = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000, fmtp=to_fmtp("H264", sets))
            stream.describe(StreamDescription((track,)))
            packetizer = Packetizer(0, track, 1, 1)
        utc_ns = START_NS + number * _NS // RATE
        stream.deliver(packetizer.unit(encoded.units, number * 90_000 // RATE, utc_ns, encoded.keyframe))
        yield number


@pytest.mark.parametrize(
    ("weather", "noise"), [((rain,), 2.0), ((), 10.0), ((lamp,), 2.0)], ids=["rain", "noise", "light"]
)
async def test_an_object_alone_raises_the_alarm(weather: tuple[Happening, ...], noise: float) -> None:
    clock, stream, decoders, alarms = (
        FakeClock(START_NS),
        LiveStream("/live/door/sub"),
        DecoderPool(from_fmtp),
        Alarms(),
    )
    bus = EventBus(clock)
    events = MotionEvents(bus, lambda name: Tokens(f"source_{name}", f"configuration_{name}", f"va_{name}"))
    ports = MotionPorts(lambda _: stream, decoders, lambda unit: ends_frame(unit.packets), clock)
    spec = MotionSpec(
        "door",
        "all",
        WIDTH,
        lambda motion: FrameDifference(motion, FrameDifferenceSettings()),
        FrameDifference.tampering,
    )
    motion = Motion([spec], rules(), events, ports)
    seen = asyncio.Event()
    motion.watch(lambda *_: seen.set())
    bus.attach(alarms)
    task = asyncio.create_task(motion.run())
    await settle()
    try:
        for _ in camera(Clip(1, (thing(40, 60), *weather), moving=True, noise=noise), stream):
            async with asyncio.timeout(30):
                await seen.wait()
            seen.clear()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        decoders.close()
    states, times = zip(*alarms.told, strict=True)
    assert states == ("false", "true", "false")
    assert BEGIN <= times[1] <= BEGIN + 0.5
    assert END <= times[2] <= END + HOLD + 0.5
