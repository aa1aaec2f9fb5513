"""What is told of cameras is kept when it is news, and written behind."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import pytest

from gateway.domain.camera import CameraInfo, Channel, ConnectionState
from gateway.domain.camera_history import HistoryEntry, HistoryKind
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.driver import Inspection
from gateway.services.camera_history import BEAT_SECONDS, WRITE_SECONDS, CameraHistory
from gateway.services.camera_inspections import EVERY, SOONEST, Inspections
from gateway.testing.clock import FakeClock, settle
from gateway.testing.streams import video_description

ACME = CameraInfo("Acme", "Eye", "1.2", "A7")
S = 1_000_000_000


class Store:
    def __init__(self) -> None:
        self.kept: dict[object, HistoryEntry] = {}
        self.writes = 0
        self.error: GatewayError | None = None

    def latest(self) -> Iterable[HistoryEntry]:
        return list(self.kept.values())

    async def write(self, entries: Sequence[HistoryEntry]) -> None:
        if self.error is not None:
            raise self.error
        self.writes += 1
        self.kept |= {entry.key: entry for entry in entries}

    def of(self, kind: HistoryKind) -> list[HistoryEntry]:
        return [entry for entry in self.kept.values() if entry.kind is kind]


class Cameras:
    """One camera, whose state the test says."""

    def __init__(self) -> None:
        self.channel = Channel("door", "Door", (), ConnectionState.CONNECTING)
        self.watch = lambda watcher: setattr(self, "changed", watcher)
        self.watch_failures = lambda watcher: setattr(self, "failed", watcher)

    def channels(self) -> tuple[Channel, ...]:
        return (self.channel,)

    def become(self, state: ConnectionState, info: CameraInfo = ACME) -> None:
        self.channel = replace(self.channel, state=state, info=info)
        self.changed(self.channel)

    def lose(self, why: str) -> None:
        self.failed("door", "main", why)
        self.become(ConnectionState.OFFLINE)


@dataclass
class Scene:
    store: Store
    clock: FakeClock
    cameras: Cameras
    history: CameraHistory


@asynccontextmanager
async def remembering(store: Store | None = None, clock: FakeClock | None = None) -> AsyncIterator[Scene]:
    store, clock, cameras = store or Store(), clock or FakeClock(), Cameras()
    history = CameraHistory(store, clock)
    history.follow(cameras)
    task = asyncio.create_task(history.run())
    await settle()
    try:
        yield Scene(store, clock, cameras, history)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_losses_and_errors_are_kept_with_their_words() -> None:
    async with remembering() as scene:
        scene.cameras.become(ConnectionState.ONLINE)
        await scene.clock.advance(100)
        scene.cameras.lose("camera door closed the connection")
        await scene.clock.advance(30)
        for _ in range(3):
            scene.cameras.failed("door", "main", "camera door can't be reached")
        scene.history.failed("door", "events", "the login is refused")
        scene.cameras.become(ConnectionState.ONLINE)
    (outage,) = scene.store.of(HistoryKind.OUTAGE)
    assert (outage.count, outage.value["down"]) == (1, 30.0)
    assert outage.value["why"] == "camera door closed the connection"
    assert {entry.subject: entry.count for entry in scene.store.of(HistoryKind.ERROR)} == {
        "main: camera door closed the connection": 1,
        "main: camera door can't be reached": 3,
        "events: the login is refused": 1,
    }


async def test_a_camera_that_flaps_is_written_rarely() -> None:
    async with remembering() as scene:
        for _ in range(1000):
            scene.cameras.lose("gone")
            scene.cameras.become(ConnectionState.ONLINE)
            await scene.clock.advance(1)
        assert scene.store.writes <= 1000 / WRITE_SECONDS + 1
        assert len(scene.store.kept) < 10
        (outage,) = scene.store.of(HistoryKind.OUTAGE)
        assert outage.count > 900


async def test_what_a_camera_is_is_kept_when_it_changes() -> None:
    async with remembering() as scene:
        scene.cameras.become(ConnectionState.ONLINE)
        for info, offset in ((ACME, 0.2), (ACME, -0.3), (replace(ACME, firmware="1.3"), 400.0)):
            scene.history.inspected("door", Inspection(info, capabilities=("PTZ", "Media2"), clock_offset=offset))
            await scene.clock.advance(1)
        for size in ((1280, 720), (1280, 720), (640, 360)):
            scene.history.described("door", "main", video_description(*size))
            await scene.clock.advance(1)
        for fingerprint in ("1f", "1f", "2e"):
            scene.history.credentials("door", fingerprint)
            await scene.clock.advance(1)
    assert [entry.value["firmware"] for entry in scene.store.of(HistoryKind.IDENTITY)] == ["1.2", "1.3"]
    assert [entry.value["offset"] for entry in scene.store.of(HistoryKind.CLOCK)] == [0.2, 400.0]
    assert [entry.value["names"] for entry in scene.store.of(HistoryKind.CAPABILITIES)] == [["Media2", "PTZ"]]
    assert [entry.value["width"] for entry in scene.store.of(HistoryKind.STREAM)] == [1280, 640]
    assert len(scene.store.of(HistoryKind.CREDENTIALS)) == 2


async def test_what_a_camera_was_is_known_after_a_restart() -> None:
    async with remembering() as scene:
        scene.cameras.become(ConnectionState.ONLINE)
    before = len(scene.store.kept)
    async with remembering(scene.store, scene.clock) as again:
        assert again.history.known("door") == ACME
        assert again.history.known("gate") == CameraInfo()
        again.cameras.become(ConnectionState.ONLINE)
    assert len(scene.store.kept) == before
    (watch,) = scene.store.of(HistoryKind.WATCH)
    assert watch.count == 2


async def test_a_gateway_notes_that_it_runs() -> None:
    async with remembering() as scene:
        began = scene.clock.utc_ns()
        await scene.clock.advance(BEAT_SECONDS + WRITE_SECONDS)
        (watch,) = scene.store.of(HistoryKind.WATCH)
        assert (watch.start_ns, watch.end_ns) == (began, began + int(BEAT_SECONDS) * S)
        await scene.clock.advance(5)
    assert scene.store.of(HistoryKind.WATCH)[0].end_ns == scene.clock.utc_ns()


async def test_time_that_was_not_spent_was_not_watched() -> None:
    async with remembering() as scene:
        began = scene.clock.utc_ns()
        scene.clock.set_utc(began + 50 * 365 * 86_400 * S)
        await scene.clock.advance(BEAT_SECONDS + WRITE_SECONDS)
        first, second = sorted(scene.store.of(HistoryKind.WATCH), key=lambda each: each.start_ns)
        assert (first.end_ns, second.start_ns) == (began, scene.clock.utc_ns() - int(WRITE_SECONDS) * S)


async def test_a_database_that_is_away_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with remembering() as scene:
        await scene.clock.advance(WRITE_SECONDS)
        scene.store.error = GatewayError(ErrorKind.UNAVAILABLE, "the database is locked by another process")
        scene.cameras.become(ConnectionState.ONLINE)
        await scene.clock.advance(10 * BEAT_SECONDS)
        assert scene.store.of(HistoryKind.IDENTITY) == []
        scene.store.error = None
        await scene.clock.advance(BEAT_SECONDS + WRITE_SECONDS)
        assert len(scene.store.of(HistoryKind.IDENTITY)) == 1
    assert caplog.text.count("the history of cameras waits: the database is locked by another process") == 1


class Camera:
    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def inspect(self) -> Inspection:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Inspection(ACME)


async def test_a_camera_is_inspected_when_it_comes_back_and_every_hour() -> None:
    clock, camera, found = FakeClock(), Camera(), list[tuple[str, Inspection]]()
    inspections = Inspections({"door": camera}, lambda *each: found.append(each), clock)
    task = asyncio.create_task(inspections.run())
    channel = Channel("door", "Door", (), ConnectionState.ONLINE)

    def become(state: ConnectionState) -> None:
        inspections.camera_changed(replace(channel, state=state))

    inspections.camera_changed(replace(channel, id="gate"))
    await settle()
    assert camera.asked == 0
    for _ in range(10):
        become(ConnectionState.ONLINE)
        await settle()
        become(ConnectionState.OFFLINE)
    assert (camera.asked, found) == (1, [("door", Inspection(ACME))])
    await clock.advance(SOONEST)
    assert camera.asked == 1
    camera.error = ZeroDivisionError("oops")
    become(ConnectionState.ONLINE)
    await settle()
    assert camera.asked == 2
    camera.error = GatewayError(ErrorKind.UNAVAILABLE, "it does not answer")
    await clock.advance(EVERY)
    assert (camera.asked, len(found)) == (3, 1)
    become(ConnectionState.OFFLINE)
    await clock.advance(EVERY)
    assert camera.asked == 3
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
