"""Fragments as the few bytes that a segment's row keeps of them.

About thirty fragments to a segment and half a million segments to a camera and year: so only what can't be foreseen
is kept. A number is a zigzag variable-length integer, seven bits to a byte, lowest first. First come how many
fragments there are, the offset of the first, and which columns follow; then those columns, each with one number for
every fragment. A column of zeros is left out.
"""

from collections.abc import Iterable, Iterator, Sequence

from gateway.domain.recording import Fragment

_MORE, _BITS = 0x80, 7
_HEAD, _COLUMNS = 3, 5


def pack(fragments: Sequence[Fragment], start_ns: int) -> bytes:
    """Return the fragments of a segment that starts at `start_ns`, packed."""
    first = fragments[0].offset if fragments else 0
    columns = tuple(zip(*_differences(fragments, first, start_ns), strict=True))
    kept = sum(1 << number for number, column in enumerate(columns) if any(column))
    numbers = [len(fragments), first, kept]
    for column in columns:
        if any(column):
            numbers += column
    return _encode(numbers)


def unpack(data: bytes, start_ns: int) -> tuple[Fragment, ...]:
    """Return the fragments that `pack` made these bytes of. Raises ValueError."""
    numbers = _decode(data)
    if len(numbers) < _HEAD or numbers[2] >> _COLUMNS or len(numbers) != _HEAD + numbers[0] * numbers[2].bit_count():
        raise ValueError(f"{data.hex()!r} are no packed fragments")
    count, offset, kept = numbers[:_HEAD]
    nothing, columns, begin = [0] * count, [], _HEAD
    for number in range(_COLUMNS):
        if kept >> number & 1:
            columns.append(numbers[begin : begin + count])
            begin += count
        else:
            columns.append(nothing)
    fragments, size, end_ns, length = [], 0, start_ns, 0
    for gap, growth, pause, stretch, motion in zip(*columns, strict=True):
        offset, size, start, length = offset + gap, size + growth, end_ns + pause, length + stretch
        end_ns = start + length
        fragments.append(Fragment(offset, size, start, end_ns, motion))
        offset += size
    return tuple(fragments)


def _differences(fragments: Sequence[Fragment], offset: int, end_ns: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield, for each fragment, how it differs from one that follows the last closely and is just like it."""
    size = length = 0
    for fragment in fragments:
        stretch = fragment.end_ns - fragment.start_ns
        yield (
            fragment.offset - offset,
            fragment.size - size,
            fragment.start_ns - end_ns,
            stretch - length,
            fragment.motion,
        )
        size, length = fragment.size, stretch
        offset, end_ns = fragment.offset + size, fragment.end_ns


def _encode(numbers: Iterable[int]) -> bytes:
    data = bytearray()
    for number in numbers:
        rest = number << 1 if number >= 0 else ~(number << 1)
        while rest >= _MORE:
            data.append(rest & ~-_MORE | _MORE)
            rest >>= _BITS
        data.append(rest)
    return bytes(data)


def _decode(data: bytes) -> list[int]:
    numbers = []
    number = shift = 0
    for byte in data:
        if byte >= _MORE:
            number |= (byte ^ _MORE) << shift
            shift += _BITS
            continue
        number |= byte << shift
        numbers.append(~(number >> 1) if number & 1 else number >> 1)
        number = shift = 0
    return numbers
