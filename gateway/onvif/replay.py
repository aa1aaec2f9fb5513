"""The Replay service: where recordings are played from."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Protocol
from urllib.parse import quote

from gateway.onvif.capabilities import REPLAY
from gateway.onvif.context import Context
from gateway.onvif.media_uri import Transport, media1_transport, stream_uri
from gateway.onvif.recording import Audit
from gateway.onvif.recording_faults import faulting, invalid
from gateway.onvif.recording_schema import Plain
from gateway.services.recordings import Recordings
from gateway.services.recordings_errors import Reason, RecordingError

TIMEOUT_RANGE = (10.0, 3600.0)
"""Seconds that an RTSP session may be set to live without a sign of its client."""

DEFAULT_TIMEOUT = 60.0
_KEY = "replay.session_timeout"


class Settings(Protocol):
    """Small JSON values that survive a restart."""

    def load(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return a stored value, or None."""
        ...

    def store(self, key: str, value: object) -> None:
        """Keep a value; returns at once."""
        ...


class ReplayService:
    """Operations of the replay service (Replay Control Service Specification)."""

    namespace: ClassVar[str] = REPLAY
    path: ClassVar[str] = "/onvif/replay_service"

    def __init__(self, recordings: Recordings, settings: Settings, audit: Audit, websocket: str = "") -> None:
        """`websocket` is the URI of RTSP over WebSocket, empty where that is not served."""
        self._recordings = recordings
        self._settings = settings
        self._audit = audit
        self._websocket = websocket

    @property
    def session_timeout(self) -> float:
        """Return the seconds that an RTSP session of a replay lives without a sign of its client."""
        stored = self._settings.load(_KEY)
        return float(stored) if isinstance(stored, int | float) else DEFAULT_TIMEOUT

    def capabilities(self) -> Plain:
        """Return what is announced: only what works."""
        websocket = {"RTSPWebSocketUri": self._websocket} if self._websocket else {}
        return {
            "ReversePlayback": True,
            "SessionTimeoutRange": list(TIMEOUT_RANGE),
            "RTP_RTSP_TCP": True,
            **websocket,
        }

    @faulting
    async def GetReplayUri(self, request: Plain, context: Context) -> Plain:
        """Return where a recording is played from; it may be named by a profile or a video source too."""
        token = request["RecordingToken"]
        recording = self._recordings.resolve(token)
        if recording is None:
            raise RecordingError(Reason.NO_RECORDING, f"recording token {token!r} does not exist")
        transport = _transport(request["StreamSetup"])
        return {"Uri": stream_uri(transport, f"/replay/{quote(recording.token, safe='')}", context, None)}

    async def GetReplayConfiguration(self, _request: Plain, _context: Context) -> Plain:
        """Return how replays are done."""
        return {"Configuration": {"SessionTimeout": timedelta(seconds=self.session_timeout)}}

    async def SetReplayConfiguration(self, request: Plain, context: Context) -> Plain:
        """Change how replays are done."""
        wanted = request["Configuration"]["SessionTimeout"].total_seconds()
        shortest, longest = TIMEOUT_RANGE
        if not shortest <= wanted <= longest:
            message = f"a SessionTimeout of {wanted:g} seconds is not possible: {shortest:g} to {longest:g}"
            raise invalid("ConfigModify", message)
        self._settings.store(_KEY, wanted)
        self._audit(context, "SetReplayConfiguration", f"SessionTimeout {wanted:g} s")
        return {}


def _transport(setup: Mapping[str, Any]) -> Transport:
    """Return what a `tt:StreamSetup` asks for; a replay is unicast. Raises SoapFault."""
    transport = media1_transport(dict(setup))
    if transport not in (Transport.RTSP, Transport.HTTP):
        asked = f"{setup.get('Stream')} over {setup.get('Transport', {}).get('Protocol')}"
        raise invalid("InvalidStreamSetup", f"replaying by {asked!r} is not supported")
    return transport
