"""Works with the archive of a device as VMSs do, through onvif-python.

Run with the Python of an environment that has onvif-python:
onvif_python_archive.py HOST PORT USER PASSWORD COMMAND [ARGUMENT]. Prints what it found as one JSON object.

look           services and scopes that are announced, and all recordings, jobs and receivers
milestone      what Milestone's driver asks for to retrieve what an edge device has recorded
vios           what NVIDIA VIOS asks for of a bridge: recordings by the tokens of profiles
make URI       a recording of the first profile, and one of a receiver that connects to an RTSP address
unmake         deletes the recordings and receivers that can be deleted
"""

# ruff: noqa: T201 - it prints what it found

import datetime as dt
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from onvif import CacheMode, ONVIFClient
from onvif.utils.exceptions import ONVIFOperationException

MINUTE = dt.timedelta(minutes=1)
RTSP = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
RESULTS = {"MinResults": 1, "MaxResults": 1000, "WaitTime": dt.timedelta(seconds=10)}


def look(client: ONVIFClient) -> dict[str, Any]:
    device = client.devicemgmt()
    found: dict[str, Any] = {
        "services": [service.Namespace for service in device.GetServices(IncludeCapability=False)],
        "scopes": [scope.ScopeItem for scope in device.GetScopes()],
    }
    if any("recording" in namespace for namespace in found["services"]):
        recording = client.recording()
        found["recordings"] = {each.RecordingToken: each.Configuration.Content for each in recording.GetRecordings()}
        jobs = recording.GetRecordingJobs() or []
        found["jobs"] = {each.JobToken: plain_job(each.JobConfiguration) for each in jobs}
        found["states"] = {each.JobToken: recording.GetRecordingJobState(each.JobToken).State for each in jobs}
        receivers = client.receiver().GetReceivers() or []
        found["receivers"] = {each.Token: each.Configuration.MediaUri for each in receivers}
    return found


def plain_job(job: Any) -> list[Any]:
    return [job.RecordingToken, job.Mode, job.Priority, job.Source[0].SourceToken.Token]


def milestone(client: ONVIFClient) -> dict[str, Any]:
    device = client.devicemgmt()
    capabilities = device.GetCapabilities(Category="All")
    channels = [str(token) for token in client.deviceio().GetVideoSources()]
    client.deviceio().GetAudioSources()
    listed = client.media2().GetProfiles(Type=["All"])
    profiles = {each.token: each.Configurations.VideoSource.SourceToken for each in listed}
    search, recording = client.search(), client.recording()
    summary = search.GetRecordingSummary()
    attributes = search.GetMediaAttributes(Time=summary.DataFrom)
    found = {}
    jobs = {each.JobConfiguration.RecordingToken: plain_job(each.JobConfiguration) for each in
            recording.GetRecordingJobs()}  # fmt: skip
    scope = {"RecordingInformationFilter": 'boolean(//Track[TrackType = "Video"])'}
    for each in find(search, "Recording", Scope=scope):
        information = search.GetRecordingInformation(RecordingToken=each.RecordingToken)
        found[each.RecordingToken] = {
            "source": each.Source.SourceId,
            "channel": profiles.get(jobs[each.RecordingToken][3]),
            "tracks": [track.TrackType for track in information.Track],
            "uri": client.replay().GetReplayUri(StreamSetup=RTSP, RecordingToken=each.RecordingToken),
            "events": list(events(search, summary, each.RecordingToken)),
        }
    return {
        "extension": [getattr(capabilities.Extension, name) is not None for name in ("Recording", "Search", "Replay")],
        "channels": channels,
        "attributes": len(attributes if isinstance(attributes, list) else [attributes]),
        "recordings": found,
    }


def events(search: Any, summary: Any, token: str) -> Iterator[list[str]]:
    """Yield the history of a recording, forward."""
    span = {"StartPoint": summary.DataFrom, "EndPoint": summary.DataUntil + MINUTE}
    found = find(
        search, "Event", **span, Scope={"IncludedRecordings": [token]}, SearchFilter={"_value_1": []},
        IncludeStartState=True,
    )  # fmt: skip
    for each in found:
        [content] = each.Event.Message._value_1
        data = content.xpath("*[local-name() = 'Data']/*/@Value")
        yield [each.TrackToken or "", *data, str(each.StartStateEvent)]


