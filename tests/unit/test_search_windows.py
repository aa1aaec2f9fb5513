"""Searches step by step: windows cover the time once, and stretches over their edges are found once."""

from itertools import pairwise

import pytest
from recording_samples import SECOND, START, Site, segment

from gateway.domain.recording import Span
from gateway.services.search_windows import FIRST_NS, Windows
from gateway.services.searches_scope import find_runs, information

DAY = 86_400


@pytest.mark.parametrize("backward", [False, True])
def test_windows_cover_the_time_and_fit_what_is_found(backward: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    windows, lengths, covered = Windows(Span(7, 7 + 30 * FIRST_NS), backward=backward), [], []
    for window, found in zip(windows, (0, 99, 100, 400, 401, 5000, *[0] * 9), strict=False):
        windows.found = found
        covered.append(window)
        lengths.append((window.end_ns - window.start_ns) / FIRST_NS)
    assert lengths == [1, 2, 4, 4, 4, 2, 1, 2, 4, 6]
    covered = covered[::-1] if backward else covered
    assert (covered[0].start_ns, covered[-1].end_ns) == (7, 7 + 30 * FIRST_NS)
    assert all(one.end_ns == other.start_ns for one, other in pairwise(covered))


async def test_every_stretch_is_found_once_in_short_steps() -> None:
    site = Site()
    starts = [*range(0, 2 * DAY, 600), 4 * DAY, 30 * DAY]
    site.record(*(segment("Recording_yard", start, start + 300) for start in starts))
    site.record(segment("Recording_yard", 5 * DAY, 25 * DAY))
    recordings = [information(site.recordings, each) for each in site.recordings.all()]
    steps = [step async for step in find_runs(recordings, site.archive)]
    found = [round((each.span.start_ns - START) / SECOND) for step in steps for each in step.results]
    assert found == sorted([*starts, 5 * DAY])
    assert max(len(step.results) for step in steps) <= 110
    assert [step.position_ns for step in steps] == sorted(step.position_ns for step in steps)


async def test_a_stretch_has_the_tracks_that_are_in_it_from_their_first_to_their_last_data() -> None:
    site = Site()
    site.record(segment("Recording_yard", 0, 60), segment("Recording_yard", 60, 120, run=0, tracks=["AUDIO001"]))
    site.record(segment("Recording_yard", 120, 180, run=0), segment("Recording_yard", 300, 360, tracks=["VIDEO001"]))
    site.record(
        segment("Recording_yard", 400.5, 460, tracks=["AUDIO001"]), segment("Recording_yard", 460, 470, run=400.5)
    )
    recordings = [information(site.recordings, each) for each in site.recordings.all()]
    found = [each for step in [step async for step in find_runs(recordings, site.archive)] for each in step.results]
    assert [
        {track.token: ((span.start_ns - START) / SECOND, (span.end_ns - START) / SECOND) for track, span in each.tracks}
        for each in found
    ] == [
        {"VIDEO001": (0, 180), "AUDIO001": (0, 180)},
        {"VIDEO001": (300, 360)},
        {"VIDEO001": (460, 470), "AUDIO001": (400, 470)},
    ]
