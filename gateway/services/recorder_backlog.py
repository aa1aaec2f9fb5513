"""GOPs that wait for the disk: bounded, whole GOPs are given up, the oldest first."""

import asyncio
from collections import deque
from enum import Enum, auto

from gateway.services.recorder_gops import Gop

MAX_BYTES = 32 * 1024 * 1024
MAX_NS = 20_000_000_000
"""What may wait for a disk that is slow."""
KEPT = 2
"""GOPs that wait while no storage can be written to."""


class Mark(Enum):
    """What stands between GOPs."""

    CLOSE = auto()
    """The open segment ends here."""


class Backlog:
    """A queue of GOPs and marks, with one consumer."""

    def __init__(self) -> None:
        self.dropped = 0
        """GOPs given up so far."""
        self.starving = False
        """Nothing can be written now, so that only the newest GOPs are kept."""
        self._waiting: deque[Gop | Mark] = deque()
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: Gop | Mark) -> None:
        """Add what comes next."""
        self._waiting.append(item)
        self._shorten()
        self._some.set()

    def put_back(self, gop: Gop) -> None:
        """Return the GOP that was taken last, as it could not be written."""
        self._waiting.appendleft(gop)
        self._shorten()
        self._some.set()

    async def take(self) -> Gop | Mark:
        """Wait for something and take it."""
        await self._some.wait()
        item = self._waiting.popleft()
        if not self._waiting:
            self._some.clear()
        return item

    def _shorten(self) -> None:
        """Give up the oldest GOPs until the bounds are kept; one always stays, and marks behind it."""
        gops = [item for item in self._waiting if isinstance(item, Gop)]
        size = sum(gop.size for gop in gops)
        for index, gop in enumerate(gops[:-1]):
            many = self.starving and len(gops) - index > KEPT
            if not many and size <= MAX_BYTES and gops[-1].end_ns - gop.start_ns <= MAX_NS:
                return
            while self._waiting.popleft() is not gop:
                pass
            size -= gop.size
            self.dropped += 1
