"""The driver `testpattern`."""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.domain.camera import PROFILE_NAMES, CameraInfo
from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.domain.encoder import VideoEncoderSettings
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AudioParameters, MediaKind, StreamDescription, TrackDescription, VideoParameters
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtp.parameter_sets import to_fmtp, video_parameters
from gateway.sdk.clock import Clock
from gateway.sdk.controls import CameraControls
from gateway.sdk.driver import CameraDriver, DriverContext, MediaSink
from gateway_testpattern import tone
from gateway_testpattern.camera import Encoders, SimulatedCamera, encoder_settings
from gateway_testpattern.encoder import Encoded, Encoder, natural_bitrate, natural_gop
from gateway_testpattern.film import Film
from gateway_testpattern.loudspeaker import Loudspeaker
from gateway_testpattern.optics import View
from gateway_testpattern.scene import Scene, seed_of
from gateway_testpattern.sources import new_sequence, new_ssrc

VIDEO_CLOCK = 90_000
_NS = 1_000_000_000
_SIZES = (4, 4096)
_RATES = (1.0, 60.0)
_PARAMETER_SETS: dict[str, Callable[[bytes], bool]] = {
    "H264": lambda unit: unit[0] & 0x1F in (7, 8),
    "H265": lambda unit: unit[0] >> 1 & 0x3F in (32, 33, 34),
}

_encoders = ThreadPoolExecutor(max_workers=2, thread_name_prefix="testpattern")
"""Shared by all simulated cameras; each profile has one picture in it at a time, so its queue is bounded."""


@dataclass(frozen=True, slots=True)
class TestPatternSettings:
    """The keys of `[camera.settings]`."""

    width: int = 1280
    height: int = 720
    frame_rate: float = 10.0
    sub_width: int = 640
    sub_height: int = 360
    sub_frame_rate: float = 5.0
    codec: Literal["h264", "h265"] = "h264"
    """Of the main profile; sub is always H.264."""
    audio: bool = True
    """Whether it has a microphone, and a loudspeaker before it."""
    ptz: bool = True
    """Whether it can be turned."""
    seed: int | None = None
    """Chooses hour and hills: dawn, day, dusk and night are 0 to 3; unless set, the camera's id does."""
    file: Path | None = None
    """Plays this media file in a loop instead, as it is."""

    def __post_init__(self) -> None:
        """Raise ValueError for what can't be encoded."""
        for name in ("width", "height", "sub_width", "sub_height"):
            value = getattr(self, name)
            if value % 4 or not _SIZES[0] * 40 <= value <= _SIZES[1]:
                raise ValueError(f"{name} must be a multiple of 4 from 160 to {_SIZES[1]}, not {value}")
        if self.seed is not None and self.seed < 0:
            raise ValueError(f"seed must not be negative, and is {self.seed}")
        for name in ("frame_rate", "sub_frame_rate"):
            value = getattr(self, name)
            if not _RATES[0] <= value <= _RATES[1]:
                raise ValueError(f"{name} must be from {_RATES[0]:g} to {_RATES[1]:g}, not {value:g}")


class TestPatternDriver(CameraDriver):
    """A camera without a camera."""

    Settings = TestPatternSettings
    settings: TestPatternSettings
    event_kinds = frozenset({DeviceEventKind.DIGITAL_INPUT, DeviceEventKind.RELAY})

    def __init__(self, settings: TestPatternSettings, context: DriverContext) -> None:
        super().__init__(settings, context)
        self._camera = SimulatedCamera(_encoders_of(settings), context.clock, head=settings.ptz, sound=settings.audio)

    def profiles(self) -> tuple[str, ...]:
        """Both profiles; a file has one stream."""
        return PROFILE_NAMES if self.settings.file is None else PROFILE_NAMES[:1]

    async def info(self) -> CameraInfo:
        """Return what it says of itself."""
        return CameraInfo(manufacturer="Simulated", model="Test pattern", serial=self.context.camera_id)

    async def controls(self) -> CameraControls:
        """Return everything; a film can't be controlled."""
        if self.settings.file is not None:
            return CameraControls()
        camera = self._camera
        contacts = camera.contacts
        return CameraControls(camera.encoders, camera.picture, camera.head, contacts, contacts, camera.loudspeaker)

    async def events(self, tell: Callable[[DeviceEvent], None]) -> None:
        """Tell how relay and input are. Raises GatewayError for a film."""
        if self.settings.file is not None:
            raise GatewayError(ErrorKind.UNSUPPORTED, "a film has no events")
        await self._camera.contacts.tell(tell)

    async def stream(self, profile: str, sink: MediaSink) -> None:
        """Deliver until cancelled. Raises GatewayError when the file can't be played."""
        if self.settings.file is not None:
            await Film(self.settings.file, self.context.clock, _encoders).play(sink)
            return
        while True:
            await _Simulation(self.settings, self.context, self._camera, profile, sink).run()


