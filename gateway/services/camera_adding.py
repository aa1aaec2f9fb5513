"""Trying a camera step by step before it is added, with logins from a set if need be."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from gateway.domain.camera import CameraInfo
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, MediaKind, StreamDescription
from gateway.sdk.clock import Clock
from gateway.sdk.driver import CameraDriver, Inspectable, Inspection

ASK_SECONDS: Final = 60.0
PICTURE_SECONDS: Final = 30.0
"""For the first key frame: some cameras make one every ten seconds."""
MAX_LOGINS: Final = 3
"""Of a set that one camera is tried with: many lock an account after five failures."""
LOGIN_PAUSE: Final = 10.0
"""Seconds between two logins."""
_NOTHING: Final = Inspection(CameraInfo())
_Login = TypeVar("_Login")


class Step(StrEnum):
    """What a camera must pass, in this order."""

    REACHABLE = "reachable"
    LOGGED_IN = "logged in"
    DESCRIBED = "described"
    FIRST_PICTURE = "first picture"


_ORDER: Final = tuple(Step)


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step went, in words."""

    step: Step
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CameraTrial:
    """What came of trying a camera: its steps, up to and with the first that failed."""

    steps: tuple[StepResult, ...]
    inspection: Inspection = _NOTHING
    failure: ErrorKind | None = None

    @property
    def passed(self) -> bool:
        """Tell whether the camera can be used."""
        return self.failure is None


async def try_camera(driver: CameraDriver, *, picture_seconds: float = PICTURE_SECONDS) -> CameraTrial:
    """Reach a camera, log in, have it describe itself and wait for a key frame of its main stream. Never raises."""
    inspection = _NOTHING
    done = -1
    try:
        async with asyncio.timeout(ASK_SECONDS):
            inspection = await inspect(driver)
        if inspection != _NOTHING:
            done = _ORDER.index(Step.DESCRIBED)
        picture = await _first_picture(driver, picture_seconds)
    except GatewayError as error:
        failed = max(done + 1, _FAILS.get(error.kind, _ORDER.index(Step.DESCRIBED)))
        return CameraTrial(_steps(failed, inspection, error.message), inspection, error.kind)
    except TimeoutError:
        message = f"the camera has not described itself within {ASK_SECONDS:g} s"
        return CameraTrial(_steps(_ORDER.index(Step.DESCRIBED), inspection, message), inspection, ErrorKind.UNAVAILABLE)
    return CameraTrial((*_steps(len(_ORDER), inspection, "")[:-1], picture), inspection)


async def inspect(driver: CameraDriver) -> Inspection:
    """Return what a driver finds of its camera: its information at least. Raises GatewayError."""
    if isinstance(driver, Inspectable):
        return await driver.inspect()
    return Inspection(await driver.info())


async def try_logins(
    logins: Sequence[_Login], make: Callable[[_Login], CameraDriver], clock: Clock
) -> tuple[_Login, CameraTrial]:
    """Try a camera with one login after the other, until one is not refused; the last one's trial if all are.

    Raises GatewayError (LIMIT) for more than `MAX_LOGINS`, before the first.
    """
    if not 0 < len(logins) <= MAX_LOGINS:
        message = f"a camera is tried with 1 to {MAX_LOGINS} logins, not {len(logins)}: it may lock the account"
        raise GatewayError(ErrorKind.LIMIT, message)
    for login in logins[:-1]:
        trial = await try_camera(make(login))
        if trial.failure is not ErrorKind.UNAUTHENTICATED:
            return login, trial
        await clock.sleep(LOGIN_PAUSE)
    return logins[-1], await try_camera(make(logins[-1]))


_FAILS: Final = {ErrorKind.UNAVAILABLE: 0, ErrorKind.UNAUTHENTICATED: 1}
"""The step that an error of a kind belongs to; after any other the camera was logged in to, but not understood."""


def _steps(failed: int, inspection: Inspection, message: str) -> tuple[StepResult, ...]:
    details = {Step.DESCRIBED: _about(inspection.info)}
    passed = tuple(StepResult(step, passed=True, detail=details.get(step, "")) for step in _ORDER[:failed])
    return passed if failed == len(_ORDER) else (*passed, StepResult(_ORDER[failed], passed=False, detail=message))


def _about(info: CameraInfo) -> str:
    firmware = f", firmware {info.firmware}" if info.firmware else ""
    return f"{info.manufacturer} {info.model}".strip() + firmware


async def _first_picture(driver: CameraDriver, seconds: float) -> StepResult:
    sink = _Picture()
    playing = asyncio.create_task(driver.stream("main", sink))
    try:
        async with asyncio.timeout(seconds):
            await asyncio.wait((playing, sink.seen), return_when=asyncio.FIRST_COMPLETED)
        if not sink.seen.done():
            await playing  # raises why, unless the driver ended without a word
            raise GatewayError(ErrorKind.UNAVAILABLE, "the camera ended the stream before the first picture")
    except TimeoutError:
        message = f"the camera has sent no key frame within {seconds:g} s"
        raise GatewayError(ErrorKind.UNAVAILABLE, message) from None
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
    return StepResult(Step.FIRST_PICTURE, passed=True, detail=sink.summary())


class _Picture:
    """A sink that waits for a key frame."""

    def __init__(self) -> None:
        self.seen: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._description: StreamDescription | None = None

    def describe(self, description: StreamDescription) -> None:
        self._description = description

    def deliver(self, unit: AccessUnit) -> None:
        described = self._description
        if described is None or self.seen.done() or not unit.keyframe:
            return
        if described.tracks[unit.track].kind is MediaKind.VIDEO:
            self.seen.set_result(None)

    def summary(self) -> str:
        described = self._description and self._description.first(MediaKind.VIDEO)
        if not described or described.video is None:
            return described.encoding if described else ""
        video = described.video
        return f"{described.encoding} {video.width}x{video.height}, {video.frame_rate:g} frames per second"
