"""Configured cameras become drivers; what can't be had is named, and keeps its place."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import tomli

from gateway.config import Camera, Config, ConfigError, settings_for
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.drivers import camera_specs, demo_cameras
from gateway.registry import PluginState, Registry
from gateway.sdk.driver import CameraDriver, DriverContext, MediaSink
from gateway.testing.clock import FakeClock

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class _Settings:
    url: str = "x"


def _driver(start: Callable[[], None]) -> type[CameraDriver]:
    class Driver(CameraDriver):
        Settings = _Settings

        def __init__(self, settings: _Settings, context: DriverContext) -> None:
            super().__init__(settings, context)
            start()

        def profiles(self) -> tuple[str, ...]:
            return ("main",)

        async def stream(self, profile: str, sink: MediaSink) -> None:
            raise AssertionError

    return Driver


def _registry(*entries: EntryPoint, **drivers: type[CameraDriver]) -> Registry:
    registry = Registry((), entries)
    registry.drivers |= drivers
    registry._owners |= {("driver", name): "mine" for name in drivers}
    return registry


BROKEN = EntryPoint("mine", "no_such_module_here", "gateway")


def _config(*cameras: Camera) -> Config:
    return Config(cameras=cameras)


def test_cameras_keep_their_order_and_names() -> None:
    registry = _registry(mine=_driver(lambda: None))
    config = _config(Camera(id="b", driver="mine", name="Back"), Camera(id="a", driver="mine"))
    specs = camera_specs(config, registry, FakeClock())
    assert [(spec.id, spec.name) for spec in specs] == [("b", "Back"), ("a", "a")]


def test_every_wrong_camera_is_named_at_once() -> None:
    registry = _registry(mine=_driver(lambda: None))
    config = _config(Camera(id="a", driver="mien"), Camera(id="b", driver="mine", settings={"ulr": "x"}))
    with pytest.raises(ConfigError) as caught:
        camera_specs(config, registry, FakeClock())
    assert caught.value.problems == (
        "camera[0].driver: there is no driver 'mien'; did you mean 'mine'?",
        "camera[1].settings.ulr: unknown key; did you mean 'url'?",
    )


async def test_a_camera_of_a_broken_plugin_stays_in_its_place_and_says_why() -> None:
    config = _config(Camera(id="a", driver="theirs"))
    (spec,) = camera_specs(config, _registry(BROKEN), FakeClock())
    assert spec.driver.profiles() == ("main", "sub")
    with pytest.raises(GatewayError, match="there is no driver 'theirs'; plug-ins not running: mine") as caught:
        await spec.driver.stream("main", None)  # type: ignore[arg-type]
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    with pytest.raises(ConfigError, match="plug-ins not running: mine"):
        camera_specs(config, _registry(BROKEN), FakeClock(), strict=True)


def test_a_driver_that_fails_to_start_marks_its_plugin_and_the_rest_runs() -> None:
    def fail() -> None:
        raise ZeroDivisionError("oops")

    registry = _registry(BROKEN, bad=_driver(fail), good=_driver(lambda: None))
    specs = camera_specs(_config(Camera(id="a", driver="bad"), Camera(id="b", driver="good")), registry, FakeClock())
    assert [spec.id for spec in specs] == ["a", "b"]
    (status,) = registry.statuses()
    assert (status.state, status.reason) == (
        PluginState.FAILED,
        "driver 'bad' failed to start: ZeroDivisionError: oops",
    )


def test_a_driver_that_refuses_its_settings_is_an_error_of_the_configuration() -> None:
    def refuse() -> None:
        raise GatewayError(ErrorKind.INVALID, "the port 99999 does not exist")

    with pytest.raises(ConfigError, match=r"camera\[0\].settings: the port 99999 does not exist"):
        camera_specs(_config(Camera(id="a", driver="bad")), _registry(bad=_driver(refuse)), FakeClock())


def test_simulated_cameras_leave_configured_ids_alone() -> None:
    watched = demo_cameras(motion=True)
    assert all(camera.motion.enabled and camera.motion.zones and camera.motion.masks for camera in watched)
    assert not any(camera.motion.enabled for camera in demo_cameras())
    names = [camera.id for camera in demo_cameras([Camera(id="lobby", driver="rtsp")])]
    assert names == ["parking", "warehouse", "gate"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_name_settings_that_their_drivers_have(path: Path) -> None:
    drivers = Registry().drivers
    for camera in tomli.loads(path.read_text())["camera"]:
        settings = {key: value for key, value in camera.get("settings", {}).items() if key != "password"}
        assert settings_for(drivers[camera["driver"]], settings, "settings")
