"""The commands about recordings: `storage`, `recordings` and `fsck`."""

import argparse
import asyncio
import getpass
import json
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from gateway.archive_store import ArchiveStore
from gateway.config import Config, data_directory
from gateway.db import COMMAND_LINE, AuditTrail, Database, load_identity, open_database
from gateway.domain.device import MANUFACTURER, MODEL, PACKAGE
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import Hold, Span
from gateway.registry import Registry
from gateway.sdk.clock import SystemClock
from gateway.servers.control import ask
from gateway.servers.http_export import moment_ns
from gateway.services.exports import Export
from gateway.services.fsck import Finding
from gateway.storages import with_demo_storage

_NS = 1_000_000_000
_Commands: TypeAlias = Any
"""What `add_subparsers` returns; argparse keeps its type to itself."""

_Command: TypeAlias = Callable[[argparse.Namespace, Config], Awaitable[int]]


def add_commands(commands: _Commands, read_config: Callable[[argparse.Namespace], Config]) -> None:
    """Add the commands to the parser; `read_config` makes the configuration that the options name."""

    def add(parent: _Commands, name: str, command: _Command, text: str, *, as_json: bool = False) -> Any:  # noqa: ANN401 - argparse's own
        parser = parent.add_parser(name, help=text, description=command.__doc__)
        parser.add_argument("--config", type=Path, metavar="CONFIG", help="TOML file that names the storages")
        parser.add_argument("--data", type=Path, metavar="DIR", help="data directory of the gateway")
        if as_json:
            parser.add_argument("--json", action="store_true", help="print JSON")
        parser.set_defaults(run=lambda options: asyncio.run(_run(command, options, read_config(options))))
        return parser

    storage = commands.add_parser("storage", help="look after the storages of recordings")
    actions = storage.add_subparsers(title="actions", required=True, metavar="ACTION")
    add(actions, "list", _list_storages, "list the storages and their states", as_json=True)
    add(actions, "plan", _plan, "say what retention would delete now, and why", as_json=True)
    format_ = add(actions, "format", _format, "delete everything on a storage, in two steps")
    format_.add_argument("id", metavar="ID", help="the storage's id")
    format_.add_argument("--confirm", metavar="ID", help="the storage's id again: do it")
    remove = add(actions, "remove", _remove, "let go of a storage, so that it can be taken out")
    remove.add_argument("id", metavar="ID", help="the storage's id")

    recordings = commands.add_parser("recordings", help="what is recorded")
    actions = recordings.add_subparsers(title="actions", required=True, metavar="ACTION")
    add(actions, "list", _list_recordings, "list the recordings with their times and sizes", as_json=True)

    add(actions, "holds", _list_holds, "list the time ranges that are protected from deletion", as_json=True)
    hold = add(actions, "hold", _hold, "protect a time range of a recording from deletion")
    hold.add_argument("camera", metavar="CAMERA", help="a camera's id, or a recording's token")
    hold.add_argument("start", metavar="FROM", help="ISO 8601; local time unless it says otherwise")
    hold.add_argument("end", metavar="TO", help="as FROM")
    hold.add_argument("--reason", default="", metavar="TEXT", help="why; shown by `holds`")
    release = add(actions, "release", _release, "end the protection of a time range")
    release.add_argument("id", metavar="ID", help="the hold's id, as `holds` shows it")

    export = add(commands, "export", _export, "write a time range of a camera to an MP4 file")
    export.add_argument("camera", metavar="CAMERA", help="a camera's id, or a recording's token")
    export.add_argument("start", metavar="FROM", help="ISO 8601; local time unless it says otherwise")
    export.add_argument("end", metavar="TO", help="as FROM")
    export.add_argument("file", metavar="FILE", help="MP4 file to make, which must not exist; - is standard output")

    fsck = add(commands, "fsck", _fsck, "check the recordings against their catalogue", as_json=True)
    depth = "1 names and sizes (default), 2 the structure of every file, 3 every sample"
    fsck.add_argument("--depth", type=int, choices=(1, 2, 3), default=1, help=depth)
    fsck.add_argument("--repair", action="store_true", help="mend what is found, make the catalogue anew if it is lost")


async def _run(command: _Command, options: argparse.Namespace, config: Config) -> int:
    return await command(options, config if options.config else with_demo_storage(config))


@dataclass(frozen=True, slots=True)
class _Opened:
    database: Database
    store: ArchiveStore


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[_Opened]:
    """Open what is recorded, beside a gateway that may be running."""
    if not config.storages:
        raise GatewayError(ErrorKind.NOT_FOUND, "no storage is configured")
    database = open_database(data_directory(config), config.database.url)
    try:
        identity = load_identity(database.settings, manufacturer=MANUFACTURER, model=MODEL, firmware=version(PACKAGE))
        registry = Registry(config.plugins.disabled)
        async with ArchiveStore(config, registry, database, identity.uuid, SystemClock()) as store:
            yield _Opened(database, store)
    finally:
        database.close()


