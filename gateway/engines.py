"""Configured motion: which cameras are watched, by which engine, and the zones that they begin with."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from gateway.config import Camera, CameraMotion, Config, ConfigError, did_you_mean, settings_for
from gateway.domain.errors import GatewayError
from gateway.domain.motion import MotionSettings, MotionZone
from gateway.domain.motion_rules import ALL_CELLS, MotionRule, RuleKind
from gateway.registry import GROUP, PluginState, Registry
from gateway.sdk.motion import MotionEngine
from gateway.services.motion import MotionSpec
from gateway.services.motion_rules import CameraRules, cell_rule

WHOLE = "Motion"
"""Name of the rule of a camera without zones: the whole picture."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the engines of one camera."""

    kind: type[MotionEngine]
    settings: Any

    def __call__(self, motion: MotionSettings) -> MotionEngine:
        return self.kind(motion, self.settings)


def is_installed(config: Config) -> bool:
    """Tell whether the plug-in of the configuration's engine is there, by its name, and not disabled."""
    name = config.motion.engine
    return name not in config.plugins.disabled and any(entry.name == name for entry in entry_points(group=GROUP))


def motion_source(config: Config, camera: Camera) -> str:
    """Return who sees motion in a camera: `gateway`, `camera`, `both`, or nobody, `off`.

    What is said of the camera counts before what is said of all, and `source` before `enabled`.
    """
    for section in (camera.motion, config.motion):
        if section.source is not None:
            return section.source
        if section.enabled is not None:
            return "gateway" if section.enabled else "camera"
    return "camera"


def motion_specs(
    config: Config, registry: Registry, *, strict: bool = False
) -> tuple[list[MotionSpec], Mapping[str, CameraRules]]:
    """Return the cameras to watch, and what is configured to be looked for in each.

    Raises ConfigError with every unknown engine and every wrong setting. An engine that is missing because its
    plug-in is broken or disabled leaves its cameras without motion; `strict` makes that an error too.
    """
    problems: list[str] = []
    specs, rules = [], {}
    for index, camera in enumerate(config.cameras):
        if motion_source(config, camera) not in {"gateway", "both"}:
            continue
        try:
            spec = _spec(config, camera, registry, f"camera[{index}].motion", strict=strict)
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
            continue
        if spec is not None:
            specs.append(spec)
            rules[camera.id] = _rules(camera.motion, _chosen(camera.motion.hold, config.motion.hold))
    if problems:
        raise ConfigError(problems)
    return specs, rules


def _spec(config: Config, camera: Camera, registry: Registry, path: str, *, strict: bool) -> MotionSpec | None:
    own, all_ = camera.motion, config.motion
    name, where = (all_.engine, "motion") if own.engine is None else (own.engine, path)
    kind = registry.motion_engines.get(name)
    if kind is None:
        reason = f"there is no motion engine {name!r}"
        broken = [status.name for status in registry.statuses() if status.state is not PluginState.ENABLED]
        if not broken or strict:
            raise ConfigError([f"{where}.engine: {reason}{did_you_mean(name, sorted(registry.motion_engines))}"])
        _log.error("camera %s: %s; plug-ins not running: %s", camera.id, reason, ", ".join(broken))
        return None
    common = dict(all_.settings) if name == all_.engine else {}
    where = f"{path if own.settings or name != all_.engine else 'motion'}.settings"
    settings = settings_for(kind, common | own.settings, where, base=config.directory)
    make = _Maker(kind, settings)
    rules = _rules(own, all_.hold)
    try:
        make(rules.settings())
    except GatewayError as error:
        raise ConfigError([f"{where}: {error.message}"]) from error
    except Exception as error:  # noqa: BLE001 - a stranger's start may raise anything
        reason = f"motion engine {name!r} failed to start: {type(error).__name__}: {error}"
        registry.mark("motion engine", name, PluginState.FAILED, reason)
        return None
    return MotionSpec(
        camera.id, _chosen(own.mode, all_.mode), _chosen(own.width, all_.width), make, frozenset(kind.tampering)
    )


def _rules(motion: CameraMotion, hold: float) -> CameraRules:
    zones = [
        MotionZone(zone.name, zone.polygon, zone.sensitivity, zone.min_size, zone.min_duration) for zone in motion.zones
    ]
    rules = tuple(MotionRule(RuleKind.REGION, zone, hold) for zone in zones)
    return CameraRules(rules or (cell_rule(WHOLE, ALL_CELLS, hold=hold),), masks=motion.masks, hold=hold)


def _chosen(own: Any, common: Any) -> Any:  # noqa: ANN401 - any of the keys that both sections have
    return common if own is None else own
