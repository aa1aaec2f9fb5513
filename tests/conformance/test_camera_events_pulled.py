"""What cameras tell arrives at pull points, on ONVIF's topics, with the tokens of the other services."""

from collections.abc import Callable
from typing import Any

import pytest
from broker_kit import broker_operations
from conformance.test_events_soap import PULL, SET, TEV, TNS1, Device
from services.test_camera_events import listening
from soap_kit import Kit, body_of

from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.onvif.codec import Codec
from gateway.onvif.contract import load_contract
from gateway.onvif.events import EventService
from gateway.services.subscriptions import Subscriptions

Validate = Callable[..., dict[str, Any]]
PICTURE = ("Source", "VideoSource_door")
TOLD = {
    DeviceEventKind.MOTION: ("VideoSource/MotionAlarm", PICTURE, "State", ("true", "false")),
    DeviceEventKind.DARK: ("VideoSource/ImageTooDark/ImagingService", PICTURE, "State", ("true", "false")),
    DeviceEventKind.BRIGHT: ("VideoSource/ImageTooBright/ImagingService", PICTURE, "State", ("true", "false")),
    DeviceEventKind.BLURRED: ("VideoSource/ImageTooBlurry/ImagingService", PICTURE, "State", ("true", "false")),
    DeviceEventKind.SCENE: ("VideoSource/GlobalSceneChange/ImagingService", PICTURE, "State", ("true", "false")),
    DeviceEventKind.DIGITAL_INPUT: (
        "Device/Trigger/DigitalInput",
        ("InputToken", "DigitalInput_door_1"),
        "LogicalState",
        ("true", "false"),
    ),
    DeviceEventKind.RELAY: (
        "Device/Trigger/Relay",
        ("RelayToken", "RelayOutput_door_1"),
        "LogicalState",
        ("active", "inactive"),
    ),
}


async def no_post(_url: str, _data: bytes, _client: str) -> None:
    raise AssertionError("nobody subscribed")


@pytest.mark.parametrize("kind", TOLD)
async def test_a_pull_point_hears_it(validate: Validate, kind: DeviceEventKind) -> None:
    topic, source, item, values = TOLD[kind]
    async with listening() as scene:
        contract, clock = load_contract(), scene.clock
        codec = Codec(contract)
        brokers = broker_operations(scene.bus, codec, clock)
        service = EventService(scene.bus, Subscriptions(scene.bus, clock), contract, codec, no_post, clock, brokers)
        device = Device(Kit([service]), scene.bus, clock)
        create = f"""<CreatePullPointSubscription xmlns="{TEV}"><Filter>
            <n:TopicExpression xmlns:n="http://docs.oasis-open.org/wsn/b-2" xmlns:tns1="{TNS1}"
            Dialect="{SET}">tns1:{topic}</n:TopicExpression></Filter></CreatePullPointSubscription>"""
        made = await device.post("/onvif/event_service", create)
        address = body_of(made.body).findtext(".//{*}Address").removeprefix("http://nvr.example:8080")
        for on in (True, False):
            scene.camera.tell(DeviceEvent(kind, on=on, name="1"))
        answer = await device.post(address, PULL)
        validate(answer.body, "PullMessages")
        messages = list(body_of(answer.body).iter("{*}NotificationMessage"))
        assert [message.findtext("{*}Topic") for message in messages] == [f"tns1:{topic}"] * 2
        for message, value in zip(messages, values, strict=True):
            [told] = message.iter("{http://www.onvif.org/ver10/schema}Message")
            [key], [data] = told.find("{*}Source"), told.find("{*}Data")
            assert told.get("PropertyOperation") in ("Initialized", "Changed")
            assert (key.get("Name"), key.get("Value")) == source
            assert (data.get("Name"), data.get("Value")) == (item, value)
