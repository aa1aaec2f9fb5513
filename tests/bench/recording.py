"""What recording costs: CPU-seconds per GB and fragments per second, beside a plain file copy in the same run.

`python tests/bench/recording.py [--gb 0.5] [--json FILE]`. Sixteen streams go through the Recorder, the MP4 writer and
the file system's backend to a real directory, a fragment for each GOP, synced. The copy reads one file and writes it,
in pieces of a fragment's size, synced as often. Streams come as fast as they are written: the rate is the disk's.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path
from typing import Any

from process import usage
from video import CLOCK, FPS, GOP, gop

from gateway.domain.event import Event
from gateway.domain.media import (
    AccessUnit,
    MediaKind,
    PacketBlock,
    StreamDescription,
    TrackDescription,
    VideoParameters,
)
from gateway.domain.recording import VIDEO_TRACK, Assignment, Extent, Segment, Trigger
from gateway.protocols.mp4.writer import Muxer
from gateway.protocols.rtp.depacketize import depacketizer
from gateway.sdk.clock import SystemClock
from gateway.sdk.storage import SegmentWriter
from gateway.servers import memory
from gateway.services.eventbus import EventReader
from gateway.services.recorder import Recorder
from gateway.services.recorder_ports import RecorderPorts
from gateway.services.streams import LiveStream
from gateway_filesystem import FilesystemStorage
from gateway_filesystem.storage import FilesystemSettings

CAMERAS = 16
DISTINCT = 64
"""Different GOPs, more than the processor's caches hold."""
START_NS = 1_750_000_000_000_000_000
_NS = 1_000_000_000
_TRACK = TrackDescription(
    MediaKind.VIDEO,
    "H264",
    96,
    CLOCK,
    fmtp="packetization-mode=1;profile-level-id=42C028;sprop-parameter-sets=Z0LAKNoB4AiflwFqAgICgAAAAwCAAAAZB4wZUA==,aM48gA==",
    video=VideoParameters(1920, 1080, FPS, 4_000_000, GOP),
)


class Ledger:
    """Counts what is recorded, in place of the catalogue."""

    def __init__(self) -> None:
        self.fragments = 0
        self.size = 0
        self.progress = asyncio.Event()

    def grown(self, segment: Segment) -> None:
        self.fragments += 1
        self.progress.set()

    def closed(self, segment: Segment) -> None:
        self.size += segment.size

    def extent(self, _recording: str) -> Extent | None:
        return None


class OneStorage:
    """The backend, without looking after it."""

    def __init__(self, directory: Path) -> None:
        self._backend = FilesystemStorage("disk", "bench", FilesystemSettings(directory))
        self._backend.format()

    def writable(self, exclude: Sequence[str] = ()) -> str | None:
        return None if "disk" in exclude else "disk"

    def create(self, _storage: str, name: str) -> SegmentWriter:
        return self._backend.create(name)

    def failed(self, _storage: str, error: Exception) -> None:
        raise SystemExit(f"the disk failed: {error}")

    async def delete(self, _segments: Sequence[Segment]) -> None:
        raise SystemExit("nothing is deleted here")


