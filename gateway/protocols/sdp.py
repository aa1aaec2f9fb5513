"""Session descriptions (SDP, RFC 8866) as RTSP uses them (RFC 2326 Appendix C): lenient in, strict out."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind, StreamDescription, TrackDescription

MAX_BYTES: Final = 64 * 1024
MAX_MEDIAS: Final = 32

_STATIC_TYPES: Final = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),
    10: ("L16", 44_100, 2),
    11: ("L16", 44_100, 1),
    14: ("MPA", 90_000, 1),
    26: ("JPEG", 90_000, 1),
    31: ("H261", 90_000, 1),
    32: ("MPV", 90_000, 1),
    33: ("MP2T", 90_000, 1),
    34: ("H263", 90_000, 1),
}
"""Payload types that need no rtpmap (RFC 3551 §6): encoding, clock rate, channels."""

_DEFAULT_CLOCK_RATE: Final = {MediaKind.VIDEO: 90_000, MediaKind.AUDIO: 8000, MediaKind.APPLICATION: 90_000}


@dataclass(frozen=True, slots=True)
class Media:
    """One `m=` section with its first payload type; texts are verbatim, empty where absent."""

    kind: MediaKind
    control: str
    payload_type: int
    encoding: str
    """Upper case: H264, MPEG4-GENERIC, VND.ONVIF.METADATA, …; empty for an unknown payload type without rtpmap."""
    clock_rate: int
    channels: int
    fmtp: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Every `a=NAME:VALUE` of the section by name, the last one of each; flags have an empty value."""


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A parsed description: the session's control attribute, its medias in order, and its other attributes."""

    control: str
    medias: tuple[Media, ...]
    name: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MulticastTarget:
    """Where the RTP packets of one track are sent to a group; RTCP goes to the next port."""

    address: str
    port: int
    ttl: int


def parse(text: str | bytes) -> SessionDescription:
    """Read a description as cameras really write them: any line ends, unknown lines, missing or odd rtpmaps.

    Raises GatewayError (INVALID) only when it is too large or no media can be made of it.
    """
    if len(text) > MAX_BYTES:
        raise GatewayError(ErrorKind.INVALID, f"the SDP has {len(text)} bytes; at most {MAX_BYTES} are accepted")
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    session, *sections = _sections(text)
    if len(sections) > MAX_MEDIAS:
        raise GatewayError(ErrorKind.INVALID, f"the SDP has {len(sections)} medias; at most {MAX_MEDIAS} are accepted")
    medias = tuple(media for media in map(_media, sections) if media is not None)
    if not medias:
        raise GatewayError(ErrorKind.INVALID, "the SDP describes no media")
    attributes = _attributes(session)
    name = next((value for kind, value in session if kind == "s"), "")
    return SessionDescription(attributes.get("control", ""), medias, name, attributes)


_Line = tuple[str, str]
"""A line by its type letter and its value."""


def _sections(text: str) -> list[list[_Line]]:
    """Split into the session's lines and each media's lines, as (type, value)."""
    sections: list[list[_Line]] = [[]]
    for line in text.replace("\0", "").splitlines():
        kind, equals, value = line.strip().partition("=")
        if not equals or len(kind) != 1:
            continue
        if kind == "m":
            sections.append([])
        sections[-1].append((kind, value.strip()))
    return sections


def _attributes(lines: Sequence[_Line]) -> dict[str, str]:
    pairs = (value.partition(":") for kind, value in lines if kind == "a")
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _formats(lines: Sequence[_Line], attribute: str) -> Iterator[tuple[int | None, str]]:
    """Yield the payload type and the rest of every `a=rtpmap:` or `a=fmtp:`."""
    for kind, value in lines:
        name, _, content = value.partition(":")
        if kind == "a" and name.strip().lower() == attribute:
            number, _, rest = content.strip().partition(" ")
            yield _integer(number), rest.strip()


def _media(lines: Sequence[_Line]) -> Media | None:
    words = lines[0][1].split()
    payload_type = _integer(words[3]) if len(words) > 3 else None  # noqa: PLR2004 - m=KIND PORT PROTOCOL TYPE …
    if payload_type is None or not 0 <= payload_type < 128:  # noqa: PLR2004 - seven bits
        return None
    kind = MediaKind(words[0]) if words[0] in set(MediaKind) else MediaKind.APPLICATION
    rtpmaps, fmtps = list(_formats(lines, "rtpmap")), list(_formats(lines, "fmtp"))
    encoding, clock_rate, channels = _rtpmap(kind, payload_type, _chosen(rtpmaps, payload_type))
    attributes = _attributes(lines)
    return Media(
        kind=kind,
        control=attributes.get("control", ""),
        payload_type=payload_type,
        encoding=encoding,
        clock_rate=clock_rate,
        channels=channels,
        fmtp=_chosen(fmtps, payload_type),
        attributes=attributes,
    )


