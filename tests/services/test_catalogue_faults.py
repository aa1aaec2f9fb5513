"""A catalogue that is lost, damaged or can't be written: nothing is lost silently, and all can be made anew."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import postgres_kit
import pytest

from gateway.db import Database, catalogue, engines, open_database
from gateway.db.catalogue_times import MINUTE_NS
from gateway.db.writer import DamagedError
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Fragment, Hold, Segment, Span

DAY = date(2023, 12, 9)
NOON = ((DAY - date(1970, 1, 1)) // timedelta(days=1) * 1440 + 720) * MINUTE_NS
EVER = Span(0, (1 << 63) - 1)
DOOR = "Recording_door"
HOLD = Hold("h1", DOOR, Span(NOON, NOON + 5), "evidence", "root")


def minute(number: int, fragments: tuple[Fragment, ...] = ()) -> Segment:
    start_ns = NOON + number * MINUTE_NS
    return Segment(DOOR, start_ns, start_ns + MINUTE_NS, NOON, "disk1", f"{number}.mp4", 9, ("V",), fragments)


def open_here(directory: Path, url: str = "") -> Database:
    return open_database(directory, url, {})


async def filled(directory: Path, segments: int = 3) -> None:
    with closing(open_here(directory)) as database:
        await database.catalogue.add_all([minute(number) for number in range(segments)])
        await database.holds.add_hold(HOLD)


async def numbers(database: Database) -> list[int]:
    found = await database.catalogue.segments(DOOR, EVER, limit=10_000)
    return [(each.start_ns - NOON) // MINUTE_NS for each in found]


class TestLost:
    async def test_a_deleted_catalogue_is_noticed_until_it_is_restored(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        await filled(tmp_path)
        (tmp_path / "catalogue.db").unlink()
        for _start in range(2):
            with closing(open_here(tmp_path)) as database:
                assert database.catalogue.fault == f"the catalogue '{tmp_path}/catalogue.db' is lost"
                assert await numbers(database) == []
                assert await database.catalogue.holds() == [HOLD]
        assert "is lost; until it is made anew from the storages, recordings are missing in it" in caplog.text
        with closing(open_here(tmp_path)) as database:
            await database.catalogue.add_all([minute(1), minute(2)])
            await database.catalogue.restored()
            assert database.catalogue.fault == ""
        with closing(open_here(tmp_path)) as database:
            assert database.catalogue.fault == ""
            assert await numbers(database) == [1, 2]

    @pytest.mark.parametrize(
        ("size", "content", "how"),
        [
            (0, b"not a database, but long enough to be looked at" * 100, "file is not a database"),
            (40_000, b"", "database disk image is malformed"),
        ],
        ids=["something else", "cut short"],
    )
    async def test_a_damaged_one_is_put_aside(self, tmp_path: Path, size: int, content: bytes, how: str) -> None:
        await filled(tmp_path, segments=1000)
        path = tmp_path / "catalogue.db"
        path.write_bytes(path.read_bytes()[:size] + content)
        with closing(open_here(tmp_path)) as database:
            assert database.catalogue.fault == f"the catalogue '{path}' is damaged ({how})"
            assert await numbers(database) == []
            assert await database.holds.holds(DOOR) == [HOLD]
        assert (tmp_path / "catalogue.db.damaged").stat().st_size == size + len(content)

    async def test_damage_that_is_found_later_counts_at_the_next_start(self, tmp_path: Path) -> None:
        await filled(tmp_path, segments=3000)
        with (tmp_path / "catalogue.db").open("r+b") as stream:
            size = stream.seek(0, 2)
            stream.seek(size // 2 // 8192 * 8192)
            stream.write(b"\xff" * 8192)
        with closing(open_here(tmp_path)) as database:
            assert database.catalogue.fault == ""
            with pytest.raises(DamagedError, match=r"is damaged \(database disk image is malformed\)"):
                await numbers(database)
            assert "is damaged" in database.catalogue.fault
        with closing(open_here(tmp_path)) as database:
            assert "is damaged" in database.catalogue.fault
            assert await numbers(database) == []
        assert (tmp_path / "catalogue.db.damaged").exists()

    async def test_one_of_another_database_is_not_used(self, tmp_path: Path) -> None:
        await filled(tmp_path)
        (tmp_path / "gateway.db").unlink()
        (tmp_path / "secret.key").unlink()
        with closing(open_here(tmp_path)) as database:
            assert database.catalogue.fault == f"the catalogue '{tmp_path}/catalogue.db' belongs to another database"
            assert await numbers(database) == []

    def test_commands_that_do_not_need_it_leave_it_alone(self, tmp_path: Path) -> None:
        (tmp_path / "catalogue.db").write_bytes(b"x" * 5000)
        open_here(tmp_path).close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["catalogue.db", "gateway.db", "secret.key"]

    def test_databases_in_one_directory_have_a_catalogue_each(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            with closing(open_here(tmp_path, f"sqlite:///{tmp_path}/{name}.db")) as database:
                assert database.catalogue.fault == ""
        assert sorted(path.name for path in tmp_path.glob("*catalogue.db")) == ["a-catalogue.db", "b-catalogue.db"]


async def test_a_power_cut_keeps_rows_and_what_is_derived_together(tmp_path: Path) -> None:
    """SQLite's log is cut at many places: what is left is some state that was, never half of one."""
    directory = tmp_path / "data"
    await filled(directory, segments=1)
    with closing(open_here(directory)) as database:
        for number in range(1, 5):
            database.catalogue.add(minute(number))
            assert await numbers(database) == list(range(number + 1))
        await database.catalogue.remove([minute(0)])
        content = {path.name: path.read_bytes() for path in directory.iterdir()}
    log = content.pop("catalogue.db-wal")
    seen = set()
    for number, cut in enumerate([*range(0, len(log), 20_011), len(log)]):
        copy = tmp_path / str(number)
        copy.mkdir()
        for name, data in content.items():
            (copy / name).write_bytes(data)
        (copy / "catalogue.db-wal").write_bytes(log[:cut])
        (copy / "secret.key").chmod(0o600)
        with closing(open_here(copy)) as database:
            kept = await numbers(database)
            span = Span(NOON + kept[0] * MINUTE_NS, NOON + (kept[-1] + 1) * MINUTE_NS)
            days = await database.catalogue.days(DOOR, DAY, DAY)
            assert kept == list(range(kept[0], kept[-1] + 1))
            assert int.from_bytes(days[DAY], "little") == sum(1 << 720 + each for each in kept)
            assert await database.catalogue.runs(DOOR, EVER) == [span]
            assert await database.catalogue.usage() == {(DOOR, "disk1"): 9 * len(kept)}
            seen.add(tuple(kept))
        shutil.rmtree(copy)
    assert {(0,), (0, 1, 2), (1, 2, 3, 4)} <= seen