async def _ask(config: Config, command: str, arguments: dict[str, Any]) -> tuple[bool, Any]:
    """Have the running gateway do something; returns whether one runs, and its result."""
    try:
        return True, await ask(data_directory(config), command, arguments)
    except GatewayError as error:
        if error.kind is ErrorKind.UNAVAILABLE and error.message.startswith("no gateway runs"):
            return False, None
        raise


async def _list_storages(options: argparse.Namespace, config: Config) -> int:
    """List the storages: state, what the archive uses, what is free, what is to be done. Exit status 1 if one fails."""
    running, listed = await _ask(config, "storages", {})
    if not running:
        async with _opened(config) as opened:
            listed = await opened.store.listed()
    if options.json:
        print(json.dumps(listed))
    else:
        for storage in listed:
            figures = f"{_size(storage['used'])} used, {_size(storage['free'])} of {_size(storage['capacity'])} free"
            print(f"{storage['id']:16} {storage['state']:20} {figures}{_after(storage['cause'])}")
    return int(any(storage["state"] != "ok" for storage in listed))


async def _plan(options: argparse.Namespace, config: Config) -> int:
    """Say what retention would delete now, oldest first, and which limits can't be kept. Nothing is deleted."""
    async with _opened(config) as opened:
        plan = await opened.store.sweeper.plan()
    rows: list[dict[str, Any]] = [
        {"recording": each.segment.recording, "start": _time(each.segment.start_ns), "end": _time(each.segment.end_ns),
         "storage": each.segment.storage, "bytes": each.segment.size, "why": each.why.value}
        for each in plan.deletions
    ]  # fmt: skip
    if options.json:
        print(json.dumps({"deletions": rows, "bytes": plan.size, "problems": plan.problems}))
        return 0
    for row in rows:
        print(f"{row['start']}  {row['recording']:24} {row['storage']:12} {_size(row['bytes']):>10}  {row['why']}")
    print(f"{len(rows)} segments, {_size(plan.size)}, would be deleted now")
    for problem in plan.problems:
        print(problem)
    return 0


async def _format(options: argparse.Namespace, config: Config) -> int:
    """Delete all recordings on a storage and make it ready. Without --confirm it only says what would be lost."""
    async with _opened(config) as opened:
        store, name = opened.store, options.id
        storages = {storage["id"]: storage for storage in await store.listed()}
        if name not in storages:
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no storage {name!r}")
        holds = [hold for hold in await opened.database.holds.holds() if await _holds_on(store, name, hold)]
        if options.confirm != name:
            if options.confirm is not None:
                raise GatewayError(ErrorKind.INVALID, f"{options.confirm!r} is not the id of the storage, {name!r}")
            used = _size(storages[name]["used"])
            print(f"Formatting {name} deletes {used} of recordings; {len(holds)} holds protect some.")
            print(f"To do it: gateway storage format {name} --confirm {name}")
            return 0
        if holds:
            raise GatewayError(ErrorKind.CONFLICT, f"storage {name!r} has footage that {len(holds)} holds protect")
        running, _ = await _ask(config, "format", {"id": name})
        if not running:
            await store.storages.format(name)
            await store.forget(name)
            detail = f"storage {name}, {storages[name]['used']} bytes"
            _audit(opened.database, "FormatStorage", detail)
    print(f"storage {name} is formatted and ready")
    return 0


async def _holds_on(store: ArchiveStore, storage: str, hold: Any) -> bool:  # noqa: ANN401 - a Hold
    found = await store.catalogue.segments(hold.recording, hold.span, limit=1000)
    return any(segment.storage == storage for segment in found)


async def _remove(options: argparse.Namespace, config: Config) -> int:
    """Stop writing to a storage and sync it, until it is formatted, or the gateway is started again."""
    running, _ = await _ask(config, "remove", {"id": options.id})
    if not running:
        if options.id not in {storage.id for storage in config.storages}:
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no storage {options.id!r}")
        print("no gateway is running: ", end="")
    print(f"storage {options.id} is safe to remove")
    return 0


async def _list_recordings(options: argparse.Namespace, config: Config) -> int:
    """List the recordings that have data: from when to when, gaps, how much, on which storages."""
    running, rows = await _ask(config, "recordings", {})
    if not running:
        async with _opened(config) as opened:
            rows = await opened.store.recorded()
    if options.json:
        print(json.dumps(rows))
        return 0
    for row in rows:
        gaps = len(row["runs"]) - 1
        span = f"{_time(row['start_ns'])} to {_time(row['end_ns'])}"
        print(f"{row['recording']:24} {span}  {_size(row['bytes']):>10}  {gaps} gaps")
    if not rows:
        print("nothing is recorded yet", file=sys.stderr)
    return 0


