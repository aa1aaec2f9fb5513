"""Search sessions: a Find operation begins one, results are fetched from it as they are found (Search §5.2.2).

A session ends when nobody asks for it during its keep-alive time, when it is ended, and once its last results were
fetched. EndSearch on a session whose last results were just fetched is still answered: clients tidy up like that.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.domain.errors import GatewayError
from gateway.sdk.clock import Clock
from gateway.services.recordings_errors import Reason, RecordingError

PER_ACCOUNT = 16
"""Sessions of one account at a time."""

TOTAL = 128
MIN_KEEP_ALIVE, MAX_KEEP_ALIVE = 1.0, 300.0
"""Seconds; what clients ask for is adapted (Search §5.5: ten seconds must work)."""

MAX_WAIT = 60.0
DEFAULT_WAIT = 5.0
"""Seconds that a request for results waits at most, and when it does not say."""

MAX_RESULTS = 1000
"""Results in one answer."""

MAX_BACKLOG = 1000
"""Results that are found ahead of the client; the search pauses there."""

_log = logging.getLogger(__name__)


class SearchKind(StrEnum):
    """What is searched for. A session's results can be fetched by the operation of its kind only."""

    RECORDINGS = "recordings"
    EVENTS = "events"


class SearchState(StrEnum):
    """Where a session stands (tt:SearchState)."""

    SEARCHING = "Searching"
    COMPLETED = "Completed"


@dataclass(frozen=True, slots=True)
class Step:
    """What one bounded step of a search found."""

    results: tuple[Any, ...]
    position_ns: int
    """How far the search is, in the time that is searched."""


@dataclass(slots=True, eq=False)
class _Session:
    token: str
    kind: SearchKind
    owner: str
    keep_alive: float
    expires: float
    position_ns: int
    left: int | None
    """Matches that may still be found; None for any number."""
    count: int = 0
    found: deque[Any] = field(default_factory=deque)
    finished: bool = False
    fetched: bool = False
    """The last results were handed out."""
    ended: bool = False
    waiting: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: tuple[asyncio.Task[None], ...] = ()


class Searches:
    """All sessions."""

    def __init__(self, clock: Clock, make_token: Callable[[], str] = lambda: f"Search_{secrets.token_hex(8)}") -> None:
        self._clock = clock
        self._make_token = make_token
        self._sessions: dict[str, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(
        self,
        kind: SearchKind,
        owner: str,
        keep_alive: float,
        max_matches: int | None,
        steps: AsyncIterator[Step],
        start_ns: int,
    ) -> str:
        """Begin a search for an account and return its token. Raises RecordingError ResourceProblem."""
        self._make_room(owner)
        keep_alive = min(max(keep_alive, MIN_KEEP_ALIVE), MAX_KEEP_ALIVE)
        left = max_matches if max_matches is not None and max_matches > 0 else None
        expires = self._clock.monotonic() + keep_alive
        session = _Session(self._make_token(), kind, owner, keep_alive, expires, start_ns, left)
        session.tasks = (asyncio.create_task(self._search(session, steps)), asyncio.create_task(self._expire(session)))
        self._sessions[session.token] = session
        return session.token

    async def results(
        self, kind: SearchKind, owner: str, token: str, minimum: int | None, maximum: int | None, wait: float | None
    ) -> tuple[SearchState, list[Any]]:
        """Return new results: once there are enough, the search is over, or `wait` seconds are.

        Values out of range are adapted. Raises RecordingError InvalidToken.
        """
        session = self._find(owner, token)
        if session.kind is not kind or session.fetched:
            raise RecordingError(Reason.NO_SESSION, f"search token {token!r} has no {kind} to fetch")
        most = min(maximum, MAX_RESULTS) if maximum is not None and maximum > 0 else MAX_RESULTS
        least = most if minimum is None else min(max(minimum, 0), most)
        session.waiting += 1
        try:
            await self._enough(session, least, DEFAULT_WAIT if wait is None else min(max(wait, 0.0), MAX_WAIT))
        finally:
            session.waiting -= 1
            self._touch(session)
        taken = [session.found.popleft() for _ in range(min(most, len(session.found)))]
        session.changed.set()
        session.fetched = session.finished and not session.found
        return SearchState.COMPLETED if session.fetched or session.ended else SearchState.SEARCHING, taken

    def state(self, owner: str, token: str) -> SearchState:
        """Return where a session stands. Raises RecordingError InvalidToken."""
        session = self._find(owner, token)
        self._touch(session)
        return SearchState.COMPLETED if session.finished and not session.found else SearchState.SEARCHING

    def end(self, owner: str, token: str) -> int:
        """End a session and return how far it had come, in nanoseconds. Raises RecordingError InvalidToken."""
        session = self._find(owner, token)
        self._close(session)
        return session.position_ns

    async def close(self) -> None:
        """End every session."""
        tasks = [task for session in self._sessions.values() for task in session.tasks]
        for session in list(self._sessions.values()):
            self._close(session)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _find(self, owner: str, token: str) -> _Session:
        session = self._sessions.get(token)
        if session is None or session.owner != owner:
            raise RecordingError(Reason.NO_SESSION, f"search token {token!r} is unknown, expired or ended")
        return session

    def _touch(self, session: _Session) -> None:
        session.expires = self._clock.monotonic() + session.keep_alive

    def _make_room(self, owner: str) -> None:
        """Sessions whose results were all fetched go first; nothing else is taken from another client."""
        full = self._too_many(owner)
        if full:
            for session in [each for each in self._sessions.values() if each.fetched]:
                self._close(session)
            full = self._too_many(owner)
        if full:
            raise RecordingError(Reason.NO_SEARCH, full)

    def _too_many(self, owner: str) -> str:
        own = sum(session.owner == owner for session in self._sessions.values())
        if own >= PER_ACCOUNT:
            return f"the account {owner!r} already has {own} searches; end one first"
        return f"there are already {TOTAL} searches" if len(self._sessions) >= TOTAL else ""

    async def _search(self, session: _Session, steps: AsyncIterator[Step]) -> None:
        try:
            async for step in steps:
                self._take(session, step)
                if session.left == 0:
                    break
                while len(session.found) >= MAX_BACKLOG:
                    session.changed.clear()
                    await session.changed.wait()
                await asyncio.sleep(0)
        except GatewayError as error:
            _log.warning("search %s found %d results and can't go on: %s", session.token, session.count, error)
        finally:
            session.finished = True
            session.changed.set()

    def _take(self, session: _Session, step: Step) -> None:
        found = step.results[: session.left]
        if session.left is not None:
            session.left -= len(found)
        session.found.extend(found)
        session.count += len(found)
        session.position_ns = step.position_ns
        session.changed.set()

    async def _enough(self, session: _Session, least: int, wait: float) -> None:
        timer = asyncio.ensure_future(self._clock.sleep(wait))
        try:
            while len(session.found) < least and not session.finished and not session.ended and not timer.done():
                session.changed.clear()
                change = asyncio.ensure_future(session.changed.wait())
                await asyncio.wait({timer, change}, return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
        finally:
            timer.cancel()

    async def _expire(self, session: _Session) -> None:
        while session.waiting or self._clock.monotonic() < session.expires:
            await self._clock.sleep(max(session.expires - self._clock.monotonic(), MIN_KEEP_ALIVE))
        self._close(session)

    def _close(self, session: _Session) -> None:
        self._sessions.pop(session.token, None)
        session.ended = True
        session.changed.set()
        for task in session.tasks:
            if task is not asyncio.current_task():
                task.cancel()
