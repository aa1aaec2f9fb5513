"""What runs and what is open while the gateway does, and the order in which it ends."""

import asyncio
import contextlib
from collections.abc import Coroutine


class Lifetime(contextlib.AsyncExitStack):
    """Ends things in the reverse of the order in which they began, and tasks without a turn of their own last."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks: list[asyncio.Task[None]] = []
        self.push_async_callback(self._cancel_all)

    def spawn(self, name: str, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run something until the very end."""
        self._tasks.append(asyncio.create_task(work, name=name))
        return self._tasks[-1]

    def spawn_in_turn(self, name: str, work: Coroutine[object, object, None]) -> None:
        """Run something that works with what was opened before, and so must end before that is closed."""
        self.push_async_callback(_cancel, self.spawn(name, work))

    async def wait(self, *events: asyncio.Event) -> None:
        """Return when one of these events is set. Raises what a task that must not end has ended with."""
        told = {asyncio.create_task(event.wait()) for event in events}
        running = {*told, *self._tasks}
        try:
            while told <= running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in told:
                task.cancel()

    async def _cancel_all(self) -> None:
        await _cancel(*self._tasks)


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
