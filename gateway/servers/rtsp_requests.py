"""What each RTSP method does (RFC 2326 §10)."""

import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from socket import AF_INET, AF_INET6, AddressFamily
from typing import Final, Protocol

from gateway.domain.access import AccessClass, Account, may
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import StreamDescription
from gateway.protocols import sdp
from gateway.protocols.rtsp import headers, ranges, transport, url
from gateway.protocols.rtsp.messages import VERSION, Headers, Request, Response, RtspError
from gateway.protocols.rtsp.transport import Lower, Transport
from gateway.servers.rtsp_hub import Start
from gateway.servers.rtsp_playback import PREFIX, Replay, Replays, asked_of
from gateway.servers.rtsp_ports import Authenticator, MulticastGroups, RtspOptions, Streams
from gateway.servers.rtsp_sender_udp import UdpPorts, UdpViewer
from gateway.servers.rtsp_session import Carrier, Session, Sessions, group_viewer
from gateway.servers.rtsp_talk import TAG, Backchannels
from gateway.services.streams import LiveStream

METHODS: Final = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER")
_PUBLIC: Final = ("Public", ", ".join(METHODS))
_CSEQ_DIGITS: Final = 10
_OPENING: Final = ("DESCRIBE", "SETUP", "PLAY")
"""Methods that look into the archive when they are about a recording."""


class Peer(Carrier, Protocol):
    """The connection that a request came over."""

    account: Account | None
    """Who authenticated last."""

    @property
    def address(self) -> str:
        """The peer's IP address."""
        ...

    @property
    def local_address(self) -> str:
        """Our IP address on this connection."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and what to do once it has been sent."""

    response: Response
    then: Callable[[], None] | None = None
    later: Awaitable["Answer"] | None = None
    """The true answer, when it takes a look into the archive; then the response means nothing."""


@dataclass(frozen=True, slots=True)
class _Call:
    request: Request
    target: url.Target
    peer: Peer
    user: str
    replay: Replay | None = None
    """The recording that it is about, once it was opened."""


