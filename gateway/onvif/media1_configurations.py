"""Media1's configurations: list, read, compare, add, remove and write each kind by the same few operations."""

from gateway.onvif import media1_schema, media_encoders, media_outputs, media_settings
from gateway.onvif.context import Context
from gateway.onvif.media_entities import (
    ANALYTICS,
    AUDIO_OUTPUT,
    AUDIO_SOURCE,
    METADATA,
    PTZ,
    VIDEO_SOURCE,
    Entity,
    Operation,
    audio_decoder,
    set_analytics,
    set_metadata,
    set_one,
    set_video_encoder,
)
from gateway.onvif.media_profiles import MediaProfiles, compatible, find, find_profile, selected
from gateway.onvif.media_schema import Plain
from gateway.services.profiles import ConfigurationKind as Kind

_VIDEO_ENCODER = Entity(
    Kind.VIDEO_ENCODER,
    lambda model: model.media1_video_encoders,
    media1_schema.video_encoder,
    media_settings.check_media1_video_encoder,
    lambda encoders, _model: media1_schema.video_encoder_options(encoders),
)
_AUDIO_ENCODER = Entity(
    Kind.AUDIO_ENCODER,
    media1_schema.audio_encoders,
    media1_schema.audio_encoder,
    lambda encoder, wanted: media_settings.check_audio_encoder(encoder, encoder.media1_encoding, wanted),
    lambda encoders, _model: media1_schema.audio_encoder_options(encoders),
    "AudioNotSupported",
)

_AUDIO_DECODER = audio_decoder(media_outputs.media1_decoder_options)
_OPTIONAL = (ANALYTICS, PTZ, AUDIO_OUTPUT, _AUDIO_DECODER)
"""Kinds that the device may not have at all: then nothing of them can be removed."""


def _get_all(entity: Entity) -> Operation:
    async def operation(self: "Media1Configurations", _request: Plain, _context: Context) -> Plain:
        model = self.profiles.model()
        return {"Configurations": [entity.plain(entry, model) for entry in entity.table(model).values()]}

    return operation


def _get_one(entity: Entity) -> Operation:
    async def operation(self: "Media1Configurations", request: Plain, _context: Context) -> Plain:
        model = self.profiles.model()
        return {"Configuration": entity.plain(find(entity.table(model), request["ConfigurationToken"]), model)}

    return operation


def _get_compatible(entity: Entity) -> Operation:
    async def operation(self: "Media1Configurations", request: Plain, _context: Context) -> Plain:
        model = self.profiles.model()
        profile = find_profile(model, request["ProfileToken"])
        entries = compatible(model, entity.kind, entity.table(model), profile)
        return {"Configurations": [entity.plain(entry, model) for entry in entries]}

    return operation


def _get_options(entity: Entity) -> Operation:
    async def operation(self: "Media1Configurations", request: Plain, _context: Context) -> Plain:
        model = self.profiles.model()
        entries = selected(model, entity.kind, entity.table(model), request)
        if not entries:
            raise entity.missing(model, request)
        return {"Options": entity.options(entries, model)}

    return operation


def _add(entity: Entity) -> Operation:
    async def operation(self: "Media1Configurations", request: Plain, _context: Context) -> Plain:
        model = self.profiles.model()
        profile, token = find_profile(model, request["ProfileToken"]), request["ConfigurationToken"]
        if token not in entity.table(model):
            raise entity.missing(model, request)
        self.profiles.add(profile.token, [(entity.kind, token)])
        return {}

    return operation


def _remove(entity: Entity) -> Operation:
    async def operation(self: "Media1Configurations", request: Plain, _context: Context) -> Plain:
        model = self.profiles.model()
        if entity in _OPTIONAL and not entity.table(model):
            find_profile(model, request["ProfileToken"])
            raise entity.missing(model, request)
        self.profiles.remove(request["ProfileToken"], [entity.kind])
        return {}

    return operation


