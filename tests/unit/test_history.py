"""The history of recordings: states that alternate, the same in both directions."""

from collections.abc import Collection
from itertools import groupby

import pytest
from recording_samples import BOTH, SECOND, START, Site, segment

from gateway.domain.event import Event, PropertyKey, PropertyOperation
from gateway.domain.event_history import EventPage, Place
from gateway.domain.recording import Span
from gateway.services.archive import LATEST_NS
from gateway.services.history import RECORDING_STATE, find_events
from gateway.services.search_windows import FIRST_NS
from gateway.services.stored_events import FoundEvent, NoEvents, RecordingEvents, StoredEvents

VIDEO = ("VIDEO001",)
MOTION = "tns1:VideoSource/MotionAlarm"
NOTHING = RecordingEvents(NoEvents(), {})
DAY, HOUR = 86_400, 3600


async def search(
    site: Site, start: float, end: float | None, *, states: bool = False, stored: StoredEvents | None = None
) -> list[FoundEvent]:
    """Return what is found between seconds after START."""
    recordings = site.recordings.all()
    start_ns = START + round(start * SECOND)
    end_ns = LATEST_NS if end is None else START + round(end * SECOND)
    others = RecordingEvents.of(
        stored or NoEvents(), recordings, lambda each: (each.token, each.source.source_id), lambda _: True
    )
    steps = find_events(recordings, site.archive, others, start_ns, end_ns, start_states=states)
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
    week = 7 * FIRST_NS // SECOND  # where the third window ends
    minutes = [segment("Recording_yard", at, at + 60) for at in range(0, 40 * DAY, 5 * DAY)]
    site.record(*minutes, segment("Recording_yard", week, week + 60), segment("Recording_yard", week - 60, week - 9))
    forward = await search(site, 0, 50 * DAY)
    assert len(told(forward)) == 20
    assert (await search(site, 50 * DAY, 0)) == forward[::-1]
    steps = find_events(site.recordings.all(), site.archive, NOTHING, 0, LATEST_NS, start_states=False)
    assert len([step async for step in steps]) == 10, "of 1, 2, 4 … 256 and the rest of the hours"


async def test_steps_get_shorter_where_there_is_much(site: Site) -> None:
    busy = range(7 * HOUR, 23 * HOUR, 50)
    site.record(*(segment("Recording_yard", at, at + 20, tracks=["VIDEO001"]) for at in (0, *busy)))
    steps = find_events(site.recordings.all(), site.archive, NOTHING, 0, LATEST_NS, start_states=False)
    sizes = [len(step.results) async for step in steps]
    assert sizes == [4, 0, 0, *(hours * 72 * 4 for hours in (8, 4, 2, 1, 1))]


async def test_a_track_that_changes_at_the_edge_of_a_window_is_told_once(site: Site) -> None:
    week = 7 * FIRST_NS // SECOND  # where the third window ends
    site.record(
        segment("Recording_yard", 0, week),
        segment("Recording_yard", week, week + 60, run=0, tracks=VIDEO),
        segment("Recording_yard", week + 60, week + 120, run=0, tracks=VIDEO),
    )
    found = await search(site, 0, None)
    assert told(found, track="AUDIO001") == [(0, "true"), (week, "false")]
    assert told(found, track="VIDEO001") == [(0, "true"), (week + 120, "false")]


async def test_a_track_that_is_missing_in_the_middle_is_seen(site: Site) -> None:
    minutes = range(0, 30 * HOUR, 60)
    silent = range(10 * HOUR, 10 * HOUR + 180, 60)
    tracks = {at: VIDEO if at in silent else BOTH for at in minutes}
    site.record(*(segment("Recording_yard", at, at + 60, run=0, tracks=tracks[at]) for at in minutes))
    forward = await search(site, 0, None)
    changes = [(0, "true"), (silent.start, "false"), (silent.stop, "true"), (30 * HOUR, "false")]
    assert told(forward, track="AUDIO001") == changes
    assert told(forward, track="VIDEO001") == told(forward) == [changes[0], changes[-1]]
    assert await search(site, 30 * HOUR, 0) == forward[::-1]
    moment = silent.start + 70
    assert told(await search(site, moment, moment + 1, states=True), track="AUDIO001") == [(moment, "(false)")]


async def test_a_track_that_ends_in_what_is_being_written(site: Site) -> None:
    site.record(segment("Recording_yard", 0, 60), segment("Recording_yard", 60, 120, run=0, tracks=VIDEO))
    site.write(segment("Recording_yard", 120, 150, run=0))
    assert told(await search(site, 0, None), track="AUDIO001") == [(0, "true"), (60, "false"), (120, "true")]
    site.write(segment("Recording_yard", 120, 160, run=0, tracks=VIDEO))
    assert told(await search(site, 0, None), track="AUDIO001") == [(0, "true"), (60, "false")]
    assert told(await search(site, 0, None), track="VIDEO001") == [(0, "true")]


