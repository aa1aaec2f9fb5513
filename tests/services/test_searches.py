"""Search sessions: results as they are found, keep-alive on the clock, and an end to everything."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.services.recordings_errors import Reason, RecordingError
from gateway.services.searches import MAX_BACKLOG, PER_ACCOUNT, TOTAL, Searches, SearchKind, SearchState, Step
from gateway.testing.clock import FakeClock, settle

EVENTS = SearchKind.EVENTS


async def numbers(*counts: int) -> AsyncIterator[Step]:
    """Yield so many numbers in each step."""
    position = 0
    for count in counts:
        yield Step(tuple(range(position, position + count)), position + count)
        position += count


class Slow:
    """A search that a test moves on."""

    def __init__(self) -> None:
        self.steps: asyncio.Queue[Step | None] = asyncio.Queue()
        self.stopped = False

    async def run(self) -> AsyncIterator[Step]:
        try:
            while (step := await self.steps.get()) is not None:
                yield step
        finally:
            self.stopped = True


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def searches(clock: FakeClock) -> AsyncIterator[Searches]:
    found = Searches(clock)
    yield found
    await found.close()
    assert len(found) == 0


def invalid(message: str) -> pytest.RaisesExc[RecordingError]:
    return pytest.raises(RecordingError, match=message)


async def fetch(
    searches: Searches, token: str, least: int | None = None, most: int | None = None, wait: float | None = 10.0
) -> tuple[SearchState, list[int]]:
    return await searches.results(EVENTS, "ann", token, least, most, wait)


async def test_results_come_once_and_then_it_is_over(searches: Searches) -> None:
    token = searches.begin(EVENTS, "ann", 10, None, numbers(3, 0, 4), 0)
    assert await fetch(searches, token, most=2) == (SearchState.SEARCHING, [0, 1])
    await settle()
    assert searches.state("ann", token) is SearchState.SEARCHING
    assert await fetch(searches, token) == (SearchState.COMPLETED, [2, 3, 4, 5, 6])
    with invalid(f"search token '{token}' has no events to fetch"):
        await fetch(searches, token)
    assert searches.end("ann", token) == 7, "clients tidy up after the last results"
    with invalid(f"search token '{token}' is unknown, expired or ended") as error:
        searches.end("ann", token)
    assert error.value.reason is Reason.NO_SESSION


async def test_a_request_waits_for_enough_results(searches: Searches, clock: FakeClock) -> None:
    slow = Slow()
    token = searches.begin(EVENTS, "ann", 10, None, slow.run(), 5)
    waiting = asyncio.create_task(fetch(searches, token, least=3, wait=10))
    slow.steps.put_nowait(Step((1, 2), 6))
    await settle()
    assert not waiting.done()
    slow.steps.put_nowait(Step((3, 4), 7))
    assert await waiting == (SearchState.SEARCHING, [1, 2, 3, 4])
    late = asyncio.create_task(fetch(searches, token, least=1, wait=2))
    await settle()
    await clock.advance(1.9)
    assert not late.done()
    await clock.advance(0.1)
    assert await late == (SearchState.SEARCHING, [])
    assert await fetch(searches, token, least=0, wait=60) == (SearchState.SEARCHING, [])
    assert await fetch(searches, token, wait=-5) == (SearchState.SEARCHING, [])
    ended = asyncio.create_task(fetch(searches, token, least=1, wait=60))
    await settle()
    assert searches.end("ann", token) == 7
    assert await ended == (SearchState.COMPLETED, [])
    assert slow.stopped


async def test_a_search_that_is_done_ends_the_wait(searches: Searches) -> None:
    slow = Slow()
    token = searches.begin(EVENTS, "ann", 10, None, slow.run(), 0)
    waiting = asyncio.create_task(fetch(searches, token, least=5, wait=60))
    slow.steps.put_nowait(Step((1,), 1))
    slow.steps.put_nowait(None)
    assert await waiting == (SearchState.COMPLETED, [1])


async def test_matches_are_counted(searches: Searches) -> None:
    token = searches.begin(EVENTS, "ann", 10, 4, numbers(3, 3, 3), 0)
    assert await fetch(searches, token) == (SearchState.COMPLETED, [0, 1, 2, 3])


async def test_keep_alive_counts_from_the_last_answer(searches: Searches, clock: FakeClock) -> None:
    slow = Slow()
    token = searches.begin(EVENTS, "ann", 10, None, slow.run(), 0)
    await settle()
    await clock.advance(9)
    searches.state("ann", token)
    await clock.advance(9)
    waiting = asyncio.create_task(fetch(searches, token, least=1, wait=30))
    await settle()
    await clock.advance(30)
    assert await waiting == (SearchState.SEARCHING, [])
    await clock.advance(9.9)
    searches.state("ann", token)
    await clock.advance(10.1)
    with invalid("unknown, expired or ended"):
        await fetch(searches, token)
    assert slow.stopped


async def test_keep_alive_is_adapted(searches: Searches, clock: FakeClock) -> None:
    short = searches.begin(EVENTS, "ann", -1, None, Slow().run(), 0)
    long = searches.begin(EVENTS, "ann", 1e9, None, Slow().run(), 0)
    await settle()
    await clock.advance(1.1)
    with invalid("unknown, expired or ended"):
        searches.state("ann", short)
    await clock.advance(301)
    with invalid("unknown, expired or ended"):
        searches.state("ann", long)


async def test_sessions_belong_to_an_account_and_a_kind(searches: Searches) -> None:
    token = searches.begin(EVENTS, "ann", 10, None, numbers(1), 0)
    with invalid("unknown, expired or ended"):
        searches.end("bob", token)
    with invalid("has no recordings to fetch"):
        await searches.results(SearchKind.RECORDINGS, "ann", token, None, None, None)


async def test_there_is_room_for_so_many_searches(searches: Searches) -> None:
    tokens = [searches.begin(EVENTS, "ann", 10, None, numbers(1), 0) for _ in range(PER_ACCOUNT)]
    with invalid(f"the account 'ann' already has {PER_ACCOUNT} searches; end one first") as error:
        searches.begin(EVENTS, "ann", 10, None, numbers(1), 0)
    assert error.value.reason is Reason.NO_SEARCH
    await fetch(searches, tokens[0])
    searches.begin(EVENTS, "ann", 10, None, numbers(1), 0)
    for index in range(TOTAL - PER_ACCOUNT):
        searches.begin(EVENTS, f"user{index}", 10, None, numbers(1), 0)
    with invalid(f"there are already {TOTAL} searches"):
        searches.begin(EVENTS, "bob", 10, None, numbers(1), 0)


async def test_a_search_pauses_while_nobody_fetches(searches: Searches) -> None:
    token = searches.begin(EVENTS, "ann", 10, None, numbers(*[1000] * 20), 0)
    await settle(100)
    assert len(searches._sessions[token].found) == MAX_BACKLOG
    count = 0
    state = SearchState.SEARCHING
    while state is SearchState.SEARCHING:
        state, found = await fetch(searches, token)
        count += len(found)
    assert count == 20_000


async def test_a_search_that_fails_ends_with_what_it_found(
    searches: Searches, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> AsyncIterator[Step]:
        yield Step((1,), 1)
        raise GatewayError(ErrorKind.UNAVAILABLE, "the database is away")

    token = searches.begin(EVENTS, "ann", 10, None, broken(), 0)
    assert await fetch(searches, token) == (SearchState.COMPLETED, [1])
    assert "found 1 results and can't go on: the database is away" in caplog.text
