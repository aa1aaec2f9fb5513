"""Motion in the installed program: an object crosses at a known time, and a VMS hears of it within half a second."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from e2e.conftest import ENVIRONMENT, GATEWAY, PASSWORD, PEERS, USER, command, read_json_line
from e2e.test_vms_clients import client, implemented
from lxml import etree
from peers.crossing_camera import APPEARS, PERIOD
from soap_kit import envelope, token

from gateway.db import open_database
from gateway.domain.recording import Fragment, Segment, Span

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]
EVENTS, SEARCH = "http://www.onvif.org/ver10/events/wsdl", "http://www.onvif.org/ver10/search/wsdl"
WSNT, TNS1 = "http://docs.oasis-open.org/wsn/b-2", "http://www.onvif.org/ver10/topics"
TT, END = "http://www.onvif.org/ver10/schema", b"</tt:MetadataStream>"
SET = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
SOON = 0.5
"""Seconds from a frame's capture to its event at a pull point."""
CONFIGURATION = """
[http]
listen = "127.0.0.1:0"
[rtsp]
listen = "127.0.0.1:0"
[discovery]
enabled = false
[multicast]
enabled = false

[motion]
enabled = true
mode = "all"
hold = 0.5

[[camera]]
id = "crossing"
driver = "crossing"
[[camera.motion.zone]]
name = "Left"
polygon = [[0.0, 0.0], [0.45, 0.0], [0.45, 1.0], [0.0, 1.0]]
[[camera.motion.zone]]
name = "Right"
polygon = [[0.55, 0.0], [1.0, 0.0], [1.0, 1.0], [0.55, 1.0]]

[[camera]]
id = "still"
driver = "crossing"
settings = { box = false }

[[storage]]
id = "disk"
settings = { path = "archive" }

[[recording]]
camera = "crossing"
[[recording]]
camera = "crossing"
id = "around"
mode = "event"
topics = ["tns1:VideoSource/MotionAlarm"]
before = 0.5
after = 0.2
[[recording]]
camera = "still"
"""


@dataclass
class Told:
    """One event as it came."""

    topic: str
    operation: str
    items: dict[str, str]
    of: float
    """The time that it tells: when its frame was taken, in seconds since the epoch."""

    at: float
    """When it came."""

    @property
    def phase(self) -> float:
        """When in the camera's period its frame was taken."""
        return self.of % PERIOD


@dataclass
class Site:
    """A running gateway with a pull point."""

    onvif: str
    rtsp: str
    folder: Path
    events: list[Told] = field(default_factory=list)
    home_assistant: list[dict[str, Any]] = field(default_factory=list)
    """What it printed."""
    onvif_python: dict[str, Any] = field(default_factory=dict)
    found: list[Told] = field(default_factory=list)
    """The motion alarms that a search found."""

    def post(self, url: str, body: str) -> Any:
        """Return the element in the Body of the answer."""
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        request = urllib.request.Request(url, envelope(body, token(USER, PASSWORD, created)))  # noqa: S310 - http only
        request.add_header("Content-Type", "application/soap+xml")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return etree.fromstring(answer.read()).find("{*}Body")[0]
        except urllib.error.HTTPError as error:
            pytest.fail(error.read().decode())

    def subscribe(self) -> str:
        """Make a pull point and return its address."""
        service = self.onvif.replace("device_service", "event_service")
        return str(self.post(service, f'<CreatePullPointSubscription xmlns="{EVENTS}"/>').findtext(".//{*}Address"))

    def pull(self, address: str) -> list[Told]:
        """Wait for the next events, and keep them."""
        body = f'<PullMessages xmlns="{EVENTS}"><Timeout>PT10S</Timeout><MessageLimit>100</MessageLimit></PullMessages>'
        answer = self.post(address, body)
        found = [_told(each, time.time()) for each in answer.iter("{*}NotificationMessage")]
        self.events += found
        return found


def _told(message: Any, at: float) -> Told:
    content = message.find("{*}Message/{*}Message")
    items = {item.get("Name"): item.get("Value") for item in content.iter("{*}SimpleItem")}
    of = datetime.fromisoformat(content.get("UtcTime")).timestamp()
    return Told(message.findtext("{*}Topic"), content.get("PropertyOperation"), items, of, at)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The program with a stranger's camera, and what it told of two crossings."""
    folder = tmp_path_factory.mktemp("motion")
    (folder / "gateway.toml").write_text(CONFIGURATION)
    installed = folder / "crossing-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: crossing\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[gateway]\ncrossing = crossing_camera\n")
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join((str(PEERS), str(folder)))}
    done = command(folder, "storage", "format", "disk", "--confirm", "disk")
    assert done.returncode == 0, done.stderr
    program = (GATEWAY, "run", folder / "gateway.toml", "--json", "--data", folder / "data")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        try:
            report = read_json_line(process)
            site = Site(report["onvif"], report["rtsp"], folder)
            with _home_assistant(site) as listening, _metadata(site) as reading:
                _hear_two_crossings(site)
                site.found = _search(site)
                reading.terminate()
                site.home_assistant = [json.loads(line) for line in listening.communicate(timeout=30)[0].splitlines()]
            site.onvif_python = _change_rules(site)
        finally:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, (folder / "log").read_text()
    assert all(json.loads(line) for line in output.splitlines())
    return site


