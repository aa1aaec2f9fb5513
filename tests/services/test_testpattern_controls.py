"""The simulated camera obeys: what is set of it is seen in its picture, its stream and its contacts."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from gateway.domain.device_event import DeviceEvent, DeviceEventKind
from gateway.domain.device_io import DigitalInput, IdleState, RelayMode, RelayOutput
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.imaging import AbsoluteFocus, ContinuousFocus, Exposure, ImagingSettings, WhiteBalance
from gateway.domain.ptz import MoveStatus, PanTilt, PtzVector, Zoom
from gateway.testing.clock import FakeClock, settle
from gateway.testing.drivers import RecordingSink, driver_context
from gateway_testpattern.camera import SHARP
from gateway_testpattern.driver import TestPatternDriver as Driver
from gateway_testpattern.driver import TestPatternSettings as Settings
from gateway_testpattern.head import MAX_PRESETS, PAN_TILT_SPEED, ZOOM_SPEED
from gateway_testpattern.optics import PLAIN, View
from gateway_testpattern.scene import Scene
from gateway_testpattern.timecode import read_time

SMALL = {"width": 320, "height": 180, "sub_width": 160, "sub_height": 160, "frame_rate": 10.0, "sub_frame_rate": 10.0}
NOW_NS = 1_795_381_550_641_000_000


def camera(clock: FakeClock, **settings: object) -> Driver:
    return Driver(Settings(**{**SMALL, **settings}), driver_context(clock))


async def test_the_head_moves_evenly_and_stops_where_it_should() -> None:
    clock = FakeClock()
    head = (await camera(clock).controls()).ptz
    assert head is not None
    await head.absolute_move(PtzVector(PanTilt(0.5, -0.25), Zoom(0.5)))
    await clock.advance(0.5)
    status = await head.status()
    assert status.position.pan_tilt is not None
    assert status.position.zoom is not None
    assert (status.position.pan_tilt.x, status.position.pan_tilt.y) == (0.25, -0.25)
    assert (status.pan_tilt, status.zoom) == (MoveStatus.MOVING, MoveStatus.MOVING)
    await clock.advance(5.0)
    assert (await head.status()).zoom is MoveStatus.IDLE
    await head.set_home()
    await head.relative_move(PtzVector(zoom=Zoom(-1.0)))
    await head.continuous_move(PtzVector(PanTilt(-1.0, 0.0)), timeout=0.5)
    await clock.advance(10.0)
    assert driver_place(await head.status()) == (0.5 - PAN_TILT_SPEED / 2, -0.25, 0.0)
    await head.continuous_move(PtzVector(zoom=Zoom(1.0)))
    await clock.advance(1.0)
    await head.stop()
    await clock.advance(1.0)
    assert driver_place(await head.status())[2] == ZOOM_SPEED
    await head.goto_home()
    await clock.advance(10.0)
    assert driver_place(await head.status()) == (0.5, -0.25, 0.5)
    with pytest.raises(GatewayError, match="pan 3 and tilt 0 are not within -1 and 1"):
        await head.absolute_move(PtzVector(PanTilt(3.0, 0.0)))


def driver_place(status: object) -> tuple[float, float, float]:
    position = status.position  # type: ignore[attr-defined]
    return position.pan_tilt.x, position.pan_tilt.y, position.zoom.x


async def test_presets_are_remembered_replaced_and_forgotten() -> None:
    clock = FakeClock()
    head = (await camera(clock).controls()).ptz
    assert head is not None
    tokens = [await head.set_preset(f"place {number}") for number in range(MAX_PRESETS)]
    with pytest.raises(GatewayError) as refused:
        await head.set_preset("one more")
    assert refused.value.kind is ErrorKind.LIMIT
    await head.absolute_move(PtzVector(PanTilt(1.0, 0.0)))
    await clock.advance(10.0)
    assert await head.set_preset(token=tokens[3]) == tokens[3]
    await head.goto_home()
    await clock.advance(10.0)
    await head.goto_preset(tokens[3])
    await clock.advance(10.0)
    assert driver_place(await head.status())[0] == 1.0
    await head.remove_preset(tokens[3])
    assert tokens[3] not in {preset.token for preset in await head.presets()}
    with pytest.raises(GatewayError, match="there is no preset '4'"):
        await head.goto_preset(tokens[3])


def test_what_the_head_and_the_settings_do_is_seen_and_the_time_code_stays() -> None:
    plain = Scene("Gate", 640, 360, 1).draw(NOW_NS).copy()
    views = [
        View(pan=0.3),
        View(tilt=0.5),
        View(zoom=0.5),
        View(brightness=80.0),
        View(contrast=20.0),
        View(saturation=0.0),
        View(exposure=0.3),
        View(red=0.5),
        View(blur=1.0),
    ]
    for view in views:
        seen = Scene("Gate", 640, 360, 1).draw(NOW_NS, view)
        assert np.abs(seen.astype(int) - plain).mean() > 1, view
        assert read_time(seen[:360]) == NOW_NS // 1_000_000
    assert np.array_equal(Scene("Gate", 640, 360, 1).draw(NOW_NS, PLAIN), plain)
    brighter = Scene("Gate", 640, 360, 1).draw(NOW_NS, View(brightness=80.0))
    assert brighter[:360].mean() > plain[:360].mean() + 20


async def test_imaging_changes_what_is_given_and_keeps_the_rest() -> None:
    clock = FakeClock()
    driver = camera(clock)
    imaging = (await driver.controls()).imaging
    assert imaging is not None
    before = await imaging.settings()
    wanted = ImagingSettings(brightness=70.0, white_balance=WhiteBalance("MANUAL", cr_gain=0.5))
    await imaging.set_settings(wanted, persistent=True)
    after = await imaging.settings()
    assert after == replace(before, brightness=70.0, white_balance=WhiteBalance("MANUAL", 0.5, 0.0))
    await imaging.set_settings(ImagingSettings(exposure=Exposure("MANUAL"), ir_cut_filter="OFF"), persistent=False)
    assert (await imaging.settings()).exposure == Exposure("MANUAL", exposure_time=10_000.0)
    assert driver._camera.view() == View(brightness=70.0, red=0.5, grey=True)
    await imaging.move(AbsoluteFocus(1.0))
    await clock.advance(SHARP)
    assert driver._camera.view().blur == 1.0
    await imaging.move(ContinuousFocus(-0.1))
    assert (await imaging.status()).move is MoveStatus.MOVING
    await imaging.stop()
    assert (await imaging.status()).position == 1.0


async def test_a_relay_and_the_input_wired_to_it_are_told() -> None:
    clock = FakeClock()
    driver = camera(clock)
    controls = await driver.controls()
    assert controls.relays is not None
    assert controls.inputs is not None
    told: list[DeviceEvent] = []
    task = asyncio.create_task(driver.events(told.append))
    await settle()
    relay, contact = DeviceEventKind.RELAY, DeviceEventKind.DIGITAL_INPUT
    assert [(event.kind, event.on, event.name) for event in told] == [(relay, False, "1"), (contact, False, "1")]
    await controls.relays.set_output(RelayOutput("1", RelayMode.MONOSTABLE, 2.0, IdleState.OPEN))
    await controls.relays.set_state("1", active=True)
    await settle()
    assert [event.on for event in told[2:]] == [True, True]
    await clock.advance(2.0)
    assert [event.on for event in told[4:]] == [False, False]
    await controls.inputs.set_input(DigitalInput("1", IdleState.CLOSED))
    await settle()
    assert [(event.kind, event.on) for event in told[6:]] == [(contact, True)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_stream_goes_on_as_it_is_set() -> None:
    clock = FakeClock()
    driver = camera(clock, audio=False)
    encoding = (await driver.controls()).encoding
    assert encoding is not None
    sink = RecordingSink()
    task = asyncio.create_task(driver.stream("main", sink))
    await sink.wait_for_units(1)
    before = await encoding.settings("main")
    wanted = replace(before, encoding="H265", width=640, height=360, frame_rate=20.0, gop_length=3, bitrate=100_000)
    await encoding.set_settings("main", wanted)
    while len(sink.descriptions) < 2:
        await clock.advance(0.2)
        await asyncio.sleep(0.005)
    video = sink.descriptions[1].tracks[0].video
    assert sink.descriptions[1].tracks[0].encoding == "H265"
    assert video is not None
    seen = video.width, video.height, video.frame_rate, video.gop_length, video.bitrate
    assert seen == (640, 360, 20.0, 3, 100_000)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for wrong, sentence in (
        (replace(before, width=324), "a picture can't be 324x180"),
        (replace(before, frame_rate=7.0), "there can't be 7 frames per second"),
        (replace(before, encoding="JPEG"), "profile 'main' can't be 'JPEG'"),
    ):
        with pytest.raises(GatewayError, match=sentence):
            await encoding.set_settings("main", wrong)


async def test_a_camera_without_a_head() -> None:
    assert (await camera(FakeClock(), ptz=False).controls()).ptz is None
