"""When recordings had no job that records all the time: what they lack of such a time is not missing."""

from collections.abc import Iterable
from typing import Any, Final, Protocol

from gateway.domain.recording import Span
from gateway.sdk.clock import Clock
from gateway.services.archive import LATEST_NS

MOST: Final = 200
"""Pauses that are remembered of a recording."""
_KEY: Final = "backfill.pauses"


class Memory(Protocol):
    """Where small JSON values survive a restart."""

    def load(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return a stored value, or None."""
        ...

    def store(self, key: str, value: object) -> None:
        """Keep a JSON value; returns at once."""
        ...


class Pauses:
    """The pauses of all recordings, kept over restarts. One that goes on lasts also while the gateway is off."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock
        self._known: dict[str, list[list[int]]] = memory.load(_KEY) or {}
        """Starts and ends, in nanoseconds, by recording; the last one that goes on has no end."""
        self._recorded: set[str] = set()
        """Recordings that were recorded since the start: they may hold data that is not in the archive yet."""

    def follow(self, recordings: Iterable[str], recorded: Iterable[str]) -> None:
        """Take which recordings hold data, and which are recorded now."""
        now, active, changed = self._clock.utc_ns(), set(recorded), False
        self._recorded |= active
        for recording in {*recordings, *self._recorded, *self._known}:
            pauses = self._known.get(recording, [])
            paused = bool(pauses) and len(pauses[-1]) == 1
            if paused == (recording not in active):
                continue
            pauses = [*pauses[:-1], [pauses[-1][0], now]] if paused else [*pauses, [now]]
            self._known[recording] = pauses[-MOST:]
            changed = True
        if changed:
            self._memory.store(_KEY, self._known)

    def of(self, recording: str) -> list[Span]:
        """Return the pauses of a recording, in order."""
        return [Span(start, *(end or [LATEST_NS])) for start, *end in self._known.get(recording, [])]
