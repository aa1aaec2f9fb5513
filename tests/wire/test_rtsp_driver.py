"""The RTSP driver against a camera that misbehaves as real ones do."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from peers.scripted_camera import (
    AUDIO,
    H264_LARGE_SPS,
    VIDEO,
    VIDEO_WITHOUT_SPROP,
    ScriptedCamera,
)

from gateway.domain.access import Secret
from gateway.domain.camera import CameraInfo
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.rtp import block, ntp, rtcp
from gateway.sdk.driver import CameraDriver
from gateway.testing.clock import FakeClock
from gateway.testing.drivers import DriverContract, RecordingSink, check_units, driver_context
from gateway_rtsp.driver import RtspDriver, RtspSettings

NS = 1_000_000_000
RIGHT = "must be rtsp://HOST/…, rtsps://HOST/…, http://HOST/… or https://HOST/…"


class Run:
    """A driver's stream in a task."""

    def __init__(self, camera: ScriptedCamera, **settings: Any) -> None:
        self.clock = FakeClock(1_800_000_000 * NS)
        settings.setdefault("main", camera.url)
        self.driver = RtspDriver(RtspSettings(**settings), driver_context(self.clock))
        self.sink = RecordingSink()
        self.task = asyncio.create_task(self.driver.stream("main", self.sink))

    async def error(self) -> GatewayError:
        with pytest.raises(GatewayError) as caught:
            async with asyncio.timeout(30):
                await self.task
        return caught.value


@contextlib.asynccontextmanager
async def playing(camera: ScriptedCamera, **settings: Any) -> AsyncIterator[Run]:
    run = Run(camera, **settings)
    arrived = asyncio.create_task(camera.playing())
    await asyncio.wait({run.task, arrived}, return_when=asyncio.FIRST_COMPLETED)
    arrived.cancel()
    if run.task.done():
        run.task.result()
    try:
        yield run
    finally:
        run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)


def admin(**more: Any) -> dict[str, Any]:
    return {"username": "admin", "password": Secret("s3cret")} | more


async def test_tracks_are_described_and_their_units_delivered() -> None:
    async with ScriptedCamera(medias=[(VIDEO, "trackID=1"), (AUDIO, "trackID=2")]) as camera:
        async with playing(camera) as run:
            sent = [camera.key_frame(0), camera.sound(0), camera.frame(3600), camera.frame(7200)]
            for unit in sent:
                camera.send_unit(unit)
            units = await run.sink.wait_for_units(4)
        assert [(unit.track, unit.keyframe, unit.rtp_time) for unit in units] == [
            (0, True, 0), (1, True, 0), (0, False, 3600), (0, False, 7200)
        ]  # fmt: skip
        assert [unit.packets.data for unit in units] == [unit.packets.data for unit in sent]
        check_units(run.sink)
        [description] = run.sink.descriptions
        video, audio = description.tracks
        assert (video.encoding, video.video.width, video.video.height, video.video.frame_rate) == (
            "H264",
            640,
            360,
            29.97,
        )
        assert (audio.encoding, audio.audio.sample_rate, audio.audio.bitrate) == ("PCMA", 8000, 64_000)
        assert [request.method for request in camera.requests] == [
            "OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY", "TEARDOWN"
        ]  # fmt: skip
        assert [request.headers["transport"] for request in camera.of("SETUP")] == [
            "RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP/TCP;unicast;interleaved=2-3"
        ]  # fmt: skip
        assert {request.headers.get("session") for request in camera.requests[3:]} == {"4711"}


async def test_a_frame_may_arrive_in_single_bytes_between_replies() -> None:
    async with ScriptedCamera() as camera, playing(camera) as run:
        noise = b"\r\nRTSP/1.0 200 OK\r\nCSeq: 999\r\nContent-Length: 3\r\n\r\n$$$"
        for byte in camera.key_frame(0).packets.data + noise + camera.frame(3600).packets.data:
            camera.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert len(await run.sink.wait_for_units(2)) == 2


