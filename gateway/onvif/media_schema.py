"""Model objects as the plain values of ONVIF's types: what Media1, Media2 and DeviceIO share."""

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from gateway.domain.ranges import Range
from gateway.onvif.media_metadata import events
from gateway.onvif.media_model import (
    Analytics,
    AudioEncoder,
    AudioSourceConfiguration,
    Configuration,
    MediaModel,
    Metadata,
    VideoEncoder,
    VideoSourceConfiguration,
)
from gateway.services.profiles import VIRTUAL_LIMIT, MulticastGroup

Plain = dict[str, Any]


def entity(configuration: Configuration, model: MediaModel) -> Plain:
    """Return the part that every configuration begins with (`tt:ConfigurationEntity`)."""
    return {
        "token": configuration.token,
        "Name": configuration.name,
        "UseCount": model.use_counts.get(configuration.token, 0),
    }


def multicast(group: MulticastGroup) -> Plain:
    """Return a `tt:MulticastConfiguration`."""
    version = "IPv6" if ":" in group.address else "IPv4"
    return {
        "Address": {"Type": version, f"{version}Address": group.address},
        "Port": group.port,
        "TTL": group.ttl,
        "AutoStart": group.auto_start,
    }


def session_timeout(configuration: Configuration) -> timedelta:
    """Return the RTSP session's time-out of a configuration."""
    return timedelta(seconds=configuration.settings.session_timeout)


def video_source_configuration(configuration: VideoSourceConfiguration, model: MediaModel) -> Plain:
    """Return a `tt:VideoSourceConfiguration`."""
    source = configuration.source
    return {
        **entity(configuration, model),
        "SourceToken": source.token,
        "Bounds": {"x": 0, "y": 0, "width": source.width, "height": source.height},
    }


def video_source_options(configurations: Sequence[VideoSourceConfiguration], model: MediaModel) -> Plain:
    """Return `tt:VideoSourceConfigurationOptions` that fit every one of some configurations."""
    sources = [configuration.source for configuration in configurations]
    return {
        "MaximumNumberOfProfiles": max_profiles(model),
        "BoundsRange": {
            "XRange": span([0]),
            "YRange": span([0]),
            "WidthRange": span(source.width for source in sources),
            "HeightRange": span(source.height for source in sources),
        },
        "VideoSourceTokensAvailable": [source.token for source in sources],
    }


def audio_source_configuration(configuration: AudioSourceConfiguration, model: MediaModel) -> Plain:
    """Return a `tt:AudioSourceConfiguration`."""
    return {**entity(configuration, model), "SourceToken": configuration.source.token}


def audio_source_options(configurations: Sequence[AudioSourceConfiguration]) -> Plain:
    """Return `tt:AudioSourceConfigurationOptions`."""
    return {"InputTokensAvailable": [configuration.source.token for configuration in configurations]}


def metadata(configuration: Metadata, model: MediaModel) -> Plain:
    """Return a `tt:MetadataConfiguration`."""
    return {
        **entity(configuration, model),
        **events(configuration.settings),
        "Analytics": configuration.settings.analytics,
        "Multicast": multicast(configuration.multicast),
        "SessionTimeout": session_timeout(configuration),
    }


def analytics(configuration: Analytics, model: MediaModel) -> Plain:
    """Return a `tt:VideoAnalyticsConfiguration`."""
    return {**entity(configuration, model), **configuration.content}


def resolution(encoder: VideoEncoder) -> Plain:
    """Return a `tt:VideoResolution` or `tt:VideoResolution2`."""
    return {"Width": encoder.width, "Height": encoder.height}


def sizes(resolutions: Iterable[tuple[int, int]]) -> list[Plain]:
    """Return resolutions."""
    return [{"Width": width, "Height": height} for width, height in resolutions]


def span_of(limits: Range) -> Plain:
    """Return a `tt:FloatRange`."""
    return {"Min": limits.minimum, "Max": limits.maximum}


def kilobits_span(bitrate: Range) -> Plain:
    """Return a `tt:IntRange` in kbit/s of a range in bit/s."""
    return {"Min": math.ceil(bitrate.minimum / 1000), "Max": math.ceil(bitrate.maximum / 1000)}


def span(values: Iterable[float]) -> Plain:
    """Return a `tt:IntRange` or `tt:FloatRange` over some values."""
    ordered = sorted(values)
    return {"Min": ordered[0], "Max": ordered[-1]}


def audio_rates(encoders: Iterable[AudioEncoder]) -> Plain:
    """Return the lists of an audio encoder's options, in kbit/s and kHz."""
    encoders = tuple(encoders)
    return {
        "BitrateList": {"Items": sorted({encoder.kilobits for encoder in encoders})},
        "SampleRateList": {"Items": sorted({encoder.kilohertz for encoder in encoders})},
    }


def max_profiles(model: MediaModel) -> int:
    """Return how many profiles there can be: the fixed ones and those that clients may make."""
    return sum(profile.fixed for profile in model.profiles.values()) + VIRTUAL_LIMIT


def osd_options() -> Plain:
    """Return `tt:OSDConfigurationOptions` that leave room for none: pictures pass through untouched."""
    return {
        "MaximumNumberOfOSDs": {"Total": 0},
        "Type": ["Text"],
        "PositionOption": ["Custom"],
        "TextOption": {"Type": ["Plain"]},
    }


def video_source_mode(configuration: VideoSourceConfiguration, model: MediaModel) -> Plain:
    """Return the one mode of a video source."""
    source = configuration.source
    encoders = [encoder for encoder in model.video_encoders.values() if encoder.channel == configuration.channel]
    return {
        "token": mode_token(source.token),
        "Enabled": True,
        "MaxFramerate": source.frame_rate,
        "MaxResolution": {"Width": source.width, "Height": source.height},
        "Encodings": sorted({encoder.encoding for encoder in encoders}),
        "Reboot": False,
    }


def mode_token(source: str) -> str:
    """Return the token of a video source's only mode."""
    return f"Mode_{source}"
