"""The PTZ service: one node and one configuration for each channel whose camera has a head."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.ptz import PtzVector, Spaces
from gateway.domain.writing import WriteKind
from gateway.onvif import media_faults as faults
from gateway.onvif import media_settings, ptz_moves, ptz_schema
from gateway.onvif.cameras import CameraAccess
from gateway.onvif.capabilities import PTZ
from gateway.onvif.context import Context
from gateway.onvif.faults import Code, Receiver, Sender, SoapFault
from gateway.onvif.media_model import PtzConfiguration
from gateway.onvif.media_profiles import MediaProfiles, compatible, find, find_profile
from gateway.onvif.media_schema import Plain
from gateway.sdk.clock import Clock
from gateway.sdk.controls import Ptz
from gateway.services.profiles import ConfigurationKind

_NS = 1_000_000_000
_T = TypeVar("_T")
_PRESETS: dict[ErrorKind, tuple[Code, str, str]] = {
    ErrorKind.NOT_FOUND: (Sender, "InvalidArgVal", "NoToken"),
    ErrorKind.LIMIT: (Receiver, "Action", "TooManyPresets"),
    ErrorKind.CONFLICT: (Receiver, "Action", "MovingPTZ"),
    ErrorKind.INVALID: (Sender, "InvalidArgVal", "InvalidPresetName"),
}


class PtzService:
    """Operations of the PTZ service (PTZ Service Specification)."""

    namespace: ClassVar[str] = PTZ
    path: ClassVar[str] = "/onvif/ptz_service"

    def __init__(self, profiles: MediaProfiles, access: CameraAccess, clock: Clock) -> None:
        self.profiles = profiles
        self._controls = access.controls
        self._writes = access.writes
        self._clock = clock

    def capabilities(self) -> Plain:
        """Return what is announced."""
        return {
            "EFlip": False,
            "Reverse": False,
            "GetCompatibleConfigurations": True,
            "MoveStatus": True,
            "StatusPosition": True,
        }

    async def GetNodes(self, _request: Plain, _context: Context) -> Plain:
        """List the heads, in channel order."""
        return {"PTZNode": [ptz_schema.node(each) for each in self.profiles.model().ptz.values()]}

    async def GetNode(self, request: Plain, _context: Context) -> Plain:
        """Return one head."""
        found = self._of_node(request["NodeToken"])
        if found is None:
            reason = f"there is no PTZ node {request['NodeToken']!r}"
            raise SoapFault(Sender, "InvalidArgVal", "NoEntity", reason)
        return {"PTZNode": ptz_schema.node(found)}

    async def GetConfigurations(self, _request: Plain, _context: Context) -> Plain:
        """List the configurations, in channel order: clients use the first one for every channel."""
        model = self.profiles.model()
        return {"PTZConfiguration": [ptz_schema.configuration(each, model) for each in model.ptz.values()]}

    async def GetConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Return one configuration."""
        model = self.profiles.model()
        return {"PTZConfiguration": ptz_schema.configuration(find(model.ptz, request["PTZConfigurationToken"]), model)}

    async def GetCompatibleConfigurations(self, request: Plain, _context: Context) -> Plain:
        """List what could be added to a profile."""
        model = self.profiles.model()
        profile = find_profile(model, request["ProfileToken"])
        entries = compatible(model, ConfigurationKind.PTZ, model.ptz, profile)
        return {"PTZConfiguration": [ptz_schema.configuration(each, model) for each in entries]}

    async def GetConfigurationOptions(self, request: Plain, _context: Context) -> Plain:
        """Return what a configuration can hold; a node's token will do, since clients pass it."""
        token = request["ConfigurationToken"]
        found = self._of_node(token) or find(self.profiles.model().ptz, token)
        return {"PTZConfigurationOptions": ptz_schema.options(found)}

    async def SetConfiguration(self, request: Plain, context: Context) -> Plain:
        """Write name, default speed and default time-out; the rest is the camera's."""
        wanted = request["PTZConfiguration"]
        current = find(self.profiles.model().ptz, wanted["token"])
        _check(current, wanted)
        settings = media_settings.written(current, wanted)
        timeout, speed = wanted.get("DefaultPTZTimeout"), ptz_schema.read_vector(wanted.get("DefaultPTZSpeed"))
        if isinstance(timeout, timedelta):
            settings = replace(settings, ptz_timeout=_seconds(timeout))
        if speed is not None and speed != ptz_schema.default_speed(current):
            settings = replace(settings, ptz_speed=self._speed_of(current, speed))

        async def apply() -> None:
            self.profiles.configure(ConfigurationKind.PTZ, current.token, settings)

        change = f"{current.token}: {media_settings.told(current.settings, settings)}"
        await self._writes.perform(context, "SetConfiguration", WriteKind.PTZ, change, apply)
        return {}

    async def AbsoluteMove(self, request: Plain, context: Context) -> Plain:
        """Move to a position."""
        found, known = self._head(request)
        position = self._vector(request["Position"])
        position = ptz_moves.checked(position, known.absolute_pan_tilt, known.absolute_zoom, "InvalidPosition")
        speed = self._speed(found, request)
        return await self._move(found, context, "AbsoluteMove", lambda ptz: ptz.absolute_move(position, speed))

    async def RelativeMove(self, request: Plain, context: Context) -> Plain:
        """Move by a translation."""
        found, known = self._head(request)
        by = self._vector(request["Translation"])
        by = ptz_moves.checked(by, known.relative_pan_tilt, known.relative_zoom, "InvalidTranslation")
        speed = self._speed(found, request)
        return await self._move(found, context, "RelativeMove", lambda ptz: ptz.relative_move(by, speed))

    async def ContinuousMove(self, request: Plain, context: Context) -> Plain:
        """Move for a time; what is too fast is as fast as can be."""
        found, known = self._head(request)
        velocity = self._vector(request["Velocity"])
        velocity = ptz_moves.checked(
            velocity, known.continuous_pan_tilt, known.continuous_zoom, "InvalidVelocity", clamp=True
        )
        given = request.get("Timeout")
        seconds = found.settings.ptz_timeout if given is None else ptz_schema.TIMEOUT.nearest(given.total_seconds())
        return await self._move(found, context, "ContinuousMove", lambda ptz: ptz.continuous_move(velocity, seconds))

    async def Stop(self, request: Plain, context: Context) -> Plain:
        """Stop both, unless only one is named."""
        found, _ = self._head(request)
        turn, lens = request.get("PanTilt"), request.get("Zoom")
        neither = not turn and not lens
        both = bool(turn) or neither, bool(lens) or neither
        return await self._move(found, context, "Stop", lambda ptz: ptz.stop(pan_tilt=both[0], zoom=both[1]))

    async def GetStatus(self, request: Plain, _context: Context) -> Plain:
        """Return where the head is and whether it moves."""
        found, _ = self._head(request)
        known = await self._ask(found, lambda ptz: ptz.status())
        now = datetime.fromtimestamp(self._clock.utc_ns() // _NS, UTC)
        return {"PTZStatus": ptz_schema.status(known, now)}

    async def GetPresets(self, request: Plain, _context: Context) -> Plain:
        """List the camera's presets."""
        found, _ = self._head(request)
        return {"Preset": ptz_schema.presets(await self._ask(found, lambda ptz: ptz.presets()))}

    async def SetPreset(self, request: Plain, context: Context) -> Plain:
        """Make or replace a preset."""
        found, _ = self._head(request)
        name, token = request.get("PresetName", ""), request.get("PresetToken", "")
        made = token

        async def apply(ptz: Ptz) -> None:
            nonlocal made
            made = await ptz.set_preset(name, token)

        await self._write(found, context, "SetPreset", f"preset {token or 'new'} named {name!r}", apply)
        return {"PresetToken": made or "ignored"}

    async def RemovePreset(self, request: Plain, context: Context) -> Plain:
        """Forget a preset."""
        found, _ = self._head(request)
        token = request["PresetToken"]
        await self._write(found, context, "RemovePreset", f"preset {token}", lambda ptz: ptz.remove_preset(token))
        return {}

    async def GotoPreset(self, request: Plain, context: Context) -> Plain:
        """Move to a preset."""
        found, _ = self._head(request)
        token, speed = request["PresetToken"], self._speed(found, request)
        with faults.translated(_PRESETS):
            return await self._move(found, context, "GotoPreset", lambda ptz: ptz.goto_preset(token, speed))

    async def GotoHomePosition(self, request: Plain, context: Context) -> Plain:
        """Move home."""
        found, _ = self._head(request)
        speed = self._speed(found, request)
        if not found.node.home:
            raise SoapFault(Receiver, "Action", "NoHomePosition", f"{found.node_token!r} has no home position")
        return await self._move(found, context, "GotoHomePosition", lambda ptz: ptz.goto_home(speed))

    async def SetHomePosition(self, request: Plain, context: Context) -> Plain:
        """Make the present position home."""
        found, _ = self._head(request)
        if not found.node.home or found.node.fixed_home:
            reason = f"the home position of {found.node_token!r} can't be set"
            raise SoapFault(Receiver, "Action", "CannotOverwriteHome", reason)
        await self._write(found, context, "SetHomePosition", "home", lambda ptz: ptz.set_home())
        return {}

    async def SendAuxiliaryCommand(self, request: Plain, context: Context) -> Plain:
        """Carry out one of the node's commands."""
        found, _ = self._head(request)
        command = request["AuxiliaryData"]
        if command not in found.node.auxiliary_commands:
            reason = f"{found.node_token!r} has no auxiliary command {command!r}"
            raise SoapFault(Receiver, "ActionNotSupported", "", reason)
        answer = ""

        async def apply(ptz: Ptz) -> None:
            nonlocal answer
            answer = await ptz.auxiliary(command)

        await self._write(found, context, "SendAuxiliaryCommand", command, apply)
        return {"AuxiliaryResponse": answer}

    def _of_node(self, token: str) -> PtzConfiguration | None:
        return next((each for each in self.profiles.model().ptz.values() if each.node_token == token), None)

    def _head(self, request: Plain) -> tuple[PtzConfiguration, Spaces]:
        """Return a profile's head and its spaces. Raises SoapFault NoProfile, or NoPTZProfile for one without."""
        model = self.profiles.model()
        profile = find_profile(model, request["ProfileToken"])
        found = model.ptz.get(profile.configurations.get(ConfigurationKind.PTZ, ""))
        if found is None:
            reason = f"profile {profile.token!r} has no PTZ configuration"
            raise SoapFault(Sender, "InvalidArgVal", "NoPTZProfile", reason)
        return found, found.node.spaces

    def _vector(self, plain: Plain) -> PtzVector:
        vector = ptz_schema.read_vector(plain)
        if vector is None or vector == PtzVector():
            raise SoapFault(Sender, "InvalidArgVal", "", "a movement needs PanTilt or Zoom")
        return vector

    def _speed(self, found: PtzConfiguration, request: Plain) -> PtzVector | None:
        """Return the speed of a request, or the default that a client has written."""
        spaces, default = found.node.spaces, None
        if found.settings.ptz_speed is not None:
            default = ptz_schema.default_speed(found)
        given = ptz_schema.read_vector(request.get("Speed"))
        return ptz_moves.speed(ptz_moves.with_default(given, default), spaces.pan_tilt_speed, spaces.zoom_speed)

    def _speed_of(self, found: PtzConfiguration, wanted: PtzVector) -> tuple[float, float, float]:
        spaces = found.node.spaces
        wanted = ptz_moves.with_default(wanted, ptz_schema.default_speed(found)) or wanted
        speed = ptz_moves.speed(wanted, spaces.pan_tilt_speed, spaces.zoom_speed) or PtzVector()
        turn = (speed.pan_tilt.x, speed.pan_tilt.y) if speed.pan_tilt else (0.0, 0.0)
        return (*turn, speed.zoom.x if speed.zoom else 0.0)

    async def _move(
        self, found: PtzConfiguration, context: Context, operation: str, move: Callable[[Ptz], Awaitable[None]]
    ) -> Plain:
        if self._writes.check(context, operation, WriteKind.PTZ):
            await self._ask(found, move)
        return {}

    async def _write(
        self,
        found: PtzConfiguration,
        context: Context,
        operation: str,
        change: str,
        apply: Callable[[Ptz], Awaitable[object]],
    ) -> None:
        with faults.translated(_PRESETS):
            await self._writes.perform(
                context, operation, WriteKind.PTZ, f"{found.node_token}: {change}", lambda: self._ask(found, apply)
            )

    async def _ask(self, found: PtzConfiguration, what: Callable[[Ptz], Awaitable[_T]]) -> _T:
        ptz = self._controls.live(found.channel).ptz
        if ptz is None:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"the camera of {found.node_token!r} has no head any more")
        return await self._controls.ask(found.channel, what(ptz))


def _check(current: PtzConfiguration, wanted: Plain) -> None:
    """Refuse another node, a space that it has not, and other limits than its own."""
    if wanted["NodeToken"] != current.node_token:
        raise faults.config_modify(f"NodeToken {wanted['NodeToken']!r} is not {current.node_token!r}")
    for name, element in ptz_schema.DEFAULTS.items():
        known = [space.uri for space in getattr(current.node.spaces, name)]
        if (uri := wanted.get(element)) is not None and uri not in known:
            raise faults.config_modify(f"{element} {uri!r} is not one of {', '.join(known) or 'none'}")


def _seconds(timeout: timedelta) -> float:
    seconds = timeout.total_seconds()
    if seconds not in ptz_schema.TIMEOUT:
        low, high = ptz_schema.TIMEOUT.minimum, ptz_schema.TIMEOUT.maximum
        raise faults.config_modify(f"DefaultPTZTimeout of {seconds:g} s is not from {low:g} s to {high:g} s")
    return seconds
