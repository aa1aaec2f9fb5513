"""What a camera has recorded itself: which of its recordings is of our video source, and where it is replayed."""

from dataclasses import dataclass
from typing import Final

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.soap.answers import Element, text
from gateway.protocols.soap.envelope import escape
from gateway_onvif.asking import Asker
from gateway_onvif.description import Stream
from gateway_onvif.messages import REPLAY, SEARCH
from gateway_onvif.values import time_ns

MAX_RECORDINGS: Final = 1000
"""A device that goes on finding recordings is not listened to for ever."""
_ASKED: Final = 60
_FIND: Final = "<tse:FindRecordings><tse:Scope/><tse:KeepAliveTime>PT30S</tse:KeepAliveTime></tse:FindRecordings>"


@dataclass(frozen=True, slots=True)
class EdgeRecording:
    """A recording of the camera's, as far as it matters here."""

    token: str
    source: str
    """What it says that it is recorded from."""
    video: bool
    start_ns: int | None
    end_ns: int | None
    """First and last data, by the camera's clock, where it tells."""

    def has(self, start_ns: int, end_ns: int) -> bool:
        """Tell whether it may have something of a time."""
        return not ((self.start_ns or 0) > end_ns or (self.end_ns is not None and self.end_ns < start_ns))


async def find_recordings(asker: Asker) -> list[EdgeRecording]:
    """Return the camera's recordings. Raises GatewayError, UNSUPPORTED where it has none to search or replay."""
    if not (asker.offers(SEARCH) and asker.offers(REPLAY)):
        raise GatewayError(ErrorKind.UNSUPPORTED, "the camera does not record, or does not offer it by ONVIF")
    token = escape(text(await asker.ask(SEARCH, _FIND), ".//{*}SearchToken"))
    fetch = (
        f"<tse:GetRecordingSearchResults><tse:SearchToken>{token}</tse:SearchToken>"
        "<tse:WaitTime>PT2S</tse:WaitTime></tse:GetRecordingSearchResults>"
    )
    found: list[EdgeRecording] = []
    for _ in range(_ASKED):
        answer = await asker.ask(SEARCH, fetch)
        found += [_recording(each) for each in answer.iterfind(".//{*}RecordingInformation")]
        if text(answer, ".//{*}SearchState") == "Completed" or len(found) >= MAX_RECORDINGS:
            break
    await asker.ask(SEARCH, f"<tse:EndSearch><tse:SearchToken>{token}</tse:SearchToken></tse:EndSearch>")
    return found


def recording_of(stream: Stream, recordings: list[EdgeRecording], *, main: bool) -> EdgeRecording:
    """Return the recording of a stream: that of its profile, else of its source, else the only one there is.

    Raises GatewayError (UNSUPPORTED) where none can be meant; a sub stream's must say that it is one.
    """
    videos = [each for each in recordings if each.video]
    profile = stream.profile
    names = (profile.token, profile.encoder, profile.source, profile.configuration) if main else (profile.token,)
    for name in names:
        if named := [each for each in videos if name and each.source == name]:
            return named[0]
    if main and len(videos) == 1:
        return videos[0]
    message = f"none of the camera's {len(videos)} recordings with video says that it is of profile {profile}"
    raise GatewayError(ErrorKind.UNSUPPORTED, message)


async def replay_address(asker: Asker, recording: EdgeRecording) -> str:
    """Return the RTSP address of a recording, as the camera says it. Raises GatewayError."""
    body = (
        "<trp:GetReplayUri><trp:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport>"
        "<tt:Protocol>RTSP</tt:Protocol></tt:Transport></trp:StreamSetup>"
        f"<trp:RecordingToken>{escape(recording.token)}</trp:RecordingToken></trp:GetReplayUri>"
    )
    return text(await asker.ask(REPLAY, body), ".//{*}Uri")


def _recording(element: Element) -> EdgeRecording:
    kinds = {text(kind) for kind in element.iterfind("{*}Track/{*}TrackType")}
    return EdgeRecording(
        text(element, "{*}RecordingToken"),
        text(element, "{*}Source/{*}SourceId"),
        "Video" in kinds,
        time_ns(text(element, "{*}EarliestRecording")),
        time_ns(text(element, "{*}LatestRecording")),
    )
