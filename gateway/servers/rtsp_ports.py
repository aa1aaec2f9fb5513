"""What the RTSP server needs from the rest of the gateway, and what an operator may set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.access import Account
from gateway.domain.media import StreamDescription
from gateway.protocols.rtsp.messages import Limits, RtspError
from gateway.protocols.sdp import MulticastTarget
from gateway.services.streams import LiveStream


class Streams(Protocol):
    """Where streams are found by their RTSP path."""

    def stream(self, path: str) -> LiveStream | None:
        """Return the live stream of a path."""
        ...

    def description(self, path: str) -> StreamDescription | None:
        """Return the live, or else the last known, description of a path."""
        ...


def seen_stream(streams: Streams, path: str) -> tuple[LiveStream, StreamDescription]:
    """Return a stream and what it is made of. Raises RtspError 404, and 503 as long as nobody knows that."""
    stream = streams.stream(path)
    if stream is None:
        raise RtspError(404, f"there is no stream {path[:80]!r}")
    description = streams.description(path)
    if description is None or not description.tracks:
        raise RtspError(503, f"stream {path!r} has not been seen yet")
    return stream, description


class Denial(Protocol):
    """Why a request is not admitted."""

    @property
    def challenges(self) -> tuple[str, ...]:
        """Values of WWW-Authenticate, the preferred one first."""
        ...

    @property
    def blocked(self) -> bool:
        """Too many failures came from this address."""
        ...


class Authenticator(Protocol):
    """Tells who a request comes from."""

    def admit(self, address: str, method: str, authorization: str | None, uri: str = "") -> Account | Denial:
        """Return the account of a request, or why there is none."""
        ...


class MulticastGroups(Protocol):
    """Which group each track of a stream is sent to on demand."""

    ttl: int
    interface: str
    """IPv4 address of the interface that groups are sent from; empty for the system's choice."""

    def targets(self, path: str, tracks: int) -> tuple[MulticastTarget, ...]:
        """Return one target for each track; empty when this stream is not multicast."""
        ...


@dataclass(frozen=True, slots=True)
class FixedGroups:
    """Groups given by configuration, by RTSP path; the tracks of a stream use the group's successive port pairs."""

    groups: Mapping[str, tuple[str, int]]
    ttl: int = 1
    interface: str = ""

    def targets(self, path: str, tracks: int) -> tuple[MulticastTarget, ...]:
        """Return one target for each track; empty when this stream is not multicast."""
        group = self.groups.get(path)
        if group is None:
            return ()
        return tuple(MulticastTarget(group[0], group[1] + 2 * track, self.ttl) for track in range(tracks))


@dataclass(frozen=True, slots=True)
class RtspOptions:
    """Limits and times of the RTSP server; times in seconds."""

    session_timeout: int = 60
    idle_timeout: float = 60.0
    """A connection without a session may be silent for this long."""
    first_look: float = 3.0
    """How long a client may wait for a camera that was never seen to say what it sends."""
    max_connections: int = 2048
    max_connections_per_address: int = 512
    max_sessions: int = 2048
    supported: frozenset[str] = frozenset({"onvif-replay"})
    """Option tags accepted in Require (RFC 2326 §12.32)."""
    limits: Limits = field(default_factory=Limits)
