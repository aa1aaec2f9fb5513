"""What of an ONVIF camera is controlled: encoders, picture, head, relays and inputs, with the camera's own ranges."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from peers.controlled_onvif import ControlledOnvif
from peers.scripted_camera import ScriptedCamera
from peers.scripted_onvif import NOW, PASSWORD, USER, FaultError

from gateway.domain.access import Secret
from gateway.domain.device_io import DigitalInput, IdleState, RelayMode, RelayOptions, RelayOutput
from gateway.domain.encoder import VideoEncoderOptions, VideoEncoderSettings
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.imaging import (
    AbsoluteFocus,
    ContinuousFocus,
    Exposure,
    ExposureOptions,
    Focus,
    FocusMoveOptions,
    FocusOptions,
    FocusStatus,
    ImagingOptions,
    ImagingSettings,
    ModeLevel,
    ModeLevelOptions,
    RelativeFocus,
    WhiteBalance,
    WhiteBalanceOptions,
)
from gateway.domain.ptz import (
    POSITION_PAN_TILT,
    VELOCITY_ZOOM,
    MoveStatus,
    PanTilt,
    Preset,
    PtzNode,
    PtzStatus,
    PtzVector,
    Space,
    Spaces,
    Zoom,
)
from gateway.domain.ranges import Range
from gateway.sdk.controls import CameraControls, Controllable
from gateway.testing.clock import FakeClock
from gateway.testing.drivers import RecordingSink, driver_context
from gateway_onvif.driver import OnvifDriver, OnvifSettings

MEDIA1 = ("tds", "trt", "tev")


def driver(camera: ControlledOnvif, **settings: Any) -> OnvifDriver:
    login = {"username": USER, "password": Secret(PASSWORD)}
    clock = FakeClock(int(NOW.timestamp()) * 1_000_000_000)
    return OnvifDriver(OnvifSettings(camera.address, **login | settings), driver_context(clock))


async def controls(camera: ControlledOnvif) -> CameraControls:
    onvif = driver(camera)
    assert isinstance(onvif, Controllable)
    return await onvif.controls()


async def test_encoders_by_media2() -> None:
    async with ControlledOnvif() as camera:
        found = (await controls(camera)).encoding
        assert found is not None
        sizes, rates, bitrate = ((1920, 1080), (640, 360)), (25.0, 12.5, 5.0), Range(64_000, 8_192_000)
        options = VideoEncoderOptions(
            "H264", sizes, rates, bitrate, Range(1, 6), Range(1, 150), ("Main", "High"), constant_bitrate=True
        )
        assert found.options == dict.fromkeys(("main", "sub"), (options, replace(options, encoding="H265")))
        before = VideoEncoderSettings("H264", 1920, 1080, 25, 4_096_000, 50, 4, "Main")
        assert await found.settings("main") == before
        wanted = VideoEncoderSettings("H265", 640, 360, 12.5, 1_024_000, 25, 5.5, constant_bitrate=True)
        await found.set_settings("sub", wanted)
        assert await found.settings("sub") == wanted
        assert await found.settings("main") == before
        assert camera.text_of("SetVideoEncoderConfiguration", ".//{*}IPv4Address") == "239.1.2.3"  # it stays
        with pytest.raises(GatewayError, match=r"refuses: Too much \(Sender/InvalidArgVal/ConfigModify\)") as caught:
            await found.set_settings("main", replace(before, bitrate=99_000_000))
        assert caught.value.kind is ErrorKind.INVALID


async def test_encoders_by_media1() -> None:
    async with ControlledOnvif(services=MEDIA1) as camera:
        found = (await controls(camera)).encoding
        assert found is not None
        h264, jpeg = found.options["main"]
        assert (h264.encoding, h264.frame_rates, h264.bitrate) == (
            "H264",
            (4.0, 3.0, 2.0, 1.0),
            Range(32_000, 4_096_000),
        )
        assert (h264.gop_length, h264.codec_profiles) == (Range(1, 150), ("Baseline", "Main"))
        assert (jpeg.encoding, jpeg.bitrate, jpeg.gop_length) == ("JPEG", Range(64_000, 16_384_000), None)
        assert await found.settings("main") == VideoEncoderSettings("JPEG", 640, 360, 0.0, 0, None, 4)
        for wanted in (
            VideoEncoderSettings("H264", 1920, 1080, 4, 2_048_000, 8, 5, "Baseline"),
            VideoEncoderSettings("JPEG", 640, 360, 2, 1_024_000, None, 3),
        ):
            await found.set_settings("main", wanted)
            assert await found.settings("main") == wanted


async def test_imaging() -> None:
    async with ControlledOnvif() as camera:
        found = (await controls(camera)).imaging
        assert found is not None
        percent = Range(0, 100)
        assert found.options == ImagingOptions(
            backlight_compensation=ModeLevelOptions(("OFF", "ON")),
            brightness=percent,
            contrast=percent,
            exposure=ExposureOptions(("AUTO", "MANUAL"), ("LowNoise",), exposure_time=Range(10, 40_000)),
            focus=FocusOptions(("AUTO", "MANUAL"), Range(0, 1)),
            ir_cut_filter=("ON", "AUTO"),
            wide_dynamic_range=ModeLevelOptions(("ON",), percent),
            white_balance=WhiteBalanceOptions(("AUTO",), percent, percent),
        )
        assert found.move_options == FocusMoveOptions(absolute_position=Range(0, 9), continuous_speed=Range(-7, 7))
        assert await found.settings() == ImagingSettings(brightness=50, ir_cut_filter="AUTO")
        settings = ImagingSettings(
            ModeLevel("ON"), 1.5, 2, 3, Exposure("MANUAL", "LowNoise", exposure_time=40, iris=-1.5),
            Focus("MANUAL", 0.5), "ON", 6, ModeLevel("ON", 60), WhiteBalance("MANUAL", 7, 8),
        )  # fmt: skip
        await found.set_settings(settings, persistent=False)
        assert camera.text_of("SetImagingSettings", "{*}VideoSourceToken") == "source"
        assert camera.text_of("SetImagingSettings", "{*}ForcePersistence") == "false"
        [sent] = camera.requests["SetImagingSettings"].iterfind("{*}ImagingSettings")
        camera.imaging = "".join(camera.markup(node) for node in sent)
        assert await found.settings() == settings
        for move, path, value in (
            (AbsoluteFocus(3, 0.5), "Absolute/{*}Position", "3"),
            (RelativeFocus(-1.5), "Relative/{*}Distance", "-1.5"),
            (ContinuousFocus(-7), "Continuous/{*}Speed", "-7"),
        ):
            await found.move(move)
            assert camera.text_of("Move", "{*}Focus/{*}" + path) == value
        await found.stop()
        assert await found.status() == FocusStatus(4.5, MoveStatus.MOVING)


async def test_the_head() -> None:
    async with ControlledOnvif() as camera:
        found = (await controls(camera)).ptz
        assert found is not None
        spaces = Spaces(
            absolute_pan_tilt=(Space(POSITION_PAN_TILT, Range(-1, 1), Range(-0.5, 0.5)),),
            continuous_zoom=(Space(VELOCITY_ZOOM, Range(-1, 1)),),
        )
        node = PtzNode("head", "Head", spaces, 8, home=True, auxiliary_commands=("tt:Wiper|On",))
        assert found.node == node
        there, slowly = PtzVector(PanTilt(0.5, -0.25, POSITION_PAN_TILT)), PtzVector(zoom=Zoom(0.1))
        await found.absolute_move(there, slowly)
        [position] = camera.requests["AbsoluteMove"].iterfind("{*}Position/{*}PanTilt")
        assert dict(position.attrib) == {"x": "0.5", "y": "-0.25", "space": POSITION_PAN_TILT}
        assert camera.text_of("AbsoluteMove", "{*}ProfileToken") == "big"
        await found.relative_move(there)
        await found.continuous_move(slowly, 1.5)
        assert camera.text_of("ContinuousMove", "{*}Timeout") == "PT1.5S"
        await found.continuous_move(slowly)
        assert camera.text_of("ContinuousMove", "{*}Timeout") is None
        await found.stop(zoom=False)
        assert [camera.text_of("Stop", "{*}" + axis) for axis in ("PanTilt", "Zoom")] == ["true", "false"]
        position_now = PtzVector(PanTilt(0.25, -0.5), Zoom(1))
        assert await found.status() == PtzStatus(position_now, MoveStatus.MOVING, MoveStatus.IDLE)
        assert [await found.set_preset("Gate"), await found.set_preset("Door & all", "9")] == ["1", "9"]
        assert await found.presets() == (Preset("1", "Gate"), Preset("9", "Door & all"))
        await found.goto_preset("9", slowly)
        await found.goto_home()
        await found.set_home()
        assert await found.auxiliary("tt:Wiper|On") == "done"
        for refused, kind in (
            (found.set_preset("Third"), ErrorKind.LIMIT),
            (found.remove_preset("7"), ErrorKind.NOT_FOUND),
        ):
            with pytest.raises(GatewayError) as caught:
                await refused
            assert caught.value.kind is kind
        await found.remove_preset("9")
        assert await found.presets() == (Preset("1", "Gate"),)
        assert camera.refused == 0


async def test_relays_and_inputs() -> None:
    async with ControlledOnvif() as camera:
        found = await controls(camera)
        assert found.relays is not None
        assert found.inputs is not None
        assert found.relays.options == {"r1": RelayOptions((RelayMode.MONOSTABLE,), Range(0.5, 60))}
        relay = RelayOutput("r1", RelayMode.BISTABLE, 61.5, IdleState.OPEN)
        assert await found.relays.outputs() == (relay,)
        await found.relays.set_output(replace(relay, mode=RelayMode.MONOSTABLE, delay=2.5))
        assert camera.text_of("SetRelayOutputSettings", "{*}RelayOutput/{*}Properties/{*}DelayTime") == "PT2.5S"
        await found.relays.set_state("r1", active=True)
        assert camera.text_of("SetRelayOutputState", "{*}LogicalState") == "active"
        assert found.inputs.tokens == ("i1", "i2")
        assert await found.inputs.inputs() == (DigitalInput("i1", IdleState.OPEN), DigitalInput("i2"))
        await found.inputs.set_input(DigitalInput("i2", IdleState.CLOSED))
        [sent] = camera.requests["SetDigitalInputConfigurations"]
        assert dict(sent.attrib) == {"token": "i2", "IdleState": "closed"}


TWO_CHANNELS = [("a", "first", "H264", 1920, 1080), ("b", "second", "H264", 1920, 1080)]


@pytest.mark.parametrize(
    ("source", "contacts", "relays", "inputs"),
    [
        ("first", None, ["r1"], ("i1", "i2")),
        ("second", None, [], ()),
        ("first", ("r1", "i2"), ["r1"], ("i2",)),
        ("second", ("i1",), [], ("i1",)),
        ("first", (), [], ()),
    ],
)
async def test_contacts_of_a_device_with_several_channels_are_those_of_one(
    source: str, contacts: tuple[str, ...] | None, relays: list[str], inputs: tuple[str, ...]
) -> None:
    async with ControlledOnvif(profiles=TWO_CHANNELS) as camera:
        found = await driver(camera, source=source, contacts=contacts).controls()
        assert list(found.relays.options if found.relays else ()) == relays
        assert [each.token for each in (await found.relays.outputs() if found.relays else ())] == relays
        assert (found.inputs.tokens if found.inputs else ()) == inputs
        assert tuple(each.token for each in (await found.inputs.inputs() if found.inputs else ())) == inputs


async def test_relays_of_a_camera_without_the_device_io_service() -> None:
    async with ControlledOnvif(services=MEDIA1) as camera:
        found = await controls(camera)
        assert (found.inputs, found.imaging, found.ptz) == (None, None, None)
        assert found.relays is not None
        assert found.relays.options == {"r1": RelayOptions((RelayMode.BISTABLE, RelayMode.MONOSTABLE))}
        await found.relays.set_output(RelayOutput("r1", RelayMode.BISTABLE, 0.0, IdleState.CLOSED))
        assert camera.text_of("SetRelayOutputSettings", "{*}RelayOutputToken") == "r1"


async def test_what_a_camera_announces_and_refuses_it_does_not_have() -> None:
    unknown = FaultError("Receiver", "ter:ActionNotSupported", status=500)
    refused = ("GetVideoEncoderConfigurationOptions", "GetOptions", "GetNode", "GetRelayOutputs", "GetDigitalInputs")
    async with ControlledOnvif(faults=dict.fromkeys(refused, unknown)) as camera:
        assert await controls(camera) == CameraControls()


async def test_a_camera_that_is_away_can_not_be_controlled_and_a_changed_password_is_not_tried_on() -> None:
    async with ControlledOnvif() as camera:
        found = (await controls(camera)).ptz
        assert found is not None
        camera.password = "another"
        for _ in range(3):
            with pytest.raises(GatewayError, match="refuses user 'admin' or the password") as caught:
                await found.goto_home()
            assert caught.value.kind is ErrorKind.UNAUTHENTICATED
        assert camera.refused == 2  # what was known, and then with a new nonce
    onvif = driver(camera)
    with pytest.raises(GatewayError, match="can't be reached") as caught:
        await onvif.controls()
    assert caught.value.kind is ErrorKind.UNAVAILABLE


async def test_a_stream_follows_an_encoder_that_was_set() -> None:
    async with ScriptedCamera() as media, ControlledOnvif(stream_uri=f"rtsp://h:{media.port}/{{token}}") as camera:
        onvif = driver(camera)
        playing = asyncio.create_task(onvif.stream("main", RecordingSink()))
        await media.playing()
        found = (await onvif.controls()).encoding
        assert found is not None
        camera.profiles = [("big", "source", "H265", 640, 360)]
        await found.set_settings("main", VideoEncoderSettings("H265", 640, 360, 25, 1_024_000))
        with pytest.raises(GatewayError, match=r"was changed: main is 'big' \(H265 640x360\) now"):
            async with asyncio.timeout(30):
                await playing
