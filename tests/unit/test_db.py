"""The database: what survives a restart, what is written to the disk, and every way in which it can be broken."""

import asyncio
import logging
import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import postgres_kit
import pytest
from sqlalchemy import Connection
from waiting import until

from gateway.db import (
    AuditEntry,
    Database,
    audit,
    camera_history,
    engines,
    load_identity,
    open_database,
    opening,
    schema,
    writer,
)
from gateway.db.identity import first_mac
from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.broker import BrokerConfig
from gateway.domain.camera_history import HistoryEntry, HistoryKind
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event
from gateway.domain.media import (
    AudioParameters,
    MediaKind,
    StreamDescription,
    TrackDescription,
    VideoParameters,
)
from gateway.domain.outbox import OutboxEntry
from gateway.domain.recording import Hold, Span
from gateway.services.accounts import Accounts

ADMIN = Account("root", UserLevel.ADMINISTRATOR, Secret("Correct-Horse-9"))
NO_URL = "is not a URL such as 'sqlite:////srv/gateway.db' or 'postgresql://user@host/name'"
OTHER_URL = "is neither the file of an SQLite database nor one of PostgreSQL"
NO_SERVER = 'connection failed: connection to server at "127.0.0.1", port 1 failed: Connection refused'
VMS = Account("vms", UserLevel.OPERATOR, Secret("Bätteries-Stäple"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Return where the database is: in the data directory, or a new one of a real server."""
    return "" if request.param == "sqlite" else postgres_kit.new_database()


def open_here(directory: Path, url: str = "", **environment: str) -> Database:
    return open_database(directory, url, environment)


def execute(directory: Path, url: str, statement: str) -> None:
    connection = opening.connect(*opening.locate(directory, url))
    with connection.begin():
        connection.exec_driver_sql(statement)
    connection.close()


def refusal(directory: Path, url: str = "", **environment: str) -> str:
    with pytest.raises(GatewayError) as caught:
        open_database(directory, url, environment=environment)
    return caught.value.message


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_accounts_survive_and_nobody_else_reads_them(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "data"
    database = open_here(directory)
    await database.accounts.write([ADMIN, VMS], [])
    await database.accounts.write([Account("vms", UserLevel.USER, VMS.password)], ["root"])
    database.close()
    database.close()
    assert {path.name: mode(path) for path in directory.iterdir()} == {"gateway.db": 0o600, "secret.key": 0o600}
    assert mode(directory) == 0o700
    content = (directory / "gateway.db").read_bytes()
    assert b"Horse" not in content
    assert "Stäple".encode() not in content
    again = open_here(directory)
    assert again.accounts.load() == [Account("vms", UserLevel.USER, VMS.password)]
    again.close()


async def test_a_failing_write_changes_nothing(tmp_path: Path, url: str) -> None:
    database = open_here(tmp_path, url)
    with pytest.raises(GatewayError, match="can't be used"):
        await database.accounts.write([ADMIN, Account(None, UserLevel.USER, VMS.password)], [])  # type: ignore[arg-type]
    assert database.accounts.load() == []
    database.close()


async def test_one_process_notices_the_changes_of_another(tmp_path: Path, url: str) -> None:
    running, command = open_here(tmp_path, url), open_here(tmp_path, url)
    accounts = Accounts(running.accounts)
    await accounts.create([ADMIN])
    assert await running.accounts.refreshed() is None
    await Accounts(command.accounts).create([VMS])
    assert await running.accounts.refreshed() == [ADMIN, VMS]
    assert await running.accounts.refreshed() is None
    assert await command.accounts.refreshed() is None
    await command.accounts.write([], ["vms"])
    await running.accounts.write([VMS], [])
    assert await running.accounts.refreshed() == [ADMIN, VMS]
    running.close()
    command.close()


def test_stores_survive(tmp_path: Path, url: str) -> None:
    video = VideoParameters(1920, 1080, 25.0, 4_000_000, 50, "High")
    description = StreamDescription(
        (
            TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000, fmtp="packetization-mode=1", video=video),
            TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8000, audio=AudioParameters(8000, 1, 64_000)),
        )
    )
    database = open_here(tmp_path, url)
    database.channels.store("/live/a/main", StreamDescription(description.tracks[:1]))
    database.channels.store("/live/a/main", description)
    database.settings.store("onvif.scopes", ["onvif://www.onvif.org/name/x"])
    database.settings.store("onvif.none", None)
    for token in ("b", "a", "c"):
        database.profiles.save(token, {"token": token})
    database.profiles.save("b", {"token": "b", "name": "new"})
    database.profiles.delete("a")
    assert database.settings.load("onvif.scopes") == ["onvif://www.onvif.org/name/x"]
    assert database.channels.load("/live/a/main") == description
    database.close()

    database = open_here(tmp_path, url)
    assert database.channels.load("/live/a/main") == description
    assert database.channels.load("/live/b/main") is None
    assert database.settings.load("onvif.scopes") == ["onvif://www.onvif.org/name/x"]
    assert database.settings.load("onvif.none") is None
    assert database.settings.load("nothing") is None
    assert database.profiles.load() == [{"token": "b", "name": "new"}, {"token": "c"}]
    database.close()


def outbox_entry(sink: str, number: int, **others: str) -> OutboxEntry:
    return OutboxEntry(sink, f"id {number}", Event.of("tns1:A/B", data={"N": number}), "door", number, **others)


async def test_the_outbox_keeps_its_order_and_its_bounds(tmp_path: Path, url: str) -> None:
    database = open_here(tmp_path, url)
    assert database.outbox.begin(["a", "b"]) == {"a": {}, "b": {}}
    limits = {"a": 3, "b": 9}
    entries = [outbox_entry("a", 1, property="p", value="1"), outbox_entry("b", 1, property="p", value="1")]
    assert await database.outbox.append(entries, limits) == {"a": 0, "b": 0}
    again = [*entries, *(outbox_entry("a", number, property="p", value=str(number)) for number in range(2, 6))]
    assert await database.outbox.append(again, limits) == {"a": 2, "b": 0}, "the known are left out, the oldest go"
    database.close()

    database = open_here(tmp_path, url)
    assert database.outbox.begin(["a", "b"]) == {"a": {"p": "5"}, "b": {"p": "1"}}
    ((third, entry), (fourth, following)), dropped = await database.outbox.waiting("a", 0, 2)
    assert (entry, following, dropped) == (outbox_entry("a", 3), outbox_entry("a", 4), 0)
    await database.outbox.done("a", third)
    ((number, entry),), dropped = await database.outbox.waiting("a", 5, 2)
    assert (entry, dropped, number) == (outbox_entry("a", 5), 1, fourth + 1)
    await database.outbox.done("b", number)
    await database.outbox.done("a", fourth)
    assert len((await database.outbox.waiting("a", 5, 2)).entries) == 1, "neither of these is that one"
    await database.outbox.done("a", number)
    assert await database.outbox.waiting("a", 5, 2) == ((), 0)
    await database.outbox.append([outbox_entry("b", 2, property="p", value="")], limits)
    assert database.outbox.begin(["b"]) == {"b": {}}
    (entry,), _ = await database.outbox.waiting("b", 2, 2)
    assert entry[1] == outbox_entry("b", 2)
    assert entry[0] > number, "a number is used once"
    database.close()


def test_the_archives_objects_survive(tmp_path: Path, url: str) -> None:
    database = open_here(tmp_path, url)
    stores = {"recordings": database.recordings, "jobs": database.jobs, "receivers": database.receivers}
    for kind, store in stores.items():
        for token in ("b", "a", "c"):
            store.save(token, {"kind": kind})
        store.save("b", {"kind": kind, "mode": None})
        store.delete("a")
    database.close()
    database = open_here(tmp_path, url)
    assert database.recordings.load() == {"b": {"kind": "recordings", "mode": None}, "c": {"kind": "recordings"}}
    assert list(database.jobs.load()) == list(database.receivers.load()) == ["b", "c"]
    database.close()


async def test_holds(tmp_path: Path, url: str) -> None:
    first, second = (Hold(token, token, Span(5, (1 << 63) - 1), "evidence", "root") for token in ("a", "b"))
    database = open_here(tmp_path, url)
    await database.holds.add_hold(second)
    await database.holds.add_hold(replace(first, reason=""))
    await database.holds.add_hold(first)
    assert await database.holds.holds() == [first, second]
    database.close()
    database = open_here(tmp_path, url)
    assert await database.holds.holds("b") == [second]
    await database.holds.remove_hold("b")
    await database.holds.remove_hold("b")
    assert await database.holds.holds() == [first]
    database.close()


def test_a_database_of_the_first_version_is_taken_on(tmp_path: Path, url: str) -> None:
    opening.connect(*opening.locate(tmp_path, url), replace(opening.MAIN, head="0001")).close()
    database = open_here(tmp_path, url)
    database.recordings.save("a", {})
    assert database.recordings.load() == {"a": {}}
    database.close()


def test_an_unchanged_description_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_here(tmp_path)
    database.channels.store("/p", StreamDescription(()))
    monkeypatch.setattr(database.channels._writer, "post", lambda _work: pytest.fail("written again"))
    database.channels.store("/p", StreamDescription(()))
    database.close()


def test_an_unreadable_description_is_left_out(tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture) -> None:
    open_here(tmp_path, url).close()
    execute(tmp_path, url, "INSERT INTO channels VALUES ('/live/a/main', '{\"tracks\": 5}')")
    database = open_here(tmp_path, url)
    assert database.channels.load("/live/a/main") is None
    assert "the stored description of /live/a/main is left out: Expected `array`" in caplog.text
    database.close()


async def test_audit(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_ENTRIES", 3)
    monkeypatch.setattr(audit, "_PRUNE_EVERY", 5)
    database = open_here(tmp_path, url)
    entries = [AuditEntry(number, "root", "::1", "SetHostname", "x" * 3000) for number in range(5)]
    for entry in entries:
        database.audit.record(entry)
    found = await database.audit.latest()
    assert [entry.utc_ns for entry in found] == [4, 3, 2]
    assert found[0] == AuditEntry(4, "root", "::1", "SetHostname", "x" * 2000)
    assert len(await database.audit.latest(1)) == 1
    database.close()


async def test_the_history_of_cameras(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_history, "MAX_ENTRIES", 3)
    database = open_here(tmp_path, url)
    store, huge = database.camera_history, 1_700_000_000_000_000_000
    outage = HistoryEntry("door", HistoryKind.OUTAGE, huge, value={"since_ns": huge + 1})
    streams = [HistoryEntry("door", HistoryKind.STREAM, 5, name, value={"video": "H264"}) for name in ("main", "sub")]
    await store.write([outage, *streams, HistoryEntry("door", HistoryKind.ERROR, 1, "main: gone", 1)])
    ended = replace(outage, end_ns=huge + 2, count=2)
    await store.write([ended])
    await store.write([HistoryEntry("gate", HistoryKind.CLOCK, number, value={"offset": 1.5}) for number in range(9)])
    database.close()
    database = open_here(tmp_path, url)
    clock = HistoryEntry("gate", HistoryKind.CLOCK, 8, value={"offset": 1.5})
    assert sorted(database.camera_history.latest(), key=lambda each: each.key) == [ended, *streams, clock]
    assert [each.start_ns for each in await database.camera_history.of("gate")] == [6, 7, 8]
    assert [each.kind for each in await database.camera_history.of("door")][:1] == [HistoryKind.ERROR]
    assert await database.camera_history.of("yard") == []
    database.close()


class TestSchema:
    @pytest.mark.parametrize(
        "history", [opening.MAIN, opening.CATALOGUE, opening.EVENTS], ids=["main", "catalogue", "events"]
    )
    def test_migrations_make_the_tables_that_the_code_knows(
        self, tmp_path: Path, url: str, history: opening.History
    ) -> None:
        from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - slow, and for this test only
        from alembic.migration import MigrationContext  # noqa: PLC0415

        connection = opening.connect(*opening.locate(tmp_path, url), history)
        options = {"version_table": history.version_table}
        with connection.begin():
            assert compare_metadata(MigrationContext.configure(connection, opts=options), history.metadata) == []
        connection.close()

    @pytest.mark.parametrize(
        "history", [opening.MAIN, opening.CATALOGUE, opening.EVENTS], ids=["main", "catalogue", "events"]
    )
    def test_head_is_the_newest_migration(self, history: opening.History) -> None:
        names = sorted((Path(opening.__file__).parent / "migrations" / history.folder).glob("[vc]*.py"))
        assert names[-1].name[1:].startswith(f"{history.head}_")

    def test_a_database_of_a_newer_gateway_is_refused(self, tmp_path: Path, url: str) -> None:
        open_here(tmp_path, url).close()
        execute(tmp_path, url, "UPDATE alembic_version SET version_num = '9999'")
        name = (
            f"{tmp_path}/gateway.db"
            if not url
            else f"postgresql://gateway:***@/{url.partition('@/')[2].partition('?')[0]}"
        )
        assert refusal(tmp_path, url).startswith(
            f"the database {name!r} was written by another version of the gateway: "
        )

    def test_a_percent_sign_in_the_path(self, tmp_path: Path) -> None:
        open_here(tmp_path / "100%(x)s").close()

    def test_a_file_elsewhere(self, tmp_path: Path) -> None:
        open_database(tmp_path / "data", f"sqlite:///{tmp_path}/other.db", {}).close()
        assert (tmp_path / "other.db").exists()
        assert (tmp_path / "data/secret.key").exists()


class TestBroken:
    def test_no_database_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "gateway.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
        assert refusal(tmp_path) == (
            f"the database '{tmp_path}/gateway.db' is damaged (file is not a database); "
            "bring it back from a backup, or move it away to start anew"
        )

    def test_a_damaged_page(self, tmp_path: Path) -> None:
        database = open_here(tmp_path)
        for number in range(200):
            database.settings.store(f"key{number}", "x" * 500)
        database.close()
        with (tmp_path / "gateway.db").open("r+b") as stream:
            stream.seek(4096 * 20)
            stream.write(b"\xff" * 4096 * 3)
        assert refusal(tmp_path).startswith(f"the database '{tmp_path}/gateway.db' is damaged (")

    def test_locked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        open_here(tmp_path).close()
        monkeypatch.setattr(engines, "BUSY_SECONDS", 0.05)
        holder = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        assert refusal(tmp_path) == f"the database '{tmp_path}/gateway.db' is locked by another process"
        holder.close()

    def test_a_file_where_the_directory_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("")
        assert refusal(tmp_path / "data") == f"the data directory '{tmp_path}/data' can't be made: File exists"

    def test_a_directory_where_the_file_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "gateway.db").mkdir()
        assert refusal(tmp_path) == f"the database '{tmp_path}/gateway.db' can't be opened: Is a directory"

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("nonsense", f"database.url 'nonsense' {NO_URL}"),
            ("postgresql:/me:hunter2@db", f"database.url {NO_URL}"),
            ("sqlite://", f"database.url 'sqlite://' {OTHER_URL}"),
            ("mysql://me:hunter2@db/gateway?password=hunter2", f"database.url 'mysql://me:***@db/gateway' {OTHER_URL}"),
            (
                "postgresql://me:hunter2@127.0.0.1:1/gateway?passfile=hunter2",
                f"the database 'postgresql://me:***@127.0.0.1:1/gateway' can't be used: {NO_SERVER}",
            ),
        ],
    )
    def test_url(self, tmp_path: Path, url: str, message: str) -> None:
        assert refusal(tmp_path, url) == message


class TestKey:
    def test_missing(self, tmp_path: Path) -> None:
        open_here(tmp_path).close()
        (tmp_path / "secret.key").unlink()
        assert refusal(tmp_path) == (
            f"the key '{tmp_path}/secret.key' is missing: the passwords in the database can't be read without it; "
            "bring it back from a backup, or move the database away to start anew"
        )
        assert not (tmp_path / "secret.key").exists()

    def test_another_key(self, tmp_path: Path) -> None:
        open_here(tmp_path / "a").close()
        open_here(tmp_path / "b").close()
        (tmp_path / "b/secret.key").replace(tmp_path / "a/secret.key")
        assert refusal(tmp_path / "a") == (
            f"'{tmp_path}/a/secret.key' is not the key that the database '{tmp_path}/a/gateway.db' was encrypted "
            "with; bring the right one back from a backup"
        )

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
    def test_open_to_others(self, tmp_path: Path, mode: int) -> None:
        open_here(tmp_path).close()
        (tmp_path / "secret.key").chmod(mode)
        assert refusal(tmp_path) == (
            f"the key '{tmp_path}/secret.key' is open to other users (mode {mode:04o}); chmod it to 0600"
        )

    @pytest.mark.parametrize("content", ["", "0" * 63, "g" * 64, "0" * 65])
    def test_malformed(self, tmp_path: Path, content: str) -> None:
        open_here(tmp_path).close()
        (tmp_path / "secret.key").write_text(content)
        assert refusal(tmp_path) == f"the key '{tmp_path}/secret.key' is not 64 hexadecimal digits"

    def test_systemd_credential(self, tmp_path: Path) -> None:
        credential = tmp_path / "credentials" / "gateway.key"
        credential.parent.mkdir()
        credential.write_text("ab" * 32 + "\n")
        credential.chmod(0o440)
        open_here(tmp_path / "data", CREDENTIALS_DIRECTORY=str(credential.parent)).close()
        assert not (tmp_path / "data/secret.key").exists()
        credential.chmod(0o444)
        message = refusal(tmp_path / "data", CREDENTIALS_DIRECTORY=str(credential.parent))
        assert message == f"the key '{credential}' is open to other users (mode 0444); chmod it to 0600"

    def test_credentials_without_ours(self, tmp_path: Path) -> None:
        open_here(tmp_path / "data", CREDENTIALS_DIRECTORY=str(tmp_path)).close()
        assert (tmp_path / "data/secret.key").exists()

    async def test_a_password_moved_to_another_user_cannot_be_read(self, tmp_path: Path, url: str) -> None:
        database = open_here(tmp_path, url)
        await database.accounts.write([ADMIN, VMS], [])
        execute(
            *(tmp_path, url),
            "UPDATE accounts SET password = (SELECT password FROM accounts WHERE name = 'vms') WHERE name = 'root'",
        )
        with pytest.raises(GatewayError, match="the password of user root can't be decrypted"):
            database.accounts.load()
        database.close()

    def test_the_key_shows_nowhere(self, tmp_path: Path) -> None:
        database = open_here(tmp_path)
        key = (tmp_path / "secret.key").read_text().strip()
        box = database.accounts._box
        assert key not in repr(vars(box))
        database.close()
        assert bytes.fromhex(key) not in (tmp_path / "gateway.db").read_bytes()

    def test_two_first_starts_agree_on_one_key(self, tmp_path: Path) -> None:
        threads = [threading.Thread(target=lambda: open_here(tmp_path).close()) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        open_here(tmp_path).close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["gateway.db", "secret.key"]


def hold(database: Database, gate: threading.Event) -> None:
    """Keep the database's thread busy until a gate opens."""

    def wait(_connection: Connection) -> None:
        gate.wait(10)

    database._writer.post(wait)


class TestWriter:
    @pytest.fixture
    def held(self, tmp_path: Path, url: str) -> "tuple[Database, threading.Event]":
        database, gate = open_here(tmp_path, url), threading.Event()
        hold(database, gate)
        return database, gate

    async def test_nothing_waits_on_the_loop(
        self, held: tuple[Database, threading.Event], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "DEADLINE", 0.05)
        database, gate = held
        database.settings.store("a", 1)
        with pytest.raises(GatewayError, match=r"the database '.*' did not answer within 0.05 s") as caught:
            await database.accounts.write([ADMIN], [])
        assert caught.value.kind is ErrorKind.UNAVAILABLE
        monkeypatch.undo()
        gate.set()
        assert await database.audit.latest() == []
        database.close()

    def test_the_queue_is_bounded(
        self, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(writer, "MAX_WAITING", 5)
        database, gate = open_here(tmp_path, url), threading.Event()
        hold(database, gate)
        for number in range(writer.MAX_WAITING + 2):
            database.settings.store("n", number)
        assert f"{writer.MAX_WAITING} writes to the database" in caplog.text
        gate.set()
        database.close()

    async def test_closed(self, tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture) -> None:
        database = open_here(tmp_path, url)
        database.close()
        with pytest.raises(GatewayError, match="is closed"):
            await database.audit.latest()
        database.settings.store("a", 1)
        assert "is closed" in caplog.text

    async def test_failures_are_logged_or_raised_and_the_thread_lives_on(
        self, tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_connection: Connection) -> None:
            raise ValueError("a broken work")

        database = open_here(tmp_path, url)
        database._writer.post(fail)
        with pytest.raises(ValueError, match="a broken work"):
            await database._writer.run(fail)
        assert await database.audit.latest() == []
        assert ("gateway.db.writer", logging.ERROR, "a broken work") in caplog.record_tuples
        database.close()

    async def test_what_is_posted_while_the_database_is_locked_is_written_in_order_when_it_is_not(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "BUSY_SECONDS", 0.05)
        monkeypatch.setattr(writer, "AGAIN_SECONDS", 0.02)
        database = open_here(tmp_path)
        holder = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        for number in range(3):
            database.settings.store("n", number)
        with pytest.raises(GatewayError, match="is locked by another process"):
            await database.holds.add_hold(Hold("h1", "R", Span(1, 2), "evidence", "root"))
        holder.execute("ROLLBACK")
        await until(lambda: [*holder.execute("SELECT 1 FROM settings WHERE key = 'n' AND value = '2'")])
        holder.close()
        database.close()
        assert caplog.text.count("is locked by another process; what is to be written there waits") == 1
        database = open_here(tmp_path)
        assert database.settings.load("n") == 2
        database.close()

    async def test_what_is_posted_is_written_though_the_connection_is_lost_at_the_commit(self, tmp_path: Path) -> None:
        url = postgres_kit.new_database()
        name = url.partition("@/")[2].partition("?")[0]
        database, tries = open_here(tmp_path, url), []

        def cut(connection: Connection) -> None:
            tries.append(writer.put(connection, schema.SETTINGS, {"key": "a"}, value=1))
            if len(tries) == 1:
                postgres_kit.disconnect(name)

        database._writer.post(cut)
        database.settings.store("b", 2)
        assert await database.audit.latest() == []
        database.close()
        assert len(tries) == 2
        database = open_here(tmp_path, url)
        assert (database.settings.load("a"), database.settings.load("b")) == (1, 2)
        database.close()

    def test_what_can_not_be_written_to_the_end_is_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "BUSY_SECONDS", 0.01)
        monkeypatch.setattr(writer, "MAX_WAITING", 2)
        database = open_here(tmp_path)
        holder = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        for number in range(3):
            database._writer._keep(
                lambda connection, key=str(number): writer.put(connection, schema.SETTINGS, {"key": key}, value=1)
            )
        database.close()
        holder.close()
        name = tmp_path / "gateway.db"
        assert f"a write to the database '{name}' is lost: 2 others wait already" in caplog.text
        assert f"2 writes to the database '{name}' are lost" in caplog.text

    async def test_a_wrong_statement_does_not_keep_others_waiting(
        self, tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        database = open_here(tmp_path, url)
        database._writer.post(lambda connection: connection.exec_driver_sql("UPDATE nothing SET a = 1") and None)
        database.settings.store("a", 1)
        assert await database.audit.latest() == []
        database.close()
        assert "nothing" in caplog.text
        database = open_here(tmp_path, url)
        assert database.settings.load("a") == 1
        database.close()

    async def test_a_cancelled_caller_does_not_stop_the_thread(self, tmp_path: Path) -> None:
        database, gate = open_here(tmp_path), threading.Event()
        hold(database, gate)
        task = asyncio.create_task(database.audit.latest())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        assert await database.audit.latest() == []
        database.close()


class TestIdentity:
    @staticmethod
    def interface(root: Path, name: str, mac: str, index: int, *, physical: bool = True) -> None:
        (root / name).mkdir(parents=True)
        (root / name / "address").write_text(f"{mac}\n")
        (root / name / "ifindex").write_text(f"{index}\n")
        if physical:
            (root / name / "device").mkdir()

    def test_made_once_and_ends_in_the_mac(self, tmp_path: Path) -> None:
        net = tmp_path / "net"
        self.interface(net, "lo", "00:00:00:00:00:00", 1)
        self.interface(net, "docker0", "02:42:ac:11:00:02", 2, physical=False)
        self.interface(net, "eth1", "52:54:00:00:00:99", 4)
        self.interface(net, "eth0", "52:54:00:ab:cd:ef", 3)
        self.interface(net, "ib0", "80:00:02:08:fe:80:00:00", 5)
        (net / "bonding_masters").write_text("")
        data = tmp_path / "data"
        database = open_here(data)
        first = load_identity(database.settings, manufacturer="m", model="x", firmware="1", interfaces=net)
        database.close()
        assert first.uuid.endswith("525400abcdef")
        assert UUID(first.uuid).version == 4
        assert first.serial == first.hardware_id == "525400ABCDEF"
        assert (first.manufacturer, first.model, first.firmware) == ("m", "x", "1")

        database = open_here(data)
        second = load_identity(database.settings, manufacturer="m", model="x", firmware="2", interfaces=tmp_path)
        database.close()
        assert (second.uuid, second.serial, second.firmware) == (first.uuid, first.serial, "2")

    def test_random_without_a_physical_interface(self, tmp_path: Path) -> None:
        assert first_mac(tmp_path) is None
        identities = []
        for name in ("a", "b"):
            database = open_here(tmp_path / name)
            identities.append(
                load_identity(database.settings, manufacturer="", model="", firmware="", interfaces=tmp_path)
            )
            database.close()
        assert identities[0].uuid != identities[1].uuid
        assert identities[0].serial == identities[0].uuid[-12:].upper()


def test_existing_directories_keep_their_mode(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    directory.chmod(0o750)
    open_here(directory).close()
    assert mode(directory) == 0o750


async def test_event_brokers_come_back_and_their_passwords_are_sealed(tmp_path: Path, url: str) -> None:
    broker = BrokerConfig("mqtts://broker.example", "yard", "user", Secret("Sesame-7"), ("<a/>", "<b/>"), 2)
    plain = BrokerConfig("mqtt://broker.example", "gate")
    database = open_here(tmp_path, url)
    assert database.brokers.load() == []
    database.brokers.save((broker, plain))
    assert "Sesame-7" not in str(database.settings.load("gateway.event_brokers"))
    database.close()
    database = open_here(tmp_path, url)
    assert database.brokers.load() == [broker, plain]
    database.close()


def test_an_event_broker_that_somebody_changed_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = open_here(tmp_path)
    database.brokers.save(
        (BrokerConfig("mqtt://a:1", "yard", "user", Secret("Sesame-7")), BrokerConfig("mqtt://b:1", "gate"))
    )
    [moved, kept] = database.settings.load("gateway.event_brokers")
    # A password belongs to its address: at another it can't be opened.
    database.settings.store("gateway.event_brokers", [{**moved, "address": "mqtt://thief:1"}, {}, kept])
    assert [broker.address for broker in database.brokers.load()] == ["mqtt://b:1"]
    assert "a stored event broker is left out: the password of event broker mqtt://thief:1 can't be" in caplog.text
    assert "a stored event broker is left out: 'address'" in caplog.text
    database.close()
