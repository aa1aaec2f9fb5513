"""The sessions of the RTSP server: what each plays, how it gets it, and when it ends."""

import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.media import StreamDescription
from gateway.protocols.rtsp.headers import SessionHeader
from gateway.protocols.rtsp.messages import RtspError
from gateway.protocols.rtsp.session import SessionMachine, State
from gateway.protocols.rtsp.transport import Lower, PortPair, Transport
from gateway.sdk.clock import Clock
from gateway.servers.rtsp_groups import Groups
from gateway.servers.rtsp_hub import Framing, Start, StreamHub
from gateway.servers.rtsp_sender_tcp import TcpSender
from gateway.servers.rtsp_sender_udp import UdpViewer
from gateway.servers.rtsp_talk import Backchannel, Uplinks
from gateway.services.streams import LiveStream

_log = logging.getLogger(__name__)


MakeViewer = Callable[[StreamDescription], UdpViewer]
"""Makes the viewer that stands for the groups of a stream."""


class Sending(Protocol):
    """What fills a session that is not about a live stream."""

    def stop(self) -> None:
        """Send no more for now."""
        ...

    def pause_at(self, at_ns: int) -> None:
        """Send no frame from a moment on."""
        ...

    def close(self) -> None:
        """Send no more."""
        ...


class Carrier(Protocol):
    """The connection that carries interleaved media."""

    sender: TcpSender
    websocket: bool
    sessions: set["Session"]
    """Those whose last SETUP came over it."""

    def end(self, reason: str) -> None:
        """Close after what is queued has been sent."""
        ...

    def send_buffer(self, size: int) -> None:
        """Ask for a send buffer in the kernel, in bytes."""
        ...


@dataclass(eq=False, slots=True)
class Session:
    """One RTSP session."""

    id: str
    user: str
    address: str
    hub: StreamHub
    machine: SessionMachine
    carrier: Carrier
    """The connection of the last SETUP; interleaved media goes with it and ends with it."""
    created: float
    deadline: float
    timeout: float
    """Seconds without a sign of life after which it ends."""
    viewer: UdpViewer | None = None
    group: bool = False
    """Shares a multicast group with other sessions."""
    played_ns: int = 0
    """Capture time of the newest unit before a PAUSE: PLAY must not repeat anything up to it."""
    replay: Sending | None = None
    """What fills it, when it is about a recording."""
    backchannel: Backchannel | None = None
    """What its client may say, when it may."""

    @property
    def header(self) -> tuple[str, str]:
        """The Session header."""
        return "Session", str(SessionHeader(self.id, round(self.timeout)))

    @property
    def interleaved(self) -> bool:
        """Whether media goes over the RTSP connection."""
        machine = self.machine
        return any(transport.lower is Lower.TCP for transport in (machine.transports | machine.sending).values())

    @property
    def playing(self) -> bool:
        """Whether media is sent."""
        return self.machine.state is State.PLAYING

    def carry_by(self, carrier: Carrier) -> None:
        """Go on with another connection, that of a new SETUP."""
        self.carrier.sessions.discard(self)
        carrier.sessions.add(self)
        self.carrier = carrier

    def said(self, channel: int, data: bytes) -> None:
        """Take what the client sent interleaved: it speaks, or reports what it got."""
        if self.backchannel is None or not self.playing:
            return
        for track, transport in self.machine.sending.items():
            rtp, rtcp = transport.interleaved or (None, None)
            if channel == rtp:
                self.backchannel.rtp(track, data)
            elif channel == rtcp:
                self.backchannel.rtcp(data)

    def describe_transport(self) -> str:
        """Say how media is sent, for the log."""
        kind = "TCP" if self.interleaved else "multicast" if self.group else "UDP"
        return f"{kind} in WebSocket" if self.interleaved and self.carrier.websocket else kind


