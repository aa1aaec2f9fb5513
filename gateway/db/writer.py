"""One thread owns the connection, so that nothing about the database blocks the event loop."""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, insert, update
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from gateway.domain.errors import ErrorKind, GatewayError

MAX_WAITING = 1024
"""Writes that may wait; more are refused."""

DEADLINE = 15.0
"""Seconds that a caller waits for its write, and `close` for all of them."""

AGAIN_SECONDS = 5.0
"""How often posted work is tried again while the database can't be used."""

T = TypeVar("T")
Work = Callable[[Connection], T]
_Job = tuple[Work[Any], bool, "Future[Any] | None"]
"""Whether it is synced, and who waits for what it returns; nobody does for posted work."""

_log = logging.getLogger(__name__)


class Writer:
    """Runs work on a connection one after the other, each in a transaction of its own."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._jobs: queue.Queue[_Job | None] = queue.Queue(MAX_WAITING)
        self._closed = False
        self._posted: deque[Work[None]] = deque()
        """Posted work that is not done yet; what follows concerns the thread alone."""
        self._troubled, self._again = False, 0.0
        """Whether the database could not be used for it, and when it is tried again."""
        self._thread = threading.Thread(target=self._run, name="database", daemon=True)
        self._thread.start()

    def now(self, work: Work[T]) -> T:
        """Do work in this thread: for the start, before anything else is waiting. Raises GatewayError."""
        try:
            return self.submit(work).result(DEADLINE)
        except TimeoutError:
            raise self._late() from None

    async def run(self, work: Work[T], *, synced: bool = True) -> T:
        """Do work and return what it returns; one that is not synced is kept over a kill, but not over a loss of power.

        Raises GatewayError, of kind UNAVAILABLE past the deadline.
        """
        try:
            async with asyncio.timeout(DEADLINE):
                return await asyncio.wrap_future(self.submit(work, synced=synced))
        except TimeoutError:
            raise self._late() from None

    def post(self, work: Work[None]) -> None:
        """Have work done later, in this order: again and again while the database can't be used.

        After a connection was lost at the commit nobody knows whether it was done, so it has to bear to be done twice.
        """
        try:
            self._enqueue((work, True, None))
        except GatewayError as error:
            _log.error("%s", error.message)

    def close(self) -> None:
        """Finish what is waiting, and close the connection."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None, timeout=DEADLINE)
        self._thread.join(DEADLINE)

    def submit(self, work: Work[T], *, synced: bool = True) -> "Future[T]":
        """Have work done later, and its result put into a future. Raises GatewayError when there is too much to do."""
        future: Future[T] = Future()
        self._enqueue((work, synced, future))
        return future

    def _enqueue(self, job: _Job) -> None:
        if self._closed:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"the database {self._name!r} is closed")
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            message = f"{MAX_WAITING} writes to the database {self._name!r} are waiting already"
            raise GatewayError(ErrorKind.LIMIT, message) from None

    def _late(self) -> GatewayError:
        message = f"the database {self._name!r} did not answer within {DEADLINE:g} s"
        return GatewayError(ErrorKind.UNAVAILABLE, message)

    def _run(self) -> None:
        while (job := self._next()) is not None:
            work, synced, future = job
            if future is None:
                self._keep(work)
            elif future.set_running_or_notify_cancel():
                self._answer(work, future, synced=synced)
            if time.monotonic() >= self._again:
                self._do_posted()
        self._do_posted()
        if self._posted:
            _log.error("%d writes to the database %r are lost", len(self._posted), self._name)
        self._connection.close()

    def _next(self) -> _Job | None:
        """Return the next job, None to end; while there is none, posted work is tried again."""
        while self._posted:
            try:
                return self._jobs.get(timeout=max(self._again - time.monotonic(), 0))
            except queue.Empty:
                self._do_posted()
        return self._jobs.get()

    def _keep(self, work: Work[None]) -> None:
        if len(self._posted) >= MAX_WAITING:
            self._posted.popleft()
            _log.error("a write to the database %r is lost: %d others wait already", self._name, MAX_WAITING)
        self._posted.append(work)

    def _answer(self, work: Work[T], future: "Future[T]", *, synced: bool) -> None:
        try:
            result = self._do(work) if synced else self._do_unsynced(work)
        except SQLAlchemyError as error:
            future.set_exception(failure(self._name, error))
        except Exception as error:  # noqa: BLE001 - the caller gets it; the thread lives on
            future.set_exception(error)
        else:
            future.set_result(result)
            self._again = 0.0

    def _do_posted(self) -> None:
        """Do posted work up to one for which the database can't be used; what it refuses is logged and left out."""
        while self._posted:
            try:
                self._do(self._posted[0])
            except SQLAlchemyError as error:
                message = failure(self._name, error).message
                if _may_pass(error):
                    if not self._troubled:
                        _log.error("%s; what is to be written there waits", message)
                    self._troubled, self._again = True, time.monotonic() + AGAIN_SECONDS
                    return
                _log.error("%s", message)
            except Exception as error:  # noqa: BLE001 - the thread lives on
                _log.error("%s", error)
            self._posted.popleft()
            self._troubled, self._again = False, 0.0

    def _do(self, work: Work[T]) -> T:
        """Do work in a transaction; once more when a server was lost on the way there, but not after its commit."""
        committing = False
        try:
            with self._connection.begin():
                result = work(self._connection)
                committing = True
        except DBAPIError as error:
            self._connection.rollback()
            if committing or not error.connection_invalidated:
                raise
            with self._connection.begin():
                result = work(self._connection)
        return result

    def _do_unsynced(self, work: Work[T]) -> T:
        """Do work in a transaction whose end does not wait for the disk; the next one that does brings it there too."""
        if self._connection.dialect.name != "sqlite":
            return self._do(partial(_hasty, work))
        _wait_for_disk(self._connection, wait=False)
        try:
            return self._do(work)
        finally:
            _wait_for_disk(self._connection, wait=True)


