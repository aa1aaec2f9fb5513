"""The camera's picture and focus (ONVIF Imaging Service Specification)."""

from gateway.domain.imaging import (
    AbsoluteFocus,
    ContinuousFocus,
    FocusMoveOptions,
    FocusStatus,
    ImagingOptions,
    ImagingSettings,
    RelativeFocus,
)
from gateway.domain.ptz import MoveStatus
from gateway.protocols.soap.answers import Element, text
from gateway_onvif.asking import Asker
from gateway_onvif.imaging_xml import read_moves, read_options, read_settings, write_move, write_settings
from gateway_onvif.messages import IMAGING
from gateway_onvif.values import element, number


class CameraImaging:
    """A `gateway.sdk.controls.Imaging` of one video source."""

    def __init__(self, asker: Asker, source: str, options: ImagingOptions, move_options: FocusMoveOptions) -> None:
        self.options = options
        self.move_options = move_options
        self._asker = asker
        self._source = source

    async def settings(self) -> ImagingSettings:
        """Return the present settings."""
        return read_settings((await self._ask("GetImagingSettings")).find("{*}ImagingSettings"))

    async def set_settings(self, settings: ImagingSettings, *, persistent: bool) -> None:
        """Change what is not None."""
        stays = element("timg:ForcePersistence", value=persistent)
        await self._ask("SetImagingSettings", element("timg:ImagingSettings", *write_settings(settings)), stays)

    async def move(self, move: AbsoluteFocus | RelativeFocus | ContinuousFocus) -> None:
        """Begin to move the focus."""
        await self._ask("Move", element("timg:Focus", write_move(move)))

    async def stop(self) -> None:
        """Stop the focus."""
        await self._ask("Stop")

    async def status(self) -> FocusStatus:
        """Return where the focus is."""
        found = (await self._ask("GetStatus")).find("{*}Status/{*}FocusStatus20")
        word = text(found, "{*}MoveStatus")
        move = MoveStatus(word) if word in set(MoveStatus) else MoveStatus.UNKNOWN
        return FocusStatus(number(found, "{*}Position") or 0.0, move, text(found, "{*}Error"))

    async def _ask(self, operation: str, *content: str) -> Element:
        source = element("timg:VideoSourceToken", value=self._source)
        return await self._asker.ask(IMAGING, element(f"timg:{operation}", source, *content))


async def read_imaging(asker: Asker, source: str) -> CameraImaging:
    """Ask what of a source's picture can be set. Raises GatewayError."""
    token = element("timg:VideoSourceToken", value=source)
    answer = await asker.ask(IMAGING, element("timg:GetOptions", token))
    options = read_options(answer.find("{*}ImagingOptions"))
    moves = FocusMoveOptions()
    if options.focus is not None:
        moves = read_moves((await asker.ask(IMAGING, element("timg:GetMoveOptions", token))).find("{*}MoveOptions"))
    return CameraImaging(asker, source, options, moves)
