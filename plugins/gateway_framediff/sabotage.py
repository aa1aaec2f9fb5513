"""Whether a picture is of any use: too dark, out of focus, or of another scene than the one that was learnt."""

import math

import numpy as np
import numpy.typing as npt

from gateway.domain.motion import Tampering
from gateway_framediff.cells import Grid

EVERY = 0.4
"""Seconds between two looks."""
AFTER = 3.0
"""Seconds that it must last."""
DARK_LUMA, DARK_RANGE = 24.0, 24.0
BLUR = 0.45
"""Share of the usual sharpness below which a picture is blurred."""
ALIKE = 0.35
"""Correlation of edges with those that were learnt, below which it is another scene."""
LEARNING, MEMORY, ACCEPTED = 5.0, 300.0, 60.0
"""Seconds of learning at the start, of memory later, and until another scene is the new one."""
FLAT = 0.6
"""Mean edge of a picture that has too little in it to compare, in levels of luma."""


class Sabotage:
    """Looks at one camera's pictures."""

    def __init__(self) -> None:
        self._age = self._waited = 0.0
        self._sharpness = 0.0
        self._edges: Grid | None = None
        self._lasted = dict.fromkeys(Tampering, 0.0)
        self._found: frozenset[Tampering] = frozenset()

    def look(self, image: npt.NDArray[np.uint8], cells: Grid, step: float) -> frozenset[Tampering]:
        """Take the next picture, `step` seconds after the last; return what has been wrong for long enough."""
        self._waited += step
        if 0 < self._waited < EVERY:
            return self._found
        step, self._waited = self._waited, 0.0
        self._age += step
        edges = _edges(cells)
        sharpness = _sharpness(image)
        dark = float(cells.mean()) < DARK_LUMA and float(np.ptp(cells)) < DARK_RANGE
        learnt = self._age > LEARNING
        blurred = learnt and not dark and sharpness < BLUR * self._sharpness
        changed = learnt and not dark and not blurred and self._is_other(edges)
        for kind, now in ((Tampering.DARK, dark), (Tampering.BLURRED, blurred), (Tampering.CHANGED, changed)):
            self._lasted[kind] = self._lasted[kind] + step if now else 0.0
        if self._lasted[Tampering.CHANGED] > ACCEPTED:
            self._age, self._edges, self._sharpness = 0.0, None, 0.0
        if not (dark or blurred or changed):
            self._learn(edges, sharpness, step)
        self._found = frozenset(kind for kind, lasted in self._lasted.items() if lasted >= AFTER)
        return self._found

    def _is_other(self, edges: Grid) -> bool:
        if self._edges is None:
            return False
        known = float(np.abs(self._edges).mean())
        if known < FLAT:
            return False
        norm = math.sqrt(float((edges * edges).sum()) * float((self._edges * self._edges).sum()))
        return norm <= 0 or float((edges * self._edges).sum()) / norm < ALIKE

    def _learn(self, edges: Grid, sharpness: float, step: float) -> None:
        share = 1 - math.exp(-step / (MEMORY if self._age > LEARNING else 1.0))
        if self._edges is None:
            self._edges, self._sharpness = edges.copy(), sharpness
        else:
            self._edges += np.float32(share) * (edges - self._edges)
            self._sharpness += share * (sharpness - self._sharpness)


def _edges(cells: Grid) -> Grid:
    """Return the differences of neighbours, across and down, side by side."""
    return np.concatenate((np.diff(cells, axis=1)[1:], np.diff(cells, axis=0)[:, 1:]), axis=1)


def _sharpness(image: npt.NDArray[np.uint8]) -> float:
    """Return the mean difference of neighbouring pixels in every fourth row."""
    rows = image[::4].astype(np.int16)
    return float(np.abs(np.diff(rows, axis=1)).mean())
