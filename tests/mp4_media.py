"""Real encoded media as access units, for the tests of segment files."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import numpy as np

from gateway.domain.media import (
    AccessUnit,
    AudioParameters,
    MediaKind,
    StreamDescription,
    TrackDescription,
    VideoParameters,
)
from gateway.protocols.mp4.writer import Fragmented, Muxer
from gateway.protocols.rtp.packetize import Packetizer

NS = 1_000_000_000
START = 1_750_000_000_123_456_789
_AAC_FMTP = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={}"
_VIDEO = {"H264": "libx264", "H265": "libx265", "JPEG": "mjpeg"}
_AUDIO = {
    "MPEG4-GENERIC": ("aac", 16_000),
    "OPUS": ("libopus", 48_000),
    "PCMU": ("pcm_mulaw", 8_000),
    "PCMA": ("pcm_alaw", 8_000),
}
_PAYLOAD_TYPES = {"H264": 96, "H265": 97, "JPEG": 26, "MPEG4-GENERIC": 98, "OPUS": 99, "PCMU": 0, "PCMA": 8}


@dataclass(frozen=True)
class Encoded:
    """Frames of one track: seconds of presentation, key frame, payload; in decode order."""

    track: TrackDescription
    frames: tuple[tuple[float, bool, tuple[bytes, ...]], ...]

    def units(self, index: int = 0, start_ns: int = START) -> list[AccessUnit]:
        packetizer = Packetizer(index, self.track, ssrc=7, sequence=65_500)
        rate = self.track.clock_rate
        return [
            packetizer.unit(payload, round(at * rate) + 12_345, start_ns + round(at * NS), key)
            for at, key, payload in self.frames
        ]


def split_nal_units(data: bytes) -> tuple[bytes, ...]:
    """Return the NAL units of a byte stream with start codes."""
    return tuple(unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:])


@cache
def video(
    encoding: str = "H264",
    frames: int = 60,
    gop: int = 25,
    rate: int = 25,
    size: tuple[int, int] = (320, 192),
    **options: str,
) -> Encoded:
    """Encode noise that moves. H.264 and H.265 use B-frames, and have their parameter sets in the stream."""
    name = _VIDEO[encoding]
    context = av.CodecContext.create(name, "w")
    context.width, context.height = size
    context.pix_fmt = "yuvj420p" if encoding == "JPEG" else "yuv420p"
    context.time_base, context.framerate = Fraction(1, rate), Fraction(rate)
    context.gop_size, context.bit_rate = gop, 1_000_000
    context.thread_count = 1
    if encoding == "H264":
        context.max_b_frames = 2
        context.options = {"preset": "veryfast", "sc_threshold": "0"} | options
    elif encoding == "H265":
        context.options = {
            "preset": "ultrafast",
            "x265-params": f"keyint={gop}:min-keyint={gop}:bframes=2:open-gop=0:log-level=none:pools=1:scenecut=0",
        } | options
    else:
        context.options = {"huffman": "default"}
    picture = np.random.default_rng(3).integers(0, 255, (size[1] * 3 // 2, size[0]), dtype=np.uint8)
    packets = []
    for number in range(frames):
        frame = av.VideoFrame.from_ndarray(np.roll(picture // 4 + 90, 4 * number, axis=1), "yuv420p")
        frame = frame.reformat(format=context.pix_fmt)
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    payload = (lambda data: (data,)) if encoding == "JPEG" else split_nal_units
    track = TrackDescription(
        MediaKind.VIDEO,
        encoding,
        _PAYLOAD_TYPES[encoding],
        90_000,
        video=VideoParameters(*size, float(rate), 1_000_000, gop, "High" if encoding == "H264" else "Main"),
    )
    return Encoded(track, tuple((p.pts / rate, p.is_keyframe, payload(bytes(p))) for p in packets))


@cache
def audio(encoding: str, seconds: float = 2.4) -> Encoded:
    """Encode a tone."""
    name, rate = _AUDIO[encoding]
    context = av.CodecContext.create(name, "w")
    context.sample_rate, context.layout = rate, "mono"
    context.format = "fltp" if name == "aac" else "s16"
    context.time_base = Fraction(1, rate)
    context.open()
    step = context.frame_size or rate // 50
    packets = []
    for start in range(0, int(seconds * rate), step):
        tone = np.sin(np.arange(start, start + step) * (2 * math.pi * 440 / rate)) * 0.3
        values = tone.astype(np.float32) if name == "aac" else (tone * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(values.reshape(1, -1), format=context.format.name, layout="mono")
        frame.sample_rate, frame.pts = rate, start
        packets += context.encode(frame)
    packets += context.encode(None)
    fmtp = _AAC_FMTP.format(bytes(context.extradata or b"").hex()) if name == "aac" else ""
    channels = 2 if encoding == "OPUS" else 1
    track = TrackDescription(
        MediaKind.AUDIO,
        encoding,
        _PAYLOAD_TYPES[encoding],
        rate,
        channels,
        fmtp,
        audio=AudioParameters(rate, channels, 64_000),
    )
    first = packets[0].pts
    return Encoded(track, tuple(((p.pts - first) / rate, True, (bytes(p),)) for p in packets))


def metadata(seconds: float = 2.4) -> Encoded:
    """Make documents, some larger than a packet."""
    rng = random.Random(5)
    track = TrackDescription(MediaKind.APPLICATION, "VND.ONVIF.METADATA", 107, 90_000)
    documents = [
        b"<tt:MetadataStream>" + b" " * rng.randrange(4000) + b"</tt:MetadataStream>" for _ in range(int(seconds * 2))
    ]
    return Encoded(track, tuple((0.5 * number, True, (document,)) for number, document in enumerate(documents)))


def merged(tracks: Sequence[Encoded], start_ns: int = START) -> list[AccessUnit]:
    """Return the units of all tracks as they would arrive: by decode order in each, about in time."""
    timed = []
    for index, encoded in enumerate(tracks):
        due = sorted(at for at, _, _ in encoded.frames)
        timed += [(at, index, unit) for at, unit in zip(due, encoded.units(index, start_ns), strict=True)]
    return [unit for _, _, unit in sorted(timed, key=lambda each: each[:2])]


def described(tracks: Sequence[Encoded]) -> StreamDescription:
    return StreamDescription(tuple(encoded.track for encoded in tracks))


def groups(units: Sequence[AccessUnit], end_ns: int, lead: int = 0) -> list[tuple[list[AccessUnit], int]]:
    """Cut units at the key frames of the leading track; each group with the time at which the next begins."""
    found: list[tuple[list[AccessUnit], int]] = []
    group: list[AccessUnit] = []
    for unit in units:
        if unit.track == lead and unit.keyframe and any(each.track == lead for each in group):
            found.append((group, unit.utc_ns))
            group = []
        group.append(unit)
    return [*found, (group, end_ns)]


def segment(
    tracks: Sequence[Encoded], start_ns: int = START, seconds: float = 2.4, *, closed: bool = True
) -> tuple[bytes, list[Fragmented]]:
    """Return a segment file and its fragments."""
    muxer = Muxer(described(tracks), {"recording": "R"}, start_ns)
    fragments = [muxer.fragment(*group) for group in groups(merged(tracks, start_ns), start_ns + round(seconds * NS))]
    parts = [muxer.header(), *(part for fragment in fragments for part in fragment.parts)]
    return b"".join([*parts, muxer.trailer() if closed else b""]), fragments
