"""Clients that others wrote subscribe to events: pulled and sent, and a camera that comes back is told both ways."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.conftest import HTTP_PORT, PASSWORD, PEERS, USER, Gateway, read_json_line, run_json, start_film_camera
from e2e.network import HOUSE, LAN, Network
from e2e.test_vms_clients import client, implemented
from mosquitto_kit import MOSQUITTO, make_passwords
from mosquitto_kit import PASSWORD as BROKER_PASSWORD
from mosquitto_kit import USER as BROKER_USER

pytestmark = pytest.mark.peer
CREDENTIALS = (HOUSE, HTTP_PORT, USER, PASSWORD)
REBOOT, LOSS = "tns1:Monitoring/OperatingTime/LastReboot", "tns1:VideoSource/SignalLoss"
TOPICS = [
    "Device/HardwareFailure/StorageFailure",
    "Device/Trigger/DigitalInput",
    "Device/Trigger/Relay",
    "Media/ConfigurationChanged",
    "Media/ProfileChanged",
    "Monitoring/OperatingTime/LastReboot",
    "Receiver/ChangeState",
    "Receiver/ConnectionFailed",
    "RecordingConfig/CreateRecording",
    "RecordingConfig/CreateTrack",
    "RecordingConfig/DeleteRecording",
    "RecordingConfig/DeleteTrack",
    "RecordingConfig/DeleteTrackData",
    "RecordingConfig/JobState",
    "RecordingConfig/RecordingConfiguration",
    "RecordingConfig/RecordingJobConfiguration",
    "RecordingConfig/TrackConfiguration",
    "RecordingHistory/Recording/State",
    "RecordingHistory/Track/State",
    "VideoSource/SignalLoss",
]


@pytest.mark.parametrize("mode", ["digest", "usernametoken"])
def test_onvif_python_calls_every_operation_of_events(measured: Gateway, mode: str) -> None:
    # A gateway that has just started still tells of recordings that begin.
    found = run_json(measured.place, client("onvif_python"), PEERS / "onvif_python_events.py", *CREDENTIALS, mode)
    assert {f"events.{name}" for name in found["called"]} == {
        name for name in implemented() if name.startswith("events.")
    }
    assert found["topics"] == TOPICS
    reboot = [state for state in found["states"] if state[2] == "Status"]
    assert [state[0] for state in reboot] == ["Initialized"]
    assert ["Initialized", "VideoSource_pattern", "State", "false"] in found["states"]
    assert {(source, name) for operation, source, name, _ in found["states"] if operation == "Initialized"} <= {
        (source, name) for operation, source, name, _ in found["again"] if operation == "Initialized"
    }
    assert found["filtered"] == reboot
    # Another client may have rebooted the gateway before: the past begins with the first start, this is the last.
    assert [state[:3] for state in found["past"][:2]] == [["", "", ""], ["Initialized", "", "Status"]]
    assert reboot[0] in found["since_start"]
    assert (found["empty"], found["renewed"], found["pull_points"]) == (0, 120, 64)
    assert found["brokers"] == [["mqtt://127.0.0.1:9", "house", 0]]
    # The client can't send the text of a topic.
    assert (found["no_topic"], found["after"]) == ("InvalidTopicExpressionFault", "ResourceUnknownFault")


def test_a_flood_of_events_reaches_every_subscriber_once(measured: Gateway) -> None:
    options = ("--url", measured.report["onvif"], "--user", USER, "--password", PASSWORD, "--listen", LAN)
    load = ("--pull-points", 32, "--consumers", 5, "--rate", 50, "--seconds", 4)
    found = run_json(measured.place, sys.executable, PEERS / "event_flood.py", *options, *load)
    assert found["sent"] == 200
    assert found["pull"] == {"readers": 32, "fewest": 200, "twice": 0}
    assert found["notify"] == {"readers": 5, "fewest": 200, "twice": 0}


def test_home_assistant_reads_events_both_ways(gateway: Gateway, network: Network) -> None:
    process = network.lan.start(client("home_assistant"), PEERS / "home_assistant_events.py", *CREDENTIALS, LAN)
    first = read_json_line(process)
    camera = start_film_camera(network, 7555)
    second = read_json_line(process)
    _, errors = process.communicate(timeout=30)
    camera.process.terminate()
    camera.process.wait(timeout=10)
    assert process.returncode == 0, errors
    for way in ("pulled", "sent"):
        # Home Assistant asks for the states once more than it gets them anyway.
        assert [LOSS, "Initialized", "VideoSource_returning", "true"] in first[way]
        changed = [state for state in second[way] if state[0] == LOSS]
        assert changed == [[LOSS, "Changed", "VideoSource_returning", "false"]], json.dumps(second)
    assert first["entities"]["Last Reboot"] == next(state[3] for state in first["sent"] if state[0] == REBOOT)
    assert first["entities"]["Storage Failure"] == "False"
    assert first["entities"].keys() == {
        "Digital Input",
        "Last Reboot",
        "Recording Job State",
        "Relay Triggered",
        "Storage Failure",
    }


@pytest.fixture
def mosquitto(network: Network, tmp_path: Path) -> Iterator[str]:
    """A broker in the LAN; its address."""
    make_passwords(tmp_path)
    (tmp_path / "conf").write_text(f"user root\nlistener 1883 {LAN}\npassword_file {tmp_path}/passwords\n")
    process = network.lan.start(MOSQUITTO, "-c", tmp_path / "conf")
    yield f"mqtt://{LAN}:1883"
    process.terminate()
    process.communicate(timeout=10)


def test_mosquitto_prints_that_a_camera_comes_back(gateway: Gateway, network: Network, mosquitto: str) -> None:
    broker = (mosquitto, BROKER_USER, BROKER_PASSWORD)
    found = run_json(network.lan, client("onvif_python"), PEERS / "onvif_python_broker.py", *CREDENTIALS, *broker)
    assert found == {
        "Address": mosquitto,
        "TopicPrefix": "house",
        "UserName": BROKER_USER,
        "Password": None,
        "QoS": 1,
        "Status": "Connected",
        "PublishFilter": "tns1:VideoSource//.",
    }
    topic = "house/onvif-ej/VideoSource/SignalLoss/&VideoSource_returning"
    options = ("-h", LAN, "-u", BROKER_USER, "-P", BROKER_PASSWORD, "-t", topic, "-C", 2, "-W", 40, "-F", "%r %p")
    subscriber = network.lan.start("stdbuf", "-oL", "mosquitto_sub", *options)
    assert subscriber.stdout is not None
    retained, _, first = subscriber.stdout.readline().partition(" ")
    assert (retained, json.loads(first)["Data"]) == ("1", {"State": True})
    camera = start_film_camera(network, 7555)
    told, errors = subscriber.communicate(timeout=50)
    camera.process.terminate()
    camera.process.wait(timeout=10)
    retained, _, second = told.partition(" ")
    assert retained == "0", errors
    message = json.loads(second)
    assert (message["Source"], message["Data"]) == ({"Source": "VideoSource_returning"}, {"State": False})
    assert BROKER_PASSWORD not in (gateway.folder / "log").read_text()
