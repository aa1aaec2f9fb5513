"""A plug-in of a stranger: a camera whose picture follows from the clock, so that a test knows when something moves.

In its still landscape a box crosses from left to right in the second half of every period, but for the one in which it
was switched on: whoever looks sees the landscape first. Pictures are taken at round times. With `box = false` nothing
moves.
"""

import asyncio
import math
from dataclasses import dataclass

import numpy as np

from gateway.domain.media import MediaKind, StreamDescription, TrackDescription, VideoParameters
from gateway.domain.motion import MotionResult, MotionSettings
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtp.parameter_sets import to_fmtp
from gateway.sdk.driver import CameraDriver, MediaSink
from gateway.sdk.hooks import hookimpl
from gateway.sdk.motion import GrayPicture, MotionEngine
from gateway_testpattern.encoder import Encoder

PERIOD, APPEARS = 6.0, 3.0
"""Seconds: the box is there from `APPEARS` on in every period of the clock."""
WIDTH, HEIGHT, RATE = 320, 180, 10
_SIDE = 36
_NS = 1_000_000_000
_FRAME_NS = _NS // RATE


@dataclass(frozen=True, slots=True)
class NoSettings:
    """An engine without keys."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The keys of `[camera.settings]`."""

    box: bool = True


class CrossingCamera(CameraDriver):
    """One profile of H.264, a GOP every half second."""

    Settings = Settings

    def profiles(self) -> tuple[str, ...]:
        return ("main",)

    async def stream(self, profile: str, sink: MediaSink) -> None:
        clock, encoder = self.context.clock, Encoder("H264", WIDTH, HEIGHT, RATE / 4)
        number = clock.utc_ns() // _FRAME_NS + 1
        first = number
        crosses_from = math.ceil(number * _FRAME_NS / _NS / PERIOD) * PERIOD
        packetizer: Packetizer | None = None
        while True:
            utc_ns = number * _FRAME_NS
            await clock.sleep(max(0.0, (utc_ns - clock.utc_ns()) / 1e9))
            box = self.settings.box and utc_ns / _NS >= crosses_from
            encoded = await asyncio.to_thread(encoder.encode, picture(utc_ns / _NS, box=box))
            if packetizer is None:
                sets = [unit for unit in encoded.units if unit[0] & 0x1F in (7, 8)]
                video = VideoParameters(WIDTH, HEIGHT, RATE, 200_000, encoder.gop_length, "Baseline")
                track = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000, fmtp=to_fmtp("H264", sets), video=video)
                sink.describe(StreamDescription((track,)))
                packetizer = Packetizer(0, track, 1, 1)
            rtp_time = (number - first) * 90_000 // RATE
            sink.deliver(packetizer.unit(encoded.units, rtp_time, utc_ns, encoded.keyframe))
            number = max(number + 1, clock.utc_ns() // _FRAME_NS)


def picture(seconds: float, *, box: bool) -> np.ndarray:
    """Return the picture of a moment in planar YUV 4:2:0."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    planes[:HEIGHT] = 90 + 30 * np.sin(rows / 9) + 20 * np.sin(columns / 13)
    since = seconds % PERIOD - APPEARS
    if box and since >= 0:
        left = int((WIDTH - _SIDE) * since / (PERIOD - APPEARS))
        planes[70 : 70 + _SIDE, left : left + _SIDE] = 220
    return planes


class Difference(MotionEngine):
    """Sees what differs from a picture without the box; knows a zone by its left and right."""

    Settings = NoSettings

    def __init__(self, motion: MotionSettings, settings: NoSettings) -> None:
        super().__init__(motion, settings)
        self._empty: np.ndarray | None = None

    def analyse(self, picture: GrayPicture) -> MotionResult:
        levels = np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width).astype(np.int16)
        if self._empty is None:
            if picture.utc_ns / _NS % PERIOD >= APPEARS:
                return MotionResult(picture.utc_ns)
            self._empty = levels
        columns = np.nonzero(np.abs(levels - self._empty) > 25)[1] / picture.width
        seen = [zone.name for zone in self.motion.zones if _moved(columns, [x for x, _ in zone.polygon])]
        return MotionResult(picture.utc_ns, frozenset(seen))


def _moved(columns: np.ndarray, sides: list[float]) -> bool:
    return int(((columns >= min(sides)) & (columns < max(sides))).sum()) > 20


@hookimpl
def gateway_register_drivers() -> dict[str, type[CameraDriver]]:
    return {"crossing": CrossingCamera}


@hookimpl
def gateway_register_motion_engines() -> dict[str, type[MotionEngine]]:
    return {"difference": Difference}
