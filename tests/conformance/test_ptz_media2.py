"""PTZ with profiles of Media2: one that a client makes is found, moved and brought home like the camera's own."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from conformance.test_ptz_service import Device, vector
from control_kit import ControlKit
from lxml import etree

from gateway.domain.ptz import POSITION_PAN_TILT, POSITION_ZOOM, VELOCITY_PAN_TILT, VELOCITY_ZOOM

Validate = Callable[[etree._Element], object]
MADE = """<tr2:Name>mine</tr2:Name>
<tr2:Configuration><tr2:Type>VideoSource</tr2:Type><tr2:Token>VideoSourceConfiguration_yard</tr2:Token></tr2:Configuration>
<tr2:Configuration><tr2:Type>PTZ</tr2:Type><tr2:Token>PTZConfiguration_yard</tr2:Token></tr2:Configuration>"""


class Head:
    """The head of a profile that was made by Media2."""

    def __init__(self, device: Device, profile: str) -> None:
        self.device = device
        self.profile = f"<tptz:ProfileToken>{profile}</tptz:ProfileToken>"

    async def __call__(self, operation: str, content: str = "") -> dict[str, object]:
        return await self.device.call(operation, self.profile + content)

    async def refusal(self, operation: str, content: str = "") -> tuple[str, ...]:
        return await self.device.refusal(operation, self.profile + content)

    async def arrived(self, seconds: float = 10) -> tuple[float, float, float]:
        await self.device.kit.clock.advance(seconds)
        return await self.device.place()


@pytest.fixture
async def head(validate: Validate) -> Head:
    device = Device(await ControlKit().learn(), validate)
    token = (await device.media2("CreateProfile", MADE))["Token"]
    asked = f"<tr2:Token>{token}</tr2:Token><tr2:Type>PTZ</tr2:Type>"
    [profile] = (await device.media2("GetProfiles", asked))["Profiles"]
    assert profile["Configurations"]["PTZ"]["token"] == "PTZConfiguration_yard"
    return Head(device, token)


async def test_moves(head: Head) -> None:
    await head("AbsoluteMove", vector("Position", 0.5, -0.5, 0.25))
    assert await head.arrived() == (0.5, -0.5, 0.25)
    await head("ContinuousMove", vector("Velocity", -1, 0, 0) + "<tptz:Timeout>PT1S</tptz:Timeout>")
    assert await head.arrived() == (0.0, -0.5, 0.25)
    await head("ContinuousMove", vector("Velocity", 1, 0, 0))
    assert await head.arrived(1) == (0.5, -0.5, 0.25)
    await head("Stop", "<tptz:PanTilt>true</tptz:PanTilt><tptz:Zoom>true</tptz:Zoom>")
    assert await head.arrived() == (0.5, -0.5, 0.25)


async def test_presets(head: Head) -> None:
    await head("AbsoluteMove", vector("Position", 0.5, 0.5, 0.5))
    await head.arrived()
    token = (await head("SetPreset", "<tptz:PresetName>gate</tptz:PresetName>"))["PresetToken"]
    preset = f"<tptz:PresetToken>{token}</tptz:PresetToken>"
    [listed] = (await head.device.call("GetPresets", head.profile))["Preset"]
    assert (listed["token"], listed["Name"]) == (token, "gate")
    assert listed["PTZPosition"]["PanTilt"]["x"] == 0.5
    await head("AbsoluteMove", vector("Position", -1, -1, 0))
    assert await head.arrived() == (-1.0, -1.0, 0.0)
    await head("SetPreset", preset + "<tptz:PresetName>fence</tptz:PresetName>")
    await head("AbsoluteMove", vector("Position", 0, 0, 0))
    await head.arrived()
    await head("GotoPreset", preset)
    assert await head.arrived() == (-1.0, -1.0, 0.0), "the preset was set anew"
    await head("RemovePreset", preset)
    assert await head.device.call("GetPresets", head.profile) == {"Preset": []}


async def test_home_that_is_set(head: Head) -> None:
    await head("AbsoluteMove", vector("Position", 1, 0, 0))
    await head.arrived()
    await head("SetHomePosition")
    await head("AbsoluteMove", vector("Position", 0, 0, 0))
    await head.arrived()
    await head("GotoHomePosition")
    assert await head.arrived() == (1.0, 0.0, 0.0)


async def test_home_that_is_fixed(head: Head) -> None:
    controls = head.device.kit.controls
    camera = controls._cameras["yard"]
    assert camera.abilities.ptz is not None
    camera.abilities = replace(camera.abilities, ptz=replace(camera.abilities.ptz, home=True, fixed_home=True))
    controls.revision += 1
    [node] = (await head.device.call("GetNodes"))["PTZNode"]
    assert node["FixedHomePosition"]
    assert await head.refusal("SetHomePosition") == ("Action", "CannotOverwriteHome")
    await head("AbsoluteMove", vector("Position", 1, 0, 0))
    await head.arrived()
    await head("GotoHomePosition")
    assert await head.arrived() == (0.0, 0.0, 0.0)


async def test_generic_spaces(head: Head) -> None:
    """Profile T §7.14: absolute and continuous movements in the generic spaces."""
    device = head.device
    [profile] = (await device.media2("GetProfiles", "<tr2:Token>yard_main</tr2:Token><tr2:Type>PTZ</tr2:Type>"))[
        "Profiles"
    ]
    configuration = profile["Configurations"]["PTZ"]
    node = f"<tptz:NodeToken>{configuration['NodeToken']}</tptz:NodeToken>"
    spaces = (await device.call("GetNode", node))["PTZNode"]["SupportedPTZSpaces"]
    whole, swing = {"Min": 0.0, "Max": 1.0}, {"Min": -1.0, "Max": 1.0}
    assert spaces["AbsolutePanTiltPositionSpace"] == [{"URI": POSITION_PAN_TILT, "XRange": swing, "YRange": swing}]
    assert spaces["AbsoluteZoomPositionSpace"] == [{"URI": POSITION_ZOOM, "XRange": whole}]
    assert spaces["ContinuousPanTiltVelocitySpace"] == [{"URI": VELOCITY_PAN_TILT, "XRange": swing, "YRange": swing}]
    assert spaces["ContinuousZoomVelocitySpace"] == [{"URI": VELOCITY_ZOOM, "XRange": swing}]
    assert configuration["DefaultAbsolutePantTiltPositionSpace"] == POSITION_PAN_TILT
    for position in ((-1, -1, 0), (1, 1, 1)):
        named = vector("Position", *position).replace("<tt:Zoom ", f'<tt:Zoom space="{POSITION_ZOOM}" ')
        await head("AbsoluteMove", named.replace("<tt:PanTilt ", f'<tt:PanTilt space="{POSITION_PAN_TILT}" '))
        assert await head.arrived() == position
    await head("ContinuousMove", f'<tptz:Velocity><tt:Zoom x="-1" space="{VELOCITY_ZOOM}"/></tptz:Velocity>')
    assert await head.arrived() == (1.0, 1.0, 0.0)
