"""The metadata track on real sockets: who sets it up gets documents, and nobody else sees anything of it."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest
from rtsp_peers import GOP, PATH, Cameras, Client, House, house
from waiting import until
from wire.test_rtsp_server_media import Datagrams, frames_until, is_key, rtp

from gateway.domain.event import Event, TopicDescription
from gateway.domain.motion import MotionResult
from gateway.metadata import packetizer_of
from gateway.protocols import sdp
from gateway.protocols.rtp.packet import parse
from gateway.sdk.clock import SystemClock
from gateway.servers.rtsp_ports import FixedGroups
from gateway.services.eventbus import EventBus
from gateway.services.metadata import MetadataPorts, MetadataStreams, metadata_path
from gateway.services.streams import LiveStream

WITH = metadata_path(PATH)
STATE = TopicDescription("tns1:Device/State", (), (("State", "xs:string"),), is_property=True)
CHANNELS = "RTP/AVP/TCP;unicast;interleaved={}-{}"


class Site:
    """A house whose camera has metadata: every event is the camera's, and its state is its document."""

    def __init__(self) -> None:
        clock = SystemClock()
        self.bus = EventBus(clock)
        self.bus.declare(STATE)
        self._ports = MetadataPorts(self.write, packetizer_of, clock)
        self.home: House

    def streams(self, cameras: Cameras) -> MetadataStreams:
        made = MetadataStreams(cameras, self.bus, self._ports)
        made.channels = lambda _: frozenset({"front"})
        return made

    def write(self, events: Sequence[Event], _scenes: Sequence[MotionResult]) -> bytes:
        return "+".join(event.data[0][1] for event in events).encode()

    def tell(self, state: str) -> None:
        self.bus.publish(Event.of(STATE.topic, data={"State": state}))

    async def client(self, tracks: Sequence[int], path: str = WITH) -> Client:
        """Return a client that plays some tracks, each on the channels with its number."""
        client = await Client.connect(self.home)
        client.url = client.url.replace(PATH, path)
        for track in tracks:
            assert (await client.setup(track, CHANNELS.format(2 * track, 2 * track + 1))).status == 200
        assert (await client.play()).status == 200
        return client


@contextmanager
def site(**more: object) -> Iterator[Site]:
    found = Site()
    with house(streams=found.streams, **more) as found.home:
        yield found


async def document(client: Client, channel: int) -> bytes:
    """Return the next document on a channel, from as many packets as it took."""
    found = b""
    while True:
        frame = await client.frame()
        if frame.channel == channel and (packet := parse(frame.payload)) is not None:
            found += packet.payload
            if packet.marker:
                return found


async def test_the_track_is_announced_and_has_all_states_at_play_and_then_what_happens() -> None:
    with site() as found:
        found.tell("ready")
        found.home.camera.frames(GOP + 3)
        client = await Client.connect(found.home)
        client.url = client.url.replace(PATH, WITH)
        described = sdp.parse((await client.request("DESCRIBE", Accept="application/sdp")).body)
        media = described.medias[2]
        assert (media.kind, media.encoding, media.clock_rate) == ("application", "VND.ONVIF.METADATA", 90_000)
        assert media.control == "trackID=2"
        await client.close()
        client = await found.client((0, 1, 2))
        assert await document(client, 4) == b"ready"
        found.home.camera.frame()
        found.tell("x" * 3000)
        assert await document(client, 4) == b"x" * 3000
        await client.close()


async def test_who_comes_before_the_camera_waits_for_it_with_metadata_too() -> None:
    with site() as found:
        camera = found.home.camera
        camera.stream = LiveStream(PATH)
        client = await Client.connect(found.home)
        client.url = client.url.replace(PATH, WITH)
        asked = asyncio.create_task(client.request("DESCRIBE"))
        await until(lambda: camera.stream.readers)
        camera.stream.describe(camera.description)
        described = sdp.parse((await asked).body)
        assert [media.kind for media in described.medias] == ["video", "audio", "application"]
        assert not camera.stream.readers
        await client.close()


