"""Decoding happens here: a few threads, a bounded queue and a deadline."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import TrackDescription
from gateway.media import jpeg

THREADS = 2
MAX_WAITING = 64
DEADLINE = 2.5
"""Seconds until a picture is given up, since clients wait three; the thread finishes on its own."""

_T = TypeVar("_T")


class DecoderPool:
    """Makes pictures in threads, so that nothing is ever decoded on the event loop."""

    def __init__(self, parameter_sets: Callable[[str, str], Sequence[bytes]]) -> None:
        """`parameter_sets` reads those of an encoding's fmtp; many cameras repeat them in band, but not all."""
        self._parameter_sets = parameter_sets
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="decoder")
        self._waiting = 0

    async def key_frame(self, track: TrackDescription, units: Sequence[bytes | memoryview]) -> bytes:
        """Return the JPEG of a key frame. Raises GatewayError."""
        sets = () if track.encoding == "JPEG" else self._parameter_sets(track.encoding, track.fmtp)
        return await self._run(jpeg.jpeg_of_key_frame, track.encoding, (*sets, *units))

    async def placeholder(self, name: str, note: str, width: int, height: int) -> bytes:
        """Return the JPEG that stands for a camera that was never seen."""
        return await self._run(jpeg.placeholder, name, note, width, height)

    def close(self) -> None:
        """Let the threads finish what they are at, and drop the rest."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[..., _T], *arguments: object) -> _T:
        if self._waiting >= MAX_WAITING:
            raise GatewayError(ErrorKind.LIMIT, f"{MAX_WAITING} pictures are already being made")
        self._waiting += 1
        try:
            async with asyncio.timeout(DEADLINE):
                return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        except TimeoutError:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"no picture within {DEADLINE:g} seconds") from None
        finally:
            self._waiting -= 1