class Index:
    """Events of subjects 1, 2 … in the order of their times, two to a page."""

    def __init__(self, *events: Event) -> None:
        self.keys = list(dict.fromkeys(event.property_key for event in events))
        self.rows = [(self.keys.index(event.property_key) + 1, event) for event in events]

    def extent(self) -> Span | None:
        return Span(self.rows[0][1].utc_ns, self.rows[-1][1].utc_ns)

    def subjects(self, names: Collection[str]) -> dict[int, PropertyKey]:
        return {number: key for number, key in enumerate(self.keys, 1) if {value for _, value in key[1]} & set(names)}

    async def page(self, wanted: Collection[int], place: Place, end_ns: int, *, reverse: bool, limit: int) -> EventPage:
        assert limit > 0
        rows = [((event.utc_ns, at), number, event) for at, (number, event) in enumerate(self.rows) if number in wanted]
        if reverse:
            found = [row for row in reversed(rows) if row[0] < place and row[0][0] >= end_ns]
        else:
            found = [row for row in rows if row[0] > place and row[0][0] <= end_ns]
        rest = found[1][0] if len(found) > 2 else None
        return EventPage(tuple((number, event) for _, number, event in found[:2]), rest)

    async def states(self, wanted: Collection[int], time_ns: int) -> list[tuple[int, Event]]:
        last = {number: event for number, event in self.rows if number in wanted and event.utc_ns <= time_ns}
        return list(last.items())


def motion(at: float, state: str, source: str = "yard", operation: PropertyOperation | None = None) -> Event:
    return Event(
        MOTION,
        (("Source", f"VideoSource_{source}"),),
        (("State", state),),
        utc_ns=START + round(at * SECOND),
        operation=operation or PropertyOperation.CHANGED,
    )


def listed(found: list[FoundEvent], *topics: str) -> list[tuple[float, str, str]]:
    """Return time, recording and value, in parentheses of a virtual event; of the recordings' and motion's states."""
    topics = topics or (RECORDING_STATE, MOTION)
    return [
        ((each.event.utc_ns - START) / SECOND, each.recording, f"({value})" if each.start_state else value)
        for each in found
        for _, value in each.event.data
        if not each.track and each.event.topic in topics
    ]


async def test_stored_events_stand_in_order_among_the_history(site: Site) -> None:
    with_gap(site)
    index = Index(
        motion(-50, "no"),
        motion(0, "same time"),
        motion(5, "other", "door"),
        motion(120, "a"),
        motion(120, "b"),
        motion(121, "c"),
        motion(9000, "unrecorded"),
        motion(9001, "elsewhere", "attic"),
    )
    forward = await search(site, 0, None, stored=index)
    yard, sub, door = "Recording_yard", "Recording_yard_sub", "Recording_door"
    assert listed(forward) == [
        (0, yard, "true"),
        *((0, name, "same time") for name in (yard, sub)),
        (5, door, "other"),
        (120, yard, "false"),
        *((120, name, "a") for name in (yard, sub)),
        *((120, name, "b") for name in (yard, sub)),
        *((121, name, "c") for name in (yard, sub)),
        (300, yard, "true"),
        (400, yard, "false"),
        *((9000, name, "unrecorded") for name in (yard, sub)),
    ]
    assert await search(site, 20_000, 0, stored=index) == forward[::-1]


async def test_stored_properties_have_a_state_at_the_start_unless_they_were_deleted(site: Site) -> None:
    with_gap(site)
    deleted = Event("tns1:Other", (("Source", "VideoSource_yard"),), (("On", "true"),), utc_ns=START + 25 * SECOND)
    index = Index(
        motion(10, "true"),
        motion(20, "false"),
        deleted.told(PropertyOperation.DELETED, deleted.utc_ns),
        Event("tns1:Message", (("Source", "VideoSource_yard"),), (("Text", "hello"),), utc_ns=START + 26 * SECOND),
        motion(40, "true"),
    )
    yard, sub = "Recording_yard", "Recording_yard_sub"
    found = await search(site, 30, 50, states=True, stored=index)
    assert listed(found, MOTION) == [
        *((30, name, "(false)") for name in (yard, sub)),
        *((40, name, "true") for name in (yard, sub)),
    ]
    assert {each.event.operation for each in found if each.start_state} == {PropertyOperation.INITIALIZED}
    assert [each for each in found if each.event.topic in ("tns1:Other", "tns1:Message")] == []
    backward = await search(site, 50, 30, states=True, stored=index)
    assert listed(backward, MOTION) == [
        *((50, name, "(true)") for name in (yard, sub)),
        *((40, name, "true") for name in (sub, yard)),
        *((30, name, "(false)") for name in (yard, sub)),
    ]


async def test_the_history_as_it_was_told_is_not_found_again(site: Site) -> None:
    with_gap(site)
    told_live = Event(
        RECORDING_STATE, (("RecordingToken", "Recording_yard"),), (("IsRecording", "true"),), utc_ns=START
    )
    created = Event(
        "tns1:RecordingConfig/CreateTrack", (("RecordingToken", "Recording_yard"), ("TrackToken", "T")), utc_ns=START
    )
    found = await search(site, -10, 50, stored=Index(told_live, created))
    assert [(each.event.topic, each.track) for each in found if each.track in ("", "T")] == [
        (RECORDING_STATE, ""),
        (created.topic, "T"),
    ]


async def test_topics_that_nobody_wants_are_not_looked_up(site: Site) -> None:
    with_gap(site)
    asked = site.catalogue.asked
    wanted = RecordingEvents.of(
        Index(motion(1, "true")), site.recordings.all(), lambda _: ("VideoSource_yard",), lambda topic: topic == "x"
    )
    steps = find_events(
        site.recordings.all(), site.archive, wanted, 0, LATEST_NS, start_states=True, takes=lambda topic: topic == "x"
    )
    assert [result async for step in steps for result in step.results] == []
    assert site.catalogue.asked == asked


async def test_a_gap_that_was_filled_is_none(site: Site) -> None:
    """Fetched footage is a run of its own, from the end of one to the beginning of another."""
    site.record(segment("Recording_yard", 0, 60), segment("Recording_yard", 60, 90), segment("Recording_yard", 90, 120))
    assert told(await search(site, -10, 200)) == [(0.0, "true"), (120.0, "false")]
