"""Cameras: one supervised task each, which connects, backs off and connects again."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.domain.camera import PROFILE_NAMES, CameraInfo, Channel, ChannelProfile, ConnectionState
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import (
    AccessUnit,
    MediaKind,
    StreamDescription,
    TrackDescription,
    VideoParameters,
)
from gateway.sdk.clock import Clock
from gateway.sdk.driver import CameraDriver
from gateway.services.streams import LiveStream

FIRST_DELAY, LONGEST_DELAY = 0.2, 1.2
"""Seconds between attempts: a camera that comes back is playing again within 2 s."""

REFUSED_DELAY = 30.0
"""Seconds after a refused password, so that the gateway never locks itself out of a camera."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """One configured camera with its driver."""

    id: str
    name: str
    driver: CameraDriver


class ChannelMemory(Protocol):
    """Where the last known description of every profile survives a restart."""

    def load(self, path: str) -> StreamDescription | None:
        """Return what was last stored for an RTSP path."""
        ...

    def store(self, path: str, description: StreamDescription) -> None:
        """Keep a description for an RTSP path; returns at once."""
        ...


class Cameras:
    """All configured cameras, in their configured order."""

    def __init__(
        self, specs: Sequence[CameraSpec], memory: ChannelMemory, clock: Clock, jitter: random.Random | None = None
    ) -> None:
        self._cameras = {
            spec.id: _Camera(spec, memory, clock, jitter or random.Random(), self._changed, self._failed)
            for spec in specs
        }
        self._flows = {
            live_path(camera.spec.id, name): camera.flow(name)
            for camera in self._cameras.values()
            for name in PROFILE_NAMES
        }
        self._watchers: list[Callable[[Channel], None]] = []
        self._failure_watchers: list[Callable[[str, str, str], None]] = []

    def channels(self) -> tuple[Channel, ...]:
        """Return every camera as a VMS sees it, also those that are offline."""
        return tuple(camera.channel() for camera in self._cameras.values())

    def stream(self, path: str) -> LiveStream | None:
        """Return the live stream of an RTSP path."""
        flow = self._flows.get(path)
        return None if flow is None else flow.stream

    def description(self, path: str) -> StreamDescription | None:
        """Return the description of an RTSP path: the live one, or the last complete one while it is away."""
        flow = self._flows.get(path)
        return None if flow is None else flow.stream.description or flow.description()

    def watch(self, watcher: Callable[[Channel], None]) -> None:
        """Have a function called once for every change of a camera's state."""
        self._watchers.append(watcher)

    def watch_failures(self, watcher: Callable[[str, str, str], None]) -> None:
        """Have a function called with camera, profile and error for every attempt to play that has failed."""
        self._failure_watchers.append(watcher)

    async def run(self) -> None:
        """Keep every camera connected until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for camera in self._cameras.values():
                tasks.create_task(camera.run(), name=f"camera {camera.spec.id}")

    def _changed(self, camera: "_Camera") -> None:
        channel = camera.channel()
        _log.info("camera %s is %s", channel.id, channel.state)
        for watcher in self._watchers:
            watcher(channel)

    def _failed(self, camera: str, profile: str, error: str) -> None:
        for watcher in self._failure_watchers:
            watcher(camera, profile, error)


def live_path(camera: str, profile: str) -> str:
    """Return the RTSP path of a live profile."""
    return f"{camera_path(camera)}/{profile}"


def camera_path(camera: str) -> str:
    """Return what the RTSP paths of a camera begin with."""
    return f"/live/{camera}"


class _Camera:
    def __init__(
        self,
        spec: CameraSpec,
        memory: ChannelMemory,
        clock: Clock,
        jitter: random.Random,
        changed: Callable[["_Camera"], None],
        failed: Callable[[str, str, str], None],
    ) -> None:
        self.spec = spec
        self._info = CameraInfo()
        self._changed = changed
        self._state = ConnectionState.CONNECTING
        names = [name for name in PROFILE_NAMES if name in spec.driver.profiles()] or [PROFILE_NAMES[0]]
        self._flows = {name: _Flow(spec, name, memory, clock, jitter, self._update, failed) for name in names}

    def flow(self, name: str) -> "_Flow":
        return self._flows.get(name) or next(iter(self._flows.values()))

    def channel(self) -> Channel:
        profiles = tuple(
            ChannelProfile(name, live_path(self.spec.id, name), flow.description(), flow.state)
            for name, flow in ((name, self.flow(name)) for name in PROFILE_NAMES)
        )
        return Channel(self.spec.id, self.spec.name, profiles, self._state, self._info)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for flow in self._flows.values():
                tasks.create_task(flow.run(), name=f"camera {self.spec.id} {flow.profile}")

    def _update(self, flow: "_Flow") -> None:
        state = self.flow(PROFILE_NAMES[0]).state
        if state is ConnectionState.ONLINE and flow.info is not None:
            self._info = flow.info
        if state is not self._state:
            self._state = state
            self._changed(self)


class _Flow:
    """One profile of one camera: the driver's sink and its supervisor."""

    def __init__(
        self,
        spec: CameraSpec,
        profile: str,
        memory: ChannelMemory,
        clock: Clock,
        jitter: random.Random,
        changed: Callable[["_Flow"], None],
        failed: Callable[[str, str, str], None],
    ) -> None:
        self.profile = profile
        self.state = ConnectionState.CONNECTING
        self.info: CameraInfo | None = None
        self._spec = spec
        self._memory = memory
        self._clock = clock
        self._jitter = jitter
        self._changed = changed
        self._failed = failed
        path = live_path(spec.id, profile)
        known = memory.load(path)
        self._known = known or unknown_description(profile)
        self.stream = LiveStream(path, known)
        self._complaint = ""

    def description(self) -> StreamDescription:
        """The stream's description, or the last complete one while the camera is away."""
        live = self.stream.description
        return live if live is not None and is_complete(live) else self._known

    def describe(self, description: StreamDescription) -> None:
        self.stream.describe(description)
        self._remember()

    def deliver(self, unit: AccessUnit) -> None:
        self._set_state(ConnectionState.ONLINE)
        self.stream.deliver(unit)
        self.deliver = self.stream.deliver  # type: ignore[method-assign]  # one call less for every frame while online

    async def run(self) -> None:
        try:
            await self._keep_connected()
        finally:
            self._remember()

    async def _keep_connected(self) -> None:
        delay = FIRST_DELAY
        while True:
            try:
                if self.profile == PROFILE_NAMES[0]:
                    self.info = await self._spec.driver.info()
                await self._spec.driver.stream(self.profile, self)
                refused, complaint = False, "the driver ended the stream"
            except GatewayError as error:
                refused, complaint = error.kind is ErrorKind.UNAUTHENTICATED, error.message
            except Exception as error:  # noqa: BLE001 - a driver's fault must not take the other cameras down
                _log.exception("camera %s %s: the driver failed", self._spec.id, self.profile)
                refused, complaint = False, f"{type(error).__name__}: {error}"
            if self.state is ConnectionState.ONLINE:
                delay = FIRST_DELAY
            self._lost(complaint)
            await self._clock.sleep(REFUSED_DELAY if refused else delay * self._jitter.uniform(0.75, 1.25))
            delay = min(delay * 2, LONGEST_DELAY)

    def _lost(self, complaint: str) -> None:
        if self.state is ConnectionState.ONLINE or complaint != self._complaint:
            _log.warning("camera %s %s: %s", self._spec.id, self.profile, complaint)
        self._complaint = complaint
        self._failed(self._spec.id, self.profile, complaint)
        vars(self).pop("deliver", None)
        self.stream.interrupted()
        self._remember()
        self._set_state(ConnectionState.OFFLINE)

    def _remember(self) -> None:
        """Keep what is known of the stream for the time that it is away, with what was measured."""
        live = self.stream.description
        if live is not None and is_complete(live) and live != self._known:
            self._known = live
            self._memory.store(self.stream.path, live)

    def _set_state(self, state: ConnectionState) -> None:
        if state is not self.state:
            self.state = state
            self._changed(self)


def is_complete(description: StreamDescription) -> bool:
    """Tell whether a VMS could be shown this description: its video has a size and a rate."""
    video = description.first(MediaKind.VIDEO)
    return video is not None and video.video is not None and video.video.width > 0 and video.video.frame_rate > 0


def unknown_description(profile: str) -> StreamDescription:
    """Return what a never seen camera shows: complete, since clients hang on a profile without an encoder."""
    size = (1920, 1080, 4_000_000) if profile == PROFILE_NAMES[0] else (640, 360, 512_000)
    video = VideoParameters(
        width=size[0], height=size[1], frame_rate=25.0, bitrate=size[2], gop_length=50, codec_profile="Main"
    )
    track = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000, fmtp="packetization-mode=1")
    return StreamDescription((replace(track, video=video),))