@pytest.mark.parametrize("offer", [("Basic",), ("MD5",), ("SHA-256",), ("Basic", "MD5"), ("MD5", "SHA-256")])
async def test_credentials_are_given_as_asked(offer: tuple[str, ...]) -> None:
    async with ScriptedCamera(authenticate=offer) as camera:
        async with playing(camera, **admin()):
            pass
        given = camera.of("PLAY")[0].headers["authorization"]
        strongest = "SHA-256" if "SHA-256" in offer else "MD5"
        assert given.startswith("Basic") if offer == ("Basic",) else f"algorithm={strongest}" in given
        assert sum(not request.answered for request in camera.requests) == 1


async def test_credentials_in_the_address_are_percent_decoded() -> None:
    async with ScriptedCamera(authenticate=("MD5",), password="p@ss/w:rd") as camera:
        address = camera.url.replace("rtsp://", "rtsp://admin:p%40ss%2Fw%3Ard@")
        async with playing(camera, main=address):
            pass
        assert all("@" not in request.url for request in camera.requests)


async def test_a_refused_password_is_said_without_it() -> None:
    async with ScriptedCamera(authenticate=("MD5",)) as camera:
        error = await Run(camera, username="admin", password=Secret("hunter2")).error()
        assert error.kind is ErrorKind.UNAUTHENTICATED
        assert error.message == f"camera 127.0.0.1:{camera.port} refuses user 'admin' or the password"
        assert len(camera.requests) == 2


async def test_missing_credentials_are_said() -> None:
    async with ScriptedCamera(authenticate=("MD5",)) as camera:
        error = await Run(camera).error()
        assert error.kind is ErrorKind.UNAUTHENTICATED
        assert error.message == f"camera 127.0.0.1:{camera.port} asks for a user and password; none is set"


@pytest.mark.parametrize(
    ("fields", "setup", "play"),
    [
        ({}, "/live?channel=1/trackID=1", "/live?channel=1"),
        ({"content_base": "rtsp://10.0.0.1/other/"}, "/other/trackID=1", "/other/"),
        ({"content_base": "rtsp://0.0.0.0:554/other"}, "/other/trackID=1", "/other"),
        ({"content_base": "/other/"}, "/other/trackID=1", "/other/"),
        ({"content_base": "garbage here"}, "/live?channel=1/trackID=1", "/live?channel=1"),
        ({"content_base": "", "content_location": "/there"}, "/there/trackID=1", "/there"),
        ({"medias": [(VIDEO, "rtsp://192.168.1.9:554/abs?x=1")]}, "/abs?x=1", "/live?channel=1"),
        ({"medias": [(VIDEO, "*")]}, "/live?channel=1", "/live?channel=1"),
        ({"medias": [(VIDEO, "")]}, "/live?channel=1", "/live?channel=1"),
        ({"medias": [(VIDEO, "?ctl=video")], "content_base": "rtsp://h/x"}, "/x?ctl=video", "/x"),
        ({"medias": [(VIDEO, "/track1")], "content_base": "rtsp://h/x/"}, "/x/track1", "/x/"),
        ({"session_lines": "a=control:*\r\n"}, "/live?channel=1/trackID=1", "/live?channel=1"),
        ({"session_lines": "a=control:rtsp://h/all\r\n"}, "/all/trackID=1", "/all"),
    ],
)
async def test_control_urls_as_cameras_write_them(fields: dict[str, Any], setup: str, play: str) -> None:
    async with ScriptedCamera(**fields) as camera:
        async with playing(camera):
            pass
        here = f"rtsp://127.0.0.1:{camera.port}"
        assert camera.of("SETUP")[0].url == here + setup
        assert camera.of("PLAY")[0].url == here + play


async def test_other_channels_than_asked_for_are_taken_and_renumbered() -> None:
    async with ScriptedCamera(
        medias=[(VIDEO, "1"), (AUDIO, "2")],
        transport=lambda asked: asked.replace("0-1", "8-9") if "0-1" in asked else "RTP/AVP/TCP;interleaved=4",
    ) as camera:
        async with playing(camera) as run:
            camera.send_unit(camera.key_frame(), 8)
            camera.send_unit(camera.sound(0), 4)
            units = await run.sink.wait_for_units(2)
        assert [unit.track for unit in units] == [0, 1]
        check_units(run.sink)


