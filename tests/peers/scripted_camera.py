"""An RTSP camera that answers as it is told, in the process of the test."""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from gateway.domain.access import Secret
from gateway.domain.media import AccessUnit, MediaKind, TrackDescription
from gateway.protocols.http_auth import DigestServer, Outcome
from gateway.protocols.rtp.packetize import Packetizer

H264_SPS = bytes.fromhex("6742c01ed900a02ff97016a0c0c0d4a000007d20001d4c11e2c5c9")
"""640x360 at 29.97 frames a second."""
H264_LARGE_SPS = bytes.fromhex("674d4028d900780227e5c05a808080a0000003002000000303d1e30649")
"""1920x1080 at 15 frames a second."""
H264_PPS = bytes.fromhex("68cb8cb2")
SPROP = "Z0LAHtkAoC/5cBagwMDUoAAAfSAAHUwR4sXJ,aMuMsg=="

VIDEO_TRACK = TrackDescription(MediaKind.VIDEO, "H264", 96, 90_000)
AUDIO_TRACK = TrackDescription(MediaKind.AUDIO, "PCMA", 8, 8000)

VIDEO = (
    f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={SPROP}\r\n"
)
VIDEO_WITHOUT_SPROP = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
AUDIO = "m=audio 0 RTP/AVP 8\r\n"


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: dict[str, str]
    answered: bool = True


@dataclass
class ScriptedCamera:
    """Start it with `async with`; change its fields as the test needs before the client comes."""

    medias: list[tuple[str, str]] = field(default_factory=lambda: [(VIDEO, "trackID=1")])
    """SDP sections and their control attributes; an empty one is left out."""
    session_lines: str = ""
    public: str | None = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"
    content_base: str | None = None
    content_location: str | None = None
    session: str = "4711;timeout=60"
    authenticate: tuple[str, ...] = ()
    """Names of challenges to send: Basic, MD5, SHA-256."""
    password: str = "s3cret"
    answers: dict[str, str] = field(default_factory=dict)
    """Raw answers by method, `{cseq}` in them; an empty one is no answer."""
    transport: Callable[[str], str] = field(default=lambda asked: asked)
    """What the camera makes of the Transport header."""
    tls: ssl.SSLContext | None = None

    requests: list[Request] = field(default_factory=list, init=False)
    reports: list[tuple[int, bytes]] = field(default_factory=list, init=False)
    """Interleaved packets of the client, with their channels."""
    writers: list[asyncio.StreamWriter] = field(default_factory=list, init=False)
    host: str = field(default="127.0.0.1", init=False)
    port: int = field(default=0, init=False)

    async def __aenter__(self) -> Self:
        self._digest = DigestServer("camera", b"k" * 32)
        self._news = asyncio.Condition()
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.video = Packetizer(0, VIDEO_TRACK, 0x1111, 65_530)
        self.audio = Packetizer(1, AUDIO_TRACK, 0x2222, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"{'rtsps' if self.tls else 'rtsp'}://{self.host}:{self.port}/live?channel=1"

    def of(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    async def wait_for(self, what: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait until something is true after a request or report of the client."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: bool(what()))

    async def playing(self, count: int = 1) -> None:
        await self.wait_for(lambda: len(self.of("PLAY")) >= count)

    def send(self, data: bytes) -> None:
        self.writers[-1].write(data)

    def send_unit(self, unit: AccessUnit, channel: int | None = None) -> None:
        data = bytearray(unit.packets.data)
        for offset in unit.packets.offsets:
            data[offset + 1] = unit.track * 2 if channel is None else channel
        self.send(bytes(data))

    def key_frame(self, rtp_time: int = 0, sps: bytes = H264_SPS, size: int = 3000) -> AccessUnit:
        return self.video.unit([sps, H264_PPS, b"\x65" + bytes(size)], rtp_time, 0, keyframe=True)

    def frame(self, rtp_time: int, size: int = 500) -> AccessUnit:
        return self.video.unit([b"\x41" + bytes(size)], rtp_time, 0, keyframe=False)

    def sound(self, rtp_time: int) -> AccessUnit:
        return self.audio.unit([bytes(160)], rtp_time, 0, keyframe=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                first = await reader.readexactly(1)
                if first == b"$":
                    channel, *length = await reader.readexactly(3)
                    self.reports.append((channel, await reader.readexactly(int.from_bytes(length, "big"))))
                else:
                    await self._take((first + await reader.readuntil(b"\r\n\r\n")).decode(), writer)
                async with self._news:
                    self._news.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()  # the test is over

    async def _take(self, text: str, writer: asyncio.StreamWriter) -> None:
        start, *lines = text.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        if start.startswith("RTSP/"):
            self.requests.append(Request("ANSWER", start, headers))
            return
        method, url, _ = start.split(" ")
        refused = bool(self.authenticate) and not self._admitted(method, headers)
        self.requests.append(Request(method, url, headers, answered=not refused))
        if refused:
            answer = "RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\n" + self._challenges() + "\r\n"
        else:
            answer = self.answers.get(method, self._answer(method, headers))
        if answer:
            writer.write(answer.replace("{cseq}", headers["cseq"]).encode("latin-1"))

    def _admitted(self, method: str, headers: dict[str, str]) -> bool:
        given = headers.get("authorization", "")
        if given.startswith("Basic "):
            return "Basic" in self.authenticate and given == "Basic YWRtaW46czNjcmV0"
        verdict = self._digest.verify(given, method, lambda _: Secret(self.password), 0.0)
        algorithm = "SHA-256" if "SHA-256" in given else "MD5"
        return verdict.outcome is Outcome.ACCEPTED and algorithm in self.authenticate

    def _challenges(self) -> str:
        digests = [value for value in self._digest.challenges(0.0) if re.search(r"algorithm=([\w-]+)", value)]
        chosen = ['Basic realm="camera"'] if "Basic" in self.authenticate else []
        chosen += [value for value in digests if re.search(r"algorithm=([\w-]+)", value)[1] in self.authenticate]
        return "".join(f"WWW-Authenticate: {value}\r\n" for value in chosen)

    def _answer(self, method: str, headers: dict[str, str]) -> str:
        lines, body = [], ""
        if method == "OPTIONS" and self.public is not None:
            lines.append(f"Public: {self.public}")
        if method == "DESCRIBE":
            body = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" + self.session_lines
            body += "".join(text + (f"a=control:{control}\r\n" if control else "") for text, control in self.medias)
            lines += [f"Content-Base: {self.content_base}"] if self.content_base is not None else []
            lines += [f"Content-Location: {self.content_location}"] if self.content_location is not None else []
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        if method == "SETUP":
            lines += [f"Transport: {self.transport(headers['transport'])}"]
        if method not in ("OPTIONS", "DESCRIBE"):
            lines.append(f"Session: {self.session}")
        return "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n" + body
