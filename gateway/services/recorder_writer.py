"""Writes the GOPs of one recording into segments, each GOP as a fragment that is on the disk before the next begins."""

import asyncio
import contextlib
import errno
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind, StreamDescription
from gateway.domain.recording import Assignment, Fragment, Segment
from gateway.sdk.storage import SegmentWriter
from gateway.services.recorder_gops import Gop
from gateway.services.recorder_ports import Muxer, RecorderPorts
from gateway.services.segmenter import Segmenter

_NS = 1_000_000_000
_NAMESAKES = 100
_FULL = {errno.ENOSPC, errno.EDQUOT}
_T = TypeVar("_T")


class NoStorageError(Exception):
    """No storage takes the GOP now; the message says why."""


class FormatError(Exception):
    """The GOP can't be stored in a file, on whatever storage; the message says why."""


class _BusyError(Exception):
    """No disk thread had time for a call in time."""


@dataclass(slots=True)
class _File:
    """A segment file in the making."""

    segment: Segment
    muxer: Muxer
    description: StreamDescription
    numbers: dict[int, int]
    """Numbers of the tracks in the file by those in the stream."""
    tokens: tuple[str, ...]
    """Tokens of the file's tracks."""
    path: str
    """Of the stream."""
    out: SegmentWriter | None = None
    seen: set[int] = field(default_factory=set)
    """Tracks that have had a unit."""


def recorded_tracks(description: StreamDescription, assignment: Assignment) -> dict[int, str]:
    """Return which tracks of a stream are wanted, the first of each kind, with their tokens in the recording."""
    tokens: dict[MediaKind, str] = dict(assignment.tracks)
    found: dict[int, str] = {}
    for index, track in enumerate(description.tracks):
        if (token := tokens.pop(track.kind, None)) is not None:
            found[index] = token
    return found