@pytest.mark.parametrize(
    "answer",
    [
        "RTSP/1.0 200\r\nCSeq: {cseq}\r\nSession: 1\r\n\r\n",
        "RTSP/1.1 200 OK\r\nSession: 1\r\n\r\n",
        "RTSP/1.0 200 OK\nCSeq: {cseq}\nSession: 1\n\n",
        "RTSP/1.0 200 \xe4\xf6\r\nCSeq: {cseq}\r\nnonsense\r\nSession: 1;\r\n timeout=x\r\n\r\n",
    ],
)
async def test_sloppy_answers_are_understood(answer: str) -> None:
    async with ScriptedCamera(answers={"PLAY": answer}) as camera, playing(camera) as run:
        camera.send_unit(camera.key_frame())
        await run.sink.wait_for_units(1)


@pytest.mark.parametrize("public", [None, "", "OPTIONS, DESCRIBE"])
async def test_without_get_parameter_options_keep_the_session_alive(public: str | None) -> None:
    async with (
        ScriptedCamera(public=public, session="1;timeout=10") as camera,
        playing(camera, media_timeout=100.0) as run,
    ):
        camera.send_unit(camera.key_frame())
        await run.sink.wait_for_units(1)
        await run.clock.advance(5.0)
        await camera.wait_for(lambda: len(camera.of("OPTIONS")) == 2)


async def test_the_session_is_kept_alive_as_often_as_the_camera_wants() -> None:
    async with ScriptedCamera(session="1 ; Timeout = 20") as camera, playing(camera, media_timeout=100.0) as run:
        camera.send_unit(camera.key_frame())
        await run.sink.wait_for_units(1)
        await run.clock.advance(9.9)
        assert not camera.of("GET_PARAMETER")
        await run.clock.advance(0.1)
        await camera.wait_for(lambda: camera.of("GET_PARAMETER"))
        assert camera.of("GET_PARAMETER")[0].headers["session"] == "1"


async def test_a_camera_that_refuses_get_parameter_gets_options() -> None:
    refusal = "RTSP/1.0 501 Not Implemented\r\nCSeq: {cseq}\r\n\r\n"
    async with (
        ScriptedCamera(answers={"GET_PARAMETER": refusal}) as camera,
        playing(camera, media_timeout=200.0) as run,
    ):
        camera.send_unit(camera.key_frame())
        await run.sink.wait_for_units(1)
        await run.clock.advance(30.0)
        await camera.wait_for(lambda: camera.of("GET_PARAMETER"))
        while not len(camera.of("OPTIONS")) > 1:
            await run.clock.advance(30.0)
            await asyncio.sleep(0)
        assert len(camera.of("GET_PARAMETER")) == 1


async def test_a_forgotten_session_is_an_error() -> None:
    gone = "RTSP/1.0 454 Session Not Found\r\nCSeq: {cseq}\r\n\r\n"
    async with ScriptedCamera(answers={"GET_PARAMETER": gone}) as camera, playing(camera, media_timeout=100.0) as run:
        camera.send_unit(camera.key_frame())
        await run.sink.wait_for_units(1)
        await run.clock.advance(30.0)
        assert (await run.error()).message == f"camera 127.0.0.1:{camera.port} has forgotten the session"


async def test_a_redirect_is_followed_with_the_credentials() -> None:
    async with ScriptedCamera(authenticate=("MD5",)) as real, ScriptedCamera() as camera:
        camera.answers["DESCRIBE"] = f"RTSP/1.0 302 Moved\r\nCSeq: {{cseq}}\r\nLocation: {real.url}\r\n\r\n"
        run = Run(camera, **admin())
        await real.playing()
        real.send_unit(real.key_frame())
        await run.sink.wait_for_units(1)
        run.task.cancel()
        await asyncio.gather(run.task, return_exceptions=True)


async def test_another_host_never_gets_the_password_in_clear() -> None:
    async with ScriptedCamera(authenticate=("Basic",)) as real, ScriptedCamera() as camera:
        location = real.url.replace("127.0.0.1", "localhost")
        camera.answers["DESCRIBE"] = f"RTSP/1.0 301 Moved\r\nCSeq: {{cseq}}\r\nLocation: {location}\r\n\r\n"
        error = await Run(camera, **admin()).error()
        assert error.kind is ErrorKind.UNAUTHENTICATED
        assert not any("authorization" in request.headers for request in real.requests)