def _encoders_of(settings: TestPatternSettings) -> Encoders:
    """Return both profiles as they begin, and what they could be."""
    main, sub = PROFILE_NAMES
    made = {}
    for profile, encoding, size, rate in (
        (main, settings.codec.upper(), (settings.width, settings.height), settings.frame_rate),
        (sub, "H264", (settings.sub_width, settings.sub_height), settings.sub_frame_rate),
    ):
        made[profile] = encoder_settings(encoding, size, rate, natural_bitrate(*size, rate), natural_gop(rate))
    return Encoders(made, {main: ("H264", "H265"), sub: ("H264",)})


class _Simulation:
    """One profile, until it is set otherwise: pictures from a thread, paced on the clock, and a beep beside them."""

    def __init__(
        self,
        settings: TestPatternSettings,
        context: DriverContext,
        camera: SimulatedCamera,
        profile: str,
        sink: MediaSink,
    ) -> None:
        self._profile = profile
        self._camera = camera
        self._made = made = camera.encoders.now[profile]
        self._width, self._height, self._rate = made.width, made.height, made.frame_rate
        self._encoding = made.encoding
        self._loudspeaker = camera.loudspeaker if profile == PROFILE_NAMES[0] else None
        self._name = context.camera_name
        self._seed = seed_of(context.camera_id) if settings.seed is None else settings.seed
        self._clock = context.clock
        self._sink = sink

    async def run(self) -> None:
        """Return once the profile is set otherwise."""
        loop = asyncio.get_running_loop()
        scene = await loop.run_in_executor(_encoders, Scene, self._name, self._width, self._height, self._seed)
        encoder = _encoder(self._made)

        def shoot(utc_ns: int, view: View) -> Encoded:
            return encoder.encode(scene.draw(utc_ns, view))

        start = self._clock.monotonic()
        utc_ns = self._clock.utc_ns()
        picture = await loop.run_in_executor(_encoders, shoot, utc_ns, self._camera.view())
        track = self._video_track(encoder, picture)
        tracks = (track, _audio_track()) if self._loudspeaker else (track,)
        self._sink.describe(StreamDescription(tracks))
        async with asyncio.TaskGroup() as tasks:
            microphone = None
            if self._loudspeaker is not None:
                microphone = tasks.create_task(_listen(self._sink, self._clock, self._loudspeaker))
            packetizer = Packetizer(0, track, new_ssrc(), new_sequence())
            frame = 0
            while self._camera.encoders.now[self._profile] == self._made:
                elapsed = frame / self._rate
                rtp_time = round(elapsed * VIDEO_CLOCK)
                self._sink.deliver(packetizer.unit(picture.units, rtp_time, utc_ns, picture.keyframe))
                frame = await _next(self._clock, start, frame, self._rate)
                utc_ns = self._clock.utc_ns()
                picture = await loop.run_in_executor(_encoders, shoot, utc_ns, self._camera.view())
            if microphone is not None:
                microphone.cancel()

    def _video_track(self, encoder: Encoder, first: Encoded) -> TrackDescription:
        sets = [unit for unit in first.units if _PARAMETER_SETS[self._encoding](unit)]
        seen = video_parameters(self._encoding, sets, self._rate)
        profile = "" if seen is None else seen.codec_profile
        video = VideoParameters(self._width, self._height, self._rate, encoder.bitrate, encoder.gop_length, profile)
        fmtp = to_fmtp(self._encoding, sets)
        return TrackDescription(MediaKind.VIDEO, self._encoding, 96, VIDEO_CLOCK, fmtp=fmtp, video=video)


def _encoder(made: VideoEncoderSettings) -> Encoder:
    return Encoder(
        made.encoding,
        made.width,
        made.height,
        made.frame_rate,
        gop_length=made.gop_length,
        quality=made.quality or 0.0,
        limit=made.bitrate,
    )


async def _next(clock: Clock, start: float, done: int, rate: float) -> int:
    """Wait for the next number that is due; numbers whose time has passed are left out."""
    due = max(done + 1, math.ceil((clock.monotonic() - start) * rate))
    await clock.sleep(max(0.0, start + due / rate - clock.monotonic()))
    return due


def _audio_track() -> TrackDescription:
    audio = AudioParameters(tone.RATE, 1, tone.RATE * 8)
    return TrackDescription(MediaKind.AUDIO, "PCMU", 0, tone.RATE, audio=audio)


async def _listen(sink: MediaSink, clock: Clock, loudspeaker: Loudspeaker) -> None:
    """Deliver the sound until cancelled: a beep at every full second, and what the loudspeaker plays."""
    samples = memoryview(tone.second() * 2)
    packetizer = Packetizer(1, _audio_track(), new_ssrc(), new_sequence())
    start, utc_ns = clock.monotonic(), clock.utc_ns()
    phase = utc_ns % _NS * tone.RATE // _NS
    rate = tone.RATE / tone.FRAME
    number = 0
    while True:
        number = await _next(clock, start, number, rate)
        sample = (number - 1) * tone.FRAME
        at = (phase + sample) % tone.RATE
        taken = utc_ns + sample * _NS // tone.RATE
        sound = loudspeaker.mixed(samples[at : at + tone.FRAME])
        sink.deliver(packetizer.unit([sound], sample, taken, keyframe=True))
