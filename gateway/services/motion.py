"""Motion: one supervised watcher per camera decodes some pictures, has an engine look, and tells what changes."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.camera import Channel, ConnectionState
from gateway.domain.errors import GatewayError
from gateway.domain.media import AccessUnit, TrackDescription
from gateway.domain.motion import MotionResult, MotionSettings, Tampering
from gateway.sdk.clock import Clock
from gateway.sdk.motion import GrayPicture, MotionEngine
from gateway.services.motion_events import MotionEvents
from gateway.services.motion_frames import FrameQueue, Mode, Pace
from gateway.services.motion_rules import MotionRules
from gateway.services.motion_states import Change, MotionMarks, MotionStates
from gateway.services.streams import LiveStream

AGAIN_SECONDS = 5.0
"""Until a camera whose decoder or engine failed is looked at again."""
TICK_SECONDS = 1.0
SILENCE_SECONDS, KEY_FRAME_SILENCE_SECONDS = 10.0, 60.0
"""Motion ends when no picture has come for so long, or for three times the usual time between them."""
_STEADY_TICKS = 60
"""Without a loss, until another one is logged."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MotionSpec:
    """One camera to watch."""

    camera: str
    mode: Mode
    width: int
    """Of the pictures that the engine gets, at most."""
    engine: Callable[[MotionSettings], MotionEngine]
    """Makes an engine. Called in a decoder's thread."""
    tampering: frozenset[Tampering] = frozenset()
    """What the engine recognises."""


Look = Callable[[GrayPicture], MotionResult]
Due = Callable[[int], bool]


class Pictures(Protocol):
    """Decodes one stream. Once it has raised it is of no more use."""

    async def look(self, units: Sequence[AccessUnit], due: Due, look: Look) -> list[MotionResult]:
        """Decode a frame, and return what `look` finds in the pictures that this completes and that are `due`.

        Both are called in the decoder's thread. Raises GatewayError, and what `look` raises.
        """
        ...


class Decoders(Protocol):
    """Where pictures are decoded."""

    def pictures(self, track: TrackDescription, width: int, *, key_frames_only: bool) -> Pictures:
        """Return a decoder of a track that scales down to a width. Raises GatewayError."""
        ...


@dataclass(frozen=True, slots=True)
class MotionPorts:
    """What every watcher needs of others."""

    streams: Callable[[str], LiveStream | None]
    """The live stream to look at, by a camera's id."""
    decoders: Decoders
    ends_frame: Callable[[AccessUnit], bool]
    """Whether a unit is the last one of its frame."""
    clock: Clock


class Motion:
    """The watchers of all cameras with motion. `run` does it until cancelled."""

    def __init__(
        self, specs: Sequence[MotionSpec], rules: MotionRules, events: MotionEvents, ports: MotionPorts
    ) -> None:
        self._rules = rules
        self._events = events
        self._ports = ports
        self._watchers: list[Callable[[str, MotionResult], None]] = []
        self._watches: dict[str, Watch] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._add(specs)
        rules.watch(self._rules_changed)

    async def follow(self, specs: Sequence[MotionSpec]) -> None:
        """Watch these cameras from now on, by the rules that there are now; those whose spec is the same go on."""
        same = {spec.camera for spec in specs if (old := self._watches.get(spec.camera)) and old.spec == spec}
        for camera in self._watches.keys() - same:
            watch = self._watches.pop(camera)
            if (task := self._running.pop(camera, None)) is not None:
                task.cancel()
                await asyncio.wait({task})
            watch.forget()
        self._add([spec for spec in specs if spec.camera not in same])

    def watch(self, watcher: Callable[[str, MotionResult], None]) -> None:
        """Have a function called with a camera's id and what each picture shows that was looked at."""
        self._watchers.append(watcher)

    def strongest(self, camera: str, start_ns: int, end_ns: int) -> int:
        """Return how strong motion lately was in a stretch of time, 0 to 255."""
        watch = self._watches.get(camera)
        return 0 if watch is None else watch.marks.strongest(start_ns, end_ns)

    def camera_changed(self, channel: Channel) -> None:
        """Take a change of a camera's state: motion ends with the picture."""
        watch = self._watches.get(channel.id)
        if watch is not None and channel.state is ConnectionState.OFFLINE:
            watch.end()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for watch in self._watches.values():
                self._start(watch)
            while True:
                await self._ports.clock.sleep(TICK_SECONDS)
                for watch in self._watches.values():
                    watch.tick()

    def _add(self, specs: Sequence[MotionSpec]) -> None:
        if specs:
            self._events.declare(kind for spec in specs for kind in spec.tampering)
        for spec in specs:
            watch = self._watches[spec.camera] = Watch(spec, self._rules, self._events, self._ports, self._found)
            self._start(watch)

    def _start(self, watch: "Watch") -> None:
        if self._tasks is not None:
            camera = watch.spec.camera
            self._running[camera] = self._tasks.create_task(watch.run(), name=f"motion {camera}")

    def _rules_changed(self, camera: str) -> None:
        if camera in self._watches:
            self._watches[camera].rules_changed()

    def _found(self, camera: str, result: MotionResult) -> None:
        for watcher in self._watchers:
            watcher(camera, result)


