"""Where fetched footage is fitted into a gap, by what its key frames show and when they were taken."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.domain.media import AccessUnit
from gateway.domain.recording import Span
from gateway.services.backfill_splice import Edge, Splice
from gateway.services.recorder_gops import Gop
from gateway.testing.streams import video_description, video_unit

UNITS = [video_unit(number) for number in range(250)]
SECOND = 1_000_000_000


def gop(second: int, ahead_ns: int = 0) -> Gop:
    """Return the GOP of a second: 25 frames."""
    units = tuple(replace(unit, utc_ns=unit.utc_ns + ahead_ns) for unit in UNITS[25 * second : 25 * second + 25])
    start_ns = units[0].utc_ns
    return Gop(units, video_description(), start_ns, start_ns + SECOND, 0, second, follows=True, keyed=True)


def at(number: int) -> int:
    return UNITS[number].utc_ns


def stored(splice: Splice, gops: Sequence[tuple[Gop, bytes]]) -> list[AccessUnit]:
    """Return the units of what is to be stored."""
    found = [splice.take(each, picture) for each, picture in gops]
    return [unit for some in (*found, splice.flush()) for each in some for unit in each.units]


@pytest.mark.parametrize("pictures", [(b"black",), (b"black 0", b"black 1")])
@pytest.mark.parametrize("ahead_ns", [0, 7_000_000])
def test_pictures_that_are_all_the_same_are_told_apart_by_their_times(
    pictures: tuple[bytes, ...], ahead_ns: int
) -> None:
    """A covered camera's key frames are alike, and so are every second one's where they only differ in their number."""
    shown = [pictures[second % len(pictures)] for second in range(10)]
    splice = Splice(Span(at(85), at(200)), Edge(at(75), shown[3], 10), Edge(at(200), shown[8]))
    found = stored(splice, [(gop(second, ahead_ns), shown[second]) for second in range(10)])
    assert [unit.utc_ns for unit in found] == [unit.utc_ns for unit in UNITS[75:200]]
    assert splice.joins
    assert splice.done