def _hasty(work: Work[T], connection: Connection) -> T:
    connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")
    return work(connection)


def _wait_for_disk(connection: Connection, *, wait: bool) -> None:
    """Have SQLite wait at the end of a transaction; it can't be said within one."""
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA synchronous = {'FULL' if wait else 'NORMAL'}")


def put(connection: Connection, table: Table, key: Mapping[str, object], **others: object) -> None:
    """Write the row with this key, new or in place of the old one."""
    row = [table.c[name] == value for name, value in key.items()]
    if connection.execute(update(table).where(*row).values(others)).rowcount == 0:
        connection.execute(insert(table).values({**key, **others}))


def _may_pass(error: SQLAlchemyError) -> bool:
    """Tell whether the same may work later: a database that is locked, away or full, and not a wrong statement."""
    if not isinstance(error, DBAPIError):
        return False
    wrong = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return error.connection_invalidated or (isinstance(error, OperationalError) and not wrong)


def failure(name: str, error: SQLAlchemyError) -> GatewayError:
    """Return what a database error means to an operator."""
    cause = str(getattr(error, "orig", None) or error).splitlines()[0]
    if any(word in cause for word in ("locked", "busy", "lock timeout")):
        return GatewayError(ErrorKind.UNAVAILABLE, f"the database {name!r} is locked by another process")
    if "malformed" in cause or "not a database" in cause:
        return damaged(name, cause)
    return GatewayError(ErrorKind.UNAVAILABLE, f"the database {name!r} can't be used: {cause}")


class DamagedError(GatewayError):
    """A database is no database any more."""


def damaged(name: str, how: str) -> DamagedError:
    """Return the error of a database that is no database any more."""
    message = f"the database {name!r} is damaged ({how}); bring it back from a backup, or move it away to start anew"
    return DamagedError(ErrorKind.UNAVAILABLE, message)
