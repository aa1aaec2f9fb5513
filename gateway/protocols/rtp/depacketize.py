"""Which payload format a track has."""

from gateway.domain.media import MediaKind, TrackDescription
from gateway.protocols.rtp.h264 import H264Format
from gateway.protocols.rtp.h265 import H265Format
from gateway.protocols.rtp.jpeg import JpegFormat
from gateway.protocols.rtp.mpeg4_generic import Mpeg4GenericFormat
from gateway.protocols.rtp.payload import Joined, PayloadFormat


def depacketizer(track: TrackDescription) -> PayloadFormat:
    """Return the payload format of a track, which depacketises (`Depacketizer`) and knows key frames.

    Unknown audio is taken a packet at a time; unknown video and metadata are joined up to the marker.
    """
    match track.encoding.upper():
        case "H264":
            return H264Format()
        case "H265":
            return H265Format()
        case "JPEG":
            return JpegFormat((track.video.width, track.video.height) if track.video else (0, 0))
        case "MPEG4-GENERIC":
            return Mpeg4GenericFormat(track.fmtp)
        case "MP4A-LATM":
            return Joined()
    return PayloadFormat() if track.kind is MediaKind.AUDIO else Joined()