class Requests:
    """Answers requests; it owns no connection."""

    def __init__(
        self,
        streams: Streams,
        authenticator: Authenticator,
        sessions: Sessions,
        options: RtspOptions,
        ports: dict[AddressFamily, UdpPorts],
        multicast: MulticastGroups | None,
        utc_ns: Callable[[], int],
    ) -> None:
        self._streams = streams
        self._authenticator = authenticator
        self._sessions = sessions
        self._options = options
        self._ports = ports
        self._multicast = multicast
        self._utc_ns = utc_ns
        self.replays: Replays | None = None
        """Opens recordings, while there are any."""
        self.backchannels = Backchannels()
        self._methods: dict[str, Callable[[_Call], Answer]] = {
            "OPTIONS": self._options_method,
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "TEARDOWN": self._teardown,
            "GET_PARAMETER": self._get_parameter,
            "SET_PARAMETER": self._set_parameter,
        }

    def answer(self, request: Request, peer: Peer) -> Answer:
        """Return the answer to a request; a refusal is an answer too."""
        try:
            answer = self._dispatch(request, peer)
        except RtspError as error:
            return Answer(refusal(replace_cseq(error, request.cseq)))
        if answer.later is not None:
            return replace(answer, later=self._numbered_later(request, answer.later))
        return _numbered(request, answer)

    async def _numbered_later(self, request: Request, later: Awaitable[Answer]) -> Answer:
        try:
            return _numbered(request, await later)
        except RtspError as error:
            return Answer(refusal(replace_cseq(error, request.cseq)))

    def _dispatch(self, request: Request, peer: Peer) -> Answer:
        if request.version != VERSION:
            raise RtspError(505, f"version {request.version!r} is not {VERSION}")
        if not request.cseq:
            raise RtspError(400, "the request has no CSeq")
        if not (request.cseq.isascii() and request.cseq.isdigit() and len(request.cseq) <= _CSEQ_DIGITS):
            raise RtspError(400, f"CSeq {request.cseq[:40]!r} is not a number of 32 bits")
        method = self._methods.get(request.method)
        if method is None:
            raise RtspError(501, f"method {request.method!r} is not implemented", headers=[_PUBLIC])
        user = "" if request.method == "OPTIONS" else self._admit(request, peer)
        call = _Call(request, url.parse(request.uri), peer, user)
        self._check_options(call)
        if call.target.path.startswith(PREFIX) and request.method in _OPENING:
            return Answer(Response(200), later=self._replay(call))
        return method(call)

    async def _replay(self, call: _Call) -> Answer:
        """Answer a request about a recording: the same as about a live stream, once the recording was opened."""
        if self.replays is None:
            raise RtspError(404, "nothing is recorded here")
        if call.request.method == "PLAY":
            return await self._play_replay(call)
        identifier = call.request.headers.get("Session")
        if call.request.method == "SETUP" and identifier:
            return self._setup(call)
        return self._methods[call.request.method](replace(call, replay=await self.replays.open(call.target.path)))

    def _check_options(self, call: _Call) -> None:
        path, account = call.target.path, call.peer.account
        unknown = [
            tag
            for tag in _required(call.request)
            if tag not in self._options.supported and not self.backchannels.understands(tag, path, account)
        ]
        if unknown:
            unsupported = ("Unsupported", ", ".join(unknown))
            raise RtspError(551, f"option {unknown[0]!r} is not supported", headers=[unsupported])

    def _admit(self, request: Request, peer: Peer) -> str:
        authorization = request.headers.get("Authorization") or None
        found = self._authenticator.admit(peer.address, request.method, authorization, request.uri)
        if not isinstance(found, Account):
            if found.blocked:
                raise RtspError(403, "too many failed logins came from this address")
            # Many clients read only the first challenge; FFmpeg only the last, and it knows nothing but MD5.
            offered = (*found.challenges, *found.challenges[:1]) if len(found.challenges) > 1 else found.challenges
            challenges = [("WWW-Authenticate", challenge) for challenge in offered]
            raise RtspError(401, "the request needs a login", headers=challenges)
        if not may(found.level, AccessClass.READ_MEDIA):
            raise RtspError(403, f"user {found.name!r} may not see media")
        peer.account = found
        return found.name

    def _options_method(self, call: _Call) -> Answer:
        """Anybody may ask what is possible; only a connection that has logged in keeps its session alive so."""
        identifier = call.request.headers.get("Session")
        if identifier and call.peer.account is not None:
            self._sessions.find(headers.parse_session(identifier).id, call.peer.account.name)
        return _ok(_PUBLIC)

    def _describe(self, call: _Call) -> Answer:
        accepted = [kind.partition(";")[0].strip().lower() for kind in call.request.headers.tokens("Accept")]
        if accepted and not {"application/sdp", "application/*", "*/*"}.intersection(accepted):
            raise RtspError(406, f"none of {', '.join(accepted)[:80]!r} can describe a stream; application/sdp can")
        _, description = self._opened(call)
        asked = "multicast" in call.target.query.lower()
        groups = self._groups(call.target.path, len(description.tracks)) if asked else ()
        opened = None if call.replay is None else call.replay.opened
        body = sdp.serialize(
            description,
            session_name=call.target.path,
            session_id=zlib.crc32(call.target.path.encode()),
            version=1,
            multicast=groups,
            range_=str(ranges.ClockRange(opened.span.start_ns, opened.span.end_ns)) if opened else "npt=now-",
            track_tokens=opened.tokens if opened else (),
            backchannel=self.backchannels.tracks(call.target.path, call.peer.account)
            if TAG in _required(call.request)
            else (),
        )
        answer = _ok(("Content-Type", "application/sdp"), ("Content-Base", f"{call.target.base}/"))
        return replace(answer, response=replace(answer.response, body=body))

    def _opened(self, call: _Call) -> tuple[LiveStream, StreamDescription]:
        if call.replay is not None:
            return call.replay.stream, call.replay.opened.description
        return self._stream(call.target.path)

    def _stream(self, path: str) -> tuple[LiveStream, StreamDescription]:
        stream = self._streams.stream(path)
        if stream is None:
            raise RtspError(404, f"there is no stream {path[:80]!r}")
        description = self._streams.description(path)
        if description is None or not description.tracks:
            raise RtspError(503, f"stream {path!r} has not been seen yet")
        return stream, description

    def _setup(self, call: _Call) -> Answer:
        offered = transport.parse(call.request.headers.get("Transport"))
        identifier = call.request.headers.get("Session")
        if identifier:
            session = self._sessions.find(headers.parse_session(identifier).id, call.user)
            chosen = self._choose(call, offered, session.machine.tracks)
        else:
            stream, description = self._opened(call)
            chosen = self._choose(call, offered, len(description.tracks))
            timeout = self.replays.timeout() if call.replay is not None and self.replays is not None else None
            session = self._sessions.create(
                call.target.path, stream, description, call.user, call.peer.address, call.peer, timeout
            )
            session.replay = call.replay
            self._open_backchannel(session, call)
        try:
            self._check_connection(session, call.peer, chosen)
            if (call.target.track or 0) >= session.machine.tracks:
                self.backchannels.check(call.target.path)
            track, chosen = session.machine.setup(call.target.path, call.target.track, chosen)
        except RtspError as error:
            if not identifier:
                self._sessions.end(session, error.message)
            raise
        granted = self._grant(session, track, chosen, call.peer)
        session.machine.grant(track, granted)
        return _ok(("Transport", transport.serialize(granted)), self._session_header(session))

    def _open_backchannel(self, session: Session, call: _Call) -> None:
        """Let the client talk, if it may; the tracks for it are numbered on from the others."""
        machine, path, account = session.machine, call.target.path, call.peer.account
        session.backchannel = self.backchannels.open(path, machine.tracks, account, call.peer.address)
        machine.uplinks = 0 if session.backchannel is None else len(session.backchannel.tracks)

    def _choose(self, call: _Call, offered: tuple[Transport, ...], tracks: int) -> Transport:
        """Return the client's first alternative that can be served."""
        for candidate in offered:
            if candidate.profile != "RTP/AVP" or candidate.mode not in ("", "PLAY"):
                continue
            if candidate.lower is Lower.TCP:
                return Transport(Lower.TCP, interleaved=candidate.interleaved)
            if candidate.multicast:
                if self._groups(call.target.path, tracks):
                    return Transport(Lower.UDP, multicast=True)
            elif candidate.client_port and _family(call.peer.address) in self._ports:
                return Transport(Lower.UDP, client_port=candidate.client_port)
        wanted = call.request.headers.get("Transport")
        raise RtspError(461, f"no transport of {wanted[:120]!r} is supported")

    @staticmethod
    def _check_connection(session: Session, peer: Peer, chosen: Transport) -> None:
        if chosen.lower is Lower.TCP and any(other is not session and other.interleaved for other in peer.sessions):
            raise RtspError(461, "this connection already carries the media of another session")

    def _grant(self, session: Session, track: int, chosen: Transport, peer: Peer) -> Transport:
        """Bind a track to the connection, to UDP addresses or to its group."""
        if session.carrier is not peer:
            session.carrier.sessions.discard(session)
            peer.sessions.add(session)
            session.carrier = peer
        if chosen.lower is Lower.TCP:
            return chosen
        if chosen.multicast:
            return self._grant_group(session, track)
        ports = self._ports[_family(peer.address)]
        if track >= session.machine.tracks:
            return replace(chosen, server_port=ports.ports)
        rtp, rtcp = chosen.client_port or (0, 0)
        session.viewer = session.viewer or UdpViewer(ports, {}, {})
        session.viewer.rtp[track] = peer.address, rtp
        session.viewer.rtcp[track] = peer.address, rtcp
        return replace(chosen, server_port=ports.ports)

    def _grant_group(self, session: Session, track: int) -> Transport:
        targets = self._groups(session.machine.path, session.machine.tracks)
        session.viewer = group_viewer(self._ports[AF_INET], targets)
        session.group = True
        target = targets[track]
        return Transport(
            multicast=True, destination=target.address, port=(target.port, target.port + 1), ttl=target.ttl
        )

    def hold_group(self, path: str) -> None:
        """Send a stream to its groups, with or without sessions. Raises GatewayError (NOT_FOUND or UNSUPPORTED)."""
        try:
            stream, description = self._stream(path)
        except RtspError as error:
            raise GatewayError(ErrorKind.NOT_FOUND, error.message) from error
        if not self._groups(path, len(description.tracks)):
            raise GatewayError(ErrorKind.UNSUPPORTED, f"stream {path!r} has no multicast groups")
        self._sessions.hold(
            stream,
            description,
            lambda new: group_viewer(self._ports[AF_INET], self._groups(path, len(new.tracks))),
        )

    def release_group(self, path: str) -> None:
        """Stop what `hold_group` began."""
        stream = self._streams.stream(path)
        if stream is not None:
            self._sessions.release(stream)

    def _groups(self, path: str, tracks: int) -> tuple[sdp.MulticastTarget, ...]:
        """Return the group of each track; none unless all of them have one."""
        if self._multicast is None or AF_INET not in self._ports:
            return ()
        targets = self._multicast.targets(path, tracks)
        return targets if len(targets) == tracks else ()

    def _play(self, call: _Call) -> Answer:
        session = self._session(call)
        if wanted := call.request.headers.get("Range"):
            ranges.parse(wanted)
        began = session.machine.play(call.target.path, call.target.track)
        extra = [("Scale", "1")] if "Scale" in call.request.headers else []
        if not began:
            return _ok(self._session_header(session), ("Range", str(ranges.ClockRange(self._utc_ns()))), *extra)
        start = session.hub.start(session.machine.transports, session.played_ns, udp=session.viewer is not None)
        if session.group:
            start = Start((), waiting=True)
        first_ns = min((unit.utc_ns for unit in start.units), default=self._utc_ns())
        if info := _rtp_info(session, start, call.target.base):
            extra.append(("RTP-Info", info))
        answer = _ok(self._session_header(session), ("Range", str(ranges.ClockRange(first_ns))), *extra)
        return replace(answer, then=lambda: self._sessions.play(session, start))

    async def _play_replay(self, call: _Call) -> Answer:
        """Play a recording from where it is asked for, or on from where it was paused."""
        session = self._session(call)
        replay = session.replay
        if not isinstance(replay, Replay):
            raise RtspError(455, f"session {session.id} is not about {call.target.path[:80]}")
        asked = asked_of(call.request)
        began = session.machine.play(call.target.path, call.target.track)
        replay.stop()
        try:
            played = await replay.seek(asked)
        except RtspError:
            if began:
                session.machine.pause(call.target.path, call.target.track)
            else:
                replay.start(session, self._sessions)
            raise
        self._sessions.find(session.id, call.user)  # it may have ended while the archive was read
        info = replay.rtp_info(call.target.base, sorted(session.machine.transports), url.control)
        extra = [("Rate-Control", "no")] if not asked.paced else []
        answer = _ok(
            self._session_header(session),
            ("Range", str(played)),
            ("RTP-Info", info),
            ("Scale", f"{asked.scale:g}"),
            *extra,
        )

        def send() -> None:
            if began:
                replay.join(session)
                self._sessions.play(session, Start((), waiting=False))
            replay.start(session, self._sessions)

        return replace(answer, then=send)

    def _pause(self, call: _Call) -> Answer:
        session = self._session(call)
        if isinstance(session.replay, Replay):
            if (wanted := call.request.headers.get("Range")) and session.playing:
                point = ranges.parse(wanted if "-" in wanted else f"{wanted}-")
                if not isinstance(point, ranges.ClockRange):
                    raise RtspError(457, f"range {wanted[:80]!r} is not a moment of the recording")
                session.replay.pause_at(point.start_ns)
                return _ok(self._session_header(session))
            session.replay.stop()
        if session.machine.pause(call.target.path, call.target.track):
            self._sessions.stop(session)
        return _ok(self._session_header(session))

    def _teardown(self, call: _Call) -> Answer:
        session = self._session(call)
        session.machine.teardown(call.target.path, call.target.track)
        self._sessions.end(session, "TEARDOWN", bye=False)
        return _ok()

    def _get_parameter(self, call: _Call) -> Answer:
        """Mostly a keep-alive; no parameter has a value here, so none is returned."""
        return self._keep_alive(call)

    def _set_parameter(self, call: _Call) -> Answer:
        if call.request.body.strip():
            name = call.request.body.strip().partition(b":")[0][:80].decode("utf-8", "replace")
            raise RtspError(451, f"parameter {name!r} is not known")
        return self._keep_alive(call)

    def _keep_alive(self, call: _Call) -> Answer:
        if "Session" not in call.request.headers:
            return _ok()
        return _ok(self._session_header(self._session(call)))

    def _session(self, call: _Call) -> Session:
        value = call.request.headers.get("Session")
        if not value:
            raise RtspError(454, f"{call.request.method} needs a session")
        return self._sessions.find(headers.parse_session(value).id, call.user)

    def _session_header(self, session: Session) -> tuple[str, str]:
        return "Session", str(headers.SessionHeader(session.id, round(session.timeout)))


