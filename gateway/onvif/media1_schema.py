"""Model objects as the plain values of Media1's own types (`tt:Profile`, `tt:VideoEncoderConfiguration` …)."""

from collections.abc import Sequence

from gateway.domain.ranges import Range
from gateway.onvif import media_outputs, ptz_schema
from gateway.onvif.media_encoders import options_of, quality_of
from gateway.onvif.media_model import MEDIA1_ENCODINGS, AudioEncoder, MediaModel, Profile, VideoEncoder
from gateway.onvif.media_schema import (
    Plain,
    analytics,
    audio_rates,
    audio_source_configuration,
    entity,
    kilobits_span,
    metadata,
    multicast,
    resolution,
    session_timeout,
    sizes,
    span,
    video_source_configuration,
)
from gateway.services.profiles import ConfigurationKind


def audio_encoders(model: MediaModel) -> dict[str, AudioEncoder]:
    """Return the audio encoders whose codec Media1 has a word for."""
    return {token: encoder for token, encoder in model.audio_encoders.items() if encoder.media1_encoding}


def is_visible(profile: Profile, model: MediaModel) -> bool:
    """Tell whether Media1 lists a profile: a stream that it can't express at all is left to Media2."""
    token = profile.configurations.get(ConfigurationKind.VIDEO_ENCODER)
    return token is None or token in model.media1_video_encoders


def profile(profile: Profile, model: MediaModel) -> Plain:
    """Return a `tt:Profile`."""
    value: Plain = {"token": profile.token, "fixed": profile.fixed, "Name": profile.name}
    tokens = profile.configurations
    if source := model.video_source_configurations.get(tokens.get(ConfigurationKind.VIDEO_SOURCE, "")):
        value["VideoSourceConfiguration"] = video_source_configuration(source, model)
    encoder = model.media1_video_encoders.get(tokens.get(ConfigurationKind.VIDEO_ENCODER, ""))
    if encoder:
        value["VideoEncoderConfiguration"] = video_encoder(encoder, model)
    if sound := model.audio_source_configurations.get(tokens.get(ConfigurationKind.AUDIO_SOURCE, "")):
        value["AudioSourceConfiguration"] = audio_source_configuration(sound, model)
    if audio := _audio(tokens.get(ConfigurationKind.AUDIO_ENCODER, ""), encoder, model):
        value["AudioEncoderConfiguration"] = audio_encoder(audio, model)
    if data := model.metadata.get(tokens.get(ConfigurationKind.METADATA, "")):
        value["MetadataConfiguration"] = metadata(data, model)
    if motion := model.analytics.get(tokens.get(ConfigurationKind.ANALYTICS, "")):
        value["VideoAnalyticsConfiguration"] = analytics(motion, model)
    if head := model.ptz.get(tokens.get(ConfigurationKind.PTZ, "")):
        value["PTZConfiguration"] = ptz_schema.configuration(head, model)
    extension: Plain = {}
    if mouth := model.audio_outputs.get(tokens.get(ConfigurationKind.AUDIO_OUTPUT, "")):
        extension["AudioOutputConfiguration"] = media_outputs.output(mouth, model)
    if speech := model.audio_decoders.get(tokens.get(ConfigurationKind.AUDIO_DECODER, "")):
        extension["AudioDecoderConfiguration"] = media_outputs.decoder(speech, model)
    return value | ({"Extension": extension} if extension else {})


def video_encoder(encoder: VideoEncoder, model: MediaModel) -> Plain:
    """Return a `tt:VideoEncoderConfiguration`; clients crash without RateControl and Resolution."""
    value = {
        **entity(encoder, model),
        "Encoding": encoder.encoding,
        "Resolution": resolution(encoder),
        "Quality": quality_of(encoder),
        "RateControl": {
            "FrameRateLimit": _frame_rate(encoder),
            "EncodingInterval": 1,
            "BitrateLimit": encoder.kilobits,
        },
        "Multicast": multicast(encoder.multicast),
        "SessionTimeout": session_timeout(encoder),
    }
    if encoder.encoding == "H264":
        value["H264"] = {"GovLength": encoder.gov_length, "H264Profile": encoder.codec_profile}
    return value


def video_encoder_options(encoders: Sequence[VideoEncoder]) -> Plain:
    """Return `tt:VideoEncoderConfigurationOptions` over some encoders."""
    options = [option for option in options_of(encoders) if option.encoding in MEDIA1_ENCODINGS]
    value: Plain = {"QualityRange": span(limit for option in options for limit in _limits(option.quality))}
    extension: Plain = {}
    for option in options:
        content: Plain = {
            "ResolutionsAvailable": sizes(option.resolutions),
            "FrameRateRange": span(max(1, round(rate)) for rate in option.frame_rates),
            "EncodingIntervalRange": span([1]),
        }
        if option.encoding == "H264":
            content["GovLengthRange"] = span(_limits(option.gop_length))
            content["H264ProfilesSupported"] = list(option.codec_profiles)
        value[option.encoding] = content
        extension[option.encoding] = {**content, "BitrateRange": kilobits_span(option.bitrate)}
    return {**value, "Extension": extension}


def audio_encoder(encoder: AudioEncoder, model: MediaModel) -> Plain:
    """Return a `tt:AudioEncoderConfiguration`."""
    return {
        **entity(encoder, model),
        "Encoding": encoder.media1_encoding,
        "Bitrate": encoder.kilobits,
        "SampleRate": encoder.kilohertz,
        "Multicast": multicast(encoder.multicast),
        "SessionTimeout": session_timeout(encoder),
    }


def audio_encoder_options(encoders: Sequence[AudioEncoder]) -> Plain:
    """Return `tt:AudioEncoderConfigurationOptions` over some encoders."""
    return {
        "Options": [
            {
                "Encoding": encoding,
                **audio_rates(encoder for encoder in encoders if encoder.media1_encoding == encoding),
            }
            for encoding in sorted({encoder.media1_encoding for encoder in encoders})
        ]
    }


def _limits(limits: Range | None) -> tuple[int, ...]:
    """Return both ends as whole numbers, in which Media1 counts."""
    return () if limits is None else (int(limits.minimum), int(limits.maximum))


def _frame_rate(encoder: VideoEncoder) -> int:
    return max(1, round(encoder.frame_rate))


def _audio(token: str, video: VideoEncoder | None, model: MediaModel) -> AudioEncoder | None:
    """Return the profile's audio encoder; beside a lent video stream, the audio that goes with that one."""
    audio = model.audio_encoders.get(token)
    if audio and video and audio.path != video.path:
        audio = model.audio_on(video.path)
    return audio if audio and audio.media1_encoding else None
