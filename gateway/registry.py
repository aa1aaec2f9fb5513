"""Loads plug-ins. A broken one is isolated and named; everything else runs."""

import difflib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from gateway.sdk import hooks
from gateway.sdk.driver import CameraDriver

GROUP = "gateway"
"""The entry-point group; a plug-in is an entry point in it, ours and a stranger's alike."""

_log = logging.getLogger(__name__)


class PluginState(StrEnum):
    """What became of a plug-in."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    LOAD_ERROR = "load_error"
    CONFIG_ERROR = "config_error"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """One row of `gateway plugins`."""

    name: str
    distribution: str
    version: str
    state: PluginState
    reason: str = ""
    provides: tuple[str, ...] = ()


class PluginError(Exception):
    """A plug-in broke a rule of the hooks; the sentence says which."""


class Registry:
    """The plug-ins of this installation and what they registered."""

    def __init__(self, disabled: Iterable[str] = (), found: Iterable[EntryPoint] | None = None) -> None:
        self.drivers: dict[str, type[CameraDriver]] = {}
        self._plugins = pluggy.PluginManager(hooks.PROJECT)
        self._plugins.add_hookspecs(hooks)
        self._owners: dict[str, str] = {}
        self._statuses: dict[str, PluginStatus] = {}
        skip = set(disabled)
        for entry in sorted(entry_points(group=GROUP) if found is None else found, key=lambda entry: entry.name):
            self._statuses[entry.name] = self._load(entry, skip)

    def statuses(self) -> tuple[PluginStatus, ...]:
        """Return every plug-in found, by name, with what became of it."""
        return tuple(self._statuses.values())

    def mark(self, driver: str, state: PluginState, reason: str) -> None:
        """Record that the plug-in which owns a driver failed after it was loaded."""
        name = self._owners[driver]
        old = self._statuses[name]
        _log.error("plug-in %s: %s: %s", name, state, reason)
        self._statuses[name] = PluginStatus(name, old.distribution, old.version, state, reason, old.provides)

    def _load(self, entry: EntryPoint, disabled: set[str]) -> PluginStatus:
        dist = entry.dist
        source = (entry.name, dist.name if dist else "", dist.version if dist else "")
        if entry.name in disabled:
            return PluginStatus(*source, PluginState.DISABLED, "disabled in the configuration")
        try:
            plugin = entry.load()
        except Exception as error:  # noqa: BLE001 - a stranger's import may raise anything
            return self._broken(source, PluginState.LOAD_ERROR, error)
        try:
            self._register(plugin, entry.name)
        except (PluginError, pluggy.PluginValidationError) as error:
            return self._broken(source, PluginState.LOAD_ERROR, error)
        try:
            provides = self._take_drivers(entry.name, plugin)
        except Exception as error:  # noqa: BLE001 - a stranger's hook may raise anything
            return self._broken(source, PluginState.FAILED, error)
        return PluginStatus(*source, PluginState.ENABLED, provides=provides)

    def _broken(self, source: tuple[str, str, str], state: PluginState, error: Exception) -> PluginStatus:
        name = source[0]
        if self._plugins.has_plugin(name):
            self._plugins.unregister(name=name)
        reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        _log.error("plug-in %s: %s: %s", name, state, reason)
        return PluginStatus(*source, state, reason)

    def _register(self, plugin: object, name: str) -> None:
        self._plugins.register(plugin, name)
        known = [hook for hook in dir(hooks) if hook.startswith("gateway_")]
        callers = self._plugins.get_hookcallers(plugin) or []
        for caller in callers:
            if not caller.has_spec():
                close = difflib.get_close_matches(caller.name, known, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise PluginError(f"there is no hook {caller.name!r}{hint}")
        if not callers:
            raise PluginError("it implements no hook; mark its functions with gateway.sdk.hooks.hookimpl")

    def _take_drivers(self, name: str, plugin: object) -> tuple[str, ...]:
        others = [other for other in self._plugins.get_plugins() if other is not plugin]
        offered: list[Any] = self._plugins.subset_hook_caller("gateway_register_drivers", others)()
        drivers: dict[str, type[CameraDriver]] = {}
        for mapping in offered:
            for kind, driver in mapping.items():
                self._check_driver(kind, driver)
                drivers[kind] = driver
        self.drivers |= drivers
        self._owners |= dict.fromkeys(drivers, name)
        return tuple(f"driver {kind}" for kind in drivers)

    def _check_driver(self, kind: str, driver: object) -> None:
        if not (isinstance(driver, type) and issubclass(driver, CameraDriver)):
            raise PluginError(f"driver {kind!r} is {driver!r}, not a subclass of CameraDriver")
        if kind in self._owners:
            raise PluginError(f"driver {kind!r} is already registered by plug-in {self._owners[kind]!r}")
        if not hasattr(driver, "Settings"):
            raise PluginError(f"driver {kind!r} has no Settings dataclass")
