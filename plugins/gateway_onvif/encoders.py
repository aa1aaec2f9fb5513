"""The camera's video encoders, by Media2 or Media (ONVIF Media2 §5.2.4, Media §5.6)."""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.domain.encoder import VideoEncoderOptions, VideoEncoderSettings
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.soap.answers import Element
from gateway_onvif import encoder_media1, encoder_media2
from gateway_onvif.asking import Asker
from gateway_onvif.messages import MEDIA2, Profile
from gateway_onvif.values import element

_ANSWERS: Final = ("{*}Configurations", "{*}Configuration")


class Encoders:
    """A `gateway.sdk.controls.VideoEncoding`."""

    def __init__(
        self,
        asker: Asker,
        media: str,
        profiles: Mapping[str, Profile],
        options: Mapping[str, tuple[VideoEncoderOptions, ...]],
        changed: Callable[[], None],
    ) -> None:
        """`media` is the Media service's namespace, `profiles` the camera's by `main` and `sub`."""
        self.options = options
        self._asker = asker
        self._media = media
        self._profiles = profiles
        self._changed = changed

    async def settings(self, profile: str) -> VideoEncoderSettings:
        """Return what an encoder is set to."""
        read = encoder_media2.read if self._media == MEDIA2 else encoder_media1.read
        return read(await self._configuration(profile))

    async def set_settings(self, profile: str, settings: VideoEncoderSettings) -> None:
        """Set an encoder; all of its configuration that we do not know stays as it is."""
        configuration = await self._configuration(profile)
        write = encoder_media2.write if self._media == MEDIA2 else encoder_media1.write
        await self._asker.ask(self._media, write(configuration, settings))
        self._changed()

    async def _configuration(self, profile: str) -> Element:
        token = element(f"{_prefix(self._media)}:ConfigurationToken", value=self._profiles[profile].encoder)
        name = "GetVideoEncoderConfigurations" if self._media == MEDIA2 else "GetVideoEncoderConfiguration"
        answer = await self._asker.ask(self._media, element(f"{_prefix(self._media)}:{name}", token))
        found = next((node for path in _ANSWERS if (node := answer.find(path)) is not None), None)
        if found is None:
            wanted = self._profiles[profile].encoder
            raise GatewayError(ErrorKind.NOT_FOUND, f"the camera has no video encoder configuration {wanted!r}")
        return found


async def read_options(asker: Asker, media: str, profile: Profile) -> tuple[VideoEncoderOptions, ...]:
    """Return what the encoder of a profile can be set to. Raises GatewayError."""
    prefix = _prefix(media)
    asked = element(
        f"{prefix}:GetVideoEncoderConfigurationOptions",
        element(f"{prefix}:ConfigurationToken", value=profile.encoder),
        element(f"{prefix}:ProfileToken", value=profile.token),
    )
    answer = await asker.ask(media, asked)
    return encoder_media2.options(answer) if media == MEDIA2 else encoder_media1.options(answer)


def _prefix(media: str) -> str:
    return "tr2" if media == MEDIA2 else "trt"
