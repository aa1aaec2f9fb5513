"""AAC as RTP describes it, for MP4 (ISO/IEC 14496-3 §1.6.2 and §1.7.3, RFC 3640, RFC 6416)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.domain.media import TrackDescription
from gateway.protocols.rtp import fmtp
from gateway.protocols.rtp.bits import BitReader

_RATES: Final = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_EXPLICIT_RATE: Final = 15
_SBR, _PS, _ESCAPE, _LOW_COMPLEXITY = 5, 29, 31, 2
_LONGEST_CONFIG: Final = 64
_CHANNELS_BY_ELEMENTS: Final = 0
"""Channel configuration that is told by a program config element, which is not read."""


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """An AudioSpecificConfig, and what it says."""

    data: bytes
    rate: int
    """Samples per second of the core coder."""
    frame_length: int
    """Samples per frame at that rate."""

    def frame_ticks(self, timescale: int) -> int:
        """Return the duration of a frame in a timescale."""
        return max(self.frame_length * timescale // self.rate, 1)


def config_of(track: TrackDescription) -> AudioConfig | None:
    """Return the configuration of an AAC track, None when its fmtp has none that is understood.

    A track of MPEG4-GENERIC that does not say is taken for AAC-LC of its clock rate and channels.
    """
    values = fmtp.parse(track.fmtp)
    try:
        data = bytes.fromhex(values.get("config", ""))[:_LONGEST_CONFIG]
        if track.encoding == "MP4A-LATM":
            return _stream_mux(data) if values.get("cpresent", "1") == "0" else None
        return _audio_specific(data, 0) if data else _low_complexity(track.clock_rate, track.channels)
    except (ValueError, EOFError):
        return None


def latm_frames(element: memoryview) -> Iterator[memoryview]:
    """Yield the AAC frames of an AudioMuxElement without in-band configuration; one that is cut short is left out."""
    position, end = 0, len(element)
    while position < end:
        size = 0
        while position < end:
            size += element[position]
            position += 1
            if element[position - 1] != 0xFF:  # noqa: PLR2004 - a length goes on after 255
                break
        if not size or position + size > end:
            return
        yield element[position : position + size]
        position += size


def _low_complexity(rate: int, channels: int) -> AudioConfig:
    bits = _LOW_COMPLEXITY << 11 | _RATES.index(rate) << 7 | channels << 3
    return AudioConfig(bits.to_bytes(2, "big"), rate, 1024)


def _stream_mux(data: bytes) -> AudioConfig:
    """Read a StreamMuxConfig of one program with one layer."""
    bits = BitReader(data)
    version, same_framing, _, programs, layers = bits.u(1), bits.u(1), bits.u(6), bits.u(4), bits.u(3)
    if version or not same_framing or programs or layers:
        raise ValueError("a LATM stream of several programs or layers is not understood")
    return _audio_specific(data, 15)


def _audio_specific(data: bytes, skip: int) -> AudioConfig:
    """Read an AudioSpecificConfig that begins after so many bits; it is cut where it ends."""
    bits = _Counted(data, skip)
    kind = _object_type(bits)
    rate = _rate(bits)
    channels = bits.u(4)
    if kind in {_SBR, _PS}:
        _rate(bits)
        kind = _object_type(bits)
    short = bits.u(1)
    if bits.u(1):
        bits.u(14)
    bits.u(1)
    if rate == 0 or channels == _CHANNELS_BY_ELEMENTS:
        raise ValueError("the AudioSpecificConfig tells no rate or no channels")
    size = bits.count
    whole = int.from_bytes(data, "big") >> (8 * len(data) - skip - size) & (1 << size) - 1
    config = (whole << -size % 8).to_bytes((size + 7) // 8, "big") if skip else data
    return AudioConfig(config, rate, 960 if short else 1024)


def _object_type(bits: "_Counted") -> int:
    kind = bits.u(5)
    return 32 + bits.u(6) if kind == _ESCAPE else kind


def _rate(bits: "_Counted") -> int:
    index = bits.u(4)
    if index == _EXPLICIT_RATE:
        return bits.u(24)
    if index >= len(_RATES):
        raise ValueError(f"the sampling frequency index {index} is reserved")
    return _RATES[index]


class _Counted:
    """A reader that knows how many bits it has given."""

    def __init__(self, data: bytes, skip: int) -> None:
        self._bits = BitReader(data)
        self._bits.u(skip)
        self.count = 0

    def u(self, count: int) -> int:
        self.count += count
        return self._bits.u(count)
