"""One broken plug-in is isolated and named; the rest runs."""

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from gateway.registry import PluginState, Registry
from gateway.sdk.driver import CameraDriver, MediaSink
from gateway.sdk.hooks import hookimpl
from gateway.sdk.storage import StorageBackend


@dataclass(frozen=True)
class _Settings:
    url: str


class _Driver(CameraDriver):
    Settings = _Settings

    def profiles(self) -> tuple[str, ...]:
        return ("main",)

    async def stream(self, profile: str, sink: MediaSink) -> None:
        raise AssertionError


class _Storage(StorageBackend):
    Settings = _Settings


def _plugin(monkeypatch: pytest.MonkeyPatch, name: str, **functions: object) -> EntryPoint:
    module = ModuleType(name)
    for function_name, function in functions.items():
        setattr(module, function_name, hookimpl(function))  # type: ignore[type-var]
    monkeypatch.setitem(sys.modules, name, module)
    return EntryPoint(name, name, "gateway")


def _statuses(*entries: EntryPoint, disabled: tuple[str, ...] = ()) -> dict[str, tuple[PluginState, str]]:
    registry = Registry(disabled, entries)
    return {status.name: (status.state, status.reason) for status in registry.statuses()}


def test_a_good_plugin_registers_its_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry((), [_plugin(monkeypatch, "good", gateway_register_drivers=lambda: {"mine": _Driver})])
    assert registry.drivers == {"mine": _Driver}
    (status,) = registry.statuses()
    assert (status.state, status.provides) == (PluginState.ENABLED, ("driver mine",))


def test_a_plugin_may_register_a_storage_and_a_driver_of_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    both = _plugin(
        monkeypatch,
        "both",
        gateway_register_drivers=lambda: {"mine": _Driver},
        gateway_register_storages=lambda: {"mine": _Storage},
    )
    wrong = _plugin(monkeypatch, "wrong", gateway_register_storages=lambda: {"other": _Driver})
    registry = Registry((), [both, wrong])
    assert (registry.drivers, registry.storages) == ({"mine": _Driver}, {"mine": _Storage})
    first, second = registry.statuses()
    assert first.provides == ("driver mine", "storage mine")
    assert second.reason == f"storage 'other' is {_Driver!r}, not a subclass of StorageBackend"


def test_every_kind_of_breakage_is_named_and_the_rest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising() -> None:
        raise RuntimeError("no licence")

    def nothing() -> dict[str, type[CameraDriver]]:
        return {}

    entries = [
        _plugin(monkeypatch, "good", gateway_register_drivers=lambda: {"mine": _Driver}),
        EntryPoint("gone", "no_such_module_here", "gateway"),
        _plugin(monkeypatch, "misspelt", gateway_register_driver=nothing),
        _plugin(monkeypatch, "wants_more", gateway_register_drivers=lambda colour: {"c": colour}),
        _plugin(monkeypatch, "raising", gateway_register_drivers=raising),
        _plugin(monkeypatch, "empty"),
        _plugin(monkeypatch, "not_a_driver", gateway_register_drivers=lambda: {"odd": object}),
        _plugin(monkeypatch, "rival", gateway_register_drivers=lambda: {"mine": _Driver}),
        _plugin(monkeypatch, "off", gateway_register_drivers=raising),
    ]
    statuses = _statuses(*entries, disabled=("off",))
    assert statuses["good"] == (PluginState.ENABLED, "")
    assert statuses["gone"] == (PluginState.LOAD_ERROR, "ModuleNotFoundError: No module named 'no_such_module_here'")
    assert statuses["misspelt"] == (
        PluginState.LOAD_ERROR,
        "there is no hook 'gateway_register_driver'; did you mean 'gateway_register_drivers'?",
    )
    assert statuses["wants_more"][0] is PluginState.LOAD_ERROR
    assert "colour" in statuses["wants_more"][1]
    assert statuses["raising"] == (PluginState.FAILED, "RuntimeError: no licence")
    assert statuses["empty"][0] is PluginState.LOAD_ERROR
    assert statuses["not_a_driver"][1] == "driver 'odd' is <class 'object'>, not a subclass of CameraDriver"
    assert statuses["rival"] == (PluginState.FAILED, "driver 'mine' is already registered by plug-in 'good'")
    assert statuses["off"] == (PluginState.DISABLED, "disabled in the configuration")


def test_a_driver_that_fails_later_marks_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry((), [_plugin(monkeypatch, "good", gateway_register_drivers=lambda: {"mine": _Driver})])
    registry.mark("driver", "mine", PluginState.CONFIG_ERROR, "no such port 99999")
    (status,) = registry.statuses()
    assert (status.state, status.reason) == (PluginState.CONFIG_ERROR, "no such port 99999")