async def test_a_redirect_request_while_playing_is_followed() -> None:
    async with ScriptedCamera() as other, ScriptedCamera() as camera, playing(camera):
        camera.send(f"REDIRECT rtsp://x/ RTSP/1.0\r\nCSeq: 7\r\nLocation: {other.url}\r\n\r\n".encode())
        await other.playing()
        assert [request.url for request in camera.of("ANSWER")] == ["RTSP/1.0 200 OK"]


async def test_redirects_in_a_circle_end() -> None:
    async with ScriptedCamera() as camera:
        camera.answers["DESCRIBE"] = f"RTSP/1.0 302 Moved\r\nCSeq: {{cseq}}\r\nLocation: {camera.url}\r\n\r\n"
        assert (await Run(camera).error()).message == f"camera 127.0.0.1:{camera.port} redirects more than 5 times"


async def test_a_redirect_to_nowhere_is_said() -> None:
    async with ScriptedCamera() as camera:
        camera.answers["DESCRIBE"] = "RTSP/1.0 302 Moved\r\nCSeq: {cseq}\r\nLocation: http://u:p@x/\r\n\r\n"
        error = await Run(camera).error()
        assert error.kind is ErrorKind.UNAVAILABLE
        assert error.message == f"camera 127.0.0.1:{camera.port} redirects to nowhere: 'http://x/'"


async def test_a_new_sps_describes_the_stream_anew() -> None:
    async with ScriptedCamera() as camera, playing(camera) as run:
        camera.send_unit(camera.key_frame(0))
        camera.send_unit(camera.key_frame(3600, H264_LARGE_SPS))
        camera.send_unit(camera.key_frame(7200, H264_LARGE_SPS))
        await run.sink.wait_for_units(3)
        assert [(found.tracks[0].video.width, found.tracks[0].video.frame_rate) for found in run.sink.descriptions] == [
            (640, 29.97), (1920, 15.0)
        ]  # fmt: skip
        assert "profile-level-id=4D4028" in run.sink.descriptions[1].tracks[0].fmtp


async def test_without_sprop_the_stream_is_described_by_its_first_key_frame() -> None:
    async with ScriptedCamera(medias=[(VIDEO_WITHOUT_SPROP, "1")]) as camera, playing(camera) as run:
        camera.send_unit(camera.frame(0))
        camera.send_unit(camera.key_frame(3600))
        [unit] = await run.sink.wait_for_units(1)
        assert unit.keyframe
        [description] = run.sink.descriptions
        assert description.tracks[0].video.width == 640
        assert "sprop-parameter-sets=Z0LAHtkAoC" in description.tracks[0].fmtp


async def test_a_refused_audio_track_is_left_out() -> None:
    async with ScriptedCamera(medias=[(AUDIO, "1"), (VIDEO, "2")]) as camera:
        ok = camera._answer

        def answer(method: str, headers: dict[str, str]) -> str:
            if method == "SETUP" and len(camera.of("SETUP")) == 1:
                return "RTSP/1.0 461 Unsupported Transport\r\nCSeq: {cseq}\r\n\r\n"
            return ok(method, headers)

        camera._answer = answer  # type: ignore[method-assign]
        async with playing(camera) as run:
            camera.send_unit(camera.key_frame(), 0)
            await run.sink.wait_for_units(1)
        assert [track.encoding for track in run.sink.descriptions[0].tracks] == ["H264"]


async def test_refused_video_is_an_error() -> None:
    async with ScriptedCamera() as camera:
        camera.answers["SETUP"] = "RTSP/1.0 461 Unsupported Transport\r\nCSeq: {cseq}\r\n\r\n"
        error = await Run(camera).error()
        assert error.message == f"camera 127.0.0.1:{camera.port} answers SETUP with 461 Unsupported Transport"


