"""The command `camera`: add, list, show, test and remove cameras."""

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import tomli

from gateway.config import Camera, Config, ConfigError, data_directory
from gateway.db import AddedCamera, Database, open_database
from gateway.domain.access import Secret
from gateway.domain.camera import check_id
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.drivers import configured, make_driver
from gateway.registry import Registry
from gateway.sdk.clock import SystemClock
from gateway.sdk.driver import CameraDriver
from gateway.servers.control import ask
from gateway.servers.probe import probe
from gateway.servers.probe_unicast import endpoint_at
from gateway.services.camera_adding import CameraTrial, inspect, try_camera, try_logins

_Commands: TypeAlias = Any
"""What `add_subparsers` returns; argparse keeps its type to itself."""
_ADDRESS = {"onvif": "address", "rtsp": "main"}
"""The setting of each driver that an ADDRESS is."""
_BY_ENDPOINT = "onvif"
"""The driver whose cameras are found again by their endpoint reference."""
SEARCH_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class _Login:
    user: str
    password: Secret


@dataclass(frozen=True, slots=True)
class _Known:
    """What a command works with."""

    config: Config
    database: Database
    added: tuple[AddedCamera, ...]
    registry: Registry
    clock: SystemClock = field(default_factory=SystemClock)

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """Those of the configuration, then those added."""
        return (*self.config.cameras, *map(configured, self.added))

    def find(self, name: str) -> Camera:
        """Return a camera by its id. Raises GatewayError."""
        for camera in self.cameras:
            if camera.id == name:
                return camera
        known = ", ".join(camera.id for camera in self.cameras) or "none"
        raise GatewayError(ErrorKind.NOT_FOUND, f"there is no camera {name!r}; there are: {known}")

    def driver(self, camera: Camera) -> CameraDriver:
        """Return a new driver of a camera. Raises GatewayError."""
        return make_driver(camera, self.registry, self.clock, self.config)


_Command: TypeAlias = Callable[[argparse.Namespace, _Known], Awaitable[int]]


def add_commands(commands: _Commands, read_config: Callable[[argparse.Namespace], Config]) -> None:
    """Add the command to the parser; `read_config` makes the configuration that the options name."""
    camera = commands.add_parser("camera", help="add, list, show, test and remove cameras")
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
    add("show", _show, "print what a support engineer would ask for").add_argument("id", metavar="ID")
    testing = add("test", _test, "test a camera that is there, or one at --address")
    testing.add_argument("id", metavar="ID", nargs="?", help="a camera that is there")
    _add_address(testing, option=True)
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
    async with _opened(config) as known:
        return await command(options, known)


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[_Known]:
    database = open_database(data_directory(config), config.database.url)
    try:
        yield _Known(config, database, database.added_cameras.load(), Registry(config.plugins.disabled))
    finally:
        database.close()


async def _add(options: argparse.Namespace, known: _Known) -> int:
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
    if camera.driver == _BY_ENDPOINT and (endpoint := await endpoint_at(_url(settings))):
        settings.setdefault("endpoint", endpoint)
    known.database.added_cameras.add(AddedCamera(name, options.name, camera.driver, settings))
    print(f"camera {name} is added; {await _follow(known, now=options.now)}")
    return 0


async def _offer(name: str, known: _Known) -> int:
    """List what could be added, with what is there already."""
    hosts = {str(camera.settings.get(_ADDRESS[_BY_ENDPOINT])): camera.id for camera in known.cameras}
    for found in await probe(SEARCH_SECONDS, known.config.discovery.interfaces):
        addresses = {text for url in found.xaddrs for text in (url, urlsplit(url).netloc, urlsplit(url).hostname)}
        there = next((f"is camera {camera}" for host, camera in hosts.items() if host in addresses), "")
        print(f"{found.name or '-':24} {found.hardware or '-':20} {' '.join(found.xaddrs)} {there}".rstrip())
    print(f"choose one: gateway camera add {name} ADDRESS", file=sys.stderr)
    return 1


def _url(settings: dict[str, Any]) -> str:
    """Return the URL of a camera's address."""
    address, port = str(settings[_ADDRESS[_BY_ENDPOINT]]), settings.get("port")
    url = address if "://" in address else f"http://{address}"
    return url if port is None or urlsplit(url).port else urlsplit(url)._replace(netloc=f"{address}:{port}").geturl()


