"""Replay on real sockets: what clients ask for, and which frames they get with which marks."""

import asyncio
import base64
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from rtsp_peers import Client, House, house, tls_contexts
from waiting import until

from gateway.domain.media import MediaKind, StreamDescription, TrackDescription
from gateway.domain.recording import Fragment, Segment, Span
from gateway.protocols import websocket
from gateway.protocols.rtp import ntp, rtcp
from gateway.protocols.rtp.packet import RtpPacket, parse
from gateway.protocols.rtsp import headers
from gateway.protocols.rtsp.messages import Headers, Request, Response, serialize
from gateway.protocols.rtsp.parser import InterleavedFrame
from gateway.sdk.clock import Clock, SystemClock
from gateway.servers.rtsp_playback import POLL_SECONDS, Replays
from gateway.services.archive import Archive
from gateway.services.metadata_stream import with_metadata
from gateway.services.playback import Format, Player
from gateway.testing.clock import FakeClock

NAME = "Recording_door"
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND  # 2023-11-14 22:13:20 UTC
FPS = 4
HEADER = 100
TRACKS = StreamDescription(
    (
        TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000, fmtp="packetization-mode=1"),
        TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8000),
    )
)
FAST = {"Rate_Control": "no"}
MARKS = "CEDT"


@dataclass(frozen=True)
class Sample:
    track: int
    utc_ns: int
    duration_ns: int
    keyframe: bool
    payload: tuple[memoryview, ...]


@dataclass(frozen=True)
class Header:
    description: StreamDescription
    info: dict[str, str]


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def clock(start: float, end: float | None = None) -> str:
    return f"clock={_time(start)}-{'' if end is None else _time(end)}"


def _time(seconds: float) -> str:
    return f"20231114T2213{20 + int(seconds):02d}.{round(seconds % 1 * 1000):03d}Z"


