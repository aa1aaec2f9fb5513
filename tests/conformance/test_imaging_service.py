"""Imaging: the camera's own ranges, checked, and every answer valid."""

from collections.abc import Callable
from dataclasses import fields

import pytest
from control_kit import ControlKit
from lxml import etree
from onvif_calls import Caller

from gateway.domain.imaging import (
    Exposure,
    ExposureOptions,
    Focus,
    FocusMoveOptions,
    FocusOptions,
    ImagingOptions,
    ImagingSettings,
    ModeLevel,
    ModeLevelOptions,
    WhiteBalance,
    WhiteBalanceOptions,
)
from gateway.domain.ranges import Range
from gateway.domain.writing import WriteKind, WritePolicy
from gateway.onvif import imaging_schema
from gateway.onvif.faults import SoapFault
from gateway.onvif.imaging import ImagingService
from gateway.onvif.imaging_check import check_move, check_settings

Validate = Callable[[etree._Element], object]
SOURCE = "<timg:VideoSourceToken>VideoSource_yard</timg:VideoSourceToken>"
SETTINGS = SOURCE + "<timg:ImagingSettings>{}</timg:ImagingSettings>"
FOCUS = SOURCE + "<timg:Focus>{}</timg:Focus>"
TENTH = Range(0.0, 10.0)
EVERYTHING = ImagingSettings(
    ModeLevel("ON", 2.0),
    1.0,
    2.0,
    3.0,
    Exposure("MANUAL", "LowNoise", *map(float, range(1, 10))),
    Focus("MANUAL", 1.0, 2.0, 3.0),
    "AUTO",
    4.0,
    ModeLevel("OFF", 3.0),
    WhiteBalance("MANUAL", 5.0, 6.0),
)
ALL_OPTIONS = ImagingOptions(
    ModeLevelOptions(("ON", "OFF"), TENTH),
    TENTH,
    TENTH,
    TENTH,
    ExposureOptions(("AUTO", "MANUAL"), ("LowNoise", "FrameRate"), *[TENTH] * 9),
    FocusOptions(("AUTO", "MANUAL"), TENTH, TENTH, TENTH),
    ("ON", "OFF", "AUTO"),
    TENTH,
    ModeLevelOptions(("ON", "OFF"), TENTH),
    WhiteBalanceOptions(("AUTO", "MANUAL"), TENTH, TENTH),
)


@pytest.fixture
async def kit() -> ControlKit:
    return await ControlKit().learn()


@pytest.fixture
def call(kit: ControlKit, validate: Validate) -> Caller:
    return Caller(ImagingService(kit.profiles, kit.access), validate)


async def refusal(call: Caller, operation: str, request: str) -> tuple[str, ...]:
    with pytest.raises(SoapFault) as refused:
        await call(operation, request)
    return refused.value.subcodes


def test_every_setting_and_option_there_is_has_its_place(call: Caller) -> None:
    assert all(getattr(EVERYTHING, field.name) is not None for field in fields(EVERYTHING))
    plain = imaging_schema.settings(EVERYTHING)
    assert imaging_schema.read_settings(plain) == EVERYTHING
    call.validate(call.element("GetImagingSettings", {"ImagingSettings": plain}))
    options = imaging_schema.options(ALL_OPTIONS)
    call.validate(call.element("GetOptions", {"ImagingOptions": options}))
    assert options["WhiteBalance"]["YrGain"] == {"Min": 0.0, "Max": 10.0}
    check_settings(EVERYTHING, ALL_OPTIONS)


async def test_settings_are_read_with_their_options_and_written(call: Caller, kit: ControlKit) -> None:
    settings = (await call("GetImagingSettings", SOURCE))["ImagingSettings"]
    options = (await call("GetOptions", SOURCE))["ImagingOptions"]
    assert settings["Brightness"] == 50.0
    assert options["Brightness"] == {"Min": 0.0, "Max": 100.0}
    assert set(settings) <= {name.removesuffix("Modes") for name in options}
    both = "<tt:Brightness>80</tt:Brightness><tt:Exposure><tt:Mode>MANUAL</tt:Mode></tt:Exposure>"
    await call("SetImagingSettings", SETTINGS.format(both) + "<timg:ForcePersistence>true</timg:ForcePersistence>")
    assert (await call("GetImagingSettings", SOURCE))["ImagingSettings"]["Brightness"] == 80.0
    assert kit.camera._camera.view().brightness == 80.0
    assert kit.audit[0][:2] == ("admin", "SetImagingSettings")
    assert kit.audit[0][2].startswith("VideoSource_yard: brightness 50 -> 80, exposure Exposure(mode='AUTO'")
    assert kit.audit[0][2].endswith(": applied")


EXTREMES = {
    "<tt:ColorSaturation>0</tt:ColorSaturation>": ("saturation", 0.0),
    "<tt:Contrast>100</tt:Contrast>": ("contrast", 100.0),
    "<tt:IrCutFilter>OFF</tt:IrCutFilter>": ("grey", True),
    "<tt:Exposure><tt:Mode>MANUAL</tt:Mode><tt:ExposureTime>40000</tt:ExposureTime></tt:Exposure>": ("exposure", 4.0),
    "<tt:Focus><tt:AutoFocusMode>MANUAL</tt:AutoFocusMode><tt:DefaultSpeed>0.5</tt:DefaultSpeed></tt:Focus>": (
        "blur",
        0.0,
    ),
    "<tt:WhiteBalance><tt:Mode>MANUAL</tt:Mode><tt:CrGain>1</tt:CrGain><tt:CbGain>-1</tt:CbGain></tt:WhiteBalance>": (
        "red",
        1.0,
    ),
}
"""Every setting of the camera beside its brightness, and what the camera sees of it."""