class Media1Configurations:
    """Operations on configurations (Media Service Specification §5.3 to §5.13), made by kind."""

    profiles: MediaProfiles

    async def GetVideoSources(self, _request: Plain, _context: Context) -> Plain:
        """List the channels: the N-th video source is channel N for many clients."""
        return {
            "VideoSources": [
                {
                    "token": source.token,
                    "Framerate": source.frame_rate,
                    "Resolution": {"Width": source.width, "Height": source.height},
                }
                for source in self.profiles.model().video_sources.values()
            ]
        }

    async def GetAudioSources(self, _request: Plain, _context: Context) -> Plain:
        """List the channels with audio."""
        sources = self.profiles.model().audio_sources.values()
        return {"AudioSources": [{"token": source.token, "Channels": source.channels} for source in sources]}

    async def GetAudioOutputs(self, _request: Plain, _context: Context) -> Plain:
        """List the loudspeakers."""
        outputs = self.profiles.model().audio_outputs.values()
        return {"AudioOutputs": [{"token": each.output} for each in outputs]}

    async def GetGuaranteedNumberOfVideoEncoderInstances(self, request: Plain, _context: Context) -> Plain:
        """Tell how many streams a channel delivers at once: all of them."""
        model = self.profiles.model()
        source = find(model.video_source_configurations, request["ConfigurationToken"])
        encoders = [entry for entry in model.media1_video_encoders.values() if entry.channel == source.channel]
        counts = {encoding: sum(entry.encoding == encoding for entry in encoders) for encoding in ("JPEG", "H264")}
        return {"TotalNumber": len(encoders), **counts}

    GetVideoSourceConfigurations = _get_all(VIDEO_SOURCE)
    GetVideoSourceConfiguration = _get_one(VIDEO_SOURCE)
    GetCompatibleVideoSourceConfigurations = _get_compatible(VIDEO_SOURCE)
    GetVideoSourceConfigurationOptions = _get_options(VIDEO_SOURCE)
    SetVideoSourceConfiguration = set_one(VIDEO_SOURCE)
    AddVideoSourceConfiguration = _add(VIDEO_SOURCE)
    RemoveVideoSourceConfiguration = _remove(VIDEO_SOURCE)

    GetVideoEncoderConfigurations = _get_all(_VIDEO_ENCODER)
    GetVideoEncoderConfiguration = _get_one(_VIDEO_ENCODER)
    GetCompatibleVideoEncoderConfigurations = _get_compatible(_VIDEO_ENCODER)
    GetVideoEncoderConfigurationOptions = _get_options(_VIDEO_ENCODER)
    SetVideoEncoderConfiguration = set_video_encoder(_VIDEO_ENCODER, media_encoders.asked_of_media1)
    AddVideoEncoderConfiguration = _add(_VIDEO_ENCODER)
    RemoveVideoEncoderConfiguration = _remove(_VIDEO_ENCODER)

    GetAudioSourceConfigurations = _get_all(AUDIO_SOURCE)
    GetAudioSourceConfiguration = _get_one(AUDIO_SOURCE)
    GetCompatibleAudioSourceConfigurations = _get_compatible(AUDIO_SOURCE)
    GetAudioSourceConfigurationOptions = _get_options(AUDIO_SOURCE)
    SetAudioSourceConfiguration = set_one(AUDIO_SOURCE)
    AddAudioSourceConfiguration = _add(AUDIO_SOURCE)
    RemoveAudioSourceConfiguration = _remove(AUDIO_SOURCE)

    GetAudioEncoderConfigurations = _get_all(_AUDIO_ENCODER)
    GetAudioEncoderConfiguration = _get_one(_AUDIO_ENCODER)
    GetCompatibleAudioEncoderConfigurations = _get_compatible(_AUDIO_ENCODER)
    GetAudioEncoderConfigurationOptions = _get_options(_AUDIO_ENCODER)
    SetAudioEncoderConfiguration = set_one(_AUDIO_ENCODER)
    AddAudioEncoderConfiguration = _add(_AUDIO_ENCODER)
    RemoveAudioEncoderConfiguration = _remove(_AUDIO_ENCODER)

    GetMetadataConfigurations = _get_all(METADATA)
    GetMetadataConfiguration = _get_one(METADATA)
    GetCompatibleMetadataConfigurations = _get_compatible(METADATA)
    GetMetadataConfigurationOptions = _get_options(METADATA)
    SetMetadataConfiguration = set_metadata
    AddMetadataConfiguration = _add(METADATA)
    RemoveMetadataConfiguration = _remove(METADATA)

    GetAudioOutputConfigurations = _get_all(AUDIO_OUTPUT)
    GetAudioOutputConfiguration = _get_one(AUDIO_OUTPUT)
    GetCompatibleAudioOutputConfigurations = _get_compatible(AUDIO_OUTPUT)
    GetAudioOutputConfigurationOptions = _get_options(AUDIO_OUTPUT)
    SetAudioOutputConfiguration = set_one(AUDIO_OUTPUT)
    AddAudioOutputConfiguration = _add(AUDIO_OUTPUT)
    RemoveAudioOutputConfiguration = _remove(AUDIO_OUTPUT)

    GetAudioDecoderConfigurations = _get_all(_AUDIO_DECODER)
    GetAudioDecoderConfiguration = _get_one(_AUDIO_DECODER)
    GetCompatibleAudioDecoderConfigurations = _get_compatible(_AUDIO_DECODER)
    GetAudioDecoderConfigurationOptions = _get_options(_AUDIO_DECODER)
    SetAudioDecoderConfiguration = set_one(_AUDIO_DECODER)
    AddAudioDecoderConfiguration = _add(_AUDIO_DECODER)
    RemoveAudioDecoderConfiguration = _remove(_AUDIO_DECODER)

    GetVideoAnalyticsConfigurations = _get_all(ANALYTICS)
    GetCompatibleVideoAnalyticsConfigurations = _get_compatible(ANALYTICS)
    GetVideoAnalyticsConfiguration = _get_one(ANALYTICS)
    SetVideoAnalyticsConfiguration = set_analytics()
    AddVideoAnalyticsConfiguration = _add(ANALYTICS)
    RemoveVideoAnalyticsConfiguration = _remove(ANALYTICS)

    AddPTZConfiguration = _add(PTZ)
    RemovePTZConfiguration = _remove(PTZ)
