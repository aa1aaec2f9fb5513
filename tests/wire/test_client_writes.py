"""What VMS clients write without being asked, over HTTP to a running gateway whose streams are being watched.

Each transcript in `data/client_writes` is run under each policy: the answers are as the policy says, the camera
changes when it is applied and only then, and both viewers go on. The policy itself is changed by reading the
configuration again.
"""

import asyncio
import contextlib
import secrets
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest
from aiohttp import ClientSession
from made_kit import kept
from rtsp_peers import Client
from soap_kit import SOAP12, body_of, envelope, token

import gateway_testpattern.driver as testpattern
from gateway.app import Gateway
from gateway.config import Config, from_table
from gateway.domain.access import Secret
from gateway.domain.device_event import DeviceEventKind
from gateway.onvif.contract import load_contract
from gateway.protocols.http_auth import DigestClient
from gateway.protocols.rtp import packet
from gateway.protocols.rtsp.messages import Response
from gateway_testpattern.camera import SimulatedCamera

TRANSCRIPTS = {
    path.stem: tomllib.loads(path.read_text())["write"]
    for path in sorted((Path(__file__).parents[1] / "data" / "client_writes").glob("*.toml"))
}
KINDS = ("video_encoder", "imaging", "relays")
WAIT_SECONDS = 30.0
USER, PASSWORD = "admin", secrets.token_urlsafe(12)
CONTRACT = load_contract()
SETTINGS = {"width": 640, "height": 360, "sub_width": 320, "sub_height": 180, "sub_frame_rate": 20.0, "audio": False}
START_CODE = b"\0\0\0\1"


class Viewer(Client):
    """Watches a stream over TCP: every packet must follow the one before, and every picture must be decodable."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.digest = DigestClient(USER, Secret(PASSWORD))
        self.pictures: list[tuple[int, int]] = []
        self._next: tuple[int, int] | None = None
        """SSRC and sequence number of the next packet."""
        self._units: list[bytes] = []
        self._decoder = av.CodecContext.create("h264", "r")
        self._decoder.options = {"err_detect": "explode"}
        self._news = asyncio.Condition()

    @classmethod
    async def watching(cls, url: str) -> "Viewer":
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        viewer = cls(reader, writer, url)
        refused = await viewer.request("DESCRIBE")
        assert viewer.digest.challenged(refused.headers.all("WWW-Authenticate"))
        assert (await viewer.request("DESCRIBE")).status == 200
        await viewer.setup()
        assert (await viewer.play()).status == 200
        return viewer

    async def request(self, method: str, url: str = "", body: bytes = b"", **headers: str) -> Response:
        if authorization := self.digest.authorization(method, url or self.url):
            headers["Authorization"] = authorization
        return await super().request(method, url, body, **headers)

    async def watch(self) -> None:
        """Take what comes until cancelled."""
        while True:
            frame = await self.frame()
            if frame.channel == 0:
                await self._packet(packet.parse(frame.payload))

    async def picture(self, size: tuple[int, int] | None = None) -> None:
        """Wait for another picture, of a size if one is given."""
        count = len(self.pictures)
        async with asyncio.timeout(WAIT_SECONDS), self._news:
            await self._news.wait_for(
                lambda: len(self.pictures) > count if size is None else size in self.pictures[count:]
            )

    async def _packet(self, taken: packet.RtpPacket | None) -> None:
        assert taken is not None
        assert self._next in (None, (taken.ssrc, taken.sequence)), "a packet is missing, or comes from elsewhere"
        self._next = taken.ssrc, (taken.sequence + 1) % 65536
        self._collect(bytes(taken.payload))
        if taken.marker:
            await self._show()

    def _collect(self, payload: bytes) -> None:
        """Take NAL units, whole, aggregated or in fragments (RFC 6184 §5.6 to §5.8)."""
        kind = payload[0] & 0x1F
        if kind == 24:
            rest = payload[1:]
            while rest:
                end = 2 + int.from_bytes(rest[:2], "big")
                self._units.append(rest[2:end])
                rest = rest[end:]
        elif kind == 28:
            if payload[1] & 0x80:
                self._units.append(bytes([payload[0] & 0xE0 | payload[1] & 0x1F]))
            self._units[-1] += payload[2:]
        else:
            self._units.append(payload)

    async def _show(self) -> None:
        units, self._units = self._units, []
        data = START_CODE + START_CODE.join(units)
        found = [(each.width, each.height) for each in self._decoder.decode(av.Packet(data))]
        async with self._news:
            self.pictures += found
            self._news.notify_all()


@dataclass
class Site:
    gateway: Gateway
    folder: Path
    camera: SimulatedCamera
    session: ClientSession
    watched: dict[str, Viewer]

    async def write(self, step: dict[str, Any]) -> str:
        """Write as a client does; return the fault's innermost code, "" when it is done."""
        entry = next(each for each in CONTRACT.services() if each.name == step["service"])
        plan = next(each for each in CONTRACT.operations(entry.namespace) if each.name == step["operation"])
        namespace, _, local = plan.request[1:].partition("}")
        declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in CONTRACT.prefixes.items())
        body = f'<q:{local} xmlns:q="{namespace}" {declared}>{step["content"]}</q:{local}>'
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        header = token(USER, PASSWORD, created) if step.get("credentials", True) else ""
        async with self.session.post(self.gateway.report.onvif, data=envelope(body, header)) as answer:
            told = body_of(await answer.read())
            if answer.status == 200:
                assert told.tag == plan.response
                return ""
            codes = [node.text.partition(":")[2] for node in told.iter(f"{{{SOAP12}}}Value")]
            return str(codes[-1])

    def state(self) -> dict[str, dict[str, Any]]:
        """Return how the camera is, from itself."""
        contacts = self.camera.contacts
        relay = asdict(contacts._relay) | {"active": contacts.states()[DeviceEventKind.RELAY]}
        encoders = {profile: asdict(made) for profile, made in self.camera.encoders.now.items()}
        return {**encoders, "relay": relay, "picture": asdict(self.camera.picture.now)}

    async def use(self, policy: str) -> None:
        """Have the gateway read a configuration again that says another policy."""
        config = configuration(self.folder, policy)
        self.gateway.reload(lambda: config)
        async with asyncio.timeout(WAIT_SECONDS):
            while self.gateway.config.writes != config.writes:  # noqa: ASYNC110 - reading again has no event
                await asyncio.sleep(0.01)


