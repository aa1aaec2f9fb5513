"""The drivers talk to cameras: here a camera is an RTSP server of our own, or one that refuses."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from peers.scripted_camera import ScriptedCamera
from rtsp_peers import House
from rtsp_talk import AAC, PCMU, Talks, packet, yard
from waiting import until

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind, TrackDescription
from gateway.protocols.rtp.packet import RtpPacket, parse
from gateway.sdk.controls import AudioBackchannel
from gateway.testing.drivers import driver_context
from gateway_rtsp.driver import RtspDriver, RtspSettings


async def backchannel(home: House, **settings: object) -> AudioBackchannel:
    found = (await RtspDriver(RtspSettings(main=home.url, **settings), driver_context()).controls()).backchannel
    assert found is not None
    assert [(track.encoding, track.payload_type, track.fmtp) for track in found.tracks] == [
        ("PCMU", 0, ""),
        ("MPEG4-GENERIC", 97, AAC.fmtp),
    ]
    await until(lambda: home.server.connections == 0)
    return found


def received(talks: Talks) -> list[RtpPacket]:
    packets = [parse(data) for talk in talks.opened for _, data in talk.said]
    assert None not in packets
    return [each for each in packets if each is not None]


class Mouth:
    """Says packet after packet until told to stop."""

    def __init__(self) -> None:
        self.number = 0
        self.stopped = False

    async def packets(self, payload_type: int) -> AsyncIterator[bytes]:
        while not self.stopped:
            yield packet(payload_type, bytes([self.number % 256]) * 160, self.number)
            self.number += 1
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
async def test_what_is_said_reaches_the_camera_as_our_own(transport: str) -> None:
    talks, mouth = Talks(), Mouth()
    with yard(talks) as home:
        loudspeaker = await backchannel(home, transport=transport)
        talking = asyncio.create_task(loudspeaker.talk(loudspeaker.tracks[1], mouth.packets(97)))
        await until(lambda: len(received(talks)) >= 5)
        mouth.stopped = True
        await talking
        packets = received(talks)
        [ssrc] = {each.ssrc for each in packets}
        assert ssrc != 0xABCD
        said = [bytes(each.payload)[0] for each in packets]
        steps = [(each.sequence - packets[0].sequence) % 65_536 for each in packets]
        assert steps == [number - said[0] for number in said]
        assert [(each.timestamp - packets[0].timestamp) % 2**32 for each in packets] == [160 * step for step in steps]
        assert {each.payload_type for each in packets} == {97}
        await until(lambda: home.server.sessions == 0)
        assert talks.opened[-1].closed
        await until(lambda: home.server.connections == 0)


async def test_a_camera_that_knows_no_backchannel_is_not_disturbed() -> None:
    async with ScriptedCamera() as camera:
        camera.answers["DESCRIBE"] = "RTSP/1.0 551 Option not supported\r\nCSeq: {cseq}\r\n\r\n"
        driver = RtspDriver(RtspSettings(main=camera.url), driver_context())
        assert (await driver.controls()).backchannel is None
        assert [request.method for request in camera.requests] == ["DESCRIBE"]
        camera.answers["DESCRIBE"] = ""
        deaf = RtspDriver(RtspSettings(main=camera.url, connect_timeout=0.05), driver_context())
        assert (await deaf.controls()).backchannel is None
        asked = len(camera.requests)
        silent = RtspDriver(RtspSettings(main=camera.url, backchannel=False), driver_context())
        assert (await silent.controls()).backchannel is None
        assert len(camera.requests) == asked


async def test_what_a_camera_does_not_take_any_more_is_an_error() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        for data in ():
            yield data

    talks = Talks()
    with yard(talks) as home:
        loudspeaker = await backchannel(home)
        other = TrackDescription(MediaKind.AUDIO, "L16", 11, 44_100)
        with pytest.raises(GatewayError, match=f"camera 127.0.0.1:{home.port} takes no 'L16'") as caught:
            await loudspeaker.talk(other, nothing())
        assert caught.value.kind is ErrorKind.INVALID
        talks.busy = "bert"
        answers = f"camera 127.0.0.1:{home.port} answers SETUP with 453"
        with pytest.raises(GatewayError, match=answers) as caught:
            await loudspeaker.talk(loudspeaker.tracks[0], nothing())
        assert caught.value.kind is ErrorKind.UNAVAILABLE
        talks.taken = (AAC,)
        with pytest.raises(GatewayError, match=f"camera 127.0.0.1:{home.port} takes no PCMU any more"):
            await loudspeaker.talk(loudspeaker.tracks[0], nothing())
        assert PCMU.encoding == loudspeaker.tracks[0].encoding


async def test_a_camera_that_closes_while_somebody_talks_is_an_error() -> None:
    talks, mouth = Talks(), Mouth()
    with yard(talks) as home:
        loudspeaker = await backchannel(home)
        talking = asyncio.create_task(loudspeaker.talk(loudspeaker.tracks[0], mouth.packets(0)))
        await until(lambda: bool(received(talks)))
        home.server.close()
        with pytest.raises(GatewayError, match=f"camera 127.0.0.1:{home.port} closed the connection"):
            await talking
