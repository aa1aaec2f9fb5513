"""What each RTSP method does (RFC 2326 §10), but for PLAY of a recording."""

import zlib
from collections.abc import Callable
from functools import partial

from gateway.domain.media import StreamDescription
from gateway.protocols import sdp
from gateway.protocols.rtsp import headers, ranges, url
from gateway.protocols.rtsp.messages import RtspError
from gateway.protocols.rtsp.transport import Lower, Transport, serialize
from gateway.servers.rtsp_answer import Answer, Call, ok
from gateway.servers.rtsp_asked import pause_point
from gateway.servers.rtsp_hub import Start
from gateway.servers.rtsp_ports import Streams, seen_stream
from gateway.servers.rtsp_session import Session, Sessions
from gateway.servers.rtsp_talk import TAG, Backchannels
from gateway.servers.rtsp_transports import Transports
from gateway.services.streams import LiveStream


class Methods:
    """Does what admitted requests ask for; every method raises RtspError to refuse."""

    def __init__(
        self,
        streams: Streams,
        sessions: Sessions,
        transports: Transports,
        backchannels: Backchannels,
        utc_ns: Callable[[], int],
    ) -> None:
        self._streams = streams
        self._sessions = sessions
        self._transports = transports
        self._backchannels = backchannels
        self._utc_ns = utc_ns
        self.by_name: dict[str, Callable[[Call], Answer]] = {
            "OPTIONS": self._options,
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "TEARDOWN": self._teardown,
            "GET_PARAMETER": self._keep_alive,  # no parameter has a value here, so none is returned
            "SET_PARAMETER": self._set_parameter,
        }
        self.public = "Public", ", ".join(self.by_name)

    def session(self, call: Call) -> Session:
        """Return the session of a request, and keep it alive. Raises RtspError 454."""
        value = call.header("Session")
        if not value:
            raise RtspError(454, f"{call.request.method} needs a session")
        return self._sessions.find(headers.parse_session(value).id, call.user)

    def _options(self, call: Call) -> Answer:
        """Anybody may ask what is possible; only a connection that has logged in keeps its session alive so."""
        if call.account is not None and call.header("Session"):
            self.session(call)
        return ok(self.public)

    def _describe(self, call: Call) -> Answer:
        accepted = [kind.partition(";")[0].strip().lower() for kind in call.request.headers.tokens("Accept")]
        if accepted and not {"application/sdp", "application/*", "*/*"}.intersection(accepted):
            raise RtspError(406, f"none of {', '.join(accepted)[:80]!r} can describe a stream; application/sdp can")
        _, description = self._opened(call)
        grouped = "multicast" in call.target.query.lower()
        talking = TAG in call.required
        opened = None if call.replay is None else call.replay.opened
        body = sdp.serialize(
            description,
            session_name=call.path,
            session_id=zlib.crc32(call.path.encode()),
            version=1,
            ipv6=":" in call.peer.address,
            multicast=self._transports.groups(call.path, len(description.tracks)) if grouped else (),
            range_=str(ranges.ClockRange(opened.span.start_ns, opened.span.end_ns)) if opened else "npt=now-",
            track_tokens=opened.tokens if opened else (),
            backchannel=self._backchannels.tracks(call.path, call.account) if talking else (),
        )
        return ok(("Content-Type", "application/sdp"), ("Content-Base", f"{call.target.base}/"), body=body)

    def _opened(self, call: Call) -> tuple[LiveStream, StreamDescription]:
        if call.replay is not None:
            return call.replay.stream, call.replay.opened.description
        return seen_stream(self._streams, call.path)

    def _setup(self, call: Call) -> Answer:
        known = bool(call.header("Session"))
        if known:
            session = self.session(call)
            chosen = self._choose(call, session.machine.tracks)
        else:
            stream, description = self._opened(call)
            chosen = self._choose(call, len(description.tracks))
            session = self._create(call, stream, description)
        try:
            track, chosen = self._set_up(session, call, chosen)
        except RtspError as error:
            if not known:
                self._sessions.end(session, error.message)
            raise
        session.carry_by(call.peer)
        granted = self._transports.bind(session, track, chosen, call.peer.address)
        session.machine.grant(track, granted)
        return ok(("Transport", serialize(granted)), session.header)

    def _choose(self, call: Call, tracks: int) -> Transport:
        return self._transports.choose(call.header("Transport"), call.path, tracks, call.peer.address)

    def _create(self, call: Call, stream: LiveStream, description: StreamDescription) -> Session:
        """Open a session, and let its client talk, if it may: tracks for that are numbered on from the others."""
        peer, replay = call.peer, call.replay
        timeout = None if replay is None else replay.timeout
        session = self._sessions.create(call.path, stream, description, call.user, peer.address, peer, timeout)
        session.replay = replay
        tracks = session.machine.tracks
        session.backchannel = self._backchannels.open(call.path, tracks, call.account, peer.address)
        session.machine.uplinks = 0 if session.backchannel is None else len(session.backchannel.tracks)
        return session

    def _set_up(self, session: Session, call: Call, chosen: Transport) -> tuple[int, Transport]:
        """Return the track that is set up, and its transport with what was not chosen by the client."""
        others = call.peer.sessions - {session}
        if chosen.lower is Lower.TCP and any(other.interleaved for other in others):
            raise RtspError(461, "this connection already carries the media of another session")
        if (call.target.track or 0) >= session.machine.tracks:
            self._backchannels.check(call.path)
        return session.machine.setup(call.path, call.target.track, chosen)

    def _play(self, call: Call) -> Answer:
        session = self.session(call)
        if wanted := call.header("Range"):
            ranges.parse(wanted)
        began = session.machine.play(call.path, call.target.track)
        extra = [("Scale", "1")] if "Scale" in call.request.headers else []
        if not began:
            return ok(session.header, ("Range", str(ranges.ClockRange(self._utc_ns()))), *extra)
        start = session.hub.start(session.machine.transports, session.played_ns, udp=session.viewer is not None)
        if session.group:
            start = Start((), waiting=True)
        first_ns = min((unit.utc_ns for unit in start.units), default=self._utc_ns())
        if info := _rtp_info(session, start, call.target.base):
            extra.append(("RTP-Info", info))
        then = partial(self._sessions.play, session, start)
        return ok(session.header, ("Range", str(ranges.ClockRange(first_ns))), *extra, then=then)

    def _pause(self, call: Call) -> Answer:
        session = self.session(call)
        if session.replay is not None:
            if session.playing and (at_ns := pause_point(call.request)) is not None:
                session.replay.pause_at(at_ns)
                return ok(session.header)
            session.replay.stop()
        if session.machine.pause(call.path, call.target.track):
            self._sessions.stop(session)
        return ok(session.header)

    def _teardown(self, call: Call) -> Answer:
        session = self.session(call)
        session.machine.teardown(call.path, call.target.track)
        self._sessions.end(session, "TEARDOWN", bye=False)
        return ok()

    def _keep_alive(self, call: Call) -> Answer:
        if "Session" not in call.request.headers:
            return ok()
        return ok(self.session(call).header)

    def _set_parameter(self, call: Call) -> Answer:
        if call.request.body.strip():
            name = call.request.body.strip().partition(b":")[0][:80].decode("utf-8", "replace")
            raise RtspError(451, f"parameter {name!r} is not known")
        return self._keep_alive(call)


def _rtp_info(session: Session, start: Start, base: str) -> str:
    """Return RTP-Info with the first packet of each track that is known (RFC 2326 §12.33)."""
    infos = []
    for track in sorted(session.machine.transports):
        unit = start.first(track)
        if unit is not None:
            sequence = int.from_bytes(unit.packets.data[6:8], "big")
            infos.append(headers.RtpInfo(url.control(base, track), sequence, unit.rtp_time & 0xFFFFFFFF))
    return headers.serialize_rtp_info(infos)
