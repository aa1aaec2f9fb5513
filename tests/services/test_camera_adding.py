"""Trying a camera step by step, with one login or some."""

import asyncio
from dataclasses import dataclass

import pytest

from gateway.domain.camera import CameraInfo
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.sdk.driver import CameraDriver, DriverContext, MediaSink
from gateway.services.camera_adding import LOGIN_PAUSE, CameraTrial, StepResult, try_camera, try_logins
from gateway.testing.clock import FakeClock, settle
from gateway.testing.drivers import driver_context
from gateway.testing.streams import video_description, video_unit

ACME = CameraInfo("Acme", "Eye", "1.2")


@dataclass(frozen=True, slots=True)
class Script:
    info: CameraInfo | GatewayError = ACME
    stream: GatewayError | None = None
    keyframe: bool = True
    ends: bool = False


class ScriptedDriver(CameraDriver):
    Settings = Script

    def __init__(self, script: Script, context: DriverContext | None = None) -> None:
        super().__init__(script, context or driver_context(FakeClock()))
        self.streaming = False

    def profiles(self) -> tuple[str, ...]:
        return ("main",)

    async def info(self) -> CameraInfo:
        if isinstance(self.settings.info, GatewayError):
            raise self.settings.info
        return self.settings.info

    async def stream(self, profile: str, sink: MediaSink) -> None:
        assert profile == "main"
        if self.settings.stream:
            raise self.settings.stream
        self.streaming = True
        try:
            sink.describe(video_description())
            sink.deliver(video_unit(0, keyframe=self.settings.keyframe))
            if not self.settings.ends:
                await asyncio.Event().wait()
        finally:
            self.streaming = False


async def tried(**script: object) -> CameraTrial:
    driver = ScriptedDriver(Script(**script))  # type: ignore[arg-type]
    trial = await try_camera(driver, picture_seconds=0.05)
    assert not driver.streaming
    return trial


def outcome(trial: CameraTrial) -> list[tuple[str, bool]]:
    return [(result.step.value, result.passed) for result in trial.steps]


YES = [("reachable", True), ("logged in", True), ("described", True), ("first picture", True)]


async def test_a_camera_that_works_passes_every_step() -> None:
    trial = await tried()
    assert (trial.passed, outcome(trial)) == (True, YES)
    assert [result.detail for result in trial.steps] == [
        "",
        "",
        "Acme Eye, firmware 1.2",
        "H264 640x360, 25 frames per second",
    ]


@pytest.mark.parametrize(
    ("kind", "failed"),
    [(ErrorKind.UNAVAILABLE, 0), (ErrorKind.UNAUTHENTICATED, 1), (ErrorKind.UNSUPPORTED, 2), (ErrorKind.NOT_FOUND, 2)],
)
async def test_an_error_belongs_to_the_step_that_it_stops(kind: ErrorKind, failed: int) -> None:
    trial = await tried(info=GatewayError(kind, "camera c says no"))
    assert outcome(trial) == [*YES[:failed], (YES[failed][0], False)]
    assert (trial.failure, trial.steps[-1].detail) == (kind, "camera c says no")


async def test_media_that_are_refused_fail_the_last_step_of_a_camera_that_was_described() -> None:
    trial = await tried(stream=GatewayError(ErrorKind.UNAVAILABLE, "camera c:554 can't be reached: Connection refused"))
    refused = StepResult(trial.steps[-1].step, passed=False, detail="camera c:554 can't be reached: Connection refused")
    assert (outcome(trial)[:3], trial.steps[-1]) == (YES[:3], refused)


async def test_a_driver_that_asks_nothing_before_it_plays_is_tried_by_playing() -> None:
    assert (await tried(info=CameraInfo())).passed
    trial = await tried(info=CameraInfo(), stream=GatewayError(ErrorKind.UNAUTHENTICATED, "no"))
    assert outcome(trial) == [("reachable", True), ("logged in", False)]


async def test_a_camera_without_a_key_frame_or_that_ends_has_no_picture() -> None:
    trial = await tried(keyframe=False)
    assert trial.steps[-1].detail == "the camera has sent no key frame within 0.05 s"
    trial = await tried(keyframe=False, ends=True)
    assert trial.steps[-1].detail == "the camera ended the stream before the first picture"


async def test_logins_are_tried_with_pauses_until_one_is_not_refused() -> None:
    clock, used = FakeClock(), list[str]()
    refusal = GatewayError(ErrorKind.UNAUTHENTICATED, "no")

    def make(login: str) -> CameraDriver:
        used.append(login)
        return ScriptedDriver(Script(ACME if login == "right" else refusal))

    trying = asyncio.create_task(try_logins(["wrong", "right", "other"], make, clock))
    await settle()
    assert (used, clock.sleeping) == (["wrong"], (LOGIN_PAUSE,))
    await clock.advance(LOGIN_PAUSE)
    login, trial = await trying
    assert (login, trial.passed, used) == ("right", True, ["wrong", "right"])


async def test_a_camera_is_tried_with_three_logins_at_most() -> None:
    with pytest.raises(GatewayError, match="a camera is tried with 1 to 3 logins, not 4: it may lock the account"):
        await try_logins(["a", "b", "c", "d"], lambda _: ScriptedDriver(Script()), FakeClock())
