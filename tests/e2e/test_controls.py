"""onvif-python drives every operation on heads, pictures and contacts, and the simulated camera obeys."""

import io
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from e2e.conftest import ENVIRONMENT, GATEWAY, PASSWORD, PEERS, USER, read_json_line
from e2e.test_vms_clients import client, implemented

pytestmark = pytest.mark.peer
DEADLINE = 30.0
GUEST, GUEST_PASSWORD = "nx", "Guest-Pass.2026"
CONFIGURATION = f"""
[http]
listen = "127.0.0.1:0"
[rtsp]
listen = "127.0.0.1:0"
[discovery]
enabled = false
[multicast]
enabled = false

[[writes.client]]
user = "{GUEST}"
video_encoder = "accept-and-ignore"
relays = "accept-and-ignore"
imaging = "refuse"

[[camera]]
id = "fixed"
driver = "testpattern"
[camera.settings]
width = 320
height = 180
sub_width = 320
sub_height = 180
frame_rate = 5.0
audio = false
ptz = false

[[camera]]
id = "dome"
driver = "testpattern"
[camera.settings]
width = 640
height = 360
sub_width = 320
sub_height = 180
frame_rate = 5.0
audio = true
seed = 1
"""
PROFILE = {"ProfileToken": "dome_main"}
SOURCE = {"VideoSourceToken": "VideoSource_dome"}
RELAY = "RelayOutput_dome_1"


@dataclass
class Hand:
    """onvif-python with one account."""

    process: "subprocess.Popen[str]"
    called: set[str] = field(default_factory=set)

    def __call__(self, service: str, operation: str, **arguments: Any) -> Any:
        """Return an operation's answer."""
        answer = self.ask(service, operation, **arguments)
        assert "answer" in answer, f"{service}.{operation}: {answer}"
        return answer["answer"]

    def fault(self, service: str, operation: str, **arguments: Any) -> str:
        """Return an operation's fault code."""
        return str(self.ask(service, operation, **arguments).get("fault"))

    def ask(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        self.called.add(f"{service}.{operation}")
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([service, operation, arguments]) + "\n")
        self.process.stdin.flush()
        return read_json_line(self.process)


@dataclass
class Site:
    onvif: str
    folder: Path
    stack: ExitStack

    def hand(self, user: str = USER, password: str = PASSWORD) -> Hand:
        port = urlsplit(self.onvif).port
        command = (client("onvif_python"), PEERS / "onvif_python_hand.py", "127.0.0.1", port, user, password)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen([str(each) for each in command], text=True, **pipes)  # type: ignore[call-overload]
        self.stack.callback(process.communicate)
        return Hand(process)

    def picture(self, camera: str = "dome", pixels: str = "gray") -> np.ndarray:
        """Return a camera's snapshot: its luma, unless other pixels are asked for."""
        port = urlsplit(self.onvif).port
        address = f"http://127.0.0.1:{port}"
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, address, USER, PASSWORD)
        opener = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(passwords))
        with opener.open(f"{address}/snapshot/{camera}/main", timeout=DEADLINE) as answer:
            jpeg = io.BytesIO(answer.read())
        with av.open(jpeg) as container:
            return next(container.decode(video=0)).to_ndarray(format=pixels)

    def colour(self) -> float:
        """Return how far the picture is from grey."""
        return float(np.ptp(self.picture(pixels="rgb24").astype(int), axis=2).mean())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("controls")
    (folder / "gateway.toml").write_text(CONFIGURATION)
    with ExitStack() as stack, running(folder) as onvif:
        site = Site(onvif, folder, stack)
        hand = site.hand()
        until(lambda: "http://www.onvif.org/ver20/ptz/wsdl" in namespaces(hand), "PTZ is announced")
        yield site
        stack.close()


@contextmanager
def running(folder: Path) -> Iterator[str]:
    program = (GATEWAY, "run", folder / "gateway.toml", "--json", "--data", folder / "data")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=log, text=True, env=ENVIRONMENT)
        try:
            yield str(read_json_line(process)["onvif"])
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
    assert process.returncode == 0, (folder / "log").read_text()
    assert "Traceback" not in (folder / "log").read_text()


def namespaces(hand: Hand) -> set[str]:
    return {service["Namespace"] for service in hand("device", "GetServices", IncludeCapability=False)}


def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE:g} s: {what}"
        time.sleep(0.1)


def place(hand: Hand) -> tuple[float, float, float]:
    position = hand("ptz", "GetStatus", **PROFILE)["Position"]
    return position["PanTilt"]["x"], position["PanTilt"]["y"], position["Zoom"]["x"]


