"""Reads configuration files, and drivers' settings out of them."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
import tomli

from gateway.config.checking import Checker, did_you_mean
from gateway.config.sections import Config, Tls
from gateway.domain.camera import PROFILE_NAMES
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.driver import CameraDriver
from gateway.sdk.motion import MotionEngine
from gateway.sdk.sink import EventSink
from gateway.sdk.storage import StorageBackend

_LAST_GROUP = IPv4Address("239.255.255.255")
_DIRECTORY = "onvif-vms-gateway"
MAX_ZONES = 16
"""Of one camera: what a client may have in rules too."""


class ConfigError(GatewayError):
    """Everything that is wrong with a configuration: one sentence each, beginning with the key's path."""

    def __init__(self, problems: Sequence[str], source: str = "") -> None:
        where = f"{source}: " if source else ""
        what = problems[0] if len(problems) == 1 else f"{len(problems)} errors\n  " + "\n  ".join(problems)
        super().__init__(ErrorKind.INVALID, where + what)
        self.problems = tuple(problems)


def load(path: Path) -> Config:
    """Read a configuration file. Raises GatewayError, which is a ConfigError if the file could be read."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = f"the configuration {str(path)!r} can't be read: {error.strerror}"
        raise GatewayError(ErrorKind.NOT_FOUND, reason) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"not UTF-8 text at byte {error.start}"], str(path)) from error
    try:
        table = tomli.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError also for a number of thousands of digits
        raise ConfigError([f"not valid TOML: {error}"], str(path)) from error
    return from_table(table, path.absolute().parent, str(path))


def from_table(table: dict[str, Any], base: Path, source: str = "") -> Config:
    """Check a whole configuration. `base` is where relative paths start. Raises ConfigError."""
    checker = Checker(base)
    config = checker.convert(table, Config, "")
    if isinstance(config, Config):
        _check_ids("camera", [camera.id for camera in config.cameras], checker)
        _check_ids("storage", [storage.id for storage in config.storages], checker)
        _check_ids("recording", [recording.name for recording in config.recordings], checker)
        _check_ids("sink", [sink.id for sink in config.sinks], checker)
        _check_recordings(config, checker)
        _check_sinks(config, checker)
        _check_zones(config, checker)
        _check_tls(config.tls, checker)
        _check_groups(config, checker)
        if not config.access.digest_algorithms:
            checker.complain("access.digest_algorithms", "must name at least one algorithm")
    if checker.problems or not isinstance(config, Config):
        raise ConfigError(checker.problems, source)
    return msgspec.structs.replace(config, directory=base)


def settings_for(
    owner: type[CameraDriver] | type[StorageBackend] | type[MotionEngine] | type[EventSink],
    table: dict[str, Any],
    path: str,
    *,
    base: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Any:  # noqa: ANN401 - of the driver's own type
    """Return the settings of a camera, storage, motion engine or sink as its class's `Settings`, its secrets read.

    Relative paths start from `base`, or from the current directory. Raises ConfigError with every problem, or
    GatewayError of kind INTERNAL if the class's `Settings` can't be configured at all.
    """
    if not dataclasses.is_dataclass(owner.Settings):
        raise GatewayError(ErrorKind.INTERNAL, f"{owner.__qualname__}.Settings is not a dataclass")
    checker = Checker(base or Path.cwd(), environment)
    settings = checker.convert(table, owner.Settings, path)
    if checker.problems:
        raise ConfigError(checker.problems)
    return settings


def data_directory(config: Config, environment: Mapping[str, str] | None = None) -> Path:
    """Return where the gateway keeps its data: as configured, systemd's StateDirectory, or the user's own."""
    known = os.environ if environment is None else environment
    if config.gateway.data is not None:
        return config.gateway.data
    if state := known.get("STATE_DIRECTORY"):
        return Path(state.split(":")[0])
    home = known.get("XDG_STATE_HOME") or str(Path(known.get("HOME", "~")).expanduser() / ".local/state")
    return Path(home) / _DIRECTORY


def _check_ids(section: str, ids: Sequence[str], checker: Checker) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(ids):
        if name in first:
            checker.complain(f"{section}[{index}].id", f"{name!r} is already the id of {section}[{first[name]}]")
        first.setdefault(name, index)


def _check_recordings(config: Config, checker: Checker) -> None:
    cameras = [camera.id for camera in config.cameras]
    for index, recording in enumerate(config.recordings):
        path = f"recording[{index}]"
        if recording.camera not in cameras:
            hint = did_you_mean(recording.camera, cameras)
            checker.complain(f"{path}.camera", f"there is no camera {recording.camera!r}{hint}")
        for mode, key, given in (
            ("schedule", "schedule", recording.schedule),
            ("event", "topics", recording.topics),
        ):
            if recording.mode == mode and not given:
                checker.complain(f"{path}.{key}", f"is missing: the mode is {mode!r}")
            elif given and recording.mode != mode and not (key == "schedule" and recording.mode == "event"):
                checker.complain(f"{path}.{key}", f"has no meaning in the mode {recording.mode!r}")


def _check_sinks(config: Config, checker: Checker) -> None:
    cameras = [camera.id for camera in config.cameras]
    for index, sink in enumerate(config.sinks):
        for place, camera in enumerate(sink.cameras):
            if camera not in cameras:
                hint = did_you_mean(camera, cameras)
                checker.complain(f"sink[{index}].cameras[{place}]", f"there is no camera {camera!r}{hint}")
        if sink.clip_hours and config.http.external is None:
            checker.complain(f"sink[{index}].clip_hours", "http.external must say where the receiver finds the gateway")


def _check_zones(config: Config, checker: Checker) -> None:
    for index, camera in enumerate(config.cameras):
        path, first = f"camera[{index}].motion.zone", dict[str, int]()
        for number, zone in enumerate(camera.motion.zones):
            if (other := first.setdefault(zone.name, number)) != number:
                checker.complain(f"{path}[{number}].name", f"{zone.name!r} is already the name of {path}[{other}]")
        if len(camera.motion.zones) > MAX_ZONES:
            checker.complain(path, f"must have at most {MAX_ZONES} zones, not {len(camera.motion.zones)}")


def _check_groups(config: Config, checker: Checker) -> None:
    streams = len(config.cameras) * len(PROFILE_NAMES)
    if int(config.multicast.address) + streams - 1 > int(_LAST_GROUP):
        checker.complain("multicast.address", f"there is no room for {streams} streams up to {_LAST_GROUP}")


def _check_tls(tls: Tls, checker: Checker) -> None:
    if (tls.certificate is None) != (tls.key is None):
        missing = "key" if tls.key is None else "certificate"
        checker.complain(f"tls.{missing}", "is missing: a certificate and its key go together")
    if tls.certificate is None and tls.key is None:
        for name, listen in (("http_listen", tls.http_listen), ("rtsp_listen", tls.rtsp_listen)):
            if listen is not None:
                checker.complain(f"tls.{name}", "needs tls.certificate and tls.key")