def vios(client: ONVIFClient) -> dict[str, Any]:
    media, replay, search = client.media2(), client.replay(), client.search()
    found = {}
    for profile in media.GetProfiles(Type=["All"]):
        live = media.GetStreamUri(Protocol="RtspUnicast", ProfileToken=profile.token)
        summary = search.GetRecordingSummary()
        begin, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in (summary.DataFrom, summary.DataUntil))
        milliseconds = int((summary.DataUntil - summary.DataFrom).total_seconds() * 1000)
        window = f'boolean(//Track[TrackType = "Video"]),{end},{milliseconds},10000,0,0'
        scope = {"IncludedSources": [{"Token": profile.token}], "RecordingInformationFilter": window}
        try:
            uri = replay.GetReplayUri(StreamSetup=RTSP, RecordingToken=profile.token)
            listed = find(search, "Recording", Scope=scope, MaxMatches=10000)
        except ONVIFOperationException as error:
            found[profile.token] = {"live": live, "fault": str(error.original_exception)}
            continue
        stretches = [[each.RecordingToken, text(each.Track[0].DataFrom), text(each.Track[0].DataTo)] for each in listed]
        found[profile.token] = {"live": live, "uri": uri, "stretches": stretches, "summary": [begin, end]}
    return found


def find(search: Any, kind: str, **scope: Any) -> Iterator[Any]:
    """Yield what a search finds, until it is completed; then end it."""
    token = getattr(search, f"Find{kind}s")(**scope, KeepAliveTime=MINUTE)
    state = ""
    while state != "Completed":
        found = getattr(search, f"Get{kind}SearchResults")(SearchToken=token, **RESULTS)
        state = found.SearchState
        yield from (found.RecordingInformation if kind == "Recording" else found.Result) or []
    search.EndSearch(SearchToken=token)


def text(time: dt.datetime) -> str:
    return time.isoformat()


def make(client: ONVIFClient, uri: str) -> dict[str, Any]:
    recording, receivers = client.recording(), client.receiver()
    [first, *_] = client.media2().GetProfiles(Type=["All"])
    receiver = receivers.CreateReceiver(
        Configuration={"Mode": "AutoConnect", "MediaUri": uri, "StreamSetup": RTSP}
    ).Token
    made = {"receiver": receiver}
    for name, kind, token in (
        ("profile", "http://www.onvif.org/ver10/schema/Profile", first.token),
        ("received", "http://www.onvif.org/ver10/schema/Receiver", receiver),
    ):
        source = {"SourceId": f"urn:{name}", "Name": name, "Location": "", "Description": "", "Address": f"urn:{name}"}
        made[name] = recording.CreateRecording(
            RecordingConfiguration={"Source": source, "Content": name, "MaximumRetentionTime": dt.timedelta(days=3)}
        )
        sources = [{"SourceToken": {"Type": kind, "Token": token}}]
        job = {"RecordingToken": made[name], "Mode": "Active", "Priority": 1, "Source": sources}
        made[f"{name} job"] = recording.CreateRecordingJob(JobConfiguration=job).JobToken
    return made


def unmake(client: ONVIFClient) -> dict[str, Any]:
    recording, receivers = client.recording(), client.receiver()
    kept = []
    for each in recording.GetRecordings():
        try:
            recording.DeleteRecording(RecordingToken=each.RecordingToken)
        except ONVIFOperationException as error:
            kept.append([each.RecordingToken, error.original_exception.message])
    for each in receivers.GetReceivers() or []:
        receivers.DeleteReceiver(ReceiverToken=each.Token)
    return {"kept": kept}


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    command.__name__: command for command in (look, milestone, vios, make, unmake)
}


def main(host: str, port: str, user: str, password: str, command: str, *arguments: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    return COMMANDS[command](ONVIFClient(host, int(port), user, password, cache=CacheMode.NONE), *arguments)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
