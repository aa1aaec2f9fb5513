"""Cameras' controls: what can be done to each camera, asked of it whenever it comes up, and done with a deadline."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

from gateway.domain.abilities import NO_ABILITIES, Abilities, EncoderAbility, RelayAbility
from gateway.domain.camera import Channel, ConnectionState
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.imaging import FocusMoveOptions
from gateway.sdk.clock import Clock
from gateway.sdk.controls import CameraControls, Controllable

LEARN_SECONDS = 60.0
"""For a camera to tell what can be controlled: some take a second for each question."""
ASK_SECONDS = 8.0
"""For one thing done: clients give up after 10 s."""
FIRST_DELAY, LONGEST_DELAY = 2.0, 120.0
"""Seconds until a camera that did not tell is asked again; they double."""

_HOPELESS = (ErrorKind.UNSUPPORTED, ErrorKind.UNAUTHENTICATED)
"""A camera that refuses the login must not lock the account."""
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Memory(Protocol):
    """Where what was learnt survives a restart."""

    def load(self, key: str) -> object | None:
        """Return a stored JSON value, or None."""
        ...

    def store(self, key: str, value: object) -> None:
        """Keep a JSON value; returns at once."""
        ...


class Controls:
    """What can be controlled of all cameras. `run` keeps it up to date until cancelled."""

    def __init__(self, drivers: Mapping[str, object], memory: Memory, clock: Clock) -> None:
        """`drivers` are those of all cameras by id, in order; those that let nothing be controlled are left out."""
        self._cameras = {
            camera: _Camera(camera, driver, memory, clock, self._learnt)
            for camera, driver in drivers.items()
            if isinstance(driver, Controllable)
        }
        self._watchers: list[Callable[[str], None]] = []
        self.revision = 0
        """Counts changes, so that what is derived from them can be kept until the next one."""

    def abilities(self, camera: str) -> Abilities:
        """Return what can be controlled of a camera, as last heard."""
        known = self._cameras.get(camera)
        return NO_ABILITIES if known is None else known.abilities

    def all(self) -> tuple[Abilities, ...]:
        """Return what can be controlled of each camera that lets itself be controlled."""
        return tuple(camera.abilities for camera in self._cameras.values())

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Have a function called with a camera's id after every change of what can be controlled of it."""
        self._watchers.append(watcher)

    def camera_changed(self, channel: Channel) -> None:
        """Ask a camera that has come up what it has."""
        if channel.state is ConnectionState.ONLINE and channel.id in self._cameras:
            self._cameras[channel.id].wanted.set()

    async def learn(self, camera: str) -> None:
        """Ask a camera now what it has. Raises GatewayError."""
        await self._cameras[camera].learn()

    def live(self, camera: str) -> CameraControls:
        """Return a camera's controls. Raises GatewayError before it was reached once since the start."""
        known = self._cameras.get(camera)
        if known is None:
            raise GatewayError(ErrorKind.UNSUPPORTED, f"nothing can be controlled of camera {camera!r}")
        if known.live is None:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"camera {camera!r} has not been reached yet")
        return known.live

    async def ask(self, camera: str, answer: Awaitable[_T]) -> _T:
        """Await what a camera's control does. Raises GatewayError for every way in which it can fail."""
        return await _within(camera, ASK_SECONDS, answer)

    async def run(self) -> None:
        """Keep learning until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for camera in self._cameras.values():
                tasks.create_task(camera.run(), name=f"controls of camera {camera.id}")

    def _learnt(self, camera: str) -> None:
        self.revision += 1
        for watcher in self._watchers:
            watcher(camera)


class _Camera:
    def __init__(
        self, camera: str, driver: Controllable, memory: Memory, clock: Clock, learnt: Callable[[str], None]
    ) -> None:
        self.id = camera
        self.wanted = asyncio.Event()
        self.live: CameraControls | None = None
        self._driver = driver
        self._memory = memory
        self._clock = clock
        self._learnt = learnt
        self._complaint = ""
        self.abilities = self._remembered()

    async def run(self) -> None:
        while True:
            await self.wanted.wait()
            self.wanted.clear()
            delay = FIRST_DELAY
            while not await self._told():
                await self._clock.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)

    async def _told(self) -> bool:
        """Ask; tell whether there is no use in asking again before the camera has gone and come."""
        complaint, hopeless = "", True
        try:
            await self.learn()
        except GatewayError as error:
            complaint, hopeless = error.message, error.kind in _HOPELESS
        if complaint and complaint != self._complaint:
            _log.warning("camera %s: its controls are not known: %s", self.id, complaint)
        self._complaint = complaint
        return hopeless

    async def learn(self) -> None:
        self.live, abilities = await _within(self.id, LEARN_SECONDS, self._read())
        if abilities != self.abilities:
            self.abilities = abilities
            self._memory.store(_key(self.id), msgspec.to_builtins(abilities))
            self._learnt(self.id)

    async def _read(self) -> tuple[CameraControls, Abilities]:
        controls = await self._driver.controls()
        encoding, imaging, relays = controls.encoding, controls.imaging, controls.relays
        encoders, outputs = {}, {}
        if encoding is not None:
            for profile, options in encoding.options.items():
                encoders[profile] = EncoderAbility(tuple(options), await encoding.settings(profile))
        if relays is not None:
            made = {output.token: output for output in await relays.outputs()}
            outputs = {token: RelayAbility(how, made[token]) for token, how in relays.options.items() if token in made}
        inputs = () if controls.inputs is None else await controls.inputs.inputs()
        return controls, Abilities(
            encoders=encoders,
            imaging=None if imaging is None else imaging.options,
            focus=FocusMoveOptions() if imaging is None else imaging.move_options,
            ptz=None if controls.ptz is None else controls.ptz.node,
            relays=outputs,
            inputs={each.token: each for each in inputs},
            loudspeaker=() if controls.backchannel is None else controls.backchannel.tracks,
        )

    def _remembered(self) -> Abilities:
        stored = self._memory.load(_key(self.id))
        if stored is None:
            return NO_ABILITIES
        try:
            return msgspec.convert(stored, Abilities)
        except msgspec.ValidationError as error:
            _log.warning("what could be controlled of camera %s is forgotten: %s", self.id, error)
            return NO_ABILITIES


async def _within(camera: str, seconds: float, answer: Awaitable[_T]) -> _T:
    """Await a driver, which may be a stranger's: whatever it raises becomes a GatewayError."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except GatewayError:
        raise
    except TimeoutError:
        raise GatewayError(ErrorKind.UNAVAILABLE, f"camera {camera!r} did not answer within {seconds:g} s") from None
    except Exception as error:
        _log.exception("camera %s: its driver failed", camera)
        message = f"the driver of camera {camera!r} failed: {type(error).__name__}: {error}"
        raise GatewayError(ErrorKind.INTERNAL, message) from error


def _key(camera: str) -> str:
    return f"controls.{camera}"
