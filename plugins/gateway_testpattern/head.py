"""The head of a simulated camera: where it points, as a function of time."""

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.ptz import (
    POSITION_PAN_TILT,
    POSITION_ZOOM,
    SPEED_PAN_TILT,
    SPEED_ZOOM,
    TRANSLATION_PAN_TILT,
    TRANSLATION_ZOOM,
    VELOCITY_PAN_TILT,
    VELOCITY_ZOOM,
    MoveStatus,
    PanTilt,
    Preset,
    PtzNode,
    PtzStatus,
    PtzVector,
    Space,
    Spaces,
    Zoom,
)
from gateway.domain.ranges import Range
from gateway.sdk.clock import Clock

MAX_PRESETS = 16
PAN_TILT_SPEED, ZOOM_SPEED = 0.5, 0.25
"""Units per second at full speed."""
_BOTH, _SPEED, _ZOOM = Range(-1.0, 1.0), Range(0.0, 1.0), Range(0.0, 1.0)
LAMP = "tt:IRLamp|"
NODE = PtzNode(
    token="1",  # noqa: S106 - no secret
    name="Head",
    spaces=Spaces(
        absolute_pan_tilt=(Space(POSITION_PAN_TILT, _BOTH, _BOTH),),
        absolute_zoom=(Space(POSITION_ZOOM, _ZOOM),),
        relative_pan_tilt=(Space(TRANSLATION_PAN_TILT, _BOTH, _BOTH),),
        relative_zoom=(Space(TRANSLATION_ZOOM, _BOTH),),
        continuous_pan_tilt=(Space(VELOCITY_PAN_TILT, _BOTH, _BOTH),),
        continuous_zoom=(Space(VELOCITY_ZOOM, _BOTH),),
        pan_tilt_speed=(Space(SPEED_PAN_TILT, _SPEED),),
        zoom_speed=(Space(SPEED_ZOOM, _SPEED),),
    ),
    max_presets=MAX_PRESETS,
    home=True,
    auxiliary_commands=(LAMP + "On", LAMP + "Off"),
)


class Axis:
    """One motor: it moves evenly to where it ends."""

    def __init__(self, limits: Range, at: float = 0.0) -> None:
        self._limits = limits
        self._from = self._end = at
        self._velocity = 0.0
        self._since = 0.0

    def position(self, now: float) -> float:
        """Return where it is."""
        reached = self._from + self._velocity * (now - self._since)
        return min(reached, self._end) if self._velocity > 0 else max(reached, self._end)

    def moving(self, now: float) -> bool:
        """Tell whether it has not reached its end."""
        return self.position(now) != self._end

    def go(self, now: float, target: float, speed: float) -> None:
        """Move to a position, with so many units per second."""
        self._from, self._since = self.position(now), now
        self._end = self._limits.nearest(target)
        self._velocity = speed if self._end >= self._from else -speed

    def run(self, now: float, velocity: float, seconds: float | None) -> None:
        """Move on and on, or for some seconds."""
        at = self.position(now)
        far = self._limits.maximum if velocity > 0 else self._limits.minimum
        self.go(now, far if seconds is None else at + velocity * seconds, abs(velocity))
        if not velocity:
            self.stop(now)

    def stop(self, now: float) -> None:
        """Stay here."""
        self._from = self._end = self.position(now)
        self._velocity = 0.0


