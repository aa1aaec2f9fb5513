"""What requests about recordings ask for (RFC 2326 §12, ONVIF Streaming §6.4)."""

from dataclasses import dataclass
from typing import Final

from gateway.protocols.rtsp import headers, ranges
from gateway.protocols.rtsp.messages import Request, RtspError

_NANOSECONDS_OF_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a PLAY asks for."""

    range: ranges.Range | None
    scale: float
    paced: bool
    intra: bool
    references: bool
    interval_ns: int
    cseq: int


def asked_of(request: Request) -> Asked:
    """Read the headers of a PLAY. Raises RtspError 400 or 457."""
    get = request.headers.get
    range_ = ranges.parse(get("Range")) if get("Range") else None
    paced = _choice(get("Rate-Control") or "yes", "Rate-Control", ("yes", "no")) == "yes"
    _choice(get("Immediate") or "yes", "Immediate", ("yes", "no"))
    scale = headers.parse_scale(get("Scale") or "1")
    frames, _, least = (get("Frames") or "all").strip().lower().partition("/")
    _choice(frames, "Frames", ("all", "intra", "predicted"))
    if least and not (frames == "intra" and least.isascii() and least.isdigit() and len(least) < 10):  # noqa: PLR2004 - days of milliseconds
        raise RtspError(400, f"Frames {get('Frames')[:40]!r} is neither intra, intra/MILLISECONDS, predicted nor all")
    return Asked(
        range_,
        scale if paced else (-1.0 if scale < 0 else 1.0),
        paced,
        frames == "intra",
        frames == "predicted",
        int(least or 0) * _NANOSECONDS_OF_MS,
        int(request.cseq),
    )


def _choice(text: str, name: str, known: tuple[str, ...]) -> str:
    value = text.strip().lower()
    if value not in known:
        raise RtspError(400, f"{name} {text[:40]!r} is none of {', '.join(known)}")
    return value


def pause_point(request: Request) -> int | None:
    """Return the moment at which a PAUSE is meant, in nanoseconds UTC; None for at once. Raises RtspError 457."""
    wanted = request.headers.get("Range")
    if not wanted:
        return None
    point = ranges.parse(wanted if "-" in wanted else f"{wanted}-")
    if not isinstance(point, ranges.ClockRange):
        raise RtspError(457, f"range {wanted[:80]!r} is not a moment of the recording")
    return point.start_ns
