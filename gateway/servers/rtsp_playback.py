"""Replay over RTSP: each session is a stream of its own, filled from the archive at the pace that its client asks for.

The transports, and everything else of a session, are those of live streams.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.rtp.onvif_extension import SIZE, Mark, extension
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtsp import headers, ranges, url
from gateway.protocols.rtsp.messages import RtspError
from gateway.sdk.clock import Clock
from gateway.servers.rtsp_asked import Asked
from gateway.servers.rtsp_burst import Burst
from gateway.servers.rtsp_pace import Pace
from gateway.servers.rtsp_readahead import ReadAhead
from gateway.servers.rtsp_session import Session, Sessions
from gateway.services.playback import Frame, Opened, Player
from gateway.services.playback_choice import Wanted
from gateway.services.streams import LiveStream

PREFIX: Final = "/replay/"
MTU: Final = 1400 - SIZE
ANSWER_SECONDS: Final = 0.5
"""How long a PLAY waits for its first frame, which says where playing really begins."""
POLL_SECONDS: Final = 0.002
"""How often a client that takes all it can get is looked at."""
BURST: Final = 256 * 1024
"""Bytes of frames that are sent in one go as fast as it goes, before anything else gets its turn."""
UDP_BITS_PER_SECOND: Final = 200_000_000
"""Over UDP nothing tells how fast the client is."""
BYE_SECONDS: Final = 0.5
"""How long a BYE waits over UDP: clients read it from another socket, and what it overtakes they throw away."""
_INTRA_FROM: Final = 4.0
"""Faster than this only key frames are sent."""
_NS: Final = 1_000_000_000
_CLEAN_POINT, _END, _DISCONTINUITY, _LAST = map(int, (Mark.CLEAN_POINT, Mark.END, Mark.DISCONTINUITY, Mark.LAST))
_log = logging.getLogger(__name__)


class Extents(Protocol):
    """Finds recordings by any of their names."""

    def __call__(self, name: str) -> str | None:
        """Return the token of a recording, None when there is none."""
        ...


class Replays:
    """What the RTSP server needs to replay."""

    def __init__(self, player: Player, resolve: Extents, timeout: Callable[[], float], clock: Clock) -> None:
        """`timeout` returns the seconds after which a silent session ends."""
        self._player = player
        self._resolve = resolve
        self._timeout = timeout
        self._clock = clock

    async def open(self, path: str) -> "Replay":
        """Return a replay of the recording that a path names. Raises RtspError 404."""
        name = path.removeprefix(PREFIX).split("/")[0]
        token = self._resolve(name)
        if token is None:
            raise RtspError(404, f"there is no recording {name[:80]!r}")
        try:
            opened = await self._player.open(token)
        except GatewayError as error:
            raise RtspError(404 if error.kind is ErrorKind.NOT_FOUND else 503, error.message) from error
        return Replay(self._player, opened, LiveStream(path), self._timeout(), self._clock)


class Replay:
    """One client's way through a recording."""

    def __init__(self, player: Player, opened: Opened, stream: LiveStream, timeout: float, clock: Clock) -> None:
        self.opened = opened
        self.stream = stream
        """Stands for the recording where a live stream is expected; nothing flows through it."""
        self.timeout = timeout
        """Seconds after which a silent session of it ends."""
        self._player = player
        self._clock = clock
        self._ssrcs = [secrets.randbits(32) for _ in opened.description.tracks]
        self._packetizers = [
            Packetizer(index, track, self._ssrcs[index], secrets.randbits(16), MTU)
            for index, track in enumerate(opened.description.tracks)
        ]
        self._rtp_zero = [secrets.randbits(31) for _ in opened.description.tracks]
        self._frames: ReadAhead | None = None
        self._first: Frame | None = None
        """What was read and not yet sent."""
        self._at_ns = opened.span.start_ns
        """Where the frame that was read last is."""
        self._asked = Asked(None, 1.0, paced=True, intra=False, references=False, interval_ns=0, cseq=0)
        self._wanted = Wanted(opened.span.start_ns)
        self._task: asyncio.Task[None] | None = None
        self._played_ns = 0.0
        """Playing time so far, which RTP timestamps count when it is paced."""
        self._pause_ns: int | None = None
        self._burst = 0
        """Bytes sent since others could run."""

    # Requests

    async def seek(self, asked: Asked) -> ranges.ClockRange:
        """Take a PLAY; returns the range that is really played. Raises RtspError.

        Without a range it goes on from where it is, if need be in the other direction or with other frames.
        """
        wanted = self._wish(asked)
        if asked.range is None and self._frames is not None:
            if self._frames.over:  # perhaps it goes on meanwhile
                self.close()
            same = wanted.backward == self._wanted.backward
            wanted = replace(wanted, start_ns=self._at_ns, end_ns=self._wanted.end_ns if same else None)
        self._pause_ns = None
        self._asked = asked
        if (
            asked.range is not None
            or self._frames is None
            or replace(wanted, start_ns=0) != replace(self._wanted, start_ns=0)
        ):
            self.close()
            self._wanted, self._at_ns = wanted, wanted.start_ns
            self._frames = ReadAhead(self.opened.recording, self._player.frames(self.opened, wanted))
        if self._first is None and self._frames is not None:
            self._first = await self._soon(self._frames)
        return ranges.ClockRange(self._at_ns, self._wanted.end_ns)

    def rtp_info(self, base: str, tracks: list[int]) -> str:
        """Return the first sequence number and timestamp of each track (RFC 2326 §12.33)."""
        if self._first is not None:
            pace = self._pace()
            pace.due(self._first, self._clock.monotonic())
            played_ns = pace.frame_ns
        else:
            played_ns = self._played_ns
        return headers.serialize_rtp_info(
            [
                headers.RtpInfo(
                    url.control(base, track),
                    self._packetizers[track].sequence,
                    self._rtp_time(track, self._at_ns, played_ns) & 0xFFFFFFFF,
                )
                for track in tracks
            ]
        )

    def join(self, session: Session) -> None:
        """Take a session that begins to play."""
        for track, ssrc in enumerate(self._ssrcs):
            session.hub.sends(track, ssrc)

    def start(self, session: Session, sessions: Sessions) -> None:
        """Begin to send, or go on. Sender reports make sense only where timestamps follow the clock of the wall."""
        self.stop()
        session.hub.reporting = self._asked.paced and not self._wanted.backward
        self._task = asyncio.create_task(self._run(session, sessions), name=f"replay {self.opened.recording}")

    def stop(self) -> None:
        """Send no more for now; `start` goes on where it stopped."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def close(self) -> None:
        """Send no more, and forget what was being read."""
        self.stop()
        if self._frames is not None:
            self._frames.close()
        self._first = self._frames = None

    def pause_at(self, at_ns: int) -> None:
        """Send no frame from a moment on."""
        self._pause_ns = at_ns

    def _wish(self, asked: Asked) -> Wanted:
        span, backward = self.opened.span, asked.scale < 0
        start_ns, end_ns = (span.end_ns if backward else span.start_ns), None
        match asked.range:
            case ranges.ClockRange(start, end):
                start_ns, end_ns = start, end
            case ranges.NptRange(start, end):
                start_ns = span.end_ns if start is None else span.start_ns + round(start * _NS)
                end_ns = None if end is None else span.start_ns + round(end * _NS)
            case ranges.SmpteRange():
                raise RtspError(457, f"range {str(asked.range)[:80]!r} is neither clock nor npt")
        if end_ns is not None and (end_ns > start_ns if backward else end_ns < start_ns):
            raise RtspError(457, f"range {str(asked.range)[:80]!r} goes {'forward' if backward else 'backward'}")
        intra = asked.intra or (asked.paced and abs(asked.scale) > _INTRA_FROM)
        return Wanted(start_ns, end_ns, backward, intra, asked.references, asked.interval_ns)

    # Sending

    async def _next(self) -> Frame | None:
        """Return the next frame, None at the end."""
        return self._noted(None if self._frames is None else await self._frames.next())

    def _noted(self, frame: Frame | None) -> Frame | None:
        if frame is not None:
            self._at_ns = frame.utc_ns
        return frame

    async def _soon(self, frames: ReadAhead) -> Frame | None:
        """Return the next frame if there is one before long, and not only once it has been recorded."""
        ready = asyncio.create_task(frames.ready())
        enough = asyncio.create_task(self._clock.sleep(ANSWER_SECONDS))
        try:
            await asyncio.wait({ready, enough}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            enough.cancel()
        return await self._next() if ready.done() else None

    async def _run(self, session: Session, sessions: Sessions) -> None:
        """Send until the end, or until nothing more can be sent; then say BYE."""
        try:
            if not await self._send_all(session):
                return
        except Exception as error:  # noqa: BLE001 - this task's supervisor
            _log.error("the replay of %s ends", self.opened.recording, exc_info=error)
        if session.viewer is not None:
            await self._clock.sleep(BYE_SECONDS)
        sessions.say_bye(session)

    async def _send_all(self, session: Session) -> bool:
        """Send frame after frame; tells whether it came to the end, and not to where it is to pause."""
        pace = self._pace()
        while True:
            self._first = self._first or await self._next()
            if self._first is None:
                return True
            if self._is_past(self._first):
                return False
            if self._first.track not in session.machine.transports:
                self._first = None
                continue
            await self._turn(session, self._first, pace)
            self._send(session, pace)

    def _is_past(self, frame: Frame) -> bool:
        return self._pause_ns is not None and (frame.utc_ns >= self._pause_ns) != self._wanted.backward

    def _pace(self) -> Pace:
        return Pace(self._clock.monotonic(), self._played_ns, abs(self._asked.scale), backward=self._wanted.backward)

    async def _turn(self, session: Session, frame: Frame, pace: Pace) -> None:
        """Wait until a frame is due and the client can take it."""
        due = pace.due(frame, self._clock.monotonic())
        if self._asked.paced:
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
        if not self._asked.paced or self._wanted.backward:
            await self._room(session, sum(map(len, frame.payload)))
        while session.viewer is None and not session.carrier.sender.idle:
            await self._clock.sleep(POLL_SECONDS)

    def _send(self, session: Session, pace: Pace) -> None:
        """Send the frame whose turn it is. As fast as it goes over TCP, what else has been read goes with it.

        Nothing else runs meanwhile, so that a PAUSE finds every frame either sent or not.
        """
        at_once = not self._asked.paced and session.viewer is None
        burst = Burst(self._packetizers, session.hub.direct() if at_once else None)
        tracks = session.machine.transports
        while self._first is not None and not self._is_past(self._first):
            if self._first.track in tracks:
                if burst:
                    pace.due(self._first, self._clock.monotonic())
                self._add(burst, self._first, pace)
            self._first, self._played_ns = None, pace.played_ns
            if at_once and burst.size < BURST and self._frames is not None:
                self._first = self._noted(self._frames.at_hand())
        self._burst += burst.size * at_once
        burst.send(session.hub)

    def _add(self, burst: Burst, frame: Frame, pace: Pace) -> None:
        """Add a frame to what is sent; it is left out when it can't be."""
        rtp_time = self._rtp_time(frame.track, frame.utc_ns, pace.frame_ns)
        marks = _CLEAN_POINT * frame.keyframe | _DISCONTINUITY * frame.begins | _END * frame.ends | _LAST * frame.last
        mark = extension(frame.utc_ns, marks, self._asked.cseq)
        try:  # reports tell the time of now; the frame's own is in the extension
            burst.add(frame, rtp_time, self._clock.utc_ns(), mark)
        except ValueError as error:
            _log.debug("a frame of %s is left out: %s", self.opened.recording, error)

    async def _room(self, session: Session, size: int) -> None:
        """Let others run now and then; over UDP wait, too, as long as frames take at the greatest rate."""
        self._burst += size
        if self._burst >= BURST:
            seconds = 0.0 if session.viewer is None else self._burst * 8 / UDP_BITS_PER_SECOND
            self._burst = 0
            await self._clock.sleep(seconds)

    def _rtp_time(self, track: int, utc_ns: int, played_ns: float) -> int:
        """Return a frame's timestamp: of the playing time when it is paced, else of the recording's."""
        rate = self.opened.description.tracks[track].clock_rate
        elapsed = played_ns if self._asked.paced else float(utc_ns - self.opened.span.start_ns)
        return self._rtp_zero[track] + round(elapsed * rate / _NS)
