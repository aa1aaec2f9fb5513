"""States that somebody begins and may forget to end."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from gateway.sdk.clock import Clock

FOREVER: Final = 0.0
"""A time to hold states that never lets them end."""


class Expiring:
    """States by name, each ended a while after it was last told. `run` ends them until cancelled."""

    def __init__(self, hold: float, expired: Callable[[Iterable[str]], None], clock: Clock) -> None:
        """`hold` are the seconds, or FOREVER; `expired` is called with the states that have just been ended."""
        self._hold = hold
        self._expired = expired
        self._clock = clock
        self._told: dict[str, float] = {}
        """When each state was last told."""
        self._news = asyncio.Event()

    def __bool__(self) -> bool:
        """Tell whether any state goes on."""
        return bool(self._told)

    def tell(self, name: str, *, on: bool) -> None:
        """Begin a state, say that it goes on, or end it."""
        if on:
            self._told[name] = self._clock.monotonic()
            self._news.set()
        else:
            self._told.pop(name, None)

    def clear(self) -> None:
        """End every state."""
        self._told.clear()

    def hold(self, seconds: float) -> None:
        """Take another time, or FOREVER."""
        self._hold = seconds
        self._news.set()

    async def run(self) -> None:
        """End what is forgotten."""
        while True:
            hold = self._hold
            self._news.clear()
            if not self._told or hold == FOREVER:
                await self._news.wait()
                continue
            oldest = min(self._told.values())
            await self._clock.sleep(max(oldest + hold - self._clock.monotonic(), 0.0))
            limit = self._clock.monotonic() - hold
            forgotten = [name for name, since in self._told.items() if since <= limit]
            for name in forgotten:
                del self._told[name]
            if forgotten:
                self._expired(forgotten)
