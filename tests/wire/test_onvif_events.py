"""Events of ONVIF cameras by pull point."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from peers.scripted_camera import ScriptedCamera
from peers.scripted_onvif import NOW, PASSWORD, USER, FaultError, ScriptedOnvif, notification

from gateway.domain.access import Secret
from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.testing.clock import FakeClock
from gateway.testing.drivers import RecordingSink, driver_context
from gateway_onvif.driver import OnvifDriver, OnvifSettings

MOVING = '<tt:SimpleItem Name="State" Value="{}"/>'
SOURCE = '<tt:SimpleItem Name="Source" Value="source"/>'


def driver(camera: ScriptedOnvif, **more: Any) -> OnvifDriver:
    settings = OnvifSettings(camera.address, username=USER, password=Secret(PASSWORD), **more)
    return OnvifDriver(settings, driver_context(FakeClock(int(NOW.timestamp()) * 1_000_000_000)))


@contextlib.asynccontextmanager
async def listening(camera: ScriptedOnvif, **settings: Any) -> AsyncIterator["asyncio.Queue[DeviceEvent]"]:
    told = asyncio.Queue[DeviceEvent]()
    task = asyncio.create_task(driver(camera, **settings).events(told.put_nowait))
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def heard(told: "asyncio.Queue[DeviceEvent]", count: int) -> list[tuple[DeviceEventKind, bool, str]]:
    async with asyncio.timeout(30):
        found = [await told.get() for _ in range(count)]
    return [(event.kind, event.on, event.name) for event in found]


@pytest.mark.parametrize("auth", ["none", "digest", "token"])
async def test_events_are_pulled_renewed_and_given_back(auth: str) -> None:
    async with ScriptedOnvif(auth=auth, authority="192.168.7.7") as camera:
        async with listening(camera) as told:
            camera.notifications.put_nowait(
                notification("tns1:VideoSource/MotionAlarm", SOURCE, MOVING.format("true"), "Initialized")
                + notification("tns1:VideoSource/tns1:ImageTooDark/ImagingService", SOURCE, MOVING.format("0"))
                + notification("tns1:Something/Else", SOURCE, MOVING.format("true"))
                + "<wsnt:NotificationMessage/>"
            )
            camera.notifications.put_nowait(
                notification(
                    "tns1:RuleEngine/CellMotionDetector/Motion",
                    '<tt:SimpleItem Name="VideoSourceConfigurationToken" Value="v"/>'
                    '<tt:SimpleItem Name="Rule" Value="r"/>',
                    '<tt:SimpleItem Name="Count" Value="7"/><tt:SimpleItem Name="IsMotion" Value="true"/>',
                )
                + notification(
                    "tns1:Device/Trigger/DigitalInput",
                    '<tt:SimpleItem Name="InputToken" Value="in1"/>',
                    '<tt:SimpleItem Name="LogicalState" Value="true"/>',
                )
                + notification(
                    "tns1:Device/Trigger/Relay",
                    '<tt:SimpleItem Name="RelayToken" Value="r1"/>',
                    '<tt:SimpleItem Name="LogicalState" Value="active"/>',
                )
                + notification("tns1:VideoSource/MotionAlarm", SOURCE, "", "Deleted")
            )
            assert await heard(told, 6) == [
                (DeviceEventKind.MOTION, True, "VideoSource/MotionAlarm/"),
                (DeviceEventKind.DARK, False, ""),
                (DeviceEventKind.MOTION, True, "RuleEngine/CellMotionDetector/Motion/r"),
                (DeviceEventKind.DIGITAL_INPUT, True, "in1"),
                (DeviceEventKind.RELAY, True, "r1"),
                (DeviceEventKind.MOTION, False, "VideoSource/MotionAlarm/"),
            ]
        assert camera.asked.count("CreatePullPointSubscription") == 1
        assert camera.asked.count("Renew") >= 1
        assert camera.asked[-1] == "Unsubscribe"
        assert camera.refused == 0


@pytest.mark.parametrize(
    ("settings", "heard_of"),
    [({}, ["in1", "in2", ""]), ({"source": "other"}, [""]), ({"source": "other", "contacts": ("in2",)}, ["in2", ""])],
)
async def test_inputs_of_a_device_with_several_channels_are_heard_by_one(
    settings: dict[str, Any], heard_of: list[str]
) -> None:
    profiles = [("a", "source", "H264", 640, 360), ("b", "other", "H264", 640, 360)]
    async with ScriptedOnvif(profiles=profiles) as camera, listening(camera, **settings) as told:
        for token in ("in1", "in2"):
            contact = f'<tt:SimpleItem Name="InputToken" Value="{token}"/>'
            state = '<tt:SimpleItem Name="LogicalState" Value="true"/>'
            camera.notifications.put_nowait(notification("tns1:Device/Trigger/DigitalInput", contact, state))
        source = settings.get("source", "source")
        dark = f'<tt:SimpleItem Name="Source" Value="{source}"/>'
        camera.notifications.put_nowait(
            notification("tns1:VideoSource/ImageTooDark/ImagingService", dark, MOVING.format("true"))
        )
        assert [name for _, _, name in await heard(told, len(heard_of))] == heard_of


async def test_events_of_the_other_sources_of_a_device_are_not_ours() -> None:
    profiles = [("a", "source", "H264", 640, 360), ("b", "other", "H264", 640, 360)]
    async with ScriptedOnvif(profiles=profiles) as camera, listening(camera) as told:
        other = '<tt:SimpleItem Name="Source" Value="other"/>'
        strange = '<tt:SimpleItem Name="Source" Value="0"/>'
        for source in (other, SOURCE, strange):
            camera.notifications.put_nowait(notification("tns1:VideoSource/MotionAlarm", source, MOVING.format("true")))
        camera.notifications.put_nowait(notification("tns1:VideoSource/GlobalSceneChange/X", other, MOVING.format("1")))
        camera.notifications.put_nowait(
            notification("tns1:VideoSource/GlobalSceneChange/X", SOURCE, MOVING.format("1"))
        )
        assert [kind for kind, _, _ in await heard(told, 3)] == ["motion", "motion", "scene"]


@pytest.mark.parametrize(
    ("camera", "kind", "sentence"),
    [
        (ScriptedOnvif(services=("tds", "trt")), ErrorKind.UNSUPPORTED, "has no Event service"),
        (
            ScriptedOnvif(faults={"CreatePullPointSubscription": FaultError("Receiver", "ter:ActionNotSupported")}),
            ErrorKind.UNSUPPORTED,
            "gives no events: No. (Receiver/ActionNotSupported)",
        ),
        (
            ScriptedOnvif(faults={"PullMessages": FaultError("Receiver", "wsrf-rw:ResourceUnknownFault")}),
            ErrorKind.UNAVAILABLE,
            "gives no events: No. (Receiver/ResourceUnknownFault)",
        ),
    ],
)
async def test_a_camera_without_events_says_so(camera: ScriptedOnvif, kind: ErrorKind, sentence: str) -> None:
    async with camera:
        with pytest.raises(GatewayError) as caught:
            await driver(camera).events(lambda _: None)
    assert (caught.value.kind, caught.value.message.endswith(sentence)) == (kind, True)


async def test_a_camera_that_knows_no_renew_is_asked_on() -> None:
    unknown = FaultError("Receiver", "ter:ActionNotSupported", status=500)
    async with ScriptedOnvif(faults={"Renew": unknown}) as camera, listening(camera) as told:
        for _ in range(3):
            camera.notifications.put_nowait(notification("tns1:VideoSource/MotionAlarm", SOURCE, MOVING.format("true")))
        assert len(await heard(told, 3)) == 3
        assert camera.asked.count("Renew") == 1


async def test_a_stream_follows_a_change_that_the_camera_tells_of() -> None:
    async with ScriptedCamera() as media, ScriptedOnvif(stream_uri=f"rtsp://h:{media.port}/{{token}}") as camera:
        onvif, sink = driver(camera), RecordingSink()
        playing = asyncio.create_task(onvif.stream("main", sink))
        await media.playing()
        told = asyncio.Queue[DeviceEvent]()
        events = asyncio.create_task(onvif.events(told.put_nowait))
        changed = notification("tns1:Media/ConfigurationChanged", "", "")
        camera.notifications.put_nowait(
            changed + notification("tns1:VideoSource/MotionAlarm", SOURCE, MOVING.format("1"))
        )
        await heard(told, 1)
        assert not playing.done()  # it was described anew, as it is
        camera.profiles = [("main", "source", "H264", 1280, 720)]
        camera.notifications.put_nowait(changed)
        with pytest.raises(GatewayError, match=r"was changed: main is 'main' \(H264 1280x720\) now"):
            async with asyncio.timeout(30):
                await playing
        events.cancel()
        await asyncio.gather(events, return_exceptions=True)
