"""NTP timestamps of RTCP and UTC nanoseconds (RFC 3550 §4, RFC 5905 §6)."""

from typing import Final

NS: Final = 1_000_000_000
_EPOCH: Final = 2_208_988_800
"""Seconds from NTP's epoch (1900) to Unix's (1970)."""
_ERA: Final = 1 << 32


def from_utc_ns(utc_ns: int) -> int:
    """Return the 64-bit NTP timestamp (32.32 fixed point) of a time in UTC nanoseconds."""
    seconds, ns = divmod(utc_ns, NS)
    return ((seconds + _EPOCH) % _ERA) << 32 | (ns << 32) // NS


def to_utc_ns(ntp: int) -> int:
    """Return UTC nanoseconds of a 64-bit NTP timestamp; small seconds belong to the era from 2036 (RFC 4330 §3)."""
    seconds, fraction = ntp >> 32, ntp & 0xFFFFFFFF
    if not seconds & 0x80000000:
        seconds += _ERA
    return (seconds - _EPOCH) * NS + ((fraction * NS + (1 << 31)) >> 32)


def middle(ntp: int) -> int:
    """Return the middle 32 bits, which is what LSR and DLSR count in (RFC 3550 §6.4.1)."""
    return (ntp >> 16) & 0xFFFFFFFF
