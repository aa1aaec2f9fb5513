"""Frames of a recording, read a little before they are sent."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from gateway.domain.errors import GatewayError
from gateway.services.playback import Frame

AHEAD: Final = 64
"""Frames that wait at most; they are views of at most as many pieces of files as they come from."""
AHEAD_BYTES: Final = 1024 * 1024
"""Bytes of them past which nothing more is read."""

_log = logging.getLogger(__name__)


class ReadAhead:
    """Reads while nothing is sent, too, so that nothing is lost by a PAUSE. One task at a time may ask for frames."""

    def __init__(self, recording: str, frames: AsyncIterator[Frame]) -> None:
        self._recording = recording
        self._waiting: deque[Frame] = deque()
        self._size = 0
        self._ended = False
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._task = asyncio.create_task(self._read(frames), name=f"replay reader {recording}")

    @property
    def over(self) -> bool:
        """Whether everything was read and taken."""
        return self._ended and not self._waiting

    def close(self) -> None:
        """Read no more."""
        self._task.cancel()

    async def ready(self) -> None:
        """Wait until `next` returns at once."""
        while not self._waiting and not self._ended:
            self._came.clear()
            await self._came.wait()

    async def next(self) -> Frame | None:
        """Return the next frame, None at the end."""
        if not self._waiting:
            await self.ready()
        return self.at_hand()

    def at_hand(self) -> Frame | None:
        """Return the next frame if it has been read."""
        if not self._waiting:
            return None
        frame = self._waiting.popleft()
        self._size -= sum(map(len, frame.payload))
        if not self._room.is_set() and len(self._waiting) < AHEAD // 2 and self._size < AHEAD_BYTES // 2:
            self._room.set()
        return frame

    async def _read(self, frames: AsyncIterator[Frame]) -> None:
        try:
            async for frame in frames:
                self._waiting.append(frame)
                self._size += sum(map(len, frame.payload))
                self._came.set()
                if len(self._waiting) >= AHEAD or self._size >= AHEAD_BYTES:
                    self._room.clear()
                    await self._room.wait()
        except GatewayError as error:
            _log.warning("the replay of %s ends: %s", self._recording, error.message)
        except Exception as error:  # noqa: BLE001 - this task's supervisor
            _log.error("the replay of %s ends", self._recording, exc_info=error)
        finally:
            self._ended = True
            self._came.set()
