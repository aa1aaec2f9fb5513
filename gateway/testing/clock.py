"""A clock that moves only when told to."""

import asyncio

_NS = 1_000_000_000


class FakeClock:
    """A `gateway.sdk.clock.Clock` for tests: time stands still until `advance`."""

    def __init__(self, utc_ns: int = 1_700_000_000 * _NS) -> None:
        self._now = 0.0
        self._utc_ns = utc_ns
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        """Return seconds since the clock was made."""
        return self._now

    def utc_ns(self) -> int:
        """Return the set UTC plus the time advanced."""
        return self._utc_ns + round(self._now * _NS)

    def set_utc(self, utc_ns: int) -> None:
        """Make UTC jump; the monotonic time stays."""
        self._utc_ns = utc_ns - round(self._now * _NS)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced by so much."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move time on, waking sleepers in order and letting each run before the next."""
        end = self._now + seconds
        while due := [item for item in self._sleepers if item[0] <= end]:
            when, future = min(due, key=lambda item: item[0])
            self._sleepers.remove((when, future))
            self._now = max(self._now, when)
            if not future.done():
                future.set_result(None)
            await settle()
        self._now = end
        await settle()

    def stall(self, seconds: float) -> None:
        """Let time pass while no task runs, as in a process that was stopped."""
        self._now += seconds

    @property
    def sleeping(self) -> tuple[float, ...]:
        """Seconds that each sleeper still has to wait."""
        return tuple(when - self._now for when, future in self._sleepers if not future.done())


async def settle(rounds: int = 20) -> None:
    """Let every ready task run."""
    for _ in range(rounds):
        await asyncio.sleep(0)
