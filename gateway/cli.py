"""The command `gateway`."""

import argparse
import asyncio
import getpass
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gateway import cli_archive, cli_camera
from gateway.config import Config, ConfigError, Http, Rtsp, data_directory, load, parse_listen
from gateway.db import COMMAND_LINE, AuditTrail, open_database
from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.drivers import camera_specs, demo_cameras
from gateway.engines import is_installed, motion_specs
from gateway.registry import PluginState, PluginStatus, Registry
from gateway.sdk.clock import SystemClock
from gateway.servers.probe import probe
from gateway.servers.probe_unicast import probe_addresses
from gateway.services.accounts import Accounts
from gateway.sinks import NoValues, sink_specs
from gateway.storages import with_demo_storage

if TYPE_CHECKING:
    from gateway.parts import Report

_EPILOG = """\
examples:
  gateway run --demo                     four simulated cameras, to see it work
  gateway run /etc/gateway.toml          your own cameras
  gateway check /etc/gateway.toml        is the configuration right?
  gateway users add milestone --level Operator --data /var/lib/gateway

The first start makes the user `admin`: with the password in GATEWAY_ADMIN_PASSWORD, or with a random one that is
printed once.
"""

_Section = TypeVar("_Section", Http, Rtsp)
_LEVELS = [level.value for level in UserLevel if level is not UserLevel.ANONYMOUS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong usage."""
    options = parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for library in ("alembic", "spyne"):
        logging.getLogger(library).setLevel(logging.WARNING)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except GatewayError as error:
        print(f"gateway: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="gateway",
        description="Take in IP cameras and show them to any VMS as one multi-channel ONVIF device.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"gateway {version('onvif-vms-gateway')}")
    whole.add_argument("--verbose", action="store_true", help="log what is only of use when something is wrong")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the gateway until it is told to stop", description=_run.__doc__)
    run.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="TOML file with cameras and settings")
    run.add_argument("--demo", action="store_true", help="add four simulated cameras")
    run.add_argument("--http", metavar="ADDR:PORT", help="where ONVIF and the console listen (default 0.0.0.0:8080)")
    run.add_argument("--rtsp", metavar="ADDR:PORT", help="where RTSP listens (default 0.0.0.0:8554)")
    _add_data(run)
    run.add_argument("--json", action="store_true", help="when ready, print one JSON line instead of text")
    run.set_defaults(run=_run)

    check = commands.add_parser("check", help="check a configuration without running it", description=_check.__doc__)
    check.add_argument("config", type=Path, metavar="CONFIG", help="TOML file to check")
    check.set_defaults(run=_check)

    plugins = commands.add_parser("plugins", help="list the plug-ins and their states", description=_plugins.__doc__)
    plugins.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="TOML file that may disable some")
    plugins.add_argument("--json", action="store_true", help="print one JSON array")
    plugins.set_defaults(run=_plugins)

    probe = commands.add_parser("probe", help="list the ONVIF cameras on the network", description=_probe.__doc__)
    probe.add_argument("addresses", metavar="ADDRESS", nargs="*", help="ask there, where multicast does not reach")
    probe.add_argument("--seconds", type=float, default=3.0, help="how long to wait for answers (default 3)")
    probe.add_argument("--json", action="store_true", help="print one JSON array")
    probe.set_defaults(run=_probe)

    users = commands.add_parser("users", help="add and list users, set passwords", description=_users.__doc__)
    users.add_argument("--config", type=Path, metavar="CONFIG", help="TOML file that names the data directory")
    _add_data(users)
    actions = users.add_subparsers(title="actions", required=True, metavar="ACTION", dest="action")
    actions.add_parser("list", help="list the users and their levels")
    add = actions.add_parser("add", help="add a user; the password is asked, or read from standard input")
    add.add_argument("name", help="user name")
    add.add_argument(
        "--level", choices=_LEVELS, default=UserLevel.USER.value, help="what the user may do (default User)"
    )
    passwd = actions.add_parser("passwd", help="set a user's password; it is asked, or read from standard input")
    passwd.add_argument("name", help="user name")
    users.set_defaults(run=_users)

    cli_camera.add_commands(commands, _read_config)
    cli_archive.add_commands(commands, _read_config)
    return whole


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, metavar="DIR", help="data directory: users, keys, what a VMS has set")


def _read_config(options: argparse.Namespace) -> Config:
    """Return the configuration of the file, or an empty one, with what the command line says instead."""
    given = vars(options)
    config = Config() if given.get("config") is None else load(options.config)
    for name in ("http", "rtsp"):
        if given.get(name) is not None:
            config = msgspec.structs.replace(config, **{name: _listening(getattr(config, name), name, given[name])})
    if given.get("data") is not None:
        config = msgspec.structs.replace(config, gateway=msgspec.structs.replace(config.gateway, data=options.data))
    if given.get("demo"):
        cameras = (*config.cameras, *demo_cameras(config.cameras, motion=is_installed(config)))
        config = msgspec.structs.replace(config, cameras=cameras)
        config = with_demo_storage(config)
    return config


def _listening(section: _Section, name: str, text: str) -> _Section:
    try:
        return msgspec.structs.replace(section, listen=parse_listen(text))
    except ValueError as error:
        raise ConfigError([f"--{name}: {error}"]) from error


def _run(options: argparse.Namespace) -> int:
    """Run the gateway: relay the configured cameras and answer ONVIF, RTSP and WS-Discovery until SIGTERM or Ctrl-C."""
    from gateway import app  # noqa: PLC0415 - seconds of imports on a small machine, which no other command needs

    def ready(report: "Report") -> None:
        print(json.dumps(_as_json(report)) if options.json else _welcome(report), flush=True)

    app.run(lambda: _read_config(options), ready, os.environ)
    return 0


def _as_json(report: "Report") -> dict[str, object]:
    cameras = [{"id": camera.id, "name": camera.name, **camera.streams} for camera in report.cameras]
    line: dict[str, object] = {"onvif": report.onvif, "rtsp": report.rtsp, "console": report.console}
    line["cameras"] = cameras
    if (account := report.administrator) is not None:
        line["credentials"] = {"username": account.name, "password": account.password.reveal()}
    return line


def _welcome(report: "Report") -> str:
    lines = ["", f"  ONVIF    {report.onvif}", f"  RTSP     {report.rtsp}", f"  Console  {report.console}", ""]
    for camera in report.cameras:
        lines += [f"  {camera.name}", *(f"    {name:5} {uri}" for name, uri in camera.streams.items())]
    if not report.cameras:
        lines.append("  No cameras are configured: give a CONFIG, or --demo for simulated ones.")
    if (account := report.administrator) is not None:
        lines += ["", f"  User {account.name}, password {account.password.reveal()}"]
        lines.append("  This password is shown only now; `gateway users passwd` sets another.")
    return "\n".join([*lines, ""])


def _check(options: argparse.Namespace) -> int:
    """Check a configuration: every key, every value, every driver's settings, every secret it refers to."""
    config = _read_config(options)
    registry = Registry(config.plugins.disabled)
    cameras = camera_specs(config, registry, SystemClock(), strict=True)
    motion_specs(config, registry, strict=True)
    sink_specs(config, registry, "", NoValues(), SystemClock(), strict=True)
    print(f"{options.config}: no errors; cameras: {', '.join(camera.id for camera in cameras) or 'none'}")
    return 0


def _plugins(options: argparse.Namespace) -> int:
    """List every plug-in found with its state; the exit status is 1 when one is broken."""
    statuses = Registry(_read_config(options).plugins.disabled).statuses()
    if options.json:
        print(json.dumps([asdict(status) for status in statuses]))
    else:
        for status in statuses:
            print(_plugin_line(status))
    return int(any(status.state not in {PluginState.ENABLED, PluginState.DISABLED} for status in statuses))


def _plugin_line(status: PluginStatus) -> str:
    source = f"{status.distribution} {status.version}".strip()
    return f"{status.name:16} {status.state:12} {source:28} {status.reason or ', '.join(status.provides)}"


def _probe(options: argparse.Namespace) -> int:
    """Ask by WS-Discovery for ONVIF cameras, on the network or at addresses, and list those that answer."""
    search = probe_addresses(options.addresses, options.seconds) if options.addresses else probe(options.seconds)
    found = asyncio.run(search)
    if options.json:
        print(json.dumps([asdict(camera) for camera in found]))
    else:
        for camera in found:
            print(f"{camera.name or '-':24} {camera.hardware or '-':20} {' '.join(camera.xaddrs)}")
        print(f"{len(found)} cameras answered", file=sys.stderr)
    return 0


_AUDITED = {"add": "AddUser", "passwd": "SetUserPassword"}


def _users(options: argparse.Namespace) -> int:
    """Manage the users of ONVIF, RTSP and the console. A running gateway notices within seconds."""
    config = _read_config(options)
    database = open_database(data_directory(config), config.database.url)
    try:
        status = asyncio.run(_change_users(Accounts(database.accounts), options))
        if options.action != "list":
            detail = f"user {options.name!r}"
            trail = AuditTrail(database.audit, SystemClock())
            trail.record(getpass.getuser(), COMMAND_LINE, _AUDITED[options.action], detail)
        return status
    finally:
        database.close()


async def _change_users(accounts: Accounts, options: argparse.Namespace) -> int:
    if options.action == "list":
        for account in accounts.all():
            print(f"{account.name:32} {account.level}")
        return 0
    name, known = options.name, accounts.find(options.name)
    if options.action == "add":
        await accounts.create([Account(name, UserLevel(options.level), _new_password(name))])
    elif known is None:
        raise GatewayError(ErrorKind.NOT_FOUND, f"there is no user {name!r}")
    else:
        await accounts.change([Account(name, known.level, _new_password(name))])
    return 0


def _new_password(name: str) -> Secret:
    if not sys.stdin.isatty():
        return Secret(sys.stdin.readline().rstrip("\n"))
    password = getpass.getpass(f"Password for {name}: ")
    if getpass.getpass("Again: ") != password:
        raise GatewayError(ErrorKind.INVALID, "the two passwords differ")
    return Secret(password)
