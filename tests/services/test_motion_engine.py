"""The contract of motion engines can be kept: by a plain one, which compares with a slowly learnt background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.domain.motion import MotionRegion, MotionResult, MotionSettings, Polygon
from gateway.domain.motion_rules import COLUMNS, ROWS, polygon_of
from gateway.sdk.motion import GrayPicture, MotionEngine
from gateway.testing.motion import HEIGHT, WIDTH, MotionEngineContract

CONTRAST, LEARNING = 20, 0.05


@dataclass(frozen=True)
class NoSettings:
    pass


class PlainEngine(MotionEngine):
    Settings = NoSettings

    def __init__(self, motion: MotionSettings, settings: NoSettings) -> None:
        super().__init__(motion, settings)
        self._background: NDArray[np.float64] | None = None

    def analyse(self, picture: GrayPicture) -> MotionResult:
        levels = np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width).astype(float)
        if self._background is None:
            self._background = levels.copy()
        moved = abs(levels - self._background) > CONTRAST
        self._background += LEARNING * (levels - self._background)
        for mask in self.motion.masks:
            moved &= ~inside(mask, picture.width, picture.height)
        parts = {zone.name: moved & inside(zone.polygon, *moved.shape[::-1]) for zone in self.motion.zones}
        seen = {zone.name for zone in self.motion.zones if parts[zone.name].mean() > zone.min_size}
        regions = tuple(region(parts[name], name) for name in sorted(seen))
        return MotionResult(picture.utc_ns, frozenset(seen), regions)


def region(moved: NDArray[np.bool_], zone: str) -> MotionRegion:
    rows, columns = np.nonzero(moved)
    height, width = moved.shape
    return MotionRegion(
        columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height, (zone,)
    )


def inside(polygon: Polygon, width: int, height: int) -> NDArray[np.bool_]:
    """Return which pixels' middles are inside, by the even-odd rule."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    odd = np.zeros((height, width), bool)
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if y0 != y1:
            odd ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return odd


class TestPlainEngine(MotionEngineContract):
    def engine(self, motion: MotionSettings) -> MotionEngine:
        return PlainEngine(motion, NoSettings())


def test_cells_as_a_polygon_cover_the_same_pixels() -> None:
    cells = frozenset({0, 1, COLUMNS + 1, 5 * COLUMNS + 7, ROWS * COLUMNS - 1})
    covered = inside(polygon_of(cells), COLUMNS * 4, ROWS * 4)
    blocks = covered.reshape(ROWS, 4, COLUMNS, 4).mean(axis=(1, 3))
    assert {int(cell) for cell in np.flatnonzero(blocks == 1)} == cells
    assert {int(cell) for cell in np.flatnonzero(blocks)} == cells
    assert inside(polygon_of(frozenset(range(COLUMNS * ROWS))), WIDTH, HEIGHT).all()
