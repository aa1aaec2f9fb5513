"""Video encoders: what clients may set them to, and what they ask for (Media2 Service §5.4).

Without a camera that can be set, an encoder's options are what it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.domain.encoder import VideoEncoderOptions, VideoEncoderSettings
from gateway.domain.ranges import Range
from gateway.onvif import media_faults as faults
from gateway.onvif.media_model import VideoEncoder
from gateway.onvif.media_settings import near

QUALITY = 100.0
"""Of an encoder that can't be set: the camera's own."""

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client writes of an encoder; None for what it leaves out."""

    encoding: str | None
    width: int | None
    height: int | None
    frame_rate: float | None
    kilobits: int | None
    gov_length: int | None
    quality: float | None
    codec_profile: str | None
    constant_bitrate: bool | None = None


def asked_of_media1(wanted: Plain) -> Asked:
    """Read a `tt:VideoEncoderConfiguration`."""
    codec = wanted.get(str(wanted.get("Encoding")), {})
    return _asked(wanted, codec.get("GovLength"), codec.get("H264Profile"))


def asked_of_media2(wanted: Plain) -> Asked:
    """Read a `tt:VideoEncoder2Configuration`."""
    constant = wanted.get("RateControl", {}).get("ConstantBitRate")
    return replace(_asked(wanted, wanted.get("GovLength"), wanted.get("Profile")), constant_bitrate=constant)


def quality_of(encoder: VideoEncoder) -> float:
    """Return an encoder's quality."""
    known = None if encoder.ability is None else encoder.ability.settings.quality
    return QUALITY if known is None else known


def options_of(encoders: Sequence[VideoEncoder]) -> list[VideoEncoderOptions]:
    """Return what some encoders together can be set to, one entry for each encoding; what they are is in it."""
    every: dict[str, list[VideoEncoderOptions]] = {}
    for encoder in encoders:
        for option in (*_options(encoder), _as_it_is(encoder)):
            every.setdefault(option.encoding, []).append(option)
    return [_together(every[encoding]) for encoding in sorted(every)]


def changed(current: VideoEncoder, asked: Asked) -> tuple[VideoEncoderSettings, VideoEncoderSettings] | None:
    """Return what an encoder is set to and what it is to be set to; None when a client writes what it has read.

    A bit rate, a quality and a frame rate are brought into the camera's ranges (§5.4.2); raises SoapFault ConfigModify
    for anything else that the camera can't do.
    """
    if current.ability is None:
        raise AssertionError("only encoders that can be set are changed")
    made = replace(current.ability.settings, encoding=current.encoding, width=current.width, height=current.height)
    encoding = asked.encoding or made.encoding
    option = next((each for each in _options(current) if each.encoding == encoding), None)
    if option is None:
        known = ", ".join(each.encoding for each in _options(current))
        raise _refused(current, f"Encoding {encoding!r} is not one of {known}")
    wanted = replace(
        made,
        encoding=encoding,
        **_size(current, asked, option),
        frame_rate=_frame_rate(current, asked.frame_rate, option),
        bitrate=_bitrate(current, asked.kilobits, option),
        gop_length=_gop(current, asked.gov_length, option),
        quality=made.quality if asked.quality in (None, made.quality) else option.quality.nearest(asked.quality),
        codec_profile=_codec_profile(current, asked.codec_profile, option),
        constant_bitrate=bool(asked.constant_bitrate) and option.constant_bitrate
        if asked.constant_bitrate is not None
        else made.constant_bitrate,
    )
    return None if wanted == made else (made, wanted)


def _asked(wanted: Plain, gov_length: int | None, codec_profile: str | None) -> Asked:
    size, rate = wanted.get("Resolution", {}), wanted.get("RateControl", {})
    return Asked(
        wanted.get("Encoding"),
        size.get("Width"),
        size.get("Height"),
        rate.get("FrameRateLimit"),
        rate.get("BitrateLimit"),
        gov_length,
        wanted.get("Quality"),
        codec_profile,
    )


