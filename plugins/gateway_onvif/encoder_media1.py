"""Video encoder configurations of Media (`tt:VideoEncoderConfiguration` and its options)."""

import math
from typing import Final

from gateway.domain.encoder import VideoEncoderOptions, VideoEncoderSettings
from gateway.domain.ranges import Range
from gateway.protocols.soap.answers import Element, markup, text
from gateway_onvif.encoder_parts import KILO, child_of, put, resolutions
from gateway_onvif.messages import MEDIA
from gateway_onvif.values import limits, number, texts

BITRATES: Final = Range(64_000, 16_384_000)
"""Bits per second, for a camera that does not tell its range: Media did not have one at first."""


def read(configuration: Element) -> VideoEncoderSettings:
    """Return what a configuration says."""
    gop = number(configuration, "{*}H264/{*}GovLength")
    return VideoEncoderSettings(
        text(configuration, "{*}Encoding"),
        int(number(configuration, "{*}Resolution/{*}Width") or 0),
        int(number(configuration, "{*}Resolution/{*}Height") or 0),
        number(configuration, "{*}RateControl/{*}FrameRateLimit") or 0.0,
        int(number(configuration, "{*}RateControl/{*}BitrateLimit") or 0) * KILO,
        None if gop is None else int(gop),
        number(configuration, "{*}Quality"),
        text(configuration, "{*}H264/{*}H264Profile"),
    )


def write(configuration: Element, settings: VideoEncoderSettings) -> str:
    """Return the request that sets a configuration, which is changed for it."""
    put(configuration, "Encoding", settings.encoding)
    size = child_of(configuration, "Resolution")
    put(size, "Width", settings.width, "Height")
    put(size, "Height", settings.height)
    if settings.quality is not None:
        put(configuration, "Quality", settings.quality)
    rate = child_of(configuration, "RateControl", "MPEG4", "H264", "Multicast", "SessionTimeout")
    put(rate, "FrameRateLimit", round(settings.frame_rate), "EncodingInterval", "BitrateLimit")
    if rate.find("{*}EncodingInterval") is None:
        put(rate, "EncodingInterval", 1, "BitrateLimit")
    put(rate, "BitrateLimit", settings.bitrate // KILO)
    old = configuration.find("{*}H264")
    if settings.encoding == "H264":
        coding = child_of(configuration, "H264", "Multicast", "SessionTimeout")
        if settings.gop_length is not None or old is None:
            put(coding, "GovLength", settings.gop_length or max(round(settings.frame_rate), 1), "H264Profile")
        if settings.codec_profile or old is None:
            put(coding, "H264Profile", settings.codec_profile or "Main")
    elif old is not None:
        configuration.remove(old)
    configuration.tag = f"{{{MEDIA}}}Configuration"
    return (
        f"<trt:SetVideoEncoderConfiguration>{markup(configuration)}"
        "<trt:ForcePersistence>true</trt:ForcePersistence></trt:SetVideoEncoderConfiguration>"
    )


def options(answer: Element) -> tuple[VideoEncoderOptions, ...]:
    """Return what a GetVideoEncoderConfigurationOptionsResponse offers, one entry for each encoding."""
    node = answer.find("{*}Options")
    if node is None:
        return ()
    quality = limits(node, "{*}QualityRange") or Range(0, 0)
    found = (_options(node, encoding, quality) for encoding in ("H264", "JPEG"))
    return tuple(option for option in found if option is not None and option.resolutions)


def _options(node: Element, encoding: str, quality: Range) -> VideoEncoderOptions | None:
    """Return one encoding's options; in the extension they are said again, with the range of bit rates."""
    wider = node.find(f"{{*}}Extension/{{*}}{encoding}")
    found = node.find(f"{{*}}{encoding}") if wider is None else wider
    if found is None:
        return None
    rates = limits(found, "{*}FrameRateRange") or Range(1, 30)
    bitrate = limits(found, "{*}BitrateRange")
    return VideoEncoderOptions(
        encoding,
        resolutions(found),
        tuple(float(rate) for rate in range(math.floor(rates.maximum), max(math.ceil(rates.minimum), 1) - 1, -1)),
        Range(bitrate.minimum * KILO, bitrate.maximum * KILO) if bitrate else BITRATES,
        quality,
        limits(found, "{*}GovLengthRange"),
        texts(found, "{*}H264ProfilesSupported"),
    )
