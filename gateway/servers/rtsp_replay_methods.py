"""Requests about recordings: the same as about live streams once the archive was read, but for PLAY."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from gateway.protocols.rtsp.messages import RtspError
from gateway.servers.rtsp_answer import Answer, Call, ok
from gateway.servers.rtsp_asked import asked_of
from gateway.servers.rtsp_hub import Start
from gateway.servers.rtsp_methods import Methods
from gateway.servers.rtsp_playback import PREFIX, Replay, Replays
from gateway.servers.rtsp_session import Sessions

_READING: Final = ("DESCRIBE", "SETUP", "PLAY")


@dataclass(frozen=True, slots=True)
class ReplayMethods:
    """Does what has to wait for the archive."""

    methods: Methods
    sessions: Sessions
    replays: Callable[[], Replays | None]
    """What opens recordings, while there are any."""

    def answers(self, call: Call) -> bool:
        """Tell whether a request reads the archive."""
        return call.path.startswith(PREFIX) and call.request.method in _READING

    async def answer(self, call: Call) -> Answer:
        """Do what a request asks for. Raises RtspError."""
        replays = self.replays()
        if replays is None:
            raise RtspError(404, "nothing is recorded here")
        method = call.request.method
        if method == "PLAY":
            return await self._play(call)
        if method == "DESCRIBE" or not call.header("Session"):
            call = replace(call, replay=await replays.open(call.path))
        return self.methods.by_name[method](call)

    async def _play(self, call: Call) -> Answer:
        """Play a recording from where it is asked for, or on from where it was paused."""
        session = self.methods.session(call)
        replay = session.replay
        if not isinstance(replay, Replay):
            raise RtspError(455, f"session {session.id} is not about {call.path[:80]}")
        asked = asked_of(call.request)
        began = session.machine.play(call.path, call.target.track)
        replay.stop()
        try:
            played = await replay.seek(asked)
        except RtspError:
            if began:
                session.machine.pause(call.path, call.target.track)
            else:
                replay.start(session, self.sessions)
            raise
        self.methods.session(call)  # it may have ended while the archive was read

        def send() -> None:
            if began:
                replay.join(session)
                self.sessions.play(session, Start((), waiting=False))
            replay.start(session, self.sessions)

        return ok(
            session.header,
            ("Range", str(played)),
            ("RTP-Info", replay.rtp_info(call.target.base, sorted(session.machine.transports))),
            ("Scale", f"{asked.scale:g}"),
            *([] if asked.paced else [("Rate-Control", "no")]),
            then=send,
        )
