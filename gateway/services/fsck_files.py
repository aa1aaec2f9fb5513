"""What a segment file says of itself, beside what the catalogue says of it. All of it blocks, in disk threads."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Fragment, Segment
from gateway.domain.storage import StoredObject
from gateway.sdk.storage import StorageBackend
from gateway.services.fsck_report import Finding, What

DEEPEST = 3
_LONGEST_TAIL = 16 * 2**20
"""A crash leaves one fragment unfinished at most: no more than this, or twice the largest before it."""

_FRAGMENT, _BEFORE_IT = b"moof", 64
"""The mark of a fragment (ISO/IEC 14496-12 §8.8.4), and within how many bytes of its beginning it stands."""

_BEGINNING = b"ftyp"
_LONGEST_HEADER = 65_536
"""A file without a whole header is no longer than this when it is what a crash left."""


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


@dataclass(frozen=True, slots=True)
class Content:
    """What there is in a file."""

    segment: Segment | None
    """The segment that it is, up to where it is whole; None when nothing is."""
    end: int
    """Where that is."""
    damaged: bool
    """There is more behind that than the one unfinished fragment of a crash."""


class SegmentFiles:
    """Looks into files."""

    def __init__(self, scan: OpenScan, check_samples: CheckSamples) -> None:
        self._scan = scan
        self._check_samples = check_samples

    def content(self, backend: StorageBackend, name: str) -> Content:
        """Read what a file is. Raises GatewayError INVALID when it is none of ours, and OSError."""
        read = _reader(backend, name)
        try:
            scan = self._scan(read)
        except GatewayError:
            if _is_begun(read):
                return Content(None, 0, damaged=False)
            raise
        scanned = list(scan.fragments())
        end = scan.valid_end
        longest = max([_LONGEST_TAIL, *(2 * each.size for each in scanned)])
        segment = segment_of(scan.header, scanned, backend.volume, name, end) if scanned else None
        return Content(segment, end, _goes_on(read, end, longest))

    def look(
        self, backend: StorageBackend, stored: StoredObject, row: Segment | None, depth: int
    ) -> tuple[Finding | None, Segment | None]:
        """Return what is wrong with a file first of all, and the segment as the file says it.

        Nothing is wrong with one that was deleted meanwhile.
        """
        if row is not None and row.closed and depth == 1 and row.size == stored.size:
            return None, row
        try:
            content = self.content(backend, stored.name)
        except FileNotFoundError:
            return None, row
        except (OSError, GatewayError) as error:
            return Finding(What.UNREADABLE, backend.volume, stored.name, str(error)), None
        found = content.segment
        if content.damaged and found is not None:
            found = replace(found, size=stored.size)
        what, detail = self._judge(backend, stored, row, content, depth)
        return (Finding(what, backend.volume, stored.name, detail) if what else None), found

    def _judge(
        self, backend: StorageBackend, stored: StoredObject, row: Segment | None, content: Content, depth: int
    ) -> tuple[What | None, str]:
        """Compare a file, its row and what was read back of it."""
        found, end = content.segment, content.end
        if content.damaged or (row is not None and row.closed and _lost_inside(row, end, stored.size)):
            return What.DAMAGED, f"{stored.size - end} bytes behind byte {end} can't be made out"
        if found is None:
            return What.EMPTY, ""
        if end < stored.size:
            return What.TORN, f"{stored.size - end} bytes too many"
        if row is None:
            return What.ORPHAN, ""
        if difference := _difference(row, found):
            return What.DIFFERS, difference
        problem = self._damage(backend, found) if depth == DEEPEST else ""
        return (What.DAMAGED, problem) if problem else (None, "")

    def _damage(self, backend: StorageBackend, segment: Segment) -> str:
        try:
            self._check_samples(_reader(backend, segment.name), segment.fragments)
        except (OSError, GatewayError) as error:
            return str(error)
        return ""

    def salvage(self, backend: StorageBackend, segment: Segment) -> Segment | None:
        """Cut a segment that was being written to what is whole, and return that; None when nothing is.

        What a crash can't have left stays where it is, for people to look at. Raises OSError.
        """
        try:
            content = self.content(backend, segment.name)
        except (FileNotFoundError, GatewayError):
            return None
        if content.damaged:
            return content.segment
        if content.segment is None:
            backend.delete(segment.name)
        else:
            backend.truncate(segment.name, content.end)
        return content.segment


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


def with_motion(found: Segment, row: Segment) -> Segment:
    """Keep what only the row knows of fragments that are the same."""
    motion = {(each.offset, each.size): each.motion for each in row.fragments}
    fragments = tuple(replace(each, motion=motion.get((each.offset, each.size), 0)) for each in found.fragments)
    return replace(found, fragments=fragments)


def _reader(backend: StorageBackend, name: str) -> Read:
    return lambda offset, size: backend.read(name, offset, size)


def _is_begun(read: Read) -> bool:
    """Tell whether a file is what a crash leaves of a header: a part of it, or zeros in its place."""
    head = read(0, _LONGEST_HEADER + 1)
    return len(head) <= _LONGEST_HEADER and (head[4:8] == _BEGINNING or not head.strip(b"\0"))


def _goes_on(read: Read, end: int, longest: int) -> bool:
    """Tell whether what is broken is followed by more than the rest of itself."""
    rest = read(end, longest + 1)
    return len(rest) > longest or rest.find(_FRAGMENT, _BEFORE_IT) >= 0


def _lost_inside(row: Segment, end: int, size: int) -> bool:
    """Tell whether a file has the length of its row, but can't be made out to the end of its last fragment."""
    last = row.fragments[-1] if row.fragments else None
    return last is not None and end < last.offset + last.size <= size


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
