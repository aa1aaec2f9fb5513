"""The sequences by which Milestone's driver and NVIDIA VIOS find and fetch recordings: SOAP over HTTP, then RTSP."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import pytest
from aiohttp import ClientSession, web
from broker_kit import broker_operations
from lxml import etree
from recording_samples import SECOND, START, Site, segment
from rtsp_peers import Client as Player
from soap_kit import Kit, body_of, envelope
from wire.test_rtsp_replay import FAST, Film, archive_house, datagram, read, to_the_end, udp_socket

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.onvif.codec import Codec
from gateway.onvif.contract import load_contract
from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.events import EventService
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.receiver import ReceiverService
from gateway.onvif.recording import RecordingService
from gateway.onvif.recording_events import RecordingEvents
from gateway.onvif.replay import ReplayService
from gateway.onvif.search import SearchService
from gateway.protocols.rtp import rtcp
from gateway.protocols.rtsp.ranges import ClockRange
from gateway.sdk.clock import SystemClock
from gateway.servers.http import HttpServer, HttpSettings
from gateway.servers.http_access import HttpAccess
from gateway.services.eventbus import EventBus
from gateway.services.searches import Searches
from gateway.services.subscriptions import Subscriptions
from gateway.testing.clock import FakeClock

V10 = "http://www.onvif.org/ver10/{}/wsdl"
TT = 'xmlns:tt="http://www.onvif.org/ver10/schema"'
STATES = "tns1:RecordingHistory/Recording/State|tns1:RecordingHistory/Track/State"
DOOR = "<RecordingToken>Recording_door</RecordingToken>"
SPACE = {"tt": "http://www.onvif.org/ver10/schema"}


@dataclass
class Client:
    """A VMS with the account of an operator."""

    kit: Kit
    base: str
    session: ClientSession

    async def call(self, service: str, operation: str, content: str = "", user: str = "operator") -> etree._Element:
        """Return the response element of an operation; services are named as in their namespaces."""
        namespace = "http://www.onvif.org/ver20/media/wsdl" if service == "media2" else V10.format(service)
        body = f'<{operation} xmlns="{namespace}" {TT}>{content}</{operation}>'
        data = envelope(body, self.kit.token(user) if user else "")
        async with self.session.post(f"{self.base}/onvif/{service}_service", data=data) as response:
            answer = body_of(await response.read())
            assert response.status == 200, etree.tostring(answer)
            assert etree.QName(answer).localname == f"{operation}Response"
            return answer

    async def services(self) -> dict[str, str]:
        """Return the addresses of services by namespace."""
        answer = await self.call("device", "GetServices", "<IncludeCapability>true</IncludeCapability>")
        return {each.findtext("{*}Namespace"): each.findtext("{*}XAddr") for each in answer}

    async def fetched(self, kind: str, token: str, wait: str = "PT10S") -> list[etree._Element]:
        """Return all results of a search, asking until it is completed."""
        found: list[etree._Element] = []
        state = ""
        while state != "Completed":
            content = f"<SearchToken>{token}</SearchToken><MinResults>1</MinResults><MaxResults>1000</MaxResults>"
            answer = await self.call("search", f"Get{kind}SearchResults", f"{content}<WaitTime>{wait}</WaitTime>")
            state = answer.findtext("{*}ResultList/{*}SearchState")
            found += answer[0][1:]
        return found


async def no_snapshot(path: str) -> bytes:
    raise GatewayError(ErrorKind.NOT_FOUND, f"there is no picture {path!r}")


async def no_post(_url: str, _data: bytes, _client: str) -> None:
    raise AssertionError("nobody subscribed")


@pytest.fixture
def site() -> Site:
    """Return a site whose `yard` was recorded twice, with a gap between, and is being recorded now."""
    site = Site()
    site.record(
        segment("Recording_yard", 0, 60),
        segment("Recording_yard", 60, 120.25, run=0),
        segment("Recording_yard", 600, 660.5),
        segment("Recording_yard_sub", 600, 660.5),
        segment("Recording_door", 300, 360),
    )
    site.write(segment("Recording_yard", 660.5, 700, run=600))
    return site


@pytest.fixture
async def client(site: Site) -> AsyncIterator[Client]:
    contract, clock = load_contract(), FakeClock(START + 800 * SECOND)
    codec, bus, searches = Codec(contract), EventBus(clock), Searches(clock)
    RecordingEvents(site.recordings, bus)
    brokers = broker_operations(bus, codec, clock)
    kit = Kit(
        [
            MediaService(site.profiles),
            Media2Service(site.profiles),
            DeviceIOService(site.profiles),
            EventService(bus, Subscriptions(bus, clock), contract, codec, no_post, clock, brokers),
        ]
    )
    search = SearchService(site.recordings, site.archive, searches, contract, codec, clock, site.describe)
    for service in (
        RecordingService(site.recordings, site.editor, site.audit),
        search,
        ReplayService(site.recordings, kit.settings, site.audit),
        ReceiverService(site.receivers, site.audit),
    ):
        kit.model.register(service)
        kit.endpoint.add(service)
    settings = HttpSettings(lambda host: f"rtsp://{host}:8554")
    server = HttpServer(kit.endpoint, HttpAccess(kit.gatekeeper), no_snapshot, settings, [web.RouteTableDef()])
    await server.start()
    _, port = await server.listen("127.0.0.1", 0)
    async with ClientSession() as session:
        yield Client(kit, f"http://127.0.0.1:{port}", session)
    await server.stop()
    await searches.close()


@pytest.fixture
def film() -> Film:
    """Return what the site has of the door, frame by frame."""
    film = Film()
    film.record(300, 60)
    return film


def clock(start: float, end: float | None = None) -> str:
    return str(ClockRange(round(START + start * SECOND), None if end is None else round(START + end * SECOND)))


def second(text: str) -> float:
    """Return seconds after START, reading a time as strictly as VIOS does."""
    return datetime.strptime(text + "+0000", "%Y-%m-%dT%H:%M:%SZ%z").timestamp() - START / SECOND


def setup(transport: str) -> str:
    return (
        "<StreamSetup><tt:Stream>RTP-Unicast</tt:Stream>"
        f"<tt:Transport><tt:Protocol>{transport}</tt:Protocol></tt:Transport></StreamSetup>"
    )


async def test_milestone_retrieves_what_an_edge_device_recorded(client: Client, film: Film) -> None:
    services = await client.services()
    assert {V10.format(name) for name in ("recording", "search", "replay", "receiver", "deviceIO")} <= set(services)
    capabilities = await client.call("device", "GetCapabilities", "<Category>All</Category>")
    extension = capabilities.find("{*}Capabilities/tt:Extension", SPACE)
    assert [extension.find(f"tt:{name}", SPACE) is not None for name in ("Recording", "Search", "Replay")] == [True] * 3
    sources = await client.call("deviceIO", "GetVideoSources")
    channels = [each.text for each in sources]
    media1 = await client.call("media", "GetVideoSources")
    assert [each.get("token") for each in media1] == channels == ["VideoSource_yard", "VideoSource_door"]
    assert len(await client.call("media", "GetAudioSources")) == 1
    profiles = await client.call("media2", "GetProfiles", "<Type>All</Type>")
    channel_of = {
        each.get("token"): each.findtext("{*}Configurations/{*}VideoSource/{*}SourceToken") for each in profiles
    }

    summary = (await client.call("search", "GetRecordingSummary"))[0]
    assert [second(each.text) for each in summary[:2]] == [0, 700]
    attributes = await client.call("search", "GetMediaAttributes", f"<Time>{summary[1].text}</Time>")
    assert len(attributes) == 3

    scope = """<Scope><tt:RecordingInformationFilter>boolean(//Track[TrackType = "Video"])
        </tt:RecordingInformationFilter></Scope><KeepAliveTime>PT60S</KeepAliveTime>"""
    token = (await client.call("search", "FindRecordings", scope)).findtext("{*}SearchToken")
    recordings = await client.fetched("Recording", token)
    source_of = {each.findtext("{*}RecordingToken"): each.findtext("{*}Source/{*}SourceId") for each in recordings}
    assert source_of == {
        "Recording_yard": "VideoSource_yard",
        "Recording_yard_sub": "VideoSource_yard",
        "Recording_door": "VideoSource_door",
    }
    jobs = await client.call("recording", "GetRecordingJobs")
    for job in jobs:
        recording = job.findtext("{*}JobConfiguration/{*}RecordingToken")
        reference = job.find("{*}JobConfiguration/{*}Source/{*}SourceToken")
        assert reference.get("Type") == "http://www.onvif.org/ver10/schema/Profile"
        assert channel_of[reference.findtext("{*}Token")] == source_of[recording]

    find = f"""<StartPoint>{summary[0].text}</StartPoint><EndPoint>{summary[1].text}</EndPoint>
        <Scope><tt:IncludedRecordings>Recording_yard</tt:IncludedRecordings></Scope>
        <SearchFilter><n:TopicExpression xmlns:n="http://docs.oasis-open.org/wsn/b-2"
            xmlns:tns1="http://www.onvif.org/ver10/topics"
            Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">{STATES}</n:TopicExpression>
        </SearchFilter><IncludeStartState>false</IncludeStartState><KeepAliveTime>PT60S</KeepAliveTime>"""
    token = (await client.call("search", "FindEvents", find)).findtext("{*}SearchToken")
    told = [
        (second(event.findtext("{*}Time")), event.find(".//{*}Data/{*}SimpleItem").get("Value"))
        for event in await client.fetched("Event", token)
        if event.findtext(".//{*}Topic") == "tns1:RecordingHistory/Recording/State"
    ]
    assert told == [(0, "true"), (121, "false"), (600, "true")], "what is being recorded has not ended"

    named = "<RecordingToken>Recording_yard</RecordingToken>"
    information = (await client.call("search", "GetRecordingInformation", named))[0]
    assert information.findtext("{*}RecordingStatus") == "Recording"
    assert second(information.findtext("{*}LatestRecording")) == 700
    for transport, scheme in (("UDP", "rtsp"), ("RTSP", "rtsp"), ("HTTP", "http")):
        uri = (await client.call("replay", "GetReplayUri", setup(transport) + named)).findtext("{*}Uri")
        port = client.base.rpartition(":")[2] if scheme == "http" else "8554"
        assert uri == f"{scheme}://127.0.0.1:{port}/replay/Recording_yard"
    information = (await client.call("search", "GetRecordingInformation", DOOR))[0]
    track = information.find("{*}Track")
    span = clock(second(track.findtext("{*}DataFrom")), second(track.findtext("{*}DataTo")))
    uri = (await client.call("replay", "GetReplayUri", setup("RTSP") + DOOR)).findtext("{*}Uri")
    await milestone_fetches(film, uri, span)


async def milestone_fetches(film: Film, uri: str, span: str) -> None:
    with archive_house(film) as home:
        player = await Player.connect(home)
        player.url = uri.replace(":8554", f":{home.port}")
        required = {"Require": "onvif-replay"}
        described = await player.request("DESCRIBE", **required)
        assert f"a=range:{clock(300, 360)}".encode() in described.body
        for number in (0, 1):
            answer = await player.setup(number, f"RTP/AVP/TCP;unicast;interleaved={2 * number}-{2 * number + 1}")
            assert answer.status == 200
        answer = await player.request("PLAY", Range=span, **FAST, **required)
        assert (answer.status, answer.headers.get("Range")) == (200, span)
        frames = await to_the_end(player, 2)
        pictures = [frame for frame in frames if frame.track == 0]
        assert [frame.utc_ns // 1000 for frame in pictures] == [
            (START + n * SECOND // 4) // 1000 for n in range(4 * 300, 4 * 360)
        ]
        assert {frame.cseq for frame in frames} == {int(answer.cseq)}
        assert (pictures[0].marks, pictures[-1].marks) == ("CD", "ET")
        assert (await player.request("TEARDOWN")).status == 200
        await player.close()


async def test_vios_finds_and_plays_the_recordings_of_every_profile(client: Client, film: Film) -> None:
    assert (await client.call("device", "GetSystemDateAndTime", user="")) is not None
    capabilities = await client.call("device", "GetServiceCapabilities")
    assert capabilities.find("{*}Capabilities/{*}Security").get("HttpDigest") == "true"
    await client.call("device", "GetCapabilities")
    await client.services()
    await client.call("device", "GetDiscoveryMode")
    await client.call("device", "GetDeviceInformation")
    profiles = [each.get("token") for each in await client.call("media2", "GetProfiles", "<Type>All</Type>")]
    assert profiles == ["yard_main", "yard_sub", "door_main", "door_sub"]
    found: dict[str, list[tuple[str, float, float]]] = {}
    for profile in profiles:
        await client.call(
            "media2", "GetStreamUri", f"<Protocol>RtspUnicast</Protocol><ProfileToken>{profile}</ProfileToken>"
        )
        asked = f"{setup('UDP')}<RecordingToken>{profile}</RecordingToken>"
        uri = (await client.call("replay", "GetReplayUri", asked)).findtext("{*}Uri")
        summary = (await client.call("search", "GetRecordingSummary"))[0]
        begin, end = (each.text for each in summary[:2])
        milliseconds = int(1000 * (second(end) - second(begin)))
        scope = f"""<Scope><tt:IncludedSources><tt:Token>{profile}</tt:Token></tt:IncludedSources>
            <tt:RecordingInformationFilter>boolean(//tt:Track),{end},{milliseconds},10000,0,0</tt:RecordingInformationFilter>
            </Scope><MaxMatches>10000</MaxMatches><KeepAliveTime>PT60S</KeepAliveTime>"""
        token = (await client.call("search", "FindRecordings", scope)).findtext("{*}SearchToken")
        results = await client.fetched("Recording", token)
        found[profile] = [
            (uri.rpartition("/")[2], second(track.findtext("{*}DataFrom")), second(track.findtext("{*}DataTo")))
            for each in results
            for track in each.findall("{*}Track")[:1]
        ]
        await client.call("search", "EndSearch", f"<SearchToken>{token}</SearchToken>")
    assert found == {
        "yard_main": [("Recording_yard", 0, 121), ("Recording_yard", 600, 700)],
        "yard_sub": [("Recording_yard_sub", 600, 661)],
        "door_main": [("Recording_door", 300, 360)],
        "door_sub": [("Recording_door", 300, 360)],
    }
    await vios_plays(film, found["door_main"][0][0])


async def vios_plays(film: Film, recording: str) -> None:
    with archive_house(film) as home, udp_socket() as rtp, udp_socket() as control:
        home.server.replays = film.replays({recording: "Recording_door"}.get, SystemClock())
        player = await Player.connect(home)
        player.url = f"rtsp://127.0.0.1:{home.port}/replay/{recording}"
        assert (await player.request("DESCRIBE")).status == 200
        ports = f"{rtp.getsockname()[1]}-{control.getsockname()[1]}"
        assert (await player.setup(0, f"RTP/AVP;unicast;client_port={ports}")).status == 200
        assert (await player.request("PLAY", Range=clock(310, 360), Scale="1")).status == 200
        assert str(read(await datagram(rtp), 0)) == "v310:CD"
        assert (await player.request("PAUSE")).status == 200
        assert (await player.request("PLAY")).status == 200
        assert read(await datagram(rtp), 0).name == "v310.25"
        # ten seconds on, and back again, by another PLAY without a PAUSE
        for place in (320, 310):
            answer = await player.request("PLAY", Range=clock(place, 360), Scale="1")
            while (frame := read(await datagram(rtp), 0)).cseq != int(answer.cseq):
                assert frame.name.startswith("v3")
            assert str(frame) == f"v{place}:CD"
        answer = await player.request("PLAY", Range=clock(311, 310), Scale="-4")
        assert answer.headers.get("Scale") == "-4"
        while (frame := read(await datagram(rtp), 0)).cseq != int(answer.cseq):
            pass
        assert str(frame) == "v311:CD"
        async with asyncio.timeout(30):
            last = b""
            while not any(isinstance(each, rtcp.Bye) for each in rtcp.parse(last)):
                last = await asyncio.get_running_loop().sock_recv(control, 2048)
        await player.close()
