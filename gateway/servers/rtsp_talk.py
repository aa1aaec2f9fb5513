"""The backchannel: what clients say to cameras, checked packet by packet (ONVIF Streaming §5.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.domain.access import AccessClass, Account, may
from gateway.domain.media import TrackDescription
from gateway.protocols.rtp import packet, rtcp
from gateway.protocols.rtsp.messages import RtspError

TAG: Final = "www.onvif.org/ver20/backchannel"
"""In Require: the client wants to talk."""
_WHOLE_SERVER: Final = ("", "*", "/")


class Talk(Protocol):
    """One client's way to a camera's loudspeaker."""

    def deliver(self, track: TrackDescription, packet: bytes, /) -> bool:
        """Take an RTP packet of a track; tell whether it goes to the camera. Does not block."""
        ...

    def close(self) -> None:
        """Leave the camera to others, for now or for good."""
        ...


class Talks(Protocol):
    """The cameras that can be talked to."""

    def tracks(self, path: str) -> tuple[TrackDescription, ...]:
        """Return what the camera of an RTSP path can be told in; nothing when it can't hear."""
        ...

    def talker(self, path: str) -> str:
        """Return the account that talks to the camera of a path now, empty when nobody does."""
        ...

    def open(self, path: str, account: str, address: str) -> Talk:
        """Let a client talk to the camera of a path."""
        ...


@dataclass(slots=True)
class Backchannel:
    """What one session may say."""

    tracks: Mapping[int, TrackDescription]
    """By their number in the SDP."""
    talk: Talk

    def rtp(self, track: int, data: bytes) -> None:
        """Take a packet. One that is no RTP of its track is thrown away."""
        described = self.tracks[track]
        if len(data) > packet.HEADER_SIZE and data[1] & 0x7F == described.payload_type:
            bounds = packet.payload_bounds(data, 0, len(data))
            if bounds is not None and bounds[0] < bounds[1]:
                self.talk.deliver(described, data)

    def rtcp(self, data: bytes) -> None:
        """Take reports, of which only a BYE means something: the client has finished for now."""
        if any(isinstance(each, rtcp.Bye) for each in rtcp.parse(data)):
            self.talk.close()


@dataclass(slots=True)
class Backchannels:
    """Who may talk to which camera."""

    talks: Talks | None = None

    def tracks(self, path: str, account: Account | None) -> tuple[TrackDescription, ...]:
        """Return what an account may talk in: that moves something in the world, which takes an operator."""
        if self.talks is None or account is None or not may(account.level, AccessClass.ACTUATE):
            return ()
        return self.talks.tracks(path)

    def understands(self, tag: str, path: str, account: Account | None) -> bool:
        """Tell whether a Require tag is met: by a path that this account may talk on.

        To anybody else it is an option that is not supported, upon which clients ask again without it.
        """
        return tag == TAG and self.talks is not None and (path in _WHOLE_SERVER or bool(self.tracks(path, account)))

    def open(self, path: str, first: int, account: Account | None, address: str) -> Backchannel | None:
        """Return what a new session may say, by tracks that are numbered from `first`."""
        tracks = self.tracks(path, account)
        if self.talks is None or account is None or not tracks:
            return None
        return Backchannel(dict(enumerate(tracks, first)), self.talks.open(path, account.name, address))

    def check(self, path: str) -> None:
        """Raise RtspError 453 while somebody else talks."""
        talker = self.talks.talker(path) if self.talks is not None else ""
        if talker:
            raise RtspError(453, f"user {talker!r} is talking to this camera")


@dataclass(slots=True)
class Uplinks:
    """Where over UDP each client speaks from, once it plays."""

    _rtp: dict[tuple[str, int], tuple[Backchannel, int]] = field(default_factory=dict)
    _rtcp: dict[tuple[str, int], Backchannel] = field(default_factory=dict)

    def add(self, backchannel: Backchannel, track: int, address: str, ports: tuple[int, int]) -> None:
        """Listen to a client's ports, for RTP and RTCP."""
        self._rtp[address, ports[0]] = backchannel, track
        self._rtcp[address, ports[1]] = backchannel

    def remove(self, address: str, ports: tuple[int, int]) -> None:
        """Listen no more."""
        self._rtp.pop((address, ports[0]), None)
        self._rtcp.pop((address, ports[1]), None)

    def rtp(self, address: str, port: int, data: bytes) -> bool:
        """Take what came to the server's RTP port, where most only opens a NAT; tell whether somebody talks."""
        found = self._rtp.get((address, port))
        if found is None:
            return False
        found[0].rtp(found[1], data)
        return True

    def rtcp(self, address: str, port: int, data: bytes) -> None:
        """Take what came to the server's RTCP port."""
        found = self._rtcp.get((address, port))
        if found is not None:
            found.rtcp(data)
