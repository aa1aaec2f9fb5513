"""Whose event it is."""

import pytest

from gateway.domain.event import Event
from gateway.onvif.camera_tokens import camera_of, camera_tokens
from gateway.services.device_events import input_token, relay_token

CAMERAS = ("door", "door_2", "gate")


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_token_of_a_camera_leads_back_to_it(camera: str) -> None:
    tokens = camera_tokens(camera) | {input_token(camera, "Input 1"), relay_token(camera, "R_1")}
    assert {camera_of(Event.of("tns1:Any", {"Token": token}), CAMERAS) for token in tokens} == {camera}


@pytest.mark.parametrize("token", ["door", "VideoSource_yard", "DigitalInput_yard_1", "DigitalInput_door", "door_huge"])
def test_other_tokens_lead_nowhere(token: str) -> None:
    assert camera_of(Event.of("tns1:Any", {"Token": token}), CAMERAS) == ""


def test_any_item_of_the_source_counts() -> None:
    event = Event.of("tns1:Any", {"Rule": "line", "VideoSource": "VideoSource_gate"})
    assert camera_of(event, CAMERAS) == "gate"