@dataclass(eq=False)
class Sessions:
    """All sessions and the hubs of the streams that they are about."""

    clock: Clock
    timeout: float
    limit: int
    groups: Groups = field(default_factory=Groups)
    uplinks: Uplinks = field(default_factory=Uplinks)

    def __post_init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._hubs: dict[LiveStream, StreamHub] = {}
        self._by_address: dict[tuple[str, int], Session] = {}
        self._held: dict[LiveStream, MakeViewer] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def create(
        self,
        path: str,
        stream: LiveStream,
        description: StreamDescription,
        user: str,
        address: str,
        carrier: Carrier,
        timeout: float | None = None,
    ) -> Session:
        """Open a session of a stream, which may be known by several paths. Raises RtspError (453) if too many are."""
        if len(self._sessions) >= self.limit:
            raise RtspError(453, f"there are already {self.limit} sessions")
        hub = self._hub(stream, description)
        now = self.clock.monotonic()
        machine = SessionMachine(path, len(hub.description.tracks))
        timeout = self.timeout if timeout is None else timeout
        session = Session(
            secrets.token_hex(12),
            user,
            address,
            hub,
            machine,
            carrier,
            created=now,
            deadline=now + timeout,
            timeout=timeout,
        )
        self._sessions[session.id] = session
        hub.users.add(session)
        carrier.sessions.add(session)
        return session

    def find(self, identifier: str, user: str) -> Session:
        """Return a user's session and keep it alive. Raises RtspError (454), also for another user's."""
        session = self._sessions.get(identifier)
        if session is None or session.user != user:
            raise RtspError(454, f"session {identifier[:40]!r} is not known")
        self.touch(session)
        return session

    def lost(self, carrier: Carrier, reason: str) -> None:
        """End what a closed connection carried; a session over UDP may go on without it until its time-out."""
        for session in tuple(carrier.sessions):
            if session.interleaved or not (session.machine.transports or session.machine.sending):
                self.end(session, reason, bye=False)

    def touch(self, session: Session) -> None:
        """Note a sign of life."""
        session.deadline = self.clock.monotonic() + session.timeout

    def heard(self, address: str, port: int, data: bytes) -> None:
        """Take RTCP from a UDP viewer."""
        self._alive(address, port)
        self.uplinks.rtcp(address, port, data)

    def spoken(self, address: str, port: int, data: bytes) -> None:
        """Take RTP from a UDP viewer: it talks, or opens a NAT."""
        if self.uplinks.rtp(address, port, data):
            self._alive(address, port)

    def _alive(self, address: str, port: int) -> None:
        session = self._by_address.get((address, port))
        if session is not None:
            self.touch(session)

    def play(self, session: Session, start: Start) -> None:
        """Begin to send, and to listen. The session's machine is already in state Playing."""
        self._listen(session)
        if not session.machine.transports:
            return
        if session.viewer is None:
            session.carrier.sender.be_patient(patient=session.replay is not None)
            session.carrier.send_buffer(_buffer_size(session.hub.description))
            session.hub.add_tcp(session.carrier.sender, framing(session), start)
        elif session.group:
            self.groups.join(session, session.hub, session.viewer)
        else:
            session.hub.add_udp(session.viewer, start)
            for address, port, *_ in session.viewer.rtcp.values():
                self._by_address[address, port] = session
        session.hub.stream.synchronize()

    def stop(self, session: Session) -> bool:
        """Stop sending and listening; tell whether the viewers of this session have nothing more to expect."""
        self._listen_no_more(session)
        if not session.machine.transports:
            return True
        session.played_ns = session.hub.newest_ns()
        if session.viewer is None:
            session.hub.remove_tcp(session.carrier.sender, framing(session))
        elif session.group:
            return self.groups.leave(session, session.hub)
        else:
            session.hub.remove_udp(session.viewer)
            for address, port, *_ in session.viewer.rtcp.values():
                self._by_address.pop((address, port), None)
        return True

    def _listen(self, session: Session) -> None:
        for track, transport in session.machine.sending.items():
            if session.backchannel is not None and transport.client_port is not None:
                self.uplinks.add(session.backchannel, track, session.address, transport.client_port)
                self._by_address |= dict.fromkeys(_addresses(session, transport.client_port), session)

    def _listen_no_more(self, session: Session) -> None:
        for transport in session.machine.sending.values():
            if transport.client_port is not None:
                self.uplinks.remove(session.address, transport.client_port)
                for address in _addresses(session, transport.client_port):
                    self._by_address.pop(address, None)
        if session.backchannel is not None:
            session.backchannel.talk.close()

    def end(self, session: Session, reason: str, *, bye: bool = True) -> None:
        """End a session and free what it held; `bye` tells the viewer so by RTCP."""
        if self._sessions.pop(session.id, None) is None:
            return
        if session.replay is not None:
            session.replay.close()
        if session.playing and self.stop(session) and bye:
            self.say_bye(session)
        session.carrier.sessions.discard(session)
        self._release(session.hub, session)
        _log.info(
            "RTSP session of %r at %s: %s over %s for %.1f s; %s",
            session.user,
            session.address,
            session.machine.path,
            session.describe_transport(),
            self.clock.monotonic() - session.created,
            reason,
        )

    def close(self, reason: str) -> None:
        """End everything."""
        for session in self:
            self.end(session, reason)
        for stream in tuple(self._held):
            self.release(stream)

    def sweep(self) -> None:
        """End the sessions that showed no sign of life; a connection that carries media is one."""
        now = self.clock.monotonic()
        for session in self:
            if now >= session.deadline and not (session.playing and session.interleaved):
                self.end(session, f"no sign of life for {session.timeout:.0f} s")

    def hold(self, stream: LiveStream, description: StreamDescription, make: MakeViewer) -> None:
        """Send a stream to its groups, with or without sessions, until released."""
        self._held[stream] = make
        hub = self._hub(stream, description)
        hub.users.add(stream)
        self.groups.join(stream, hub, make(description))

    def release(self, stream: LiveStream) -> None:
        """Stop what `hold` began."""
        if self._held.pop(stream, None) is not None:
            hub = self._hubs[stream]
            self.groups.leave(stream, hub)
            self._release(hub, stream)

    def _hub(self, stream: LiveStream, description: StreamDescription) -> StreamHub:
        hub = self._hubs.get(stream)
        if hub is None:
            hub = self._hubs[stream] = StreamHub(stream, description, self.clock, self._changed)
        return hub

    def _release(self, hub: StreamHub, user: object) -> None:
        hub.users.discard(user)
        if not hub.users:
            hub.close()
            self._hubs.pop(hub.stream, None)

    def _changed(self, hub: StreamHub, description: StreamDescription) -> None:
        """The stream's tracks are no longer what was announced: viewers must ask again, groups go on with the new."""
        for session in self:
            if session.hub is hub:
                self.end(session, "the stream's tracks changed")
                session.carrier.end("the stream's tracks changed")
        make = self._held.get(hub.stream)
        if make is not None:
            self.release(hub.stream)
            self.hold(hub.stream, description, make)

    def say_bye(self, session: Session) -> None:
        """Tell the viewer by RTCP that no more will come (RFC 3550 §6.6)."""
        for track in session.machine.transports:
            packet = session.hub.bye(track)
            if session.viewer is not None and packet:
                session.viewer.ports.send_rtcp(packet, session.viewer.rtcp[track])
            elif packet:
                session.carrier.sender.reply(framing(session).frame_rtcp(track, packet) or b"")


def _addresses(session: Session, ports: PortPair) -> Iterator[tuple[str, int]]:
    return ((session.address, port) for port in ports)


def framing(session: Session) -> Framing:
    """Return how an interleaved session wants its packets."""
    transports: dict[int, Transport] = session.machine.transports
    channels = tuple(
        transports[track].interleaved if track in transports else None for track in range(session.machine.tracks)
    )
    return Framing(channels, session.carrier.websocket)


def _buffer_size(description: StreamDescription) -> int:
    """Return a kernel buffer, in bytes, that holds about a second of media; Linux doubles what it is asked for."""
    bitrates = (track.video.bitrate if track.video else 64_000 for track in description.tracks)
    return min(max(sum(bitrates) // 16, 128 * 1024), 1024 * 1024)
