"""Which tracks can be stored, and what their samples are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from gateway.domain.media import MediaKind, TrackDescription
from gateway.protocols.mp4.aac import config_of, latm_frames
from gateway.protocols.mp4.sample_entry import METADATA

Parts = Sequence[memoryview]
VIDEO_TIMESCALE: Final = 90_000
_OPUS_CLOCK: Final = 48_000
_HIGHEST_RATE: Final = 1_000_000
_MOST_CHANNELS: Final = 255
_OPUS_MS: Final = (*(10, 20, 40, 60) * 3, *(10, 20) * 2, *(2.5, 5, 10, 20) * 4)
"""Duration of one frame by the configuration in the table-of-contents byte (RFC 6716 §3.1)."""
_OPUS_MOST_FRAMES: Final = 48


class Form(Enum):
    """What a sample is made of."""

    NAL_UNITS = auto()
    """A frame: its NAL units, each behind its length in four bytes."""
    WHOLE = auto()
    """A frame: what its parts are when put together."""
    FRAMES = auto()
    """Every part is a sample."""


@dataclass(frozen=True, slots=True)
class Storing:
    """How a track is stored."""

    form: Form
    timescale: int
    duration: Callable[[memoryview], int] = lambda _: 1
    """Ticks that one sample of `FRAMES` lasts."""
    split: Callable[[Parts], Parts] | None = None
    """Turns a unit's parts into samples where they are not already."""


_FRAMES: Final = {
    (MediaKind.VIDEO, "H264"): Storing(Form.NAL_UNITS, VIDEO_TIMESCALE),
    (MediaKind.VIDEO, "H265"): Storing(Form.NAL_UNITS, VIDEO_TIMESCALE),
    (MediaKind.VIDEO, "JPEG"): Storing(Form.WHOLE, VIDEO_TIMESCALE),
    (MediaKind.APPLICATION, METADATA): Storing(Form.WHOLE, VIDEO_TIMESCALE),
}


def storing(track: TrackDescription) -> Storing | None:
    """Return how a track is stored, None when its encoding or its parameters can't be."""
    if not 0 < track.clock_rate <= _HIGHEST_RATE or not 0 < track.channels <= _MOST_CHANNELS:
        return None
    if track.kind is not MediaKind.AUDIO:
        return _FRAMES.get((track.kind, track.encoding))
    match track.encoding:
        case "MPEG4-GENERIC" | "MP4A-LATM":
            return _aac(track)
        case "OPUS":
            return Storing(Form.FRAMES, _OPUS_CLOCK, opus_ticks)
        case "PCMU" | "PCMA":
            channels = track.channels
            return Storing(Form.FRAMES, track.clock_rate, lambda part: len(part) // channels)
    return None


def opus_ticks(packet: memoryview) -> int:
    """Return the duration of an Opus packet in samples of 48 kHz (RFC 6716 §3.1 and §3.2)."""
    if not packet:
        return 0
    frames = (1, 2, 2, packet[1] & 0x3F if len(packet) > 1 else 0)[packet[0] & 3]
    return int(_OPUS_MS[packet[0] >> 3] * min(frames, _OPUS_MOST_FRAMES) * (_OPUS_CLOCK // 1000))


def _aac(track: TrackDescription) -> Storing | None:
    config = config_of(track)
    if config is None:
        return None
    ticks = config.frame_ticks(track.clock_rate)
    split = _split_latm if track.encoding == "MP4A-LATM" else None
    return Storing(Form.FRAMES, track.clock_rate, lambda _: ticks, split)


def _split_latm(parts: Parts) -> Parts:
    return [frame for part in parts for frame in latm_frames(part)]