async def _hold(options: argparse.Namespace, config: Config) -> int:
    """Protect a time range of a recording: nothing deletes it before the hold is released."""
    span = Span(moment_ns(options.start, "FROM"), moment_ns(options.end, "TO"))
    if span.end_ns <= span.start_ns:
        raise GatewayError(
            ErrorKind.INVALID, f"a hold can't end at {options.end!r} when it begins at {options.start!r}"
        )
    async with _opened(config) as opened:
        token = opened.store.token(options.camera)
        hold = Hold(secrets.token_hex(4), token, span, options.reason, getpass.getuser())
        await opened.database.holds.add_hold(hold)
        _audit(opened.database, "AddHold", f"{hold.id}: {token} {_time(span.start_ns)} to {_time(span.end_ns)}")
    print(hold.id)
    return 0


async def _release(options: argparse.Namespace, config: Config) -> int:
    """End the protection of a time range; retention may then delete it."""
    async with _opened(config) as opened:
        if options.id not in {hold.id for hold in await opened.database.holds.holds()}:
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no hold {options.id!r}")
        await opened.database.holds.remove_hold(options.id)
        _audit(opened.database, "RemoveHold", options.id)
    return 0


async def _list_holds(options: argparse.Namespace, config: Config) -> int:
    """List the time ranges that are protected from deletion, with who protected them and why."""
    async with _opened(config) as opened:
        holds = await opened.database.holds.holds()
    if options.json:
        print(json.dumps([asdict(hold) for hold in holds]))
        return 0
    for hold in holds:
        span = f"{_time(hold.span.start_ns)} to {_time(hold.span.end_ns)}"
        print(f"{hold.id}  {hold.recording:24} {span}  {hold.created_by}{_after(hold.reason)}")
    return 0


def _audit(database: Database, action: str, detail: str) -> None:
    AuditTrail(database.audit, SystemClock()).record(getpass.getuser(), COMMAND_LINE, action, detail)


async def _export(options: argparse.Namespace, config: Config) -> int:
    """Write a time range of a camera's recording to an MP4 file, joined from its segments without re-encoding."""
    start_ns, end_ns = moment_ns(options.start, "FROM"), moment_ns(options.end, "TO")
    async with _opened(config) as opened:
        export = await opened.store.movie(options.camera, start_ns, end_ns)
        await _write(export, options.file)
    print(
        f"{export.name}: {_size(export.size)} from {_time(export.start_ns)} to {_time(export.end_ns)}", file=sys.stderr
    )
    return 0


async def _goes_on(store: ArchiveStore, camera: str, start_ns: int, end_ns: int) -> bool:
    """Tell whether there is more to export of a time range."""
    try:
        await store.movie(camera, start_ns, end_ns)
    except GatewayError:
        return False
    return True


async def _write(export: Export, name: str) -> None:
    """Write a movie to a new file, which is only there when it is whole, or to standard output."""
    if name == "-":
        async for chunk in export.chunks():
            sys.stdout.buffer.write(chunk)
        return
    path = Path(name)
    try:
        with path.open("xb") as file:
            try:
                async for chunk in export.chunks():
                    file.write(chunk)
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise GatewayError(ErrorKind.CONFLICT, f"the file {name!r} exists already") from None
    except OSError as error:
        raise GatewayError(ErrorKind.UNAVAILABLE, f"the file {name!r} can't be written: {error.strerror}") from error


async def _fsck(options: argparse.Namespace, config: Config) -> int:
    """Check every storage against the catalogue. Exit status 1 when something is wrong and was not mended.

    Beside a running gateway the files that it is writing are left alone.
    """
    async with _opened(config) as opened:
        store = opened.store
        running, _ = await _ask(config, "storages", {})
        if not running:
            await store.fsck.recover()
        writing = {segment.name for segment in await store.catalogue.open_segments()} if running else set()
        fault = store.catalogue.fault
        report = await store.fsck.check(options.depth, repair=options.repair, writing=frozenset(writing))
        if options.repair and fault and report.clean:
            await store.catalogue.restored()
    if options.json:
        findings = [asdict(finding) for finding in report.findings]
        print(json.dumps({"files": report.files, "bytes": report.bytes, "findings": findings, "fault": fault}))
    else:
        for finding in report.findings:
            print(_finding(finding))
        figures = f"{report.wrong} wrong, {report.mended} mended"
        print(f"{report.files} files, {_size(report.bytes)}: {figures}{_after(fault)}")
    return int(not report.clean or (bool(fault) and not options.repair))


def _finding(finding: Finding) -> str:
    place = f"{finding.storage}/{finding.name}" if finding.name else finding.storage
    return f"{place}: {finding.what.value}{_after(finding.detail)}{' (mended)' if finding.repaired else ''}"


def _after(text: str) -> str:
    return f"; {text}" if text else ""


def _time(utc_ns: int) -> str:
    return (
        datetime.fromtimestamp(utc_ns // _NS, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{utc_ns // 1_000_000 % 1000:03}Z"
    )


def _size(size: int) -> str:
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004 - decimal units
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} TB"