def _chosen(candidates: Sequence[tuple[int | None, str]], payload_type: int) -> str:
    """Return the one for the payload type; cameras that write a wrong number in their only line still mean it."""
    for number, value in candidates:
        if number == payload_type:
            return value
    return candidates[0][1] if len(candidates) == 1 and payload_type not in _STATIC_TYPES else ""


def _rtpmap(kind: MediaKind, payload_type: int, value: str) -> tuple[str, int, int]:
    encoding, clock_rate, channels = _STATIC_TYPES.get(payload_type, ("", _DEFAULT_CLOCK_RATE[kind], 1))
    parts = [part.strip() for part in value.split("/")]
    if parts[0]:
        encoding = parts[0].upper()
    if len(parts) > 1:
        clock_rate = _integer(parts[1]) or clock_rate
    if len(parts) > 2:  # noqa: PLR2004 - the third part counts channels
        channels = _integer(parts[2]) or channels
    return encoding, clock_rate, channels


def _integer(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None  # noqa: PLR2004 - fits 32 bits


def serialize(
    description: StreamDescription,
    *,
    session_name: str,
    session_id: int = 0,
    version: int = 0,
    ipv6: bool = False,
    range_: str = "npt=now-",
    multicast: Sequence[MulticastTarget] = (),
    track_tokens: Sequence[str] = (),
    backchannel: Sequence[TrackDescription] = (),
) -> bytes:
    """Write the description that DESCRIBE answers; the tracks' controls are `trackID=0`, `trackID=1`, ….

    Addresses are left to SETUP, but clients take the protocol of their sockets from here: `ipv6` is theirs. With
    `multicast`, one target for each track, every media names its group; with `track_tokens` every media names the track
    of the recording that it is (ONVIF Streaming §6.2). The tracks of the `backchannel`, by which the client sends, come
    last, numbered on, and are marked so (ONVIF Streaming §5.3).
    """
    family, address = ("IP6", "::") if ipv6 else ("IP4", "0.0.0.0")  # noqa: S104 - in SDP it is no address
    lines = [
        "v=0",
        f"o=- {session_id} {version} IN {family} {address}",
        f"s={_line(session_name) or '-'}",
        f"c=IN {family} {address}",
        "t=0 0",
        "a=control:*",
        f"a=range:{range_}",
    ]
    for index, track in enumerate(description.tracks):
        lines += _track_lines(index, track, multicast[index] if multicast else None)
        if track_tokens:
            lines.append(f"a=x-onvif-track:{_line(track_tokens[index])}")
    for index, track in enumerate(backchannel, len(description.tracks)):
        lines += _track_lines(index, track, None, direction="sendonly")
    return ("\r\n".join(lines) + "\r\n").encode()


def _track_lines(
    index: int, track: TrackDescription, target: MulticastTarget | None, *, direction: str = "recvonly"
) -> Iterator[str]:
    yield f"m={track.kind} {target.port if target else 0} RTP/AVP {track.payload_type}"
    if target:
        ttl = f"/{target.ttl}" if _family(target.address) == "IP4" else ""
        yield f"c=IN {_family(target.address)} {target.address}{ttl}"
    bitrate = track.video.bitrate if track.video else track.audio.bitrate if track.audio else 0
    if bitrate > 0:
        yield f"b=AS:{math.ceil(bitrate / 1000)}"
    if track.encoding:
        yield f"a=rtpmap:{track.payload_type} {_encoding(track)}/{track.clock_rate}{_channels(track)}"
    if track.fmtp:
        yield f"a=fmtp:{track.payload_type} {_line(track.fmtp)}"
    if track.video and track.video.frame_rate > 0:
        yield f"a=framerate:{track.video.frame_rate:g}"
    if track.video and track.video.width > 0:
        yield f"a=x-dimensions:{track.video.width},{track.video.height}"
    yield f"a={direction}"
    yield f"a=control:trackID={index}"


def _encoding(track: TrackDescription) -> str:
    """Spell the encoding as its specification does; names compare without case, but not every client knows."""
    name = _line(track.encoding)
    return name.lower() if name == "OPUS" or name.startswith("VND.") else name


def _channels(track: TrackDescription) -> str:
    spelt_out = track.kind is MediaKind.AUDIO and (track.channels != 1 or track.encoding == "MPEG4-GENERIC")
    return f"/{track.channels}" if spelt_out else ""


def _family(address: str) -> str:
    return "IP6" if ":" in address else "IP4"


def _line(text: str) -> str:
    """Return text that stays on its line: a camera's words must not become attributes of ours."""
    return " ".join(text.split())
