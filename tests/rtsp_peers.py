"""What the RTSP server's wire tests share: a synthetic camera, an open door, and a small client."""

import asyncio
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from itertools import count

import av
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.domain.access import Account, Secret, UserLevel
from gateway.domain.media import (
    AccessUnit,
    AudioParameters,
    MediaKind,
    StreamDescription,
    TrackDescription,
    VideoParameters,
)
from gateway.protocols.rtp.packetize import Packetizer
from gateway.protocols.rtsp.messages import Headers, Request, Response, serialize
from gateway.protocols.rtsp.parser import Event, InterleavedFrame, Parser
from gateway.sdk.clock import Clock, SystemClock
from gateway.servers.listener import Listener
from gateway.servers.rtsp import RtspServer
from gateway.servers.rtsp_ports import RtspOptions
from gateway.services.streams import LiveStream

PATH = "/live/front/main"
ALIAS = PATH.replace("main", "sub")
"""The same stream, as a camera without a second one shows it."""
GOP = 10
FRAME_TICKS = 3600
FRAME_NS = 40_000_000
START_NS = 1_700_000_000_000_000_000


@cache
def encoded_gop(width: int = 320, height: int = 240) -> tuple[tuple[bytes, ...], ...]:
    """Return the NAL units of each frame of one GOP of real H.264."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {
        "tune": "zerolatency",
        "preset": "ultrafast",
        "g": str(GOP),
        "x264-params": "repeat-headers=1:slices=1",
    }
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    packets = []
    for number in range(GOP):
        packets += encoder.encode(av.VideoFrame.from_ndarray(np.roll(noise, number * 8, axis=1), format="rgb24"))
    return tuple(
        tuple(nal for nal in bytes(packet).replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if nal)
        for packet in packets
    )


VIDEO = TrackDescription(
    MediaKind.VIDEO,
    "H264",
    96,
    90_000,
    fmtp="packetization-mode=1",
    video=VideoParameters(320, 240, 25.0, 2_000_000, GOP),
)
AUDIO = TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8000, audio=AudioParameters(8000, 1, 64_000))


class Camera:
    """A live stream with H.264 and G.711 that moves frame by frame when told to, or by itself at 25 frames/s."""

    def __init__(self, path: str = PATH, *, audio: bool = True, ssrc: int = 0x11223344) -> None:
        self.stream = LiveStream(path)
        self.description = StreamDescription((VIDEO, AUDIO) if audio else (VIDEO,))
        self.number = 0
        self.restart(ssrc)

    def restart(self, ssrc: int) -> None:
        """Come back as after a reconnect, with other sources and sequence numbers."""
        tracks = self.description.tracks
        self._packetizers = [Packetizer(i, track, ssrc + i, 65_530 + 1000 * i) for i, track in enumerate(tracks)]
        self.stream.interrupted()
        self.stream.describe(self.description)

    def packet_size(self, mtu: int) -> None:
        """Send packets of another size from now on."""
        self._packetizers[0] = Packetizer(0, VIDEO, 0x55, 0, mtu)

    def frame(self) -> list[AccessUnit]:
        """Deliver one frame of video and its 40 ms of audio."""
        n, utc = self.number, START_NS + self.number * FRAME_NS
        gop = encoded_gop()
        units = [self._packetizers[0].unit(gop[n % GOP], n * FRAME_TICKS, utc, n % GOP == 0)]
        if len(self._packetizers) > 1:
            units.append(self._packetizers[1].unit([b"\xff" * 320], n * 320, utc, keyframe=False))
        self.number += 1
        for unit in units:
            self.stream.deliver(unit)
        return units

    def frames(self, number: int) -> None:
        """Deliver several frames."""
        for _ in range(number):
            self.frame()

    async def run(self) -> None:
        """Deliver 25 frames a second until cancelled."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in count(1):
            self.frame()
            await asyncio.sleep(max(0, start + number / 25 - loop.time()))


@dataclass
class Cameras:
    """The cameras by path, as the server asks for them."""

    cameras: Mapping[str, Camera]

    def stream(self, path: str) -> LiveStream | None:
        camera = self.cameras.get(path)
        return camera.stream if camera else None

    def description(self, path: str) -> StreamDescription | None:
        camera = self.cameras.get(path)
        return camera.description if camera else None