def _home_assistant(site: Site) -> "subprocess.Popen[str]":
    port = urlsplit(site.onvif).port
    arguments = ("127.0.0.1", port, USER, PASSWORD, "127.0.0.1", "VideoSource/MotionAlarm")
    program = (client("home_assistant"), PEERS / "home_assistant_events.py", *arguments)
    return subprocess.Popen([str(each) for each in program], stdout=subprocess.PIPE, text=True)


def _metadata(site: Site) -> "subprocess.Popen[bytes]":
    """Have FFmpeg write the documents of the camera's metadata track into a file."""
    url = f"{site.rtsp.replace('//', f'//{USER}:{PASSWORD}@')}/live/crossing/main/metadata"
    output = ("-map", "0:d", "-c", "copy", "-flush_packets", "1", "-f", "data", site.folder / "documents")
    return subprocess.Popen(("ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", url, *output))


def _search(site: Site) -> list[Told]:
    """Return what FindEvents finds of the motion alarm, once that is both crossings: events are stored in batches."""
    service = site.onvif.replace("device_service", "search_service")
    expression = f'TopicExpression xmlns="{WSNT}" xmlns:tns1="{TNS1}" Dialect="{SET}"'
    topic = f"<{expression}>tns1:VideoSource/MotionAlarm</TopicExpression>"
    body = f"""<FindEvents xmlns="{SEARCH}"><StartPoint>2020-01-01T00:00:00Z</StartPoint><Scope>
<IncludedRecordings xmlns="http://www.onvif.org/ver10/schema">Recording_crossing</IncludedRecordings></Scope>
<SearchFilter>{topic}</SearchFilter><IncludeStartState>false</IncludeStartState><KeepAliveTime>PT60S</KeepAliveTime>
</FindEvents>"""
    deadline = time.monotonic() + 30
    while True:
        search = site.post(service, body).findtext("{*}SearchToken")
        request = f'<GetEventSearchResults xmlns="{SEARCH}"><SearchToken>{search}</SearchToken></GetEventSearchResults>'
        results = site.post(service, request).iterfind(".//{*}Result")
        found = [_told(result.find("{*}Event"), time.time()) for result in results]
        if len([event for event in found if event.items["State"] == "true"]) >= 2:
            return found
        assert time.monotonic() < deadline, f"after 30 s the search finds {found}"


