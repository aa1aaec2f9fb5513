"""The Imaging service: picture and focus of each channel's camera, with the camera's own ranges."""

from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.imaging import ImagingOptions
from gateway.domain.writing import WriteKind
from gateway.onvif import imaging_check, imaging_schema, media_settings
from gateway.onvif.cameras import CameraAccess
from gateway.onvif.capabilities import IMAGING
from gateway.onvif.context import Context
from gateway.onvif.faults import Receiver, Sender, SoapFault
from gateway.onvif.media_profiles import MediaProfiles
from gateway.onvif.media_schema import Plain
from gateway.sdk.controls import Imaging

_T = TypeVar("_T")


class ImagingService:
    """Operations of the Imaging service (Imaging Service Specification)."""

    namespace: ClassVar[str] = IMAGING
    path: ClassVar[str] = "/onvif/imaging_service"

    def __init__(self, profiles: MediaProfiles, access: CameraAccess) -> None:
        self.profiles = profiles
        self._controls = access.controls
        self._writes = access.writes

    def capabilities(self) -> Plain:
        """Return what is announced."""
        return {"ImageStabilization": False, "Presets": False, "AdaptablePreset": False}

    async def GetImagingSettings(self, request: Plain, _context: Context) -> Plain:
        """Return a channel's settings."""
        camera, _ = self._source(request)
        found = await self._ask(camera, lambda imaging: imaging.settings())
        return {"ImagingSettings": imaging_schema.settings(found)}

    async def GetOptions(self, request: Plain, _context: Context) -> Plain:
        """Return what a channel's settings can hold."""
        _, options = self._source(request)
        return {"ImagingOptions": imaging_schema.options(options)}

    async def SetImagingSettings(self, request: Plain, context: Context) -> Plain:
        """Change what the request holds, and leave the rest."""
        camera, options = self._source(request)
        wanted = imaging_schema.read_settings(request["ImagingSettings"])
        imaging_check.check_settings(wanted, options)
        before = await self._ask(camera, lambda imaging: imaging.settings())
        persistent = request.get("ForcePersistence", False)
        change = f"{request['VideoSourceToken']}: {media_settings.told(before, wanted, given=True)}"
        await self._writes.perform(
            context,
            "SetImagingSettings",
            WriteKind.IMAGING,
            change,
            lambda: self._ask(camera, lambda imaging: imaging.set_settings(wanted, persistent=persistent)),
        )
        return {}

    async def GetMoveOptions(self, request: Plain, _context: Context) -> Plain:
        """Return how a channel's focus can be moved."""
        camera, _ = self._source(request)
        return {"MoveOptions": imaging_schema.move_options(self._controls.abilities(camera).focus)}

    async def Move(self, request: Plain, context: Context) -> Plain:
        """Move a channel's focus."""
        camera, _ = self._source(request)
        move = imaging_schema.read_move(request["Focus"])
        imaging_check.check_move(move, self._controls.abilities(camera).focus)
        if move is not None and self._writes.check(context, "Move", WriteKind.IMAGING):
            await self._ask(camera, lambda imaging: imaging.move(move))
        return {}

    async def Stop(self, request: Plain, context: Context) -> Plain:
        """Stop a channel's focus."""
        camera, _ = self._source(request)
        if self._writes.check(context, "Stop", WriteKind.IMAGING):
            await self._ask(camera, lambda imaging: imaging.stop())
        return {}

    async def GetStatus(self, request: Plain, _context: Context) -> Plain:
        """Return where a channel's focus is."""
        camera, _ = self._source(request)
        return {"Status": imaging_schema.status(await self._ask(camera, lambda imaging: imaging.status()))}

    def _source(self, request: Plain) -> tuple[str, ImagingOptions]:
        """Return a video source's camera and what it has. Raises SoapFault NoSource or NoImagingForSource."""
        token = request["VideoSourceToken"]
        configurations = self.profiles.model().video_source_configurations.values()
        camera = next((each.channel for each in configurations if each.source.token == token), None)
        if camera is None:
            raise SoapFault(Sender, "InvalidArgVal", "NoSource", f"video source token {token!r} does not exist")
        options = self._controls.abilities(camera).imaging
        if options is None:
            reason = f"nothing can be set of the picture of {token!r}"
            raise SoapFault(Receiver, "ActionNotSupported", "NoImagingForSource", reason)
        return camera, options

    async def _ask(self, camera: str, what: Callable[[Imaging], Awaitable[_T]]) -> _T:
        imaging = self._controls.live(camera).imaging
        if imaging is None:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"camera {camera!r} has no imaging any more")
        return await self._controls.ask(camera, what(imaging))
