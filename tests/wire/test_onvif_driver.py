"""The ONVIF driver against cameras as odd as real ones."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from peers.scripted_camera import ScriptedCamera
from peers.scripted_onvif import NOW, PASSWORD, USER, FaultError, ScriptedOnvif

from gateway.domain.access import Secret
from gateway.domain.camera import CameraInfo
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.protocols.soap.envelope import SoapVersion
from gateway.testing.clock import FakeClock
from gateway.testing.drivers import RecordingSink, driver_context
from gateway_onvif.capabilities import names_of
from gateway_onvif.description import Description
from gateway_onvif.driver import OnvifDriver, OnvifSettings


def driver(camera: ScriptedOnvif, *, password: str | None = PASSWORD, **settings: Any) -> OnvifDriver:
    settings = {
        "address": camera.address,
        "username": USER,
        "password": Secret(password) if password is not None else None,
    } | settings
    clock = FakeClock(int(NOW.timestamp()) * 1_000_000_000)
    return OnvifDriver(OnvifSettings(**settings), driver_context(clock))


async def described(camera: ScriptedOnvif, **settings: Any) -> Description:
    async with camera:
        return await driver(camera, **settings).describe()


async def error_of(camera: ScriptedOnvif, **settings: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await described(camera, **settings)
    return caught.value


async def test_a_camera_is_described_by_media2() -> None:
    camera = ScriptedOnvif()
    found = await described(camera)
    assert found.info == CameraInfo("Acme", "Eye 3", "1.2", "A7", "h")
    assert (found.main.profile.token, found.main.url) == ("big", "rtsp://127.0.0.1:554/big")
    assert (found.sub.profile.token, found.sub.url) == ("small", "rtsp://127.0.0.1:554/small")
    assert (found.login, found.clock_offset, camera.refused) == ("HTTP Digest", 0.0, 0)
    assert camera.asked == [
        "GetSystemDateAndTime", "GetServices", "GetDeviceInformation", "GetProfiles", "GetStreamUri", "GetStreamUri"
    ]  # fmt: skip


async def test_a_camera_that_is_inspected_tells_its_time_anew_and_what_it_has() -> None:
    async with ScriptedOnvif() as camera:
        onvif = driver(camera)
        await onvif.describe()
        asked = len(camera.asked)
        camera.offset = 77.0
        found = await onvif.inspect()
        assert (found.info.serial, found.clock_offset) == ("A7", 77.0)
        assert found.capabilities == ("Events", "Media", "Media2")
        assert dict(found.facts)["clock"] == "off by 77 s"
        assert camera.asked[asked:] == ["GetSystemDateAndTime"]


def test_a_camera_that_lets_its_recordings_be_fetched_has_profile_g() -> None:
    recording = [f"http://www.onvif.org/ver10/{name}/wsdl" for name in ("recording", "search", "replay")]
    assert names_of([*recording, "urn:other"]) == ("Profile G", "Recording", "Replay", "Search")
    assert names_of(recording[:2]) == ("Recording", "Search")


@pytest.mark.parametrize(
    ("auth", "login"),
    [
        ("none", "none"),
        ("digest", "HTTP Digest"),
        ("sha", "HTTP Digest"),
        ("token", "WS-UsernameToken"),
        ("basic", "WS-UsernameToken"),
    ],
)
@pytest.mark.parametrize("offset", [0.0, -400.0, 90_000.0])
async def test_a_camera_is_logged_in_to_as_it_asks_without_a_wrong_attempt(
    auth: str, login: str, offset: float
) -> None:
    camera = ScriptedOnvif(auth=auth, offset=offset)
    found = await described(camera)
    assert (found.login, camera.refused, found.clock_offset) == (login, 0, offset)


async def test_a_camera_that_hides_its_time_is_logged_in_to_all_the_same() -> None:
    camera = ScriptedOnvif(locked_time=True)
    assert (await described(camera)).login == "HTTP Digest"
    assert camera.refused == 0


@pytest.mark.parametrize("auth", ["digest", "sha", "token"])
async def test_a_wrong_password_costs_one_attempt_until_a_minute_has_passed(auth: str) -> None:
    async with ScriptedOnvif(auth=auth) as camera:
        onvif = driver(camera, password="wrong")
        for _ in range(3):
            with pytest.raises(GatewayError, match="refuses user 'admin' or the password") as caught:
                await onvif.info()
            assert caught.value.kind is ErrorKind.UNAUTHENTICATED
        assert camera.refused == 1
        clock = onvif.context.clock
        assert isinstance(clock, FakeClock)
        for pause, attempts in ((60, 2), (60, 2), (60, 3)):
            await clock.advance(pause)
            with pytest.raises(GatewayError):
                await onvif.info()
            assert camera.refused == attempts


async def test_a_refused_token_and_a_wrong_clock_are_told_together() -> None:
    error = await error_of(ScriptedOnvif(auth="token", offset=-400), password="wrong")
    assert error.message.endswith("refuses user 'admin' or the password; its clock is off by -400 s")


async def test_a_camera_that_asks_for_a_login_that_is_not_set() -> None:
    error = await error_of(ScriptedOnvif(), username="", password=None)
    assert error.kind is ErrorKind.UNAUTHENTICATED
    assert error.message.endswith("asks for a user and password; none is set")


@pytest.mark.parametrize("authority", ["192.168.1.64", "192.168.1.64:80", "camera.invalid:8000", "0.0.0.0:1"])
async def test_services_and_streams_are_asked_where_the_camera_was_reached(authority: str) -> None:
    found = await described(ScriptedOnvif(authority=authority))
    assert found.main.url == "rtsp://127.0.0.1:554/big"


async def test_credentials_in_a_stream_address_are_left_out() -> None:
    found = await described(ScriptedOnvif(stream_uri="rtsp://root:pass@10.0.0.1:8554/{token}?a=b"))
    assert found.main.url == "rtsp://127.0.0.1:8554/big?a=b"


@pytest.mark.parametrize(
    "settings",
    [
        {"services": ("tds", "trt")},
        {"faults": {"GetServices": FaultError("Receiver", "ter:ActionNotSupported", status=500)}},
        {"services": ("tds", "trt"), "version": SoapVersion.V11},
        {
            "version": SoapVersion.V11,
            "faults": {"GetServices": FaultError("Receiver", "ter:ActionNotSupported", status=500)},
        },
    ],
)
async def test_an_old_camera_is_described_by_media1(settings: dict[str, Any]) -> None:
    found = await described(ScriptedOnvif(**settings))
    assert (found.main.profile.token, found.sub.profile.token) == ("big", "small")
    assert (found.main.profile.frame_rate, found.main.profile.bitrate) == (25, 2048)


async def test_profiles_are_those_of_one_source_and_may_be_named() -> None:
    profiles = [("a", "one", "H264", 640, 360), ("b", "two", "H264", 1920, 1080), ("c", "two", "H265", 640, 360)]
    first = await described(ScriptedOnvif(profiles=profiles))
    assert (first.main.profile.token, first.sub.profile.token) == ("a", "a")
    for source in ("two", "2"):
        second = await described(ScriptedOnvif(profiles=profiles), source=source)
        assert (second.main.profile.token, second.sub.profile.token) == ("b", "c")
    third = await described(ScriptedOnvif(profiles=profiles), source="two", main_profile="c", sub_profile="a")
    assert (third.main.profile.token, third.sub.profile.token) == ("c", "a")
    error = await error_of(ScriptedOnvif(profiles=profiles), source="three")
    assert error.message.endswith("has no video source 'three'; it has 'one', 'two'")
    error = await error_of(ScriptedOnvif(profiles=profiles), main_profile="x")
    assert error.message.endswith("has no profile 'x'; it has 'a', 'b', 'c'")


async def test_a_camera_without_a_codec_that_can_be_played() -> None:
    error = await error_of(ScriptedOnvif(services=("tds", "trt"), profiles=[("a", "s", "MPEG4", 640, 480)]))
    assert error.kind is ErrorKind.UNSUPPORTED
    assert error.message.endswith("has no profile with H.264, H.265 or JPEG; its profiles are: 'a' (MPEG4 640x480)")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda: web.Response(text="<html>Login</html>"), "answers with HTTP status 200 and no SOAP at "),
        (lambda: web.Response(status=404), "knows no ONVIF service at "),
        (lambda: web.Response(status=403), "forbids user 'admin' to ask at "),
        (lambda: web.Response(body=b"\x00\xff" * 50), "answers with HTTP status 200 and no SOAP at "),
        (lambda: web.Response(body=b"<" * 3_000_000), "answers with more than 2097152 bytes"),
        (lambda: web.Response(body=b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), "no SOAP at "),
        (
            lambda: web.Response(status=302, headers={"Location": "https://c/"}),
            "sends us to https://c/; use that address",
        ),
    ],
)
async def test_what_is_no_onvif_is_told_in_plain_words(answer: Any, sentence: str) -> None:
    error = await error_of(ScriptedOnvif(raw={"GetDeviceInformation": answer}))
    assert sentence in error.message


async def test_a_fault_is_told_with_its_reason() -> None:
    fault = FaultError("Receiver", "ter:Action", "ter:Busy", reason="Try later", status=500)
    error = await error_of(ScriptedOnvif(faults={"GetDeviceInformation": fault}))
    assert error.message.endswith("answers with a fault: Try later (Receiver/Action/Busy)")


async def test_a_camera_that_never_answers_is_given_up() -> None:
    error = await error_of(ScriptedOnvif(hang={"GetProfiles"}), connect_timeout=1.0)
    assert (error.kind, error.message.partition(" does ")[2]) == (ErrorKind.UNAVAILABLE, "not answer within 1 s")


async def test_a_closed_port_and_another_protocol() -> None:
    async def banter(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    server = await asyncio.start_server(banter, "127.0.0.1", 0)
    camera = ScriptedOnvif()
    camera.port = server.sockets[0].getsockname()[1]
    with pytest.raises(GatewayError, match="does not answer in HTTP: is this the port of ONVIF"):
        await driver(camera).info()
    server.close()
    await server.wait_closed()
    with pytest.raises(GatewayError, match="can't be reached: ") as caught:
        await driver(camera).info()
    assert caught.value.kind is ErrorKind.UNAVAILABLE


@contextlib.asynccontextmanager
async def whole_camera(**settings: Any) -> AsyncIterator[tuple[ScriptedOnvif, ScriptedCamera]]:
    async with ScriptedCamera(authenticate=("MD5",)) as media:
        uri = f"rtsp://10.1.2.3:{media.port}/{{token}}"
        async with ScriptedOnvif(stream_uri=uri, **settings) as camera:
            yield camera, media


async def test_its_streams_play_and_it_is_described_anew_after_a_loss() -> None:
    async with whole_camera() as (camera, media):
        onvif, sink = driver(camera), RecordingSink()
        await onvif.info()
        task = asyncio.create_task(onvif.stream("sub", sink))
        await media.playing()
        media.send_unit(media.key_frame(0))
        await sink.wait_for_units(1)
        assert camera.asked.count("GetProfiles") == 1
        assert media.of("PLAY")[0].url.startswith(f"rtsp://127.0.0.1:{media.port}/small")
        media.writers[-1].transport.abort()
        with pytest.raises(GatewayError, match="closed the connection"):
            await task
        camera.profiles = [("other", "source", "H264", 1280, 720)]
        task = asyncio.create_task(onvif.stream("sub", sink))
        await media.playing(2)
        assert media.of("PLAY")[1].url.startswith(f"rtsp://127.0.0.1:{media.port}/other")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