async def test_a_backchannel_is_not_played() -> None:
    async with ScriptedCamera(medias=[(VIDEO, "1"), (AUDIO + "a=sendonly\r\n", "2")]) as camera:
        async with playing(camera):
            pass
        assert len(camera.of("SETUP")) == 1


async def test_an_sdp_without_media_is_an_error() -> None:
    async with ScriptedCamera(medias=[]) as camera:
        error = await Run(camera).error()
        assert error.kind is ErrorKind.UNAVAILABLE
        assert error.message == f"camera 127.0.0.1:{camera.port} can't be understood: the SDP describes no media"


async def test_a_closed_connection_is_an_error_at_once() -> None:
    async with ScriptedCamera() as camera, playing(camera) as run:
        camera.writers[-1].transport.abort()
        error = await run.error()
        assert error.kind is ErrorKind.UNAVAILABLE
        assert error.message.startswith(f"camera 127.0.0.1:{camera.port} closed the connection")


async def test_a_camera_that_falls_silent_is_noticed() -> None:
    async with ScriptedCamera() as camera, playing(camera) as run:
        camera.send_unit(camera.key_frame())
        await run.sink.wait_for_units(1)
        await run.clock.advance(6.0)
        assert (await run.error()).message == f"camera 127.0.0.1:{camera.port} has sent no media for 5 s"


async def test_a_camera_that_never_sends_is_noticed() -> None:
    async with ScriptedCamera() as camera, playing(camera) as run:
        await camera.wait_for(lambda: camera.reports)
        await run.clock.advance(9.0)
        assert not run.task.done()
        await run.clock.advance(1.0)
        assert (await run.error()).message == f"camera 127.0.0.1:{camera.port} has sent no media for 10 s"


async def test_a_teardown_that_is_not_answered_does_not_hold_us() -> None:
    async with ScriptedCamera(answers={"TEARDOWN": ""}) as camera:
        run = Run(camera)
        await camera.playing()
        run.task.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(run.task, return_exceptions=True)
        assert camera.of("TEARDOWN")


async def test_an_unreachable_camera_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        driver = RtspDriver(RtspSettings(main=f"rtsp://u:secret@127.0.0.1:{port}/"), driver_context())
        with pytest.raises(GatewayError, match=f"camera 127.0.0.1:{port} can't be reached") as caught:
            await driver.stream("main", RecordingSink())
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert "secret" not in str(caught.value)


async def test_a_camera_that_does_not_answer_is_given_up() -> None:
    async with ScriptedCamera(answers={"OPTIONS": ""}) as camera:
        error = await Run(camera, connect_timeout=1).error()
        assert error.message == f"camera 127.0.0.1:{camera.port} does not answer OPTIONS within 1 s"


async def test_sender_reports_give_the_time_and_are_answered() -> None:
    async with ScriptedCamera() as camera, playing(camera) as run:
        now = run.clock.utc_ns()
        report = rtcp.serialize([rtcp.SenderReport(0x1111, ntp.from_utc_ns(now - NS), 0, 1, 1)])
        camera.send(b"$\x01" + len(report).to_bytes(2, "big") + report)
        camera.send_unit(camera.key_frame(0))
        camera.send_unit(camera.frame(90_000))
        units = await run.sink.wait_for_units(2)
        assert abs(units[0].utc_ns - (now - NS)) <= 2
        assert abs(units[1].utc_ns - now) <= 2
        await camera.wait_for(lambda: camera.reports)
        camera.reports.clear()
        for _ in range(4):
            camera.send_unit(camera.frame(93_600))
            await run.sink.wait_for_units(3)
            await run.clock.advance(1.3)
        await camera.wait_for(lambda: camera.reports)
        channel, data = camera.reports[0]
        answer, name = rtcp.parse(data)
        [seen] = answer.reports
        assert channel == 1
        assert (seen.ssrc, seen.total_lost, seen.fraction_lost) == (0x1111, 0, 0)
        assert seen.last_report == ntp.middle(ntp.from_utc_ns(now - NS))
        assert seen.highest_sequence > 65_530
        assert name.cname == "gateway"


