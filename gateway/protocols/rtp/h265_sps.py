"""Video and sequence parameter sets of H.265 (ITU-T H.265 §7.3.2, Annex E)."""

from typing import Final

from gateway.protocols.rtp.bits import BitReader, unescaped
from gateway.protocols.rtp.sequence import Sequence

_PROFILES: Final = {1: "Main", 2: "Main10"}
_EXTENDED_SAR: Final = 255
_MAX_SETS: Final = 64


def parse(unit: bytes) -> Sequence:
    """Read a NAL unit of type 33 (SPS). Raises EOFError when it is cut short."""
    bits = BitReader(unescaped(unit)[2:])
    bits.u(4)
    layers = bits.u(3)
    bits.u(1)
    profile = _profile_tier_level(bits, layers)
    bits.ue()
    chroma = bits.ue()
    separate = chroma == 3 and bits.flag()  # noqa: PLR2004 - 4:4:4
    width, height = bits.ue(), bits.ue()
    if bits.flag():
        across = 2 if chroma in {1, 2} and not separate else 1
        down = 2 if chroma == 1 and not separate else 1
        left, right, top, bottom = (bits.ue() for _ in range(4))
        width -= across * (left + right)
        height -= down * (top + bottom)
    return Sequence(width, height, _sps_frame_rate(bits, layers), _PROFILES.get(profile, ""))


def vps_frame_rate(unit: bytes) -> float:
    """Return the frame rate of a NAL unit of type 32 (VPS), or 0 when it does not tell."""
    bits = BitReader(unescaped(unit)[2:])
    try:
        bits.u(12)
        layers = bits.u(3)
        bits.u(17)
        _profile_tier_level(bits, layers)
        _skip_ordering(bits, layers)
        last_layer = bits.u(6)
        for _ in range(bits.ue()):
            bits.u(last_layer + 1)
        return _timing(bits) if bits.flag() else 0.0
    except EOFError:
        return 0.0


def _timing(bits: BitReader) -> float:
    units, scale = bits.u(32), bits.u(32)
    return scale / units if units else 0.0


def _profile_tier_level(bits: BitReader, layers: int) -> int:
    bits.u(3)
    profile = bits.u(5)
    compatible = bits.u(32)
    bits.u(48)
    bits.u(8)
    present = [(bits.flag(), bits.flag()) for _ in range(8 if layers else 0)]
    for has_profile, has_level in present[:layers]:
        bits.u(88 if has_profile else 0)
        bits.u(8 if has_level else 0)
    return profile or next((number for number in _PROFILES if compatible >> (31 - number) & 1), 0)


def _skip_ordering(bits: BitReader, layers: int) -> None:
    for _ in range(layers + 1 if bits.flag() else 1):
        bits.ue()
        bits.ue()
        bits.ue()


def _sps_frame_rate(bits: BitReader, layers: int) -> float:
    """Read on to the VUI's timing; 0 when there is none, or when a camera wrote something odd in between."""
    try:
        bits.ue()
        bits.ue()
        order_bits = bits.ue() + 4
        _skip_ordering(bits, layers)
        for _ in range(6):
            bits.ue()
        if bits.flag() and bits.flag():
            _skip_scaling_lists(bits)
        bits.u(2)
        if bits.flag():  # PCM
            bits.u(8)
            bits.ue()
            bits.ue()
            bits.u(1)
        _skip_reference_sets(bits)
        if bits.flag():
            for _ in range(min(bits.ue(), _MAX_SETS)):
                bits.u(order_bits + 1)
        bits.u(2)
        return _vui_frame_rate(bits) if bits.flag() else 0.0
    except EOFError:
        return 0.0


def _skip_scaling_lists(bits: BitReader) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):  # noqa: PLR2004 - 32x32 lists
            if not bits.flag():
                bits.ue()
                continue
            if size > 1:
                bits.se()
            for _ in range(min(64, 1 << (4 + (size << 1)))):
                bits.se()


def _skip_reference_sets(bits: BitReader) -> None:
    """Skip the short-term reference picture sets (§7.3.7); each may be told by the one before."""
    pictures = 0
    for index in range(min(bits.ue(), _MAX_SETS)):
        if index and bits.flag():
            bits.u(1)
            bits.ue()
            pictures = sum(bits.flag() or bits.flag() for _ in range(pictures + 1))
            continue
        negative, positive = bits.ue(), bits.ue()
        pictures = negative + positive
        if pictures > _MAX_SETS:
            raise EOFError("the parameter set names too many reference pictures")
        for _ in range(pictures):
            bits.ue()
            bits.u(1)


def _vui_frame_rate(bits: BitReader) -> float:
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
    bits.u(3)
    if bits.flag():
        for _ in range(4):
            bits.ue()
    return _timing(bits) if bits.flag() else 0.0