async def test_who_wants_pictures_alone_gets_nothing_else() -> None:
    with site(audio=False) as found:
        found.tell("ready")
        found.home.camera.frames(2)
        plain, chosen = await found.client((0,), PATH), await found.client((0,))
        found.tell("changed")
        found.home.camera.frames(GOP)
        for client in (plain, chosen):
            frames = await frames_until(client, GOP * 3600)
            assert {frame.channel for frame in frames} <= {0, 1}
            assert is_key(rtp(next(frame for frame in frames if frame.channel == 0)))
        described = sdp.parse((await plain.request("DESCRIBE", Accept="application/sdp")).body)
        assert [media.kind for media in described.medias] == ["video"]
        for client in (plain, chosen):
            await client.close()


async def test_metadata_alone_needs_no_picture() -> None:
    with site() as found:
        found.tell("ready")
        client = await found.client((2,))
        assert await document(client, 4) == b"ready"
        alone = await found.client((0,), "/live/front/metadata")
        assert await document(alone, 0) == b"ready"
        found.tell("changed")
        assert await document(client, 4) == b"changed"
        assert await document(alone, 0) == b"changed"
        for each in (client, alone):
            await each.close()


async def test_the_states_come_after_the_key_frame_that_a_viewer_waits_for() -> None:
    with site(audio=False) as found:
        found.tell("ready")
        client = await found.client((0, 1))
        found.home.camera.frame()
        channels = []
        while 2 not in channels:
            channels.append((await client.frame()).channel)
        assert channels[:2] == [1, 0]
        await client.close()


async def test_over_udp() -> None:
    with site(audio=False) as found, closing(Datagrams()) as pictures, closing(Datagrams()) as peer:
        found.tell("ready")
        client = await Client.connect(found.home)
        client.url = client.url.replace(PATH, WITH)
        for track, each in enumerate((pictures, peer)):
            await client.setup(track, f"RTP/AVP;unicast;client_port={each.port}-{each.rtcp_port}")
        await client.play()
        found.home.camera.frame()
        packet = parse(await peer.receive(peer.rtp))
        assert packet is not None
        assert (bytes(packet.payload), packet.marker, packet.payload_type) == (b"ready", True, 107)
        await client.close()


@pytest.mark.parametrize("first", [PATH, WITH])
async def test_a_group_gets_the_pictures_of_both_streams_once(first: str) -> None:
    group, port = "239.255.77.2", 43_220
    groups = FixedGroups({PATH: (group, port), WITH: (group, port)}, ttl=0, interface="127.0.0.1")
    with (
        site(audio=False, multicast=groups) as found,
        closing(Datagrams(port=port, group=group)) as pictures,
        closing(Datagrams(port=port + 2, group=group)) as documents,
    ):
        clients = {}
        for path in (first, *({PATH, WITH} - {first})):
            client = clients[path] = await Client.connect(found.home)
            client.url = client.url.replace(PATH, path)
            for track in range(1 + (path == WITH)):
                assert (await client.setup(track, "RTP/AVP;multicast")).status == 200
            assert (await client.play()).status == 200
        found.home.camera.frames(3)
        found.tell("ready")
        packet = parse(await documents.receive(documents.rtp))
        assert packet is not None
        assert bytes(packet.payload) == b"ready"
        packets = await pictures.packets_until(2 * 3600)
        assert is_key(packets[0])
        assert len({packet.sequence for packet in packets}) == len(packets)
        assert (await clients.pop(first).request("TEARDOWN")).status == 200
        found.home.camera.frames(GOP)
        again = await pictures.packets_until((GOP + 2) * 3600)
        assert again[0].sequence == (packets[-1].sequence + 1) % 65_536
        assert len({packet.sequence for packet in again}) == len(again)
        for client in clients.values():
            await client.close()


async def test_nothing_is_read_for_nobody() -> None:
    with site() as found:
        client = await found.client((0, 1, 2))
        assert found.home.camera.stream.readers == 1
        await client.request("TEARDOWN")
        assert found.home.camera.stream.readers == 0
        await asyncio.sleep(0)
        await client.close()
