"""What the scene looks like when nothing moves: for every cell its luma and how much that varies by itself."""

import math
from collections.abc import Sequence

import numpy as np

from gateway_framediff.cells import Grid, Group, extremes

NOISE_FACTOR = 4.0
"""A cell stands out by so many times its own mean deviation."""
LEAST_DEVIATION, MOST_DEVIATION = 0.8, 40.0
FIRST = 0.4
"""Seconds of memory at the start; it grows with the background's age."""
EXPOSURE = 2.5
"""Levels of luma by which most of the picture differs when the camera's exposure has changed."""
FOREIGN = 4.0
"""Times longer that the background takes to believe in what moves."""
SHAKING, SHAKEN = 0.02, 0.4
"""Share of the picture from which on shaking is looked for; what is left of it then, of what was there before."""
SHAKE_PICTURES = 10
"""For so many pictures after it shook the camera is taken to be shaking."""
TEXTURE, KEPT = 0.02, 0.5
"""Mean difference of neighbours, as a share of luma, that counts as texture; share of it that light may change."""
_DARKEST = 16.0


class Background:
    """The background of one camera."""

    def __init__(self, cells: Grid, memory: float) -> None:
        self._memory = memory
        self._mean = cells.copy()
        self._deviation = np.full(cells.shape, 2.0, np.float32)
        self._contrast = np.zeros(cells.shape, np.float32)
        """Of the present picture, before shaking is allowed for."""
        self._age = 0.0
        self._shaking = 0

    @property
    def noise(self) -> Grid:
        """Return the contrast that each cell shows by itself."""
        return NOISE_FACTOR * self._deviation

    def contrast(self, cells: Grid) -> Grid:
        """Return how far each cell is from the background, but for changes of exposure and for a camera that shakes."""
        difference = self._difference(cells)
        contrast: Grid = np.abs(difference)
        self._contrast = contrast
        out = np.count_nonzero(contrast > self.noise)
        self._shaking = max(0, self._shaking - 1)
        if out <= SHAKING * contrast.size and not self._shaking:
            return contrast
        low, high = extremes(self._mean)
        level = self._mean + difference
        beyond: Grid = np.maximum(np.maximum(level - high, low - level), 0)
        if self._shaking or np.count_nonzero(beyond > self.noise) < SHAKEN * out:
            if np.count_nonzero(beyond > self.noise) < SHAKEN * out:
                self._shaking = SHAKE_PICTURES
            return beyond
        return contrast

    def _difference(self, cells: Grid) -> Grid:
        """Return the difference from the background as the camera would show it with its present exposure."""
        difference: Grid = cells - self._mean
        shifted: Grid = difference - np.median(difference)
        if np.median(np.abs(difference)) < EXPOSURE:
            return shifted
        centred = self._mean - self._mean.mean()
        gain = float((centred * cells).sum()) / max(float((centred * centred).sum()), 1.0)
        exposed: Grid = cells - self._mean * np.float32(min(max(gain, 0.2), 5.0))
        exposed -= np.median(exposed)
        # something large in the picture looks like another gain, too: what is explained better counts
        return min((exposed, shifted), key=lambda each: np.count_nonzero(np.abs(each) > self.noise))

    def is_lit(self, cells: Grid, group: Group) -> bool:
        """Tell whether a group is light or shadow on the scene: its texture is that of the background."""
        box = slice(group.top, group.bottom), slice(group.left, group.right)
        inside = np.zeros((group.bottom - group.top, group.right - group.left), bool)
        inside[group.rows - group.top, group.columns - group.left] = True
        now, before = (np.log(grid[box] + _DARKEST) for grid in (cells, self._mean))
        edges, changes = [], []
        for axis in (0, 1):
            both = inside[1:] & inside[:-1] if axis == 0 else inside[:, 1:] & inside[:, :-1]
            then = np.diff(before, axis=axis)[both]
            edges.append(np.abs(then))
            changes.append(np.abs(np.diff(now, axis=axis)[both] - then))
        texture, change = (
            np.median(np.concatenate(parts)) if len(parts[0]) + len(parts[1]) else 0.0 for parts in (edges, changes)
        )
        return bool(texture > TEXTURE and change < KEPT * texture)

    def learn(self, cells: Grid, moving: Sequence[Group], lit: Sequence[Group], seconds: float) -> None:
        """Take a picture into the background: what moves hardly, and what it varies by without motion and light."""
        self._age += seconds
        memory = max(FIRST, min(self._memory, self._age / 2))
        share = np.full(cells.shape, 1 - math.exp(-seconds / memory), np.float32)
        steady = share.copy()
        for group in moving:
            share[group.rows, group.columns] = 1 - math.exp(-seconds / (FOREIGN * self._memory))
        for group in (*moving, *lit):
            steady[group.rows, group.columns] = 0
        difference = cells - self._mean
        self._mean += share * difference
        self._deviation += steady * (np.minimum(self._contrast, MOST_DEVIATION) - self._deviation)
        np.maximum(self._deviation, LEAST_DEVIATION, out=self._deviation)

    def restart(self, cells: Grid) -> None:
        """Begin with another scene, or the same in another light."""
        self._mean = cells.copy()
        self._age = 0.0