class TestWaiting:
    @pytest.fixture
    def locked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Database, sqlite3.Connection]]:
        """Return a database whose catalogue another process has locked."""
        monkeypatch.setattr(engines, "BUSY_SECONDS", 0.05)
        with closing(open_here(tmp_path)) as database, closing(self.lock(database, tmp_path)) as holder:
            yield database, holder

    @staticmethod
    def lock(database: Database, directory: Path) -> sqlite3.Connection:
        assert database.catalogue.fault == ""
        holder = sqlite3.connect(directory / "catalogue.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        return holder

    async def test_segments_wait_until_they_can_be_written(
        self, locked: tuple[Database, sqlite3.Connection], caplog: pytest.LogCaptureFixture
    ) -> None:
        database, holder = locked
        database.catalogue.add(minute(0))
        with pytest.raises(GatewayError, match="is locked by another process") as caught:
            await database.catalogue.add_all([minute(5)])
        assert caught.value.kind is ErrorKind.UNAVAILABLE
        assert "segments can't be catalogued, and wait: the database" in caplog.text
        assert await numbers(database) == []
        holder.execute("ROLLBACK")
        database.catalogue.add(replace(minute(1), closed=False))
        assert await numbers(database) == [0]
        assert len(await database.catalogue.open_segments()) == 1

    async def test_a_segment_that_is_removed_does_not_come_back(
        self, locked: tuple[Database, sqlite3.Connection]
    ) -> None:
        database, holder = locked
        database.catalogue.add(minute(0))
        assert await numbers(database) == []
        holder.execute("ROLLBACK")
        await database.catalogue.remove([minute(0)])
        assert await numbers(database) == []

    async def test_not_more_than_a_limit_wait(
        self, locked: tuple[Database, sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catalogue, "MAX_WAITING", 2)
        database, holder = locked
        for number in range(3):
            database.catalogue.add(minute(number))
        database.catalogue.add(minute(1))
        assert database.catalogue.fault == "2 segments could not be catalogued, and others after them are not in it"
        with pytest.raises(
            GatewayError, match=r"2 segments are not catalogued yet: the database .* is locked by another"
        ):
            await database.catalogue.restored()
        holder.execute("ROLLBACK")
        assert await numbers(database) == [0, 1]
        await database.catalogue.restored()
        assert database.catalogue.fault == ""

    async def test_what_waits_is_written_when_it_closes(self, tmp_path: Path) -> None:
        database = open_here(tmp_path)
        for number in range(50):
            database.catalogue.add(minute(number))
        database.close()
        with closing(open_here(tmp_path)) as database:
            assert await numbers(database) == list(range(50))


class TestServer:
    """What only PostgreSQL's server can do to us."""

    async def test_lost_connections_are_made_again(self, tmp_path: Path) -> None:
        url = postgres_kit.new_database()
        name = url.partition("@/")[2].partition("?")[0]
        with closing(open_here(tmp_path, url)) as database:
            database.catalogue.add(minute(0))
            assert await numbers(database) == [0]
            postgres_kit.disconnect(name)
            database.settings.store("a", 1)
            database.catalogue.add(minute(1))
            assert await numbers(database) == [0, 1]

            postgres_kit.administer(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            postgres_kit.disconnect(name)
            with pytest.raises(GatewayError, match="is not currently accepting connections") as caught:
                await database.holds.add_hold(HOLD)
            assert caught.value.kind is ErrorKind.UNAVAILABLE
            assert caught.value.message.startswith(f"the database 'postgresql://gateway:***@/{name}' can't be used: ")
            postgres_kit.administer(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await database.holds.add_hold(HOLD)
            assert await database.holds.holds() == [HOLD]
            assert await numbers(database) == [0, 1]
        with closing(open_here(tmp_path, url)) as database:
            assert database.settings.load("a") == 1

    def test_a_wrong_password_shows_nowhere(self, tmp_path: Path) -> None:
        with pytest.raises(GatewayError, match="password authentication failed for user") as caught:
            open_here(tmp_path, postgres_kit.url("postgres", password="hunter2"))
        assert "hunter2" not in caught.value.message

    def test_two_gateways_take_turns(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engines, "BUSY_SECONDS", 0.05)
        url = postgres_kit.new_database()
        with postgres_kit.locked(url, engines.POSTGRESQL_LOCK), pytest.raises(GatewayError) as caught:
            open_here(tmp_path, url)
        assert caught.value.message.endswith("is locked by another process")
