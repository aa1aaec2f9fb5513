"""Rules in values: the zones of a camera as a VMS sees and changes them (ONVIF Analytics annex B)."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.motion import WHOLE_PICTURE, MotionZone, Point, Polygon

COLUMNS, ROWS = 22, 18
"""The cells that a picture is divided into for a CellMotionDetector: what most cameras have."""

ALL_CELLS = frozenset(range(COLUMNS * ROWS))
"""Cells are numbered row by row from the top left."""

CELL_SIZE = 1 / (COLUMNS * ROWS)
"""Share of the picture that one cell covers."""


class RuleKind(StrEnum):
    """What a rule is, in ONVIF's words."""

    CELLS = "CellMotionDetector"
    REGION = "MotionRegionDetector"


@dataclass(frozen=True, slots=True)
class MotionRule:
    """One zone with what is told of it. Its name is the zone's, and no other rule of the camera has it."""

    kind: RuleKind
    zone: MotionZone
    hold: float
    """Seconds that motion lasts after it was last seen."""
    cells: frozenset[int] = ALL_CELLS
    """The active cells of a CellMotionDetector; its zone's polygon follows from them."""

    @property
    def name(self) -> str:
        """Return the name of the rule and of its zone."""
        return self.zone.name


def polygon_of(cells: frozenset[int]) -> Polygon:
    """Return the one polygon that covers some cells, by the even-odd rule. Raises ValueError for none.

    Its parts are rectangles that hang together by lines there and back, which cover nothing. All lines are upright or
    level, so that no rounding makes them differ.
    """
    if cells == ALL_CELLS:
        return WHOLE_PICTURE
    corners: list[Point] = []
    for left, top, right, bottom in _rectangles(cells):
        (x0, y0), (x1, y1) = _corner(left, top), _corner(right, bottom)
        corners += [(0.0, 0.0), (0.0, y0), (x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0), (0.0, y0)]
    if not corners:
        raise ValueError("no cell is active")
    return tuple(corners)


def _corner(column: int, row: int) -> Point:
    return column / COLUMNS, row / ROWS


def _rectangles(cells: frozenset[int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield left, top, right and bottom of rectangles that cover the cells: equal runs in successive rows are one."""
    begun: dict[tuple[int, int], int] = {}
    for row in range(ROWS + 1):
        runs = set(_runs(cells, row))
        for run in [run for run in begun if run not in runs]:
            yield run[0], begun.pop(run), run[1], row
        for run in runs:
            begun.setdefault(run, row)


def _runs(cells: frozenset[int], row: int) -> Iterator[tuple[int, int]]:
    """Yield the first column of each run of active cells in a row, and the one behind its last."""
    start: int | None = None
    for column in range(COLUMNS + 1):
        active = column < COLUMNS and row * COLUMNS + column in cells
        if active and start is None:
            start = column
        elif not active and start is not None:
            yield start, column
            start = None
