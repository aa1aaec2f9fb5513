"""Pictures: key frames and placeholders as JPEG."""

from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.lettering import Lettering

_DECODERS = {"H264": "h264", "H265": "hevc"}
_START_CODE = b"\x00\x00\x00\x01"
_QUALITY = "4"
"""Of FFmpeg's scale from 2, the best, to 31."""
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""By their numbers in ITU-T H.273."""
_MAX_PIXELS = 8192 * 8192
"""A parameter set that claims more must not fill the memory."""
_HIGH_DEFINITION = 720
_NEUTRAL, _GROUND, _INK, _FAINT = 128, 26, 210, 120


def jpeg_of_key_frame(encoding: str, units: Sequence[bytes | memoryview]) -> bytes:
    """Return the JPEG of a key frame, given with its parameter sets. Blocks for milliseconds.

    A JPEG frame is returned as it is. Raises GatewayError for other codecs than H264 and H265, and for a frame
    that can't be decoded.
    """
    if encoding == "JPEG":
        return b"".join(bytes(unit) for unit in units)
    if encoding not in _DECODERS:
        raise GatewayError(ErrorKind.UNSUPPORTED, f"there are no pictures of {encoding} video")
    context = cast("VideoCodecContext", VideoCodecContext.create(_DECODERS[encoding], "r"))
    context.thread_count = 1
    context.options = {"max_pixels": str(_MAX_PIXELS)}
    data = b"".join(part for unit in units for part in (_START_CODE, bytes(unit)))
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
        if frames:
            return encode(frames[0])
    except av.FFmpegError as error:
        raise GatewayError(ErrorKind.UNAVAILABLE, f"the {encoding} key frame can't be decoded: {error}") from error
    raise GatewayError(ErrorKind.UNAVAILABLE, f"the {encoding} key frame can't be decoded: it is not complete")


def placeholder(name: str, note: str, width: int, height: int) -> bytes:
    """Return the JPEG that stands for a camera that was never seen. Blocks for milliseconds."""
    width, height = max(width // 2 * 2, 160), max(height // 2 * 2, 90)
    luma = np.full((height, width), _GROUND, np.uint8)
    for text, top, size, level in ((name, 0.38, 0.10, _INK), (note, 0.55, 0.055, _FAINT)):
        line = Lettering(height * size).fit(text, width * 9 // 10)
        left, start = (width - line.shape[1]) // 2, int(height * top)
        spot = luma[start : start + line.shape[0], left : left + line.shape[1]]
        spot[:] = (spot * (255.0 - line) + level * 1.0 * line) / 255
    chroma = np.full((height // 2, width), _NEUTRAL, np.uint8)
    return encode(av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="yuv420p"))


def encode(frame: av.VideoFrame) -> bytes:
    """Return a picture as JPEG: full range of levels and the matrix of BT.601, as JFIF wants.

    A stream that does not tell its matrix has BT.709's from 720 lines on, as players take it. Raises av.FFmpegError.
    """
    usual = Colorspace.ITU709 if frame.height >= _HIGH_DEFINITION else Colorspace.ITU601
    full_range = frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
    full = frame.reformat(
        format="yuvj420p",
        src_colorspace=_MATRICES.get(int(frame.colorspace), usual),
        dst_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    context = VideoCodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = full.width, full.height, "yuvj420p"
    context.time_base = Fraction(1, 25)
    context.options = {"qmin": _QUALITY, "qmax": _QUALITY, "huffman": "default"}
    full.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(full), *context.encode(None)])
