"""Bits of a raw byte sequence payload (ITU-T H.264 §7.2, H.265 §7.2)."""

_LONGEST = 2048
"""What is read of a parameter set, which a camera may make as long as it likes."""


class BitReader:
    """Reads bits from the front. Raises EOFError past the end."""

    __slots__ = ("_bits", "_value")

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._bits = 8 * len(data)

    def u(self, count: int) -> int:
        """Return an unsigned number of `count` bits."""
        self._bits -= count
        if self._bits < 0:
            raise EOFError("the parameter set ends too early")
        return self._value >> self._bits & (1 << count) - 1

    def flag(self) -> bool:
        """Return one bit."""
        return self.u(1) == 1

    def ue(self) -> int:
        """Return an unsigned Exp-Golomb number (§9.1)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:  # noqa: PLR2004 - no syntax element is longer
                raise EOFError("the parameter set has a number of more than 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Return a signed Exp-Golomb number (§9.1.1)."""
        value = self.ue()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def unescaped(unit: bytes) -> bytes:
    """Return a NAL unit without its emulation prevention bytes (H.264 §7.4.1.1)."""
    return unit[:_LONGEST].replace(b"\0\0\3", b"\0\0")
