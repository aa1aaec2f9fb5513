"""The rules of all cameras: what the operator configured, and what VMSs made of it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.motion import MotionSettings, MotionZone, Polygon
from gateway.domain.motion_rules import CELL_SIZE, MotionRule, RuleKind, polygon_of

MAX_RULES = 16
"""Of one camera."""
SENSITIVITY = 50
CELL_MODULE = "CellMotionEngine"
"""Name of the module that a camera has from the beginning."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CellModule:
    """The CellMotionEngine of a camera: its sensitivity is that of all CellMotionDetector rules."""

    name: str = CELL_MODULE
    sensitivity: int = SENSITIVITY


@dataclass(frozen=True, slots=True)
class CameraRules:
    """What is looked for in one camera's picture."""

    rules: tuple[MotionRule, ...]
    module: CellModule | None = CellModule()
    """Without it CellMotionDetector rules see nothing."""
    masks: tuple[Polygon, ...] = ()
    hold: float = 5.0
    """Of rules that do not say."""

    def settings(self) -> MotionSettings:
        """Return what the engine is told."""
        zones = [
            rule.zone if rule.kind is RuleKind.REGION or self.module is None else _cell_zone(rule, self.module)
            for rule in self.rules
            if rule.kind is RuleKind.REGION or self.module is not None
        ]
        return MotionSettings(tuple(zones), self.masks)


class RuleStore(Protocol):
    """Where VMSs' rules survive a restart."""

    def load(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return a stored value, or None."""
        ...

    def store(self, key: str, value: object) -> None:
        """Keep a JSON value; returns at once."""
        ...


class MotionRules:
    """The rules of every camera with motion. What is configured anew goes before what VMSs made of it earlier."""

    def __init__(self, configured: Mapping[str, CameraRules], store: RuleStore) -> None:
        self.revision = 0
        """Counts changes."""
        self._configured = dict(configured)
        self._store = store
        self._current = {camera: self._restored(camera) for camera in configured}
        self._watchers: list[Callable[[str], None]] = []

    def follow(self, configured: Mapping[str, CameraRules]) -> None:
        """Take another configuration. The rules of a camera for which it says the same stay as VMSs made them."""
        before = self._configured
        self._configured = dict(configured)
        changed = [camera for camera in configured if configured[camera] != before.get(camera)]
        kept = {camera: rules for camera, rules in self._current.items() if camera in configured}
        self._current = kept | {camera: self._restored(camera) for camera in changed}
        self.revision += 1
        for camera in changed:
            for watcher in self._watchers:
                watcher(camera)

    def cameras(self) -> tuple[str, ...]:
        """Return the ids of the cameras that have motion on."""
        return tuple(self._current)

    def of(self, camera: str) -> CameraRules:
        """Return what is looked for in a camera's picture. Raises KeyError where motion is off."""
        return self._current[camera]

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Have a function called with a camera's id after every change."""
        self._watchers.append(watcher)

    def change(self, camera: str, rules: tuple[MotionRule, ...], module: CellModule | None) -> None:
        """Replace a camera's rules and module. Raises GatewayError LIMIT for too many, CONFLICT for two of a name."""
        names = [rule.name for rule in rules]
        if len(names) > MAX_RULES:
            raise GatewayError(ErrorKind.LIMIT, f"camera {camera!r} can have {MAX_RULES} rules, not {len(names)}")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise GatewayError(ErrorKind.CONFLICT, f"there is already a rule {twice[0]!r}")
        changed = replace(self._current[camera], rules=rules, module=module)
        if changed == self._current[camera]:
            return
        self._current[camera] = changed
        record = {"configured": _plain(self._configured[camera]), "current": _plain(changed)}
        self._store.store(_key(camera), record)
        self.revision += 1
        for watcher in self._watchers:
            watcher(camera)

    def reset(self) -> None:
        """Forget what VMSs made of the rules."""
        for camera, configured in self._configured.items():
            self.change(camera, configured.rules, configured.module)

    def _restored(self, camera: str) -> CameraRules:
        configured = self._configured[camera]
        record = self._store.load(_key(camera))
        if not isinstance(record, dict):
            return configured
        if record.get("configured") != _plain(configured):
            _log.info("camera %s: its zones are configured anew, and go before the rules that a client made", camera)
            return configured
        try:
            current = record["current"]
            module = current["module"]
            return replace(
                configured,
                rules=tuple(_rule(plain) for plain in current["rules"]),
                module=None if module is None else CellModule(**module),
            )
        except (KeyError, TypeError, ValueError) as error:
            _log.warning("camera %s: its stored rules are left out: %r", camera, error)
            return configured


def cell_rule(name: str, cells: frozenset[int], *, min_cells: int = 1, delay: float = 0.0, hold: float) -> MotionRule:
    """Return a CellMotionDetector rule. Raises ValueError when no cell is active."""
    zone = MotionZone(name, polygon_of(cells), SENSITIVITY, min_cells * CELL_SIZE, delay)
    return MotionRule(RuleKind.CELLS, zone, hold, cells)


def _cell_zone(rule: MotionRule, module: CellModule) -> MotionZone:
    return replace(rule.zone, sensitivity=module.sensitivity)


def _key(camera: str) -> str:
    return f"motion.rules.{camera}"


def _plain(rules: CameraRules) -> dict[str, Any]:
    """Return rules as JSON values, in the form that they have when read again."""
    return {
        "module": None if rules.module is None else asdict(rules.module),
        "hold": rules.hold,
        "rules": [
            {
                "kind": str(rule.kind),
                "hold": rule.hold,
                "cells": sorted(rule.cells) if rule.kind is RuleKind.CELLS else [],
                "zone": asdict(rule.zone)
                | {"polygon": [list(point) for point in rule.zone.polygon] if rule.kind is RuleKind.REGION else []},
            }
            for rule in rules.rules
        ],
    }


def _rule(plain: Mapping[str, Any]) -> MotionRule:
    """Read what `_plain` wrote. Raises KeyError, TypeError and ValueError."""
    kind, cells = RuleKind(plain["kind"]), frozenset(int(cell) for cell in plain["cells"])
    polygon = (
        polygon_of(cells)
        if kind is RuleKind.CELLS
        else tuple((float(x), float(y)) for x, y in plain["zone"]["polygon"])
    )
    zone = MotionZone(**{**plain["zone"], "polygon": polygon})
    return (
        MotionRule(kind, zone, float(plain["hold"]), cells) if cells else MotionRule(kind, zone, float(plain["hold"]))
    )
