"""Measure the catalogue at its size after a year: `python tests/bench/catalogue.py [--quick] [--json FILE]`.

Builds 16 cameras x 360 days in the real schema, a segment a minute with 30 fragments in each, in a temporary directory,
and asks what clients ask, through the same calls. CPU is that of the whole process: all threads, the database included.
Most cameras record all the time and are interrupted every third day; the last one records events, 144 a day.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from gateway.db import Catalogue, open_database
from gateway.db.catalogue_times import BITMAP_BYTES, DAY_NS, MINUTE_NS, MINUTES
from gateway.db.packing import pack
from gateway.domain.media import MediaKind
from gateway.domain.recording import (
    Fragment,
    Recording,
    RecordingSource,
    RecordingTrack,
    Retention,
    Segment,
    Span,
)
from gateway.services.archive import Archive
from gateway.services.history import find_events
from gateway.services.searches import Step
from gateway.services.searches_scope import Information, RecordingStatus, find_recordings, find_runs
from gateway.services.stored_events import NoEvents, RecordingEvents

CAMERAS, DAYS, QUICK_DAYS = 16, 360, 10
FIRST_DAY = 20_000
EPOCH = date(1970, 1, 1)
SECOND = 1_000_000_000
GOPS, GOP_BYTES = 30, 1_000_000
"""Of a segment: GOPs of 2 s at 4 Mbit/s."""
DAYS_OF_RUN, MINUTES_OF_EVENT = 3, 10
TARGET_MS = 10.0
BLOBS = 500
"""Different lists of fragments; the rows take them in turn."""
WARM, REOPENED = 300, 15
"""How often each question is asked."""

RESULTS, STEPS = 100, 300
"""Of a search: results that a client fetches at once, and how many steps are looked at."""
TRACKS = (("VIDEO001", MediaKind.VIDEO), ("AUDIO001", MediaKind.AUDIO))

EVER = Span(0, (1 << 63) - 1)
Ask = Callable[[Catalogue], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Moments:
    """Random cameras and times, the same in every run."""

    dice: random.Random
    days: int

    def camera(self) -> str:
        return f"Recording_cam{self.dice.randrange(CAMERAS - 1)}"

    def day(self) -> int:
        return FIRST_DAY + self.dice.randrange(self.days)

    def time_ns(self) -> int:
        return self.day() * DAY_NS + self.dice.randrange(DAY_NS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_DAYS} days only, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    figures = measure(QUICK_DAYS if options.quick else DAYS)
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    return 0


def measure(days: int = DAYS) -> dict[str, Any]:
    """Build the catalogue; return its size, and for each question the CPU milliseconds of answering it."""
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        started = time.process_time()
        size = _build(Path(folder), days)
        return {
            "days": days,
            "segments": CAMERAS * days * MINUTES,
            "build_cpu_seconds": time.process_time() - started,
            "bytes": size,
            "bytes_per_camera_day": size / (CAMERAS * days),
            "questions": asyncio.run(_ask_all(Path(folder), days)),
            "searches": asyncio.run(_searches(Path(folder))),
        }


def show(figures: dict[str, Any]) -> None:
    print(
        f"catalogue of {CAMERAS} cameras x {figures['days']} days: {figures['segments'] / 1e6:.1f} million segments, "
        f"{figures['bytes'] / 1e9:.2f} GB, {figures['bytes_per_camera_day'] / 1e3:.0f} kB per camera and day"
    )
    print(f"{'CPU milliseconds':36} {'p50':>8} {'p99':>8}   reopened {'p50':>6} {'max':>8}")
    for name, each in figures["questions"].items():
        mark = "" if each["p99"] < TARGET_MS else f"  over {TARGET_MS:g} ms"
        print(
            f"{name:36} {each['p50']:8.2f} {each['p99']:8.2f}            {each['reopened_p50']:6.2f} "
            f"{each['reopened_max']:8.2f}{mark}"
        )
    print(f"{'CPU milliseconds':36} {'first':>8}   {RESULTS} more {'p50':>6} {'p99':>8}")
    for name, each in figures["searches"].items():
        print(f"{name:36} {each['first']:8.2f}            {each['p50']:6.2f} {each['p99']:8.2f}")


def _questions(moments: Moments) -> dict[str, Ask]:
    recordings = [f"Recording_cam{number}" for number in range(CAMERAS)]

    def day() -> Span:
        number = moments.day()
        return Span(number * DAY_NS, (number + 1) * DAY_NS)

    async def month(catalogue: Catalogue) -> None:
        first = EPOCH + timedelta(days=moments.day())
        await catalogue.days(moments.camera(), first, first + timedelta(days=30))

    async def seek(catalogue: Catalogue) -> None:
        time_ns = moments.time_ns()
        await catalogue.segments(moments.camera(), Span(time_ns, time_ns + 1), limit=1)

    async def summary(catalogue: Catalogue) -> None:
        await catalogue.extents()
        await catalogue.runs_of(recordings[:-1], EVER)

    return {
        "day timeline, one camera": lambda catalogue: catalogue.runs(moments.camera(), day()),
        "day timeline, 16 cameras": lambda catalogue: catalogue.runs_of(recordings, day()),
        "day timeline, camera of events": lambda catalogue: catalogue.runs(recordings[-1], day()),
        "calendar month": month,
        "seek": seek,
        "extents of all (FindRecordings)": lambda catalogue: catalogue.extents(),
        "extents, and all runs of 15 cameras": summary,
        "all runs of the camera of events": lambda catalogue: catalogue.runs(recordings[-1], EVER),
        "usage": lambda catalogue: catalogue.usage(),
        "the 16 oldest": lambda catalogue: catalogue.oldest(limit=CAMERAS),
    }


async def _ask_all(directory: Path, days: int) -> dict[str, dict[str, float]]:
    questions = _questions(Moments(random.Random(7), days))
    reopened: dict[str, list[float]] = {name: [] for name in questions}
    for _ in range(REOPENED):
        for name, ask in questions.items():
            with closing(open_database(directory)) as database:
                catalogue = database.catalogue
                reopened[name].append(await _cpu_ms(catalogue, ask))
    with closing(open_database(directory)) as database:
        catalogue = database.catalogue
        warm = {name: [await _cpu_ms(catalogue, ask) for _ in range(WARM)] for name, ask in questions.items()}
        for name, ask in _changes(days).items():
            warm[name] = reopened[name] = [await _cpu_ms(catalogue, ask) for _ in range(WARM)]
    return {
        name: {
            "p50": _quantile(warm[name], 0.5),
            "p99": _quantile(warm[name], 0.99),
            "reopened_p50": _quantile(reopened[name], 0.5),
            "reopened_max": max(reopened[name]),
        }
        for name in warm
    }


async def _searches(directory: Path) -> dict[str, dict[str, float]]:
    """Search as clients do, each from its begin to its first results, and each step of what follows."""
    with closing(open_database(directory)) as database:
        archive = Archive(database.catalogue, database.catalogue)  # type: ignore[arg-type] - no bytes are read
        await archive.start()
        found = [_information(archive, f"Recording_cam{number}") for number in range(CAMERAS)]
        recordings = [each.recording for each in found]
        nothing = RecordingEvents(NoEvents(), {})
        searches: dict[str, AsyncIterator[Step]] = {
            "FindRecordings": find_recordings(found),
            "FindRecordings by run": find_runs(found, archive),
            "FindRecordings by run, of events": find_runs(found[-1:], archive),
            "FindEvents of 15 cameras": find_events(
                recordings[:-1], archive, nothing, 0, EVER.end_ns, start_states=False
            ),
            "FindEvents of 16": find_events(recordings, archive, nothing, 0, EVER.end_ns, start_states=False),
            "FindEvents of 16 backwards": find_events(recordings, archive, nothing, EVER.end_ns, 0, start_states=False),
        }
        return {name: await _steps(steps) for name, steps in searches.items()}


async def _steps(steps: AsyncIterator[Step]) -> dict[str, float]:
    """Return CPU milliseconds until the first results, and those of 100 results after them."""
    costs, first, results, started = [], 0.0, 0, time.process_time()
    begun = started
    async for step in steps:
        now = time.process_time()
        if not results:
            first = (now - begun) * 1000
        elif step.results:
            costs.append((now - started) * 1000 * min(1.0, RESULTS / len(step.results)))
        results += len(step.results)
        started = now
        if len(costs) == STEPS:
            break
    return {"first": first, "p50": _quantile(costs, 0.5), "p99": _quantile(costs, 0.99), "results": results}


def _information(archive: Archive, token: str) -> Information:
    extent = archive.extent(token)
    if extent is None:
        raise ValueError(f"nothing is recorded of {token}")
    tracks = tuple(RecordingTrack(name, kind) for name, kind in TRACKS)
    recording = Recording(token, RecordingSource(token, token, "", ""), "", Retention(DAYS), tracks, configured=True)
    return Information(recording, RecordingStatus.STOPPED, tuple((track, extent.span) for track in tracks))


def _changes(days: int) -> dict[str, Ask]:
    """What recorder and retention do: one more segment at the end, and the oldest removed."""
    start_ns = (FIRST_DAY + days) * DAY_NS
    fragments = _fragments(random.Random(1))
    tracks = ("VIDEO001", "AUDIO001")
    first = Segment(
        "Recording_cam0", start_ns, start_ns + MINUTE_NS, start_ns, "disk1", "x", 3_000, tracks, fragments, closed=True
    )
    numbers = iter(range(WARM))

    async def add(catalogue: Catalogue) -> None:
        moved = start_ns + next(numbers) * MINUTE_NS
        await catalogue.add_all([replace(first, start_ns=moved, end_ns=moved + MINUTE_NS, fragments=())])

    async def remove(catalogue: Catalogue) -> None:
        await catalogue.remove(await catalogue.oldest(recording="Recording_cam1", limit=1))

    return {"add a segment": add, "find and remove the oldest": remove}


async def _cpu_ms(catalogue: Catalogue, ask: Ask) -> float:
    started = time.process_time()
    await ask(catalogue)
    return (time.process_time() - started) * 1000


def _quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]


def _build(directory: Path, days: int) -> int:
    """Make the database in its real schema and fill it quickly; returns the bytes of the catalogue's file."""
    with closing(open_database(directory)) as database:
        _ = database.catalogue
    path = directory / "catalogue.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO catalogue_storages VALUES (1, 'disk1')")
        for number in range(CAMERAS):
            _fill(connection, number + 1, f"Recording_cam{number}", days, events=number == CAMERAS - 1)
        connection.execute("COMMIT")
    return path.stat().st_size


