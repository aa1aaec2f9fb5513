"""Checks the catalogue against the files, and makes it anew from them: every file says itself what it is.

Three depths: 1 compares names and sizes, 2 reads the structure of every file, 3 looks at every sample.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice
from typing import Protocol, TypeVar, runtime_checkable

from gateway.domain.errors import GatewayError
from gateway.domain.recording import Segment, Span
from gateway.domain.storage import StorageState, StoredObject
from gateway.sdk.storage import StorageBackend
from gateway.services.archive import LATEST_NS
from gateway.services.fsck_files import CheckSamples, OpenScan, SegmentFiles
from gateway.services.fsck_report import Finding, Report, What
from gateway.services.fsck_rows import Catalogue, Rows

__all__ = ["Finding", "Fsck", "Report", "What"]

_PAGE = 2000
"""Files that are listed at once: more than a day of a recording."""

_OVERLAP_NS = 1_000_000_000
"""Sound may reach a little into the next segment."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@runtime_checkable
class Ordered(Protocol):
    """What a backend may be able to, so that `recover` finds files that a crash kept from the catalogue."""

    def objects_after(self, name: str) -> Iterator[StoredObject]:
        """Yield the objects of the same recording whose names come after one, in order."""
        ...


@dataclass(slots=True)
class _Check:
    """One run of `check`."""

    depth: int
    repair: bool
    writing: frozenset[str]
    progress: Callable[[int], None]
    report: Report
    open: dict[tuple[str, str], Segment]
    """What was not closed when it began, by storage and name."""


