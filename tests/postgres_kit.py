"""A real PostgreSQL server for the tests: in a temporary directory, on a Unix socket, ended with the tests."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
import pytest

USER, PASSWORD = "gateway", "Correct-Horse-9"
_ACCOUNT = "postgres"
"""Of the operating system: the server refuses to run as root."""

_START_SECONDS = 30
_OPTIONS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=40")
_numbers = count(1)


def new_database() -> str:
    """Return the URL of a new, empty database."""
    name = f"gateway{next(_numbers)}"
    administer(f"CREATE DATABASE {name}")
    return url(name)


def url(database: str, password: str = PASSWORD) -> str:
    return f"postgresql://{USER}:{password}@/{database}?host={_server()}"


def administer(statement: str) -> None:
    """Run a statement beside all databases of the tests."""
    with psycopg.connect(url("postgres"), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def disconnect(database: str) -> None:
    """End every connection to a database, as a server that is started anew does; returns when they are gone."""
    statement = "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(url("postgres")) as connection:
        connection.execute(statement, (database,))


@contextmanager
def locked(url: str, number: int) -> Iterator[None]:
    """Hold an advisory lock of a database."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (number,))
        yield


@cache
def _server() -> Path:
    """Start the server, once; returns the directory of its socket."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not programs:
        pytest.fail("PostgreSQL's server is missing: scripts/setup test installs it")
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgresql-"))
    password = folder / "password"
    password.write_text(PASSWORD)
    become = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        become += ["--reuid", _ACCOUNT, "--regid", _ACCOUNT, "--init-groups"]
        for path in (folder, password):
            shutil.chown(path, _ACCOUNT, _ACCOUNT)
    data, options = folder / "data", [part for option in _OPTIONS for part in ("-c", option)]
    make = ["-D", data, "-U", USER, "-A", "scram-sha-256", "--pwfile", password, "--no-sync", "-E", "UTF8"]
    subprocess.run([*become, programs[-1] / "initdb", *make], cwd=folder, check=True, capture_output=True)
    process = subprocess.Popen(
        [*become, programs[-1] / "postgres", "-D", data, "-k", folder, *options],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    atexit.register(_stop, process, folder)
    _await_ready(process)
    return folder


def _await_ready(process: "subprocess.Popen[str]") -> None:
    ready, log = threading.Event(), []

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            log.append(line)
            if "ready to accept connections" in line:
                ready.set()

    threading.Thread(target=read, daemon=True).start()
    if not ready.wait(_START_SECONDS):
        pytest.fail(f"PostgreSQL did not start: {''.join(log)}")


def _stop(process: "subprocess.Popen[str]", folder: Path) -> None:
    process.send_signal(signal.SIGQUIT)  # at once
    process.wait(_START_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
