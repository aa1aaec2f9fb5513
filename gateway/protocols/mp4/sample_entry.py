"""Sample entries: what a track is coded with (ISO/IEC 14496-12 §8.5.2 and §12, 14496-14, 14496-15)."""

import struct
from collections.abc import Sequence
from typing import Final

from gateway.domain.media import TrackDescription
from gateway.protocols.mp4 import nal_config
from gateway.protocols.mp4.aac import config_of
from gateway.protocols.mp4.boxes import box, full_box

METADATA: Final = "VND.ONVIF.METADATA"
_MIME_TYPE: Final = b"application/vnd.onvif.metadata"
_DATA_REFERENCE: Final = b"\0\0\0\0\0\0\0\1"
_VISUAL = struct.Struct("!16xHHIIIH32xHh")
_AUDIO = struct.Struct("!8xHH4xI")
_DPI: Final = 72 << 16
_TRUE_COLOUR: Final = 24
_SAMPLE_BITS: Final = 16
_LARGEST_RATE: Final = 0xFFFF
_NAL_ENTRIES: Final = {"H264": (b"avc1", b"avc3", b"avcC"), "H265": (b"hvc1", b"hev1", b"hvcC")}
_G711_ENTRIES: Final = {"PCMU": b"ulaw", "PCMA": b"alaw"}


def entry(track: TrackDescription, sets: Sequence[bytes], size: tuple[int, int]) -> bytes:
    """Return the sample entry of a track that can be stored; `sets` are the parameter sets, `size` is in pixels.

    Video without parameter sets gets the entry whose parameter sets are in the samples (14496-15 §5.4.2 and §8.4).
    """
    match track.encoding:
        case "H264" | "H265" as encoding:
            known, inband, configuration = _NAL_ENTRIES[encoding]
            record = nal_config.avcc(sets) if encoding == "H264" else nal_config.hvcc(sets)
            return _visual(known if sets else inband, size, box(configuration, record))
        case "JPEG":
            return _visual(b"jpeg", size)
        case "MPEG4-GENERIC" | "MP4A-LATM":
            return _audio(b"mp4a", track.channels, track.clock_rate, _esds(track))
        case "OPUS":
            channels = min(track.channels, 2)
            return _audio(b"Opus", channels, track.clock_rate, _dops(channels))
        case encoding if encoding == METADATA:
            return box(b"mett", _DATA_REFERENCE, b"\0", _MIME_TYPE, b"\0")
        case encoding:
            return _audio(_G711_ENTRIES[encoding], track.channels, track.clock_rate)


def size_of(visual: bytes) -> tuple[int, int]:
    """Return width and height in a visual sample entry."""
    return int.from_bytes(visual[32:34], "big"), int.from_bytes(visual[34:36], "big")


def _visual(kind: bytes, size: tuple[int, int], *more: bytes) -> bytes:
    width, height = (min(side, 0xFFFF) for side in size)
    return box(kind, _DATA_REFERENCE, _VISUAL.pack(width, height, _DPI, _DPI, 0, 1, _TRUE_COLOUR, -1), *more)


def _audio(kind: bytes, channels: int, rate: int, *more: bytes) -> bytes:
    fixed = rate << 16 if rate <= _LARGEST_RATE else 0
    return box(kind, _DATA_REFERENCE, _AUDIO.pack(channels, _SAMPLE_BITS, fixed), *more)


def _esds(track: TrackDescription) -> bytes:
    """Return an ES descriptor (ISO/IEC 14496-1 §7.2.6.5) with the AudioSpecificConfig."""
    config = config_of(track)
    specific = _descriptor(5, config.data if config else b"")
    decoder = _descriptor(4, b"\x40\x15" + bytes(11) + specific)  # MPEG-4 audio, an audio stream, bit rate not told
    return full_box(b"esds", 0, 0, _descriptor(3, b"\0\0\0" + decoder + _descriptor(6, b"\2")))


def _descriptor(tag: int, content: bytes) -> bytes:
    return bytes((tag, 0x80 | len(content) >> 7, len(content) & 0x7F)) + content


def _dops(channels: int) -> bytes:
    """Return an OpusSpecificBox; samples are where they were captured, so that nothing is skipped before them."""
    return box(b"dOps", struct.pack("!BBHIhB", 0, channels, 0, 48_000, 0, 0))
