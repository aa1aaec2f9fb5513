"""JPEG's tables that RTP leaves out: the typical ones of ITU-T T.81 Annex K, scaled by RFC 2435's Q."""

import struct
from typing import Final

_LUMA: Final = bytes.fromhex(
    "100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933383740485c4e404457453738506d51575f62676867"
    "3e4d71797064785c656763"
)
_CHROMA: Final = bytes.fromhex("1112121815182f1a1a2f634238426363" + "63" * 48)
"""Both in zigzag order (T.81 K.1)."""

_DC_BITS_LUMA: Final = bytes.fromhex("00010501010101010100000000000000")
_DC_BITS_CHROMA: Final = bytes.fromhex("00030101010101010101010000000000")
_DC_VALUES: Final = bytes(range(12))
_AC_BITS_LUMA: Final = bytes.fromhex("0002010303020403050504040000017d")
_AC_VALUES_LUMA: Final = bytes.fromhex(
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a34353637"
    "38393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3"
    "a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
)
_AC_BITS_CHROMA: Final = bytes.fromhex("00020102040403040705040400010277")
_AC_VALUES_CHROMA: Final = bytes.fromhex(
    "0001020311040521310612415107617113223281081442 91a1b1c109233352f0156272d10a162434e125f11718191a262728292a353637"
    "38393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2"
    "a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
)


def quantization(q: int) -> bytes:
    """Return both 64-byte tables for a Q of 1 to 99 (RFC 2435 Appendix A)."""
    factor = min(max(q, 1), 99)
    scale = 5000 // factor if factor < 50 else 200 - factor * 2  # noqa: PLR2004 - where the scale turns
    return bytes(min(max((value * scale + 50) // 100, 1), 255) for value in _LUMA + _CHROMA)


def _huffman(kind: int, bits: bytes, values: bytes) -> bytes:
    return b"\xff\xc4" + struct.pack("!HB", 3 + len(bits) + len(values), kind) + bits + values


HUFFMAN: Final = (
    _huffman(0x00, _DC_BITS_LUMA, _DC_VALUES)
    + _huffman(0x10, _AC_BITS_LUMA, _AC_VALUES_LUMA)
    + _huffman(0x01, _DC_BITS_CHROMA, _DC_VALUES)
    + _huffman(0x11, _AC_BITS_CHROMA, _AC_VALUES_CHROMA)
)
"""The DHT segments of every picture (T.81 K.3)."""
