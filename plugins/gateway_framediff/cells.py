"""Pictures as grids of cells: means, neighbourhoods, polygons and connected groups."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.domain.motion import Polygon
from gateway.sdk.motion import GrayPicture

Grid: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]

COLUMNS = 80
"""About so many cells in a row: a mean over a cell has a quarter of the noise of a pixel at the usual width."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Cells that hang together, with the box around them in cells; right and bottom are not part of it."""

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    left: int
    top: int
    right: int
    bottom: int
    centre: tuple[float, float]
    """Mean column and row."""

    @property
    def size(self) -> int:
        """Return the number of cells."""
        return len(self.rows)


def pixels(picture: GrayPicture) -> npt.NDArray[np.uint8]:
    """Return a picture as rows and columns."""
    return np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width)


def means(image: npt.NDArray[np.uint8]) -> Grid:
    """Return the mean luma of every cell; what does not fill a cell at the right and the bottom is left out."""
    side = max(1, image.shape[1] // COLUMNS)
    rows, columns = max(1, image.shape[0] // side), image.shape[1] // side
    part = image[: rows * side, : columns * side]
    lines = part.reshape(rows, -1, columns * side).sum(1, np.uint32)
    sums = lines.reshape(rows, columns, side).sum(2, np.uint32)
    found: Grid = (sums / np.float32(part.size // (rows * columns))).astype(np.float32)
    return found


def spread_out(mask: Mask) -> Mask:
    """Return the cells and all around them."""
    wide = mask.copy()
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    high = wide.copy()
    high[1:] |= wide[:-1]
    high[:-1] |= wide[1:]
    return high


def extremes(grid: Grid) -> tuple[Grid, Grid]:
    """Return the least and the greatest value around every cell, itself included."""
    low, high = grid.copy(), grid.copy()
    for axis in (0, 1):
        for found, choose in ((low, np.minimum), (high, np.maximum)):
            before = found.copy()
            near, far = [slice(None)] * 2, [slice(None)] * 2
            near[axis], far[axis] = slice(1, None), slice(None, -1)
            choose(found[tuple(near)], before[tuple(far)], out=found[tuple(near)])
            choose(found[tuple(far)], before[tuple(near)], out=found[tuple(far)])
    return low, high


def covered(polygon: Polygon, shape: tuple[int, int]) -> Mask:
    """Return the cells whose middle is inside a polygon (even-odd rule)."""
    rows, columns = shape
    x = ((np.arange(columns) + 0.5) / columns)[None, :]
    y = ((np.arange(rows) + 0.5) / rows)[:, None]
    inside = np.zeros(shape, bool)
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside


def groups(mask: Mask) -> list[Group]:
    """Return the groups of cells that touch, over at most one cell between them."""
    labels = _labels(spread_out(mask))
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return []
    own = labels[rows, columns]
    order = np.argsort(own, kind="stable")
    cuts = np.flatnonzero(np.diff(own[order])) + 1
    return [_group(rows[part], columns[part]) for part in np.split(order, cuts)]


def _group(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Group:
    box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    return Group(rows, columns, *box, (float(columns.mean()), float(rows.mean())))


def _labels(mask: Mask) -> npt.NDArray[np.int32]:
    """Number the groups of cells that touch at their sides, by runs of cells in a row that overlap with the next."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    parents = list(range(len(rows)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = run = parents[parents[run]]
        return run

    above, first = 0, 0
    for run, row in enumerate(rows.tolist()):
        if run and row != rows[run - 1]:
            above, first = first, run
        candidate = above
        while candidate < first:
            if rows[candidate] == row - 1 and starts[candidate] < ends[run] and starts[run] < ends[candidate]:
                parents[root(run)] = root(candidate)
            candidate += 1
    labels = np.zeros(mask.shape, np.int32)
    for run, row in enumerate(rows.tolist()):
        labels[row, starts[run] : ends[run]] = root(run) + 1
    return labels
