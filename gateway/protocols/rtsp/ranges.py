"""The Range header in its three formats (RFC 2326 §3.5 to §3.7, §12.29)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.protocols.rtsp.messages import RtspError

_CLOCK = re.compile(r"(\d{8}T\d{6})(?:\.(\d{1,9})\d*)?Z")
_NPT = re.compile(r"(?:(\d{1,6}):(\d{1,2}):)?(\d{1,12}(?:\.\d*)?)")
_SMPTE = re.compile(r"\d{1,2}:\d{2}:\d{2}(?::\d{2}(?:\.\d{1,2})?)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class NptRange:
    """Normal play time in seconds; a start of None is `now`, an end of None is open."""

    start: float | None
    end: float | None = None

    def __str__(self) -> str:
        start = "now" if self.start is None else f"{self.start:.3f}"
        return f"npt={start}-" + ("" if self.end is None else f"{self.end:.3f}")


@dataclass(frozen=True, slots=True)
class ClockRange:
    """Wall clock, UTC in nanoseconds since the Unix epoch; an end of None is open."""

    start_ns: int
    end_ns: int | None = None

    def __str__(self) -> str:
        return f"clock={_utc(self.start_ns)}-" + ("" if self.end_ns is None else _utc(self.end_ns))


@dataclass(frozen=True, slots=True)
class SmpteRange:
    """SMPTE time codes, verbatim, with their format (`smpte`, `smpte-25`, `smpte-30-drop`)."""

    format: str
    start: str
    end: str = ""

    def __str__(self) -> str:
        return f"{self.format}={self.start}-{self.end}"


Range = NptRange | ClockRange | SmpteRange


def parse(value: str) -> Range:
    """Parse a header value; a `time` parameter is ignored. Raises RtspError (457) naming it."""
    unit, _, span = value.partition(";")[0].strip().partition("=")
    start, dash, end = (part.strip() for part in span.partition("-"))
    unit = unit.strip().lower()
    if dash:
        if unit == "npt" and (start or end):
            return NptRange(_npt(start or "0", value), _npt(end, value) if end else None)
        if unit == "clock":
            return ClockRange(_clock(start, value), _clock(end, value) if end else None)
        if unit in ("smpte", "smpte-25", "smpte-30-drop"):
            return SmpteRange(unit, _smpte(start, value), _smpte(end, value) if end else "")
    raise _invalid(value)


def _npt(text: str, value: str) -> float | None:
    if text == "now":
        return None
    match = _NPT.fullmatch(text)
    if match is None:
        raise _invalid(value)
    return int(match[1] or 0) * 3600 + int(match[2] or 0) * 60 + float(match[3])


def _clock(text: str, value: str) -> int:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise _invalid(value)
    try:
        instant = datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise _invalid(value) from error
    return (instant - _EPOCH) // timedelta(seconds=1) * _NS + int((match[2] or "").ljust(9, "0"))


def _utc(instant_ns: int) -> str:
    seconds, ns = divmod(instant_ns, _NS)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%S")
    return f"{text}.{ns // 1_000_000:03d}Z" if ns else f"{text}Z"


def _smpte(text: str, value: str) -> str:
    if not _SMPTE.fullmatch(text):
        raise _invalid(value)
    return text


def _invalid(value: str) -> RtspError:
    return RtspError(457, f"range {value[:80]!r} is neither npt, clock nor smpte")
