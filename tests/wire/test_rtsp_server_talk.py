"""Talking to a camera through the RTSP server, over every transport."""

import socket
from collections.abc import Callable
from contextlib import closing

import pytest
from rtsp_peers import Client
from rtsp_talk import AAC, BYE, REPORT, TAG, Talks, packet, yard
from rtsp_tunnels import TunnelClient, WebSocketClient
from waiting import until

from gateway.domain.access import UserLevel
from gateway.protocols import sdp
from gateway.protocols.rtsp import transport
from gateway.protocols.rtsp.messages import Response
from gateway.protocols.rtsp.parser import InterleavedFrame, serialize_frame


def text(response: Response) -> str:
    return response.body.decode()


async def describe(client: Client) -> Response:
    return await client.request("DESCRIBE", Require=TAG)


async def test_the_backchannel_is_described_to_whoever_asks_and_may_talk() -> None:
    with yard(Talks()) as home:
        client = await Client.connect(home)
        plain = await client.request("DESCRIBE")
        assert b"sendonly" not in plain.body
        medias = sdp.parse((await describe(client)).body).medias
        directions = [next(name for name in media.attributes if name.endswith("only")) for media in medias]
        assert directions == ["recvonly", "recvonly", "sendonly", "sendonly"]
        assert [(media.encoding, media.control, media.fmtp) for media in medias[2:]] == [
            ("PCMU", "trackID=2", ""),
            ("MPEG4-GENERIC", "trackID=3", AAC.fmtp),
        ]
        await client.close()


async def test_a_camera_that_can_not_hear_and_a_user_who_may_not_talk_have_no_backchannel() -> None:
    for level, tail, path in (
        (UserLevel.USER, "", "main"),
        (UserLevel.OPERATOR, "", "sub"),
    ):
        with yard(Talks(), level) as home:
            client = await Client.connect(home)
            client.url = client.url.replace("main", path) + tail
            refused = await describe(client)
            assert (refused.status, refused.headers.get("Unsupported")) == (551, TAG)
            assert text(refused) == f"option {TAG!r} is not supported"
            assert (await client.setup(2)).status == 404
            assert (await client.setup(0)).status == 200
            await client.close()


async def start(client: Client, how: str = "RTP/AVP/TCP;unicast;interleaved=4-5", track: int = 2) -> Response:
    """Set up the backchannel alone and play it, as a button that is pressed does."""
    assert (await describe(client)).status == 200
    answer = await client.setup(track, how)
    assert answer.status == 200, text(answer)
    assert (await client.request("PLAY", Require=TAG)).status == 200
    return answer


async def speak(client: Client, talks: Talks) -> None:
    client.send(serialize_frame(InterleavedFrame(4, packet())))
    client.send(serialize_frame(InterleavedFrame(4, packet(payload=b"\x01" * 240))))
    await until(lambda: len(talks.opened[0].said) == 2)
    assert talks.opened[0].said == [("PCMU", packet()), ("PCMU", packet(payload=b"\x01" * 240))]
    assert talks.opened[0].account == "anna"


@pytest.mark.parametrize("connect", [Client.connect, TunnelClient.tunnel, WebSocketClient.open])
async def test_a_client_speaks_interleaved_plain_tunnelled_and_in_websocket(connect: Callable[..., object]) -> None:
    talks = Talks()
    with yard(talks) as home:
        client = await connect(home)
        await start(client)
        await speak(client, talks)
        assert (await client.request("TEARDOWN")).status == 200
        assert talks.opened[0].closed
        await client.close()


async def test_only_rtp_of_the_track_counts_and_only_while_playing() -> None:
    talks = Talks()
    with yard(talks) as home:
        client = await Client.connect(home)
        assert (await client.setup(0)).status == 200
        for track, channels in ((2, "4-5"), (3, "6-7")):
            assert (await client.setup(track, f"RTP/AVP/TCP;unicast;interleaved={channels}")).status == 200
        [talk] = talks.opened
        client.send(serialize_frame(InterleavedFrame(4, packet())))
        assert (await client.play()).status == 200
        for channel, data in (
            (4, packet(8)),
            (4, packet()[:12]),
            (4, b""),
            (4, b"\0" + packet()[1:]),
            (0, packet()),
            (1, REPORT),
            (5, REPORT),
            (9, packet()),
        ):
            client.send(serialize_frame(InterleavedFrame(channel, data)))
        assert (await client.request("OPTIONS")).status == 200
        assert (talk.said, talk.closed) == ([], 0)
        client.send(serialize_frame(InterleavedFrame(6, packet(97))))
        assert (await client.request("OPTIONS")).status == 200
        assert talk.said == [("MPEG4-GENERIC", packet(97))]
        client.send(serialize_frame(InterleavedFrame(7, BYE)))
        assert (await client.request("OPTIONS")).status == 200
        assert talk.closed == 1
        assert (await client.request("PAUSE")).status == 200
        client.send(serialize_frame(InterleavedFrame(4, packet())))
        assert (await client.request("OPTIONS")).status == 200
        assert (len(talk.said), talk.closed) == (1, 2)
        await client.close()
        await until(lambda: home.server.sessions == 0)


async def test_a_client_speaks_over_udp_from_its_own_ports() -> None:
    talks = Talks()
    with (
        yard(talks) as home,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as rtp,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as control,
    ):
        for sock in (rtp, control):
            sock.bind(("127.0.0.1", 0))
        ports = f"{rtp.getsockname()[1]}-{control.getsockname()[1]}"
        client = await Client.connect(home)
        answer = await start(client, f"RTP/AVP;unicast;client_port={ports}")
        [granted] = transport.parse(answer.headers.get("Transport"))
        assert granted.server_port is not None
        server = [("127.0.0.1", port) for port in granted.server_port]
        control.sendto(packet(), server[0])
        rtp.sendto(b"x" * 3000, server[0])
        rtp.sendto(packet(), server[0])
        await until(lambda: bool(talks.opened[0].said))
        assert talks.opened[0].said == [("PCMU", packet())]
        control.sendto(BYE, server[1])
        await until(lambda: talks.opened[0].closed == 1)
        assert (await client.request("TEARDOWN")).status == 200
        assert talks.opened[0].closed == 2
        await client.close()


async def test_nobody_gets_ready_to_talk_while_another_one_talks() -> None:
    talks = Talks(busy="bert")
    with yard(talks) as home:
        client = await Client.connect(home)
        assert (await describe(client)).status == 200
        busy = await client.setup(2, "RTP/AVP/TCP;unicast;interleaved=4-5")
        assert (busy.status, text(busy)) == (453, "user 'bert' is talking to this camera")
        assert home.server.sessions == 0
        talks.busy = ""
        await start(client)
        await client.close()
