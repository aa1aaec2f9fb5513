"""Cameras' encoders set anew, and set back when no picture comes of it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine

from gateway.domain.encoder import VideoEncoderSettings
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, StreamDescription
from gateway.sdk.clock import Clock
from gateway.services.controls import Controls
from gateway.services.streams import LiveStream

SHOWN_SECONDS = 5.0
"""For which a client waits for the stream to be as it wanted: it reads the configuration next."""
SETTLING_SECONDS = 3.0
"""Within which pictures may still be those from before."""
PICTURE_SECONDS = 25.0
"""Until there must be a key frame again."""

_log = logging.getLogger(__name__)


class Encoders:
    """Sets encoders; one change of a stream at a time."""

    def __init__(
        self,
        controls: Controls,
        stream_of: Callable[[str, str], LiveStream | None],
        clock: Clock,
        set_back: Callable[[str, str], None],
    ) -> None:
        """`stream_of` takes camera and profile; `set_back` is told a camera and what was undone."""
        self._controls = controls
        self._stream_of = stream_of
        self._clock = clock
        self._set_back = set_back
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._guards: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def set_encoder(self, camera: str, profile: str, settings: VideoEncoderSettings) -> None:
        """Set an encoder and wait a little for the stream to show it. Raises GatewayError."""
        async with self._locks[camera, profile]:
            known = self._controls.abilities(camera).encoders.get(profile)
            encoding = self._controls.live(camera).encoding
            if known is None or encoding is None:
                raise GatewayError(ErrorKind.UNSUPPORTED, f"the encoder {profile!r} of camera {camera!r} can't be set")
            watch = _Watch(self._stream_of(camera, profile), self._clock, _differs(known.settings, settings))
            try:
                await self._controls.ask(camera, encoding.set_settings(profile, settings))
            except BaseException:
                watch.close()
                raise
            self._guard(camera, profile, watch, known.settings)
            if watch.anew:
                await self._within(watch.again.wait(), SHOWN_SECONDS)
            await self._controls.learn(camera)

    async def stop(self) -> None:
        """Guard nothing any more."""
        guards = list(self._guards.values())
        for guard in guards:
            guard.cancel()
        await asyncio.gather(*guards, return_exceptions=True)

    def _guard(self, camera: str, profile: str, watch: "_Watch", before: VideoEncoderSettings) -> None:
        if (older := self._guards.pop((camera, profile), None)) is not None:
            older.cancel()
        task = asyncio.create_task(self._see(camera, profile, watch, before), name=f"encoder of {camera} {profile}")
        task.add_done_callback(lambda _task: watch.close())
        self._guards[camera, profile] = task

    async def _see(self, camera: str, profile: str, watch: "_Watch", before: VideoEncoderSettings) -> None:
        """Wait for a picture; without one go back."""
        if await self._within(watch.picture.wait(), PICTURE_SECONDS):
            return
        what = f"{profile}: no picture within {PICTURE_SECONDS:g} s"
        try:
            encoding = self._controls.live(camera).encoding
            if encoding is not None:
                await self._controls.ask(camera, encoding.set_settings(profile, before))
                await self._controls.learn(camera)
                what += f"; set back to {before.encoding} {before.width}x{before.height}"
        except GatewayError as error:
            what += f"; it can't be set back: {error.message}"
        _log.warning("camera %s: %s", camera, what)
        self._set_back(camera, what)

    async def _within(self, wait: Coroutine[object, object, object], seconds: float) -> bool:
        """Tell whether something happened in time on the gateway's clock."""
        done = asyncio.ensure_future(wait)
        late = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({done, late}, return_when=asyncio.FIRST_COMPLETED)
            return done.done()
        finally:
            done.cancel()
            late.cancel()


class _Watch:
    """A reader of a stream, to see that it is as it was wanted, and that there are pictures."""

    def __init__(self, stream: LiveStream | None, clock: Clock, anew: bool) -> None:  # noqa: FBT001 - what it looks for
        self.anew = anew and stream is not None
        """Whether the stream must be described again."""
        self.again = asyncio.Event()
        self.picture = asyncio.Event()
        self._stream = stream
        self._clock = clock
        self._since = clock.monotonic()
        if stream is not None:
            stream.attach(self)

    def described(self, description: StreamDescription) -> None:  # noqa: ARG002 - that it is, is enough
        self.again.set()

    def deliver(self, unit: AccessUnit) -> None:
        settled = self._clock.monotonic() - self._since >= SETTLING_SECONDS
        if unit.keyframe and (self.again.is_set() or (settled and not self.anew)):
            self.picture.set()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.detach(self)


def _differs(before: VideoEncoderSettings, after: VideoEncoderSettings) -> bool:
    """Tell whether a stream must be described anew."""
    return (before.encoding, before.width, before.height) != (after.encoding, after.width, after.height)
