"""PTZ: heads only where there are heads, each movement in its range, and every answer valid."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from control_kit import ControlKit
from lxml import etree
from onvif_calls import Caller

from gateway.domain.errors import GatewayError
from gateway.domain.ptz import SPEED_PAN_TILT
from gateway.domain.writing import WriteKind, WritePolicy
from gateway.onvif.faults import SoapFault
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.ptz import PtzService

Validate = Callable[[etree._Element], object]
PROFILE = "<tptz:ProfileToken>yard_main</tptz:ProfileToken>"
MOVE = '<tptz:{}><tt:PanTilt x="{}" y="{}"/><tt:Zoom x="{}"/></tptz:{}>'


class Device:
    def __init__(self, kit: ControlKit, validate: Validate) -> None:
        self.kit = kit
        self.call = Caller(PtzService(kit.profiles, kit.access, kit.clock), validate)
        self.media = Caller(MediaService(kit.profiles), validate)
        self.media2 = Caller(Media2Service(kit.profiles), validate)

    async def place(self) -> tuple[float, float, float]:
        status = (await self.call("GetStatus", PROFILE))["PTZStatus"]
        position = status["Position"]
        return position["PanTilt"]["x"], position["PanTilt"]["y"], position["Zoom"]["x"]

    async def refusal(self, operation: str, request: str = PROFILE) -> tuple[str, ...]:
        with pytest.raises(SoapFault) as refused:
            await self.call(operation, request)
        return refused.value.subcodes


@pytest.fixture
async def device(validate: Validate) -> Device:
    return Device(await ControlKit().learn(), validate)


def vector(name: str, x: float, y: float, zoom: float) -> str:
    return MOVE.format(name, x, y, zoom, name)


async def test_nodes_and_configurations_belong_together(device: Device) -> None:
    nodes = (await device.call("GetNodes"))["PTZNode"]
    configurations = (await device.call("GetConfigurations"))["PTZConfiguration"]
    assert [node["token"] for node in nodes] == ["PTZNode_yard"]
    assert [each["NodeToken"] for each in configurations] == ["PTZNode_yard"]
    node = "<tptz:NodeToken>PTZNode_yard</tptz:NodeToken>"
    assert (await device.call("GetNode", node))["PTZNode"] == nodes[0]
    token = "<tptz:PTZConfigurationToken>PTZConfiguration_yard</tptz:PTZConfigurationToken>"
    assert (await device.call("GetConfiguration", token))["PTZConfiguration"] == configurations[0]
    for either in ("PTZConfiguration_yard", "PTZNode_yard"):
        asked = f"<tptz:ConfigurationToken>{either}</tptz:ConfigurationToken>"
        options = (await device.call("GetConfigurationOptions", asked))["PTZConfigurationOptions"]
        assert options["Spaces"] == nodes[0]["SupportedPTZSpaces"]
    assert (await device.call("GetCompatibleConfigurations", PROFILE))["PTZConfiguration"] == configurations
    other = PROFILE.replace("yard", "door")
    assert (await device.call("GetCompatibleConfigurations", other))["PTZConfiguration"] == []
    assert await device.refusal("GetNode", node.replace("yard", "door")) == ("InvalidArgVal", "NoEntity")
    assert await device.refusal("GetConfiguration", token.replace("yard", "door")) == ("InvalidArgVal", "NoConfig")
    assert device.call.service.capabilities()["MoveStatus"]


async def test_only_profiles_of_cameras_with_a_head_have_one(device: Device) -> None:
    listed = (await device.media("GetProfiles"))["Profiles"]
    assert [p["token"] for p in listed if "PTZConfiguration" in p] == ["yard_main", "yard_sub"]
    types = "<tr2:Type>All</tr2:Type>"
    listed = (await device.media2("GetProfiles", types))["Profiles"]
    assert [p["token"] for p in listed if "PTZ" in p["Configurations"]] == ["yard_main", "yard_sub"]
    supported = device.media2.service.capabilities()["ProfileCapabilities"]["ConfigurationsSupported"]
    assert "PTZ" in supported
    assert await device.refusal("GetStatus", PROFILE.replace("yard", "door")) == ("InvalidArgVal", "NoPTZProfile")
    assert await device.refusal("GetStatus", PROFILE.replace("yard", "moon")) == ("InvalidArgVal", "NoProfile")


async def test_a_head_is_added_to_a_profile_and_removed(device: Device) -> None:
    made = await device.media("CreateProfile", "<trt:Name>mine</trt:Name><trt:Token>mine</trt:Token>")
    assert made["Profile"]["token"] == "mine"
    mine = "<trt:ProfileToken>mine</trt:ProfileToken>"
    head = "<trt:ConfigurationToken>PTZConfiguration_yard</trt:ConfigurationToken>"
    await device.media("AddPTZConfiguration", mine + head)
    assert (await device.media("GetProfile", mine))["Profile"]["PTZConfiguration"]["token"] == "PTZConfiguration_yard"
    await device.media("RemovePTZConfiguration", mine)
    assert "PTZConfiguration" not in (await device.media("GetProfile", mine))["Profile"]
    asked = "<tr2:ProfileToken>mine</tr2:ProfileToken><tr2:Configuration><tr2:Type>PTZ</tr2:Type>{}</tr2:Configuration>"
    await device.media2("AddConfiguration", asked.format("<tr2:Token>PTZConfiguration_yard</tr2:Token>"))
    assert (await device.call("GetStatus", PROFILE.replace("yard_main", "mine")))["PTZStatus"]
    await device.media2("RemoveConfiguration", asked.format(""))
    assert await device.refusal("GetStatus", PROFILE.replace("yard_main", "mine")) == ("InvalidArgVal", "NoPTZProfile")


async def test_movements_arrive_at_the_camera(device: Device) -> None:
    clock = device.kit.clock
    speed = vector("Speed", 1, 0.5, 1)
    await device.call("AbsoluteMove", PROFILE + vector("Position", 0.5, -0.25, 0.5) + speed)
    assert (await device.call("GetStatus", PROFILE))["PTZStatus"]["MoveStatus"] == {
        "PanTilt": "MOVING",
        "Zoom": "MOVING",
    }
    await clock.advance(10)
    assert await device.place() == (0.5, -0.25, 0.5)
    await device.call("RelativeMove", PROFILE + vector("Translation", -0.25, 0.25, 0.25))
    await clock.advance(10)
    assert await device.place() == (0.25, 0.0, 0.75)
    await device.call("ContinuousMove", PROFILE + vector("Velocity", -9, 0, 0) + "<tptz:Timeout>PT1S</tptz:Timeout>")
    await clock.advance(10)
    assert await device.place() == (-0.25, 0.0, 0.75)
    await device.call("ContinuousMove", PROFILE + vector("Velocity", 1, 0, -1))
    await clock.advance(0.5)
    await device.call("Stop", PROFILE + "<tptz:Zoom>true</tptz:Zoom>")
    await clock.advance(0.5)
    assert await device.place() == (0.25, 0.0, 0.625)
    await device.call("Stop", PROFILE)
    await clock.advance(5)
    assert await device.place() == (0.25, 0.0, 0.625)


async def test_movements_out_of_range_or_in_strange_spaces(device: Device) -> None:
    assert await device.refusal("AbsoluteMove", PROFILE + vector("Position", 3, 0, 0)) == (
        "InvalidArgVal",
        "InvalidPosition",
    )
    far = PROFILE + vector("Translation", 0, -3, 0)
    assert await device.refusal("RelativeMove", far) == ("InvalidArgVal", "InvalidTranslation")
    strange = PROFILE + vector("Position", 0, 0, 0).replace('y="0"', 'y="0" space="urn:strange"')
    assert await device.refusal("AbsoluteMove", strange) == ("InvalidArgVal", "SpaceNotSupported")
    nothing = PROFILE + "<tptz:Position/>"
    assert await device.refusal("AbsoluteMove", nothing) == ("InvalidArgVal",)


async def test_presets_home_and_auxiliary_commands(device: Device) -> None:
    clock = device.kit.clock
    made = (await device.call("SetPreset", PROFILE + "<tptz:PresetName>gate</tptz:PresetName>"))["PresetToken"]
    await device.call("AbsoluteMove", PROFILE + vector("Position", 1, 0, 0))
    await clock.advance(10)
    await device.call("SetHomePosition", PROFILE)
    preset = f"<tptz:PresetToken>{made}</tptz:PresetToken>"
    await device.call("GotoPreset", PROFILE + preset)
    await clock.advance(10)
    assert await device.place() == (0.0, 0.0, 0.0)
    await device.call("GotoHomePosition", PROFILE)
    await clock.advance(10)
    assert await device.place() == (1.0, 0.0, 0.0)
    listed = (await device.call("GetPresets", PROFILE))["Preset"]
    assert [(each["token"], each["Name"]) for each in listed] == [(made, "gate")]
    await device.call("RemovePreset", PROFILE + preset)
    assert (await device.call("GetPresets", PROFILE))["Preset"] == []
    assert await device.refusal("GotoPreset", PROFILE + preset) == ("InvalidArgVal", "NoToken")
    assert await device.refusal("RemovePreset", PROFILE + preset) == ("InvalidArgVal", "NoToken")
    lamp = "<tptz:AuxiliaryData>tt:IRLamp|On</tptz:AuxiliaryData>"
    assert (await device.call("SendAuxiliaryCommand", PROFILE + lamp))["AuxiliaryResponse"] == "tt:IRLamp|On"
    assert await device.refusal("SendAuxiliaryCommand", PROFILE + lamp.replace("Lamp", "Cannon")) == (
        "ActionNotSupported",
    )
    assert [(operation, detail) for _, operation, detail in device.kit.audit] == [
        ("SetPreset", "PTZNode_yard: preset new named 'gate': applied"),
        ("SetHomePosition", "PTZNode_yard: home: applied"),
        ("RemovePreset", f"PTZNode_yard: preset {made}: applied"),
        ("RemovePreset", f"PTZNode_yard: preset {made}: failed: there is no preset '{made}'"),
        ("SendAuxiliaryCommand", "PTZNode_yard: tt:IRLamp|On: applied"),
    ]


async def test_one_preset_too_many(device: Device) -> None:
    for _ in range(16):
        await device.call("SetPreset", PROFILE)
    assert await device.refusal("SetPreset") == ("Action", "TooManyPresets")


async def written(device: Device, **changed: Any) -> str:
    configuration = (await device.call("GetConfigurations"))["PTZConfiguration"][0] | changed
    node = device.call.element("GetConfiguration", {"PTZConfiguration": configuration})[0]
    return etree.tostring(node).decode() + "<tptz:ForcePersistence>true</tptz:ForcePersistence>"


async def test_configurations_are_written(device: Device) -> None:
    assert await device.call("SetConfiguration", await written(device)) == {}
    slow = {"PanTilt": {"x": 0.5, "y": 0.5, "space": SPEED_PAN_TILT}}
    timeout = (await written(device, DefaultPTZSpeed=slow)).replace(">PT10S<", ">PT2S<")
    await device.call("SetConfiguration", timeout)
    found = (await device.call("GetConfigurations"))["PTZConfiguration"][0]
    assert found["DefaultPTZTimeout"].total_seconds() == 2
    assert found["DefaultPTZSpeed"]["PanTilt"] == slow["PanTilt"]
    assert found["DefaultPTZSpeed"]["Zoom"]["x"] == 1.0
    await device.call("AbsoluteMove", PROFILE + vector("Position", 1, 0, 0))
    await device.kit.clock.advance(1)
    assert (await device.place())[0] == 0.25
    wrong = {
        "node": await written(device, NodeToken="PTZNode_door"),
        "space": await written(device, DefaultAbsoluteZoomPositionSpace="urn:strange"),
        "timeout": timeout.replace(">PT2S<", ">PT1H<"),
    }
    for request in wrong.values():
        assert await device.refusal("SetConfiguration", request) == ("InvalidArgVal", "ConfigModify")
    unknown = (await written(device)).replace('token="PTZConfiguration_yard"', 'token="PTZConfiguration_door"')
    assert await device.refusal("SetConfiguration", unknown) == ("InvalidArgVal", "NoConfig")


@pytest.mark.parametrize(("policy", "fault"), [(WritePolicy.REFUSE, True), (WritePolicy.IGNORE, False)])
async def test_what_the_policy_keeps_from_the_camera(validate: Validate, policy: WritePolicy, *, fault: bool) -> None:
    device = Device(await ControlKit({WriteKind.PTZ: policy}).learn(), validate)
    for operation, rest in (
        ("AbsoluteMove", vector("Position", 1, 0, 0)),
        ("ContinuousMove", vector("Velocity", 1, 0, 0)),
        ("SetPreset", ""),
        ("SetHomePosition", ""),
    ):
        if fault:
            assert await device.refusal(operation, PROFILE + rest) == ("OperationProhibited",)
        else:
            await device.call(operation, PROFILE + rest)
    await device.kit.clock.advance(10)
    assert await device.place() == (0.0, 0.0, 0.0)
    assert (await device.call("GetPresets", PROFILE))["Preset"] == []
    outcome = "refused" if fault else "ignored"
    assert [detail for _, _, detail in device.kit.audit] == [
        f"PTZNode_yard: preset new named '': {outcome}",
        f"PTZNode_yard: home: {outcome}",
    ]


async def test_a_camera_that_was_not_reached_yet(validate: Validate) -> None:
    kit = await ControlKit().learn()
    kit.controls._cameras["yard"].live = None
    with pytest.raises(GatewayError, match="camera 'yard' has not been reached yet"):
        await Device(kit, validate).call("GetStatus", PROFILE)


async def test_a_home_position_that_is_fixed_or_missing(device: Device) -> None:
    camera = device.kit.controls._cameras["yard"]
    assert camera.abilities.ptz is not None
    for home, fault in ((True, "CannotOverwriteHome"), (False, "CannotOverwriteHome")):
        camera.abilities = replace(camera.abilities, ptz=replace(camera.abilities.ptz, home=home, fixed_home=True))
        device.kit.controls.revision += 1
        assert await device.refusal("SetHomePosition") == ("Action", fault)
    assert await device.refusal("GotoHomePosition") == ("Action", "NoHomePosition")
    node = (await device.call("GetNodes"))["PTZNode"][0]
    assert (node["HomeSupported"], node["FixedHomePosition"]) == (False, True)


async def test_home_with_a_profile_of_a_client(device: Device) -> None:
    await device.media("CreateProfile", "<trt:Name>mine</trt:Name><trt:Token>mine</trt:Token>")
    head = "<trt:ConfigurationToken>PTZConfiguration_yard</trt:ConfigurationToken>"
    await device.media("AddPTZConfiguration", "<trt:ProfileToken>mine</trt:ProfileToken>" + head)
    mine = PROFILE.replace("yard_main", "mine")
    await device.call("AbsoluteMove", mine + vector("Position", 1, 0, 0))
    await device.kit.clock.advance(10)
    await device.call("SetHomePosition", mine)
    await device.call("AbsoluteMove", mine + vector("Position", 0, 0, 0))
    await device.kit.clock.advance(10)
    await device.call("GotoHomePosition", mine)
    await device.kit.clock.advance(10)
    assert await device.place() == (1.0, 0.0, 0.0)
