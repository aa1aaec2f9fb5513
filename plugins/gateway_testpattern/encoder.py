"""One encoded picture after another, without delay: PyAV around x264 or x265."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext
from numpy import uint8
from numpy.typing import NDArray

GOP_SECONDS = 2
_CODECS = {"H264": "libx264", "H265": "libx265"}
_START_CODE = re.compile(rb"\x00\x00\x01")
QUALITY = 50
"""The quality that nobody has changed, of 0 to 100."""
_BITS_PER_PIXEL = 0.024
"""What the scene takes at 720p, as measured; less in larger pictures, more in smaller ones."""
_REFERENCE = 1280 * 720
_BT709, _LIMITED = 1, 1
"""As FFmpeg and ITU-T H.273 number them."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One picture: its NAL units and whether it is a key frame."""

    units: tuple[bytes, ...]
    keyframe: bool


class Encoder:
    """Encodes pictures of one size; not safe for two threads at once."""

    def __init__(
        self,
        encoding: str,
        width: int,
        height: int,
        frame_rate: float,
        *,
        gop_length: int | None = None,
        quality: float = QUALITY,
        limit: int | None = None,
    ) -> None:
        """`encoding` is H264 or H265; `limit` is a bit rate that is not to be exceeded."""
        self.gop_length = gop_length or natural_gop(frame_rate)
        self.bitrate = natural_bitrate(width, height, frame_rate)
        """About; in bits per second."""
        control = f"qp={_quantizer(quality)}"
        if limit is not None and limit < self.bitrate:
            self.bitrate = limit
            kilobits = max(1, limit // 1000)
            control = f"bitrate={kilobits}:vbv-maxrate={kilobits}:vbv-bufsize={kilobits}:rc-lookahead=0"
        rate = Fraction(frame_rate).limit_denominator(1001)
        context = cast("VideoCodecContext", VideoCodecContext.create(_CODECS[encoding], "w"))
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.framerate, context.time_base = rate, 1 / rate
        context.gop_size, context.max_b_frames = self.gop_length, 0
        context.thread_count = 1
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED
        context.options = {"preset": "ultrafast", "tune": "zerolatency"}
        if encoding == "H265":
            parameters = f"{control}:log-level=none:pools=none:frame-threads=1"
            context.options |= {"x265-params": parameters}
        else:
            parameters = f"{control}:scenecut=0:sliced-threads=0"
            context.options |= {"x264-params": parameters}
        self._context = context
        self._count = 0

    def encode(self, picture: NDArray[uint8]) -> Encoded:
        """Return the encoded picture, given in planar YUV 4:2:0 of shape (height * 3 / 2, width).

        The encoder has copied the picture when this returns.
        """
        frame = av.VideoFrame.from_numpy_buffer(picture, format="yuv420p")
        frame.pts = self._count
        self._count += 1
        packets = self._context.encode(frame)
        data = b"".join(bytes(packet) for packet in packets)
        return Encoded(split(data), any(packet.is_keyframe for packet in packets))


def natural_gop(frame_rate: float) -> int:
    """Return the frames from key frame to key frame, unless another number is asked for."""
    return max(1, round(frame_rate * GOP_SECONDS))


def natural_bitrate(width: int, height: int, frame_rate: float) -> int:
    """Return about how many bits per second the scene takes, when nothing limits it."""
    pixels = width * height
    bitrate: float = pixels * frame_rate * _BITS_PER_PIXEL * (_REFERENCE / pixels) ** 0.3
    return round(bitrate)


def _quantizer(quality: float) -> int:
    """Return it, a constant: without rate control the encoder spares its look ahead, two fifths of its work."""
    return round(44 - quality * 0.4)


def split(data: bytes) -> tuple[bytes, ...]:
    """Return the NAL units of a byte stream (ITU-T H.264 annex B)."""
    return tuple(unit for part in _START_CODE.split(data)[1:] if (unit := part.rstrip(b"\x00")))
