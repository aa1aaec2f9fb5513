"""Losses of a camera as entries: few of them, and what is reckoned from them."""

import pytest

from gateway.domain.camera_history import HistoryEntry, HistoryKind
from gateway.services.camera_health import (
    ERROR_LULL_NS,
    LONGEST_NS,
    LULL_NS,
    MAX_ERRORS,
    OTHER_ERRORS,
    RESTART_NS,
    Errors,
    Outages,
    last_seen,
    uptime,
)

S = 1_000_000_000
BEGAN = 1_000_000 * S


def outages(last: HistoryEntry | None = None, watched_ns: int = BEGAN, now_ns: int = BEGAN) -> Outages:
    return Outages("door", last, watched_ns, now_ns)


def watch(start_ns: int, end_ns: int) -> HistoryEntry:
    return HistoryEntry("door", HistoryKind.WATCH, start_ns, end_ns=end_ns)


def outage(start_ns: int, end_ns: int | None, down: float = 0.0, since_ns: int | None = None) -> HistoryEntry:
    value = {"why": "", "down": down, "since_ns": start_ns if since_ns is None else since_ns}
    return HistoryEntry("door", HistoryKind.OUTAGE, start_ns, end_ns=end_ns, value=value)


def test_a_loss_is_an_entry_with_its_reason_and_its_length() -> None:
    camera = outages()
    assert camera.over(BEGAN + S) is None
    lost = camera.lost(BEGAN + 10 * S, "it does not answer")
    assert (lost.start_ns, lost.end_ns, lost.value["why"]) == (BEGAN + 10 * S, None, "it does not answer")
    assert camera.lost(BEGAN + 11 * S, "it refuses") is lost
    over = camera.over(BEGAN + 40 * S)
    assert over is not None
    assert (over.key, over.end_ns, over.count, over.value["down"]) == (lost.key, BEGAN + 40 * S, 1, 30.0)
    assert camera.over(BEGAN + 41 * S) is None


def test_a_camera_that_flaps_all_day_makes_an_entry_an_hour() -> None:
    camera, keys = outages(), set()
    camera.over(BEGAN)
    for second in range(10, 86_400, 10):
        keys.add(camera.lost(BEGAN + second * S, "gone").key)
        over = camera.over(BEGAN + (second + 4) * S)
        assert over is not None
    assert len(keys) == 24
    assert (over.count, over.value["down"]) == (359, 359 * 4.0)


def test_losses_far_apart_are_entries_of_their_own() -> None:
    camera = outages()
    camera.over(BEGAN)
    first = camera.lost(BEGAN + S, "gone")
    camera.over(BEGAN + 2 * S)
    assert camera.lost(BEGAN + 2 * S + LULL_NS, "gone").key != first.key


def test_a_camera_that_is_away_at_the_start_was_away_from_the_start() -> None:
    assert outages().lost(BEGAN + 7 * S, "gone").start_ns == BEGAN


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("gap_ns", [RESTART_NS - S, RESTART_NS])
def test_a_loss_goes_on_over_a_restart_but_not_over_a_long_time(gap_ns: int, there: bool) -> None:  # noqa: FBT001
    watched_ns = BEGAN + 9 * LONGEST_NS
    camera = outages(outage(BEGAN, None), watched_ns, watched_ns + gap_ns)
    now_ns = watched_ns + gap_ns + S
    entry = camera.over(now_ns) if there else camera.lost(now_ns, "gone")
    assert entry is not None
    short = gap_ns < RESTART_NS
    if there:
        assert entry.end_ns == (now_ns if short else watched_ns)
    else:
        assert entry.start_ns == (BEGAN if short else watched_ns + gap_ns)


def test_errors_are_counted_and_bounded() -> None:
    errors = Errors("door")
    for second in range(100):
        entry = errors.seen(BEGAN + second * S, "main: gone")
    assert (entry.start_ns, entry.end_ns, entry.count) == (BEGAN, BEGAN + 99 * S, 100)
    seen = {errors.seen(BEGAN + 100 * S, f"main: error {number}").subject for number in range(100)}
    assert len(seen) == MAX_ERRORS
    assert errors.seen(BEGAN + 101 * S, "main: error 7777").subject == OTHER_ERRORS
    assert errors.seen(BEGAN + 102 * S, "main: error 8888").count == 100 - (MAX_ERRORS - 2) + 1
    later = BEGAN + 200 * S + ERROR_LULL_NS
    assert errors.seen(later, "main: error 7777").subject == "main: error 7777"
    assert errors.seen(later, "main: gone").count == 1
    assert errors.seen(later, "main: \0" + "x" * 1000).subject == "main: ?" + "x" * 248


def test_uptime_is_of_the_time_that_was_watched() -> None:
    assert uptime([], 0, 100 * S) is None
    watches = [watch(0, 40 * S), watch(60 * S, 100 * S)]
    assert uptime(watches, 0, 100 * S) == 1.0
    assert uptime([*watches, outage(10 * S, 20 * S, 10.0)], 0, 100 * S) == pytest.approx(7 / 8)
    assert uptime([*watches, outage(90 * S, None)], 50 * S, 100 * S) == pytest.approx(3 / 4)
    flapping = outage(0, 40 * S, 20.0)
    assert uptime([*watches, flapping], 20 * S, 60 * S) == pytest.approx(1 / 2)
    assert uptime([watch(0, 100 * S), outage(0, None)], 0, 100 * S) == 0.0


def test_when_a_camera_was_last_seen() -> None:
    assert last_seen([]) is None
    assert last_seen([watch(0, 50), outage(0, None)]) is None
    assert last_seen([watch(0, 50), outage(10, 20)]) == 50
    assert last_seen([watch(0, 50), outage(10, None, since_ns=30)]) == 30
    assert last_seen([watch(0, 50), outage(30, 50), watch(60, 90), outage(60, None)]) == 30