VIEWER = Account("viewer", UserLevel.USER, Secret("secret"))


class OpenDoor:
    """Lets everybody in as one user."""

    def admit(self, address: str, method: str, authorization: str | None, uri: str = "") -> Account:
        return VIEWER


@dataclass
class House:
    """A running server with one camera."""

    camera: Camera
    server: RtspServer
    listener: Listener
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.listener.address[1]

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}{PATH}"

    def run(self) -> None:
        """Let the camera and the server's clock run."""
        self.tasks += [asyncio.create_task(self.camera.run()), asyncio.create_task(self.server.run())]


@cache
def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server that is localhost and of a client that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(secret + certificate)
        file.flush()
        server.load_cert_chain(file.name)
    return server, ssl.create_default_context(cadata=certificate.decode())


@contextmanager
def house(
    *,
    door: object = None,
    clock: Clock | None = None,
    options: RtspOptions | None = None,
    audio: bool = True,
    streams: Callable[[Cameras], object] = lambda cameras: cameras,
    **more: object,
) -> Iterator[House]:
    camera = Camera(audio=audio)
    listening = {name: more.pop(name) for name in ("web", "tls") if name in more}
    server = RtspServer(
        streams(Cameras({PATH: camera, ALIAS: camera})),
        door or OpenDoor(),
        clock or SystemClock(),
        options=options,
        udp_hosts=("127.0.0.1", "::1"),
        **more,
    )
    server.start()
    listener = Listener("127.0.0.1", 0, server, **listening)
    listener.start()
    running = House(camera, server, listener)
    try:
        yield running
    finally:
        for task in running.tasks:
            task.cancel()
        listener.close()
        server.close()


class Client:
    """An RTSP client on a stream of bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
        self.reader, self.writer, self.url = reader, writer, url
        self.parser = Parser()
        self.frames: list[InterleavedFrame] = []
        self.session = ""
        self._cseq = count(1)

    @classmethod
    async def connect(cls, house: House, **options: object) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port, **options)
        return cls(reader, writer, house.url)

    async def event(self) -> Event:
        """Return the next message or frame."""
        async with asyncio.timeout(30):
            while (event := self.parser.next_event()) is None:
                data = await self.receive()
                if not data:
                    raise EOFError
                self.parser.feed(data)
            return event

    async def receive(self) -> bytes:
        try:
            return await self.reader.read(65_536)
        except ConnectionResetError:
            return b""

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def request(self, method: str, url: str = "", body: bytes = b"", **headers: str) -> Response:
        """Send a request and return its response; frames that come before it are kept."""
        pairs = [("CSeq", str(next(self._cseq)))]
        if self.session and "Session" not in headers:
            pairs.append(("Session", self.session))
        pairs += [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.send(serialize(Request(method, url or self.url, Headers(pairs), body)))
        response = await self.response()
        assert response.cseq == pairs[0][1]
        return response

    async def response(self) -> Response:
        while isinstance(event := await self.event(), InterleavedFrame):
            self.frames.append(event)
        assert isinstance(event, Response)
        return event

    async def frame(self) -> InterleavedFrame:
        """Return the next frame."""
        if self.frames:
            return self.frames.pop(0)
        event = await self.event()
        assert isinstance(event, InterleavedFrame), event
        return event

    async def last_frame(self) -> InterleavedFrame:
        """Return the last frame before the server closes the connection."""
        last = await self.frame()
        while True:
            try:
                last = await self.frame()
            except EOFError:
                return last

    async def setup(self, track: int = 0, transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1") -> Response:
        response = await self.request("SETUP", f"{self.url}/trackID={track}", Transport=transport)
        self.session = response.headers.get("Session").partition(";")[0] or self.session
        return response

    async def play(self) -> Response:
        return await self.request("PLAY", Range="npt=0.000-")

    async def closed(self) -> None:
        """Wait until the server has closed the connection."""
        async with asyncio.timeout(30):
            while await self.receive():
                pass

    async def close(self) -> None:
        self.writer.close()
