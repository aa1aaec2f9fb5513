"""The filter of recording searches: what it takes, and what it refuses."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.protocols.search_filter import Window, parse_search_filter


def track(kind: str, description: str = "") -> dict[str, Any]:
    moment = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
    return {"TrackToken": kind[:4].upper(), "TrackType": kind, "Description": description, "DataFrom": moment}


def information(*tracks: dict[str, Any]) -> dict[str, Any]:
    source = {"SourceId": "VideoSource_yard", "Name": "Yard", "Location": "Basement", "Description": "north"}
    return {
        "RecordingToken": "Recording_yard",
        "Source": source,
        "Track": list(tracks),
        "RecordingStatus": "Recording",
        "EarliestRecording": datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC),
    }


VIDEO, BOTH = information(track("Video")), information(track("Video"), track("Audio", "microphone 7"))


@pytest.mark.parametrize(
    ("text", "video", "both"),
    [
        ('boolean(//Track[TrackType = "Video"])', True, True),
        ("boolean(//Track[TrackType='Audio'])", False, True),
        ('boolean(//tt:Track[tt:TrackType = "Audio"])', False, True),
        ("boolean(//Track[TrackType = “Audio”])", False, True),
        ('boolean(//Track[TrackType = "Metadata"])', False, False),
        ('boolean(//Track[TrackType = "Video"]) and boolean(//Track[TrackType = "Audio"])', False, True),
        ('boolean(//Track[TrackType = "Metadata"]) or boolean(//Track[TrackType = "Video"])', True, True),
        ('boolean(//Track[TrackType = "Video"]) and not(boolean(//Track[TrackType = "Audio"]))', True, False),
        ("(boolean(//Track) and not(//Metadata)) or boolean(//Ghost)", True, True),
        ("//Track", True, True),
        ("boolean(//Ghost)", False, False),
        ('boolean(//Source[Location = "Basement"]) and boolean(//Track[TrackType = "Video"])', True, True),
        ('boolean(//Source[Location != "Basement"])', False, False),
        ('//Source/Location = "Basement"', True, True),
        ('/RecordingInformation/Source/Name = "Yard"', True, True),
        ('/Source/Name = "Yard"', False, False),
        ('Source/Name = "Yard"', True, True),
        ('boolean(//Track[TrackType = "Audio" and contains(Description, "7")])', False, True),
        ('contains(//Source/Name, "ar")', True, True),
        ('boolean(//Track[TrackType = "Video"][DataFrom < "2026-01-31T12:00:01Z"])', True, True),
        ('//EarliestRecording > "2026-01-31T12:00:00Z"', False, False),
        ('//EarliestRecording >= "2026-01-31T12:00:00Z"', True, True),
        ('boolean(//*[. = "microphone 7"])', False, True),
        ('boolean(//Track[@TrackToken = "AUDI"])', False, True),
        ('not(//RecordingStatus = "Stopped") and //RecordingStatus <= "Recording"', True, True),
    ],
)
def test_filters(text: str, video: bool, both: bool) -> None:  # noqa: FBT001 - a table
    wanted = parse_search_filter(text)
    assert wanted.window is None
    assert (wanted.matches(VIDEO), wanted.matches(BOTH)) == (video, both)


def test_numbers_compare_as_numbers() -> None:
    assert parse_search_filter("//Width > 9").matches({"Width": 10})
    assert parse_search_filter('//Width = "10.0"').matches({"Width": 10})
    assert parse_search_filter('//Fixed = "true"').matches({"Fixed": True})


@pytest.mark.parametrize(
    "text",
    [
        "boolean(//tt:Track),2026-01-31T12:00:00Z,86400000,10000,0,0",
        'boolean(//Track[TrackType = "Video"]), 2026-01-31T12:00:00.000Z , 86400000 , 10000 , 0 , 0',
        "boolean(//Track),2026-01-31T13:00:00+01:00,86400000,10000,0,0",
    ],
)
def test_the_bridges_form_has_a_window(text: str) -> None:
    wanted = parse_search_filter(text)
    assert wanted.matches(VIDEO)
    at = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
    assert wanted.window == Window(at, timedelta(days=1), 10000, timedelta(0), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the filter ends too early"),
        ("boolean(//Track[TrackType = ", "the filter ends too early"),
        ('boolean(//Track[TrackType = "Video")', "the filter has ')' where ']' is expected"),
        ("boolean(//Track[TrackType = Video])", "the filter has 'Video' where a quoted text is expected"),
        ('boolean(//Track) "x"', "the filter goes on with '\"x\"' after its end"),
        ("count(//Track)", "the filter calls count(); there are boolean(), not() and contains()"),
        ("boolean(//Track[$x = 1])", "the filter can't be read from '$x = 1])' on"),
        ("//@*", "the filter has '*' where the name of an element is expected"),
        ("boolean(//)", "the filter has ')' where the name of an element is expected"),
        ("boolean(//Track),soon,1,1,1,1", "the filter's window begins with 'soon', which is no time"),
        ("(" * 17 + "//a" + ")" * 17, "the filter nests deeper than 16"),
        ("//a" * 301, "the filter has more than 300 parts"),
        ("x" * 2001, "the filter has 2001 characters, more than 2000"),
    ],
)
def test_what_is_no_filter(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_search_filter(text)


def test_a_filter_that_looks_at_too_much_is_stopped() -> None:
    greedy = parse_search_filter("//*[//*[//*[//*[//Ghost]]]]")
    with pytest.raises(ValueError, match="looks at more than 5000 elements of one recording"):
        greedy.matches(BOTH)
