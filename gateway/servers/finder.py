"""Finds cameras again whose address has changed: one search of the network for all that are missing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from gateway.sdk.clock import Clock
from gateway.servers.probe import FoundCamera

PAUSE_SECONDS: Final = 120.0
"""From one search to the next."""
_log = logging.getLogger(__name__)


class NetworkFinder:
    """A `gateway.sdk.finding.Finder`."""

    def __init__(self, search: Callable[[], Awaitable[Sequence[FoundCamera]]], clock: Clock) -> None:
        self._search = search
        self._clock = clock
        self._searching = asyncio.Lock()
        self._next = 0.0
        self._found: Mapping[str, tuple[str, ...]] = {}

    async def find(self, endpoint: str) -> tuple[str, ...]:
        """Return the addresses of the device with an endpoint reference."""
        async with self._searching:
            if self._clock.monotonic() >= self._next:
                self._found = await self._look()
                self._next = self._clock.monotonic() + PAUSE_SECONDS
        return self._found.get(endpoint.strip().lower(), ())

    async def _look(self) -> Mapping[str, tuple[str, ...]]:
        try:
            found = await self._search()
        except OSError as error:
            _log.warning("cameras can't be searched for: %s", error)
            return {}
        _log.info("cameras are missing; the network was searched: %d answered", len(found))
        return {camera.endpoint.strip().lower(): camera.xaddrs for camera in found}
