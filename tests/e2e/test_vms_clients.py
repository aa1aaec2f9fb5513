"""Clients that others wrote add the gateway, in every way of logging in that they have."""

import json
import re
import sys
from typing import Any

import pytest
from e2e.conftest import ENVIRONMENTS, HTTP_PORT, PASSWORD, PEERS, ROOT, USER, Gateway, run_json
from e2e.network import HOUSE, HOUSE_6

pytestmark = pytest.mark.peer
CREDENTIALS = (HOUSE, HTTP_PORT, USER, PASSWORD)
OPERATIONS = ROOT / "docs" / "reference" / "operations.md"


def client(name: str) -> str:
    return str(ENVIRONMENTS / name / "bin" / "python")


def implemented() -> set[str]:
    """Return the operations that the reference says are implemented, as `service.Operation`."""
    service, found = "", set()
    for line in OPERATIONS.read_text().splitlines():
        if line.startswith("## "):
            service = line.removeprefix("## ")
        elif row := re.match(r"\| (\w+) \| yes \|", line):
            found.add(f"{service}.{row[1]}")
    return found


def test_home_assistant_adds_the_gateway(gateway: Gateway) -> None:
    found = run_json(gateway.place, client("home_assistant"), PEERS / "home_assistant.py", *CREDENTIALS)
    assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", found["unique_id"])
    assert found["mac"] == found["unique_id"]
    assert found["has_h264"]
    assert found["clock_offset"] < 5
    assert found["snapshot"]
    assert {"http://www.onvif.org/ver10/media/wsdl", "http://www.onvif.org/ver20/media/wsdl"} <= set(found["xaddrs"])
    assert all(xaddr.startswith(f"http://{HOUSE}:{HTTP_PORT}/") for xaddr in found["xaddrs"].values())


def test_home_assistant_gets_every_stream_and_picture(measured: Gateway) -> None:
    profiles = run_json(measured.place, client("home_assistant"), PEERS / "home_assistant.py", *CREDENTIALS)["profiles"]
    cameras = measured.report["cameras"]
    assert [profile["stream"] for profile in profiles] == [
        camera[name] for camera in cameras for name in ("main", "sub")
    ]
    assert [profile["source"] for profile in profiles[::2]] == [profile["source"] for profile in profiles[1::2]]
    assert len({profile["source"] for profile in profiles}) == len(cameras)
    assert (profiles[0]["width"], profiles[0]["height"], profiles[0]["frame_rate"]) == (1280, 720, 25)
    assert all(profile["jpeg_by_digest"] and profile["jpeg_by_basic"] for profile in profiles)


# What is refused, by its fault: what belongs to the host, what no channel has, what would change a fixed profile, and
# tokens of things that do not exist.
REFUSED = {
    "ter:OperationProhibited": "device: SetDNS SetHostname SetNTP SetNetworkDefaultGateway",
    "ter:SystemlogUnavailable": "device: GetSystemLog",
    "ter:SupportInformationUnavailable": "device: GetSystemSupportInformation",
    "ter:AuxiliaryDataNotSupported": "device: SendAuxiliaryCommand",
    "ter:ConfigurationConflict": "media: RemoveAudioDecoderConfiguration RemoveAudioOutputConfiguration",
    "ter:VideoAnalyticsNotSupported": "media: AddVideoAnalyticsConfiguration RemoveVideoAnalyticsConfiguration",
    "ter:NoVideoSourceMode": "media: SetVideoSourceMode media2: SetVideoSourceMode",
    "ter:NoVideoOutput": "deviceio: GetVideoOutputConfiguration GetVideoOutputConfigurationOptions",
    "ter:MaxOSDs": "media: CreateOSD media2: CreateOSD",
    "ter:MaxMasks": "media2: CreateMask",
    "ter:NoConfig": "media: GetVideoAnalyticsConfiguration GetOSD SetVideoAnalyticsConfiguration SetOSD DeleteOSD "
    "media2: SetMask SetOSD DeleteMask DeleteOSD",
}


def expected() -> dict[str, str]:
    """Return the outcome of every implemented operation; events, motion, PTZ and imaging have tests of their own."""
    own = ("events.", "analytics.", "ptz.", "imaging.")
    outcomes = dict.fromkeys((name for name in implemented() if not name.startswith(own)), "ok")
    for fault, operations in REFUSED.items():
        service = ""
        for word in operations.split():
            if word.endswith(":"):
                service = word.removesuffix(":")
            else:
                outcomes[f"{service}.{word}"] = fault
    return outcomes


@pytest.mark.parametrize("mode", ["digest", "usernametoken"])
def test_onvif_python_calls_every_operation(measured: Gateway, mode: str) -> None:
    program = (client("onvif_python"), PEERS / "onvif_python.py", *CREDENTIALS, mode)
    results: dict[str, Any] = run_json(measured.place, *program)
    wanted = expected()
    unexpected = {name: results.get(name) for name in sorted(wanted) if outcome(results, name) != wanted[name]}
    assert not unexpected, json.dumps(unexpected, indent=1)
    # Of the others, the client itself refuses some for arguments that it misses; those never reach the gateway.
    answered = {name for name in results.keys() - wanted.keys() if not outcome(results, name).startswith("error")}
    assert len(answered) > 40
    assert {outcome(results, name) for name in answered} == {"ter:ActionNotSupported"}
    assert all("not implemented" in results[name]["reason"] for name in answered)


def outcome(results: dict[str, dict[str, str]], name: str) -> str:
    return results.get(name, {}).get("outcome", "not called")


def test_a_prober_finds_the_gateway(gateway: Gateway) -> None:
    found = run_json(gateway.place, sys.executable, PEERS / "wsd_prober.py", 2)
    ours = [[each for each in found[question] if "/onvif/device_service" in str(each["xaddrs"])] for question in found]
    answers = dict(zip(found, ours, strict=True))
    assert answers["printer"] == []
    for question in ("home_assistant", "profile_t", "anything"):
        [service] = [each for each in answers[question] if HOUSE in str(each["xaddrs"])]
        assert service["xaddrs"][0] == f"http://{HOUSE}:{HTTP_PORT}/onvif/device_service"
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", service["endpoint"])
        assert {"Device", "NetworkVideoTransmitter"} <= set(service["types"])
        scopes = " ".join(service["scopes"])
        assert "onvif://www.onvif.org/Profile/Streaming" in scopes
        assert "onvif://www.onvif.org/Profile/G" in scopes
        assert "onvif://www.onvif.org/name/House" in scopes
        assert HOUSE_6 not in service["xaddrs"][0]


def test_credentials_that_are_wrong_add_nothing(gateway: Gateway) -> None:
    program = (client("home_assistant"), PEERS / "home_assistant.py", HOUSE, HTTP_PORT, USER, "wrong")
    done = gateway.place.run(*program)
    assert done.returncode != 0
    assert "not authorized" in done.stderr.lower()
