"""Synthetic media: access units without a camera or an encoder."""

from collections.abc import Sequence

from gateway.domain.media import (
    AccessUnit,
    MediaKind,
    PacketBlock,
    StreamDescription,
    TrackDescription,
    VideoParameters,
)

START_NS = 1_700_000_000_000_000_000
_FRAME_NS = 40_000_000
_FRAME_TICKS = 3_600


def video_description(width: int = 640, height: int = 360) -> StreamDescription:
    """Return one complete H.264 track at 25 frames per second."""
    video = VideoParameters(width, height, frame_rate=25.0, bitrate=500_000, gop_length=25, codec_profile="Main")
    fmtp = "packetization-mode=1"
    return StreamDescription((TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000, fmtp=fmtp, video=video),))


def video_unit(number: int, *, keyframe: bool | None = None, size: int = 32) -> AccessUnit:
    """Return frame `number` of a made-up H.264 stream: one packet whose payload ends in the number.

    Every 25th frame is a key frame unless told otherwise.
    """
    key = number % 25 == 0 if keyframe is None else keyframe
    nal = bytes([0x65 if key else 0x41]) + number.to_bytes(8, "big").rjust(size, b"\x01")
    rtp_time = number * _FRAME_TICKS
    header = bytes([0x80, 0xE0]) + (number & 0xFFFF).to_bytes(2, "big") + (rtp_time & 0xFFFFFFFF).to_bytes(4, "big")
    packet = header + b"\x00\x00\x00\x01" + nal
    block = PacketBlock(b"$\x00" + len(packet).to_bytes(2, "big") + packet, 1)
    return AccessUnit(0, rtp_time, START_NS + number * _FRAME_NS, key, block, _payloads)


def _payloads(block: PacketBlock) -> tuple[memoryview, ...]:
    view = memoryview(block.data)
    ends: Sequence[int] = (*block.offsets[1:], len(block.data))
    return tuple(view[offset + 16 : end] for offset, end in zip(block.offsets, ends, strict=True))
