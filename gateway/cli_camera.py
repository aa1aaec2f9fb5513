"""The command `camera`: its actions, and those that add, list, test and remove cameras."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import tomli

from gateway.cli_camera_changes import accept, passwd
from gateway.cli_camera_known import ADDRESS, BY_ENDPOINT, Known, ask_password, endpoint_of, opened
from gateway.cli_camera_show import show
from gateway.config import Camera, Config, ConfigError
from gateway.db import AddedCamera
from gateway.domain.access import Secret
from gateway.domain.camera import check_id
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.drivers import configured
from gateway.servers.probe import probe
from gateway.services.camera_adding import CameraTrial, try_camera, try_logins

SEARCH_SECONDS = 3.0
_Commands: TypeAlias = Any
"""What `add_subparsers` returns; argparse keeps its type to itself."""
_SEARCH_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class _Login:
    user: str
    password: Secret


_Command: TypeAlias = Callable[[argparse.Namespace, Known], Awaitable[int]]


def add_commands(commands: _Commands, read_config: Callable[[argparse.Namespace], Config]) -> None:
    """Add the command to the parser; `read_config` makes the configuration that the options name."""
    camera = commands.add_parser("camera", help="add, list, show, test, change and remove cameras")
    actions = camera.add_subparsers(title="actions", required=True, metavar="ACTION")

    def add(name: str, command: _Command, text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=command.__doc__)
        parser.add_argument("--config", type=Path, metavar="CONFIG", help="the gateway's configuration")
        parser.add_argument("--data", type=Path, metavar="DIR", help="data directory of the gateway")
        parser.set_defaults(run=lambda options: asyncio.run(_run(command, options, read_config(options))))
        return parser

    adding = add("add", _add, "test a camera and add it")
    adding.add_argument("id", metavar="ID", help="what a VMS remembers it by: a-z, 0-9, '-' and '_'")
    _add_address(adding)
    adding.add_argument("--name", default="", help="what people call it")
    adding.add_argument("--untested", action="store_true", help="add it even if the test fails")
    adding.add_argument("--now", action="store_true", help="restart the running gateway, so that the camera joins")
    add("list", _list, "list the cameras and their states").add_argument("--json", action="store_true")
    showing = add("show", show, "print what a support engineer would ask for")
    showing.add_argument("id", metavar="ID")
    showing.add_argument("--live", action="store_true", help="ask the camera, too")
    showing.add_argument("--json", action="store_true")
    testing = add("test", _test, "test a camera that is there, or one at --address")
    testing.add_argument("id", metavar="ID", nargs="?", help="a camera that is there")
    _add_address(testing, option=True)
    accepting = add("accept", accept, "take what is at a camera's address now for the camera")
    accepting.add_argument("id", metavar="ID")
    accepting.add_argument("--now", action="store_true", help="restart the running gateway, so that it follows")
    changing = add("passwd", passwd, "set the login of a camera that was added by command")
    changing.add_argument("id", metavar="ID")
    changing.add_argument("--user", metavar="NAME", help="another user; the password is asked, or read")
    changing.add_argument("--untested", action="store_true", help="set it even if the camera does not take it")
    changing.add_argument("--now", action="store_true", help="restart the running gateway, so that it follows")
    removing = add("remove", _remove, "remove a camera that was added by command")
    removing.add_argument("id", metavar="ID")
    removing.add_argument("--now", action="store_true", help="restart the running gateway, so that the camera leaves")


def _add_address(parser: argparse.ArgumentParser, *, option: bool = False) -> None:
    text = "host, HOST:PORT or URL; for driver rtsp its main stream"
    if option:
        parser.add_argument("--address", metavar="ADDRESS", help=text)
    else:
        text += "; without it, what is found on the network is listed"
        parser.add_argument("address", metavar="ADDRESS", nargs="?", help=text)
    parser.add_argument("--driver", default="onvif", help="camera driver (default onvif)")
    parser.add_argument("--user", metavar="NAME", help="login; the password is asked, or read from standard input")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="another setting of the driver")
    parser.add_argument("--try-logins", type=Path, metavar="FILE", help="lines USER:PASSWORD to try, at most three")
    parser.add_argument("--consent", action="store_true", help="yes, the camera may lock an account: try the logins")


async def _run(command: _Command, options: argparse.Namespace, config: Config) -> int:
    async with opened(config) as known:
        return await command(options, known)


async def _add(options: argparse.Namespace, known: Known) -> int:
    """Test a camera step by step, and add it if it passes. It joins at the next start of the gateway, or --now.

    What is added is kept in the database, its password sealed; the operator's file stays as it is.
    """
    name = check_id(options.id)
    taken = {camera.id for camera in known.config.cameras} | {camera.id for camera in known.added}
    if name in taken:
        raise GatewayError(ErrorKind.CONFLICT, f"there is a camera {name!r} already")
    if options.address is None:
        return await _offer(name, known)
    camera, trial = await _trial(options, known, name)
    _print_trial(trial)
    if not trial.passed and not options.untested:
        print(f"camera {name} is not added; --untested adds it all the same", file=sys.stderr)
        return 1
    settings = dict(camera.settings)
    if endpoint := await endpoint_of(camera):
        settings.setdefault("endpoint", endpoint)
    known.database.added_cameras.add(AddedCamera(name, options.name, camera.driver, settings))
    await known.is_now(name, trial.inspection.info)
    known.audit("AddCamera", f"{name}: driver {camera.driver}, {trial.failure or 'tested'}")
    print(f"camera {name} is added; {await known.follow(now=options.now)}")
    return 0


async def _offer(name: str, known: Known) -> int:
    """List what could be added, with what is there already."""
    hosts = {str(camera.settings.get(ADDRESS[BY_ENDPOINT])): camera.id for camera in known.cameras}
    for found in await probe(SEARCH_SECONDS, known.config.discovery.interfaces):
        addresses = {text for url in found.xaddrs for text in (url, urlsplit(url).netloc, urlsplit(url).hostname)}
        there = next((f"is camera {camera}" for host, camera in hosts.items() if host in addresses), "")
        print(f"{found.name or '-':24} {found.hardware or '-':20} {' '.join(found.xaddrs)} {there}".rstrip())
    print(f"choose one: gateway camera add {name} ADDRESS", file=sys.stderr)
    return 1


async def _remove(options: argparse.Namespace, known: Known) -> int:
    """Remove a camera that was added by command. What was recorded of it stays."""
    known.find_added(options.id)
    known.database.added_cameras.remove(options.id)
    known.audit("RemoveCamera", options.id)
    print(f"camera {options.id} is removed; {await known.follow(now=options.now)}")
    return 0


async def _test(options: argparse.Namespace, known: Known) -> int:
    """Test a camera: is it reached, does it let us in, does it describe itself, does a picture come. Adds nothing."""
    if (options.id is None) == (options.address is None):
        raise GatewayError(ErrorKind.INVALID, "name either a camera's ID or an --address")
    if options.id is not None:
        trial = await try_camera(known.driver(known.find(options.id)))
    else:
        _, trial = await _trial(options, known, "camera")
    _print_trial(trial)
    return int(not trial.passed)


async def _list(options: argparse.Namespace, known: Known) -> int:
    """List the cameras in their order: state, driver, and where they are from; without a running gateway, no state."""
    states = {each["id"]: each["state"] for each in await known.running() or []}
    rows = [(camera, "configuration") for camera in known.config.cameras]
    rows += [(configured(camera), "added") for camera in known.added]
    table = [
        {"id": camera.id, "name": camera.name or camera.id, "driver": camera.driver, "from": source,
         "state": states.get(camera.id, "not running")}
        for camera, source in rows
    ]  # fmt: skip
    if options.json:
        print(json.dumps(table))
    else:
        for row in table:
            print(f"{row['id']:16} {row['state']:12} {row['driver']:12} {row['from']:14} {row['name']}")
    return 0


async def _trial(options: argparse.Namespace, known: Known, name: str) -> tuple[Camera, CameraTrial]:
    """Try the camera that the options name; returns it with the login that was taken."""

    def camera(login: _Login | None) -> Camera:
        return Camera(id=name, name=None, driver=options.driver, settings=_settings(options, login))

    if options.try_logins is None:
        login = None if options.user is None else _Login(options.user, ask_password(options.user))
        made = camera(login)
        return made, await try_camera(known.driver(made))
    logins = _logins(options.try_logins)
    if not options.consent:
        message = f"{len(logins)} logins would be tried at {options.address}, which may lock an account: say --consent"
        raise GatewayError(ErrorKind.FORBIDDEN, message)
    taken, trial = await try_logins(logins, lambda each: known.driver(camera(each)), known.clock)
    print(f"login of {taken.user!r} was {'taken' if trial.passed else 'the last that was tried'}")
    return camera(taken), trial


def _settings(options: argparse.Namespace, login: _Login | None) -> dict[str, Any]:
    """Return the driver's settings that the options say. Raises GatewayError."""
    settings: dict[str, Any] = {ADDRESS.get(options.driver, "address"): options.address}
    for text in options.set:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise ConfigError([f"--set {text!r} must be KEY=VALUE"])
        settings[key] = _value(value)
    if login is not None:
        settings |= {"username": login.user, "password": login.password}
    return settings


def _value(text: str) -> Any:  # noqa: ANN401 - any simple value
    """Return a number or boolean as TOML writes it, else the text."""
    try:
        value = tomli.loads(f"value = {text}")["value"]
    except tomli.TOMLDecodeError:
        return text
    return value if isinstance(value, int | float | bool | str) else text


def _logins(path: Path) -> Sequence[_Login]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GatewayError(ErrorKind.NOT_FOUND, f"the logins {str(path)!r} can't be read: {error}") from None
    pairs = [line.partition(":") for line in lines if line.strip()]
    return [_Login(user, Secret(password)) for user, _, password in pairs]


def _print_trial(trial: CameraTrial) -> None:
    for each in trial.steps:
        print(f"{each.step:14} {'yes' if each.passed else 'NO':4} {each.detail}".rstrip())
    for label, value in trial.inspection.facts:
        print(f"  {label:20} {value}")