def _fill(connection: sqlite3.Connection, recording: int, token: str, days: int, *, events: bool) -> None:
    run_minutes = MINUTES_OF_EVENT if events else DAYS_OF_RUN * MINUTES
    longest = MINUTE_NS, run_minutes * MINUTE_NS
    connection.execute("INSERT INTO catalogue_recordings VALUES (?, ?, ?, ?)", (recording, token, *longest))
    tracks = [(recording, 1, ""), (recording, 2, "VIDEO001"), (recording, 4, "AUDIO001")]
    connection.executemany("INSERT INTO catalogue_tracks VALUES (?, ?, ?)", tracks)
    connection.executemany(
        "INSERT INTO segments VALUES (?, ?, ?, ?, 1, ?, 7, 1, ?, NULL, NULL)",
        _segments(recording, days * MINUTES, run_minutes),
    )
    whole = b"\xff" * BITMAP_BYTES
    numbers = range(FIRST_DAY, FIRST_DAY + days)
    connection.executemany("INSERT INTO days VALUES (?, ?, ?, 7)", ((recording, day, whole) for day in numbers))
    usage = ((recording, day, GOPS * GOP_BYTES * MINUTES, MINUTES) for day in numbers)
    connection.executemany("INSERT INTO usage VALUES (?, 1, ?, ?, ?)", usage)
    begin_ns, length_ns = FIRST_DAY * DAY_NS, run_minutes * MINUTE_NS
    starts = range(begin_ns, begin_ns + days * DAY_NS, length_ns)
    for track in (1, 2, 4):
        runs = ((recording, track, start_ns, start_ns, start_ns + length_ns) for start_ns in starts)
        connection.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?)", runs)


