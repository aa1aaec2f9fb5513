"""Recording control: every operation with good input, unknown tokens and edge cases; every answer valid."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lxml import etree
from media_samples import CONTEXT
from onvif_calls import CONTRACT, Caller
from recording_samples import Site, segment

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.recording import JobState
from gateway.onvif.faults import SoapFault
from gateway.onvif.receiver import ReceiverService
from gateway.onvif.recording import RecordingService

Validate = Callable[[etree._Element], object]
CONFIGURATION = """
<tt:Source><tt:SourceId>{id}</tt:SourceId><tt:Name>{name}</tt:Name><tt:Location>{location}</tt:Location>
<tt:Description>shown</tt:Description><tt:Address>rtsp://192.0.2.9/1</tt:Address></tt:Source>
<tt:Content>what is seen</tt:Content><tt:MaximumRetentionTime>{retention}</tt:MaximumRetentionTime>{more}
"""
TOKEN = "<trc:RecordingToken>{}</trc:RecordingToken>"
TRACK = TOKEN + "<trc:TrackToken>{}</trc:TrackToken>"
JOB = "<trc:JobToken>{}</trc:JobToken>"
PROFILE = "http://www.onvif.org/ver10/schema/Profile"
UNANNOUNCED = {
    *("ExportRecordedData", "StopExportRecordedData", "GetExportRecordedDataState"),
    *("ListRecordedSegments", "ExportRecordedSegments", "StopExportRecordedSegments", "OverrideSegmentDuration"),
}
"""Operations of features that the capabilities say are not there; the endpoint answers ActionNotSupported."""


def configuration(retention: str = "PT0S", more: str = "", **texts: str) -> str:
    values = {"id": "urn:client:7", "name": "Client", "location": "yard"} | texts
    content = CONFIGURATION.format(retention=retention, more=more, **values)
    return f"<trc:RecordingConfiguration>{content}</trc:RecordingConfiguration>"


def job(
    recording: str, source: str = "", mode: str = "Active", priority: int = 20, tracks: str = "", more: str = ""
) -> str:
    source = source or f'<tt:SourceToken Type="{PROFILE}"><tt:Token>door_main</tt:Token></tt:SourceToken>'
    return (
        f"<trc:JobConfiguration><tt:RecordingToken>{recording}</tt:RecordingToken><tt:Mode>{mode}</tt:Mode>"
        f"<tt:Priority>{priority}</tt:Priority><tt:Source>{source}{tracks}</tt:Source>{more}</trc:JobConfiguration>"
    )


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def call(site: Site, validate: Validate) -> Caller:
    return Caller(RecordingService(site.recordings, site.editor, site.audit), validate)


async def refusal(call: Caller, operation: str, request: str) -> tuple[str, ...]:
    with pytest.raises(SoapFault) as refused:
        await call(operation, request)
    assert refused.value.reason
    return (refused.value.code.value, *refused.value.subcodes)


def sender(code: str) -> tuple[str, ...]:
    return ("Sender", "InvalidArgVal", code)


def receiver(code: str) -> tuple[str, ...]:
    return ("Receiver", "Action", code)


async def create(call: Caller) -> str:
    token: str = (await call("CreateRecording", configuration()))["RecordingToken"]
    return token


def test_every_operation_that_is_announced_is_there(call: Caller) -> None:
    names = {operation.name for operation in CONTRACT.operations(RecordingService.namespace)}
    assert {name for name in names - {"GetServiceCapabilities"} if not hasattr(RecordingService, name)} == UNANNOUNCED
    capabilities = call.service.capabilities()
    assert "SupportedExportFileFormats" not in capabilities
    assert capabilities["MetadataRecording"]


async def test_recordings_are_listed_with_their_tracks(call: Caller) -> None:
    items = (await call("GetRecordings"))["RecordingItem"]
    assert [item["RecordingToken"] for item in items] == ["Recording_yard", "Recording_yard_sub", "Recording_door"]
    first = items[0]["Configuration"]
    assert first["Source"]["SourceId"] == "VideoSource_yard"
    assert first["MaximumRetentionTime"] == timedelta(days=30)
    tracks = [(each["TrackToken"], each["Configuration"]["TrackType"]) for each in items[0]["Tracks"]["Track"]]
    assert tracks == [("VIDEO001", "Video"), ("AUDIO001", "Audio"), ("META001", "Metadata")]
    assert (await call("GetRecordingConfiguration", TOKEN.format("Recording_yard")))["RecordingConfiguration"] == first


async def test_dynamic_recordings(call: Caller, site: Site) -> None:
    token = await create(call)
    item = (await call("GetRecordings"))["RecordingItem"][-1]
    assert item["RecordingToken"] == token
    assert [each["Configuration"]["Description"] for each in item["Tracks"]["Track"]] == ["", "", ""]
    assert item["Configuration"]["MaximumRetentionTime"] == timedelta(0)
    longest = configuration("P360D", id="i" * 256, name="n" * 64, location="l" * 1024)
    await call("SetRecordingConfiguration", TOKEN.format(token) + longest)
    read = (await call("GetRecordingConfiguration", TOKEN.format(token)))["RecordingConfiguration"]
    assert [len(read["Source"][name]) for name in ("SourceId", "Name", "Location")] == [256, 64, 1024]
    assert read["MaximumRetentionTime"] == timedelta(days=360)
    await call("DeleteRecording", TOKEN.format(token))
    assert site.erased == [token]
    operations = [operation for account, operation, _ in site.audited if account == "admin"]
    assert operations == ["CreateRecording", "SetRecordingConfiguration", "DeleteRecording"]
    assert await refusal(call, "GetRecordingConfiguration", TOKEN.format(token)) == sender("NoRecording")


async def test_impossible_recordings(call: Caller) -> None:
    target = "<tt:Target><tt:Storage>S3</tt:Storage><tt:Format>MP4</tt:Format>"
    target += "<tt:SegmentDuration>PT10S</tt:SegmentDuration></tt:Target>"
    for wanted in (configuration("P361D"), configuration("PT1H"), configuration(more=target)):
        assert await refusal(call, "CreateRecording", wanted) == sender("BadConfiguration")
    unknown = TOKEN.format("x") + configuration("P361D")
    assert await refusal(call, "SetRecordingConfiguration", unknown) == sender("NoRecording")
    assert await refusal(call, "DeleteRecording", TOKEN.format("x")) == sender("NoRecording")
    assert await refusal(call, "DeleteRecording", TOKEN.format("Recording_yard")) == receiver("CannotDelete")
    for _ in range(32):
        await create(call)
    assert await refusal(call, "CreateRecording", configuration()) == receiver("MaxRecordings")


async def test_dynamic_tracks(call: Caller, site: Site) -> None:
    token = await create(call)
    options = (await call("GetRecordingOptions", TOKEN.format(token)))["Options"]
    assert options["Track"] == {"SpareTotal": 9, "SpareVideo": 3, "SpareAudio": 3, "SpareMetadata": 3}
    assert options["Job"] == {"Spare": 64, "CompatibleSources": ["yard_main", "yard_sub", "door_main", "door_sub"]}
    wanted = "<trc:TrackConfiguration><tt:TrackType>{}</tt:TrackType><tt:Description>second</tt:Description>"
    wanted += "</trc:TrackConfiguration>"
    created = await call("CreateTrack", TOKEN.format(token) + wanted.format("Audio"))
    assert created == {"TrackToken": "AUDIO002"}
    both = TRACK.format(token, "AUDIO002")
    assert (await call("GetTrackConfiguration", both))["TrackConfiguration"]["Description"] == "second"
    await call("SetTrackConfiguration", TRACK.format(token, "VIDEO001") + wanted.format("Audio"))
    first = (await call("GetTrackConfiguration", TRACK.format(token, "VIDEO001")))["TrackConfiguration"]
    assert first == {"TrackType": "Video", "Description": "second"}
    await call("DeleteTrack", both)
    assert await refusal(call, "GetTrackConfiguration", both) == sender("NoTrack")
    assert await refusal(call, "SetTrackConfiguration", both + wanted.format("Audio")) == sender("NoTrack")
    assert await refusal(call, "DeleteTrack", both) == sender("NoTrack")
    assert await refusal(call, "DeleteTrack", TRACK.format("x", "VIDEO001")) == sender("NoRecording")
    assert await refusal(call, "CreateTrack", TOKEN.format("x") + wanted.format("Audio")) == sender("NoRecording")
    extended = TOKEN.format(token) + wanted.format("Extended")
    assert await refusal(call, "CreateTrack", extended) == sender("BadConfiguration")
    for _ in range(3):
        await call("CreateTrack", TOKEN.format(token) + wanted.format("Video"))
    assert await refusal(call, "CreateTrack", TOKEN.format(token) + wanted.format("Video")) == receiver("MaxTracks")
    site.record(segment(token, 0, 60))
    assert await refusal(call, "DeleteTrack", TRACK.format(token, "VIDEO001")) == receiver("CannotDelete")
    assert await refusal(call, "GetRecordingOptions", TOKEN.format("x")) == sender("NoRecording")


async def test_jobs_of_the_configuration(call: Caller, site: Site) -> None:
    items = (await call("GetRecordingJobs"))["JobItem"]
    assert [item["JobToken"] for item in items] == ["Job_yard", "Job_yard_sub", "Job_door"]
    first = items[0]["JobConfiguration"]
    assert first["Source"][0]["SourceToken"] == {"Type": PROFILE, "Token": "yard_main"}
    assert (await call("GetRecordingJobConfiguration", JOB.format("Job_yard")))["JobConfiguration"] == first
    site.recorder.states["Recording_yard"] = (JobState.ACTIVE, "")
    state = (await call("GetRecordingJobState", JOB.format("Job_yard")))["State"]
    assert (state["RecordingToken"], state["State"]) == ("Recording_yard", "Active")
    assert [each["State"] for each in state["Sources"][0]["Tracks"]["Track"]] == ["Active"] * 3
    site.recorder.states["Recording_yard"] = (JobState.ERROR, "the camera is away")
    state = (await call("GetRecordingJobState", JOB.format("Job_yard")))["State"]
    assert state["State"] == "Error"
    assert state["Sources"][0]["Tracks"]["Track"][0]["Error"] == "the camera is away"
    assert await refusal(call, "DeleteRecordingJob", JOB.format("Job_yard")) == receiver("CannotDelete")


async def test_recording_starts_and_stops_with_its_job(call: Caller, site: Site) -> None:
    token = await create(call)
    created = await call("CreateRecordingJob", job(token, mode="Idle"))
    name, used = created["JobToken"], created["JobConfiguration"]
    assert [each["Destination"] for each in used["Source"][0]["Tracks"]] == ["VIDEO001", "AUDIO001", "META001"]
    assert token not in {each.recording for each in site.recordings.assignments()}
    assert (await call("GetRecordingJobState", JOB.format(name)))["State"]["State"] == "Idle"
    await call("SetRecordingJobMode", JOB.format(name) + "<trc:Mode>Active</trc:Mode>")
    assert token in {each.recording for each in site.recordings.assignments()}
    site.recorder.states[token] = (JobState.ACTIVE, "")
    assert (await call("GetRecordingJobState", JOB.format(name)))["State"]["State"] == "Active"
    await call("SetRecordingJobMode", JOB.format(name) + "<trc:Mode>Idle</trc:Mode>")
    assert (await call("GetRecordingJobState", JOB.format(name)))["State"]["State"] == "Idle"
    await call("DeleteRecordingJob", JOB.format(name))
    assert await refusal(call, "GetRecordingJobState", JOB.format(name)) == sender("NoRecordingJob")


async def test_a_job_is_answered_as_it_was_asked_for(call: Caller) -> None:
    token = await create(call)
    tracks = "<tt:Tracks><tt:SourceTag>v</tt:SourceTag><tt:Destination>VIDEO001</tt:Destination></tt:Tracks>"
    trigger = "<tt:EventFilter><tt:Filter><tt:Topic>tns1:VideoSource/MotionAlarm</tt:Topic></tt:Filter>"
    trigger += "<tt:Before>PT{}S</tt:Before><tt:After>PT10S</tt:After></tt:EventFilter>"
    created = await call("CreateRecordingJob", job(token, tracks=tracks, more=trigger.format(5)))
    used = created["JobConfiguration"]
    assert used["Source"][0]["Tracks"] == [{"SourceTag": "v", "Destination": "VIDEO001"}]
    assert used["EventFilter"]["Filter"] == [{"Topic": "tns1:VideoSource/MotionAlarm"}]
    again = await call("GetRecordingJobConfiguration", JOB.format(created["JobToken"]))
    assert again["JobConfiguration"] == used
    changed = await call(
        "SetRecordingJobConfiguration",
        JOB.format(created["JobToken"]) + job(token, tracks=tracks, priority=3, more=trigger.format(3000)),
    )
    assert changed["JobConfiguration"]["Priority"] == 3
    assert changed["JobConfiguration"]["EventFilter"]["Before"] == timedelta(seconds=60)
    topics = trigger.format(5).replace("tns1:VideoSource/MotionAlarm", "tns1:A/B//.|tns1:C")
    created = await call("CreateRecordingJob", job(token, more=topics))
    assert created["JobConfiguration"]["EventFilter"]["Filter"] == [{"Topic": "tns1:A/B"}, {"Topic": "tns1:C"}]
    broken = job(token, more=trigger.format(5).replace("tns1:VideoSource/MotionAlarm", "motion"))
    assert await refusal(call, "CreateRecordingJob", broken) == sender("BadConfiguration")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (job("ghost"), "NoRecording"),
        (job("Recording_yard", mode="Sometimes"), "BadConfiguration"),
        (job("Recording_yard", priority=-1), "BadConfiguration"),
        (
            job("Recording_yard", "<tt:SourceToken Type='urn:x'><tt:Token>x</tt:Token></tt:SourceToken>"),
            "BadConfiguration",
        ),
        (job("Recording_yard", "<tt:SourceToken><tt:Token>x</tt:Token></tt:SourceToken>"), "BadConfiguration"),
        (job("Recording_yard", "<tt:AutoCreateReceiver>false</tt:AutoCreateReceiver>"), "BadConfiguration"),
        (
            job(
                "Recording_yard",
                more="<tt:EventFilter><tt:Filter><tt:Topic>tns1:X</tt:Topic><tt:Source>y</tt:Source></tt:Filter>"
                "</tt:EventFilter>",
            ),
            "BadConfiguration",
        ),
        (
            job("Recording_yard").replace("<trc:JobConfiguration>", '<trc:JobConfiguration ScheduleToken="s">'),
            "BadConfiguration",
        ),
    ],
)
async def test_impossible_jobs(call: Caller, wanted: str, code: str) -> None:
    assert await refusal(call, "CreateRecordingJob", wanted) == sender(code)


async def test_unknown_jobs_and_modes(call: Caller) -> None:
    for operation in ("GetRecordingJobState", "GetRecordingJobConfiguration", "DeleteRecordingJob"):
        assert await refusal(call, operation, JOB.format("x")) == sender("NoRecordingJob")
    mode = "<trc:Mode>Sometimes</trc:Mode>"
    assert await refusal(call, "SetRecordingJobMode", JOB.format("x") + mode) == sender("NoRecordingJob")
    assert await refusal(call, "SetRecordingJobMode", JOB.format("Job_yard") + mode) == sender("BadMode")
    other = JOB.format("Job_yard") + job("Recording_door")
    assert await refusal(call, "SetRecordingJobConfiguration", other) == sender("BadConfiguration")
    for _ in range(64):
        await call("CreateRecordingJob", job("Recording_door", mode="Idle"))
    assert await refusal(call, "CreateRecordingJob", job("Recording_door")) == receiver("MaxRecordingJobs")


async def test_a_job_makes_its_receiver(call: Caller, site: Site, validate: Validate) -> None:
    automatic = "<tt:AutoCreateReceiver>true</tt:AutoCreateReceiver>"
    created = await call("CreateRecordingJob", job("Recording_door", automatic))
    source = created["JobConfiguration"]["Source"][0]
    assert source["SourceToken"]["Type"] == "http://www.onvif.org/ver10/schema/Receiver"
    assert "AutoCreateReceiver" not in source
    token = source["SourceToken"]["Token"]
    receivers = Caller(ReceiverService(site.receivers, site.audit), validate)
    state = await receivers("GetReceiverState", f"<trv:ReceiverToken>{token}</trv:ReceiverToken>")
    assert state["ReceiverState"] == {"State": "NotConnected", "AutoCreated": True}
    await call("DeleteRecordingJob", JOB.format(created["JobToken"]))
    assert (await receivers("GetReceivers"))["Receivers"] == []
    for _ in range(32):
        await call("CreateRecordingJob", job("Recording_door", automatic, mode="Idle"))
    assert await refusal(call, "CreateRecordingJob", job("Recording_door", automatic)) == receiver("MaxReceivers")


SETUP = """
<tt:Mode>{mode}</tt:Mode><tt:MediaUri>{uri}</tt:MediaUri><tt:StreamSetup><tt:Stream>{stream}</tt:Stream>
<tt:Transport><tt:Protocol>{protocol}</tt:Protocol></tt:Transport></tt:StreamSetup>
"""


def setup(
    mode: str = "AutoConnect", uri: str = "rtsp://192.0.2.9/1", stream: str = "RTP-Unicast", protocol: str = "UDP"
) -> str:
    content = SETUP.format(mode=mode, uri=uri, stream=stream, protocol=protocol)
    return f"<trv:Configuration>{content}</trv:Configuration>"


@pytest.fixture
def receive(site: Site, validate: Validate) -> Caller:
    return Caller(ReceiverService(site.receivers, site.audit), validate)


async def test_receivers(receive: Caller, site: Site, validate: Validate) -> None:
    created = (await receive("CreateReceiver", setup(uri="rtsp://192.0.2.9/" + "x" * 128)))["Receiver"]
    named = f"<trv:ReceiverToken>{created['Token']}</trv:ReceiverToken>"
    assert (await receive("GetReceiver", named))["Receiver"] == created
    for protocol in ("UDP", "RTSP", "HTTP"):
        await receive("ConfigureReceiver", named + setup("AlwaysConnect", protocol=protocol))
        read = (await receive("GetReceiver", named))["Receiver"]["Configuration"]
        assert read["StreamSetup"]["Transport"]["Protocol"] == protocol
    assert (await receive("GetReceiverState", named))["ReceiverState"]["State"] == "Connecting"
    await receive("SetReceiverMode", named + "<trv:Mode>NeverConnect</trv:Mode>")
    assert (await receive("GetReceiverState", named))["ReceiverState"]["State"] == "NotConnected"
    kept = (await receive("GetReceiver", named))["Receiver"]
    assert kept["Configuration"] == {**read, "Mode": "NeverConnect"}
    after = Caller(ReceiverService(site.restarted().receivers, site.audit), validate)
    assert (await after("GetReceivers"))["Receivers"] == [kept]
    await receive("DeleteReceiver", named)
    assert (await receive("GetReceivers"))["Receivers"] == []
    assert {detail for _, _, detail in site.audited} >= {created["Token"]}
    assert all("192.0.2.9" not in detail for _, _, detail in site.audited)


async def test_only_administrators_see_a_receivers_login(receive: Caller) -> None:
    created = (await receive("CreateReceiver", setup(uri="rtsp://root:hunter2@192.0.2.9/1")))["Receiver"]
    assert created["Configuration"]["MediaUri"] == "rtsp://root:hunter2@192.0.2.9/1"
    operator = replace(CONTEXT, account=Account("guard", UserLevel.OPERATOR, Secret("secret")))
    named = f"<trv:ReceiverToken>{created['Token']}</trv:ReceiverToken>"
    seen = [
        (await receive("GetReceiver", named, operator))["Receiver"],
        *(await receive("GetReceivers", "", operator))["Receivers"],
    ]
    assert [receiver["Configuration"]["MediaUri"] for receiver in seen] == ["rtsp://192.0.2.9/1"] * 2


async def test_impossible_receivers(receive: Caller) -> None:
    unknown = "<trv:ReceiverToken>x</trv:ReceiverToken>"
    mode = "<trv:Mode>AutoConnect</trv:Mode>"
    for operation, more in (
        ("GetReceiver", ""),
        ("GetReceiverState", ""),
        ("DeleteReceiver", ""),
        ("ConfigureReceiver", setup()),
        ("SetReceiverMode", mode),
    ):
        assert await refusal(receive, operation, unknown + more) == sender("UnknownToken")
    created = (await receive("CreateReceiver", setup("NeverConnect")))["Receiver"]
    named = f"<trv:ReceiverToken>{created['Token']}</trv:ReceiverToken>"
    for wanted in (setup(uri="nowhere"), setup(stream="RTP-Multicast"), setup(mode="Unknown"), setup(protocol="TCP")):
        assert await refusal(receive, "CreateReceiver", wanted) == sender("BadConfiguration")
        assert await refusal(receive, "ConfigureReceiver", named + wanted) == sender("BadConfiguration")
    assert (await receive("GetReceiver", named))["Receiver"] == created
    await receive("DeleteReceiver", named)
    for _ in range(32):
        await receive("CreateReceiver", setup("NeverConnect"))
    assert await refusal(receive, "CreateReceiver", setup()) == receiver("MaxReceivers")


def test_capabilities_are_valid(call: Caller, receive: Caller) -> None:
    for caller in (call, receive):
        answer: dict[str, Any] = {"Capabilities": dict(caller.service.capabilities())}
        caller.validate(caller.element("GetServiceCapabilities", answer))
