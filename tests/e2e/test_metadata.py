"""What happens at a camera, read by FFmpeg from the metadata track: live, and as it was recorded."""

import pytest
from e2e.conftest import PASSWORD, RTSP_PORT, USER, Gateway
from e2e.network import HOUSE
from lxml import etree

pytestmark = pytest.mark.peer
TT, WSNT = "{http://www.onvif.org/ver10/schema}", "{http://docs.oasis-open.org/wsn/b-2}"
END = "</tt:MetadataStream>"
STATE_OF_THE_CAMERA = {
    ("tns1:VideoSource/SignalLoss", "VideoSource_pattern", "false"),
    ("tns1:RecordingHistory/Recording/State", "Recording_pattern", "true"),
}


def first_document(gateway: Gateway, path: str, transport: str) -> etree._Element:
    """Return the first document of a stream; FFmpeg passes on packets, of which it takes several."""
    url = f"rtsp://{USER}:{PASSWORD}@{HOUSE}:{RTSP_PORT}{path}"
    output = ("-map", "0:d", "-c", "copy", "-flush_packets", "1", "-f", "data", "-")
    process = gateway.place.start("ffmpeg", "-v", "error", "-rtsp_transport", transport, "-i", url, *output)
    assert process.stdout is not None
    with process:
        text = ""
        while END not in text:
            text += (got := process.stdout.read(1))
            assert got, "the stream ended"
        process.kill()
    return etree.fromstring(text.encode())


def states(document: etree._Element) -> set[tuple[str, str, str]]:
    """Return topic, first source and first value of all states in a document."""
    found = set()
    for message in document.iterfind(f"{TT}Event/{WSNT}NotificationMessage"):
        said = message.find(f"{WSNT}Message/{TT}Message")
        assert said.get("PropertyOperation") == "Initialized"
        source, value = (said.find(f"{TT}{part}/{TT}SimpleItem").get("Value") for part in ("Source", "Data"))
        found.add((message.findtext(f"{WSNT}Topic"), source, value))
    return found


@pytest.mark.parametrize("transport", ["tcp", "udp", "http"])
def test_a_new_viewer_learns_all_states_of_its_camera(measured: Gateway, transport: str) -> None:
    found = states(first_document(measured, "/live/pattern/main/metadata", transport))
    assert found >= STATE_OF_THE_CAMERA
    assert not [source for _, source, _ in found if "film" in source], "nothing of another camera"


def test_what_was_recorded_is_replayed(measured: Gateway) -> None:
    found = states(first_document(measured, "/replay/Recording_pattern", "tcp"))
    assert ("tns1:VideoSource/SignalLoss", "VideoSource_pattern", "false") in found