def _options(encoder: VideoEncoder) -> tuple[VideoEncoderOptions, ...]:
    return () if encoder.ability is None else encoder.ability.options


def _as_it_is(encoder: VideoEncoder) -> VideoEncoderOptions:
    quality = quality_of(encoder)
    return VideoEncoderOptions(
        encoder.encoding,
        ((encoder.width, encoder.height),),
        (encoder.frame_rate,),
        Range(encoder.kilobits * 1000, encoder.kilobits * 1000),
        Range(quality, quality),
        None if encoder.encoding == "JPEG" else Range(encoder.gov_length, encoder.gov_length),
        (encoder.codec_profile,) if encoder.codec_profile else (),
    )


def _together(options: Sequence[VideoEncoderOptions]) -> VideoEncoderOptions:
    lengths = [option.gop_length for option in options if option.gop_length is not None]
    return VideoEncoderOptions(
        options[0].encoding,
        tuple(sorted({size for option in options for size in option.resolutions}, reverse=True)),
        tuple(sorted({rate for option in options for rate in option.frame_rates}, reverse=True)),
        _span(option.bitrate for option in options),
        _span(option.quality for option in options),
        _span(lengths) if lengths else None,
        tuple(sorted({profile for option in options for profile in option.codec_profiles})),
        any(option.constant_bitrate for option in options),
    )


def _span(ranges: Iterable[Range]) -> Range:
    known = list(ranges)
    return Range(min(each.minimum for each in known), max(each.maximum for each in known))


def _size(current: VideoEncoder, asked: Asked, option: VideoEncoderOptions) -> dict[str, int]:
    width, height = asked.width or current.width, asked.height or current.height
    if (width, height) != (current.width, current.height) and (width, height) not in option.resolutions:
        known = ", ".join(f"{w}x{h}" for w, h in option.resolutions)
        raise _refused(current, f"Resolution {width}x{height} is not one of {known}")
    return {"width": width, "height": height}


def _frame_rate(current: VideoEncoder, asked: float | None, option: VideoEncoderOptions) -> float:
    made = current.ability.settings.frame_rate if current.ability else current.frame_rate
    if asked is None or asked in (made, current.frame_rate) or round(made) == asked:
        return made
    return min(option.frame_rates, key=lambda rate: (abs(rate - asked), rate), default=made)


def _bitrate(current: VideoEncoder, asked: int | None, option: VideoEncoderOptions) -> int:
    made = current.ability.settings.bitrate if current.ability else current.kilobits * 1000
    if asked is None or asked == current.kilobits:
        return made
    return round(option.bitrate.nearest(asked * 1000))


def _gop(current: VideoEncoder, asked: int | None, option: VideoEncoderOptions) -> int | None:
    made = current.ability.settings.gop_length if current.ability else None
    if option.gop_length is None:
        return None
    if asked is None or asked == current.gov_length:
        return made or current.gov_length
    if asked not in option.gop_length:
        if near(asked, current.gov_length):
            return made or current.gov_length
        low, high = option.gop_length.minimum, option.gop_length.maximum
        raise _refused(current, f"GovLength {asked} is not from {low:g} to {high:g}")
    return asked


def _codec_profile(current: VideoEncoder, asked: str | None, option: VideoEncoderOptions) -> str:
    made = current.ability.settings.codec_profile if current.ability else ""
    if option.encoding == current.encoding and asked in (None, made, current.codec_profile):
        return made
    if asked is None or not option.codec_profiles:
        return next(iter(option.codec_profiles), "")
    if asked not in option.codec_profiles:
        raise _refused(current, f"Profile {asked!r} is not one of {', '.join(option.codec_profiles)}")
    return asked


def _refused(current: VideoEncoder, reason: str) -> Exception:
    return faults.config_modify(f"configuration {current.token!r}: {reason}")
