"""The state of a simulated camera, and the controls that change it."""

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.domain.device_io import DigitalInput, IdleState, RelayMode, RelayOptions, RelayOutput
from gateway.domain.encoder import VideoEncoderOptions, VideoEncoderSettings
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.imaging import (
    AbsoluteFocus,
    ContinuousFocus,
    Exposure,
    ExposureOptions,
    Focus,
    FocusMoveOptions,
    FocusOptions,
    FocusStatus,
    ImagingOptions,
    ImagingSettings,
    RelativeFocus,
    WhiteBalance,
    WhiteBalanceOptions,
)
from gateway.domain.ptz import MoveStatus
from gateway.domain.ranges import Range
from gateway.sdk.clock import Clock
from gateway_testpattern.encoder import QUALITY
from gateway_testpattern.head import Axis, Head
from gateway_testpattern.loudspeaker import Loudspeaker
from gateway_testpattern.optics import NEUTRAL_LEVEL, View

FRAME_RATES = (30.0, 25.0, 20.0, 15.0, 12.0, 10.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0)
SIZES = ((1920, 1080), (1280, 720), (960, 540), (640, 360), (320, 180))
SHARP = 0.5
"""Where the focus is right."""
RIGHT_EXPOSURE = 10_000.0
"""Microseconds."""
_LEVEL, _UNIT, _SWING = Range(0.0, 100.0), Range(0.0, 1.0), Range(-1.0, 1.0)
_PROFILES = {"H264": ("Baseline",), "H265": ("Main",)}


class Encoders:
    """As `gateway.sdk.controls.VideoEncoding`; the pictures are made as `now` says, from the next one on."""

    def __init__(self, made: dict[str, VideoEncoderSettings], encodings: dict[str, tuple[str, ...]]) -> None:
        """`made` is what each profile begins with, `encodings` what it could be."""
        self.now = dict(made)
        self.options = {
            profile: tuple(_options(encoding, settings) for encoding in encodings[profile])
            for profile, settings in made.items()
        }

    async def settings(self, profile: str) -> VideoEncoderSettings:
        """Return what a profile is set to."""
        return self.now[profile]

    async def set_settings(self, profile: str, settings: VideoEncoderSettings) -> None:
        """Set a profile. Raises GatewayError for what can't be encoded."""
        option = next((each for each in self.options[profile] if each.encoding == settings.encoding), None)
        if option is None:
            raise GatewayError(ErrorKind.INVALID, f"profile {profile!r} can't be {settings.encoding!r}")
        if (settings.width, settings.height) not in option.resolutions:
            raise GatewayError(ErrorKind.INVALID, f"a picture can't be {settings.width}x{settings.height}")
        if settings.frame_rate not in option.frame_rates:
            raise GatewayError(ErrorKind.INVALID, f"there can't be {settings.frame_rate:g} frames per second")
        self.now[profile] = replace(settings, codec_profile=option.codec_profiles[0])


