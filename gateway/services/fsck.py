"""Checks the catalogue against the files, and makes it anew from them: every file says itself what it is.

Three depths: 1 compares names and sizes, 2 reads the structure of every file, 3 looks at every sample.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Extent, Fragment, Segment, Span
from gateway.domain.storage import StorageState, StoredObject
from gateway.sdk.storage import StorageBackend
from gateway.services.archive import LATEST_NS

_PAGE = 1000
_T = TypeVar("_T")


class What(StrEnum):
    """What can be wrong."""

    MISSING = "the file is missing"
    ORPHAN = "the catalogue does not know the file"
    TWIN = "another file holds the same time of the same recording"
    TORN = "the file ends in the middle of a fragment"
    EMPTY = "the file has no whole fragment"
    UNREADABLE = "the file can't be read"
    DIFFERS = "the catalogue says something else than the file"
    DAMAGED = "a sample is damaged"
    AWAY = "the storage is not there"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    what: What
    storage: str
    name: str
    detail: str = ""
    repaired: bool = False


@dataclass(slots=True)
class Report:
    """What a check found."""

    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Tell whether nothing is wrong, or everything was repaired."""
        return all(finding.repaired for finding in self.findings)


class Header(Protocol):
    """What a file says of itself."""

    @property
    def info(self) -> Mapping[str, str]:
        """What the recorder wrote into it."""
        ...

    @property
    def start_ns(self) -> int:
        """Time of its first sample."""
        ...


class Scanned(Protocol):
    """One whole fragment of a file."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def start_ns(self) -> int: ...  # noqa: D102
    @property
    def end_ns(self) -> int: ...  # noqa: D102
    @property
    def tracks(self) -> tuple[int, ...]: ...  # noqa: D102


class Scan(Protocol):
    """A walk through one file."""

    @property
    def header(self) -> Header:
        """What the file says of itself."""
        ...

    @property
    def valid_end(self) -> int:
        """Where whole fragments, and the trailer, end; known after `fragments`."""
        ...

    def fragments(self) -> Iterator[Scanned]:
        """Yield the whole fragments."""
        ...


Read: TypeAlias = Callable[[int, int], bytes]
OpenScan: TypeAlias = Callable[[Read], Scan]
"""Takes what reads a file; raises GatewayError INVALID when its header is not whole."""
CheckSamples: TypeAlias = Callable[[Read, Sequence[Fragment]], None]
"""Looks at every sample of a file's fragments; raises GatewayError INVALID at the first that is damaged."""


class Catalogue(Protocol):
    """The index of segments."""

    def add(self, segment: Segment) -> None:
        """Keep a segment in place of what was known of it."""
        ...

    async def remove(self, segments: Sequence[Segment]) -> None:
        """Forget segments."""
        ...

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        """Return closed segments."""
        ...

    async def open_segments(self) -> list[Segment]:
        """Return the segments that are not closed."""
        ...

    async def extents(self) -> dict[str, Extent]:
        """Return what every recording holds."""
        ...