async def test_bye_ends_the_stream() -> None:
    async with ScriptedCamera() as camera, playing(camera) as run:
        bye = rtcp.serialize([rtcp.ReceiverReport(1), rtcp.Bye((0x1111,))])
        camera.send_unit(camera.key_frame())
        camera.send(b"$\x01" + len(bye).to_bytes(2, "big") + bye)
        await run.sink.wait_for_units(1)
        await run.clock.advance(1.0)
        assert (await run.error()).message == f"camera 127.0.0.1:{camera.port} ended the stream with RTCP BYE"


async def test_frames_without_marker_are_delivered_in_time() -> None:
    async with ScriptedCamera() as camera, playing(camera) as run:
        unit = camera.key_frame(0, size=100)
        data = bytearray(unit.packets.data)
        data[unit.packets.offsets[-1] + 5] &= 0x7F
        camera.send(bytes(data))
        while not run.sink.units:
            await run.clock.advance(0.005)
            await asyncio.sleep(0.001)
        assert run.sink.units[0].packets.data == bytes(data)


async def test_over_udp_only_the_camera_is_listened_to() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as evil,
    ):
        media.bind(("127.0.0.1", 0))
        evil.bind(("127.0.0.2", 0))
        async with ScriptedCamera(transport=lambda asked: f"{asked};server_port=6970-6971;ssrc= oops") as camera:
            async with playing(camera, transport="udp") as run:
                asked = camera.of("SETUP")[0].headers["transport"]
                port = int(asked.partition("client_port=")[2].partition("-")[0])
                assert port % 2 == 0
                evil.sendto(b"\x80\x60" + bytes(30), ("127.0.0.1", port))
                unit = camera.key_frame()
                for data in block.packets(unit.packets):
                    media.sendto(data, ("127.0.0.1", port))
                media.sendto(b"\x80\x60garbage", ("127.0.0.1", port))
                [received] = await run.sink.wait_for_units(1)
            assert received.packets.data == unit.packets.data


async def test_rtsps_with_a_certificate_of_the_cameras_own_making(tmp_path: Path) -> None:
    async with ScriptedCamera(tls=own_certificate(tmp_path)) as camera:
        error = await Run(camera).error()
        assert error.kind is ErrorKind.UNAVAILABLE
        assert "has a certificate that can't be verified: self-signed certificate" in error.message
        async with playing(camera, verify_certificate=False) as run:
            camera.send_unit(camera.key_frame())
            await run.sink.wait_for_units(1)


def own_certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "camera.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"main": "file:///x"}, f"camera address 'file:///x' {RIGHT}"),
        ({"main": "rtsp://u:p@/"}, f"camera address 'rtsp:///' {RIGHT}"),
        ({"main": "rtsp://x/a b"}, f"camera address 'rtsp://x/a b' {RIGHT}"),
        ({"main": "rtsp://x/", "transport": "sctp"}, "transport must be 'tcp', 'udp' or 'http', not 'sctp'"),
        ({"main": "rtsp://x/", "media_timeout": 0}, "media_timeout must be more than 0 seconds, not 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(GatewayError) as caught:
        RtspDriver(RtspSettings(**settings), driver_context())
    assert caught.value.message == message


async def test_it_says_nothing_of_the_camera_itself() -> None:
    driver: CameraDriver = RtspDriver(RtspSettings(main="rtsp://x/", sub="rtsp://x/sub"), driver_context())
    assert driver.profiles() == ("main", "sub")
    assert await driver.info() == CameraInfo()


class TestContract(DriverContract):
    """What every driver must do."""

    @pytest.fixture(autouse=True)
    async def camera(self) -> AsyncIterator[None]:
        async with ScriptedCamera() as camera:
            self.address = camera.url

            async def play() -> None:
                played = 0
                while True:
                    played += 1
                    await camera.playing(played)
                    for number in range(12):
                        camera.send_unit(camera.frame(number * 3600) if number else camera.key_frame())

            task = asyncio.create_task(play())
            yield
            task.cancel()

    def working(self) -> CameraDriver:
        return RtspDriver(RtspSettings(main=self.address), driver_context())

    def unreachable(self) -> CameraDriver:
        return RtspDriver(RtspSettings(main="rtsp://127.0.0.1:1/"), driver_context())
