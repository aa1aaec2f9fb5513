"""A look at a segment file of which any tail may be missing or garbage, as a crash leaves it."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from gateway.domain.errors import GatewayError
from gateway.protocols.mp4 import runs
from gateway.protocols.mp4.boxes import SMALL_HEADER, peek, to_ns
from gateway.protocols.mp4.reader import MAX_HEADER, SegmentHeader, read_header

_FIRST_READ: Final = 4096
_MFRO = struct.Struct("!I4sII")
"""The last box in the trailer, which tells its size (ISO/IEC 14496-12 §8.8.11)."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """A complete fragment."""

    offset: int
    size: int
    start_ns: int
    end_ns: int
    tracks: tuple[int, ...]
    """Indices of the tracks that have samples in it."""


class Scanner:
    """Walks over a file. `read(offset, size)` returns that many bytes, fewer at the end of the file.

    Payload is not read, only that it is there. Raises GatewayError INVALID when the file has no whole header.
    """

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read
        self.header: SegmentHeader = read_header(self._header())
        self.valid_end = self.header.size
        """Where valid data ends; known when `fragments` is through."""
        self.complete = False
        """Whether the trailer is there, so that the file was closed in order; known likewise."""

    def fragments(self) -> Iterator[Scanned]:
        """Yield the complete fragments, up to the first that is not."""
        self.valid_end = self.header.size
        while (found := self._fragment(self.valid_end)) is not None:
            self.valid_end = found.offset + found.size
            yield found
        self._trailer()

    def _header(self) -> bytes:
        """Return the file's beginning up to the end of the movie box."""
        data = self._read(0, _FIRST_READ)
        ftyp = peek(memoryview(data), 0, len(data))
        moov = ftyp and peek(memoryview(data), ftyp.end, len(data))
        if moov and len(data) < moov.end <= MAX_HEADER:
            return self._read(0, moov.end)
        return data

    def _fragment(self, offset: int) -> Scanned | None:
        try:
            data = self._head(offset)
            fragment = runs.parse(data, self.header.tracks)
        except GatewayError:
            return None
        if fragment.end > len(data) and not self._read(offset + fragment.end - 1, 1):
            return None
        lead = fragment.runs[0]
        scale, zero = self.header.timescales[lead.track], self.header.start_ns
        start_ns = zero + to_ns(lead.decode_time + lead.composition[0], scale)
        tracks = tuple(sorted(run.track for run in fragment.runs))
        return Scanned(offset, fragment.end, start_ns, zero + to_ns(lead.end, scale), tracks)

    def _head(self, offset: int) -> bytes:
        data = self._read(offset, _FIRST_READ)
        while (size := runs.head_size(data)) > len(data):
            more = self._read(offset, size)
            if len(more) <= len(data):
                break
            data = more
        return data

    def _trailer(self) -> None:
        head = self._read(self.valid_end, SMALL_HEADER)
        found = peek(memoryview(head), 0, len(head))
        if found is None or found.kind != b"mfra" or found.end < _MFRO.size:
            return
        last = self._read(self.valid_end + found.end - _MFRO.size, _MFRO.size)
        if len(last) == _MFRO.size and _MFRO.unpack(last) == (_MFRO.size, b"mfro", 0, found.end):
            self.valid_end += found.end
            self.complete = True