@dataclass
class Film:
    """An archive in memory. Frames are named: v1 is the key frame of second 1, v1.25 comes next; a1 is sound."""

    padding: int = 0
    """Bytes that key frames are longer."""
    documents: bool = False
    """Whether there is metadata, too: m1 comes with the key frame of second 1."""
    known: dict[int, Segment] = field(default_factory=dict)
    reads: int = 0

    def __post_init__(self) -> None:
        self.archive = Archive(self, self)

    def segment(self, start: int, seconds: int) -> Segment:
        fragments = tuple(Fragment(HEADER + n, 1, at(start + n), at(start + n + 1)) for n in range(seconds))
        tokens = ("VIDEO001", "AUDIO001")
        return Segment(NAME, at(start), at(start + seconds), at(start), "disk", str(start), 1, tokens, fragments)

    def record(self, start: int, seconds: int) -> None:
        self.archive.closed(self.segment(start, seconds))

    def write(self, start: int, seconds: int) -> None:
        """Have a segment written so far."""
        self.archive.grown(replace(self.segment(start, seconds), closed=False))

    def replays(self, resolve: Callable[[str], str | None], time: Clock) -> Replays:
        player = Player(self.archive, Format(self.read_header, self.read_fragment, lambda _: ()))
        return Replays(player, resolve, lambda: 33.0, time)

    def add(self, segment: Segment) -> None:
        self.known[segment.start_ns] = segment

    async def segments(
        self, recording: str, span: Span, *, descending: bool = False, limit: int = 100
    ) -> list[Segment]:
        closed = [each for _, each in sorted(self.known.items(), reverse=descending) if each.closed]
        return [each for each in closed if each.start_ns < span.end_ns and span.start_ns < each.end_ns][:limit]

    async def read(self, segment: Segment, offset: int, size: int) -> bytes:
        self.reads += 1
        await asyncio.sleep(0)
        return str(int(segment.name) + offset - HEADER).encode()

    def read_header(self, data: bytes) -> Header:
        tokens = {"track.0": "VIDEO001", "track.1": "AUDIO001"}
        if self.documents:
            return Header(with_metadata(TRACKS), {**tokens, "track.2": "META001"})
        return Header(TRACKS, tokens)

    def read_fragment(self, data: bytes, header: Header) -> list[Sample]:
        found = []
        for number in range(FPS):
            moment = int(data) + number / FPS
            key = number == 0
            picture = (b"\x65" if key else b"\x41") + f"v{moment:g}".encode() + bytes(self.padding * key)
            found.append(Sample(0, at(moment), SECOND // FPS, key, (memoryview(picture),)))
            found.append(
                Sample(1, at(moment), SECOND // FPS, keyframe=True, payload=(memoryview(f"a{moment:g}".encode()),))
            )
            if key and self.documents:
                found.append(Sample(2, at(moment), SECOND, key, (memoryview(f"m{moment:g}".encode()),)))
        return found


@contextmanager
def archive_house(film: Film, time: Clock | None = None, **more: object) -> Iterator[House]:
    time = time or SystemClock()
    with house(clock=time, **more) as home:
        home.server.replays = film.replays({NAME: NAME, "door": NAME}.get, time)
        yield home


@pytest.fixture
def film() -> Film:
    """Return eight seconds of footage with two missing in the middle."""
    film = Film()
    film.record(0, 3)
    film.record(5, 3)
    return film


@dataclass
class Got:
    """A frame as it came."""

    name: str
    track: int
    marks: str
    cseq: int
    utc_ns: int
    packet: RtpPacket

    def __str__(self) -> str:
        return self.name + (f":{self.marks}" if self.marks else "")


def read(packet: RtpPacket, track: int) -> Got:
    assert packet.extension_profile == 0xABAC
    assert len(packet.extension) == 12
    flags = packet.extension[8]
    marks = "".join(mark for bit, mark in zip((0x80, 0x40, 0x20, 0x10), MARKS, strict=True) if flags & bit)
    name = bytes(packet.payload).rstrip(b"\0").decode()[track == 0 :]
    utc_ns = ntp.to_utc_ns(int.from_bytes(packet.extension[:8], "big"))
    return Got(name, track, marks, packet.extension[9], utc_ns, packet)


def got(frame: InterleavedFrame) -> Got | str:
    """Return a frame, or `BYE` with its track."""
    if frame.channel % 2:
        assert any(isinstance(each, rtcp.Bye) for each in rtcp.parse(frame.payload))
        return f"BYE{frame.channel // 2}"
    packet = parse(frame.payload)
    assert packet is not None
    return read(packet, frame.channel // 2)


async def take(client: Client, number: int) -> list[Got]:
    found = [got(await client.frame()) for _ in range(number)]
    assert all(isinstance(each, Got) for each in found), found
    return found


async def to_the_end(client: Client, byes: int) -> list[Got]:
    found = []
    while byes:
        frame = got(await client.frame())
        if isinstance(frame, str):
            byes -= 1
        else:
            found.append(frame)
    return found


def names(frames: list[Got]) -> str:
    return " ".join(map(str, frames))


async def ready(home: House, tracks: int = 1, kind: type[Client] = Client, name: str = NAME) -> Client:
    """Return a client that has set up so many tracks."""
    client = await kind.connect(home)
    return await set_up(client, home, tracks, name)


async def set_up(client: Client, home: House, tracks: int = 1, name: str = NAME) -> Client:
    client.url = f"rtsp://127.0.0.1:{home.port}/replay/{name}"
    for track in range(tracks):
        channels = f"{2 * track}-{2 * track + 1}"
        answer = await client.setup(track, f"RTP/AVP/TCP;unicast;interleaved={channels}")
        assert answer.status == 200
    return client


async def play(client: Client, range_: str, **more: str) -> Response:
    answer = await client.request("PLAY", Range=range_, **more)
    assert answer.status == 200, answer.body
    return answer


async def test_a_replay_from_describe_to_bye(film: Film) -> None:
    with archive_house(film) as home:
        client = await Client.connect(home)
        client.url = f"rtsp://127.0.0.1:{home.port}/replay/door"
        described = await client.request("DESCRIBE", Require="onvif-replay")
        text = described.body.decode()
        assert "a=range:clock=20231114T221320Z-20231114T221328Z\r\n" in text
        assert [line for line in text.splitlines() if line.startswith("a=x-onvif-track:")] == [
            "a=x-onvif-track:VIDEO001",
            "a=x-onvif-track:AUDIO001",
        ]
        for track in (0, 1):
            answer = await client.request(
                "SETUP",
                f"{client.url}/trackID={track}",
                Transport=f"RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1}",
                Require="onvif-replay",
            )
            assert answer.status == 200
            assert answer.headers.get("Session").endswith(";timeout=33")
            client.session = answer.headers.get("Session").partition(";")[0]
        answer = await play(client, clock(1.6, 5.25), Require="onvif-replay", **FAST)
        assert answer.headers.get("Range") == "clock=20231114T221321Z-20231114T221325.250Z"
        assert answer.headers.get("Rate-Control") == "no"
        frames = await to_the_end(client, 2)
        assert names(frames) == (
            "v1:CD a1:CD v1.25 a1.25:C v1.5 a1.5:C v1.75 a1.75:C v2:C a2:C v2.25 a2.25:C v2.5 a2.5:C v2.75:E a2.75:CE"
            " v5:CD a5:CD v5.25 a5.25:C"
        )
        assert [frame.utc_ns // 1000 for frame in frames] == [at(float(each.name[1:])) // 1000 for each in frames]
        assert {frame.cseq for frame in frames} == {int(answer.cseq)}
        for track, info in enumerate(headers.parse_rtp_info(answer.headers.get("RTP-Info"))):
            assert info.url == f"{client.url}/trackID={track}"
            own = [frame.packet for frame in frames if frame.track == track]
            assert (info.sequence, info.rtp_time) == (own[0].sequence, own[0].timestamp)
            assert [each.sequence for each in own] == [(own[0].sequence + n) % 65_536 for n in range(len(own))]
            rate = TRACKS.tracks[track].clock_rate
            steps = {(later.timestamp - own[0].timestamp) / rate for later in own[1:]}
            assert max(steps) == 4.25  # of the recording, its gap included
        assert (await client.request("TEARDOWN")).status == 200
        await client.close()


async def test_metadata_comes_in_its_time_with_the_same_marks() -> None:
    film = Film(documents=True)
    film.record(0, 3)
    film.record(5, 2)
    with archive_house(film) as home:
        client = await Client.connect(home)
        client.url = f"rtsp://127.0.0.1:{home.port}/replay/door"
        described = (await client.request("DESCRIBE")).body.decode()
        assert "a=rtpmap:107 vnd.onvif.metadata/90000\r\n" in described
        assert described.endswith("a=control:trackID=2\r\na=x-onvif-track:META001\r\n")
        await client.setup(0, "RTP/AVP/TCP;unicast;interleaved=0-1")
        await client.setup(2, "RTP/AVP/TCP;unicast;interleaved=4-5")
        await play(client, clock(2, 5.25), **FAST)
        frames = await to_the_end(client, 2)
        assert names(frames) == "v2:CD m2:CED v2.25 v2.5 v2.75:E v5:CD m5:CD v5.25"
        assert [frame.utc_ns // 1000 for frame in frames] == [at(float(each.name[1:])) // 1000 for each in frames]
        assert all(frame.packet.marker for frame in frames if frame.track == 2)
        await client.request("TEARDOWN")
        client.session = ""
        await client.setup(2, "RTP/AVP/TCP;unicast;interleaved=4-5")
        await play(client, clock(0), **FAST)
        assert names(await to_the_end(client, 1)) == "m0:CD m1:C m2:CE m5:CD m6:CET"
        await client.request("TEARDOWN")
        client.session = ""
        for track in (0, 2):
            await client.setup(track, f"RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1}")
        await play(client, clock(5.25, 1), Scale="-1.0", **FAST)
        assert names(await to_the_end(client, 2)) == (
            "v5:CD m5:CED v5.25:E v2:CD m2:CD v2.25 v2.5 v2.75 v1:CD m1:CD v1.25 v1.5 v1.75"
        )
        await client.close()


async def test_a_frame_of_many_packets_has_one_extension(film: Film) -> None:
    film.padding = 5000
    with archive_house(film) as home:
        client = await ready(home)
        await play(client, clock(0, 0), **FAST)
        packets = []
        while (frame := await client.frame()).channel == 0:
            packets.append(parse(frame.payload))
            assert len(frame.payload) <= 1400
        assert [packet.extension_profile for packet in packets] == [0xABAC] + [None] * (len(packets) - 1)
        assert len(packets) == 4
        await client.close()


async def test_players_that_know_nothing_of_onvif_get_all_of_it(film: Film) -> None:
    with archive_house(film) as home:
        client = await ready(home)
        answer = await play(client, "npt=0.000-", **FAST)
        assert answer.headers.get("Range") == "clock=20231114T221320Z-"
        frames = await to_the_end(client, 1)
        assert len(frames) == 6 * FPS
        assert str(frames[-1]) == "v7.75:ET"
        await client.close()


async def test_backward(film: Film) -> None:
    with archive_house(film) as home:
        client = await ready(home, 2)
        answer = await play(client, clock(6.25, 2), Scale="-1", **FAST)
        assert answer.headers.get("Scale") == "-1"
        frames = await to_the_end(client, 2)
        assert names(frames) == "v6:CD v6.25 v5:CD v5.25 v5.5 v5.75:E v2:CD v2.25 v2.5 v2.75"
        sequences = [frame.packet.sequence for frame in frames]
        assert sequences == [(sequences[0] + step) % 65_536 for step in range(len(frames))]
        await client.close()


async def test_key_frames_at_least_so_far_apart(film: Film) -> None:
    with archive_house(film) as home:
        client = await ready(home, 2)
        await play(client, clock(0), Frames="intra/2000", **FAST)
        assert names(await to_the_end(client, 2)) == "v0:CD v2:CE v5:CD v7:CET"
        await client.close()


@pytest.mark.parametrize("scale", [1, 2])
async def test_paced_replay_keeps_to_the_clock(film: Film, scale: int) -> None:
    time = FakeClock()
    with archive_house(film, time) as home:
        client = await ready(home)
        await play(client, clock(2), Scale=str(scale))
        first = got(await next_media(client))
        seen = [first]
        for _ in range(5):
            assert client.frames == []
            await time.advance(0.25 / scale)
            seen.append(got(await next_media(client)))
        assert names(seen) == "v2:CD v2.25 v2.5 v2.75:E v5:CD v5.25"
        ticks = [(each.packet.timestamp - first.packet.timestamp) % (1 << 32) for each in seen]
        assert ticks == [round(number * 22_500 / scale) for number in range(6)]
        await client.close()


async def next_media(client: Client) -> InterleavedFrame:
    """Return the next frame that is no RTCP."""
    while (frame := await client.frame()).channel % 2:
        pass
    return frame


async def test_pause_and_play_lose_and_repeat_nothing(film: Film) -> None:
    time = FakeClock()
    with archive_house(film, time) as home:
        client = await ready(home)
        await play(client, clock(0))
        for expected in ("v0:CD", "v0.25"):
            assert str(got(await next_media(client))) == expected
            await time.advance(0.25)
        assert (await client.request("PAUSE")).status == 200
        assert str(got(await next_media(client))) == "v0.5"
        await time.advance(5)
        answer = await client.request("PLAY")
        assert answer.headers.get("Range") == "clock=20231114T221320.750Z-"
        frame = got(await next_media(client))
        assert (str(frame), frame.cseq) == ("v0.75", int(answer.cseq))
        await client.close()


async def test_pause_at_a_moment(film: Film) -> None:
    time = FakeClock()
    with archive_house(film, time) as home:
        client = await ready(home)
        await play(client, clock(0))
        assert (await client.request("PAUSE", Range=clock(0.75))).status == 200
        for expected in ("v0:CD", "v0.25", "v0.5"):
            assert str(got(await next_media(client))) == expected
            await time.advance(0.25)
        await time.advance(5)
        assert (await client.request("PLAY")).headers.get("Range") == "clock=20231114T221320.750Z-"
        assert str(got(await next_media(client))) == "v0.75"
        await client.close()


@pytest.mark.parametrize("paused", [False, True])
async def test_another_place_at_once(film: Film, paused: bool) -> None:  # noqa: FBT001
    time = FakeClock()
    with archive_house(film, time) as home:
        client = await ready(home, 2)
        await play(client, clock(0))
        assert [str(got(await next_media(client))) for _ in range(2)] == ["v0:CD", "a0:CD"]
        if paused:
            assert (await client.request("PAUSE")).status == 200
        answer = await play(client, clock(6), Immediate="yes")
        frames = [got(await next_media(client)) for _ in range(2)]
        assert [(str(frame), frame.cseq) for frame in frames] == [
            ("v6:CD", int(answer.cseq)),
            ("a6:CD", int(answer.cseq)),
        ]
        answer = await play(client, clock(2.5), Scale="-1")
        assert str(got(await next_media(client))) == "v2:CD"
        await client.close()


async def test_a_recording_that_grows_is_followed_to_its_end(film: Film) -> None:
    film.write(20, 1)
    with archive_house(film) as home:
        client = await ready(home)
        await play(client, clock(20), **FAST)
        assert names(await take(client, 4)) == "v20:CD v20.25 v20.5 v20.75"
        film.write(20, 2)
        assert names(await take(client, 4)) == "v21:C v21.25 v21.5 v21.75"
        assert (await client.request("TEARDOWN")).status == 200
        await client.close()


async def test_what_is_not_recorded_yet_is_waited_for_but_its_request_answered(film: Film) -> None:
    film.write(20, 1)
    with archive_house(film) as home:
        client = await ready(home)
        answer = await play(client, clock(21), **FAST)
        assert answer.headers.get("Range") == "clock=20231114T221341Z-"
        assert (await client.request("GET_PARAMETER")).status == 200
        film.write(20, 2)
        assert names(await take(client, 1)) == "v21:CD"
        await client.close()


class Tunnel(Client):
    """Sends by POST and receives by GET."""

    post: asyncio.StreamWriter

    async def open(self, port: int) -> None:
        head = b" /replay HTTP/1.1\r\nHost: h\r\nx-sessioncookie: abc\r\n"
        self.writer.write(b"GET" + head + b"\r\n")
        _, self.post = await asyncio.open_connection("127.0.0.1", port)
        self.post.write(b"POST" + head + b"Content-Length: 32767\r\n\r\n")
        assert (await self.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    def send(self, data: bytes) -> None:
        self.post.write(base64.b64encode(data))

    async def close(self) -> None:
        await super().close()
        self.post.close()


class WebSocket(Client):
    """Speaks the sub-protocol rtsp.onvif.org."""

    async def open(self, port: int) -> None:
        self.writer.write(
            f"GET /rtsp HTTP/1.1\r\nHost: h:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
            "Sec-WebSocket-Protocol: rtsp.onvif.org\r\n\r\n".encode()
        )
        assert (await self.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")

    def send(self, data: bytes) -> None:
        plain = websocket.serialize(websocket.Frame(websocket.Opcode.BINARY, data))
        header = plain[: len(plain) - len(data)]
        self.writer.write(header[:1] + bytes((header[1] | 0x80,)) + header[2:] + bytes(4) + data)

    async def receive(self) -> bytes:
        """Return the payload of one frame of the server."""
        _, size = await self.reader.readexactly(2)
        extended = {126: 2, 127: 8}.get(size, 0)
        return await self.reader.readexactly(
            int.from_bytes(await self.reader.readexactly(extended), "big") if extended else size
        )


def udp_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(0)
    return sock


async def datagram(sock: socket.socket) -> RtpPacket:
    async with asyncio.timeout(30):
        packet = parse(await asyncio.get_running_loop().sock_recv(sock, 2048))
    assert packet is not None
    return packet


async def test_over_udp(film: Film) -> None:
    with archive_house(film) as home:
        client = await Client.connect(home)
        client.url = f"rtsp://127.0.0.1:{home.port}/replay/{NAME}"
        with udp_socket() as rtp, udp_socket() as control:
            ports = f"{rtp.getsockname()[1]}-{control.getsockname()[1]}"
            assert (await client.setup(0, f"RTP/AVP;unicast;client_port={ports}")).status == 200
            await play(client, clock(7), **FAST)
            frames = [read(await datagram(rtp), 0) for _ in range(4)]
            assert names(frames) == "v7:CD v7.25 v7.5 v7.75:ET"
            async with asyncio.timeout(30):
                last = await asyncio.get_running_loop().sock_recv(control, 2048)
            assert any(isinstance(each, rtcp.Bye) for each in rtcp.parse(last))
        await client.close()


@pytest.mark.parametrize("kind", ["tunnel", "websocket", "rtsps"])
async def test_in_http_websocket_and_tls(film: Film, kind: str) -> None:
    server, trusting = tls_contexts()
    with archive_house(film, **({"tls": server} if kind == "rtsps" else {})) as home:
        if kind == "rtsps":
            client = await Client.connect(home, ssl=trusting, server_hostname="localhost")
        else:
            client = await (Tunnel if kind == "tunnel" else WebSocket).connect(home)
            await client.open(home.port)
        await set_up(client, home, 2)
        await play(client, clock(7), **FAST)
        assert names(await to_the_end(client, 2)) == ("v7:CD a7:CD v7.25 a7.25:C v7.5 a7.5:C v7.75:ET a7.75:CET")
        await client.close()


async def test_a_client_that_takes_nothing_has_little_read_for_it_and_misses_nothing() -> None:
    film, time = Film(padding=400_000), FakeClock()
    film.record(0, 40)
    with archive_house(film, time) as home:
        client = await ready(home)
        transport = client.writer.transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        transport.pause_reading()
        pairs = {"CSeq": "9", "Session": client.session, "Rate-Control": "no"}
        client.send(serialize(Request("PLAY", client.url, Headers(pairs.items()))))
        await until(lambda: any(seconds <= POLL_SECONDS for seconds in time.sleeping))
        assert film.reads < 10
        transport.resume_reading()
        looking = asyncio.create_task(keep_looking(time))
        assert (await client.response()).status == 200
        packets = []
        while (frame := await client.frame()).channel == 0:
            packets.append(parse(frame.payload))
        looking.cancel()
        assert {(later.sequence - one.sequence) % 65_536 for one, later in pairwise(packets)} == {1}
        assert len({packet.timestamp for packet in packets}) == 40 * FPS
        await client.close()


async def keep_looking(time: FakeClock) -> None:
    while True:
        await time.advance(POLL_SECONDS)


async def test_refusals(film: Film) -> None:
    with archive_house(film) as home:
        client = await ready(home)
        base = f"rtsp://127.0.0.1:{home.port}/replay"
        for status, reason, method, url, more in (
            (404, "there is no recording 'shed'", "DESCRIBE", f"{base}/shed", {}),
            (551, "option 'onvif-record' is not supported", "PLAY", client.url, {"Require": "onvif-record"}),
            (457, "is neither npt, clock nor smpte", "PLAY", client.url, {"Range": "clock=yesterday-"}),
            (457, "goes backward", "PLAY", client.url, {"Range": clock(3, 1)}),
            (457, "goes forward", "PLAY", client.url, {"Range": clock(1, 3), "Scale": "-1"}),
            (400, "Scale '0'", "PLAY", client.url, {"Scale": "0"}),
            (400, "Rate-Control 'maybe'", "PLAY", client.url, {"Rate_Control": "maybe"}),
            (400, "Frames 'few'", "PLAY", client.url, {"Frames": "few"}),
            (400, "Frames 'intra/²'", "PLAY", client.url, {"Frames": "intra/²"}),
        ):
            answer = await client.request(method, url, **more)
            assert (answer.status, reason in answer.body.decode()) == (status, True), answer.body
        for cseq in ("²", "9" * 5000):
            client.send(serialize(Request("PLAY", client.url, Headers([("CSeq", cseq), ("Session", client.session)]))))
            assert b"is not a number of 32 bits" in (await client.response()).body
        home.server.replays = None
        answer = await client.request("DESCRIBE")
        assert (answer.status, answer.body.decode()) == (404, "nothing is recorded here")
        await client.close()


async def test_a_replay_ends_with_its_connection(film: Film) -> None:
    with archive_house(film) as home:
        client = await ready(home)
        await play(client, clock(0))
        before = len(asyncio.all_tasks())
        await client.close()
        await until(lambda: home.server.sessions == 0 and len(asyncio.all_tasks()) < before)