def _change_rules(site: Site) -> dict[str, Any]:
    arguments = ("127.0.0.1", urlsplit(site.onvif).port, USER, PASSWORD, "still")
    program = [str(each) for each in (client("onvif_python"), PEERS / "onvif_python_analytics.py", *arguments)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def _hear_two_crossings(site: Site) -> None:
    """Hear of the beginnings and ends of two crossings, and of one soon after its frame."""
    address = site.subscribe()
    deadline = time.monotonic() + 10 * PERIOD
    while len(ended := crossings(site, "false")) < 2 or not _soon(site):
        assert time.monotonic() < deadline, f"{len(ended)} crossings were told, soon: {_soon(site)}"
        site.pull(address)


def _soon(site: Site) -> bool:
    return any(event.at - event.of <= SOON for event in crossings(site, "true"))


def alarms(site: Site, camera: str) -> list[Told]:
    return [
        event
        for event in site.events
        if event.topic == "tns1:VideoSource/MotionAlarm" and event.items["Source"] == f"VideoSource_{camera}"
    ]


def crossings(site: Site, state: str) -> list[Told]:
    """Return the changes of the alarm to a state."""
    return [e for e in alarms(site, "crossing") if (e.operation, e.items["State"]) == ("Changed", state)]


def test_an_object_is_told_of_within_half_a_second_of_its_frame(site: Site) -> None:
    """The site has waited for that; here, that it is told of the right frames, of all and of no others."""
    begins, ends = crossings(site, "true"), crossings(site, "false")
    assert all(APPEARS <= event.phase < APPEARS + 0.5 for event in begins), begins
    assert all(event.phase < 1.0 for event in ends), ends
    assert len({int(event.of // PERIOD) for event in begins}) == len(begins) == len(ends)


def test_it_is_in_one_zone_after_the_other(site: Site) -> None:
    """The box's right side comes to the right zone before its crossing is half over."""
    begins = [
        event
        for event in site.events
        if event.topic == "tns1:RuleEngine/MotionRegionDetector/Motion" and event.items["State"] == "true"
    ]
    assert [event.items["RuleName"] for event in begins[:4]] == ["Left", "Right"] * 2
    third = APPEARS + (PERIOD - APPEARS) / 3
    assert all((event.phase < third) == (event.items["RuleName"] == "Left") for event in begins), begins


def test_a_still_picture_tells_nothing(site: Site) -> None:
    assert [(event.operation, event.items["State"]) for event in alarms(site, "still")] == [("Initialized", "false")]


def test_home_assistant_has_motion_sensors(site: Site) -> None:
    states, news = site.home_assistant
    assert {"Motion Alarm", "Motion Region Detection"} <= states["entities"].keys() | news["entities"].keys()
    for way in ("pulled", "sent"):
        assert any(
            state[:3] == ["tns1:VideoSource/MotionAlarm", "Changed", "VideoSource_crossing"] for state in news[way]
        )


def test_onvif_python_calls_every_operation_of_analytics(site: Site) -> None:
    found = site.onvif_python
    assert set(found["called"]) == {name for name in implemented() if name.startswith("analytics.")}
    assert found["supported"] == ["CellMotionDetector", "MotionRegionDetector"]
    assert (found["before"], found["created"]) == (["Motion"], ["Motion", "Cells", "Corner"])
    assert (found["corner"], found["sensitivity"], found["after"]) == (["0.75", 3], "80", ["Motion"])


def test_a_search_finds_what_was_told(site: Site) -> None:
    told = {(round(event.of, 2), event.items["State"]) for event in crossings(site, "true") + crossings(site, "false")}
    found = {
        (round(event.of, 2), event.items["State"]) for event in site.found if event.items["Source"].endswith("crossing")
    }
    assert len(found) >= 4
    assert {each for each in told if each[0] <= max(time for time, _ in found)} <= found


def test_the_metadata_track_has_the_alarm_and_what_moves(site: Site) -> None:
    written = (site.folder / "documents").read_bytes()
    documents = [etree.fromstring(part + END) for part in written.split(END)[:-1]]
    alarms = [
        _told(message, 0.0)
        for document in documents
        for message in document.iter(f"{{{WSNT}}}NotificationMessage")
        if message.findtext("{*}Topic") == "tns1:VideoSource/MotionAlarm"
    ]
    begins = [event.phase for event in alarms if (event.operation, event.items["State"]) == ("Changed", "true")]
    assert begins
    assert all(APPEARS <= phase < APPEARS + 0.5 for phase in begins)
    frames = [frame for document in documents for frame in document.iter(f"{{{TT}}}Frame")]
    moving = [frame for frame in frames if frame.find(f"{{{TT}}}Object") is not None]
    times = [datetime.fromisoformat(frame.get("UtcTime")).timestamp() % PERIOD for frame in moving]
    assert sum(time >= APPEARS for time in times) > len(times) / 2 > 0


async def _segments(site: Site, recording: str) -> list[Segment]:
    database = open_database(site.folder / "data")
    try:
        return await database.catalogue.segments(recording, Span(0, 2**62))
    finally:
        database.close()


async def _fragments(site: Site, recording: str) -> list[Fragment]:
    return [each for segment in await _segments(site, recording) for each in segment.fragments]


def _phases(fragment: Fragment) -> tuple[float, float]:
    """Return when in the camera's period a fragment begins and ends."""
    first, last = (time_ns / 1e9 % PERIOD for time_ns in (fragment.start_ns, fragment.end_ns - 1))
    return first, last


async def test_the_archive_has_marks_where_it_moved(site: Site) -> None:
    crossed = {int(event.of // PERIOD) for event in crossings(site, "false")}
    marked = set()
    for fragment in await _fragments(site, "Recording_crossing"):
        first, last = _phases(fragment)
        if 1.0 < first < last < APPEARS:
            assert fragment.motion == 0, fragment
        if fragment.motion and APPEARS < first < last:
            marked.add(fragment.start_ns // round(PERIOD * 1e9))
    # an end is told in the period after its crossing
    assert {period - 1 for period in crossed} <= marked
    still = await _fragments(site, "Recording_still")
    assert still
    assert not any(fragment.motion for fragment in still)


async def test_recording_around_motion(site: Site) -> None:
    """What moved is kept, with half a second before it; what is far from it is not."""
    kept = {each.start_ns for each in await _fragments(site, "Recording_around")}
    assert kept
    for before, fragment in pairwise(await _fragments(site, "Recording_crossing")):
        first, last = _phases(fragment)
        if fragment.motion:
            assert {before.start_ns, fragment.start_ns} <= kept
        if 1.0 < first < last < APPEARS - 0.6:
            assert fragment.start_ns not in kept