@pytest.mark.parametrize("content", EXTREMES)
async def test_every_setting_of_the_camera_is_written(call: Caller, kit: ControlKit, content: str) -> None:
    space = {"tt": "http://www.onvif.org/ver10/schema"}
    wanted = etree.fromstring(f'<a xmlns:tt="{space["tt"]}">{content}</a>')[0]
    options = (await call("GetOptions", SOURCE))["ImagingOptions"]
    name = etree.QName(wanted).localname
    assert name in options or f"{name}Modes" in options
    await call("SetImagingSettings", SETTINGS.format(content))
    answer = call.element("GetImagingSettings", await call("GetImagingSettings", SOURCE))
    written = [each for each in wanted.iter() if not len(each)]
    read = [answer.find(f".//tt:{name}/{{*}}{etree.QName(each).localname}", space) for each in written]
    if written == [wanted]:
        read = [answer.find(f".//tt:{name}", space)]
    assert [each.text.removesuffix(".0") for each in read] == [each.text for each in written]
    seen, value = EXTREMES[content]
    assert getattr(kit.camera._camera.view(), seen) == value


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<tt:Brightness>101</tt:Brightness>", "Brightness 101 is not from 0 to 100"),
        ("<tt:Sharpness>1</tt:Sharpness>", "the camera has no Sharpness"),
        (
            "<tt:Exposure><tt:Mode>MANUAL</tt:Mode><tt:ExposureTime>1</tt:ExposureTime></tt:Exposure>",
            "Exposure ExposureTime 1 is not from 1000 to 40000",
        ),
    ],
)
async def test_what_the_camera_can_not_do(call: Caller, content: str, reason: str) -> None:
    with pytest.raises(SoapFault, match=reason) as refused:
        await call("SetImagingSettings", SETTINGS.format(content))
    assert refused.value.subcodes == ("InvalidArgVal", "SettingsInvalid")


async def test_unknown_sources_and_those_without_imaging(call: Caller) -> None:
    rests = {
        "GetImagingSettings": "",
        "GetOptions": "",
        "GetMoveOptions": "",
        "GetStatus": "",
        "Stop": "",
        "Move": "<timg:Focus/>",
        "SetImagingSettings": "<timg:ImagingSettings/>",
    }
    for operation, rest in rests.items():
        moon, door = (SOURCE.replace("yard", name) + rest for name in ("moon", "door"))
        assert await refusal(call, operation, moon) == ("InvalidArgVal", "NoSource")
        assert await refusal(call, operation, door) == ("ActionNotSupported", "NoImagingForSource")


async def test_the_focus_moves(call: Caller, kit: ControlKit) -> None:
    options = (await call("GetMoveOptions", SOURCE))["MoveOptions"]
    assert set(options) == {"Absolute", "Relative", "Continuous"}

    async def focus() -> tuple[float, str]:
        status = (await call("GetStatus", SOURCE))["Status"]["FocusStatus20"]
        return status["Position"], status["MoveStatus"]

    await call("Move", FOCUS.format("<tt:Absolute><tt:Position>1</tt:Position><tt:Speed>1</tt:Speed></tt:Absolute>"))
    assert await focus() == (0.5, "MOVING")
    await kit.clock.advance(1)
    assert await focus() == (1.0, "IDLE")
    await call("Move", FOCUS.format("<tt:Relative><tt:Distance>-0.5</tt:Distance></tt:Relative>"))
    await kit.clock.advance(1)
    assert await focus() == (0.5, "IDLE")
    await call("Move", FOCUS.format("<tt:Continuous><tt:Speed>-0.25</tt:Speed></tt:Continuous>"))
    await kit.clock.advance(1)
    await call("Stop", SOURCE)
    await kit.clock.advance(1)
    assert await focus() == (0.25, "IDLE")
    wrong = "<tt:Absolute><tt:Position>2</tt:Position></tt:Absolute>"
    for move in (wrong, "", wrong.replace("Absolute", "Relative").replace("Position", "Distance")):
        assert await refusal(call, "Move", FOCUS.format(move)) == ("InvalidArgVal", "SettingsInvalid")


async def test_a_movement_that_there_is_not(call: Caller) -> None:
    move = imaging_schema.read_move({"Continuous": {"Speed": 1.0}})
    with pytest.raises(SoapFault, match="the focus can't be moved by Continuous"):
        check_move(move, FocusMoveOptions())
    assert imaging_schema.move_options(FocusMoveOptions()) == {}
    assert call.service.capabilities() == {"ImageStabilization": False, "Presets": False, "AdaptablePreset": False}


async def test_what_the_policy_keeps_from_the_camera(validate: Validate) -> None:
    kit = await ControlKit({WriteKind.IMAGING: WritePolicy.IGNORE}).learn()
    call = Caller(ImagingService(kit.profiles, kit.access), validate)
    await call("SetImagingSettings", SETTINGS.format("<tt:Brightness>80</tt:Brightness>"))
    await call("Move", FOCUS.format("<tt:Continuous><tt:Speed>1</tt:Speed></tt:Continuous>"))
    assert (await call("GetImagingSettings", SOURCE))["ImagingSettings"]["Brightness"] == 50.0
    assert (await call("GetStatus", SOURCE))["Status"]["FocusStatus20"]["MoveStatus"] == "IDLE"
    assert kit.audit == [("admin", "SetImagingSettings", "VideoSource_yard: brightness 50 -> 80: ignored")]
