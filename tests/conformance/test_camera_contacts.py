"""Relays and digital inputs of cameras, in DeviceIO and in the Device service, and every answer valid."""

from collections.abc import Callable

import pytest
from control_kit import ControlKit
from lxml import etree
from onvif_calls import Caller
from soap_kit import Kit

from gateway.domain.device_event import DeviceEventKind
from gateway.domain.writing import WriteKind, WritePolicy
from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.faults import SoapFault

Validate = Callable[[etree._Element], object]
RELAY = "RelayOutput_yard_1"
INPUT = "DigitalInput_yard_1"
PROPERTIES = "<tt:Mode>{}</tt:Mode><tt:DelayTime>PT{}S</tt:DelayTime><tt:IdleState>{}</tt:IdleState>"
SETTINGS = {
    "deviceio": '<tmd:RelayOutput token="{}"><tt:Properties>{}</tt:Properties></tmd:RelayOutput>',
    "device": "<tds:RelayOutputToken>{}</tds:RelayOutputToken><tds:Properties>{}</tds:Properties>",
}
STATE = "<tds:RelayOutputToken>{}</tds:RelayOutputToken><tds:LogicalState>{}</tds:LogicalState>"
"""In both services: DeviceIO takes the Device service's message."""


@pytest.fixture
async def kit() -> ControlKit:
    return await ControlKit().learn()


def callers(kit: ControlKit, validate: Validate) -> dict[str, Caller]:
    device = Kit().device
    device.contacts = kit.contacts
    return {
        "deviceio": Caller(DeviceIOService(kit.profiles, kit.contacts), validate),
        "device": Caller(device, validate),
    }


async def refusal(call: Caller, operation: str, request: str) -> tuple[str, ...]:
    with pytest.raises(SoapFault) as refused:
        await call(operation, request)
    return refused.value.subcodes


async def test_relays_are_listed_counted_and_described(kit: ControlKit, validate: Validate) -> None:
    services = callers(kit, validate)
    listed = [(await call("GetRelayOutputs"))["RelayOutputs"] for call in services.values()]
    assert listed[0] == listed[1]
    assert [relay["token"] for relay in listed[0]] == [RELAY]
    deviceio = services["deviceio"]
    assert deviceio.service.capabilities()["RelayOutputs"] == 1
    options = (await deviceio("GetRelayOutputOptions"))["RelayOutputOptions"]
    assert options == [
        {"token": RELAY, "Mode": ["Bistable", "Monostable"], "DelayTimes": [0.1, 120.0]},
    ]
    asked = f"<tmd:RelayOutputToken>{RELAY}</tmd:RelayOutputToken>"
    assert (await deviceio("GetRelayOutputOptions", asked))["RelayOutputOptions"] == options
    assert await refusal(deviceio, "GetRelayOutputOptions", asked.replace("yard", "door")) == (
        "InvalidArgVal",
        "RelayToken",
    )


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("idle", ["open", "closed"])
async def test_relays_are_set_and_switched(kit: ControlKit, validate: Validate, name: str, idle: str) -> None:
    call = callers(kit, validate)[name]

    def active() -> bool:
        return kit.camera._camera.contacts.states()[DeviceEventKind.RELAY]

    async def switch(state: str) -> None:
        await call("SetRelayOutputState", STATE.format(RELAY, state))

    for mode in ("Bistable", "Monostable"):
        settings = PROPERTIES.format(mode, 2, idle)
        await call("SetRelayOutputSettings", SETTINGS[name].format(RELAY, settings))
        properties = (await call("GetRelayOutputs"))["RelayOutputs"][0]["Properties"]
        assert (properties["Mode"], properties["IdleState"]) == (mode, idle)
        assert properties["DelayTime"].total_seconds() == 2
        await switch("active")
        assert active()
        await kit.clock.advance(2)
        assert active() is (mode == "Bistable")
        await switch("active")
        await switch("inactive")
        assert not active()
    assert await refusal(call, "SetRelayOutputState", STATE.format("ghost", "active")) == (
        "InvalidArgVal",
        "RelayToken",
    )
    unknown = SETTINGS[name].format("ghost", PROPERTIES.format("Bistable", 2, idle))
    assert await refusal(call, "SetRelayOutputSettings", unknown) == ("InvalidArgVal", "RelayToken")
    slow = SETTINGS[name].format(RELAY, PROPERTIES.format("Monostable", 999, idle))
    assert await refusal(call, "SetRelayOutputSettings", slow) == ("InvalidArgVal", "ModeError")


async def test_digital_inputs(kit: ControlKit, validate: Validate) -> None:
    call = callers(kit, validate)["deviceio"]
    assert (await call("GetDigitalInputs"))["DigitalInputs"] == [{"token": INPUT, "IdleState": "open"}]
    assert call.service.capabilities()["DigitalInputs"] == 1
    asked = f"<tmd:Token>{INPUT}</tmd:Token>"
    options = (await call("GetDigitalInputConfigurationOptions", asked))["DigitalInputOptions"]
    assert options == {"IdleState": ["closed", "open"]}
    change = '<tmd:DigitalInputs token="{}" IdleState="closed"/>'
    await call("SetDigitalInputConfigurations", change.format(INPUT))
    assert (await call("GetDigitalInputs"))["DigitalInputs"] == [{"token": INPUT, "IdleState": "closed"}]
    assert kit.audit == [
        ("admin", "SetDigitalInputConfigurations", f"{INPUT}: idle_state open -> closed: applied"),
    ]
    assert await refusal(call, "SetDigitalInputConfigurations", change.format("ghost")) == ("InvalidArgVal", "NoConfig")


async def test_what_a_client_switches_off_without_being_asked(validate: Validate) -> None:
    kit = await ControlKit({WriteKind.RELAYS: WritePolicy.IGNORE, WriteKind.DIGITAL_INPUTS: WritePolicy.REFUSE}).learn()
    call = callers(kit, validate)["deviceio"]
    await call("SetRelayOutputState", STATE.format(RELAY, "active"))
    assert not kit.camera._camera.contacts.states()[DeviceEventKind.RELAY]
    assert kit.audit == [("admin", "SetRelayOutputState", f"{RELAY}: to active: ignored")]
    change = f'<tmd:DigitalInputs token="{INPUT}" IdleState="closed"/>'
    assert await refusal(call, "SetDigitalInputConfigurations", change) == ("OperationProhibited",)
