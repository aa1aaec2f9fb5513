"""The figures of a stream as the media services show them: complete, and round where they were measured."""

import math

from gateway.domain.camera import Channel, ChannelProfile
from gateway.domain.media import MediaKind, StreamDescription, TrackDescription, VideoParameters
from gateway.services.cameras import is_complete, unknown_description
from gateway.services.profiles import NAME_LIMIT

_H264_PROFILES = frozenset({"Baseline", "Main", "Extended", "High"})
_NEARLY_WHOLE = 0.2

_MEDIA1_AUDIO = {"PCMU": "G711", "PCMA": "G711", "G726": "G726", "MPEG4-GENERIC": "AAC", "MP4A-LATM": "AAC"}
_MEDIA2_AUDIO = {"MPEG4-GENERIC": "mpeg4-generic"}


def complete(profile: ChannelProfile) -> StreamDescription:
    """Clients hang on a profile without an encoder, so what was never seen is shown with its placeholder."""
    return profile.description if is_complete(profile.description) else unknown_description(profile.name)


def video_of(description: StreamDescription) -> tuple[TrackDescription, VideoParameters]:
    """Return the video track of a complete description."""
    track = description.first(MediaKind.VIDEO)
    if track is None or track.video is None:
        raise AssertionError("only complete descriptions are modelled")
    return track, track.video


def name_of(channel: Channel, suffix: str) -> str:
    """Return `CHANNEL SUFFIX` with the channel's name cut so that the whole fits a `tt:Name`."""
    return f"{channel.name[: NAME_LIMIT - 1 - len(suffix)]} {suffix}"


def rate_of(frames: float) -> float:
    """Return a frame rate limit: measured rates wobble around the whole number that was meant."""
    whole = round(frames)
    return float(whole) if whole and abs(frames - whole) <= _NEARLY_WHOLE else max(0.1, round(frames, 1))


def kilobits_of(bitrate: int) -> int:
    """Return a bit rate limit in kbit/s, rounded up to two digits: measured rates wobble, and limits are round."""
    kilobits = max(1, math.ceil(bitrate / 1000))
    step: int = 10 ** max(0, len(str(kilobits)) - 2)
    return -(-kilobits // step) * step


def codec_profile_of(encoding: str, declared: str) -> str:
    """Return a codec profile in ONVIF's words; a guess where the stream doesn't tell."""
    if encoding == "H264":
        return declared if declared in _H264_PROFILES else "High"
    if encoding == "H265":
        return declared or "Main"
    return declared


def audio_names(encoding: str) -> tuple[str, str]:
    """Return what Media2 and Media1 call an audio codec; empty where Media1 has no word for it."""
    name = "G726" if encoding.startswith("G726") else encoding
    return _MEDIA2_AUDIO.get(name, name), _MEDIA1_AUDIO.get(name, "")