class Head:
    """Pan, tilt and zoom as `gateway.sdk.controls.Ptz`."""

    node = NODE

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pan, self._tilt, self._zoom = Axis(_BOTH), Axis(_BOTH), Axis(_ZOOM)
        self._presets: dict[str, Preset] = {}
        self._home = _vector(0.0, 0.0, 0.0)
        self.lamp = False

    def place(self) -> tuple[float, float, float]:
        """Return pan, tilt and zoom of this moment."""
        now = self._clock.monotonic()
        return self._pan.position(now), self._tilt.position(now), self._zoom.position(now)

    async def absolute_move(self, position: PtzVector, speed: PtzVector | None = None) -> None:
        """Move to a position. Raises GatewayError for one out of range."""
        self._check(position, _ZOOM)
        self._go(position, speed)

    async def relative_move(self, translation: PtzVector, speed: PtzVector | None = None) -> None:
        """Move by a translation."""
        self._check(translation, _BOTH)
        pan, tilt, zoom = self.place()
        by, closer = translation.pan_tilt, translation.zoom
        self._go(
            PtzVector(by and PanTilt(pan + by.x, tilt + by.y), closer and Zoom(zoom + closer.x)),
            speed,
        )

    async def continuous_move(self, velocity: PtzVector, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the motor's own
        """Move until stopped, or for some seconds."""
        self._check(velocity, _BOTH)
        now = self._clock.monotonic()
        if velocity.pan_tilt is not None:
            self._pan.run(now, velocity.pan_tilt.x * PAN_TILT_SPEED, timeout)
            self._tilt.run(now, velocity.pan_tilt.y * PAN_TILT_SPEED, timeout)
        if velocity.zoom is not None:
            self._zoom.run(now, velocity.zoom.x * ZOOM_SPEED, timeout)

    async def stop(self, *, pan_tilt: bool = True, zoom: bool = True) -> None:
        """Stop."""
        now = self._clock.monotonic()
        for axis, stops in ((self._pan, pan_tilt), (self._tilt, pan_tilt), (self._zoom, zoom)):
            if stops:
                axis.stop(now)

    async def status(self) -> PtzStatus:
        """Return where it is."""
        now = self._clock.monotonic()
        turning, zooming = self._pan.moving(now) or self._tilt.moving(now), self._zoom.moving(now)
        states = [MoveStatus.MOVING if moves else MoveStatus.IDLE for moves in (turning, zooming)]
        return PtzStatus(_vector(*self.place()), *states)

    async def presets(self) -> tuple[Preset, ...]:
        """Return them, oldest first."""
        return tuple(self._presets.values())

    async def set_preset(self, name: str = "", token: str = "") -> str:
        """Remember this position. Raises GatewayError for an unknown token, or one preset too many."""
        if token:
            known = self._preset(token)
        elif len(self._presets) >= MAX_PRESETS:
            raise GatewayError(ErrorKind.LIMIT, f"there are already {MAX_PRESETS} presets")
        else:
            token = next(str(number) for number in range(1, MAX_PRESETS + 1) if str(number) not in self._presets)
            known = Preset(token, f"Preset {token}")
        self._presets[token] = Preset(token, name or known.name, _vector(*self.place()))
        return token

    async def remove_preset(self, token: str) -> None:
        """Forget one."""
        self._preset(token)
        del self._presets[token]

    async def goto_preset(self, token: str, speed: PtzVector | None = None) -> None:
        """Move to one."""
        self._go(self._preset(token).position or PtzVector(), speed)

    async def goto_home(self, speed: PtzVector | None = None) -> None:
        """Move home."""
        self._go(self._home, speed)

    async def set_home(self) -> None:
        """Make this position home."""
        self._home = _vector(*self.place())

    async def auxiliary(self, command: str) -> str:
        """Switch the lamp."""
        if command not in NODE.auxiliary_commands:
            raise GatewayError(ErrorKind.INVALID, f"there is no auxiliary command {command!r}")
        self.lamp = command.endswith("On")
        return command

    def _preset(self, token: str) -> Preset:
        if token not in self._presets:
            raise GatewayError(ErrorKind.NOT_FOUND, f"there is no preset {token!r}")
        return self._presets[token]

    def _go(self, position: PtzVector, speed: PtzVector | None) -> None:
        now = self._clock.monotonic()
        turn = speed.pan_tilt if speed else None
        lens = speed.zoom if speed else None
        if position.pan_tilt is not None:
            self._pan.go(now, position.pan_tilt.x, PAN_TILT_SPEED * (turn.x if turn else 1.0))
            self._tilt.go(now, position.pan_tilt.y, PAN_TILT_SPEED * (turn.y if turn else 1.0))
        if position.zoom is not None:
            self._zoom.go(now, position.zoom.x, ZOOM_SPEED * (lens.x if lens else 1.0))

    def _check(self, vector: PtzVector, zoom: Range) -> None:
        turn, lens = vector.pan_tilt, vector.zoom
        if turn is not None and not (turn.x in _BOTH and turn.y in _BOTH):
            raise GatewayError(ErrorKind.INVALID, f"pan {turn.x:g} and tilt {turn.y:g} are not within -1 and 1")
        if lens is not None and lens.x not in zoom:
            raise GatewayError(
                ErrorKind.INVALID, f"zoom {lens.x:g} is not within {zoom.minimum:g} and {zoom.maximum:g}"
            )


def _vector(pan: float, tilt: float, zoom: float) -> PtzVector:
    return PtzVector(PanTilt(pan, tilt, POSITION_PAN_TILT), Zoom(zoom, POSITION_ZOOM))