class Fsck:
    """Checks and repairs. `backends` are the storages by id; `scan` and `check_samples` know the file format."""

    def __init__(
        self,
        catalogue: Catalogue,
        backends: Mapping[str, StorageBackend],
        scan: OpenScan,
        check_samples: CheckSamples,
        disk: Executor,
        busy: Callable[[str, str], bool] | None = None,
    ) -> None:
        """`busy` tells of a storage and a name whether that file is being written; it is then left alone.

        Without it, only what the catalogue knows of is recovered.
        """
        self._rows = Rows(catalogue)
        self._backends = backends
        self._files = SegmentFiles(scan, check_samples)
        self._disk = disk
        self._busy = busy

    async def recover(self, writing: Callable[[Segment], bool] = lambda _: False) -> int:
        """Close what a crash left open: cut torn ends, forget what is empty. Returns how many segments there were.

        `writing` tells which are being written now. Those of a storage that is away stay as they are.
        """
        count = 0
        for segment in await self._rows.open_segments():
            backend = self._backends.get(segment.storage)
            if writing(segment) or backend is None or not await self._is_there(backend):
                continue
            try:
                found = await self._in_thread(partial(self._files.salvage, backend, segment))
            except OSError as error:
                _log.error("%s on storage %s can't be recovered: %s", segment.name, segment.storage, error)
                continue
            count += 1
            await self._rows.replace(segment, found)
        return count + await self._recover_unknown()

    async def _recover_unknown(self) -> int:
        """Take in what was written last, and is not in the catalogue, because it was not told in time."""
        check = _Check(1, repair=True, writing=frozenset(), progress=lambda _: None, report=Report(), open={})
        for backend in self._backends.values():
            if self._busy is None or not isinstance(backend, Ordered) or not await self._is_there(backend):
                continue
            for recording in await self._rows.recordings():
                last = await self._rows.last(recording)
                after = await self._in_thread(partial(_after, backend, last.name)) if last else []
                for stored in after:
                    if not self._left_alone(check, backend.volume, stored.name):
                        await self._check_file(check, backend, stored, None)
        await self._rows.flush()
        return check.report.mended

    async def check(
        self,
        depth: int = 1,
        *,
        repair: bool = False,
        writing: frozenset[str] = frozenset(),
        progress: Callable[[int], None] = lambda _: None,
    ) -> Report:
        """Check everything; `writing` are names of files that grow right now, which are left alone.

        If there are any, and `busy` is not known, torn files that the catalogue does not know are left alone too.
        `progress` is told the count of files so far. Can run for hours beside a recorder.
        """
        left_open = {(row.storage, row.name): row for row in await self._rows.open_segments()}
        check = _Check(depth, repair, writing, progress, Report(), left_open)
        there = [backend for backend in self._backends.values() if await self._is_there(backend, check.report)]
        await self._check_rows(check, there)
        for backend in there:
            await self._check_files(check, backend)
        await self._rows.flush()
        return check.report

    # Rows without files

    async def _check_rows(self, check: _Check, there: Sequence[StorageBackend]) -> None:
        storages = {backend.volume for backend in there}
        unknown: set[str] = set()
        await self._check_presence(check, [row for row in check.open.values() if row.storage in storages])
        for recording in await self._rows.recordings():
            end_ns = 0
            async for rows in self._rows.pages(recording, Span(0, LATEST_NS)):
                unknown |= {row.storage for row in rows} - self._backends.keys()
                await self._check_presence(check, [row for row in rows if row.storage in storages])
                for row in rows:
                    if row.start_ns + _OVERLAP_NS < end_ns:
                        check.report.add(Finding(What.OVERLAPS, row.storage, row.name))
                    end_ns = max(end_ns, row.end_ns)
        for storage in sorted(unknown):
            check.report.add(Finding(What.AWAY, storage, "", "it is not configured"))

    async def _check_presence(self, check: _Check, rows: Sequence[Segment]) -> None:
        rows = [row for row in rows if not self._left_alone(check, row.storage, row.name)]
        for row in await self._in_thread(partial(self._absent, rows)):
            known = await self._rows.known(row)
            if known is None or known.name != row.name:
                continue  # retention deleted it meanwhile
            if check.repair:
                await self._rows.remove([row])
            check.report.add(Finding(What.MISSING, row.storage, row.name, repaired=check.repair))

    def _absent(self, rows: Sequence[Segment]) -> list[Segment]:
        """Return the rows whose file is not there, although their storage still is."""
        absent = []
        for row in rows:
            try:
                self._backends[row.storage].read(row.name, 0, 1)
            except FileNotFoundError:
                absent.append(row)
            except (OSError, GatewayError):
                continue  # the walk through the files says more
        return [row for row in absent if self._backends[row.storage].status().state is StorageState.OK]

    # Files

    async def _check_files(self, check: _Check, backend: StorageBackend) -> None:
        objects = backend.objects()
        try:
            while some := await self._in_thread(lambda: list(islice(objects, _PAGE))):
                for folder, stored in groupby(some, key=lambda each: each.name.rpartition("/")[0]):
                    await self._check_folder(check, backend, folder, stored)
        except OSError as error:
            check.report.add(Finding(What.AWAY, backend.volume, "", f"its files can't be listed: {error}"))

    async def _check_folder(
        self, check: _Check, backend: StorageBackend, folder: str, objects: Iterator[StoredObject]
    ) -> None:
        rows = {name: row for (storage, name), row in check.open.items() if storage == backend.volume}
        rows |= await self._rows.of_folder(backend.volume, folder)
        for stored in objects:
            if self._left_alone(check, backend.volume, stored.name):
                continue
            check.report.files += 1
            check.report.bytes += stored.size
            check.progress(check.report.files)
            await self._check_file(check, backend, stored, rows.get(stored.name))

    async def _check_file(
        self, check: _Check, backend: StorageBackend, stored: StoredObject, row: Segment | None
    ) -> None:
        """Look at a file, and repair it."""
        finding, found = await self._in_thread(partial(self._files.look, backend, stored, row, check.depth))
        if finding is not None and row is None:
            known = await (self._rows.known(found) if found else self._rows.opened(backend.volume, stored.name))
            if known is not None and (known.storage, known.name) != (backend.volume, stored.name):
                detail = f"{known.name} on storage {known.storage}"
                check.report.add(Finding(What.TWIN, backend.volume, stored.name, detail))
                return
            if known is not None and not known.closed:
                return  # it was begun meanwhile
            if known is not None:
                row = known
                finding, found = await self._in_thread(partial(self._files.look, backend, stored, row, check.depth))
        if finding is None:
            return
        if check.repair and self._may_repair(check, finding, row):
            try:
                finding = replace(finding, repaired=await self._repair(finding.what, backend, stored, row, found))
            except OSError as error:
                finding = replace(finding, detail=f"{finding.detail}; it can't be repaired: {error}")
        check.report.add(finding)

    async def _repair(
        self, what: What, backend: StorageBackend, stored: StoredObject, row: Segment | None, found: Segment | None
    ) -> bool:
        """Make the catalogue say what the file says. What a crash can't have done is left for people to look at."""
        if what is What.UNREADABLE:
            return False
        if what is What.DAMAGED:
            if found is not None and (row is None or not row.closed):
                await self._rows.replace(row, found)
            return False
        if what is What.EMPTY:
            await self._in_thread(lambda: backend.delete(stored.name))
        elif what is What.TORN and found is not None:
            await self._in_thread(lambda: backend.truncate(stored.name, found.size))
        await self._rows.replace(row, found)
        return True

    # What both need

    def _may_repair(self, check: _Check, finding: Finding, row: Segment | None) -> bool:
        """Tell whether to repair a file. One that a recorder in another process may just have begun is not cut."""
        if self._left_alone(check, finding.storage, finding.name):
            return False
        cuts = finding.what in {What.TORN, What.EMPTY}
        return not (cuts and row is None and self._busy is None and check.writing)

    def _left_alone(self, check: _Check, storage: str, name: str) -> bool:
        return name in check.writing or (self._busy is not None and self._busy(storage, name))

    async def _is_there(self, backend: StorageBackend, report: Report | None = None) -> bool:
        status = await self._in_thread(backend.status)
        if status.state is not StorageState.OK and report is not None:
            report.add(Finding(What.AWAY, backend.volume, "", status.cause))
        return status.state is StorageState.OK

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)


def _after(backend: Ordered, name: str) -> list[StoredObject]:
    return list(islice(backend.objects_after(name), _PAGE))
