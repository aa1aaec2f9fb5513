"""Sequence parameter sets of H.264 (ITU-T H.264 §7.3.2.1, Annex E)."""

from typing import Final

from gateway.protocols.rtp.bits import BitReader, unescaped
from gateway.protocols.rtp.sequence import Sequence

_PROFILES: Final = {66: "Baseline", 77: "Main", 88: "Extended"}
_HIGH: Final = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
"""Profiles whose parameter sets carry the chroma format."""
_EXTENDED_SAR: Final = 255


def parse(unit: bytes) -> Sequence:
    """Read a NAL unit of type 7. Raises EOFError when it is cut short."""
    bits = BitReader(unescaped(unit)[1:])
    profile = bits.u(8)
    bits.u(16)  # constraint flags, level
    bits.ue()
    chroma, separate = 1, False
    if profile in _HIGH:
        chroma, separate = _chroma(bits)
    bits.ue()  # log2_max_frame_num_minus4
    _picture_order_count(bits)
    bits.ue()  # max_num_ref_frames
    bits.u(1)
    width = 16 * (bits.ue() + 1)
    map_units = bits.ue() + 1
    frames_only = bits.flag()
    if not frames_only:
        bits.u(1)
    height = 16 * map_units * (1 if frames_only else 2)
    bits.u(1)  # direct_8x8_inference_flag
    if bits.flag():
        across = 2 if chroma in {1, 2} and not separate else 1
        down = (2 if chroma == 1 and not separate else 1) * (1 if frames_only else 2)
        left, right, top, bottom = (bits.ue() for _ in range(4))
        width -= across * (left + right)
        height -= down * (top + bottom)
    rate = _frame_rate(bits) if bits.flag() else 0.0
    return Sequence(width, height, rate, _PROFILES.get(profile, "High"))


def _chroma(bits: BitReader) -> tuple[int, bool]:
    chroma = bits.ue()
    separate = chroma == 3 and bits.flag()  # noqa: PLR2004 - 4:4:4
    bits.ue()
    bits.ue()
    bits.u(1)
    if bits.flag():
        for index in range(12 if chroma == 3 else 8):  # noqa: PLR2004 - 4:4:4
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < 6 else 64)  # noqa: PLR2004 - 4x4 lists, then 8x8 ones
    return chroma, separate


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _picture_order_count(bits: BitReader) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.u(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()


def _frame_rate(bits: BitReader) -> float:
    """Return the frame rate of the VUI, or 0; one cut short by the camera says nothing."""
    try:
        if bits.flag() and bits.u(8) == _EXTENDED_SAR:
            bits.u(32)
        if bits.flag():
            bits.u(1)
        if bits.flag():
            bits.u(4)
            if bits.flag():
                bits.u(24)
        if bits.flag():
            bits.ue()
            bits.ue()
        if not bits.flag():
            return 0.0
        units, scale = bits.u(32), bits.u(32)
    except EOFError:
        return 0.0
    return scale / (2 * units) if units else 0.0