def moving(hand: Hand) -> bool:
    return "MOVING" in hand("ptz", "GetStatus", **PROFILE)["MoveStatus"].values()


def vector(pan: float, tilt: float, zoom: float) -> dict[str, Any]:
    return {"PanTilt": {"x": pan, "y": tilt}, "Zoom": {"x": zoom}}


@pytest.mark.timeout(180)
def test_every_operation_on_heads_pictures_and_contacts(site: Site) -> None:
    hand = site.hand()
    drive_head(site, hand)
    set_picture(site, hand)
    switch_contacts(hand)
    name_sources(hand)
    services = ("ptz.", "imaging.", "deviceio.", "device.GetRelay", "device.SetRelay")
    own = {name for name in implemented() if name.startswith(services)}
    assert len(own) > 40
    assert own - hand.called == set()


def drive_head(site: Site, hand: Hand) -> None:
    before = site.picture()
    assert hand("ptz", "GetServiceCapabilities")["MoveStatus"]
    [node] = hand("ptz", "GetNodes")
    assert hand("ptz", "GetNode", NodeToken=node["token"])["MaximumNumberOfPresets"] == 16
    [configuration] = hand("ptz", "GetConfigurations")
    token = configuration["token"]
    assert hand("ptz", "GetConfiguration", PTZConfigurationToken=token)["NodeToken"] == node["token"]
    assert hand("ptz", "GetConfigurationOptions", ConfigurationToken=token)["Spaces"]
    assert len(hand("ptz", "GetCompatibleConfigurations", **PROFILE)) == 1
    written = {**configuration, "DefaultPTZTimeout": 5}
    hand("ptz", "SetConfiguration", PTZConfiguration=written, ForcePersistence=True)
    assert hand("ptz", "GetConfigurations")[0]["DefaultPTZTimeout"] == 5
    hand("ptz", "AbsoluteMove", **PROFILE, Position=vector(0.5, 0.5, 0.5))
    until(lambda: place(hand) == (0.5, 0.5, 0.5), "the head has moved")
    until(lambda: np.abs(site.picture().astype(int) - before).mean() > 10, "another part of the scene is seen")
    preset = hand("ptz", "SetPreset", **PROFILE, PresetName="gate")
    hand("ptz", "RelativeMove", **PROFILE, Translation=vector(0.25, -0.25, -0.5))
    until(lambda: place(hand) == (0.75, 0.25, 0.0), "the head has moved on")
    hand("ptz", "SetHomePosition", **PROFILE)
    hand("ptz", "GotoPreset", **PROFILE, PresetToken=preset)
    until(lambda: place(hand) == (0.5, 0.5, 0.5), "the head is at the preset")
    assert [each["token"] for each in hand("ptz", "GetPresets", **PROFILE)] == [preset]
    hand("ptz", "RemovePreset", **PROFILE, PresetToken=preset)
    assert not hand("ptz", "GetPresets", **PROFILE)
    hand("ptz", "GotoHomePosition", **PROFILE)
    until(lambda: place(hand) == (0.75, 0.25, 0.0), "the head is at home")
    hand("ptz", "ContinuousMove", **PROFILE, Velocity=vector(-1, 0, 0), Timeout=60)
    until(lambda: place(hand)[0] < 0.75, "the head moves")
    hand("ptz", "Stop", **PROFILE)
    assert hand("ptz", "GetStatus", **PROFILE)["MoveStatus"] == {"PanTilt": "IDLE", "Zoom": "IDLE"}
    hand("ptz", "SetConfiguration", PTZConfiguration={**configuration, "DefaultPTZTimeout": 1}, ForcePersistence=True)
    hand("ptz", "AbsoluteMove", **PROFILE, Position=vector(0, 0, 0))
    until(lambda: place(hand) == (0.0, 0.0, 0.0), "the head is in the middle")
    hand("ptz", "ContinuousMove", **PROFILE, Velocity=vector(0.02, 0, 0))
    until(lambda: place(hand)[0] > 0 and not moving(hand), "the head has stopped after its second, far from the end")
    for lamp, coloured in (("tt:IRLamp|On", False), ("tt:IRLamp|Off", True)):
        assert hand("ptz", "SendAuxiliaryCommand", **PROFILE, AuxiliaryData=lamp) == lamp
        until(lambda: (site.colour() > 8) is coloured, f"the picture is as with {lamp}")  # noqa: B023 - called here
    assert hand.fault("ptz", "GetStatus", ProfileToken="fixed_main") == "ter:NoPTZProfile"


