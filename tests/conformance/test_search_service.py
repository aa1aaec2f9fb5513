"""Recording search and replay: every operation with good input, unknown tokens and edge cases; every answer valid."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from media_samples import CONTEXT
from onvif_calls import CODEC, CONTRACT, Caller
from recording_samples import SECOND, START, Site, segment
from soap_kit import MemorySettings

from gateway.db import EventStore, open_database
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.event import Event, PropertyOperation
from gateway.onvif.faults import SoapFault
from gateway.onvif.recording_events import RECORDING_TOPICS
from gateway.onvif.replay import ReplayService
from gateway.onvif.search import SearchService
from gateway.services.searches import Searches
from gateway.testing.clock import FakeClock, settle

Validate = Callable[[etree._Element], object]
BEGIN = datetime.fromtimestamp(START / SECOND, UTC)
KEEP = "<tse:KeepAliveTime>PT60S</tse:KeepAliveTime>"
TOKEN = "<tse:SearchToken>{}</tse:SearchToken>"
FILTER = "<tt:RecordingInformationFilter>{}</tt:RecordingInformationFilter>"
MOTION, TRACK_CHANGED = "tns1:VideoSource/MotionAlarm", "tns1:RecordingConfig/TrackConfiguration"
STATE_TOPICS = "tns1:RecordingHistory/Recording/State|tns1:RecordingHistory/Track/State"
CONCRETE_SET = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
BOTH_CAMERAS = """<tt:IncludedSources><tt:Token>VideoSource_yard</tt:Token></tt:IncludedSources>
<tt:IncludedRecordings>Recording_door</tt:IncludedRecordings>"""
UNANNOUNCED = {
    *("FindPTZPosition", "GetPTZPositionSearchResults", "FindMetadata", "GetMetadataSearchResults"),
    *("SearchImageByNL", "GetNLSearchResults", "SearchImageByImage", "GetImageSearchResults"),
}
"""Operations of features that the capabilities say are not there; the endpoint answers ActionNotSupported."""


@pytest.fixture
def site() -> Site:
    """Return a site where `yard` was recorded for two minutes, with a gap and then without sound; `door` never was."""
    site = Site()
    site.record(
        segment("Recording_yard", 0, 60.5),
        segment("Recording_yard", 300, 400, tracks=["VIDEO001"]),
        segment("Recording_yard_sub", 10, 20, tracks=["VIDEO001"]),
    )
    return site


@pytest.fixture
async def searches() -> AsyncIterator[Searches]:
    found = Searches(FakeClock(START))
    yield found
    await found.close()


def service(site: Site, searches: Searches, **options: Any) -> SearchService:
    return SearchService(
        site.recordings, site.archive, searches, CONTRACT, CODEC, FakeClock(START), site.describe, **options
    )


@pytest.fixture
def call(site: Site, searches: Searches, validate: Validate) -> Caller:
    return Caller(service(site, searches), validate)


async def refusal(call: Caller, operation: str, request: str) -> tuple[str, ...]:
    with pytest.raises(SoapFault) as refused:
        await call(operation, request)
    assert refused.value.reason
    return (refused.value.code.value, *refused.value.subcodes)


def sender(code: str) -> tuple[str, ...]:
    return ("Sender", "InvalidArgVal", code)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def scope(content: str = "") -> str:
    return f"<tse:Scope>{content}</tse:Scope>"


async def recordings(call: Caller, content: str = "", more: str = "") -> list[dict[str, Any]]:
    """Return all that a search for recordings finds."""
    token = (await call("FindRecordings", scope(content) + more + KEEP))["SearchToken"]
    found = (await call("GetRecordingSearchResults", TOKEN.format(token)))["ResultList"]
    assert found["SearchState"] == "Completed"
    listed: list[dict[str, Any]] = found["RecordingInformation"]
    return listed


def tokens(found: list[dict[str, Any]]) -> list[str]:
    return [each["RecordingToken"] for each in found]


def events_of(
    start: float, end: float | None, topics: str = STATE_TOPICS, *, states: bool = False, content: str = ""
) -> str:
    """Return the content of a FindEvents request."""
    point = f"<tse:EndPoint>{at(end).isoformat()}</tse:EndPoint>" if end is not None else ""
    topic = f'<wsnt:TopicExpression Dialect="{CONCRETE_SET}">{topics}</wsnt:TopicExpression>' if topics else ""
    return (
        f"<tse:StartPoint>{at(start).isoformat()}</tse:StartPoint>{point}"
        f"{scope('<tt:IncludedRecordings>Recording_yard</tt:IncludedRecordings>')}"
        f"<tse:SearchFilter>{topic}{content}</tse:SearchFilter>"
        f"<tse:IncludeStartState>{str(states).lower()}</tse:IncludeStartState>{KEEP}"
    )


async def events(call: Caller, request: str) -> list[tuple[float, str, str, str, bool]]:
    """Return second, track, name and value, and whether it is a start state, of every event found."""
    token = (await call("FindEvents", request))["SearchToken"]
    answer = await call("GetEventSearchResults", TOKEN.format(token))
    assert answer["ResultList"]["SearchState"] == "Completed"
    response = call.element("GetEventSearchResults", answer)
    found = []
    for result in response.iter("{*}Result"):
        message = result.find("{*}Event/{*}Message/{*}Message")
        item = message.find("{*}Data/{*}SimpleItem")
        state = result.findtext("{*}StartStateEvent") == "true"
        assert message.get("PropertyOperation") == ("Initialized" if state else "Changed")
        assert result.findtext("{*}Time") == message.get("UtcTime")
        time = datetime.fromisoformat(message.get("UtcTime"))
        found.append(
            (
                (time - BEGIN).total_seconds(),
                result.findtext("{*}TrackToken"),
                item.get("Name"),
                item.get("Value"),
                state,
            )
        )
    return found


def test_every_operation_that_is_announced_is_there(call: Caller) -> None:
    names = {operation.name for operation in CONTRACT.operations(SearchService.namespace)}
    assert {name for name in names - {"GetServiceCapabilities"} if not hasattr(SearchService, name)} == UNANNOUNCED
    assert call.service.capabilities() == {"MetadataSearch": False, "GeneralStartEvents": False}


async def test_summary(call: Caller, searches: Searches, validate: Validate) -> None:
    summary = (await call("GetRecordingSummary"))["Summary"]
    assert summary == {"DataFrom": at(0), "DataUntil": at(400), "NumberRecordings": 3}
    empty = Caller(service(Site(), searches), validate)
    assert (await empty("GetRecordingSummary"))["Summary"]["DataFrom"] == at(0)


async def test_information_tells_tracks_with_data_in_whole_seconds(call: Caller, site: Site) -> None:
    request = "<tse:RecordingToken>Recording_yard</tse:RecordingToken>"
    found = (await call("GetRecordingInformation", request))["RecordingInformation"]
    assert (found["EarliestRecording"], found["LatestRecording"]) == (at(0), at(400))
    tracks = [(each["TrackToken"], each["TrackType"], each["DataFrom"], each["DataTo"]) for each in found["Track"]]
    assert tracks == [("VIDEO001", "Video", at(0), at(400)), ("AUDIO001", "Audio", at(0), at(61))]
    assert found["RecordingStatus"] == "Stopped"
    site.write(segment("Recording_yard", 400, 410, run=300))
    found = (await call("GetRecordingInformation", request))["RecordingInformation"]
    assert (found["RecordingStatus"], found["LatestRecording"]) == ("Recording", at(410))
    door = "<tse:RecordingToken>Recording_door</tse:RecordingToken>"
    found = (await call("GetRecordingInformation", door))["RecordingInformation"]
    assert (found["RecordingStatus"], found["Track"]) == ("Initiated", [])
    assert "EarliestRecording" not in found
    unknown = "<tse:RecordingToken>x</tse:RecordingToken>"
    assert await refusal(call, "GetRecordingInformation", unknown) == sender("InvalidToken")


async def test_found_recordings_agree_with_their_configuration_and_information(call: Caller, site: Site) -> None:
    found = await recordings(call)
    assert tokens(found) == [recording.token for recording in site.recordings.all()]
    for each in found:
        request = f"<tse:RecordingToken>{each['RecordingToken']}</tse:RecordingToken>"
        assert (await call("GetRecordingInformation", request))["RecordingInformation"] == each
        configured = site.recordings.recording(each["RecordingToken"])
        assert (each["Source"]["SourceId"], each["Content"]) == (configured.source.source_id, configured.content)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (FILTER.format('boolean(//Track[TrackType = "Video"])'), ["Recording_yard", "Recording_yard_sub"]),
        (FILTER.format("boolean(//tt:Track[tt:TrackType = 'Audio'])"), ["Recording_yard"]),
        (FILTER.format('boolean(//Track[TrackType = "Metadata"])'), []),
        (
            FILTER.format('boolean(//Track[TrackType="Video"]) and boolean(//Track[TrackType="Audio"])'),
            ["Recording_yard"],
        ),
        (FILTER.format('boolean(//Track[TrackType="Video"]) and boolean(//Track[TrackType="Metadata"])'), []),
        ("<tt:IncludedRecordings>Recording_door</tt:IncludedRecordings>", ["Recording_door"]),
        (BOTH_CAMERAS, ["Recording_yard", "Recording_yard_sub", "Recording_door"]),
        ("<tt:IncludedSources><tt:Token>yard_sub</tt:Token></tt:IncludedSources>", ["Recording_yard_sub"]),
        (
            "<tt:IncludedSources><tt:Token>VideoSource_yard</tt:Token></tt:IncludedSources>"
            + FILTER.format('boolean(//Track[TrackType = "Audio"])'),
            ["Recording_yard"],
        ),
        (FILTER.format(" "), ["Recording_yard", "Recording_yard_sub", "Recording_door"]),
    ],
)
async def test_scopes(call: Caller, content: str, names: list[str]) -> None:
    assert tokens(await recordings(call, content)) == names


async def test_impossible_scopes(call: Caller) -> None:
    for content, code in (
        ("<tt:IncludedRecordings>x</tt:IncludedRecordings>", "InvalidToken"),
        ("<tt:IncludedSources><tt:Token>x</tt:Token></tt:IncludedSources>", "InvalidSource"),
        (FILTER.format("boolean(//Track["), "InvalidFilterFault"),
        (FILTER.format("//*[//*[//*[//*[//Ghost]]]]"), "InvalidFilterFault"),
    ):
        assert await refusal(call, "FindRecordings", scope(content) + KEEP) == sender(code)


async def test_stretches_without_gaps_can_be_results_of_their_own(
    site: Site, searches: Searches, validate: Validate
) -> None:
    split = Caller(service(site, searches, by_run=True), validate)
    found = await recordings(split)
    assert tokens(found) == ["Recording_yard", "Recording_yard", "Recording_yard_sub"]
    first, second, _ = ([(t["TrackToken"], t["DataFrom"], t["DataTo"]) for t in each["Track"]] for each in found)
    assert first == [("VIDEO001", at(0), at(61)), ("AUDIO001", at(0), at(61))]
    assert second == [("VIDEO001", at(300), at(400))]


@pytest.mark.parametrize(
    ("window", "starts"),
    [
        (f"{at(1000).isoformat()},2000000,10000,0,0", [0, 300]),
        (f"{at(1000).isoformat()},2000000,1,0,0", [300]),
        (f"{at(1000).isoformat()},100000,10000,0,0", []),
        (f"{at(100).isoformat()},0,0,2000000,5", [300]),
        (f"{at(350).isoformat()},50001,10000,1000,5", [300]),
        (f"{at(100).isoformat()},2000000,5,2000000,5", [0, 300]),
    ],
)
async def test_the_bridges_filter_selects_stretches(call: Caller, window: str, starts: list[float]) -> None:
    content = "<tt:IncludedSources><tt:Token>yard_main</tt:Token></tt:IncludedSources>"
    found = await recordings(call, content + FILTER.format(f"boolean(//tt:Track),{window}"))
    assert [(each["EarliestRecording"] - BEGIN).total_seconds() for each in found] == starts


async def test_results_in_portions(call: Caller) -> None:
    token = (await call("FindRecordings", scope() + KEEP))["SearchToken"]
    request = TOKEN.format(token) + "<tse:MinResults>1</tse:MinResults><tse:MaxResults>2</tse:MaxResults>"
    first = (await call("GetRecordingSearchResults", request))["ResultList"]
    assert 1 <= len(first["RecordingInformation"]) <= 2
    await settle()
    assert first["SearchState"] == "Searching"
    assert (await call("GetSearchState", TOKEN.format(token)))["State"] == "Searching"
    rest = (await call("GetRecordingSearchResults", TOKEN.format(token)))["ResultList"]
    assert rest["SearchState"] == "Completed"
    assert len(first["RecordingInformation"]) + len(rest["RecordingInformation"]) == 3
    assert len(await recordings(call, more="<tse:MaxMatches>1</tse:MaxMatches>")) == 1


@pytest.mark.parametrize(
    "operation", ["GetRecordingSearchResults", "GetEventSearchResults", "EndSearch", "GetSearchState"]
)
async def test_unknown_search_tokens(call: Caller, operation: str) -> None:
    assert await refusal(call, operation, TOKEN.format("x")) == sender("InvalidToken")


async def test_an_ended_search_is_gone(call: Caller) -> None:
    token = (await call("FindRecordings", scope() + KEEP))["SearchToken"]
    await call("EndSearch", TOKEN.format(token))
    for operation in ("GetRecordingSearchResults", "EndSearch"):
        assert await refusal(call, operation, TOKEN.format(token)) == sender("InvalidToken")
    token = (await call("FindEvents", events_of(0, 100)))["SearchToken"]
    assert (await call("EndSearch", TOKEN.format(token)))["Endpoint"] == at(0)
    token = (await call("FindEvents", events_of(0, 1000)))["SearchToken"]
    await call("GetEventSearchResults", TOKEN.format(token))
    assert (await call("EndSearch", TOKEN.format(token)))["Endpoint"] == at(1000)


async def test_nobody_else_can_use_a_search(call: Caller) -> None:
    token = (await call("FindRecordings", scope() + KEEP))["SearchToken"]
    other = replace(CONTEXT, account=replace(CONTEXT.account, name="other"))
    with pytest.raises(SoapFault, match="unknown, expired or ended"):
        await call("EndSearch", TOKEN.format(token), other)


async def test_events_of_the_history(call: Caller) -> None:
    found = await events(call, events_of(-100, None))
    assert found == [
        (0, "", "IsRecording", "true", False),
        (0, "VIDEO001", "IsDataPresent", "true", False),
        (0, "AUDIO001", "IsDataPresent", "true", False),
        (61, "", "IsRecording", "false", False),
        (61, "VIDEO001", "IsDataPresent", "false", False),
        (61, "AUDIO001", "IsDataPresent", "false", False),
        (300, "", "IsRecording", "true", False),
        (300, "VIDEO001", "IsDataPresent", "true", False),
        (400, "", "IsRecording", "false", False),
        (400, "VIDEO001", "IsDataPresent", "false", False),
    ]
    assert await events(call, events_of(1000, -100)) == found[::-1]


async def test_event_filters(call: Caller) -> None:
    recording = await events(call, events_of(0, 400, "tns1:RecordingHistory/Recording/State"))
    assert [(time, value) for time, *_, value, _ in recording] == [
        (0, "true"),
        (61, "false"),
        (300, "true"),
        (400, "false"),
    ]
    tree = await events(call, events_of(0, 400, "tns1:RecordingHistory//."))
    assert len(tree) == len(await events(call, events_of(0, 400, ""))) == 10
    assert await events(call, events_of(0, 400, "tns1:VideoSource/MotionAlarm")) == []
    dialect = "http://www.onvif.org/ver10/tev/messageContentFilter/ItemFilter"
    content = f"""<wsnt:MessageContent Dialect="{dialect}">boolean(//tt:SimpleItem[@Name="Track" and @Value="AUDIO001"])
        </wsnt:MessageContent>"""
    sound = await events(call, events_of(0, 400, content=content))
    assert [(time, track) for time, track, *_ in sound] == [(0, "AUDIO001"), (61, "AUDIO001")]
    for broken in (
        events_of(0, 1, "tns1:["),
        events_of(0, 1, content='<wsnt:MessageContent Dialect="d">boolean(</wsnt:MessageContent>'),
        events_of(0, 1, content="<wsnt:ProducerProperties Dialect='d'>x</wsnt:ProducerProperties>"),
    ):
        assert await refusal(call, "FindEvents", broken) == sender("InvalidFilterFault")


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[EventStore]:
    """Return stored events of `yard`: motion, and a message with a structure."""
    database = open_database(tmp_path, environment={})
    store = database.events(FakeClock(START), 100)
    for second, state in ((30, "false"), (70, "true"), (75.25, "false")):
        event = Event(MOTION, (("Source", "VideoSource_yard"),), (("State", state),))
        store.deliver(event.told(PropertyOperation.CHANGED, START + round(second * SECOND)))
    source = (("RecordingToken", "Recording_yard"), ("TrackToken", "VIDEO001"))
    content = {"TrackType": "Video", "Description": "gone since"}
    for number, (topic, name) in enumerate(((TRACK_CHANGED, "Configuration"), ("tns1:No/More", "Structure"))):
        store.deliver(Event(topic, source, elements=((name, content),), utc_ns=START + 80 * SECOND + number))
    yield store
    store.close()
    database.close()


async def test_stored_events(site: Site, searches: Searches, validate: Validate, stored: EventStore) -> None:
    call = Caller(service(site, searches, stored=stored, topics=lambda: RECORDING_TOPICS), validate)
    motion = [(30, "", "State", "false", False), (70, "", "State", "true", False), (75, "", "State", "false", False)]
    assert await events(call, events_of(0, 400, MOTION)) == motion
    assert await events(call, events_of(400, 0, MOTION)) == motion[::-1]
    dialect = "http://www.onvif.org/ver10/tev/messageContentFilter/ItemFilter"
    expression = 'boolean(//tt:SimpleItem[@Name="State" and @Value="true"])'
    content = f'<wsnt:MessageContent Dialect="{dialect}">{expression}</wsnt:MessageContent>'
    assert await events(call, events_of(0, 400, "", content=content)) == motion[1:2]
    started = await events(call, events_of(71, 400, MOTION, states=True))
    assert started == [(71, "", "State", "true", True), motion[2]]
    token = (await call("FindEvents", events_of(79, 90, "tns1:RecordingConfig//.|tns1:No//.")))["SearchToken"]
    response = call.element("GetEventSearchResults", await call("GetEventSearchResults", TOKEN.format(token)))
    results = list(response.iter("{*}Result"))
    assert [result.findtext("{*}TrackToken") for result in results] == ["VIDEO001", "VIDEO001"]
    assert [item.get("Name") for item in response.iter("{*}ElementItem")] == ["Configuration"]
    assert response.findtext(".//{*}ElementItem/{*}TrackConfiguration/{*}Description") == "gone since"


async def test_start_states(call: Caller) -> None:
    states = [each for each in await events(call, events_of(350, 20, states=True)) if each[4]]
    assert states == [
        (350, "", "IsRecording", "true", True),
        (350, "VIDEO001", "IsDataPresent", "true", True),
        (350, "AUDIO001", "IsDataPresent", "false", True),
        (20, "", "IsRecording", "true", True),
        (20, "VIDEO001", "IsDataPresent", "true", True),
        (20, "AUDIO001", "IsDataPresent", "true", True),
    ]


async def test_media_attributes(call: Caller, site: Site) -> None:
    def asked(seconds: float, *names: str) -> str:
        named = "".join(f"<tse:RecordingTokens>{name}</tse:RecordingTokens>" for name in names)
        return f"{named}<tse:Time>{at(seconds).isoformat()}</tse:Time>"

    (found,) = (await call("GetMediaAttributes", asked(30, "Recording_yard")))["MediaAttributes"]
    video, audio = found["TrackAttributes"]
    assert video["VideoAttributes"] == {
        "Bitrate": 4000, "Width": 1920, "Height": 1080, "Encoding": "H264", "Framerate": 25.0,
    }  # fmt: skip
    assert audio["AudioAttributes"] == {"Bitrate": 32, "Encoding": "AAC", "Samplerate": 16}
    assert found["From"] <= at(30) <= found["Until"]
    (silent,) = (await call("GetMediaAttributes", asked(350, "Recording_yard")))["MediaAttributes"]
    assert [each["TrackInformation"]["TrackToken"] for each in silent["TrackAttributes"]] == ["VIDEO001"]
    (gap,) = (await call("GetMediaAttributes", asked(100, "yard_main")))["MediaAttributes"]
    assert (gap["From"], gap["Until"], gap["TrackAttributes"]) == (at(100), at(100), [])
    assert len((await call("GetMediaAttributes", asked(30)))["MediaAttributes"]) == 3
    assert await refusal(call, "GetMediaAttributes", asked(30, "x")) == sender("InvalidToken")
    site.refusal = GatewayError(ErrorKind.UNAVAILABLE, "storage 'disk' is away")
    (away,) = (await call("GetMediaAttributes", asked(30, "Recording_yard")))["MediaAttributes"]
    assert (away["From"], away["TrackAttributes"]) == (at(30), [])


SETUP = """<trp:StreamSetup><tt:Stream>{}</tt:Stream><tt:Transport><tt:Protocol>{}</tt:Protocol></tt:Transport>
</trp:StreamSetup><trp:RecordingToken>{}</trp:RecordingToken>"""
TIMEOUT = "<trp:Configuration><tt:SessionTimeout>{}</tt:SessionTimeout></trp:Configuration>"


@pytest.fixture
def replay(site: Site, validate: Validate) -> Caller:
    return Caller(ReplayService(site.recordings, MemorySettings(), site.audit, "ws:/rtsp"), validate)


@pytest.mark.parametrize(
    ("protocol", "base"),
    [("UDP", "rtsp://nvr.example:8554"), ("RTSP", "rtsp://nvr.example:8554"), ("HTTP", "http://nvr.example:8080")],
)
@pytest.mark.parametrize("token", ["Recording_yard", "yard_main", "VideoSource_yard"])
async def test_replay_uris(replay: Caller, protocol: str, base: str, token: str) -> None:
    answer = await replay("GetReplayUri", SETUP.format("RTP-Unicast", protocol, token))
    assert answer == {"Uri": f"{base}/replay/Recording_yard"}


async def test_impossible_replays(replay: Caller) -> None:
    assert await refusal(replay, "GetReplayUri", SETUP.format("RTP-Unicast", "UDP", "x")) == sender("NoRecording")
    for stream, protocol in (("RTP-Multicast", "UDP"), ("RTP-Unicast", "TCP")):
        request = SETUP.format(stream, protocol, "Recording_yard")
        assert await refusal(replay, "GetReplayUri", request) == sender("InvalidStreamSetup")


async def test_replay_configuration(replay: Caller, site: Site, validate: Validate) -> None:
    settings = MemorySettings()
    service = ReplayService(site.recordings, settings, site.audit)
    call = Caller(service, validate)
    assert (await call("GetReplayConfiguration"))["Configuration"]["SessionTimeout"] == timedelta(seconds=60)
    for seconds in service.capabilities()["SessionTimeoutRange"]:
        await call("SetReplayConfiguration", TIMEOUT.format(f"PT{seconds:g}S"))
        again = Caller(ReplayService(site.recordings, settings, site.audit), validate)
        assert (await again("GetReplayConfiguration"))["Configuration"]["SessionTimeout"].total_seconds() == seconds
        assert service.session_timeout == seconds
    for wanted in ("PT9S", "PT3601S"):
        assert await refusal(call, "SetReplayConfiguration", TIMEOUT.format(wanted)) == sender("ConfigModify")
    assert replay.service.capabilities()["RTSPWebSocketUri"] == "ws:/rtsp"


def test_capabilities_are_valid(call: Caller, replay: Caller) -> None:
    for caller in (call, replay):
        answer: dict[str, Any] = {"Capabilities": dict(caller.service.capabilities())}
        caller.validate(caller.element("GetServiceCapabilities", answer))
