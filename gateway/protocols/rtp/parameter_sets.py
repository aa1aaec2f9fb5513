"""Parameter sets of H.264 and H.265: in SDP, in the stream, and what they say of the video."""

import base64
import binascii
from collections.abc import Iterable, Sequence

from gateway.domain.media import VideoParameters
from gateway.protocols.rtp import fmtp, h264, h264_sps, h265, h265_sps
from gateway.protocols.rtp import sequence as described

DEFAULT_FRAME_RATE = 25.0
_GOP_SECONDS = 2
_BITS_PER_PIXEL = 0.08
"""What cameras spend on a pixel, about; used until the bit rate is measured."""
_H265_PARAMETERS = (("sprop-vps", h265.VPS), ("sprop-sps", h265.SPS), ("sprop-pps", h265.PPS))


def from_fmtp(encoding: str, parameters: str) -> tuple[bytes, ...]:
    """Return the parameter sets of an fmtp, in order (RFC 6184 §8.1, RFC 7798 §7.1); what is malformed is left out."""
    values = fmtp.parse(parameters)
    names = ["sprop-parameter-sets"] if encoding == "H264" else [name for name, _ in _H265_PARAMETERS]
    texts = [text for name in names for text in values.get(name, "").split(",")]
    return tuple(unit for unit in map(_decoded, texts) if unit)


def to_fmtp(encoding: str, units: Sequence[bytes], parameters: str = "") -> str:
    """Return an fmtp with the parameter sets put in, other parameters kept."""
    if encoding == "H264":
        changes = {"sprop-parameter-sets": _encoded(units)}
        sps = next((unit for unit in units if unit[0] & 0x1F == h264.SPS and len(unit) > 3), None)  # noqa: PLR2004
        if sps is not None:
            changes["profile-level-id"] = sps[1:4].hex().upper()
        if not parameters:
            parameters = "packetization-mode=1"
    else:
        changes = {
            name: _encoded([unit for unit in units if unit[0] >> 1 & 0x3F == kind]) for name, kind in _H265_PARAMETERS
        }
    return fmtp.replaced(parameters, {name: value for name, value in changes.items() if value})


def video_parameters(encoding: str, units: Iterable[bytes], frame_rate: float = 0.0) -> VideoParameters | None:
    """Return what parameter sets say of the video, or None without a readable sequence parameter set.

    The frame rate is theirs, else `frame_rate`, else 25; bit rate and GOP length are estimates until measured.
    """
    found, rate = _sequence(encoding, tuple(units))
    if found is None or found.width <= 0 or found.height <= 0:
        return None
    return estimated(found.width, found.height, _plausible(rate) or frame_rate, found.profile)


def estimated(width: int, height: int, frame_rate: float, codec_profile: str = "") -> VideoParameters:
    """Return the parameters of a video of known size; what is not known is estimated."""
    rate = _plausible(frame_rate) or DEFAULT_FRAME_RATE
    return VideoParameters(
        width=width,
        height=height,
        frame_rate=rate,
        bitrate=round(width * height * rate * _BITS_PER_PIXEL),
        gop_length=max(round(rate * _GOP_SECONDS), 1),
        codec_profile=codec_profile,
    )


def _sequence(encoding: str, units: tuple[bytes, ...]) -> tuple[described.Sequence | None, float]:
    """Return the last sequence parameter set, and the frame rate."""
    found, vps_rate = None, 0.0
    for unit in units:
        try:
            if encoding == "H264" and unit[0] & 0x1F == h264.SPS:
                found = h264_sps.parse(unit)
            elif encoding == "H265" and unit[0] >> 1 & 0x3F == h265.SPS:
                found = h265_sps.parse(unit)
            elif encoding == "H265" and unit[0] >> 1 & 0x3F == h265.VPS:
                vps_rate = h265_sps.vps_frame_rate(unit)
        except EOFError:
            continue
    return found, (found.frame_rate if found else 0.0) or vps_rate


def _plausible(rate: float) -> float:
    """Return a frame rate, or 0 for one that a careless camera wrote."""
    return round(rate, 3) if 0.1 <= rate <= 240 else 0.0  # noqa: PLR2004 - frames per second


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip() + "=" * (-len(text.strip()) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _encoded(units: Iterable[bytes]) -> str:
    return ",".join(base64.b64encode(unit).decode() for unit in units)
