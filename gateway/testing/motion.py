"""What every motion engine must do, as tests to inherit, and pictures to show it."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cache
from random import Random
from typing import Any

from gateway.domain.motion import MotionResult, MotionSettings, MotionZone, Polygon
from gateway.sdk.motion import GrayPicture, MotionEngine

WIDTH, HEIGHT = 160, 90
BOX = 24
"""Side of what moves, in pixels."""
LEARNING = 30
"""Pictures that an engine gets to know the scene by."""
_START_NS, _STEP_NS = 1_700_000_000_000_000_000, 200_000_000
_NOISE, _SCENES = 2, 7
"""Levels of noise, and how many different pictures of it there are."""


def rectangle(left: float, top: float, right: float, bottom: float) -> Polygon:
    """Return a rectangle as a polygon."""
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def picture(number: int, box: tuple[int, int] | None = None) -> GrayPicture:
    """Return picture `number` of a still, slightly noisy scene at five a second, with a bright box at x and y."""
    pixels = bytearray(_scene(number % _SCENES))
    if box is not None:
        for row in range(box[1], box[1] + BOX):
            pixels[row * WIDTH + box[0] : row * WIDTH + box[0] + BOX] = b"\xf0" * BOX
    return GrayPicture(WIDTH, HEIGHT, memoryview(bytes(pixels)), _START_NS + number * _STEP_NS)


@cache
def _scene(number: int) -> bytes:
    noise = Random(number)
    return bytes(
        60 + column // 2 + row // 3 + noise.randint(-_NOISE, _NOISE) for row in range(HEIGHT) for column in range(WIDTH)
    )


class MotionEngineContract(ABC):
    """Inherit in a test class whose name begins with Test."""

    @abstractmethod
    def engine(self, motion: MotionSettings) -> MotionEngine:
        """Return an engine with its usual settings."""

    def test_settings_are_a_frozen_dataclass(self) -> None:
        """Settings are validated by their fields and never change."""
        settings: Any = type(self.engine(MotionSettings())).Settings
        assert dataclasses.is_dataclass(settings)
        assert vars(settings)["__dataclass_params__"].frozen

    def test_a_still_picture_shows_nothing(self) -> None:
        """Noise is not motion, and every result has the time of its picture."""
        engine = self.engine(MotionSettings())
        pictures = [picture(number) for number in range(2 * LEARNING)]
        results = [engine.analyse(each) for each in pictures]
        assert [result.utc_ns for result in results] == [each.utc_ns for each in pictures]
        assert not any(result.zones for result in results)
        assert all(result.tampering <= engine.tampering for result in results)

    def test_what_moves_is_seen_in_its_zone_alone(self) -> None:
        """An object is seen soon, where it is, and not where it is not."""
        zones = (MotionZone("upper", rectangle(0, 0, 1, 0.45)), MotionZone("lower", rectangle(0, 0.55, 1, 1)))
        results = self._moving(MotionSettings(zones), row=5)
        assert set().union(*(result.zones for result in results)) == {"upper"}
        assert any(result.zones for result in results[:5])
        for region in (region for result in results for region in result.regions if region.zones):
            assert 0 <= region.left < region.right <= 1
            assert 0 <= region.top < region.bottom <= 1
            assert region.top < 0.5, region  # noqa: PLR2004 - the middle

    def test_masks_are_never_looked_at(self) -> None:
        """A mask goes before every zone."""
        masks = (rectangle(0, 0, 1, 0.5),)
        assert not any(result.zones for result in self._moving(MotionSettings(masks=masks), row=5))

    def test_without_zones_nothing_counts(self) -> None:
        """There may be no rule at all."""
        assert not any(result.zones for result in self._moving(MotionSettings(zones=()), row=5))

    def test_a_polygon_may_have_parts(self) -> None:
        """Parts hang together by lines there and back, which enclose nothing (the even-odd rule)."""
        upper, lower = rectangle(0, 0, 1, 0.1), rectangle(0, 0.9, 1, 1)
        parts = tuple(corner for part in (upper, lower) for corner in ((0.0, 0.0), *part, part[0]))
        settings = MotionSettings((MotionZone("edges", parts),))
        assert not any(result.zones for result in self._moving(settings, row=HEIGHT // 2 - BOX // 2))
        assert any(result.zones for result in self._moving(settings, row=0))

    def _moving(self, settings: MotionSettings, row: int) -> list[MotionResult]:
        """Return what an engine that knows the scene sees of a box on its way to the right."""
        engine = self.engine(settings)
        for number in range(LEARNING):
            engine.analyse(picture(number))
        return [engine.analyse(each) for each in self._crossing(row)]

    def _crossing(self, row: int) -> Iterable[GrayPicture]:
        return (picture(LEARNING + step, (step * 6, row)) for step in range(20))