def set_picture(site: Site, hand: Hand) -> None:
    hand("imaging", "GetServiceCapabilities")
    before = site.picture().mean()
    options = hand("imaging", "GetOptions", **SOURCE)
    settings = hand("imaging", "GetImagingSettings", **SOURCE)
    assert settings["Brightness"] < options["Brightness"]["Max"]
    hand("imaging", "SetImagingSettings", **SOURCE, ImagingSettings={"Brightness": 80.0}, ForcePersistence=True)
    until(lambda: site.picture().mean() > before + 20, "the picture is brighter")
    assert hand("imaging", "GetMoveOptions", **SOURCE)["Absolute"]["Position"] == {"Min": 0.0, "Max": 1.0}
    hand("imaging", "Move", **SOURCE, Focus={"Absolute": {"Position": 1.0}})
    until(lambda: hand("imaging", "GetStatus", **SOURCE)["FocusStatus20"]["Position"] == 1.0, "the focus has moved")
    hand("imaging", "Move", **SOURCE, Focus={"Relative": {"Distance": -0.5}})
    until(lambda: hand("imaging", "GetStatus", **SOURCE)["FocusStatus20"]["Position"] == 0.5, "it has moved back")
    hand("imaging", "Move", **SOURCE, Focus={"Continuous": {"Speed": -0.01}})
    hand("imaging", "Stop", **SOURCE)
    assert hand("imaging", "GetStatus", **SOURCE)["FocusStatus20"]["MoveStatus"] == "IDLE"


def switch_contacts(hand: Hand) -> None:
    relays = [relay["token"] for relay in hand("deviceio", "GetRelayOutputs")]
    assert relays == ["RelayOutput_fixed_1", RELAY]
    assert [relay["token"] for relay in hand("device", "GetRelayOutputs")] == relays
    assert len(hand("deviceio", "GetRelayOutputOptions", RelayOutputToken=RELAY)) == 1
    inputs = [each["token"] for each in hand("deviceio", "GetDigitalInputs")]
    assert inputs == ["DigitalInput_fixed_1", "DigitalInput_dome_1"]
    states = hand("deviceio", "GetDigitalInputConfigurationOptions", Token=inputs[1])["IdleState"]
    assert set(states) == {"closed", "open"}
    properties = {"Mode": "Bistable", "DelayTime": 2, "IdleState": "closed"}
    hand("deviceio", "SetRelayOutputSettings", RelayOutput={"token": RELAY, "Properties": properties})
    assert hand("device", "GetRelayOutputs")[1]["Properties"]["IdleState"] == "closed"
    properties["IdleState"] = "open"
    hand("device", "SetRelayOutputSettings", RelayOutputToken=RELAY, Properties=properties)
    for service, state, wired in (("deviceio", "active", "true"), ("device", "inactive", "false")):
        hand(service, "SetRelayOutputState", RelayOutputToken=RELAY, LogicalState=state)
        until(lambda: told(hand, RELAY, inputs[1]) == (state, wired), f"the relay and its input are {state}")  # noqa: B023 - called here
    properties |= {"Mode": "Monostable", "DelayTime": 1}
    hand("deviceio", "SetRelayOutputSettings", RelayOutput={"token": RELAY, "Properties": properties})
    hand("deviceio", "SetRelayOutputState", RelayOutputToken=RELAY, LogicalState="active")
    until(lambda: told(hand, RELAY, inputs[1]) == ("inactive", "false"), "the relay has fallen by itself")
    hand("deviceio", "SetDigitalInputConfigurations", DigitalInputs=[{"token": inputs[1], "IdleState": "closed"}])
    until(lambda: told(hand, RELAY, inputs[1]) == ("inactive", "true"), "an open contact is an active input now")
    assert hand("deviceio", "GetDigitalInputs")[1]["IdleState"] == "closed"
    assert hand.fault("device", "SetRelayOutputState", RelayOutputToken="x", LogicalState="active") == "ter:RelayToken"


def told(hand: Hand, *sources: str) -> tuple[str, ...]:
    """Return the states that a camera has told last."""
    known = hand("events", "states")
    return tuple(known.get(source, "") for source in sources)


