"""What a camera delivers: tracks from its SDP, kept true by what is found in the stream."""

from dataclasses import replace
from typing import Final

from gateway.domain.media import (
    AccessUnit,
    AudioParameters,
    MediaKind,
    StreamDescription,
    TrackDescription,
    VideoParameters,
)
from gateway.protocols.rtp import parameter_sets
from gateway.protocols.rtp.depacketize import depacketizer
from gateway.protocols.rtp.jpeg import JpegFormat
from gateway.protocols.rtp.nal import NalFormat
from gateway.protocols.sdp import Media

_AUDIO_BITRATES: Final = {"PCMU": 64_000, "PCMA": 64_000, "G722": 64_000, "G726-32": 32_000, "G723": 6_300}
_OTHER_AUDIO_BITRATE: Final = 64_000


def track(media: Media) -> TrackDescription:
    """Return the track that an SDP media describes; its video parameters are None while they are not known."""
    described = TrackDescription(
        media.kind, media.encoding, media.payload_type, media.clock_rate, media.channels, media.fmtp
    )
    if media.kind is MediaKind.AUDIO:
        bitrate = _AUDIO_BITRATES.get(media.encoding, _OTHER_AUDIO_BITRATE) * media.channels
        return replace(described, audio=AudioParameters(media.clock_rate, media.channels, bitrate))
    if media.kind is MediaKind.VIDEO:
        return replace(described, video=_declared_video(media))
    return described


def _declared_video(media: Media) -> VideoParameters | None:
    rate = declared_frame_rate(media)
    if media.encoding in ("H264", "H265"):
        units = parameter_sets.from_fmtp(media.encoding, media.fmtp)
        if found := parameter_sets.video_parameters(media.encoding, units, rate):
            return found
    width, height = _declared_size(media)
    return parameter_sets.estimated(width, height, rate) if width and height else None


def declared_frame_rate(media: Media) -> float:
    """Return the frame rate of the SDP's attributes, or 0."""
    for name in ("framerate", "x-framerate"):
        try:
            rate = float(media.attributes.get(name, ""))
        except ValueError:
            continue
        return rate if 0 < rate <= 240 else 0.0  # noqa: PLR2004 - frames per second
    return 0.0


def _declared_size(media: Media) -> tuple[int, int]:
    """Return the size of `a=x-dimensions:W,H` or `a=framesize:TYPE W-H`, or zeros."""
    for text in (media.attributes.get("x-dimensions", ""), media.attributes.get("framesize", "").partition(" ")[2]):
        width, _, height = text.replace("-", ",").partition(",")
        if width.strip().isdecimal() and height.strip().isdecimal():
            return int(width), int(height)
    return 0, 0


class Description:
    """The description of a stream as far as it is known."""

    def __init__(self, tracks: tuple[TrackDescription, ...], frame_rates: tuple[float, ...]) -> None:
        self.current = StreamDescription(tracks)
        self._frame_rates = frame_rates
        self._formats = tuple(depacketizer(described) for described in tracks)
        self._units = [_by_type(described.encoding, _announced(described)) for described in tracks]

    @property
    def complete(self) -> bool:
        """Whether the size of all video is known that can become known."""
        return all(
            described.video is not None
            for described, format_ in zip(self.current.tracks, self._formats, strict=True)
            if isinstance(format_, NalFormat | JpegFormat)
        )

    def learn(self, unit: AccessUnit) -> bool:
        """Look at a key frame; tell whether the description has changed."""
        old = self.current.tracks[unit.track]
        new = self._seen(unit, old)
        if new == old:
            return False
        tracks = self.current.tracks
        self.current = StreamDescription((*tracks[: unit.track], new, *tracks[unit.track + 1 :]))
        return True

    def _seen(self, unit: AccessUnit, old: TrackDescription) -> TrackDescription:
        format_, rate = self._formats[unit.track], self._frame_rates[unit.track]
        if isinstance(format_, NalFormat):
            return self._with_parameter_sets(unit.track, old, format_.inband(unit.packets), rate)
        if isinstance(format_, JpegFormat):
            size = format_.size(unit.packets)
            if size and (old.video is None or (old.video.width, old.video.height) != size):
                return replace(old, video=parameter_sets.estimated(*size, rate))
        return old

    def _with_parameter_sets(
        self, index: int, old: TrackDescription, units: tuple[bytes, ...], rate: float
    ) -> TrackDescription:
        known = self._units[index]
        merged = known | _by_type(old.encoding, units)
        if merged == known:
            return old
        everything = tuple(unit for kind in sorted(merged) for unit in merged[kind])
        video = parameter_sets.video_parameters(old.encoding, everything, rate)
        if video is None:
            return old
        self._units[index] = merged
        return replace(old, video=video, fmtp=parameter_sets.to_fmtp(old.encoding, everything, old.fmtp))


def _announced(described: TrackDescription) -> tuple[bytes, ...]:
    if described.encoding not in ("H264", "H265"):
        return ()
    return parameter_sets.from_fmtp(described.encoding, described.fmtp)


def _by_type(encoding: str, units: tuple[bytes, ...]) -> dict[int, tuple[bytes, ...]]:
    """Return parameter sets by NAL unit type; the types sort in the order in which they are sent."""
    found: dict[int, tuple[bytes, ...]] = {}
    for unit in units:
        kind = unit[0] & 0x1F if encoding == "H264" else unit[0] >> 1 & 0x3F
        if unit not in found.get(kind, ()):
            found[kind] = (*found.get(kind, ()), unit)
    return found