class RecordingWriter:
    """The segments of one recording, one after the other. Its calls may not overlap."""

    def __init__(self, recording: str, ports: RecorderPorts, origin: str = "") -> None:
        """`origin` says where the footage was fetched from; empty when it is recorded here."""
        self.bytes = 0
        self.fragments = 0
        """Written so far."""
        self._recording = recording
        self._origin = origin
        self._ports = ports
        self._segmenter = Segmenter(recording)
        self._file: _File | None = None
        self._work: Future[Any] | None = None
        """What a disk thread was last asked."""

    @property
    def open(self) -> bool:
        """Whether a segment is being written."""
        return self._file is not None

    async def write(self, gop: Gop, assignment: Assignment) -> bool:
        """Write a GOP; tells whether it was, and not left out as the rest of one whose beginning is missing.

        A storage that fails is left for the next one, which gets the same GOP. Raises NoStorageError and FormatError.
        """
        tracks = recorded_tracks(gop.description, assignment)
        if self._file is not None and tuple(tracks.values()) != self._file.tokens:
            await self.close()
        place = self._segmenter.place(gop, is_open=self.open)
        if place is None or place.begins_segment:
            await self.close()
        if place is None:
            return False
        await self._write_somewhere(gop, assignment, place.run_ns)
        return True

    async def _write_somewhere(self, gop: Gop, assignment: Assignment, run_ns: int) -> None:
        tried: list[str] = []
        freed: set[str] = set()
        causes: list[str] = []
        while True:
            storage = self._file.segment.storage if self._file else self._ports.storages.writable(tried)
            if storage is None:
                self._segmenter.retry()
                raise NoStorageError("; ".join(["no storage can be written to", *causes]))
            file = self._file or self._prepared(gop, assignment, run_ns, storage)
            try:
                self._grown(await self._in_thread(partial(self._append, file, gop)), file)
            except _BusyError:
                self._segmenter.retry()
                raise NoStorageError("all disk threads are busy") from None
            except (OSError, GatewayError) as error:
                await self._leave(file)
                full = isinstance(error, OSError) and error.errno in _FULL
                if full and storage not in freed and await self._room_on(storage):
                    freed.add(storage)
                    continue
                self._ports.storages.failed(storage, error)
                tried.append(storage)
                causes.append(f"{storage}: {_sentence(error)}")
            except FormatError:
                await self._leave(file)
                self._segmenter.interrupted()
                raise
            else:
                return

    async def close(self) -> None:
        """Finish the open segment, if there is one. Should that fail, its fragments are whole without its end."""
        file, self._file = self._file, None
        if file is None:
            return
        size = file.segment.size
        try:
            size += await self._in_thread(partial(_finish, file))
        except OSError as error:
            self._ports.storages.failed(file.segment.storage, error)
        except _BusyError:
            self._ports.disk.submit(_finish, file)
        self._ports.archive.closed(replace(self._marked(file.segment, file), size=size, closed=True))

    async def abandon(self) -> None:
        """Leave the open segment as it is, after a failure that nobody foresaw; the next GOP begins another run."""
        self._segmenter.interrupted()
        if self._file is not None:
            await self._leave(self._file)

    def _prepared(self, gop: Gop, assignment: Assignment, run_ns: int, storage: str) -> _File:
        """Return a file that is not yet made."""
        tracks = recorded_tracks(gop.description, assignment)
        description = StreamDescription(tuple(gop.description.tracks[index] for index in tracks))
        tokens = tuple(tracks.values())
        info = {
            "version": self._ports.version,
            "recording": self._recording,
            "run_ns": str(run_ns),
            "origin": self._origin,
            "path": assignment.path,
            "job": assignment.job,
            **{f"track.{number}": token for number, token in enumerate(tokens)},
        }
        muxer = self._ports.muxer(description, info, gop.start_ns)
        segment = Segment(
            recording=self._recording,
            start_ns=gop.start_ns,
            end_ns=gop.start_ns,
            run_ns=run_ns,
            storage=storage,
            name="",
            size=0,
            tracks=(),
            fragments=(),
            closed=False,
            origin=self._origin,
        )
        numbers = {index: number for number, index in enumerate(tracks)}
        return _File(segment, muxer, description, numbers, tokens, assignment.path)

    def _append(self, file: _File, gop: Gop) -> Segment:
        """Write a fragment, in a disk thread; returns the new state of the segment."""
        units = []
        for unit in gop.units:
            number = file.numbers.get(unit.track)
            if number is not None:
                units.append(unit if number == unit.track else replace(unit, track=number))
        try:
            made = file.muxer.fragment(units, gop.end_ns)
            head = b"" if file.out is not None else file.muxer.header()
        except (ValueError, GatewayError) as error:
            raise FormatError(_sentence(error)) from error
        if not made.size:
            raise FormatError("nothing of it can be stored")
        if file.out is None:
            name, file.out = self._create(file.segment)
            file.segment = replace(file.segment, name=name, size=len(head))
        file.out.write([head, *made.parts] if head else made.parts)
        file.out.sync()
        file.seen.update(unit.track for unit in units if unit.track in file.muxer.tracks)
        segment = file.segment
        fragment = Fragment(segment.size, made.size, made.start_ns, made.end_ns)
        return replace(
            segment,
            end_ns=max(segment.end_ns, made.end_ns),
            size=segment.size + made.size,
            tracks=tuple(token for number, token in enumerate(file.tokens) if number in file.seen),
            fragments=(*segment.fragments, fragment),
        )

    def _create(self, segment: Segment) -> tuple[str, SegmentWriter]:
        """Make the file; a clock that was set back may have made one of that name before."""
        moment = datetime.fromtimestamp(segment.start_ns // _NS, UTC)
        stem = f"{self._recording}/{moment:%Y-%m-%d/%H-%M-%S}.{segment.start_ns // 1_000_000 % 1000:03}Z"
        for count in range(_NAMESAKES):
            name = f"{stem}-{count}.mp4" if count else f"{stem}.mp4"
            with contextlib.suppress(FileExistsError):
                return name, self._ports.storages.create(segment.storage, name)
        raise GatewayError(ErrorKind.CONFLICT, f"there are {_NAMESAKES} files {stem!r} already")

    def _grown(self, segment: Segment, file: _File) -> None:
        segment = self._marked(segment, file)
        self.bytes += segment.size - (file.segment.size if file.segment.fragments else 0)
        self.fragments += 1
        file.segment = segment
        self._file = file
        self._ports.archive.grown(segment)

    def _marked(self, segment: Segment, file: _File) -> Segment:
        """Mark motion in the last fragment and in the one before it, which may have been known too late for that."""
        last = tuple(
            replace(each, motion=self._ports.motion(file.path, each.start_ns, each.end_ns))
            for each in segment.fragments[-2:]
        )
        return replace(segment, fragments=(*segment.fragments[:-2], *last))

    async def _leave(self, file: _File) -> None:
        """Give up a file that could not be written to: what it has in whole fragments stays."""
        self._file = None
        if self._work is not None and not self._work.done():
            self._work.add_done_callback(lambda _: _close(file))  # it hangs; whenever that ends, so does the file
        else:
            with contextlib.suppress(OSError, _BusyError):
                await self._in_thread(partial(_close, file))
        if file.segment.fragments:
            self._ports.archive.closed(replace(self._marked(file.segment, file), closed=True))
        elif file.segment.name:
            with contextlib.suppress(OSError, GatewayError):
                await asyncio.wait_for(self._ports.storages.delete([file.segment]), self._ports.write_seconds)

    async def _room_on(self, storage: str) -> bool:
        try:
            return await asyncio.wait_for(self._ports.make_room(storage), self._ports.write_seconds)
        except TimeoutError:
            return False

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        """Run a call in a disk thread. Raises TimeoutError, an OSError, when the storage does not answer."""
        self._work = work = self._ports.disk.submit(call)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), self._ports.write_seconds)
        except TimeoutError:
            if work.cancelled():
                raise _BusyError from None
            if work.done():
                raise
            raise TimeoutError(errno.ETIMEDOUT, f"a write takes longer than {self._ports.write_seconds:g} s") from None


def _finish(file: _File) -> int:
    """Write the end of a file and close it, in a disk thread; returns the bytes that were added."""
    if file.out is None:
        return 0
    try:
        trailer = file.muxer.trailer()
        file.out.write([trailer])
    finally:
        file.out.close()
    return len(trailer)


def _close(file: _File) -> None:
    """Close what was made of a file, in a disk thread; it has failed already."""
    if file.out is not None:
        with contextlib.suppress(OSError):
            file.out.close()


def _sentence(error: Exception) -> str:
    return error.message if isinstance(error, GatewayError) else getattr(error, "strerror", None) or str(error)
