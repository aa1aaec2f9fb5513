"""What the RTSP server answers, over TCP."""

from rtsp_peers import ALIAS, PATH, START_NS, Client, house
from waiting import until

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.media import StreamDescription
from gateway.protocols import sdp
from gateway.protocols.http_auth import DigestClient, DigestServer, Outcome
from gateway.protocols.rtp import ntp, rtcp
from gateway.protocols.rtsp import headers, ranges, transport
from gateway.protocols.rtsp.messages import Limits, Response
from gateway.servers.access import Refusal
from gateway.servers.rtsp_ports import FixedGroups, RtspOptions
from gateway.testing.clock import FakeClock

PASSWORDS = {"viewer": "secret", "other": "word", "nobody": "x"}


class DigestDoor:
    """Digest authentication with three users."""

    def __init__(self) -> None:
        self.digest = DigestServer("gateway", b"k" * 32)
        self.blocked = False

    def admit(self, address: str, method: str, authorization: str | None, uri: str = "") -> Account | Refusal:
        if authorization is None or self.blocked:
            return Refusal(self.digest.challenges(0.0), self.blocked)
        verdict = self.digest.verify(authorization, method, self._password, 0.0)
        if verdict.outcome is not Outcome.ACCEPTED:
            return Refusal(self.digest.challenges(0.0), blocked=False)
        level = UserLevel.ANONYMOUS if verdict.username == "nobody" else UserLevel.USER
        return Account(verdict.username, level, Secret(""))

    def _password(self, name: str) -> Secret | None:
        return Secret(PASSWORDS[name]) if name in PASSWORDS else None


class LoggedIn(Client):
    """A client that answers Digest challenges."""

    user = "viewer"

    async def ask(self, method: str, url: str = "", **headers: str) -> Response:
        digest = DigestClient(self.user, Secret(PASSWORDS[self.user]))
        refused = await self.request(method, url, **headers)
        assert refused.status == 401
        assert digest.challenged(refused.headers.all("WWW-Authenticate"))
        authorization = digest.authorization(method, url or self.url)
        return await self.request(method, url, Authorization=authorization or "", **headers)


def text(response: Response) -> str:
    return response.body.decode()


async def test_a_session_from_options_to_teardown() -> None:
    with house() as home:
        home.camera.frames(13)
        client = await Client.connect(home)
        options = await client.request("OPTIONS", "*")
        assert options.status == 200
        assert "DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER" in options.headers.get("Public")
        described = await client.request("DESCRIBE", Accept="application/sdp")
        assert described.headers.get("Content-Base") == f"{home.url}/"
        assert [media.control for media in sdp.parse(described.body).medias] == ["trackID=0", "trackID=1"]
        first = await client.setup(0)
        assert first.headers.get("Transport") == "RTP/AVP/TCP;unicast;interleaved=0-1"
        assert headers.parse_session(first.headers.get("Session")).timeout == 60
        second = await client.setup(1, "RTP/AVP/TCP;unicast;interleaved=2-3")
        assert second.headers.get("Session") == first.headers.get("Session")
        played = await client.play()
        assert played.status == 200
        assert ranges.parse(played.headers.get("Range")) == ranges.ClockRange(START_NS + 10 * 40_000_000)
        video, audio = headers.parse_rtp_info(played.headers.get("RTP-Info"))
        assert (video.url, audio.url) == (f"{home.url}/trackID=0", f"{home.url}/trackID=1")
        assert (video.rtp_time, audio.rtp_time) == (10 * 3600, 10 * 320)
        report = await client.frame()
        assert report.channel == 1
        sender, name = rtcp.parse(report.payload)
        assert isinstance(sender, rtcp.SenderReport)
        assert isinstance(name, rtcp.SourceDescription)
        assert ntp.to_utc_ns(sender.ntp) == START_NS + 10 * 40_000_000
        assert sender.rtp_time == video.rtp_time
        packet = await client.frame()
        assert packet.channel == 0
        assert int.from_bytes(packet.payload[2:4], "big") == video.sequence
        assert (await client.request("TEARDOWN")).status == 200
        assert home.server.sessions == 0
        assert home.camera.stream.readers == 0
        client.session = ""
        assert (await client.request("OPTIONS")).status == 200
        await client.close()


