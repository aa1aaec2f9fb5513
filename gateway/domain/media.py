"""What moves: access units, and the streams and tracks that they belong to."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class MediaKind(StrEnum):
    """The media of one track, in SDP's words (RFC 8866 §5.14)."""

    VIDEO = "video"
    AUDIO = "audio"
    APPLICATION = "application"


@dataclass(frozen=True, slots=True)
class VideoParameters:
    """What a video track truly carries."""

    width: int
    height: int
    frame_rate: float
    bitrate: int
    """Bits per second, measured or declared."""
    gop_length: int
    """Frames from one key frame to the next."""
    codec_profile: str = ""
    """Codec profile in ONVIF's words: Baseline, Main, High, Extended, Main10; empty when unknown."""


@dataclass(frozen=True, slots=True)
class AudioParameters:
    """What an audio track truly carries."""

    sample_rate: int
    channels: int
    bitrate: int


@dataclass(frozen=True, slots=True)
class TrackDescription:
    """One track as announced in SDP; its payload travels untouched."""

    kind: MediaKind
    encoding: str
    """Encoding name of the rtpmap, upper case: H264, H265, JPEG, MPEG4-GENERIC, PCMU, PCMA, OPUS, …"""
    payload_type: int
    clock_rate: int
    channels: int = 1
    fmtp: str = ""
    """The value of `a=fmtp` after the payload type, verbatim."""
    video: VideoParameters | None = None
    audio: AudioParameters | None = None


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """The tracks of one stream, in order; `AccessUnit.track` indexes them."""

    tracks: tuple[TrackDescription, ...]

    def first(self, kind: MediaKind) -> TrackDescription | None:
        """Return the first track of a kind, or None."""
        return next((track for track in self.tracks if track.kind is kind), None)


@dataclass(slots=True)
class PacketBlock:
    """The RTP packets of one access unit, framed for interleaved TCP (RFC 2326 §10.12). Immutable once made.

    Every packet is preceded by `$`, its channel (always twice the track's index) and its 16-bit length.
    """

    data: bytes
    count: int
    """Packets."""
    _offsets: Sequence[int] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def offsets(self) -> Sequence[int]:
        """Positions of every `$`; looked for on first use, since viewers over TCP need none, then kept."""
        if self._offsets is None:
            data, offsets, position = self.data, array("I"), 0
            for _ in range(self.count):
                offsets.append(position)
                position += 4 + (data[position + 2] << 8 | data[position + 3])
            self._offsets = offsets
        return self._offsets


class Depacketizer(Protocol):
    """Turns the packets of one access unit into its payload: NAL units or audio frames."""

    def __call__(self, packets: PacketBlock, /) -> tuple[memoryview, ...]:
        """Return the payload parts, in order, without start codes or length fields."""
        ...


@dataclass(slots=True, eq=False)
class AccessUnit:
    """The only thing that moves: one frame of one track with its RTP packets. Immutable once made."""

    track: int
    rtp_time: int
    """Unwrapped timestamp in the track's clock rate; its low 32 bits are the wire's."""
    utc_ns: int
    """Capture time in nanoseconds since the Unix epoch, UTC."""
    keyframe: bool
    packets: PacketBlock
    depacketize: Depacketizer = field(repr=False)
    _payload: tuple[memoryview, ...] | None = field(default=None, init=False, repr=False)

    def payload(self) -> tuple[memoryview, ...]:
        """Return the NAL units or audio frames; depacketised on first use, then kept."""
        if self._payload is None:
            self._payload = self.depacketize(self.packets)
        return self._payload
