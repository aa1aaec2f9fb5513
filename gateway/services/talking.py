"""Talking to cameras: who talks to which one, and how much of it gets there (ONVIF Streaming §5.3).

One talks to a camera at a time: who speaks first, until it has ended its session, said BYE, or fallen silent. What
others say meanwhile is thrown away. The driver is called only while somebody speaks.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.abilities import Abilities
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import TrackDescription
from gateway.sdk.clock import Clock
from gateway.sdk.controls import AudioBackchannel, CameraControls
from gateway.services.cameras import camera_path

MAX_PACKET = 2048
"""Bytes."""
RATE, BURST = 32_000, 64_000
"""Bytes per second, and at once: twice what the greediest speech codec needs, with its headers."""
LEAST_CHARGE = 100
"""Bytes that a packet counts at least, so that small ones can't come in thousands."""
MAX_QUEUED = 64
"""Packets, about a second; while the camera takes none, the oldest are dropped."""
SILENCE_SECONDS = 4.0
"""After which a camera is free for the next one who talks."""
ENDING_SECONDS = 5.0
"""For a driver to take leave of its camera."""
RETRY_SECONDS = 5.0
"""Before a camera is tried again that could not be talked to."""

Audit = Callable[[str, str, str], None]
"""Takes account, address, and what was done."""

_log = logging.getLogger(__name__)


class Controls(Protocol):
    """What can be done to cameras."""

    def abilities(self, camera: str) -> Abilities:
        """Return what can be controlled, as last heard."""
        ...

    def live(self, camera: str) -> CameraControls:
        """Return the controls. Raises GatewayError before the camera was reached."""
        ...


class Talks:
    """All cameras that can be talked to."""

    def __init__(self, controls: Controls, audit: Audit, clock: Clock) -> None:
        self._controls = controls
        self._audit = audit
        self._clock = clock
        self._lines: dict[str, _Line] = {}

    def tracks(self, path: str) -> tuple[TrackDescription, ...]:
        """Return what the camera of a live RTSP path can be told in; nothing when it can't hear."""
        camera = _camera(path)
        return self._controls.abilities(camera).loudspeaker if camera else ()

    def talker(self, path: str) -> str:
        """Return the account that talks to the camera of a path now, empty when nobody does."""
        line = self._lines.get(_camera(path))
        return "" if line is None or line.call is None or line.call.over else line.call.talk.account

    def open(self, path: str, account: str, address: str) -> "Talk":
        """Let a client talk to the camera of a path, which can hear."""
        camera = _camera(path)
        line = self._lines.get(camera)
        if line is None:
            line = self._lines[camera] = _Line(camera, self._controls, self._audit, self._clock)
        return Talk(line, account, address)

    async def stop(self) -> None:
        """Have nobody talk any more."""
        await asyncio.gather(*(line.stop() for line in self._lines.values()))


@dataclass(eq=False, frozen=True, slots=True)
class Talk:
    """One client's way to a camera's loudspeaker."""

    line: "_Line"
    account: str
    address: str

    def deliver(self, track: TrackDescription, packet: bytes) -> bool:
        """Take an RTP packet of a track; tell whether it goes to the camera. Does not block."""
        return self.line.take(self, track, packet)

    def close(self) -> None:
        """Leave the camera to others, for now or for good."""
        self.line.hang_up(self)


@dataclass(eq=False, slots=True)
class _Call:
    """What is said from the first packet until the camera is free again."""

    talk: Talk
    track: TrackDescription
    heard: float
    """When the last packet came."""
    allowance: float = BURST
    queue: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_QUEUED))
    news: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    passed: int = 0
    dropped: int = 0

    def take(self, packet: bytes, now: float) -> bool:
        self.allowance = min(BURST, self.allowance + (now - self.heard) * RATE)
        self.heard = now
        charge = max(len(packet), LEAST_CHARGE)
        if charge > self.allowance or len(packet) > MAX_PACKET:
            self.dropped += 1
            return False
        self.allowance -= charge
        self.dropped += len(self.queue) == MAX_QUEUED
        self.passed += 1
        self.queue.append(packet)
        self.news.set()
        return True

    def end(self) -> None:
        self.over = True
        self.news.set()

    async def packets(self) -> AsyncIterator[bytes]:
        while True:
            while self.queue:
                yield self.queue.popleft()
            if self.over:
                return
            self.news.clear()
            await self.news.wait()


class _Line:
    """One camera's loudspeaker."""

    def __init__(self, camera: str, controls: Controls, audit: Audit, clock: Clock) -> None:
        self.call: _Call | None = None
        self._camera = camera
        self._controls = controls
        self._audit = audit
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0

    def take(self, talk: Talk, track: TrackDescription, packet: bytes) -> bool:
        now = self._clock.monotonic()
        if self.call is None and now >= self._not_before and len(packet) <= MAX_PACKET:
            self.call = _Call(talk, track, now)
            self._task = asyncio.create_task(self._run(self.call), name=f"talk to camera {self._camera}")
        call = self.call
        if call is None or call.over or call.talk is not talk or call.track != track:
            return False
        return call.take(packet, now)

    def hang_up(self, talk: Talk) -> None:
        if self.call is not None and self.call.talk is talk:
            self.call.end()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, call: _Call) -> None:
        """Speak until the call is over; the camera is free for another afterwards."""
        self._tell(call, f"talks to camera {self._camera!r} in {call.track.encoding}")
        speaking = asyncio.create_task(self._speak(call))
        watching = asyncio.create_task(self._watch(call))
        try:
            await asyncio.wait({speaking, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            speaking.cancel()
            watching.cancel()
            await asyncio.gather(speaking, watching, return_exceptions=True)
            self.call = None
        why = "has ended" if speaking.cancelled() else speaking.result()
        self._tell(
            call, f"no longer talks to camera {self._camera!r}: {call.passed} packets, {call.dropped} dropped; {why}"
        )

    async def _speak(self, call: _Call) -> str:
        """Hand the packets to the driver, which may be a stranger's; return how it ended."""
        try:
            await self._loudspeaker().talk(call.track, call.packets())
        except GatewayError as error:
            why = error.message
        except Exception as error:  # noqa: BLE001 - a driver's fault ends one talk, and nothing else
            _log.exception("camera %s: its driver failed", self._camera)
            why = f"its driver failed: {type(error).__name__}: {error}"
        else:
            why = "has ended"
        if not call.over:
            self._not_before = self._clock.monotonic() + RETRY_SECONDS
        return why

    def _loudspeaker(self) -> AudioBackchannel:
        backchannel = self._controls.live(self._camera).backchannel
        if backchannel is None:
            raise GatewayError(ErrorKind.UNSUPPORTED, f"camera {self._camera!r} has no loudspeaker any more")
        return backchannel

    async def _watch(self, call: _Call) -> None:
        """Notice silence, and a driver that does not come to an end."""
        while not call.over:
            await self._clock.sleep(SILENCE_SECONDS / 4)
            if self._clock.monotonic() - call.heard >= SILENCE_SECONDS:
                call.end()
        await self._clock.sleep(ENDING_SECONDS)

    def _tell(self, call: _Call, what: str) -> None:
        _log.info("%r at %s %s", call.talk.account, call.talk.address, what)
        self._audit(call.talk.account, call.talk.address, what)


def _camera(path: str) -> str:
    """Return the camera that a live path belongs to, empty for any other path."""
    prefix = camera_path("")
    return path.removeprefix(prefix).partition("/")[0] if path.startswith(prefix) else ""
