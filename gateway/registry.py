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
from gateway.sdk.broker import BrokerConnection
from gateway.sdk.driver import CameraDriver
from gateway.sdk.motion import MotionEngine
from gateway.sdk.sink import EventSink
from gateway.sdk.soap import SoapService
from gateway.sdk.storage import StorageBackend

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


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of classes that plug-ins register, through the hook `gateway_register_PLACE`."""

    noun: str
    place: str
    """The attribute of the registry."""
    base: type
    settings: bool = True
    """Whether the class has a Settings dataclass for keys in the configuration."""


_KINDS = (
    _Kind("driver", "drivers", CameraDriver),
    _Kind("storage", "storages", StorageBackend),
    _Kind("motion engine", "motion_engines", MotionEngine),
    _Kind("event sink", "sinks", EventSink),
    _Kind("broker", "brokers", BrokerConnection, settings=False),
    _Kind("SOAP service", "soap_services", SoapService, settings=False),
)


class PluginError(Exception):
    """A plug-in broke a rule of the hooks; the sentence says which."""


class Registry:
    """The plug-ins of this installation and what they registered."""

    def __init__(self, disabled: Iterable[str] = (), found: Iterable[EntryPoint] | None = None) -> None:
        self.drivers: dict[str, type[CameraDriver]] = {}
        self.storages: dict[str, type[StorageBackend]] = {}
        self.motion_engines: dict[str, type[MotionEngine]] = {}
        self.sinks: dict[str, type[EventSink]] = {}
        self.brokers: dict[str, type[BrokerConnection]] = {}
        self.soap_services: dict[str, type[SoapService]] = {}
        self._plugins = pluggy.PluginManager(hooks.PROJECT)
        self._plugins.add_hookspecs(hooks)
        self._owners: dict[tuple[str, str], str] = {}
        """The plug-in that registered a class, by the kind of class and its name."""
        self._statuses: dict[str, PluginStatus] = {}
        skip = set(disabled)
        for entry in sorted(entry_points(group=GROUP) if found is None else found, key=lambda entry: entry.name):
            self._statuses[entry.name] = self._load(entry, skip)

    def statuses(self) -> tuple[PluginStatus, ...]:
        """Return every plug-in found, by name, with what became of it."""
        return tuple(self._statuses.values())

    def mark(self, kind: str, registered: str, state: PluginState, reason: str) -> None:
        """Record that the plug-in which owns a `driver` or a `storage` failed after it was loaded."""
        name = self._owners[kind, registered]
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
            provides = self._take(entry.name, plugin)
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

    def _take(self, name: str, plugin: object) -> tuple[str, ...]:
        """Take all that a plug-in registers, or raise and take nothing."""
        offers = [(kind, self._offered(plugin, kind)) for kind in _KINDS]
        for kind, classes in offers:
            getattr(self, kind.place).update(classes)
        taken = [(kind.noun, registered) for kind, classes in offers for registered in classes]
        self._owners |= dict.fromkeys(taken, name)
        return tuple(" ".join(each) for each in taken)

    def _offered(self, plugin: object, kind: "_Kind") -> dict[str, Any]:
        others = [other for other in self._plugins.get_plugins() if other is not plugin]
        offered: list[Any] = self._plugins.subset_hook_caller(f"gateway_register_{kind.place}", others)()
        found: dict[str, Any] = {}
        for mapping in offered:
            for name, implementation in mapping.items():
                self._check(kind, name, implementation)
                found[name] = implementation
        return found

    def _check(self, kind: "_Kind", name: str, implementation: object) -> None:
        noun = kind.noun
        if not (isinstance(implementation, type) and issubclass(implementation, kind.base)):
            raise PluginError(f"{noun} {name!r} is {implementation!r}, not a subclass of {kind.base.__name__}")
        if (noun, name) in self._owners:
            raise PluginError(f"{noun} {name!r} is already registered by plug-in {self._owners[noun, name]!r}")
        if kind.settings and not hasattr(implementation, "Settings"):
            raise PluginError(f"{noun} {name!r} has no Settings dataclass")