async def _remove(options: argparse.Namespace, known: _Known) -> int:
    """Remove a camera that was added by command. What was recorded of it stays."""
    if options.id not in {camera.id for camera in known.added}:
        known.find(options.id)
        raise GatewayError(ErrorKind.CONFLICT, f"camera {options.id!r} is in the configuration: remove it there")
    known.database.added_cameras.remove(options.id)
    print(f"camera {options.id} is removed; {await _follow(known, now=options.now)}")
    return 0


async def _test(options: argparse.Namespace, known: _Known) -> int:
    """Test a camera: is it reached, does it let us in, does it describe itself, does a picture come. Adds nothing."""
    if (options.id is None) == (options.address is None):
        raise GatewayError(ErrorKind.INVALID, "name either a camera's ID or an --address")
    if options.id is not None:
        trial = await try_camera(known.driver(known.find(options.id)))
    else:
        _, trial = await _trial(options, known, "camera")
    _print_trial(trial)
    return int(not trial.passed)


async def _list(options: argparse.Namespace, known: _Known) -> int:
    """List the cameras in their order: state, driver, and where they are from; without a running gateway, no state."""
    states = {each["id"]: each["state"] for each in await _running(known)}
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


async def _show(options: argparse.Namespace, known: _Known) -> int:
    """Print a camera's settings without its secrets, its state in the running gateway, and what it says of itself."""
    camera = known.find(options.id)
    print(f"{camera.id}: {camera.name or camera.id}, driver {camera.driver}")
    driver = known.driver(camera)
    settings = driver.settings
    for each in fields(settings):
        value = getattr(settings, each.name)
        shown = "(set)" if isinstance(value, Secret) else "" if value is None else value
        print(f"  {each.name:20} {shown}")
    for live in await _running(known):
        if live["id"] == camera.id:
            print(f"state {live['state']}")
            for profile in live["profiles"]:
                picture = f"{profile['video']} {profile['width']}x{profile['height']} {profile['frame_rate']:g}/s"
                print(f"  {profile['name']:20} {profile['state']} {picture} {profile['path']}")
    try:
        found = await inspect(driver)
    except GatewayError as error:
        print(f"camera: {error.message}")
        return 1
    info = found.info
    print(f"camera {info.manufacturer} {info.model}, firmware {info.firmware}, serial number {info.serial}")
    for label, value in found.facts:
        print(f"  {label:20} {value}")
    return 0


async def _trial(options: argparse.Namespace, known: _Known, name: str) -> tuple[Camera, CameraTrial]:
    """Try the camera that the options name; returns it with the login that was taken."""

    def camera(login: _Login | None) -> Camera:
        return Camera(id=name, name=None, driver=options.driver, settings=_settings(options, login))

    if options.try_logins is None:
        login = None if options.user is None else _Login(options.user, _password(options.user))
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
    settings: dict[str, Any] = {_ADDRESS.get(options.driver, "address"): options.address}
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


def _password(user: str) -> Secret:
    if not sys.stdin.isatty():
        return Secret(sys.stdin.readline().rstrip("\n"))
    return Secret(getpass.getpass(f"Password of {user} on the camera: "))


def _print_trial(trial: CameraTrial) -> None:
    for each in trial.steps:
        print(f"{each.step:14} {'yes' if each.passed else 'NO':4} {each.detail}".rstrip())
    for label, value in trial.inspection.facts:
        print(f"  {label:20} {value}")


async def _running(known: _Known) -> list[dict[str, Any]]:
    """Return the cameras of the running gateway; none when none runs."""
    found = await _ask(known, "cameras")
    return found if isinstance(found, list) else []


async def _follow(known: _Known, *, now: bool) -> str:
    """Have the running gateway take what has changed, and say when it does."""
    if not now:
        return "a running gateway follows at its next start, or with --now"
    return "the gateway restarts" if await _ask(known, "restart") is None else "no gateway is running"


async def _ask(known: _Known, command: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return what a running gateway answers, or False when none runs."""
    try:
        return await ask(data_directory(known.config), command, {})
    except GatewayError as error:
        if error.kind is ErrorKind.UNAVAILABLE:
            return False
        raise
