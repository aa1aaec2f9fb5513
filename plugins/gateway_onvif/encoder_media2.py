"""Video encoder configurations of Media2 (`tt:VideoEncoder2Configuration` and its options)."""

from gateway.domain.encoder import VideoEncoderOptions, VideoEncoderSettings
from gateway.domain.ranges import Range
from gateway.protocols.soap.answers import Element, markup, text
from gateway_onvif.encoder_parts import KILO, child_of, put, resolutions
from gateway_onvif.messages import MEDIA2
from gateway_onvif.values import limits, number, numbers, truth, written


def read(configuration: Element) -> VideoEncoderSettings:
    """Return what a configuration says."""
    rate = configuration.find("{*}RateControl")
    gop = number_of(configuration.get("GovLength"))
    return VideoEncoderSettings(
        text(configuration, "{*}Encoding"),
        int(number(configuration, "{*}Resolution/{*}Width") or 0),
        int(number(configuration, "{*}Resolution/{*}Height") or 0),
        number(rate, "{*}FrameRateLimit") or 0.0,
        int(number(rate, "{*}BitrateLimit") or 0) * KILO,
        None if gop is None else int(gop),
        number(configuration, "{*}Quality"),
        configuration.get("Profile", ""),
        rate is not None and truth(rate.get("ConstantBitRate")),
    )


def write(configuration: Element, settings: VideoEncoderSettings) -> str:
    """Return the request that sets a configuration, which is changed for it."""
    other_codec = text(configuration, "{*}Encoding") != settings.encoding
    put(configuration, "Encoding", settings.encoding)
    size = child_of(configuration, "Resolution")
    put(size, "Width", settings.width, "Height")
    put(size, "Height", settings.height)
    rate = child_of(configuration, "RateControl", "Multicast", "Quality")
    put(rate, "FrameRateLimit", settings.frame_rate, "BitrateLimit")
    put(rate, "BitrateLimit", settings.bitrate // KILO, "AverageBitRate")
    if settings.constant_bitrate or rate.get("ConstantBitRate") is not None:
        rate.set("ConstantBitRate", written(settings.constant_bitrate))
    if settings.quality is not None:
        put(configuration, "Quality", settings.quality)
    if settings.gop_length is not None:
        configuration.set("GovLength", str(settings.gop_length))
    if settings.codec_profile:
        configuration.set("Profile", settings.codec_profile)
    elif other_codec:
        configuration.attrib.pop("Profile", "")
    configuration.tag = f"{{{MEDIA2}}}Configuration"
    return f"<tr2:SetVideoEncoderConfiguration>{markup(configuration)}</tr2:SetVideoEncoderConfiguration>"


def options(answer: Element) -> tuple[VideoEncoderOptions, ...]:
    """Return what a GetVideoEncoderConfigurationOptionsResponse offers, one entry for each encoding."""
    found = (_options(node) for node in answer.iterfind("{*}Options"))
    return tuple(option for option in found if option.encoding and option.resolutions)


def _options(node: Element) -> VideoEncoderOptions:
    bitrate = limits(node, "{*}BitrateRange") or Range(0, 0)
    lengths = numbers(node.get("GovLengthRange"))
    return VideoEncoderOptions(
        text(node, "{*}Encoding"),
        resolutions(node),
        tuple(sorted(numbers(node.get("FrameRatesSupported")), reverse=True)),
        Range(bitrate.minimum * KILO, bitrate.maximum * KILO),
        limits(node, "{*}QualityRange") or Range(0, 0),
        Range(min(lengths), max(lengths)) if lengths else None,
        tuple((node.get("ProfilesSupported") or "").split()),
        truth(node.get("ConstantBitRateSupported")),
    )


def number_of(word: str | None) -> float | None:
    """Return the number in an attribute; None where there is none."""
    return next(iter(numbers(word)), None)
