"""What viewers of the RTSP server get, and when: TCP, slow TCP, UDP and multicast."""

import asyncio
import logging
import socket
from contextlib import closing
from itertools import pairwise

import pytest
from rtsp_peers import GOP, PATH, Client, House, house
from waiting import until

from gateway.protocols.rtp import rtcp
from gateway.protocols.rtp.packet import RtpPacket, parse
from gateway.protocols.rtsp import transport
from gateway.protocols.rtsp.parser import InterleavedFrame
from gateway.servers import rtsp_gso, rtsp_sender_tcp
from gateway.servers.rtsp_ports import FixedGroups
from gateway.testing.clock import FakeClock


def rtp(frame: InterleavedFrame) -> RtpPacket:
    packet = parse(frame.payload)
    assert packet is not None
    return packet


def is_key(packet: RtpPacket) -> bool:
    """Tell whether a packet begins a key frame: x264 puts the SPS first."""
    return bytes(packet.payload)[0] & 0x1F in (7, 24)


async def frames_until(client: Client, rtp_time: int) -> list[InterleavedFrame]:
    """Return frames up to the last video packet with a timestamp."""
    found = []
    while True:
        frame = await client.frame()
        found.append(frame)
        if frame.channel == 0 and rtp(frame).timestamp == rtp_time and rtp(frame).marker:
            return found