async def test_a_stream_plays_by_every_path_it_is_known_by() -> None:
    with house() as home:
        home.camera.frames(13)
        client = await Client.connect(home)
        client.url = home.url.replace(PATH, ALIAS)
        assert (await client.setup(0)).status == 200
        assert (await client.play()).status == 200
        assert (await client.frame()).channel == 1
        assert (await client.request("TEARDOWN")).status == 200
        await client.close()


async def test_refusals_have_their_status_and_reason() -> None:
    with house() as home:
        client = await Client.connect(home)
        cases = [
            (
                "DESCRIBE",
                f"rtsp://127.0.0.1:{home.port}/live/none/main",
                {},
                404,
                "there is no stream '/live/none/main'",
            ),
            (
                "DESCRIBE",
                "",
                {"Accept": "text/html"},
                406,
                "none of 'text/html' can describe a stream; application/sdp can",
            ),
            ("RECORD", "", {}, 501, "method 'RECORD' is not implemented"),
            ("PLAY", "", {}, 454, "PLAY needs a session"),
            ("PLAY", "", {"Session": "guess"}, 454, "session 'guess' is not known"),
            ("SETUP", f"{home.url}/trackID=0", {}, 461, "no transport of '' is supported"),
            (
                "SETUP",
                f"{home.url}/trackID=0",
                {"Transport": "RTP/SAVP;unicast;client_port=1-2"},
                461,
                "no transport of 'RTP/SAVP;unicast;client_port=1-2' is supported",
            ),
            (
                "SETUP",
                f"{home.url}/trackID=0",
                {"Transport": "RTP/AVP;multicast"},
                461,
                "no transport of 'RTP/AVP;multicast' is supported",
            ),
            ("SETUP", f"{home.url}/trackID=7", {"Transport": "RTP/AVP/TCP"}, 404, f"{PATH} has no track 7"),
            (
                "SETUP",
                home.url,
                {"Transport": "RTP/AVP/TCP"},
                459,
                f"SETUP needs the URL of one of the 2 tracks of {PATH}",
            ),
            (
                "DESCRIBE",
                "",
                {"Require": "www.onvif.org/ver20/backchannel"},
                551,
                "option 'www.onvif.org/ver20/backchannel' is not supported",
            ),
        ]
        for method, url, pairs, status, reason in cases:
            response = await client.request(method, url, **pairs)
            assert (response.status, text(response)) == (status, reason)
        assert response.headers.get("Unsupported") == "www.onvif.org/ver20/backchannel"
        assert home.server.sessions == 0
        await client.setup(0)
        assert (await client.request("PLAY", Range="bytes=0-")).status == 457
        assert (await client.request("SET_PARAMETER", body=b"brightness: 3\r\n")).status == 451
        assert (await client.request("SET_PARAMETER")).status == 200
        assert (await client.request("GET_PARAMETER", body=b"packets_received\r\n")).status == 200
        assert (await client.request("PLAY", Scale="2.0", Range="npt=now-")).headers.get("Scale") == "1"
        assert (await client.setup(1)).status == 455
        assert (await client.request("PLAY")).status == 200
        await client.close()


async def test_digest_on_every_request_and_sessions_belong_to_their_user() -> None:
    door = DigestDoor()
    with house(door=door) as home:
        client = await LoggedIn.connect(home)
        assert (await client.request("OPTIONS")).status == 200
        refused = await client.request("DESCRIBE")
        challenges = refused.headers.all("WWW-Authenticate")
        assert ["MD5" in challenges[0], "SHA-256" in challenges[1]] == [True, True]
        assert (await client.ask("DESCRIBE")).status == 200
        setup = await client.ask("SETUP", f"{client.url}/trackID=0", Transport="RTP/AVP/TCP;interleaved=0-1")
        client.session = headers.parse_session(setup.headers.get("Session")).id
        other = await LoggedIn.connect(home)
        other.user, other.session = "other", client.session
        assert (await other.ask("PLAY")).status == 454
        assert (await other.request("OPTIONS")).status == 454
        other.user = "nobody"
        denied = await other.ask("DESCRIBE")
        assert (denied.status, text(denied)) == (403, "user 'nobody' may not see media")
        assert (await client.request("PLAY")).status == 401
        assert (await client.ask("PLAY")).status == 200
        door.blocked = True
        assert (await client.request("TEARDOWN")).status == 403
        await client.close()
        await other.close()