class Fsck:
    """Checks and repairs. `backends` are the storages by id; `scan` and `check_samples` know the file format."""

    def __init__(
        self,
        catalogue: Catalogue,
        backends: Mapping[str, StorageBackend],
        scan: OpenScan,
        check_samples: CheckSamples,
        disk: Executor,
    ) -> None:
        self._catalogue = catalogue
        self._backends = backends
        self._scan = scan
        self._check_samples = check_samples
        self._disk = disk
        self._taken: set[tuple[str, int]] = set()
        """Recordings and starts that the catalogue knows a file of."""

    async def recover(self, writing: Callable[[Segment], bool] = lambda _: False) -> int:
        """Close what a crash left open: cut torn ends, forget what is empty. Returns how many segments there were.

        `writing` tells which are being written now. Those of a storage that is away stay as they are.
        """
        count = 0
        for segment in await self._catalogue.open_segments():
            if writing(segment):
                continue
            backend = self._backends.get(segment.storage)
            if backend is None or (await self._in_thread(backend.status)).state is not StorageState.OK:
                continue
            count += 1
            found = await self._in_thread(partial(self._salvage, backend, segment))
            if found is None or found.start_ns != segment.start_ns:
                await self._catalogue.remove([segment])
            if found is not None:
                self._catalogue.add(found)
        return count

    async def check(
        self,
        depth: int = 1,
        *,
        repair: bool = False,
        writing: frozenset[str] = frozenset(),
        progress: Callable[[int], None] = lambda _: None,
    ) -> Report:
        """Check everything; `writing` are names of files that grow right now, which are left alone."""
        report = Report()
        known: dict[str, dict[str, Segment]] = {name: {} for name in self._backends}
        async for segment in self._rows():
            known.setdefault(segment.storage, {})[segment.name] = segment
        self._taken = {(row.recording, row.start_ns) for rows in known.values() for row in rows.values()}
        for storage, rows in known.items():
            backend = self._backends.get(storage)
            status = None if backend is None else await self._in_thread(backend.status)
            if backend is None or status is None or status.state is not StorageState.OK:
                cause = "it is not configured" if status is None else status.cause
                if rows or status is not None:
                    report.findings.append(Finding(What.AWAY, storage, "", cause))
                continue
            await self._check_storage(backend, rows, report, depth, repair, writing, progress)
        return report

    async def _check_storage(
        self,
        backend: StorageBackend,
        rows: dict[str, Segment],
        report: Report,
        depth: int,
        repair: bool,  # noqa: FBT001
        writing: frozenset[str],
        progress: Callable[[int], None],
    ) -> None:
        for stored in await self._in_thread(lambda: list(backend.objects())):
            row = rows.pop(stored.name, None)
            if stored.name in writing:
                continue
            report.files += 1
            report.bytes += stored.size
            progress(report.files)
            finding, found = await self._in_thread(partial(self._look, backend, stored, row, depth))
            if finding is None:
                continue
            if repair:
                finding = replace(finding, repaired=await self._repair(finding, backend, stored, row, found))
            report.findings.append(finding)
        for name, row in rows.items():
            if name in writing:
                continue
            if repair:
                await self._catalogue.remove([row])
            report.findings.append(Finding(What.MISSING, backend.volume, name, repaired=repair))

    def _look(
        self, backend: StorageBackend, stored: StoredObject, row: Segment | None, depth: int
    ) -> tuple[Finding | None, Segment | None]:
        """Look at one file; returns what is wrong first of all, and the segment as the file says it."""
        if row is not None and row.closed and depth == 1 and row.size == stored.size:
            return None, row
        try:
            found, end = self._read_back(backend, stored.name)
        except (OSError, GatewayError) as error:
            return Finding(What.UNREADABLE, backend.volume, stored.name, str(error)), None
        what, detail = self._judge(backend, stored, row, found, end, depth)
        return (Finding(what, backend.volume, stored.name, detail) if what else None), found

    def _judge(
        self,
        backend: StorageBackend,
        stored: StoredObject,
        row: Segment | None,
        found: Segment | None,
        end: int,
        depth: int,
    ) -> tuple[What | None, str]:
        """Compare a file, its row and what was read back of it."""
        if found is None:
            return What.EMPTY, ""
        if end < stored.size:
            return What.TORN, f"{stored.size - end} bytes too many"
        if row is None:
            twin = (found.recording, found.start_ns) in self._taken
            return What.TWIN if twin else What.ORPHAN, ""
        if difference := _difference(row, found):
            return What.DIFFERS, difference
        problem = self._damage(backend, found) if depth == 3 else ""  # noqa: PLR2004 - the deepest
        return (What.DAMAGED, problem) if problem else (None, "")

    def _damage(self, backend: StorageBackend, segment: Segment) -> str:
        read = _reader(backend, segment.name)
        try:
            self._check_samples(read, segment.fragments)
        except (OSError, GatewayError) as error:
            return str(error)
        return ""

    async def _repair(
        self,
        finding: Finding,
        backend: StorageBackend,
        stored: StoredObject,
        row: Segment | None,
        found: Segment | None,
    ) -> bool:
        """Make the catalogue say what the file says. What can't be read at all is left for people to look at."""
        if finding.what in {What.UNREADABLE, What.DAMAGED, What.TWIN}:
            return False
        if finding.what is What.EMPTY:
            await self._in_thread(lambda: backend.delete(stored.name))
        elif finding.what is What.TORN and found is not None:
            await self._in_thread(lambda: backend.truncate(stored.name, found.size))
        if row is not None and (found is None or found.start_ns != row.start_ns):
            await self._catalogue.remove([row])
        if found is not None:
            self._catalogue.add(found if row is None else _with_motion(found, row))
        return True

    def _read_back(self, backend: StorageBackend, name: str) -> tuple[Segment | None, int]:
        """Return the segment that a file is, None if nothing in it is whole, and where valid data ends."""
        scan = self._scan(_reader(backend, name))
        scanned = list(scan.fragments())
        if not scanned:
            return None, scan.valid_end
        return segment_of(scan.header, scanned, backend.volume, name, scan.valid_end), scan.valid_end

    def _salvage(self, backend: StorageBackend, segment: Segment) -> Segment | None:
        """Return what is whole of a segment that was being written, cut to that; None when nothing is."""
        try:
            found, end = self._read_back(backend, segment.name)
        except GatewayError:
            found, end = None, 0
        except FileNotFoundError:
            return None
        if found is None:
            backend.delete(segment.name)
            return None
        backend.truncate(segment.name, end)
        return found

    async def _rows(self) -> AsyncIterator[Segment]:
        for segment in await self._catalogue.open_segments():
            yield segment
        for recording in await self._catalogue.extents():
            cursor = 0
            while True:
                page = await self._catalogue.segments(recording, Span(cursor, LATEST_NS), limit=_PAGE)
                for segment in page:
                    if segment.start_ns >= cursor:
                        yield segment
                if len(page) < _PAGE:
                    break
                cursor = page[-1].start_ns + 1

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)


