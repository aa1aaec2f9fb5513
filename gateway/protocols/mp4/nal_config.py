"""Decoder configuration records of H.264 and H.265 (ISO/IEC 14496-15 §5.3.3 and §8.3.3)."""

from collections.abc import Sequence
from typing import Final

from gateway.protocols.rtp import h264, h265
from gateway.protocols.rtp.bits import BitReader, unescaped

_SHORTEST_SPS: Final = 4
_PLAIN_PROFILES: Final = {66, 77, 88}
"""Profiles without chroma format and bit depths: Baseline, Main, Extended."""
_CHROMA_420: Final = 1
_FIRST_OF_LIST: Final = 0xE0
_SPS_COUNT_LIMIT, _COUNT_LIMIT = 31, 255
_GENERAL: Final = 12
"""Bytes of profile, tier and level in an H.265 parameter set."""


def kind_of(encoding: str, unit: bytes | memoryview) -> int:
    """Return the type of a NAL unit."""
    return unit[0] & 0x1F if encoding == "H264" else unit[0] >> 1 & 0x3F


def parameter_sets_in(encoding: str, units: Sequence[bytes | memoryview]) -> tuple[bytes, ...]:
    """Return the parameter sets among NAL units, each once, in order; nothing unless all kinds are there."""
    kinds = (h264.SPS, h264.PPS) if encoding == "H264" else (h265.VPS, h265.SPS, h265.PPS)
    found = dict.fromkeys(bytes(unit) for unit in units if len(unit) > 1 and kind_of(encoding, unit) in kinds)
    return tuple(found) if {kind_of(encoding, unit) for unit in found} == set(kinds) else ()


def avcc(sets: Sequence[bytes]) -> bytes:
    """Return an AVCDecoderConfigurationRecord with NAL unit lengths of four bytes."""
    sps = [unit for unit in sets if unit[0] & 0x1F == h264.SPS and len(unit) >= _SHORTEST_SPS][:_SPS_COUNT_LIMIT]
    pps = [unit for unit in sets if unit[0] & 0x1F == h264.PPS][:_COUNT_LIMIT]
    profile = sps[0][1:4] if sps else bytes((66, 0, 30))
    record = bytes((1, *profile, 0xFF, _FIRST_OF_LIST | len(sps))) + _list(sps) + bytes((len(pps),)) + _list(pps)
    if profile[0] not in _PLAIN_PROFILES:
        chroma, luma_depth, chroma_depth = _h264_format(sps[0])
        record += bytes((0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth, 0))
    return record


def hvcc(sets: Sequence[bytes]) -> bytes:
    """Return an HEVCDecoderConfigurationRecord with NAL unit lengths of four bytes."""
    arrays = []
    for kind in (h265.VPS, h265.SPS, h265.PPS):
        units = [unit for unit in sets if unit[0] >> 1 & 0x3F == kind][:_COUNT_LIMIT]
        if units:
            arrays.append(bytes((0x80 | kind, 0, len(units))) + _list(units))
    sps = next((unit for unit in sets if unit[0] >> 1 & 0x3F == h265.SPS), b"")
    general = unescaped(sps)[3 : 3 + _GENERAL].ljust(_GENERAL, b"\0")
    chroma, luma_depth, chroma_depth, layers = _h265_format(sps)
    nested = sps[2] & 1 if len(sps) > _SHORTEST_SPS else 0
    return b"".join(
        (
            b"\1",
            general,
            b"\xf0\0\xfc",  # no spatial segmentation, parallelism not known
            bytes(
                (
                    0xFC | chroma,
                    0xF8 | luma_depth,
                    0xF8 | chroma_depth,
                    0,
                    0,
                    layers << 3 | nested << 2 | 3,
                    len(arrays),
                )
            ),
            *arrays,
        )
    )


def _list(units: Sequence[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def _h264_format(sps: bytes) -> tuple[int, int, int]:
    """Return chroma format and bit depths less 8 of a parameter set of the high profiles."""
    bits = BitReader(unescaped(sps)[4:])
    try:
        bits.ue()
        chroma = bits.ue()
        if chroma == 3:  # noqa: PLR2004 - 4:4:4
            bits.u(1)
        return chroma & 3, bits.ue() & 7, bits.ue() & 7
    except EOFError:
        return _CHROMA_420, 0, 0


def _h265_format(sps: bytes) -> tuple[int, int, int, int]:
    """Return chroma format, bit depths less 8, and the number of temporal layers."""
    bits = BitReader(unescaped(sps)[2:])
    try:
        bits.u(4)
        layers = bits.u(3)
        bits.u(1 + 8 * _GENERAL)
        present = [(bits.flag(), bits.flag()) for _ in range(8 if layers else 0)]
        for has_profile, has_level in present[:layers]:
            bits.u((88 if has_profile else 0) + (8 if has_level else 0))
        bits.ue()
        chroma = bits.ue()
        if chroma == 3:  # noqa: PLR2004 - 4:4:4
            bits.u(1)
        bits.ue()
        bits.ue()
        if bits.flag():
            for _ in range(4):
                bits.ue()
        return chroma & 3, bits.ue() & 7, bits.ue() & 7, layers + 1
    except EOFError:
        return _CHROMA_420, 0, 0, 1
