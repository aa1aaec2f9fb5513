"""Configured cameras with their drivers; one whose plug-in is broken stays in its place, offline."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from gateway.config import Camera, CameraMotion, Config, ConfigError, Zone, did_you_mean, settings_for
from gateway.db import AddedCamera
from gateway.domain.camera import PROFILE_NAMES, CameraInfo
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.registry import PluginState, Registry
from gateway.sdk.callbacks import Callbacks
from gateway.sdk.clock import Clock
from gateway.sdk.driver import CameraDriver, DriverContext, MediaSink
from gateway.sdk.finding import Finder
from gateway.services.cameras import CameraSpec

DEMO = (("lobby", "Lobby"), ("parking", "Parking"), ("warehouse", "Warehouse"), ("gate", "Gate"))

DEMO_ZONE = Zone(name="Middle", polygon=((0.3, 0.0), (0.7, 0.0), (0.7, 0.8), (0.3, 0.8)))
"""The balloon is there twice in its lap of 48 s."""
DEMO_MASKS = (
    ((0.0, 0.0), (1.0, 0.0), (1.0, 0.06), (0.0, 0.06)),
    ((0.0, 0.8), (1.0, 0.8), (1.0, 1.0), (0.0, 1.0)),
)
"""The time code, and the panel with the clock."""

_log = logging.getLogger(__name__)


def demo_cameras(configured: Sequence[Camera] = (), *, motion: bool = False) -> tuple[Camera, ...]:
    """Return four simulated cameras, as a configuration would name them, but for ids that are taken.

    Motion is looked for where the balloon passes, and not where the time stands.
    """
    taken = {camera.id for camera in configured}
    watched = CameraMotion(enabled=True, masks=DEMO_MASKS, zones=(DEMO_ZONE,)) if motion else CameraMotion()
    return tuple(
        Camera(id=name, name=title, driver="testpattern", motion=watched) for name, title in DEMO if name not in taken
    )


def with_added(config: Config, added: Sequence[AddedCamera]) -> Config:
    """Return a configuration with the cameras that were added by command, behind its own."""
    taken = {camera.id for camera in config.cameras}
    for camera in added:
        if camera.id in taken:
            _log.warning("camera %s was added by command, too; the configuration's counts", camera.id)
    more = [configured(camera) for camera in added if camera.id not in taken]
    return msgspec.structs.replace(config, cameras=(*config.cameras, *more)) if more else config


def configured(camera: AddedCamera) -> Camera:
    """Return an added camera as a configuration would name it."""
    return Camera(id=camera.id, name=camera.name or None, driver=camera.driver, settings=camera.settings)


def make_driver(camera: Camera, registry: Registry, clock: Clock, config: Config) -> CameraDriver:
    """Return a driver for one camera. Raises GatewayError, also for a plug-in that is broken."""
    context = DriverContext(camera.id, camera.name or camera.id, clock)
    driver = _driver(camera, registry, context, config, f"camera {camera.id}")
    if isinstance(driver, _Missing):
        raise GatewayError(ErrorKind.UNSUPPORTED, f"camera {camera.id}: {driver.reason}")
    return driver


def camera_specs(
    config: Config,
    registry: Registry,
    clock: Clock,
    *,
    callbacks: Callbacks | None = None,
    finder: Finder | None = None,
    known: Callable[[str], CameraInfo] = lambda _: CameraInfo(),
    strict: bool = False,
) -> list[CameraSpec]:
    """Return the cameras in their configured order; `known` tells what each was when it was last reached.

    Raises ConfigError with every unknown driver and every wrong setting. A driver that is missing because its
    plug-in is broken or disabled, or that fails to start, leaves its camera offline; `strict` makes that an error too.
    """
    problems: list[str] = []
    specs = []
    for index, camera in enumerate(config.cameras):
        path = f"camera[{index}]"
        name = camera.name or camera.id
        try:
            context = DriverContext(camera.id, name, clock, callbacks, finder, known(camera.id))
            driver = _driver(camera, registry, context, config, path)
        except ConfigError as error:
            problems += error.problems
            continue
        if strict and isinstance(driver, _Missing):
            problems.append(f"{path}.driver: {driver.reason}")
        specs.append(CameraSpec(camera.id, name, driver))
    if problems:
        raise ConfigError(problems)
    return specs


def _driver(camera: Camera, registry: Registry, context: DriverContext, config: Config, path: str) -> CameraDriver:
    kind = registry.drivers.get(camera.driver)
    if kind is None:
        known = sorted(registry.drivers)
        broken = [status.name for status in registry.statuses() if status.state is not PluginState.ENABLED]
        if not broken:
            raise ConfigError(
                [f"{path}.driver: there is no driver {camera.driver!r}{did_you_mean(camera.driver, known)}"]
            )
        return _Missing(f"there is no driver {camera.driver!r}; plug-ins not running: {', '.join(broken)}", context)
    settings = settings_for(kind, dict(camera.settings), f"{path}.settings", base=config.directory)
    try:
        return kind(settings, context)
    except GatewayError as error:
        raise ConfigError([f"{path}.settings: {error.message}"]) from error
    except Exception as error:  # noqa: BLE001 - a stranger's start may raise anything
        reason = f"driver {camera.driver!r} failed to start: {type(error).__name__}: {error}"
        registry.mark("driver", camera.driver, PluginState.FAILED, reason)
        return _Missing(reason, context)


@dataclass(frozen=True, slots=True)
class _NoSettings:
    pass


class _Missing(CameraDriver):
    """Stands in for a driver that could not be had, so that the channels behind it keep their numbers."""

    Settings = _NoSettings

    def __init__(self, reason: str, context: DriverContext) -> None:
        super().__init__(_NoSettings(), context)
        self.reason = reason

    def profiles(self) -> tuple[str, ...]:
        return PROFILE_NAMES

    async def stream(self, profile: str, sink: MediaSink) -> None:  # noqa: ARG002 - there is nothing to stream
        raise GatewayError(ErrorKind.UNSUPPORTED, self.reason)