def segment_of(header: Header, scanned: Sequence[Scanned], storage: str, name: str, size: int) -> Segment:
    """Return the segment that a file says it is. Raises GatewayError INVALID when it lacks what that needs."""
    info = header.info
    try:
        stored = sorted({index for fragment in scanned for index in fragment.tracks})
        return Segment(
            recording=info["recording"],
            start_ns=header.start_ns,
            end_ns=max(fragment.end_ns for fragment in scanned),
            run_ns=int(info["run_ns"]),
            storage=storage,
            name=name,
            size=size,
            tracks=tuple(info[f"track.{index}"] for index in stored),
            fragments=tuple(Fragment(each.offset, each.size, each.start_ns, each.end_ns) for each in scanned),
            origin=info.get("origin", ""),
        )
    except (KeyError, ValueError) as error:
        raise GatewayError(ErrorKind.INVALID, f"{name!r} does not say what it is: {error} is missing") from error


def _reader(backend: StorageBackend, name: str) -> Read:
    return lambda offset, size: backend.read(name, offset, size)


def _difference(row: Segment, found: Segment) -> str:
    """Return the first thing that a row says otherwise than its file, in a few words."""
    for name in ("recording", "start_ns", "end_ns", "run_ns", "size", "tracks", "origin"):
        if getattr(row, name) != getattr(found, name):
            return f"{name} is {getattr(found, name)!r}, not {getattr(row, name)!r}"
    for index, (one, other) in enumerate(zip(row.fragments, found.fragments, strict=False)):
        if replace(one, motion=0) != other:
            return f"fragment {index} is {other}, not {one}"
    if len(row.fragments) != len(found.fragments):
        return f"it has {len(found.fragments)} fragments, not {len(row.fragments)}"
    return "" if row.closed else "it was not closed"


def _with_motion(found: Segment, row: Segment) -> Segment:
    """Keep what only the row knows of fragments that are the same."""
    motion = {(each.offset, each.size): each.motion for each in row.fragments}
    fragments = tuple(replace(each, motion=motion.get((each.offset, each.size), 0)) for each in found.fragments)
    return replace(found, fragments=fragments)
