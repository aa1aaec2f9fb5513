"""Loudspeakers in the media services: audio outputs and decoders, as plain values of ONVIF's types, and their checks.

A camera takes what it is told as it is: volume and codec are its own, so that they can be written only as they are.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.domain.media import TrackDescription
from gateway.onvif import media_faults as faults
from gateway.onvif.media_figures import audio_names, kilobits_of
from gateway.onvif.media_model import AudioDecoder, AudioOutputConfiguration, MediaModel
from gateway.onvif.media_schema import Plain, entity, span

LEVEL = 100
"""The volume as ONVIF counts it: nothing is taken away from it."""
_DEFAULT_BITRATE = 64_000


def output(configuration: AudioOutputConfiguration, model: MediaModel) -> Plain:
    """Return a `tt:AudioOutputConfiguration`."""
    return {**entity(configuration, model), "OutputToken": configuration.output, "OutputLevel": LEVEL}


def output_options(configurations: Iterable[AudioOutputConfiguration]) -> Plain:
    """Return `tt:AudioOutputConfigurationOptions`."""
    tokens = [configuration.output for configuration in configurations]
    return {"OutputTokensAvailable": tokens, "OutputLevelRange": span([LEVEL])}


def check_output(current: AudioOutputConfiguration, wanted: Plain) -> None:
    """Refuse another output or volume. Raises SoapFault ConfigModify."""
    for label, value, true in (
        ("OutputToken", wanted.get("OutputToken"), current.output),
        ("OutputLevel", wanted.get("OutputLevel"), LEVEL),
    ):
        if value is not None and value != true:
            raise faults.config_modify(
                f"{label} {value!r} of configuration {current.token!r} can't be set: it is {true!r}"
            )


def decoder(configuration: AudioDecoder, model: MediaModel) -> Plain:
    """Return a `tt:AudioDecoderConfiguration`."""
    return entity(configuration, model)


def media1_decoder_options(decoders: Sequence[AudioDecoder]) -> Plain:
    """Return `tt:AudioDecoderConfigurationOptions`, with the codecs that Media1 has a word for."""
    return {
        f"{name}DecOptions": {"Bitrate": _kilobits(tracks), "SampleRateRange": _kilohertz(tracks)}
        for name, tracks in _by_name(decoders, 1).items()
        if name
    }


def media2_decoder_options(decoders: Sequence[AudioDecoder]) -> list[Plain]:
    """Return `tt:AudioEncoder2ConfigurationOptions`, one per encoding."""
    return [
        {"Encoding": name, "BitrateList": _kilobits(tracks), "SampleRateList": _kilohertz(tracks)}
        for name, tracks in _by_name(decoders, 0).items()
    ]


def _by_name(decoders: Iterable[AudioDecoder], service: int) -> dict[str, list[TrackDescription]]:
    found: dict[str, list[TrackDescription]] = {}
    for each in decoders:
        for track in each.tracks:
            found.setdefault(audio_names(track.encoding)[service], []).append(track)
    return found


def _kilobits(tracks: Iterable[TrackDescription]) -> dict[str, Any]:
    return {"Items": sorted({kilobits_of(each.audio.bitrate if each.audio else _DEFAULT_BITRATE) for each in tracks})}


def _kilohertz(tracks: Iterable[TrackDescription]) -> dict[str, Any]:
    return {"Items": sorted({max(1, round(each.clock_rate / 1000)) for each in tracks})}
