"""Which of a camera's own recordings is of the stream that the gateway plays."""

from collections.abc import Iterator

import pytest
from lxml import etree

from gateway.domain.errors import GatewayError
from gateway.protocols.soap.answers import Element
from gateway_onvif.description import Stream
from gateway_onvif.edge import EdgeRecording, find_recordings, recording_of
from gateway_onvif.messages import REPLAY, SEARCH, Profile
from gateway_onvif.values import time_ns

SECOND = 1_000_000_000
MAIN = Stream(Profile("main_1", "Main", "source_1", "H264", 1920, 1080, configuration="config_1"), "rtsp://camera/1")


def held(source: str, name: str = "r", *, video: bool = True) -> EdgeRecording:
    return EdgeRecording(name, source, video, None, None)


@pytest.mark.parametrize(
    ("recordings", "chosen"),
    [
        ([held("other"), held("main_1", "mine")], "mine"),
        ([held("source_1", "mine"), held("other")], "mine"),
        ([held("source_1", "source"), held("main_1", "profile")], "profile"),
        ([held("card", "only")], "only"),
        ([held("card", "sound", video=False), held("card", "only")], "only"),
    ],
)
def test_a_recording_is_told_by_its_source(recordings: list[EdgeRecording], chosen: str) -> None:
    assert recording_of(MAIN, recordings, main=True).token == chosen


@pytest.mark.parametrize("recordings", [[], [held("a"), held("b")], [held("main_1", video=False)]])
def test_where_none_can_be_meant_none_is_taken(recordings: list[EdgeRecording]) -> None:
    with pytest.raises(GatewayError, match=r"recordings with video says that it is of profile 'main_1'"):
        recording_of(MAIN, recordings, main=True)


def test_a_sub_stream_needs_a_recording_of_its_own() -> None:
    with pytest.raises(GatewayError, match="none of the camera's 1 recordings"):
        recording_of(MAIN, [held("source_1")], main=False)


@pytest.mark.parametrize(
    ("span", "start", "end"), [((0, 10), None, None), ((5, 10), 8, None), ((5, 10), 1, 5), ((5, 10), None, 20)]
)
def test_what_may_be_there_is_asked_for(span: tuple[int, int], start: int | None, end: int | None) -> None:
    assert EdgeRecording("r", "", video=True, start_ns=start, end_ns=end).has(*span)


def test_what_can_not_be_there_is_not() -> None:
    assert not EdgeRecording("r", "", video=True, start_ns=11, end_ns=None).has(5, 10)
    assert not EdgeRecording("r", "", video=True, start_ns=None, end_ns=4).has(5, 10)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("2023-11-14T22:13:20Z", 1_700_000_000), ("2023-11-14T23:13:20.5+01:00", 1_700_000_000.5), ("soon", None)],
)
def test_times_of_recordings(words: str, seconds: float | None) -> None:
    assert time_ns(words) == (None if seconds is None else round(seconds * SECOND))


class Camera:
    """An `Asker` whose camera answers as it is told to."""

    def __init__(self, *answers: str, services: tuple[str, ...] = (SEARCH, REPLAY)) -> None:
        self.asked: list[str] = []
        self._answers: Iterator[str] = iter(answers)
        self._services = services

    def offers(self, service: str) -> bool:
        return service in self._services

    async def ask(self, _service: str, body: str, *, action: str = "") -> Element:
        assert not action
        self.asked.append(body)
        return etree.fromstring(next(self._answers))


FOUND = "<A><SearchToken>s&amp;1</SearchToken></A>"


def results(state: str, *tokens: str) -> str:
    found = "".join(
        f"<RecordingInformation><RecordingToken>{token}</RecordingToken><Source><SourceId>s</SourceId></Source>"
        "<EarliestRecording>2023-11-14T22:13:20Z</EarliestRecording>"
        "<Track><TrackType>Video</TrackType></Track></RecordingInformation>"
        for token in tokens
    )
    return f"<A><ResultList><SearchState>{state}</SearchState>{found}</ResultList></A>"


async def test_all_pages_of_a_search_are_read_and_the_search_is_ended() -> None:
    camera = Camera(FOUND, results("Searching", "a"), results("Completed", "b"), "<A/>")
    found = await find_recordings(camera)  # type: ignore[arg-type]
    assert [each.token for each in found] == ["a", "b"]
    assert found[0] == EdgeRecording("a", "s", video=True, start_ns=1_700_000_000 * SECOND, end_ns=None)
    assert all("<tse:SearchToken>s&amp;1</tse:SearchToken>" in body for body in camera.asked[1:])
    assert "EndSearch" in camera.asked[-1]


async def test_a_search_that_never_ends_is_left() -> None:
    camera = Camera(FOUND, *[results("Searching", "a")] * 60, "<A/>")
    assert len(await find_recordings(camera)) == 60  # type: ignore[arg-type]
    assert "EndSearch" in camera.asked[-1]


async def test_a_camera_that_does_not_record_is_not_searched() -> None:
    camera = Camera(services=(SEARCH,))
    with pytest.raises(GatewayError, match="the camera does not record"):
        await find_recordings(camera)  # type: ignore[arg-type]
    assert camera.asked == []