def refusal(error: RtspError) -> Response:
    """Return the response that refuses a message; its body is the error's sentence."""
    pairs = [("CSeq", error.cseq)] if error.cseq else []
    pairs += [*error.headers, ("Content-Type", "text/plain; charset=utf-8")]
    return Response(error.status, Headers(pairs), error.message.encode())


def replace_cseq(error: RtspError, cseq: str) -> RtspError:
    """Return an error with the CSeq of the request that it refuses."""
    return RtspError(error.status, error.message, headers=error.headers, cseq=cseq, fatal=error.fatal)


def _numbered(request: Request, answer: Answer) -> Answer:
    pairs = (("CSeq", request.cseq), *answer.response.headers)
    return replace(answer, response=replace(answer.response, headers=Headers(pairs)))


def _ok(*pairs: tuple[str, str]) -> Answer:
    return Answer(Response(200, Headers(pairs)))


def _required(request: Request) -> list[str]:
    return [tag for name in ("Require", "Proxy-Require") for tag in request.headers.tokens(name)]


def _family(address: str) -> AddressFamily:
    return AF_INET6 if ":" in address else AF_INET


def _rtp_info(session: Session, start: Start, base: str) -> str:
    """Return RTP-Info with the first packet of each track that is known (RFC 2326 §12.33)."""
    infos = []
    for track in sorted(session.machine.transports):
        unit = start.first(track)
        if unit is not None:
            sequence = int.from_bytes(unit.packets.data[6:8], "big")
            infos.append(headers.RtpInfo(url.control(base, track), sequence, unit.rtp_time & 0xFFFFFFFF))
    return headers.serialize_rtp_info(infos)
