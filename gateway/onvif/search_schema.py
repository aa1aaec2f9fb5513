"""What searches find as the plain values of ONVIF's types (`tt:RecordingInformation`, `tt:FindEventResult` …)."""

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.domain.event import Event, Items
from gateway.domain.media import AudioParameters, MediaKind, StreamDescription, TrackDescription, VideoParameters
from gateway.domain.recording import RecordingTrack, Span
from gateway.onvif.codec import Codec
from gateway.onvif.events_topics import CONCRETE_SET
from gateway.onvif.recording_schema import TRACK_TYPES, Plain, moment, source_information
from gateway.services.searches_scope import Information
from gateway.services.stored_events import FoundEvent

_MESSAGE = "{http://www.onvif.org/ver10/schema}Message"
_AUDIO_ENCODINGS = {"PCMU": "G711", "PCMA": "G711", "MPEG4-GENERIC": "AAC", "MP4A-LATM": "AAC"}
_NO_VIDEO, _NO_AUDIO = VideoParameters(0, 0, 0.0, 0, 0), AudioParameters(0, 0, 0)


def recording_information(found: Information) -> Plain:
    """Return a `tt:RecordingInformation`."""
    plain: Plain = {
        "RecordingToken": found.recording.token,
        "Source": source_information(found.recording.source),
        "Content": found.recording.content,
        "Track": [track_information(track, span) for track, span in found.tracks],
        "RecordingStatus": str(found.status),
    }
    if (span := found.span) is not None:
        plain |= {"EarliestRecording": moment(span.start_ns), "LatestRecording": moment(span.end_ns)}
    return plain


def track_information(track: RecordingTrack, span: Span) -> Plain:
    """Return a `tt:TrackInformation`."""
    return {
        "TrackToken": track.token,
        "TrackType": TRACK_TYPES[track.kind],
        "Description": track.description,
        "DataFrom": moment(span.start_ns),
        "DataTo": moment(span.end_ns),
    }


def media_attributes(found: Information, description: StreamDescription | None, span: Span) -> Plain:
    """Return a `tt:MediaAttributes`: what the description says is true for the span."""
    tracks = [
        {"TrackInformation": track_information(track, held), **_attributes(described)}
        for track, held in found.tracks
        if description is not None and (described := description.first(track.kind)) is not None
    ]
    return {
        "RecordingToken": found.recording.token,
        "TrackAttributes": tracks,
        "From": moment(span.start_ns),
        "Until": moment(span.end_ns),
    }


def event_result(found: FoundEvent, codec: Codec, elements: Sequence[Plain] = ()) -> Plain:
    """Return a `tt:FindEventResult`; `elements` are the event's ElementItems."""
    event = found.event
    return {
        "RecordingToken": found.recording,
        "TrackToken": found.track,
        "Time": moment(event.utc_ns),
        "Event": {
            "Topic": {"_": event.topic, "Dialect": CONCRETE_SET},
            "Message": {"_any": [codec.written(_MESSAGE, _message(event, elements))]},
        },
        "StartStateEvent": found.start_state,
    }


def _message(event: Event, elements: Sequence[Plain]) -> Plain:
    message: Plain = {"UtcTime": moment(event.utc_ns)}
    if event.operation is not None:
        message["PropertyOperation"] = str(event.operation)
    for name, items in (("Source", event.source), ("Key", event.key), ("Data", event.data)):
        if items:
            message[name] = {"SimpleItem": _items(items)}
    if elements:
        message.setdefault("Data", {})["ElementItem"] = elements
    return message


def _items(items: Items) -> list[Plain]:
    return [{"Name": name, "Value": value} for name, value in items]


def _attributes(track: TrackDescription) -> Plain:
    if track.kind is MediaKind.VIDEO:
        video = track.video or _NO_VIDEO
        plain: Plain = {
            "Width": video.width,
            "Height": video.height,
            "Encoding": track.encoding,
            "Framerate": video.frame_rate,
        }
        return {"VideoAttributes": _with_bitrate(plain, video.bitrate)}
    if track.kind is MediaKind.AUDIO:
        audio = track.audio or _NO_AUDIO
        encoding = _AUDIO_ENCODINGS.get(track.encoding, track.encoding)
        plain = {"Encoding": encoding, "Samplerate": round((audio.sample_rate or track.clock_rate) / 1000)}
        return {"AudioAttributes": _with_bitrate(plain, audio.bitrate)}
    return {
        "MetadataAttributes": {"CanContainPTZ": False, "CanContainAnalytics": True, "CanContainNotifications": True}
    }


def _with_bitrate(plain: Plain, bits: int) -> Plain:
    return {"Bitrate": -(-bits // 1000), **plain} if bits else plain


def summary(found: Iterable[Information], now_ns: int) -> dict[str, Any]:
    """Return a `tt:RecordingSummary`; without any data both ends are the present."""
    whole = list(found)
    spans = [span for each in whole if (span := each.span) is not None]
    return {
        "DataFrom": moment(min((span.start_ns for span in spans), default=now_ns)),
        "DataUntil": moment(max((span.end_ns for span in spans), default=now_ns)),
        "NumberRecordings": len(whole),
    }