class Picture:
    """As `gateway.sdk.controls.Imaging`."""

    options = ImagingOptions(
        brightness=_LEVEL,
        color_saturation=_LEVEL,
        contrast=_LEVEL,
        exposure=ExposureOptions(("AUTO", "MANUAL"), exposure_time=Range(1000.0, 40_000.0)),
        focus=FocusOptions(("AUTO", "MANUAL"), default_speed=_UNIT),
        ir_cut_filter=("ON", "OFF", "AUTO"),
        white_balance=WhiteBalanceOptions(("AUTO", "MANUAL"), _SWING, _SWING),
    )
    move_options = FocusMoveOptions(
        absolute_position=_UNIT,
        absolute_speed=_UNIT,
        relative_distance=_SWING,
        relative_speed=_UNIT,
        continuous_speed=_SWING,
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lens = Axis(_UNIT, SHARP)
        self.now = ImagingSettings(
            brightness=NEUTRAL_LEVEL,
            color_saturation=NEUTRAL_LEVEL,
            contrast=NEUTRAL_LEVEL,
            exposure=Exposure("AUTO", exposure_time=RIGHT_EXPOSURE),
            focus=Focus("AUTO", default_speed=1.0),
            ir_cut_filter="AUTO",
            white_balance=WhiteBalance("AUTO", 0.0, 0.0),
        )

    async def settings(self) -> ImagingSettings:
        """Return the present settings."""
        return self.now

    async def set_settings(self, settings: ImagingSettings, *, persistent: bool) -> None:  # noqa: ARG002 - forgets everything
        """Change what is not None."""
        names = [field.name for field in fields(ImagingSettings)]
        changed: dict[str, Any] = {
            name: _kept(getattr(self.now, name), wanted)
            for name in names
            if (wanted := getattr(settings, name)) is not None
        }
        self.now = replace(self.now, **changed)

    async def move(self, move: AbsoluteFocus | RelativeFocus | ContinuousFocus) -> None:
        """Move the focus, which turns manual. Raises GatewayError for a place where it can't go."""
        now = self._clock.monotonic()
        if isinstance(move, ContinuousFocus):
            self._lens.run(now, move.speed, None)
        else:
            at = self._lens.position(now)
            target = move.position if isinstance(move, AbsoluteFocus) else at + move.distance
            if isinstance(move, AbsoluteFocus) and target not in _UNIT:
                raise GatewayError(ErrorKind.INVALID, f"the focus can't go to {target:g}, only from 0 to 1")
            self._lens.go(now, target, move.speed or 1.0)
        self.now = replace(self.now, focus=Focus("MANUAL", default_speed=1.0))

    async def stop(self) -> None:
        """Stop the focus."""
        self._lens.stop(self._clock.monotonic())

    async def status(self) -> FocusStatus:
        """Return where the focus is."""
        now = self._clock.monotonic()
        return FocusStatus(self._lens.position(now), MoveStatus.MOVING if self._lens.moving(now) else MoveStatus.IDLE)

    def view(self, place: tuple[float, float, float], *, lamp: bool) -> View:
        """Return how the scene is seen from a place."""
        now, (pan, tilt, zoom) = self.now, place
        light = now.exposure.exposure_time if now.exposure and now.exposure.mode == "MANUAL" else None
        balance = now.white_balance if now.white_balance and now.white_balance.mode == "MANUAL" else None
        manual = now.focus is not None and now.focus.mode == "MANUAL"
        wrong = abs(self._lens.position(self._clock.monotonic()) - SHARP) / SHARP if manual else 0.0
        return View(
            pan=pan,
            tilt=tilt,
            zoom=zoom,
            brightness=_or(now.brightness, NEUTRAL_LEVEL),
            contrast=_or(now.contrast, NEUTRAL_LEVEL),
            saturation=_or(now.color_saturation, NEUTRAL_LEVEL),
            exposure=1.0 if light is None else light / RIGHT_EXPOSURE,
            red=_or(balance.cr_gain if balance else None, 0.0),
            blue=_or(balance.cb_gain if balance else None, 0.0),
            grey=lamp or now.ir_cut_filter == "OFF",
            blur=wrong,
        )


class Contacts:
    """As `gateway.sdk.controls.Relays` and `DigitalInputs`: one relay, to which the one input is wired."""

    RELAY, INPUT = "1", "1"
    options = {RELAY: RelayOptions(tuple(RelayMode), delay=Range(0.1, 120.0))}  # noqa: RUF012 - never changed
    tokens = (INPUT,)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._relay = RelayOutput(self.RELAY, RelayMode.BISTABLE, 1.0, IdleState.OPEN)
        self._input = DigitalInput(self.INPUT, IdleState.OPEN)
        self._closed = False
        self._falls: float | None = None
        """When a monostable relay returns to idle."""
        self._news = asyncio.Event()

    async def outputs(self) -> tuple[RelayOutput, ...]:
        """Return the relay."""
        return (self._relay,)

    async def set_output(self, output: RelayOutput) -> None:
        """Change its settings; it returns to idle."""
        self._find(output.token, self.RELAY)
        self._relay = output
        self._switch(active=False)

    async def set_state(self, token: str, *, active: bool) -> None:
        """Switch it."""
        self._find(token, self.RELAY)
        self._switch(active=active)

    async def inputs(self) -> tuple[DigitalInput, ...]:
        """Return the input."""
        return (self._input,)

    async def set_input(self, wanted: DigitalInput) -> None:
        """Change its idle state."""
        self._find(wanted.token, self.INPUT)
        self._input = wanted
        self._news.set()

    def states(self) -> dict[DeviceEventKind, bool]:
        """Return whether relay and input are active now."""
        if self._falls is not None and self._clock.monotonic() >= self._falls:
            self._closed, self._falls = False, None
        idle = self._input.idle_state is IdleState.OPEN
        return {DeviceEventKind.RELAY: self._closed, DeviceEventKind.DIGITAL_INPUT: self._closed is idle}

    async def tell(self, tell: Callable[[DeviceEvent], None]) -> None:
        """Tell the present states, and every change until cancelled."""
        names = {DeviceEventKind.RELAY: self.RELAY, DeviceEventKind.DIGITAL_INPUT: self.INPUT}
        told: dict[DeviceEventKind, bool] = {}
        while True:
            self._news.clear()
            for kind, on in self.states().items():
                if told.get(kind) is not on:
                    told[kind] = on
                    tell(DeviceEvent(kind, on, names[kind]))
            await self._until_news()

    async def _until_news(self) -> None:
        if self._falls is None:
            await self._news.wait()
            return
        waiting = [
            asyncio.ensure_future(self._news.wait()),
            asyncio.ensure_future(self._clock.sleep(self._falls - self._clock.monotonic())),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    def _switch(self, *, active: bool) -> None:
        monostable = self._relay.mode is RelayMode.MONOSTABLE
        self._closed = active
        self._falls = self._clock.monotonic() + self._relay.delay if active and monostable else None
        self._news.set()

    def _find(self, token: str, known: str) -> None:
        if token != known:
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no contact {token!r}")


class SimulatedCamera:
    """Everything that a simulated camera remembers while the gateway runs."""

    def __init__(self, encoders: Encoders, clock: Clock, *, head: bool, sound: bool = False) -> None:
        self.encoders = encoders
        self.picture = Picture(clock)
        self.head = Head(clock) if head else None
        self.contacts = Contacts(clock)
        self.loudspeaker = Loudspeaker() if sound else None

    def view(self) -> View:
        """Return how the scene is seen now."""
        head = self.head
        return self.picture.view((0.0, 0.0, 0.0) if head is None else head.place(), lamp=head is not None and head.lamp)


def encoder_settings(
    encoding: str, size: tuple[int, int], frame_rate: float, bitrate: int, gop_length: int
) -> VideoEncoderSettings:
    """Return what a profile begins with."""
    width, height = size
    profile = _PROFILES[encoding][0]
    return VideoEncoderSettings(encoding, width, height, frame_rate, bitrate, gop_length, QUALITY, profile)


def _options(encoding: str, made: VideoEncoderSettings) -> VideoEncoderOptions:
    return VideoEncoderOptions(
        encoding,
        resolutions=tuple(sorted({(made.width, made.height), *SIZES}, reverse=True)),
        frame_rates=tuple(sorted({made.frame_rate, *FRAME_RATES}, reverse=True)),
        bitrate=Range(64_000, max(made.bitrate, 16_000_000)),
        quality=_LEVEL,
        gop_length=Range(1, 300),
        codec_profiles=_PROFILES[encoding],
    )


def _kept(old: Any, new: Any) -> Any:  # noqa: ANN401 - two of a kind
    """Return what is new, with what it leaves out as it was."""
    if isinstance(new, Exposure | Focus | WhiteBalance):
        given = {field.name: value for field in fields(new) if (value := getattr(new, field.name)) is not None}
        return replace(old, **given)
    return new


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
