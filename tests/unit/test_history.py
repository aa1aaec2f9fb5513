"""The history of recordings: states that alternate, the same in both directions."""

from itertools import groupby

import pytest
from recording_samples import SECOND, START, Site, segment

from gateway.domain.event import Event, PropertyOperation
from gateway.domain.recording import Span
from gateway.services.archive import LATEST_NS
from gateway.services.history import FIRST_WINDOW_NS, RECORDING_STATE, FoundEvent, NoEvents, StoredEvents, find_events

VIDEO = ("VIDEO001",)
DAY = 86_400


async def search(
    site: Site, start: float, end: float | None, *, states: bool = False, stored: StoredEvents | None = None
) -> list[FoundEvent]:
    """Return what is found between seconds after START."""
    recordings = site.recordings.all()
    start_ns = START + round(start * SECOND)
    end_ns = LATEST_NS if end is None else START + round(end * SECOND)
    steps = find_events(recordings, site.archive, stored or NoEvents(), start_ns, end_ns, start_states=states)
    return [event async for step in steps for event in step.results]


def told(found: list[FoundEvent], recording: str = "Recording_yard", track: str = "") -> list[tuple[float, str]]:
    """Return times and values of one property; a virtual event's value is in parentheses."""
    mine = [each for each in found if (each.recording, each.track) == (recording, track)]
    return [
        ((each.event.utc_ns - START) / SECOND, f"({value})" if each.start_state else value)
        for each in mine
        for _, value in each.event.data
    ]


@pytest.fixture
def site() -> Site:
    return Site()


def with_gap(site: Site) -> Site:
    site.record(segment("Recording_yard", 0, 60), segment("Recording_yard", 60, 119.5, run=0))
    site.record(segment("Recording_yard", 300.2, 360), segment("Recording_yard", 360, 400, run=300.2, tracks=VIDEO))
    return site


async def test_states_alternate_at_every_gap(site: Site) -> None:
    found = await search(with_gap(site), -1000, None)
    assert told(found) == [(0, "true"), (120, "false"), (300, "true"), (400, "false")]
    assert told(found, track="VIDEO001") == told(found)
    assert told(found, track="AUDIO001") == [(0, "true"), (120, "false"), (300, "true"), (360, "false")]
    assert {each.event.operation for each in found} == {PropertyOperation.CHANGED}
    assert found[0].event.topic == RECORDING_STATE
    assert [each.event.utc_ns for each in found] == sorted(each.event.utc_ns for each in found)


@pytest.mark.parametrize(("low", "high"), [(30, 350), (0, 400), (-100, 1000), (120, 300), (121, 299)])
async def test_backwards_finds_the_same(site: Site, low: float, high: float) -> None:
    with_gap(site)
    forward, backward = await search(site, low, high), await search(site, high, low)
    assert backward == forward[::-1]
    assert [time for time, _ in told(forward)] == [time for time in (0, 120, 300, 400) if low <= time <= high]


async def test_start_states_are_told_at_the_start_and_backwards_at_both_ends(site: Site) -> None:
    with_gap(site)
    forward = told(await search(site, 30, 310, states=True))
    assert forward == [(30, "(true)"), (120, "false"), (300, "true")]
    backward = told(await search(site, 310, 30, states=True))
    assert backward == [(310, "(true)"), (300, "true"), (120, "false"), (30, "(true)")]
    assert told(await search(site, 200, 210, states=True)) == [(200, "(false)")]
    assert told(await search(site, 200, 210, states=True), "Recording_door") == [(200, "(false)")]
    assert told(await search(site, 370, 380, states=True), track="AUDIO001") == [(370, "(false)")]
    assert told(await search(site, 0, 10, states=True)) == [(0, "(true)"), (0, "true")]


async def test_what_is_being_written_has_not_ended(site: Site) -> None:
    site.record(segment("Recording_yard", 0, 60))
    site.write(segment("Recording_yard", 60, 90, run=0))
    assert told(await search(site, 0, None)) == [(0, "true")]
    assert told(await search(site, 500, 600, states=True)) == [(500, "(true)")]
    site.archive.closed(segment("Recording_yard", 60, 95, run=0))
    assert told(await search(site, 0, None)) == [(0, "true"), (95, "false")]


async def test_gaps_within_a_second_still_alternate(site: Site) -> None:
    site.record(*(segment("Recording_yard", start, start + 0.2) for start in (10.1, 10.4, 10.7, 11.5)))
    found = told(await search(site, 0, 100))
    assert found == [
        (10, "true"),
        (11, "false"),
        (11, "true"),
        (11, "false"),
        (11, "true"),
        (11, "false"),
        (11, "true"),
        (12, "false"),
    ]
    assert all(len(list(group)) == 1 for _, group in groupby(value for _, value in found))


async def test_long_times_are_searched_in_windows(site: Site) -> None:
    week = 7 * FIRST_WINDOW_NS // SECOND  # where the third window ends
    minutes = [segment("Recording_yard", at, at + 60) for at in range(0, 40 * DAY, 5 * DAY)]
    site.record(*minutes, segment("Recording_yard", week, week + 60), segment("Recording_yard", week - 60, week))
    forward = await search(site, 0, 50 * DAY)
    assert len(told(forward)) == 20
    assert (await search(site, 50 * DAY, 0)) == forward[::-1]
    steps = find_events(site.recordings.all(), site.archive, NoEvents(), 0, LATEST_NS, start_states=False)
    assert len([step async for step in steps]) == 6, "of 1, 2, 4, 8, 16 and the rest of the days"


async def test_steps_get_shorter_where_there_is_much(site: Site) -> None:
    busy = range(7 * DAY, 23 * DAY, 1200)
    site.record(*(segment("Recording_yard", at, at + 60, tracks=["VIDEO001"]) for at in (0, *busy)))
    steps = find_events(site.recordings.all(), site.archive, NoEvents(), 0, LATEST_NS, start_states=False)
    sizes = [len(step.results) async for step in steps]
    assert sizes == [4, 0, 0, 8 * 72 * 4, 4 * 72 * 4, 4 * 72 * 4]


async def test_a_track_that_changes_at_the_edge_of_a_window_is_told_once(site: Site) -> None:
    week = 7 * FIRST_WINDOW_NS // SECOND  # where the third window ends
    site.record(
        segment("Recording_yard", 0, week),
        segment("Recording_yard", week, week + 60, run=0, tracks=VIDEO),
        segment("Recording_yard", week + 60, week + 120, run=0, tracks=VIDEO),
    )
    found = await search(site, 0, None)
    assert told(found, track="AUDIO001") == [(0, "true"), (week, "false")]
    assert told(found, track="VIDEO001") == [(0, "true"), (week + 120, "false")]


async def test_other_events_come_from_the_index_in_order(site: Site) -> None:
    with_gap(site)

    class Index:
        async def events(self, recording: str, window: Span) -> list[Event]:
            assert window.start_ns >= START
            motion = Event("tns1:VideoSource/MotionAlarm", data=(("State", "true"),), utc_ns=START + 70 * SECOND)
            return [motion] if recording == "Recording_yard" else []

    values = told(await search(site, 0, 200, stored=Index()))
    assert values == [(0, "true"), (70, "true"), (120, "false")]
