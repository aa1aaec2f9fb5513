"""How the process holds its memory: media is allocated and freed all the time, the rest hardly ever."""

import ctypes
import gc
from contextlib import suppress
from typing import Final

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt(3)."""
_TRIM_BYTES: Final = 256 * 1024 * 1024
_PAD_BYTES: Final = 1024 * 1024
_MMAP_BYTES: Final = 8 * 1024 * 1024
_COLLECT_AFTER: Final = (20_000, 20, 50)


def keep_freed() -> None:
    """Have the C library keep what was freed, for reuse.

    Given back to the system, every access unit would come on fresh pages, whose faults cost ten times the copy
    into them. Does nothing where the library is not glibc.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in (
            (_M_TRIM_THRESHOLD, _TRIM_BYTES),
            (_M_TOP_PAD, _PAD_BYTES),
            (_M_MMAP_THRESHOLD, _MMAP_BYTES),
        ):
            mallopt(parameter, value)


def settle() -> None:
    """Take everything that is alive now out of garbage collection: call it when start-up is done.

    The contract's plans are hundreds of thousands of objects that live as long as the process; looking at them over
    and over would stall the media.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
