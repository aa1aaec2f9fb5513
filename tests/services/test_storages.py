"""Which storage is written to as they fill, fail, hang, are swapped and come back, and what is told of it."""

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest
from memory_storage import MemoryStorage
from waiting import until

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Segment
from gateway.domain.storage import StorageState, StorageStatus, Volume
from gateway.services import storage_turns
from gateway.services import storages as module
from gateway.services.storage_health import Room
from gateway.services.storages import Storages
from gateway.testing.clock import FakeClock, settle

GB = 2**30
OK, ERROR, AWAY = StorageState.OK, StorageState.ERROR, StorageState.NOT_INSTALLED
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


class Bench:
    """Three storages: `fast` is preferred, the others are alike."""

    def __init__(self, disk: ThreadPoolExecutor) -> None:
        self.clock = FakeClock()
        self.used: dict[str, int] = {}
        self.told: list[tuple[str, StorageState]] = []
        self.backends = {name: MemoryStorage(name) for name in ("fast", "one", "two")}
        self.limits: dict[str, int] = {"fast": 50 * GB}
        volumes = [
            (Volume(name, "memory", self.limits.get(name), 10 if name == "fast" else 0), backend)
            for name, backend in self.backends.items()
        ]
        self.storages = Storages(volumes, disk, self.clock, self.usage, self.changed)

    async def usage(self) -> dict[str, int]:
        return self.used

    def changed(self, name: str, _old: StorageStatus, new: StorageStatus) -> None:
        self.told.append((name, new.state))

    def set(self, name: str, state: StorageState = OK, *, free: int = 100 * GB, cause: str = "") -> None:
        self.backends[name].found = StorageStatus(state, cause, 100 * GB, free)

    def state(self, name: str) -> StorageState:
        return self.storages.statuses()[name].state

    async def after(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        await self.storages.check()


@pytest.fixture
def disk() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
async def bench(disk: ThreadPoolExecutor) -> AsyncIterator[Bench]:
    made = Bench(disk)
    await made.storages.check()
    made.told.clear()
    yield made
    for backend in made.backends.values():
        backend.answers.set()


def segment(storage: str, name: str = "R/2026-11-22/a.mp4") -> Segment:
    return Segment("R", 0, 1, 0, storage, name, 1, (), ())


@pytest.mark.parametrize(
    ("capacity", "reserve"), [(4000 * GB, 40 * GB), (100 * GB, GB), (20 * GB, GB // 2), (4 * GB, 4 * GB // 20)]
)
def test_a_reserve_stays_free(capacity: int, reserve: int) -> None:
    assert Room(Volume("a", "x"), StorageStatus(OK, "", capacity, capacity), 0).reserve == reserve


def test_a_limit_counts_what_the_archive_uses() -> None:
    status = StorageStatus(OK, "", 100 * GB, 60 * GB)
    assert Room(Volume("a", "x", 50 * GB), status, 30 * GB).left == 20 * GB
    assert Room(Volume("a", "x", 500 * GB), status, 30 * GB).left == 59 * GB


async def test_priority_comes_first_then_room(bench: Bench) -> None:
    bench.set("two", free=99 * GB)
    await bench.storages.check()
    storages = bench.storages
    assert storages.writable() == "fast"
    assert storages.writable(["fast"]) == "one"
    assert storages.writable(["fast", "one"]) == "two"
    assert storages.writable(["fast", "one", "two"]) is None
    bench.used = {"fast": 50 * GB}
    await storages.check()
    assert storages.writable() == "one"


async def test_where_all_are_full_the_preferred_one_is_written_to(bench: Bench) -> None:
    for name in bench.backends:
        bench.set(name, free=GB // 2)
    await bench.storages.check()
    assert bench.storages.writable() == "fast"
    bench.storages.full({"fast"})  # only held footage is left there
    assert bench.storages.writable() == "one"
    assert bench.state("fast") is ERROR
    assert "is full and nothing on it may be deleted" in bench.storages.statuses()["fast"].cause
    bench.storages.full(())
    assert bench.told == [("fast", ERROR), ("fast", OK)]


async def test_a_storage_that_fails_is_left_alone_longer_and_longer_until_it_works(bench: Bench) -> None:
    storages = bench.storages
    for pause in (5, 10, 20, 40, 60, 60):
        assert storages.writable() == "fast"
        for _ in range(16):  # every recording finds it
            storages.failed("fast", NO_SPACE)
        await bench.after(pause - 1)
        assert storages.writable() == "one"
        await bench.after(1)
    assert bench.told == [("fast", ERROR)]
    assert bench.storages.statuses()["fast"].cause == (
        "storage 'fast' can't be written to: [Errno 28] No space left on device"
    )
    assert storages.writable() == "fast"
    storages.create("fast", "R/2026-11-22/a.mp4").sync()
    assert bench.told == [("fast", ERROR), ("fast", OK)]
    assert storages.writable() == "fast"


async def test_what_others_still_write_does_not_excuse_a_failure(bench: Bench) -> None:
    writer = bench.storages.create("fast", "R/2026-11-22/a.mp4")
    bench.storages.failed("fast", NO_SPACE)
    writer.sync()
    assert bench.storages.writable() == "one"


async def test_a_failure_is_forgotten_if_nobody_tries_again(bench: Bench) -> None:
    bench.storages.failed("two", NO_SPACE)
    await bench.after(604)
    assert bench.state("two") is ERROR
    await bench.after(1)
    assert bench.told == [("two", ERROR), ("two", OK)]


async def test_a_storage_that_can_t_be_written_to_can_still_be_read_and_deleted_from(bench: Bench) -> None:
    writer = bench.storages.create("fast", "R/2026-11-22/a.mp4")
    writer.write([b"abc"])
    writer.close()
    bench.storages.failed("fast", NO_SPACE)
    assert await bench.storages.read(segment("fast"), 1, 9) == b"bc"
    assert "fast" in {room.volume.id for room in bench.storages.rooms()}
    assert await bench.storages.delete([segment("fast")]) == [segment("fast")]
    assert list(bench.backends["fast"].objects()) == []


async def test_a_medium_that_is_away_is_told_once_and_comes_back_by_itself(bench: Bench) -> None:
    bench.used = {"fast": 5}
    bench.set("fast", StorageState.FORMATTING_REQUIRED, cause="'/mnt' is empty")
    for _ in range(3):
        await bench.after(5)
    assert bench.storages.statuses()["fast"] == StorageStatus(
        AWAY,
        "the medium with the recordings of storage 'fast' is not there: '/mnt' is empty",
        100 * GB,
        100 * GB,
    )
    assert bench.storages.writable() == "one"
    assert await bench.storages.delete([segment("fast")]) == []  # or it would be forgotten
    with pytest.raises(GatewayError, match="is not there") as caught:
        await bench.storages.read(segment("fast"), 0, 1)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    bench.set("fast")
    await bench.after(5)
    assert bench.told == [("fast", AWAY), ("fast", OK)]


async def test_what_can_t_be_read_or_deleted_says_why(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(GatewayError, match=r"'R/2026-11-22/a\.mp4' is not on storage 'one'") as caught:
        await bench.storages.read(segment("one"), 0, 1)
    assert caught.value.kind is ErrorKind.NOT_FOUND
    with pytest.raises(GatewayError, match="there is no storage 'nine'"):
        await bench.storages.read(segment("nine"), 0, 1)
    bench.backends["one"].broken = OSError(errno.EIO, "Input/output error")
    with pytest.raises(GatewayError, match="on storage 'one' can't be read: Input/output error") as caught:
        await bench.storages.read(segment("one"), 0, 1)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert await bench.storages.delete([segment("one"), segment("two")]) == [segment("two")]
    assert "R/2026-11-22/a.mp4 on storage one can't be deleted" in caplog.text


async def test_a_medium_that_hangs_keeps_one_thread(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.4)
    hanging = bench.backends["fast"]
    hanging.answers.clear()
    before = hanging.looks
    for _ in range(5):
        await bench.storages.check()
    assert hanging.looks == before + 1
    assert bench.storages.statuses()["fast"].cause == "storage 'fast' does not answer"
    assert bench.storages.writable() == "one"
    with pytest.raises(GatewayError, match="does not answer"):
        await bench.storages.read(segment("fast"), 0, 1)
    hanging.answers.set()
    async with asyncio.timeout(30):
        while bench.state("fast") is not OK:
            await bench.storages.check()
    assert bench.told == [("fast", ERROR), ("fast", OK)]


async def test_one_that_hangs_leaves_threads_for_the_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_turns, "TURN_SECONDS", 0.05)
    storages, hanging = bench.storages, bench.backends["fast"]
    writers = [storages.create("fast", f"R/2026-11-22/{number}.mp4") for number in range(5)]
    hanging.answers.clear()
    with ThreadPoolExecutor(5) as pool:
        stuck = [pool.submit(writer.write, [b"x"]) for writer in writers]
        late = next(as_completed(stuck, timeout=30))
        with pytest.raises(TimeoutError, match="storage 'fast' does not answer"):
            late.result()
        storages.failed("fast", TimeoutError("storage 'fast' does not answer"))
        with pytest.raises(TimeoutError):
            writers[0].sync()  # at once
        other = storages.create("one", "R/2026-11-22/a.mp4")
        other.write([b"abc"])
        readers = [asyncio.create_task(storages.read(segment("fast"), 0, 1)) for _ in range(8)]
        await until(lambda: sum(reader.done() for reader in readers) == 6)
        done, waiting = await asyncio.wait(readers, timeout=0)
        assert {str(reader.exception()) for reader in done} == {"storage 'fast' does not answer"}
        for reader in waiting:
            reader.cancel()
        assert await storages.read(segment("one"), 0, 9) == b"abc"
        with pytest.raises(GatewayError, match="does not answer"):  # the threads are still kept
            await storages.read(segment("fast"), 0, 1)
        assert await storages.delete([segment("fast"), segment("one")]) == [segment("one")]
        hanging.answers.set()
        assert all(write.result(30) is None for write in stuck if write is not late)
    with pytest.raises(GatewayError, match="is not on storage 'fast'"):
        await storages.read(segment("fast"), 0, 1)


async def test_a_storage_is_let_go_of_and_used_again_when_it_is_back(bench: Bench) -> None:
    storages, clock = bench.storages, bench.clock
    writer = storages.create("fast", "R/2026-11-22/a.mp4")
    releasing = asyncio.create_task(storages.release("fast"))
    await settle()
    assert storages.writable() == "one"
    with pytest.raises(OSError, match="is let go of"):
        writer.write([b"x"])
    storages.failed("fast", OSError("is let go of"))  # as the recorder does; it is no failure
    with pytest.raises(GatewayError, match="is let go of"):
        storages.create("fast", "R/2026-11-22/b.mp4")
    writer.close()
    await clock.advance(1)
    await releasing
    assert bench.storages.statuses()["fast"].cause == "storage 'fast' is safe to remove"
    await bench.after(5)
    assert bench.state("fast") is AWAY  # still in its place: nothing is written to it
    bench.set("fast", AWAY)
    await bench.after(5)
    bench.set("fast")
    await bench.after(5)
    assert storages.writable() == "fast"
    assert bench.told == [("fast", AWAY), ("fast", OK)]


async def test_one_that_is_still_written_to_is_not_let_go_of(bench: Bench) -> None:
    bench.storages.create("fast", "R/2026-11-22/a.mp4")
    releasing = asyncio.create_task(bench.storages.release("fast"))
    await settle()
    await bench.clock.advance(31)
    with pytest.raises(GatewayError, match="storage 'fast' is still written to"):
        await releasing
    assert bench.state("fast") is OK


async def test_formatting_makes_a_storage_usable(bench: Bench) -> None:
    storages = bench.storages
    bench.set("two", StorageState.FORMATTING_REQUIRED)
    await storages.check()
    assert storages.writable(["fast", "one"]) is None
    entered, go = threading.Event(), threading.Event()

    def slowly() -> None:
        entered.set()
        go.wait(5)
        bench.set("two")

    bench.backends["two"].format = slowly  # type: ignore[method-assign]
    formatting = asyncio.create_task(storages.format("two"))
    await asyncio.to_thread(entered.wait, 5)
    with pytest.raises(GatewayError, match="storage 'two' is being formatted already"):
        await storages.format("two")
    assert bench.state("two") is StorageState.FORMATTING
    go.set()
    await formatting
    assert bench.told == [
        ("two", StorageState.FORMATTING_REQUIRED),
        ("two", StorageState.FORMATTING),
        ("two", OK),
    ]
    assert storages.writable(["fast", "one"]) == "two"


async def test_open_objects_are_known(bench: Bench) -> None:
    storages = bench.storages
    writer = storages.create("one", "R/2026-11-22/a.mp4")
    assert storages.writing("one", "R/2026-11-22/a.mp4")
    assert not storages.writing("two", "R/2026-11-22/a.mp4")
    with pytest.raises(FileExistsError):
        storages.create("one", "R/2026-11-22/a.mp4")
    assert storages.writing("one", "R/2026-11-22/a.mp4")
    writer.close()
    assert not storages.writing("one", "R/2026-11-22/a.mp4")
