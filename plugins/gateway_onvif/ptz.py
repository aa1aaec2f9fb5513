"""The camera's head (ONVIF PTZ Service Specification)."""

from typing import Final

from gateway.domain.ptz import MoveStatus, PanTilt, Preset, PtzNode, PtzStatus, PtzVector, Space, Spaces, Zoom
from gateway.domain.ranges import Range
from gateway.protocols.soap.answers import Element, text
from gateway_onvif.asking import Asker
from gateway_onvif.messages import PTZ, Profile
from gateway_onvif.values import element, limits, number, numbers, optional, texts, truth, written

_SPACES: Final = {
    "absolute_pan_tilt": "AbsolutePanTiltPositionSpace",
    "absolute_zoom": "AbsoluteZoomPositionSpace",
    "relative_pan_tilt": "RelativePanTiltTranslationSpace",
    "relative_zoom": "RelativeZoomTranslationSpace",
    "continuous_pan_tilt": "ContinuousPanTiltVelocitySpace",
    "continuous_zoom": "ContinuousZoomVelocitySpace",
    "pan_tilt_speed": "PanTiltSpeedSpace",
    "zoom_speed": "ZoomSpeedSpace",
}


class CameraPtz:
    """A `gateway.sdk.controls.Ptz`, by a media profile that has the head in it."""

    def __init__(self, asker: Asker, profile: str, node: PtzNode) -> None:
        self.node = node
        self._asker = asker
        self._profile = profile

    async def absolute_move(self, position: PtzVector, speed: PtzVector | None = None) -> None:
        """Move to a position."""
        await self._ask("AbsoluteMove", _vector("Position", position), _vector("Speed", speed))

    async def relative_move(self, translation: PtzVector, speed: PtzVector | None = None) -> None:
        """Move by a translation."""
        await self._ask("RelativeMove", _vector("Translation", translation), _vector("Speed", speed))

    async def continuous_move(self, velocity: PtzVector, timeout: float | None = None) -> None:  # noqa: ASYNC109 - ONVIF's word
        """Move until stopped, or for so many seconds."""
        stops = optional("tptz:Timeout", None if timeout is None else f"PT{written(timeout)}S")
        await self._ask("ContinuousMove", _vector("Velocity", velocity), stops)

    async def stop(self, *, pan_tilt: bool = True, zoom: bool = True) -> None:
        """Stop moving."""
        await self._ask("Stop", element("tptz:PanTilt", value=pan_tilt), element("tptz:Zoom", value=zoom))

    async def status(self) -> PtzStatus:
        """Return where it is and whether it moves."""
        found = (await self._ask("GetStatus")).find("{*}PTZStatus")
        position = _position(None if found is None else found.find("{*}Position"))
        pan_tilt, zoom = (_moving(found, name) for name in ("PanTilt", "Zoom"))
        return PtzStatus(position or PtzVector(), pan_tilt, zoom, text(found, "{*}Error"))

    async def presets(self) -> tuple[Preset, ...]:
        """Return what the camera remembers."""
        answer = await self._ask("GetPresets")
        return tuple(
            Preset(token, text(found, "{*}Name"), _position(found.find("{*}PTZPosition")))
            for found in answer.iterfind("{*}Preset")
            if (token := found.get("token"))
        )

    async def set_preset(self, name: str = "", token: str = "") -> str:
        """Remember the present position; return the preset's token."""
        named = optional("tptz:PresetName", name or None)
        answer = await self._ask("SetPreset", named, optional("tptz:PresetToken", token or None))
        return text(answer, "{*}PresetToken") or token

    async def remove_preset(self, token: str) -> None:
        """Forget a preset."""
        await self._ask("RemovePreset", element("tptz:PresetToken", value=token))

    async def goto_preset(self, token: str, speed: PtzVector | None = None) -> None:
        """Move to a preset."""
        await self._ask("GotoPreset", element("tptz:PresetToken", value=token), _vector("Speed", speed))

    async def goto_home(self, speed: PtzVector | None = None) -> None:
        """Move to the home position."""
        await self._ask("GotoHomePosition", _vector("Speed", speed))

    async def set_home(self) -> None:
        """Make the present position home."""
        await self._ask("SetHomePosition")

    async def auxiliary(self, command: str) -> str:
        """Carry out an auxiliary command; return the camera's answer."""
        answer = await self._ask("SendAuxiliaryCommand", element("tptz:AuxiliaryData", value=command))
        return text(answer, "{*}AuxiliaryResponse")

    async def _ask(self, operation: str, *content: str) -> Element:
        profile = element("tptz:ProfileToken", value=self._profile)
        return await self._asker.ask(PTZ, element(f"tptz:{operation}", profile, *content))


async def read_ptz(asker: Asker, profile: Profile) -> CameraPtz:
    """Ask what the head that a profile moves can do. Raises GatewayError."""
    answer = await asker.ask(PTZ, element("tptz:GetNode", element("tptz:NodeToken", value=profile.ptz)))
    found = answer.find("{*}PTZNode")
    spaces = {} if found is None else {use: _spaces(found, name) for use, name in _SPACES.items()}
    if found is None:
        return CameraPtz(asker, profile.token, PtzNode(profile.ptz, "", Spaces()))
    node = PtzNode(
        profile.ptz,
        text(found, "{*}Name"),
        Spaces(**spaces),
        int(number(found, "{*}MaximumNumberOfPresets") or 0),
        truth(text(found, "{*}HomeSupported")),
        truth(found.get("FixedHomePosition")),
        texts(found, "{*}AuxiliaryCommands"),
    )
    return CameraPtz(asker, profile.token, node)


def _spaces(node: Element, name: str) -> tuple[Space, ...]:
    found = node.iterfind(f"{{*}}SupportedPTZSpaces/{{*}}{name}")
    return tuple(
        Space(text(space, "{*}URI"), limits(space, "{*}XRange") or Range(0, 0), limits(space, "{*}YRange"))
        for space in found
    )


def _vector(name: str, vector: PtzVector | None) -> str:
    if vector is None:
        return ""
    parts = []
    if (turn := vector.pan_tilt) is not None:
        parts.append(element("tt:PanTilt", x=written(turn.x), y=written(turn.y), space=turn.space or None))
    if (zoom := vector.zoom) is not None:
        parts.append(element("tt:Zoom", x=written(zoom.x), space=zoom.space or None))
    return element(f"tptz:{name}", *parts)


def _position(node: Element | None) -> PtzVector | None:
    if node is None:
        return None
    turn, zoom = node.find("{*}PanTilt"), node.find("{*}Zoom")
    return PtzVector(
        None if turn is None else PanTilt(_coordinate(turn, "x"), _coordinate(turn, "y"), turn.get("space", "")),
        None if zoom is None else Zoom(_coordinate(zoom, "x"), zoom.get("space", "")),
    )


def _coordinate(node: Element, name: str) -> float:
    return next(iter(numbers(node.get(name))), 0.0)


def _moving(status: Element | None, axis: str) -> MoveStatus:
    word = text(status, f"{{*}}MoveStatus/{{*}}{axis}")
    return MoveStatus(word) if word in set(MoveStatus) else MoveStatus.UNKNOWN
