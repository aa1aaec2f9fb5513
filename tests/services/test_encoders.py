"""A camera's encoder is set anew, and set back when no picture comes of it."""

import asyncio
from dataclasses import replace

import pytest
from media_samples import video
from soap_kit import MemorySettings

from gateway.domain.encoder import VideoEncoderSettings
from gateway.domain.errors import GatewayError
from gateway.domain.media import AccessUnit, PacketBlock, StreamDescription
from gateway.services.controls import Controls
from gateway.services.encoders import PICTURE_SECONDS, SETTLING_SECONDS, SHOWN_SECONDS, Encoders
from gateway.services.streams import LiveStream
from gateway.testing.clock import FakeClock, settle
from gateway.testing.drivers import driver_context
from gateway_testpattern.driver import TestPatternDriver as Driver
from gateway_testpattern.driver import TestPatternSettings as Settings


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.camera = Driver(Settings(), driver_context(self.clock))
        self.controls = Controls({"yard": self.camera}, MemorySettings(), self.clock)
        self.stream = LiveStream("/live/yard/main")
        self.undone: list[tuple[str, str]] = []
        self.encoders = Encoders(
            self.controls, lambda _camera, _profile: self.stream, self.clock, lambda *told: self.undone.append(told)
        )

    @property
    def now(self) -> VideoEncoderSettings:
        return self.camera._camera.encoders.now["main"]

    def show(self, *, anew: bool) -> None:
        if anew:
            self.stream.describe(StreamDescription((video(),)))
        packets = PacketBlock(b"", 0)
        self.stream.deliver(AccessUnit(0, 0, self.clock.utc_ns(), keyframe=True, packets=packets, depacketize=tuple))


@pytest.fixture
async def scene() -> Scene:
    scene = Scene()
    await scene.controls.learn("yard")
    return scene


async def test_a_stream_that_is_shown_anew_is_left_as_it_is(scene: Scene) -> None:
    wanted = replace(scene.now, width=1920, height=1080)
    setting = asyncio.create_task(scene.encoders.set_encoder("yard", "main", wanted))
    await settle()
    scene.show(anew=False)
    assert not setting.done()
    scene.show(anew=True)
    await setting
    assert scene.controls.abilities("yard").encoders["main"].settings == wanted
    await scene.clock.advance(PICTURE_SECONDS * 2)
    assert (scene.now, scene.undone, scene.stream.readers) == (wanted, [], 0)


async def test_a_stream_without_a_picture_is_set_back(scene: Scene) -> None:
    before = scene.now
    setting = asyncio.create_task(scene.encoders.set_encoder("yard", "main", replace(before, width=1920, height=1080)))
    await settle()
    await scene.clock.advance(SHOWN_SECONDS)
    await setting
    await scene.clock.advance(PICTURE_SECONDS)
    assert scene.now == before
    assert scene.undone == [("yard", "main: no picture within 25 s; set back to H264 1280x720")]
    assert scene.controls.abilities("yard").encoders["main"].settings == before


async def test_a_bit_rate_needs_no_new_description_but_pictures_that_are_not_from_before(scene: Scene) -> None:
    before = scene.now
    await scene.encoders.set_encoder("yard", "main", replace(before, bitrate=100_000))
    scene.show(anew=False)
    await settle()
    await scene.clock.advance(PICTURE_SECONDS)
    assert scene.now == before
    await scene.encoders.set_encoder("yard", "main", replace(before, bitrate=100_000))
    await settle()
    await scene.clock.advance(SETTLING_SECONDS)
    scene.show(anew=False)
    await scene.clock.advance(PICTURE_SECONDS)
    assert scene.now.bitrate == 100_000


async def test_a_camera_that_refuses_is_not_watched(scene: Scene) -> None:
    with pytest.raises(GatewayError, match="a picture can't be 7x7"):
        await scene.encoders.set_encoder("yard", "main", replace(scene.now, width=7, height=7))
    with pytest.raises(GatewayError, match="the encoder 'third' of camera 'yard' can't be set"):
        await scene.encoders.set_encoder("yard", "third", scene.now)
    assert scene.stream.readers == 0


async def test_nothing_is_set_back_after_the_end(scene: Scene) -> None:
    await scene.encoders.set_encoder("yard", "main", replace(scene.now, bitrate=100_000))
    await scene.encoders.stop()
    await scene.clock.advance(PICTURE_SECONDS)
    assert scene.now.bitrate == 100_000
    assert scene.stream.readers == 0
