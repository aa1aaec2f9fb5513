"""Model objects as the plain values of Media2's own types (`tr2:MediaProfile`, `tt:VideoEncoder2Configuration` …)."""

from collections.abc import Collection, Sequence
from typing import Any

from gateway.onvif import media_outputs, ptz_schema
from gateway.onvif.media_encoders import options_of, quality_of
from gateway.onvif.media_model import AudioEncoder, MediaModel, Profile, VideoEncoder
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
    sizes,
    span_of,
    video_source_configuration,
)
from gateway.services.profiles import ConfigurationKind


def profile(profile: Profile, model: MediaModel, kinds: Collection[str]) -> Plain:
    """Return a `tr2:MediaProfile` with the configurations of the kinds asked for, or of `All`."""
    value: Plain = {"token": profile.token, "fixed": profile.fixed, "Name": profile.name}
    if kinds:
        everything = "All" in kinds
        value["Configurations"] = {
            str(kind): configuration(kind, token, model)
            for kind, token in profile.configurations.items()
            if everything or kind in kinds
        }
    return value


def configuration(kind: ConfigurationKind, token: str, model: MediaModel) -> Plain:
    """Return a configuration of any kind."""
    writers: dict[ConfigurationKind, Any] = {
        ConfigurationKind.VIDEO_SOURCE: video_source_configuration,
        ConfigurationKind.VIDEO_ENCODER: video_encoder,
        ConfigurationKind.AUDIO_SOURCE: audio_source_configuration,
        ConfigurationKind.AUDIO_ENCODER: audio_encoder,
        ConfigurationKind.AUDIO_OUTPUT: media_outputs.output,
        ConfigurationKind.AUDIO_DECODER: media_outputs.decoder,
        ConfigurationKind.METADATA: metadata,
        ConfigurationKind.ANALYTICS: analytics,
        ConfigurationKind.PTZ: ptz_schema.configuration,
    }
    value: Plain = writers[kind](model.configurations(kind)[token], model)
    return value


def video_encoder(encoder: VideoEncoder, model: MediaModel) -> Plain:
    """Return a `tt:VideoEncoder2Configuration`."""
    value = {
        **entity(encoder, model),
        "Encoding": encoder.encoding,
        "Resolution": resolution(encoder),
        "RateControl": {"FrameRateLimit": encoder.frame_rate, "BitrateLimit": encoder.kilobits},
        "Multicast": multicast(encoder.multicast),
        "Quality": quality_of(encoder),
    }
    if encoder.encoding != "JPEG":
        value["GovLength"] = encoder.gov_length
    if encoder.codec_profile:
        value["Profile"] = encoder.codec_profile
    return value


def video_encoder_options(encoders: Sequence[VideoEncoder]) -> list[Plain]:
    """Return `tt:VideoEncoder2ConfigurationOptions`, one per encoding."""
    options = []
    for option in options_of(encoders):
        value: Plain = {
            "Encoding": option.encoding,
            "QualityRange": span_of(option.quality),
            "ResolutionsAvailable": sizes(option.resolutions),
            "BitrateRange": kilobits_span(option.bitrate),
            "FrameRatesSupported": list(option.frame_rates),
            "ConstantBitRateSupported": option.constant_bitrate,
        }
        if option.gop_length is not None:
            value["GovLengthRange"] = [int(option.gop_length.minimum), int(option.gop_length.maximum)]
        if option.codec_profiles:
            value["ProfilesSupported"] = list(option.codec_profiles)
        options.append(value)
    return options


def audio_encoder(encoder: AudioEncoder, model: MediaModel) -> Plain:
    """Return a `tt:AudioEncoder2Configuration`."""
    return {
        **entity(encoder, model),
        "Encoding": encoder.encoding,
        "Multicast": multicast(encoder.multicast),
        "Bitrate": encoder.kilobits,
        "SampleRate": encoder.kilohertz,
    }


def audio_encoder_options(encoders: Sequence[AudioEncoder]) -> list[Plain]:
    """Return `tt:AudioEncoder2ConfigurationOptions`, one per encoding."""
    return [
        {"Encoding": encoding, **audio_rates(encoder for encoder in encoders if encoder.encoding == encoding)}
        for encoding in sorted({encoder.encoding for encoder in encoders})
    ]
