"""Following groups of cells from picture to picture: what does not change its place is no motion."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway_framediff.cells import Group

REACH = 10.0
"""Cells that a group may move between two pictures, besides its own size."""
ALIKE = 4.0
"""Times that it may be larger or smaller."""
MOVED = 3
"""Cells that two opposite sides together must have moved, the same way, since it was first seen."""
GROWN = 1.5
"""Times that it may instead be larger than it was: it comes nearer."""
FILLED = 0.35
"""Share of the box around a group that it fills at least: what is thinner is rain."""
SMALL, SIGHTINGS, SMALL_SIGHTINGS = 20, 2, 3
"""Cells of a small group, and how often groups must have been seen: drops of rain are small, and gone the next time."""
FORGOTTEN = 1.2
"""Seconds after which a group that is not seen is forgotten."""
_NS = 1_000_000_000


@dataclass(slots=True, eq=False)
class _Track:
    group: Group
    origin: Group
    seen_ns: int
    sightings: int = 1


class Tracks:
    """The groups that were seen lately."""

    def __init__(self) -> None:
        self._known: list[_Track] = []

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()

    def follow(self, found: Sequence[Group], now_ns: int) -> list[Group]:
        """Take what stands out in the next picture; return what moves."""
        free = [track for track in self._known if 0 <= now_ns - track.seen_ns <= FORGOTTEN * _NS]
        tracks, moving = [], []
        for group in sorted(found, key=lambda group: -group.size):
            track = min(
                (each for each in free if _may_be(each, group)), key=lambda each: _far(each, group), default=None
            )
            if track is None:
                track = _Track(group, group, now_ns)
            else:
                free.remove(track)
                track.group, track.seen_ns, track.sightings = group, now_ns, track.sightings + 1
                if track.sightings >= (SMALL_SIGHTINGS if group.size < SMALL else SIGHTINGS) and _has_moved(track):
                    moving.append(group)
            tracks.append(track)
        self._known = [*tracks, *free]
        return moving


def _may_be(track: _Track, group: Group) -> bool:
    one, other = track.group, group
    if not 1 / ALIKE <= one.size / other.size <= ALIKE:
        return False
    reach = REACH + max(one.right - one.left, one.bottom - one.top) / 2
    return _far(track, group) <= reach


def _has_moved(track: _Track) -> bool:
    one, other = track.origin, track.group
    sides = (other.left - one.left, other.right - one.right), (other.top - one.top, other.bottom - one.bottom)
    if other.size < FILLED * (other.right - other.left) * (other.bottom - other.top):
        return False
    along = any(near * far > 0 and abs(near + far) >= MOVED for near, far in sides)
    return along or other.size > GROWN * one.size


def _far(track: _Track, group: Group) -> float:
    return _distance(track.group.centre, group.centre)


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]))
