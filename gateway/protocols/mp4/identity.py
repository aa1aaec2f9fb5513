"""The private box in every segment file: what the file needs to be understood without a catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import msgspec

from gateway.domain.media import StreamDescription, TrackDescription
from gateway.protocols.mp4.aac import config_of
from gateway.protocols.mp4.boxes import box, invalid
from gateway.protocols.rtp import fmtp

VERSION: Final = 1
LONGEST_SHIFT: Final = 1 << 24
"""Ticks that times are moved by at most; three minutes of video."""
_LATEST_NS: Final = (1 << 63) - 1
UUID: Final = bytes.fromhex("6f8c5f0c1d0b4b56a3b1a6f2c44d8e21")
"""Extended type of the box (ISO/IEC 14496-12 §4.2)."""


class Timing(NamedTuple):
    """What a track's times in the file are moved by against capture times that count from its start; in ticks.

    The edit list of the track tells players the sum of both.
    """

    lead: int = 0
    """Added to decode times, since some samples were captured before the start."""
    delay: int = 0
    """Added to composition offsets, since with B-frames decode order is not that of presentation."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Content of the box, kept as JSON."""

    version: int
    start_ns: int
    """UTC of the file's time zero."""
    info: Mapping[str, str]
    """What its writer wants to find again: recording, run, camera, job, …"""
    description: StreamDescription
    timings: Mapping[int, Timing]
    """By index of track."""


def serialize(identity: Identity) -> bytes:
    """Return the box."""
    return box(b"uuid", UUID, msgspec.json.encode(identity))


def parse(content: memoryview) -> Identity | None:
    """Read the content of a uuid box, None when it is another's. Raises GatewayError INVALID."""
    if bytes(content[: len(UUID)]) != UUID:
        return None
    try:
        identity = msgspec.json.decode(content[len(UUID) :], type=Identity)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"the file's description of itself can't be read: {error}") from None
    if identity.version != VERSION:
        raise invalid(f"the file has a description of version {identity.version}, only {VERSION} is known")
    moved = [ticks for timing in identity.timings.values() for ticks in timing]
    if not 0 <= identity.start_ns <= _LATEST_NS or any(not 0 <= ticks <= LONGEST_SHIFT for ticks in moved):
        raise invalid(f"the file has impossible times: {identity.start_ns} ns, moved by {moved} ticks")
    return identity


def as_stored(track: TrackDescription) -> TrackDescription:
    """Return a track as it comes back from the file: AAC out of LATM is AAC as MPEG4-GENERIC carries it."""
    config = config_of(track) if track.encoding == "MP4A-LATM" else None
    if config is None:
        return track
    parameters = {
        "streamtype": "5",
        "profile-level-id": fmtp.parse(track.fmtp).get("profile-level-id", "1"),
        "mode": "AAC-hbr",
        "config": config.data.hex().upper(),
        "SizeLength": "13",
        "IndexLength": "3",
        "IndexDeltaLength": "3",
    }
    text = "; ".join(f"{name}={value}" for name, value in parameters.items())
    return replace(track, encoding="MPEG4-GENERIC", fmtp=text)
