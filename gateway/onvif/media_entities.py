"""Kinds of configurations, and the operations that Media1 and Media2 perform alike on each kind."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from gateway.domain.errors import ErrorKind
from gateway.domain.writing import WriteKind
from gateway.onvif import media_encoders, media_metadata, media_outputs, media_settings, ptz_schema
from gateway.onvif import media_faults as faults
from gateway.onvif import media_schema as schema
from gateway.onvif.context import Context
from gateway.onvif.faults import Code, Sender, SoapFault
from gateway.onvif.media_model import MediaModel
from gateway.onvif.media_profiles import MediaProfiles, find
from gateway.onvif.media_schema import Plain
from gateway.services.profiles import ConfigurationKind as Kind

_OF_ENCODERS: dict[ErrorKind, tuple[Code, str, str]] = {ErrorKind.INVALID: (Sender, "InvalidArgVal", "ConfigModify")}
Operation: TypeAlias = Callable[[Any, Plain, Context], Awaitable[Plain]]


class HasProfiles(Protocol):
    """A service with the shared profiles."""

    profiles: MediaProfiles


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of configuration: where it is, how it is written and how a client's changes are checked."""

    kind: Kind
    table: Callable[[MediaModel], Mapping[str, Any]]
    plain: Callable[[Any, MediaModel], Plain]
    check: Callable[[Any, Plain], None]
    options: Callable[[list[Any], MediaModel], Plain | list[Plain]]
    unsupported: str = ""
    """Third fault code when no channel has it."""

    def missing(self, model: MediaModel, request: Plain) -> SoapFault:
        """Return the fault for a request that no configuration of this kind fits."""
        if self.unsupported and not self.table(model):
            return faults.not_supported(self.unsupported, f"no channel has an {self.kind} configuration")
        return faults.no_config(request.get("ConfigurationToken") or "", f"{self.kind} configuration")


VIDEO_SOURCE = Entity(
    Kind.VIDEO_SOURCE,
    lambda model: model.video_source_configurations,
    schema.video_source_configuration,
    media_settings.check_video_source,
    schema.video_source_options,
)
AUDIO_SOURCE = Entity(
    Kind.AUDIO_SOURCE,
    lambda model: model.audio_source_configurations,
    schema.audio_source_configuration,
    media_settings.check_audio_source,
    lambda sources, _model: schema.audio_source_options(sources),
    "AudioNotSupported",
)
METADATA = Entity(
    Kind.METADATA,
    lambda model: model.metadata,
    schema.metadata,
    media_metadata.check_metadata,
    lambda _configurations, _model: media_metadata.metadata_options(),
)


ANALYTICS = Entity(
    Kind.ANALYTICS,
    lambda model: model.analytics,
    schema.analytics,
    lambda _configuration, _wanted: None,
    lambda _configurations, _model: {},
    "VideoAnalyticsNotSupported",
)


PTZ = Entity(
    Kind.PTZ,
    lambda model: model.ptz,
    ptz_schema.configuration,
    lambda _configuration, _wanted: None,
    lambda _configurations, _model: {},
    "PTZNotSupported",
)

AUDIO_OUTPUT = Entity(
    Kind.AUDIO_OUTPUT,
    lambda model: model.audio_outputs,
    media_outputs.output,
    media_outputs.check_output,
    lambda configurations, _model: media_outputs.output_options(configurations),
    "AudioOutputNotSupported",
)


def audio_decoder(options: Callable[[list[Any]], Plain | list[Plain]]) -> Entity:
    """Return the audio decoders, whose options each service writes in its own way."""
    return Entity(
        Kind.AUDIO_DECODER,
        lambda model: model.audio_decoders,
        media_outputs.decoder,
        lambda _configuration, _wanted: None,
        lambda decoders, _model: options(decoders),
        "AudioDecodingNotSupported",
    )


def set_analytics() -> Operation:
    """Write name, modules and rules of a video analytics configuration."""

    async def operation(self: HasProfiles, request: Plain, _context: Context) -> Plain:
        wanted = request["Configuration"]
        current = find(self.profiles.model().analytics, wanted["token"])
        settings = media_settings.written(current, wanted)
        if self.profiles.analytics is not None:
            self.profiles.analytics.replace(current.channel, wanted)
        self.profiles.configure(Kind.ANALYTICS, current.token, settings)
        return {}

    return operation


def set_one(entity: Entity) -> Operation:
    """Write what may be written of one."""

    async def operation(self: HasProfiles, request: Plain, _context: Context) -> Plain:
        wanted = request["Configuration"]
        current = find(entity.table(self.profiles.model()), wanted["token"])
        entity.check(current, wanted)
        self.profiles.configure(entity.kind, current.token, media_settings.written(current, wanted))
        return {}

    return operation


def set_video_encoder(entity: Entity, asked: Callable[[Plain], media_encoders.Asked]) -> Operation:
    """Write one: to the camera as far as it and the policy allow, else only what it is already."""

    async def operation(self: HasProfiles, request: Plain, context: Context) -> Plain:
        wanted = request["Configuration"]
        current = find(entity.table(self.profiles.model()), wanted["token"])
        settings = media_settings.written(current, wanted)
        access = self.profiles.access
        if access is None or current.ability is None:
            entity.check(current, wanted)
        elif (change := media_encoders.changed(current, asked(wanted))) is not None:
            before, after = change
            with faults.translated(_OF_ENCODERS):
                await access.writes.perform(
                    context,
                    "SetVideoEncoderConfiguration",
                    WriteKind.VIDEO_ENCODER,
                    f"{current.token}: {media_settings.told(before, after)}",
                    lambda: access.encoders.set_encoder(current.channel, current.profile, after),
                )
        self.profiles.configure(entity.kind, current.token, settings)
        return {}

    return operation


async def set_metadata(self: HasProfiles, request: Plain, _context: Context) -> Plain:
    """Write what a channel's metadata is to hold."""
    wanted = request["Configuration"]
    current = find(METADATA.table(self.profiles.model()), wanted["token"])
    METADATA.check(current, wanted)
    settings = media_settings.written(current, wanted)
    settings = media_metadata.written_metadata(current.token, settings, wanted, self.profiles.read_filter)
    self.profiles.configure(METADATA.kind, current.token, settings)
    return {}
