"""Small headers of RTSP: Session, RTP-Info and Scale (RFC 2326 §12.37, §12.33, §12.34)."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.protocols.rtsp.messages import RtspError

DEFAULT_TIMEOUT = 60
"""Seconds that a session lives without a sign of life, when nothing else is said."""
FASTEST = 64.0
"""Times normal speed that anything is played."""


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """A session's id and its time-out in seconds."""

    id: str
    timeout: int = DEFAULT_TIMEOUT

    def __str__(self) -> str:
        return f"{self.id};timeout={self.timeout}"


def parse_session(value: str) -> SessionHeader:
    """Parse a Session header; an unreadable time-out is the default."""
    identifier, _, rest = value.partition(";")
    name, _, number = rest.strip().partition("=")
    known = name.strip().lower() == "timeout" and number.strip().isascii() and number.strip().isdigit()
    return SessionHeader(identifier.strip(), int(number.strip()[:9]) if known else DEFAULT_TIMEOUT)


@dataclass(frozen=True, slots=True)
class RtpInfo:
    """The first packet of one track that PLAY sends."""

    url: str
    sequence: int | None = None
    rtp_time: int | None = None


def serialize_rtp_info(infos: Iterable[RtpInfo]) -> str:
    """Return the value of an RTP-Info header."""
    return ",".join(map(_rtp_info, infos))


def _rtp_info(info: RtpInfo) -> str:
    sequence = "" if info.sequence is None else f";seq={info.sequence}"
    rtp_time = "" if info.rtp_time is None else f";rtptime={info.rtp_time}"
    return f"url={info.url}{sequence}{rtp_time}"


def parse_rtp_info(value: str) -> tuple[RtpInfo, ...]:
    """Parse an RTP-Info header; entries without an URL are left out, unreadable numbers are absent."""
    infos = []
    for entry in value.split(","):
        pairs = (part.strip().partition("=") for part in entry.split(";"))
        fields = {name.strip().lower(): content.strip() for name, _, content in pairs}
        if fields.get("url"):
            infos.append(RtpInfo(fields["url"], _number(fields.get("seq", "")), _number(fields.get("rtptime", ""))))
    return tuple(infos)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None  # noqa: PLR2004 - 32 bits


def parse_scale(value: str) -> float:
    """Parse a Scale header: 1 is normal speed, negative is backwards. Raises RtspError (400)."""
    try:
        scale = float(value)
    except ValueError:
        scale = 0.0
    if not 0 < abs(scale) <= FASTEST:
        raise RtspError(400, f"Scale {value[:40]!r} is not from -{FASTEST:g} to {FASTEST:g}, or is 0")
    return scale