def name_sources(hand: Hand) -> None:
    """Call what of DeviceIO is about sources and the loudspeaker; there are no other outputs."""
    assert hand("deviceio", "GetServiceCapabilities")["RelayOutputs"] == 2
    assert hand("deviceio", "GetVideoSources") == ["VideoSource_fixed", "VideoSource_dome"]
    assert hand("deviceio", "GetAudioSources") == ["AudioSource_dome"]
    assert hand("deviceio", "GetAudioOutputs") == ["AudioOutput_dome"]
    for kind, service in (("VideoSource", "media"), ("AudioSource", "media2"), ("AudioOutput", "media")):
        source = {f"{kind}Token": f"{kind}_dome"}
        assert hand("deviceio", f"Get{kind}ConfigurationOptions", **source)
        answer = hand("deviceio", f"Get{kind}Configuration", **source)
        configuration = answer.get(f"{kind}Configuration", answer)
        renamed = {**configuration, "Name": "Roof"}
        hand("deviceio", f"Set{kind}Configuration", Configuration=renamed, ForcePersistence=True)
        listed = hand(service, f"Get{kind}Configurations")
        assert {each["token"]: each["Name"] for each in listed}[configuration["token"]] == "Roof"
    assert not hand("deviceio", "GetVideoOutputs")
    for kind in ("Video", "Audio"):
        for operation in (f"Get{kind}OutputConfiguration", f"Get{kind}OutputConfigurationOptions"):
            fault = "ter:NoVideoOutput" if kind == "Video" else "ter:NoConfig"
            assert hand.fault("deviceio", operation, **{f"{kind}OutputToken": "x"}) == fault
    assert not hand("deviceio", "GetSerialPorts")


def encoder(hand: Hand) -> dict[str, Any]:
    found = hand("media2", "GetVideoEncoderConfigurations", ConfigurationToken="VideoEncoder_dome_main")
    return dict(found[0])


def test_an_encoder_is_set_and_the_stream_is_so(site: Site) -> None:
    hand = site.hand()
    configuration = encoder(hand)
    options = hand("media2", "GetVideoEncoderConfigurationOptions", ConfigurationToken=configuration["token"])
    assert {option["Encoding"] for option in options} == {"H264", "H265"}
    assert site.picture().shape == (360, 640)
    configuration["Resolution"] = {"Width": 320, "Height": 180}
    configuration["RateControl"]["FrameRateLimit"] = 8.0
    hand("media2", "SetVideoEncoderConfiguration", Configuration=configuration)
    made = encoder(hand)
    assert (made["Resolution"]["Width"], made["Resolution"]["Height"]) == (320, 180)
    assert made["RateControl"]["FrameRateLimit"] == 8.0
    until(lambda: site.picture().shape == (180, 320), "the picture is smaller")
    configuration |= {"Encoding": "H265", "Profile": "Main", "Resolution": {"Width": 640, "Height": 360}}
    hand("media2", "SetVideoEncoderConfiguration", Configuration=configuration)
    assert encoder(hand)["Encoding"] == "H265"
    until(lambda: site.picture().shape == (360, 640), "the picture is in another codec")
    configuration |= {"Encoding": "H264", "Profile": "Baseline"}
    hand("media2", "SetVideoEncoderConfiguration", Configuration=configuration)
    until(lambda: site.picture().shape == (360, 640), "the picture is as before")


def test_what_clients_write_without_being_asked_ends_as_the_policy_says(site: Site) -> None:
    """As Nx does: try frame rates, write sources and profiles, switch relays off, change the picture."""
    hand = site.hand()
    user = {"Username": GUEST, "Password": GUEST_PASSWORD, "UserLevel": "Operator"}
    hand("device", "CreateUsers", User=[user])
    guest = site.hand(GUEST, GUEST_PASSWORD)
    hand("device", "SetRelayOutputState", RelayOutputToken="RelayOutput_fixed_1", LogicalState="active")
    before = encoder(guest)
    for rate in (30.0, 15.0, 1.0):
        tried = {**before, "RateControl": {**before["RateControl"], "FrameRateLimit": rate}}
        guest("media2", "SetVideoEncoderConfiguration", Configuration=tried)
    assert encoder(guest) == before
    [source] = guest("media2", "GetVideoSourceConfigurations", ConfigurationToken="VideoSourceConfiguration_dome")
    guest("media2", "SetVideoSourceConfiguration", Configuration=source)
    made = guest("media2", "CreateProfile", Name="nx")
    guest("media2", "DeleteProfile", Token=made)
    guest("device", "SetRelayOutputState", RelayOutputToken="RelayOutput_fixed_1", LogicalState="inactive")
    darker = {"Brightness": 0.0}
    fault = guest.fault("imaging", "SetImagingSettings", **SOURCE, ImagingSettings=darker, ForcePersistence=False)
    assert fault == "ter:OperationProhibited"
    until(lambda: site.picture().shape == (360, 640), "pictures come as before")