def _segments(recording: int, count: int, run_minutes: int) -> Iterator[tuple[int, int, int, int, int, bytes]]:
    dice = random.Random(recording)
    blobs = [pack(_fragments(dice), 0) for _ in range(BLOBS)]
    begin_ns = FIRST_DAY * DAY_NS
    for number in range(count):
        start_ns = begin_ns + number * MINUTE_NS
        run_ns = start_ns - number % run_minutes * MINUTE_NS
        yield recording, start_ns, start_ns + MINUTE_NS, run_ns, GOPS * GOP_BYTES, blobs[number % BLOBS]


def _fragments(dice: random.Random) -> tuple[Fragment, ...]:
    """Return GOPs as a camera makes them: of nearly equal sizes and durations, motion in every tenth."""
    fragments: list[Fragment] = []
    offset, time_ns = 1_500, 0
    for _ in range(GOPS):
        size, end_ns = (
            round(dice.gauss(GOP_BYTES, GOP_BYTES / 10)),
            time_ns + 2 * SECOND + dice.randrange(-20, 20) * 11_111,
        )
        fragments.append(Fragment(offset, size, time_ns, end_ns, dice.choice((0,) * 9 + (120,))))
        offset, time_ns = offset + size, end_ns
    return tuple(fragments)


if __name__ == "__main__":
    sys.exit(main())
