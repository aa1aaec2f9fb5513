"""Pictures for motion: one stream decoded with its state kept, each picture's luma scaled down."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit
from gateway.sdk.motion import GrayPicture

MAX_FAILURES = 25
"""Frames that can't be decoded one after the other, until that is an error."""
_DECODERS = {"H264": "h264", "H265": "hevc", "JPEG": "mjpeg"}
_START_CODE = b"\x00\x00\x00\x01"
_MAX_PIXELS = 8192 * 8192

T = TypeVar("T")


class LumaDecoder:
    """Decodes one stream, for one thread at a time. Every call blocks for milliseconds."""

    def __init__(self, encoding: str, sets: Sequence[bytes], width: int, *, key_frames_only: bool) -> None:
        """`sets` are the parameter sets that the stream need not repeat. Raises GatewayError for other codecs."""
        if encoding not in _DECODERS:
            raise GatewayError(ErrorKind.UNSUPPORTED, f"{encoding} video can't be decoded")
        self._encoding = encoding
        self._sets = tuple(sets)
        self._width = width
        self._alone = key_frames_only
        self._failures = 0
        self._scaler = VideoReformatter()
        self._context = cast("VideoCodecContext", VideoCodecContext.create(_DECODERS[encoding], "r"))
        self._context.thread_count = 1
        self._context.options = {"max_pixels": str(_MAX_PIXELS)}

    def look(
        self, units: Sequence[AccessUnit], due: Callable[[int], bool], look: Callable[[GrayPicture], T]
    ) -> list[T]:
        """Decode a frame; return what `look` makes of the pictures that this completes and that are `due`.

        A damaged frame shows nothing; many in a row are a GatewayError.
        """
        packet = cast("av.Packet[VideoStream]", av.Packet(self._data(units)))
        packet.pts = units[0].utc_ns
        try:
            frames = list(self._decoded(packet))
        except av.FFmpegError as error:
            self._failures += 1
            if self._failures >= MAX_FAILURES:
                message = f"{MAX_FAILURES} frames of {self._encoding} in a row can't be decoded: {error}"
                raise GatewayError(ErrorKind.UNAVAILABLE, message) from error
            return []
        self._failures = 0
        return [look(self._picture(frame, frame.pts or units[0].utc_ns)) for frame in frames if due(frame.pts or 0)]

    def _data(self, units: Sequence[AccessUnit]) -> bytes:
        payload = [part for unit in units for part in unit.payload()]
        if self._encoding == "JPEG":
            return b"".join(payload)
        sets = self._sets if any(unit.keyframe for unit in units) else ()
        parts: list[bytes | memoryview] = [*sets, *payload]
        return b"".join(piece for part in parts for piece in (_START_CODE, part))

    def _decoded(self, packet: "av.Packet[VideoStream]") -> Iterator[av.VideoFrame]:
        yield from self._context.decode(packet)
        if self._alone:
            yield from self._context.decode(None)
            self._context.flush_buffers()

    def _picture(self, frame: av.VideoFrame, utc_ns: int) -> GrayPicture:
        width = min(self._width, frame.width)
        height = max(1, round(frame.height * width / frame.width))
        full_range = frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
        gray = self._scaler.reformat(
            frame,
            width,
            height,
            "gray",
            src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA,
        )
        return GrayPicture(width, height, _packed(gray.planes[0], width, height), utc_ns)


def _packed(plane: av.video.plane.VideoPlane, width: int, height: int) -> memoryview:
    """Return a plane's bytes without padding at the ends of its rows."""
    rows = memoryview(plane).cast("B")
    if plane.line_size == width:
        return rows[: width * height]
    return memoryview(
        b"".join(rows[start : start + width] for start in range(0, plane.line_size * height, plane.line_size))
    )
