"""Simple types: what real clients write is read, what is written is what they read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.onvif.simple import BUILTIN, read_date_time, read_duration, write_date_time, write_duration

NODE = etree.fromstring("<x xmlns:p='urn:p'/>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.5Z", datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31T12:00:00.123456789+02:00", datetime(2026, 1, 31, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-01-31T12:00:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T24:00:00Z", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-01-31T12:00-0530", datetime(2026, 1, 31, 17, 30, tzinfo=UTC)),
    ],
)
def test_date_times(text: str, expected: datetime) -> None:
    assert read_date_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-02-31T00:00:00Z",
        "0000-00-00T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "2026-01-31T12:00:00+99:00",
    ],
)
def test_date_times_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_date_time(text)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])))
def test_written_date_times_are_read_back_to_the_second(moment: datetime) -> None:
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        return
    assert read_date_time(write_date_time(moment)) == utc.replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT60S", timedelta(seconds=60)),
        ("PT1M", timedelta(minutes=1)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("P1Y", timedelta(days=365)),
        ("-PT5S", timedelta(seconds=-5)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert read_duration(text) == expected


@pytest.mark.parametrize("text", ["", "P", "60", "PTS", "P99999999999Y", "PT1H2"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        read_duration(text)


@given(st.integers(-(10**9), 10**9))
def test_written_durations_are_read_back(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert read_duration(write_duration(duration)) == duration


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("boolean", "1", True),
        ("boolean", "TRUE", True),
        ("boolean", "false", False),
        ("int", "-5", -5),
        ("float", "1e3", 1000.0),
        ("float", "INF", float("inf")),
        ("QName", "p:x", "{urn:p}x"),
        ("base64Binary", "aGk=\n", b"hi"),
        ("hexBinary", "00ff", b"\x00\xff"),
    ],
)
def test_values_are_typed(name: str, text: str, expected: object) -> None:
    assert BUILTIN[name].read(text, NODE) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("int", "2147483648", "an integer from -2147483648 to 2147483647 is expected"),
        ("int", "1.5", "an integer is expected"),
        ("int", "\u0663", "an integer is expected"),
        ("int", "9" * 5000, "an integer is expected"),
        ("nonNegativeInteger", "-1", "an integer from 0 to any is expected"),
        ("float", "nan?", "a number is expected"),
        ("QName", "q:x", "the prefix 'q' is not declared"),
    ],
)
def test_wrong_texts_are_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BUILTIN[name].read(text, NODE)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("float", 25.0, "25"),
        ("float", 29.97, "29.97"),
        ("float", 3, "3"),
        ("float", float("-inf"), "-INF"),
        ("boolean", True, "true"),
        ("hexBinary", b"\x0a", "0A"),
    ],
)
def test_values_are_written(name: str, value: object, expected: str) -> None:
    assert BUILTIN[name].write(value) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("int", True),
        ("int", "5"),
        ("float", "x"),
        ("string", 5),
        ("dateTime", "now"),
        ("duration", 5),
        ("base64Binary", ""),
    ],
)
def test_wrong_values_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        BUILTIN[name].write(value)