class Jobs:
    """One recording for each camera."""

    def assignments(self) -> tuple[Assignment, ...]:
        tracks = ((MediaKind.VIDEO, VIDEO_TRACK),)
        return tuple(Assignment(f"Recording_{n}", f"Job_{n}", f"/{n}", tracks, Trigger()) for n in range(CAMERAS))

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Nothing changes."""


class NoEvents:
    """Nothing happens."""

    def attach(self, reader: EventReader) -> None:
        """Nobody is told."""

    def detach(self, reader: EventReader) -> None:
        """Nobody was told."""

    def properties(self) -> tuple[Event, ...]:
        return ()


def recording_figures(gigabytes: float = 0.5, directory: str | None = None) -> dict[str, Any]:
    """Record about so much into a new directory below one, copy a file of the same size there, and compare."""
    memory.keep_freed()  # as the gateway does
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=directory) as folder:
        archive = Path(folder, "archive")
        archive.mkdir()
        recorded = asyncio.run(_record(archive, gigabytes))
        copied = _copy(Path(folder), recorded["size"], recorded["size"] // recorded["fragments"])
    return {"record": recorded, "copy": copied}


async def _record(directory: Path, gigabytes: float) -> dict[str, Any]:
    streams = {f"/{number}": LiveStream(f"/{number}") for number in range(CAMERAS)}
    ledger = Ledger()
    with ThreadPoolExecutor(2) as disk:
        ports = RecorderPorts(streams.get, ledger, OneStorage(directory), Muxer, SystemClock(), disk)
        recorder = Recorder(ports, Jobs(), NoEvents(), UTC)
        running = asyncio.create_task(recorder.run())
        await asyncio.sleep(0)
        for stream in streams.values():
            stream.describe(StreamDescription((_TRACK,)))
        blocks = [[PacketBlock(bytes(f.stamped(0, 0, n)), len(f.offsets)) for f in gop()] for n in range(DISTINCT)]
        rounds = max(2, round(gigabytes * 1e9 / CAMERAS / sum(len(block.data) for block in blocks[0])))
        work = [list(_units(blocks, number)) for number in range(rounds * CAMERAS)]
        begin, started = usage(os.getpid()).cpu, time.monotonic()
        for turn in range(rounds):
            for camera, stream in enumerate(streams.values()):
                for unit in work[turn * CAMERAS + camera]:
                    stream.deliver(unit)
                work[turn * CAMERAS + camera].clear()
            while ledger.fragments < turn * CAMERAS:
                ledger.progress.clear()
                await ledger.progress.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        seconds, cpu = time.monotonic() - started, usage(os.getpid()).cpu - begin
    dropped = sum(counters.dropped for counters in recorder.counters().values())
    if dropped or ledger.fragments != rounds * CAMERAS:
        raise SystemExit(f"{rounds * CAMERAS} GOPs, {ledger.fragments} recorded, {dropped} dropped")
    return _figures(ledger.size, cpu, seconds) | {
        "size": ledger.size,
        "fragments": ledger.fragments,
        "fragments_per_second": ledger.fragments / seconds,
    }


def _units(blocks: list[list[PacketBlock]], number: int) -> Iterator[AccessUnit]:
    """Yield the units of one camera's GOP, of the turn and camera that the number says."""
    first, depacketize = number // CAMERAS * GOP, depacketizer(_TRACK)
    for index, block in enumerate(blocks[number % DISTINCT]):
        frame = first + index
        yield AccessUnit(
            0,
            frame * CLOCK // FPS,
            START_NS + frame * _NS // FPS,
            index == 0,
            PacketBlock(block.data, block.count),
            depacketize,
        )


def _copy(folder: Path, size: int, piece: int) -> dict[str, Any]:
    """Copy a file, synced after each piece."""
    source, target = folder / "source", folder / "copy"
    block = os.urandom(1 << 20)
    with source.open("wb") as file:
        for _ in range(size >> 20):
            file.write(block)
    begin, started = usage(os.getpid()).cpu, time.monotonic()
    total = 0
    with source.open("rb", buffering=0) as file, target.open("wb", buffering=0) as out:
        while data := file.read(piece):
            total += out.write(data)
            os.fdatasync(out.fileno())
    return _figures(total, usage(os.getpid()).cpu - begin, time.monotonic() - started)


def _figures(size: int, cpu: float, seconds: float) -> dict[str, Any]:
    return {"cpu_seconds_per_gb": cpu / (size / 1e9), "megabytes_per_second": size / 1e6 / seconds}


def show_recording(figures: dict[str, Any]) -> None:
    """Print what `recording_figures` returned."""
    record, copy = figures["record"], figures["copy"]
    ratio = record["cpu_seconds_per_gb"] / copy["cpu_seconds_per_gb"]
    print(
        f"\nrecording {record['size'] / 1e6:.0f} MB of {CAMERAS} streams: {record['cpu_seconds_per_gb']:.2f} CPU-s/GB, "
        f"{record['fragments_per_second']:.0f} fragments/s, {record['megabytes_per_second']:.0f} MB/s\n"
        f"copying as much: {copy['cpu_seconds_per_gb']:.2f} CPU-s/GB, {copy['megabytes_per_second']:.0f} MB/s"
        f"; recording costs {ratio:.1f} times as much"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=float, default=0.5, help="how much to record")
    parser.add_argument("--directory", help="where; by default that of temporary files")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    figures = recording_figures(options.gb, options.directory)
    show_recording(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