def configuration(folder: Path, policy: str) -> Config:
    table = {
        "gateway": {"data": str(folder)},
        "http": {"listen": "127.0.0.1:0"},
        "rtsp": {"listen": "127.0.0.1:0"},
        "discovery": {"enabled": False},
        "multicast": {"enabled": False},
        "writes": {"client": [{"user": USER, **dict.fromkeys(KINDS, policy)}]},
        "camera": [{"id": "yard", "driver": "testpattern", "settings": {**SETTINGS, "frame_rate": 20.0}}],
    }
    return from_table(table, folder)


@asynccontextmanager
async def running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    cameras = kept(monkeypatch, testpattern, SimulatedCamera)
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(
            Gateway(configuration(folder, "apply"), {"GATEWAY_ADMIN_PASSWORD": PASSWORD})
        )
        session = await stack.enter_async_context(ClientSession())
        watched = {}
        [report] = gateway.report.cameras
        for profile, url in report.streams.items():
            watched[profile] = viewer = await Viewer.watching(url)
            stack.push_async_callback(viewer.close)
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(viewer.watch()) for viewer in watched.values()]
            for viewer in watched.values():
                await viewer.picture()
            yield Site(gateway, folder, cameras[0], session, watched)
            for task in watching:
                task.cancel()


@pytest.mark.parametrize("client", TRANSCRIPTS)
async def test_writes_end_as_the_policy_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: str) -> None:
    async with running(tmp_path, monkeypatch) as site:
        for policy in ("refuse", "accept-and-ignore", "apply"):
            await site.use(policy)
            await site.camera.contacts.set_state("1", active=True)
            before = site.state()
            for step in TRANSCRIPTS[client]:
                refused = policy == "refuse" and "kind" in step
                expected = "OperationProhibited" if refused else step.get("fault", "")
                assert await site.write(step) == expected, step
                if policy == "apply" and "becomes" in step:
                    await as_written(site, step["becomes"])
                for viewer in site.watched.values():
                    await viewer.picture()
            if policy != "apply":
                assert site.state() == before


async def as_written(site: Site, becomes: dict[str, dict[str, Any]]) -> None:
    """Check that the camera is as a client wanted it, and that viewers see it."""
    for part, values in becomes.items():
        assert {name: site.state()[part][name] for name in values} == values
        if part in site.watched:
            made = site.state()[part]
            await site.watched[part].picture((made["width"], made["height"]))
