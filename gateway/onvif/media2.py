"""The Media2 service (ver20): profiles, configurations and streams for every codec."""

from typing import ClassVar

from gateway.onvif import media2_schema, media_encoders, media_outputs, media_settings
from gateway.onvif import media_faults as faults
from gateway.onvif.codec import Kept
from gateway.onvif.context import Context
from gateway.onvif.media_entities import (
    ANALYTICS,
    AUDIO_OUTPUT,
    AUDIO_SOURCE,
    METADATA,
    VIDEO_SOURCE,
    Entity,
    HasProfiles,
    Operation,
    audio_decoder,
    set_metadata,
    set_one,
    set_video_encoder,
)
from gateway.onvif.media_model import MediaModel
from gateway.onvif.media_osd import Media2Masks
from gateway.onvif.media_profiles import MediaProfiles, find, find_profile, selected
from gateway.onvif.media_schema import Plain, max_profiles
from gateway.onvif.media_streaming import StreamOperations
from gateway.onvif.media_uri import media2_transport
from gateway.services.profiles import ConfigurationKind as Kind

_VIDEO_ENCODER = Entity(
    Kind.VIDEO_ENCODER,
    lambda model: model.video_encoders,
    media2_schema.video_encoder,
    media_settings.check_media2_video_encoder,
    lambda encoders, _model: media2_schema.video_encoder_options(encoders),
)
_AUDIO_ENCODER = Entity(
    Kind.AUDIO_ENCODER,
    lambda model: model.audio_encoders,
    media2_schema.audio_encoder,
    lambda encoder, wanted: media_settings.check_audio_encoder(encoder, encoder.encoding, wanted),
    lambda encoders, _model: media2_schema.audio_encoder_options(encoders),
    "AudioNotSupported",
)

_AUDIO_DECODER = audio_decoder(media_outputs.media2_decoder_options)


def _get(entity: Entity) -> Operation:
    async def operation(self: HasProfiles, request: Plain, _context: Context) -> Plain:
        model = self.profiles.model()
        if "ConfigurationToken" in request:
            if "ProfileToken" in request:
                find_profile(model, request["ProfileToken"])
            entries = [find(entity.table(model), request["ConfigurationToken"])]
        else:
            entries = selected(model, entity.kind, entity.table(model), request)
        return {"Configurations": [entity.plain(entry, model) for entry in entries]}

    return operation


def _get_options(entity: Entity) -> Operation:
    async def operation(self: HasProfiles, request: Plain, _context: Context) -> Plain:
        model = self.profiles.model()
        entries = selected(model, entity.kind, entity.table(model), request)
        if entries:
            return {"Options": entity.options(entries, model)}
        if "ConfigurationToken" in request and "ProfileToken" in request:
            raise faults.incompatible(request["ConfigurationToken"], request["ProfileToken"])
        raise entity.missing(model, request)

    return operation


