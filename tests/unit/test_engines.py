"""Configured motion becomes watchers with engines; what can't be had is named."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import tomli

from gateway.config import ConfigError, from_table
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.motion import MotionResult, MotionSettings, Tampering
from gateway.domain.motion_rules import ALL_CELLS, RuleKind
from gateway.engines import motion_source, motion_specs
from gateway.registry import PluginState, Registry
from gateway.sdk.motion import GrayPicture, MotionEngine
from gateway.services.motion_rules import cell_rule

CAMERAS = '[[camera]]\nid = "door"\ndriver = "x"\n[[camera]]\nid = "yard"\ndriver = "x"\n'
BROKEN = EntryPoint("mine", "no_such_module_here", "gateway")


@dataclass(frozen=True)
class _Settings:
    speed: int = 1
    depth: float = 0.5


def _engine(start: Callable[[], None] = lambda: None) -> type[MotionEngine]:
    class Engine(MotionEngine):
        Settings = _Settings
        tampering = frozenset({Tampering.DARK})

        def __init__(self, motion: MotionSettings, settings: _Settings) -> None:
            super().__init__(motion, settings)
            start()

        def analyse(self, picture: GrayPicture) -> MotionResult:
            return MotionResult(picture.utc_ns)

    return Engine


def _registry(*entries: EntryPoint, **engines: type[MotionEngine]) -> Registry:
    registry = Registry((), entries)
    registry.motion_engines |= engines
    registry._owners |= {("motion engine", name): "mine" for name in engines}
    return registry


def specs(text: str, registry: Registry | None = None, *, strict: bool = False) -> Any:
    config = from_table(tomli.loads(text), Path())
    return motion_specs(config, registry or _registry(framediff=_engine()), strict=strict)


def problems(text: str, registry: Registry | None = None, *, strict: bool = False) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        specs(text, registry, strict=strict)
    return caught.value.problems


def test_motion_is_off_unless_configured() -> None:
    assert specs(CAMERAS) == ([], {})


def test_what_all_cameras_have_and_what_one_has_otherwise() -> None:
    found, rules = specs(
        "[motion]\nenabled = true\nmode = 'keyframes'\nhold = 2\nsettings = { speed = 3, depth = 0.1 }\n"
        + CAMERAS
        + "[camera.motion]\nmode = 10\nwidth = 640\nhold = 7\nmasks = [[[0, 0], [1, 0], [0, 1]]]\n"
        + "settings = { speed = 4 }\n[[camera.motion.zone]]\nname = 'Gate'\nsensitivity = 80\n"
    )
    assert [(spec.camera, spec.mode, spec.width, spec.tampering) for spec in found] == [
        ("door", "keyframes", 320, {Tampering.DARK}),
        ("yard", 10.0, 640, {Tampering.DARK}),
    ]
    engines = [spec.engine(rules[spec.camera].settings()) for spec in found]
    assert [engine.settings for engine in engines] == [_Settings(3, 0.1), _Settings(4, 0.1)]
    assert rules["door"].rules == (cell_rule("Motion", ALL_CELLS, hold=2.0),)
    (gate,) = rules["yard"].rules
    assert (gate.kind, gate.name, gate.zone.sensitivity, gate.hold) == (RuleKind.REGION, "Gate", 80, 7.0)
    assert engines[1].motion == MotionSettings((gate.zone,), (((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)),))


def test_one_camera_may_be_on_or_off() -> None:
    on, off = "[camera.motion]\nenabled = true\n", "[camera.motion]\nenabled = false\n"
    assert [spec.camera for spec in specs(CAMERAS + on)[0]] == ["yard"]
    assert [spec.camera for spec in specs("[motion]\nenabled = true\n" + CAMERAS + off)[0]] == ["door"]


def test_settings_of_another_engine_are_its_own() -> None:
    text = "[motion]\nenabled = true\nsettings = { speed = 3 }\n" + CAMERAS + "[camera.motion]\nengine = 'other'\n"
    found, rules = specs(text, _registry(framediff=_engine(), other=_engine()))
    made = [spec.engine(rules[spec.camera].settings()).settings for spec in found]
    assert made == [_Settings(3), _Settings()]


def test_every_mistake_is_named_by_its_path() -> None:
    on = "[motion]\nenabled = true\n"
    assert problems(on + "engine = 'framedif'\n" + CAMERAS) == (
        "motion.engine: there is no motion engine 'framedif'; did you mean 'framediff'?",
    )
    assert problems(on + CAMERAS + "[camera.motion]\nengine = 'other'\n") == (
        "camera[1].motion.engine: there is no motion engine 'other'",
    )
    assert problems(on + "settings = { sped = 3 }\n" + CAMERAS) == (
        "motion.settings.sped: unknown key; did you mean 'speed'?",
    )
    assert problems(on + CAMERAS + "[camera.motion]\nsettings = { speed = 'x' }\n") == (
        "camera[1].motion.settings.speed: must be an integer, not 'x'",
    )


def test_an_engine_that_refuses_its_settings() -> None:
    def refuse() -> None:
        raise GatewayError(ErrorKind.INVALID, "speed must be less than 3")

    text = "[motion]\nenabled = true\n" + CAMERAS
    assert problems(text, _registry(framediff=_engine(refuse))) == ("motion.settings: speed must be less than 3",)


def test_an_engine_that_does_not_start_is_its_plug_ins_fault() -> None:
    def fail() -> None:
        raise ZeroDivisionError("no")

    registry = _registry(BROKEN, framediff=_engine(fail))
    assert specs("[motion]\nenabled = true\n" + CAMERAS, registry) == ([], {})
    (status,) = registry.statuses()
    assert status.state is PluginState.FAILED
    assert status.reason == "motion engine 'framediff' failed to start: ZeroDivisionError: no"


def test_an_engine_of_a_broken_plug_in_leaves_its_cameras_without_motion(caplog: pytest.LogCaptureFixture) -> None:
    text = "[motion]\nenabled = true\n" + CAMERAS
    registry = _registry(BROKEN)
    caplog.clear()
    assert specs(text, registry) == ([], {})
    sentence = "there is no motion engine 'framediff'; plug-ins not running: mine"
    assert [record.message for record in caplog.records] == [f"camera {name}: {sentence}" for name in ("door", "yard")]
    assert problems(text, registry, strict=True) == ("motion.engine: there is no motion engine 'framediff'",)


@pytest.mark.parametrize(
    ("everywhere", "here", "source"),
    [
        ("", "", "camera"),
        ("enabled = true", "", "gateway"),
        ("enabled = true", "enabled = false", "camera"),
        ("enabled = true\nsource = 'both'", "", "both"),
        ("source = 'both'", "enabled = true", "gateway"),
        ("source = 'both'", "enabled = true\nsource = 'off'", "off"),
    ],
)
def test_who_sees_motion_is_said_of_the_camera_or_of_all(everywhere: str, here: str, source: str) -> None:
    text = f"[motion]\n{everywhere}\n[[camera]]\nid = 'door'\ndriver = 'd'\n[camera.motion]\n{here}\n"
    config = from_table(tomli.loads(text), Path())
    assert motion_source(config, config.cameras[0]) == source
    assert bool(motion_specs(config, _registry(framediff=_engine()))[0]) == (source in {"gateway", "both"})
