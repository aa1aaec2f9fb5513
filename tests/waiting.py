"""What tests wait for that nobody announces."""

import asyncio
from collections.abc import Callable

SECONDS = 30
"""Long enough for any machine, so that only what never comes fails."""


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop and other threads run until something is so."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)