class Watch:
    """One camera: its queue of frames, its decoder, its engine and its states."""

    def __init__(
        self,
        spec: MotionSpec,
        rules: MotionRules,
        events: MotionEvents,
        ports: MotionPorts,
        found: Callable[[str, MotionResult], None],
    ) -> None:
        self.marks = MotionMarks()
        self.spec = spec
        self._rules = rules
        self._events = events
        self._ports = ports
        self._found = found
        self._frames = FrameQueue(spec.mode, ports.ends_frame)
        self._current = rules.of(spec.camera)
        self._states = MotionStates(self._current.rules, spec.tampering)
        self._settings = self._current.settings()
        self._engine: tuple[MotionEngine, MotionSettings, int, int] | None = None
        """The engine with what it was made for. Used by one decoder's thread at a time."""
        self._last = ports.clock.monotonic()
        """When a picture was last looked at."""
        self._complaint: str | None = None
        self._dropped = self._steady = 0

    async def run(self) -> None:
        """Watch the camera until cancelled, whatever fails."""
        stream = self._ports.streams(self.spec.camera)
        if stream is None:
            raise ValueError(f"there is no camera {self.spec.camera!r}")
        stream.attach(self._frames)
        if stream.description is not None:
            self._frames.described(stream.description)
        try:
            while True:
                try:
                    await self._watch()
                except GatewayError as error:
                    self._complain(error.message)
                except Exception as error:  # noqa: BLE001 - the supervisor of an engine, which may be a stranger's
                    self._complain(f"{type(error).__name__}: {error}")
                self._engine = None
                self.end()
                await self._ports.clock.sleep(AGAIN_SECONDS)
                self._frames.restart()
        finally:
            stream.detach(self._frames)
            self.end()

    def rules_changed(self) -> None:
        """Look for what the rules say now."""
        before, self._current = self._current, self._rules.of(self.spec.camera)
        kept = {(rule.kind, rule.name) for rule in self._current.rules}
        self._events.forget(self.spec.camera, [rule for rule in before.rules if (rule.kind, rule.name) not in kept])
        self._states = MotionStates(self._current.rules, self.spec.tampering)
        self._settings = self._current.settings()

    def end(self) -> None:
        """End all motion now."""
        self._tell(self._states.end(self._ports.clock.utc_ns()))

    def forget(self) -> None:
        """Take back all states: nobody looks any more."""
        self._events.forget_picture(self.spec.camera, self.spec.tampering)
        self._events.forget(self.spec.camera, self._current.rules)

    def tick(self) -> None:
        """Do what time asks for; called every second."""
        if self._ports.clock.monotonic() - self._last > _silence(self.spec.mode):
            self.end()
        dropped = self._frames.dropped
        if dropped != self._dropped and not self._steady:
            _log.warning("camera %s: motion is late, %d frames were given up so far", self.spec.camera, dropped)
        self._steady = _STEADY_TICKS if dropped != self._dropped else max(0, self._steady - 1)
        self._dropped = dropped

    async def _watch(self) -> None:
        """Look at frame after frame. Raises what decoder and engine raise."""
        generation: int | None = None
        pace = Pace(self.spec.mode)
        while True:
            frame = await self._frames.take()
            if generation != self._frames.generation and (track := self._frames.track) is not None:
                generation = self._frames.generation
                only = self.spec.mode == "keyframes"
                pictures = self._ports.decoders.pictures(track, self.spec.width, key_frames_only=only)
            for result in await pictures.look(frame.units, pace.due, self._look):
                self._take(result)

    def _look(self, picture: GrayPicture) -> MotionResult:
        """Have the engine look; in a decoder's thread."""
        made_for = (self._settings, picture.width, picture.height)
        if self._engine is None or self._engine[1:] != made_for:
            self._engine = (self.spec.engine(made_for[0]), *made_for)
        return self._engine[0].analyse(picture)

    def _take(self, result: MotionResult) -> None:
        self._last = self._ports.clock.monotonic()
        if self._complaint:
            _log.info("camera %s: motion is looked for again", self.spec.camera)
        self._complaint = ""
        self.marks.take(result)
        self._tell(self._states.take(result))
        self._found(self.spec.camera, result)

    def _tell(self, changes: Sequence[Change]) -> None:
        if changes:
            self._events.tell(self.spec.camera, self._current.rules, changes)

    def _complain(self, sentence: str) -> None:
        if sentence != self._complaint:
            _log.warning("camera %s: motion can't be looked for: %s", self.spec.camera, sentence)
        self._complaint = sentence


def _silence(mode: Mode) -> float:
    """Return after how many seconds without a picture motion is over."""
    if isinstance(mode, str):
        return KEY_FRAME_SILENCE_SECONDS if mode == "keyframes" else SILENCE_SECONDS
    return max(SILENCE_SECONDS, 3 / mode)