class Media2Service(Media2Masks, StreamOperations):
    """Operations of the Media2 service (Media2 Service Specification)."""

    namespace: ClassVar[str] = "http://www.onvif.org/ver20/media/wsdl"
    path: ClassVar[str] = "/onvif/media2_service"

    def __init__(self, profiles: MediaProfiles) -> None:
        self.profiles = profiles
        self._listed: tuple[MediaModel, frozenset[str], Plain] | None = None
        """The last list of profiles, good as long as the model and the types asked for are the same."""

    def capabilities(self) -> Plain:
        """Return what is announced: only what works."""
        model, streaming = self.profiles.model(), self.profiles.streaming
        audio = (Kind.AUDIO_SOURCE, Kind.AUDIO_ENCODER) if model.audio_sources else ()
        motion = (Kind.ANALYTICS,) if model.analytics else ()
        heads = (Kind.PTZ,) if model.ptz else ()
        speech = (Kind.AUDIO_OUTPUT, Kind.AUDIO_DECODER) if model.audio_outputs else ()
        kinds = (Kind.VIDEO_SOURCE, Kind.VIDEO_ENCODER, *audio, *speech, Kind.METADATA, *motion, *heads)
        websocket = {"RTSPWebSocketUri": streaming.websocket} if streaming.websocket else {}
        return {
            "SnapshotUri": True,
            "Rotation": False,
            "VideoSourceMode": False,
            "OSD": False,
            "Mask": False,
            "SourceMask": False,
            "ProfileCapabilities": {
                "MaximumNumberOfProfiles": max_profiles(model),
                "ConfigurationsSupported": [str(kind) for kind in kinds],
            },
            "StreamingCapabilities": {
                "RTSPStreaming": True,
                "RTPMulticast": streaming.multicast is not None,
                "RTP_RTSP_TCP": True,
                "NonAggregateControl": False,
                "AutoStartMulticast": False,
                **websocket,
            },
        }

    async def GetProfiles(self, request: Plain, _context: Context) -> Plain:
        """List profiles with the configurations of the types asked for."""
        model = self.profiles.model()
        kinds = frozenset(request.get("Type", ()))
        if (token := request.get("Token")) is not None:
            return {"Profiles": [media2_schema.profile(find_profile(model, token), model, kinds)]}
        if self._listed is None or self._listed[0] is not model or self._listed[1] != kinds:
            listed = [media2_schema.profile(profile, model, kinds) for profile in model.profiles.values()]
            self._listed = (model, kinds, Kept(Profiles=listed))
        return self._listed[2]

    async def CreateProfile(self, request: Plain, _context: Context) -> Plain:
        """Make a profile, with configurations or empty."""
        return {"Token": self.profiles.create(request["Name"], "", _references(request)).token}

    async def DeleteProfile(self, request: Plain, _context: Context) -> Plain:
        """Delete a profile that a client made."""
        self.profiles.delete(request["Token"])
        return {}

    async def AddConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Add configurations to a profile, and rename it."""
        self.profiles.add(request["ProfileToken"], _references(request), request.get("Name"))
        return {}

    async def RemoveConfiguration(self, request: Plain, _context: Context) -> Plain:
        """Remove configurations from a profile by their types."""
        self.profiles.remove(request["ProfileToken"], [kind for kind, _ in _references(request)])
        return {}

    async def GetVideoEncoderInstances(self, request: Plain, _context: Context) -> Plain:
        """Tell how many streams a channel delivers at once: all of them."""
        model = self.profiles.model()
        source = find(model.video_source_configurations, request["ConfigurationToken"])
        encodings = [entry.encoding for entry in model.video_encoders.values() if entry.channel == source.channel]
        codecs = [{"Encoding": name, "Number": encodings.count(name)} for name in sorted(set(encodings))]
        return {"Info": {"Codec": codecs, "Total": len(encodings)}}

    async def GetStreamUri(self, request: Plain, context: Context) -> Plain:
        """Return a stream's URI for a protocol."""
        protocol = request["Protocol"]
        transport = media2_transport(protocol)
        return {"Uri": self.profiles.stream_uri(request["ProfileToken"], transport, protocol, context, media1=False)}

    async def GetSnapshotUri(self, request: Plain, context: Context) -> Plain:
        """Return the URI of a JPEG of the profile's picture."""
        return {"Uri": self.profiles.snapshot_uri(request["ProfileToken"], context)}

    GetVideoSourceConfigurations = _get(VIDEO_SOURCE)
    GetVideoSourceConfigurationOptions = _get_options(VIDEO_SOURCE)
    SetVideoSourceConfiguration = set_one(VIDEO_SOURCE)
    GetVideoEncoderConfigurations = _get(_VIDEO_ENCODER)
    GetVideoEncoderConfigurationOptions = _get_options(_VIDEO_ENCODER)
    SetVideoEncoderConfiguration = set_video_encoder(_VIDEO_ENCODER, media_encoders.asked_of_media2)
    GetAudioSourceConfigurations = _get(AUDIO_SOURCE)
    GetAudioSourceConfigurationOptions = _get_options(AUDIO_SOURCE)
    SetAudioSourceConfiguration = set_one(AUDIO_SOURCE)
    GetAudioEncoderConfigurations = _get(_AUDIO_ENCODER)
    GetAudioEncoderConfigurationOptions = _get_options(_AUDIO_ENCODER)
    SetAudioEncoderConfiguration = set_one(_AUDIO_ENCODER)
    GetMetadataConfigurations = _get(METADATA)
    GetMetadataConfigurationOptions = _get_options(METADATA)
    SetMetadataConfiguration = set_metadata
    GetAudioOutputConfigurations = _get(AUDIO_OUTPUT)
    GetAudioOutputConfigurationOptions = _get_options(AUDIO_OUTPUT)
    SetAudioOutputConfiguration = set_one(AUDIO_OUTPUT)
    GetAudioDecoderConfigurations = _get(_AUDIO_DECODER)
    GetAudioDecoderConfigurationOptions = _get_options(_AUDIO_DECODER)
    SetAudioDecoderConfiguration = set_one(_AUDIO_DECODER)
    GetAnalyticsConfigurations = _get(ANALYTICS)


def _references(request: Plain) -> list[tuple[str, str]]:
    return [(reference["Type"], reference.get("Token", "")) for reference in request.get("Configuration", ())]
