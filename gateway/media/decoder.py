"""Decoding happens here: a few threads, a bounded queue and a deadline."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, TrackDescription
from gateway.media import jpeg
from gateway.media.pictures import LumaDecoder
from gateway.sdk.motion import GrayPicture

THREADS = 2
MAX_WAITING = 64
DEADLINE = 2.5
"""Seconds until a picture is given up, since clients wait three; the thread finishes on its own."""
LOOK_DEADLINE = 20.0
"""Seconds for one picture of a stream, its turn included; what takes longer hangs."""

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

    def pictures(self, track: TrackDescription, width: int, *, key_frames_only: bool) -> "PictureStream":
        """Return a decoder that keeps the state of one stream. Raises GatewayError for an unknown encoding."""
        sets = () if track.encoding == "JPEG" else self._parameter_sets(track.encoding, track.fmtp)
        return PictureStream(self._threads, LumaDecoder(track.encoding, sets, width, key_frames_only=key_frames_only))

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


class PictureStream:
    """One stream that is decoded picture by picture. It never has more than one frame with the threads.

    So the threads take turns with the streams, and a stream that is late waits behind itself alone.
    """

    def __init__(self, threads: ThreadPoolExecutor, decoder: LumaDecoder) -> None:
        self._threads = threads
        self._decoder = decoder

    async def look(
        self, units: Sequence[AccessUnit], due: Callable[[int], bool], look: Callable[[GrayPicture], _T]
    ) -> list[_T]:
        """Decode a frame; return what `look` makes of the pictures that this completes and that are `due`.

        Both are called in the thread. The calls of one stream may not overlap, and after one that raised there may
        be no other: its thread may still be at it. Raises GatewayError, and what `look` raises.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOK_DEADLINE):
                return await loop.run_in_executor(self._threads, self._decoder.look, units, due, look)
        except TimeoutError:
            message = f"a picture was not looked at within {LOOK_DEADLINE:g} seconds"
            raise GatewayError(ErrorKind.UNAVAILABLE, message) from None
