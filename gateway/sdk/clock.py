"""Time, injected: everything that waits or stamps takes a Clock."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where now comes from."""

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        ...

    def utc_ns(self) -> int:
        """Return UTC as nanoseconds since the Unix epoch; it may jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for a time on the monotonic clock."""
        ...


class SystemClock:
    """The clock of the machine."""

    monotonic = staticmethod(time.monotonic)
    utc_ns = staticmethod(time.time_ns)
    sleep = staticmethod(asyncio.sleep)
