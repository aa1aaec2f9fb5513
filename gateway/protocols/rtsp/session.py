"""The states of an RTSP session on the server's side (RFC 2326 Appendix A.2)."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.protocols.rtsp.messages import RtspError
from gateway.protocols.rtsp.transport import Lower, PortPair, Transport


class State(StrEnum):
    """Where a session stands."""

    INIT = "Init"
    READY = "Ready"
    PLAYING = "Playing"


@dataclass(slots=True)
class SessionMachine:
    """Decides what a session may do; it knows its stream's path, number of tracks and the transport of each.

    The tracks by which the client sends, those of the backchannel, are numbered on from the others.
    """

    path: str
    tracks: int
    state: State = State.INIT
    transports: dict[int, Transport] = field(default_factory=dict)
    uplinks: int = 0
    """Number of tracks of the backchannel."""
    sending: dict[int, Transport] = field(default_factory=dict)
    """The transports of those that were set up."""

    def setup(self, path: str, track: int | None, offered: Transport) -> tuple[int, Transport]:
        """Take one track's transport; return the track and the transport to answer with.

        A stream of one track may be set up by its own URL. Raises RtspError (404, 455, 459 or 461).
        """
        if self.state is State.PLAYING:
            raise RtspError(455, "SETUP is not valid in state Playing")
        self._same_stream(path)
        if track is None and self.tracks > 1:
            raise RtspError(459, f"SETUP needs the URL of one of the {self.tracks} tracks of {self.path}")
        index = track or 0
        if index >= self.tracks + self.uplinks:
            raise RtspError(404, f"{self.path} has no track {index}")
        if index >= self.tracks and offered.multicast:
            raise RtspError(461, f"track {index} of {self.path} is spoken to by one client alone, not by multicast")
        known = self.transports | self.sending
        others = [transport for number, transport in known.items() if number != index]
        if any((other.lower, other.multicast) != (offered.lower, offered.multicast) for other in others):
            raise RtspError(461, "all tracks of a session must use the same kind of transport")
        chosen = offered
        if offered.lower is Lower.TCP:
            chosen = replace(offered, interleaved=_channels(offered.interleaved, index, others))
        self.grant(index, chosen)
        self.state = State.READY
        return index, chosen

    def grant(self, track: int, transport: Transport) -> None:
        """Note the transport that a track really got."""
        (self.transports if track < self.tracks else self.sending)[track] = transport

    def play(self, path: str, track: int | None) -> bool:
        """Begin to play; tell whether it was not playing yet. Raises RtspError (404, 455 or 460)."""
        self._aggregate("PLAY", path, track)
        began = self.state is State.READY
        self.state = State.PLAYING
        return began

    def pause(self, path: str, track: int | None) -> bool:
        """Pause; tell whether it was playing. Raises RtspError (404, 455 or 460)."""
        self._aggregate("PAUSE", path, track)
        paused = self.state is State.PLAYING
        self.state = State.READY
        return paused

    def teardown(self, path: str, track: int | None) -> None:
        """Agree to end. Raises RtspError (404 or 460)."""
        self._same_stream(path)
        if track is not None and len(self.transports) + len(self.sending) > 1:
            raise RtspError(460, f"TEARDOWN is possible only for the whole of {self.path}")

    def _aggregate(self, method: str, path: str, track: int | None) -> None:
        if self.state is State.INIT:
            raise RtspError(455, f"{method} is not valid in state {self.state}")
        self._same_stream(path)
        if track is not None and len(self.transports) + len(self.sending) > 1:
            raise RtspError(460, f"{method} is possible only for the whole of {self.path}")

    def _same_stream(self, path: str) -> None:
        if path not in (self.path, "*", "/"):
            raise RtspError(404, f"the session belongs to {self.path}, not to {path[:80]}")


def _channels(wished: PortPair | None, track: int, others: list[Transport]) -> PortPair:
    """Return the wished channels, or the first free pair when there are none or they are taken."""
    taken = {channel for other in others for channel in other.interleaved or ()}
    candidates = [wished or (2 * track, 2 * track + 1), *((first, first + 1) for first in range(0, 256, 2))]
    return next(pair for pair in candidates if pair[0] != pair[1] and taken.isdisjoint(pair))