async def test_malformed_messages_are_answered_and_only_lost_ones_end_the_connection() -> None:
    with house() as home:
        client = await Client.connect(home)
        assert (await client.request("OPTIONS")).status == 200
        client.send(b"NONSENSE\r\nCSeq: 5\r\n\r\n")
        response = await client.response()
        assert (response.status, response.cseq) == (400, "5")
        client.send(b"OPTIONS * RTSP/1.0\r\n\r\n")
        assert text(await client.response()) == "the request has no CSeq"
        client.send(b"OPTIONS * RTSP/2.0\r\nCSeq: 6\r\n\r\n")
        assert (await client.response()).status == 505
        client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\nContent-Length: 999999999\r\n\r\n")
        assert (await client.response()).status == 413
        await client.closed()
        await client.close()


async def test_sizes_connections_and_sessions_are_limited() -> None:
    options = RtspOptions(max_connections_per_address=2, max_sessions=1, limits=Limits(head=256))
    with house(options=options) as home:
        first, second = await Client.connect(home), await Client.connect(home)
        assert (await second.request("OPTIONS")).status == 200
        await first.setup(0)
        third = await Client.connect(home)
        third.send(b"OPTIONS * RTSP/1.0\r\n")
        await third.closed()
        refused = await second.setup(0)
        assert (refused.status, text(refused)) == (453, "there are already 1 sessions")
        second.send(b"OPTIONS * RTSP/1.0\r\n" + b"A: b\r\n" * 100)
        assert (await second.response()).status == 431
        await second.closed()
        for client in (first, second, third):
            await client.close()


async def test_silence_ends_sessions_and_connections() -> None:
    clock = FakeClock()
    with house(clock=clock) as home:
        idle, ready, udp = [await Client.connect(home) for _ in range(3)]
        await idle.request("OPTIONS")
        await ready.setup(0)
        await udp.setup(0, "RTP/AVP;unicast;client_port=50000-50001")
        assert (await udp.play()).status == 200
        for method in ("GET_PARAMETER", "SET_PARAMETER", "OPTIONS"):
            await clock.advance(40)
            assert (await udp.request(method)).status == 200
            home.server.sweep()
        assert home.server.sessions == 1
        await idle.closed()
        await clock.advance(61)
        home.server.sweep()
        assert home.server.sessions == 0
        await udp.closed()
        for client in (idle, ready, udp):
            await client.close()


async def test_a_vanished_client_frees_everything() -> None:
    with house() as home:
        client = await Client.connect(home)
        await client.setup(0)
        await client.play()
        assert (home.server.sessions, home.server.connections, home.camera.stream.readers) == (1, 1, 1)
        client.writer.transport.abort()
        home.camera.frames(3)
        await until(lambda: home.server.connections == 0)
        assert (home.server.sessions, home.camera.stream.readers) == (0, 0)


async def test_a_stream_whose_tracks_change_ends_its_sessions_with_bye() -> None:
    with house() as home:
        home.camera.frame()
        client = await Client.connect(home)
        await client.setup(0)
        await client.play()
        home.camera.restart(0x99)
        home.camera.frames(1)
        assert home.server.sessions == 1
        home.camera.stream.describe(StreamDescription(home.camera.description.tracks[:1]))
        last = await client.last_frame()
        assert last.channel == 1
        assert isinstance(list(rtcp.parse(last.payload))[-1], rtcp.Bye)
        assert home.server.sessions == 0
        await client.close()


async def test_the_group_is_named_only_to_who_asks_for_multicast() -> None:
    groups = {PATH: ("239.255.9.9", 41_000)}
    with house(multicast=FixedGroups(groups, ttl=0, interface="127.0.0.1")) as home:
        client = await Client.connect(home)
        assert b"239.255.9.9" not in (await client.request("DESCRIBE")).body
        described = await client.request("DESCRIBE", f"{home.url}?transport=multicast")
        assert b"m=video 41000 RTP/AVP 96\r\nc=IN IP4 239.255.9.9/0\r\n" in described.body
        setup = await client.setup(1, "RTP/AVP;multicast")
        (granted,) = transport.parse(setup.headers.get("Transport"))
        assert (granted.destination, granted.port, granted.ttl) == ("239.255.9.9", (41_002, 41_003), 0)
        await client.close()
