"""A file that is being written."""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress

_MOST_PARTS = 512
"""Below the system's limit of parts in one call (IOV_MAX)."""


class NewFile:
    """A file being written; holds the directory that it is new in until both are on the disk."""

    def __init__(self, descriptor: int, folder: int) -> None:
        self._descriptor = descriptor
        self._folder = folder
        self._size = 0

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Append all parts, or raise OSError; then nothing of them is left, unless the medium refuses that too."""
        try:
            size = sum(
                self._write_some(parts[start : start + _MOST_PARTS]) for start in range(0, len(parts), _MOST_PARTS)
            )
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise
        self._size += size

    def sync(self) -> None:
        """Wait until the file, and at first its name too, would survive a power cut."""
        os.fdatasync(self._descriptor)
        if self._folder >= 0:
            os.fsync(self._folder)
            os.close(self._folder)
            self._folder = -1

    def close(self) -> None:
        """Sync and close; a second call does nothing."""
        if self._descriptor < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
            if self._folder >= 0:
                os.close(self._folder)
                self._folder = -1

    def _write_some(self, parts: Sequence[bytes | memoryview]) -> int:
        """Write so few parts that one call takes them; returns their bytes."""
        written, total = os.writev(self._descriptor, parts), sum(map(len, parts))
        if written < total:
            self._write_rest(memoryview(b"".join(parts))[written:])
        return total

    def _write_rest(self, rest: memoryview) -> None:
        while rest:
            written = os.write(self._descriptor, rest)
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            rest = rest[written:]