async def viewer(home: House, transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1") -> Client:
    client = await Client.connect(home)
    await client.setup(0, transport)
    assert (await client.play()).status == 200
    return client


async def test_a_new_viewer_gets_the_gop_in_memory_and_then_live() -> None:
    with house(audio=False) as home:
        home.camera.frames(GOP + 4)
        client = await viewer(home)
        home.camera.frames(3)
        packets = [rtp(frame) for frame in await frames_until(client, (GOP + 6) * 3600) if frame.channel == 0]
        assert is_key(packets[0])
        assert packets[0].timestamp == GOP * 3600
        sequences = [packet.sequence for packet in packets]
        assert sequences == [(sequences[0] + step) % 65_536 for step in range(len(packets))]
        await client.close()


async def test_without_a_gop_a_viewer_waits_for_a_key_frame() -> None:
    with house(audio=False) as home:
        client = await viewer(home)
        home.camera.number = 7
        home.camera.frames(4)
        first, second = await client.frame(), await client.frame()
        assert isinstance(next(iter(rtcp.parse(first.payload))), rtcp.SenderReport)
        assert is_key(rtp(second))
        await client.close()


async def test_any_tracks_on_any_channels() -> None:
    with house() as home:
        home.camera.frames(2)
        swapped, sound = await Client.connect(home), await Client.connect(home)
        await swapped.setup(0, "RTP/AVP/TCP;unicast;interleaved=2-3")
        await swapped.setup(1, "RTP/AVP/TCP;unicast;interleaved=0-1")
        await sound.setup(1, "RTP/AVP/TCP;unicast;interleaved=6-9")
        await swapped.play()
        assert "RTP-Info" not in (await sound.play()).headers
        home.camera.frames(1)
        seen = {}
        while set(seen) != {0, 1, 2, 3}:
            frame = await swapped.frame()
            seen[frame.channel] = frame.payload[1] & 0x7F
        assert (seen[2], seen[0]) == (96, 0)
        report, packet = await sound.frame(), await sound.frame()
        assert (report.channel, report.payload[1]) == (9, 200)
        assert (packet.channel, packet.payload[1] & 0x7F) == (6, 0)
        for client in (swapped, sound):
            await client.close()


async def test_play_after_pause_begins_at_a_key_frame_and_repeats_nothing() -> None:
    with house(audio=False) as home:
        home.camera.frames(3)
        client = await viewer(home)
        await frames_until(client, 2 * 3600)
        assert (await client.request("PAUSE")).status == 200
        home.camera.frames(2)
        played = await client.play()
        assert "RTP-Info" not in played.headers
        home.camera.frames(GOP)
        frames = await frames_until(client, GOP * 3600)
        assert all(rtp(frame).timestamp == GOP * 3600 for frame in frames if frame.channel == 0)
        await client.request("PAUSE")
        home.camera.frames(GOP)
        assert "RTP-Info" in (await client.play()).headers
        await client.close()


async def test_reports_come_every_five_seconds_and_at_key_frames() -> None:
    with house(audio=False) as home:
        client = await viewer(home)
        reading = asyncio.create_task(frames_until(client, 199 * 3600))
        for _ in range(200):
            home.camera.frame()
            await asyncio.sleep(0)
        frames = await reading
        reports = [next(iter(rtcp.parse(frame.payload))) for frame in frames if frame.channel == 1]
        times = [report.rtp_time // 3600 for report in reports if isinstance(report, rtcp.SenderReport)]
        assert times == [0, 30, 60, 90, 120, 150, 180]
        await client.close()


async def test_viewers_go_on_at_a_key_frame_when_the_camera_comes_back() -> None:
    with house(audio=False) as home:
        home.camera.frames(3)
        client = await viewer(home)
        await frames_until(client, 2 * 3600)
        home.camera.restart(0x99)
        home.camera.frames(GOP)
        frames = await frames_until(client, GOP * 3600)
        packets = [rtp(frame) for frame in frames if frame.channel == 0]
        assert is_key(packets[0])
        assert {packet.ssrc for packet in packets} == {0x99}
        assert home.server.sessions == 1
        await client.close()


async def slow_viewer(home: House) -> Client:
    """Return a playing client whose receive buffer is small and that reads nothing by itself."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)  # noqa: FBT003
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", home.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    client = Client(reader, writer, home.url)
    await client.setup(0)
    assert (await client.play()).status == 200
    return client


async def test_a_slow_viewer_skips_to_key_frames_and_its_framing_never_breaks(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    clock = FakeClock()
    with house(audio=False, clock=clock) as home:
        fast, slow = await viewer(home), await slow_viewer(home)
        sent = 40 * GOP
        reading = asyncio.create_task(frames_until(fast, (sent - 1) * 3600))
        for _ in range(sent):
            home.camera.frame()
            await clock.advance(0.04)
        last = asyncio.create_task(frames_until(slow, (sent + 2 * GOP) * 3600))
        while not last.done():
            home.camera.frame()
            await clock.advance(0.04)
        fast_packets = [rtp(frame) for frame in await reading if frame.channel == 0]
        assert {packet.timestamp for packet in fast_packets} == {number * 3600 for number in range(sent)}
        packets = [rtp(frame) for frame in last.result() if frame.channel == 0]
        gaps = [
            (before, after) for before, after in pairwise(packets) if after.sequence != (before.sequence + 1) % 65_536
        ]
        assert gaps
        assert all(before.marker and is_key(after) for before, after in gaps)
        assert (await slow.request("GET_PARAMETER")).status == 200
        home.server.sweep()
        home.server.sweep()
        assert len([record for record in caplog.records if "slow RTSP viewers" in record.message]) == 1
        for client in (fast, slow):
            await client.close()


async def test_replies_go_out_between_units_and_a_stalled_viewer_is_given_up() -> None:
    clock = FakeClock()
    with house(audio=False, clock=clock) as home:
        slow = await slow_viewer(home)
        slow.send(b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 77\r\n\r\n")
        for _ in range(40 * GOP):
            home.camera.frame()
            await asyncio.sleep(0)
        assert (await slow.response()).cseq == "77"
        await clock.advance(rtsp_sender_tcp.STALL + 1)
        home.server.sweep()
        await asyncio.sleep(0)
        assert (home.server.sessions, home.server.connections, home.camera.stream.readers) == (0, 0, 0)
        await slow.close()


class Datagrams:
    """A pair of UDP sockets that listen."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, group: str = "") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.rtp, self.rtcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
        self.rtp.bind((group or host, port))
        self.port = self.rtp.getsockname()[1]
        self.rtcp.bind((group or host, port + 1 if port else 0))
        self.rtcp_port = self.rtcp.getsockname()[1]
        for sock in (self.rtp, self.rtcp):
            sock.settimeout(0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            if group:
                membership = socket.inet_aton(group) + socket.inet_aton(host)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)

    async def receive(self, sock: socket.socket) -> bytes:
        async with asyncio.timeout(30):
            return await asyncio.get_running_loop().sock_recv(sock, 65_536)

    async def packets_until(self, rtp_time: int) -> list[RtpPacket]:
        found = []
        while True:
            packet = parse(await self.receive(self.rtp))
            assert packet is not None
            found.append(packet)
            if packet.timestamp == rtp_time and packet.marker:
                return found

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


@pytest.mark.parametrize("way", ["sendmmsg", "sendmsg", "sendto"])
async def test_udp_viewers_get_every_packet_whatever_the_system_can_do(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way != "sendmmsg":
        monkeypatch.setattr(rtsp_gso, "_load_sendmmsg", lambda: None)
    if way == "sendto":
        monkeypatch.setattr(rtsp_gso, "_has_gso", lambda _sock: False)
    with house(audio=False) as home, closing(Datagrams()) as first, closing(Datagrams()) as second:
        home.camera.frames(3)
        clients = []
        for peer in (first, second):
            client = await Client.connect(home)
            setup = await client.setup(0, f"RTP/AVP;unicast;client_port={peer.port}-{peer.rtcp_port}")
            (granted,) = transport.parse(setup.headers.get("Transport"))
            assert granted.server_port is not None
            assert granted.server_port[0] % 2 == 0
            assert (await client.play()).status == 200
            clients.append(client)
        home.camera.frames(2 * GOP)
        for peer in (first, second):
            packets = await peer.packets_until((2 * GOP + 2) * 3600)
            assert is_key(packets[0])
            sequences = [packet.sequence for packet in packets]
            assert sequences == [(sequences[0] + step) % 65_536 for step in range(len(packets))]
            (report, _) = rtcp.parse(await peer.receive(peer.rtcp))
            assert isinstance(report, rtcp.SenderReport)
            assert report.rtp_time == 0
        home.server.close()
        last = b""
        while not any(isinstance(packet, rtcp.Bye) for packet in rtcp.parse(last)):
            last = await first.receive(first.rtcp)
        for client in clients:
            await client.close()


async def test_receiver_reports_keep_a_udp_session_alive_without_its_connection() -> None:
    clock = FakeClock()
    with house(audio=False, clock=clock) as home, closing(Datagrams()) as peer:
        client = await Client.connect(home)
        setup = await client.setup(0, f"RTP/AVP;unicast;client_port={peer.port}-{peer.rtcp_port}")
        (granted,) = transport.parse(setup.headers.get("Transport"))
        await client.play()
        client.writer.transport.abort()
        await until(lambda: home.server.connections == 0)
        assert granted.server_port is not None
        for _ in range(3):
            await clock.advance(40)
            peer.rtcp.sendto(rtcp.serialize((rtcp.ReceiverReport(1),)), ("127.0.0.1", granted.server_port[1]))
            await asyncio.sleep(0.01)
            home.server.sweep()
        assert home.server.sessions == 1
        await clock.advance(61)
        home.server.sweep()
        assert (home.server.sessions, home.camera.stream.readers) == (0, 0)


async def test_packets_too_large_for_udp_are_made_anew() -> None:
    with house(audio=False) as home, closing(Datagrams()) as peer:
        home.camera.packet_size(60_000)
        home.camera.frames(3)
        over_tcp = await viewer(home)
        client = await viewer(home, f"RTP/AVP;unicast;client_port={peer.port}-{peer.rtcp_port}")
        home.camera.frames(GOP)
        large = [rtp(frame) for frame in await frames_until(over_tcp, (GOP + 2) * 3600) if frame.channel == 0]
        small = await peer.packets_until((GOP + 2) * 3600)
        assert max(len(packet.payload) for packet in large) > 1500
        assert max(len(packet.payload) for packet in small) <= 1400
        assert is_key(small[0])
        sequences = [packet.sequence for packet in small]
        assert sequences == [(sequences[0] + step) % 65_536 for step in range(len(small))]
        for viewing in (over_tcp, client):
            await viewing.close()


async def test_udp_over_ipv6() -> None:
    with house(audio=False) as home, closing(Datagrams("::1")) as peer:
        home.camera.frame()
        listener = type(home.listener)("::1", 0, home.server)
        listener.start()
        reader, writer = await asyncio.open_connection("::1", listener.address[1])
        client = Client(reader, writer, f"rtsp://[::1]:{listener.address[1]}{PATH}")
        await client.setup(0, f"RTP/AVP;unicast;client_port={peer.port}-{peer.rtcp_port}")
        await client.play()
        home.camera.frame()
        assert is_key((await peer.packets_until(3600))[0])
        listener.close()
        await client.close()


async def test_a_multicast_group_is_sent_once_while_anybody_wants_it() -> None:
    group, port = "239.255.77.1", 43_210
    groups = FixedGroups({PATH: (group, port)}, ttl=0, interface="127.0.0.1")
    with house(audio=False, multicast=groups) as home, closing(Datagrams(port=port, group=group)) as peer:
        home.camera.frames(2)
        one, two = [await viewer(home, "RTP/AVP;multicast") for _ in range(2)]
        home.camera.frame()
        packets = await peer.packets_until(2 * 3600)
        assert is_key(packets[0])
        assert len({packet.sequence for packet in packets}) == len(packets)
        assert (await one.request("TEARDOWN")).status == 200
        home.camera.frame()
        await peer.packets_until(3 * 3600)
        home.server.hold_group(PATH)
        assert (await two.request("TEARDOWN")).status == 200
        home.camera.frame()
        await peer.packets_until(4 * 3600)
        home.server.release_group(PATH)
        assert home.camera.stream.readers == 0
        for client in (one, two):
            await client.close()
