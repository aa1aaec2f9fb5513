"""The motion engine `framediff`: an adaptive background, what stands out of it, and whether that moves."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gateway.domain.motion import MotionRegion, MotionResult, MotionSettings, Tampering
from gateway.sdk.motion import GrayPicture, MotionEngine
from gateway_framediff.background import Background
from gateway_framediff.cells import Group, Mask, covered, groups, means, pixels
from gateway_framediff.changes import Changes
from gateway_framediff.sabotage import Sabotage
from gateway_framediff.tracks import Tracks

LONGEST_STEP = 2.0
"""Seconds between two pictures that count at most: after a pause the scene is not older than it was."""
LEARNING = 1.0
"""Seconds in which the background is learnt and nothing is told."""
JUMP, STILL, PATIENCE, SETTLING = 0.5, 0.005, 4.0, 0.6
"""When more than this share of the picture differs, light or the camera may have changed: that is so when no more than
the second share changes on, or after so many seconds in any case. Seconds of silence after it."""
GAP = 0.7
"""Seconds that something may go unseen without its duration beginning anew."""
_STRONGEST, _WEAKEST = 36.0, 3.0
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FrameDifferenceSettings:
    """The keys of `[motion.settings]`."""

    memory: float = 8.0
    """Seconds in which the background takes on what has changed."""

    def __post_init__(self) -> None:
        """Raise ValueError for what can't be."""
        if not 1 <= self.memory <= 600:  # noqa: PLR2004 - seconds
            raise ValueError(f"memory must be from 1 to 600 seconds, not {self.memory:g}")


class FrameDifference(MotionEngine):
    """Motion by difference from a background that adapts, of things that change their place."""

    Settings = FrameDifferenceSettings
    tampering: ClassVar[frozenset[Tampering]] = frozenset(Tampering)

    def __init__(self, motion: MotionSettings, settings: FrameDifferenceSettings) -> None:
        super().__init__(motion, settings)
        self._background: Background | None = None
        self._zones: list[tuple[str, Mask, float]] = []
        self._looked: Mask
        self._tracks = Tracks()
        self._changes = Changes()
        self._sabotage = Sabotage()
        self._last_ns = 0
        self._age = self._quiet = self._large = 0.0
        self._since: dict[str, tuple[int, int]] = {}
        """When motion began in a zone, and when it was last seen."""

    def analyse(self, picture: GrayPicture) -> MotionResult:
        """Take the next picture and tell what moves in it."""
        image = pixels(picture)
        cells = means(image)
        step = min(max((picture.utc_ns - self._last_ns) / _NS, 0.0), LONGEST_STEP) if self._last_ns else 0.0
        self._last_ns = picture.utc_ns
        tampering = self._sabotage.look(image, cells, step)
        if self._background is None:
            self._background = Background(cells, self.settings.memory)
            self._lay_out(cells.shape)
            return MotionResult(picture.utc_ns, tampering=tampering)
        self._age += step
        self._quiet = max(0.0, self._quiet - step)
        floor = min((_floor(zone.sensitivity) for zone in self.motion.zones), default=_STRONGEST)
        contrast = self._background.contrast(cells)
        least = np.maximum(floor, self._background.noise)
        self._changes.look(cells, floor)
        out = (contrast > least) & self._looked
        found = groups(out)
        lit = [group for group in found if self._background.is_lit(cells, group)]
        large = out.mean() > JUMP * self._looked.mean()
        self._large = self._large + step if large else 0.0
        if large and self._is_other(found, lit):
            self._background.restart(cells)
            self._tracks.clear()
            self._quiet = SETTLING
            moving: list[Group] = []
        else:
            things = [group for group in found if group not in lit]
            moving = self._tracks.follow(things, picture.utc_ns)
            moving += [group for group in things if group not in moving and self._changes.carry_on(group)]
            self._background.learn(cells, moving, lit, step)
        if self._age < LEARNING or self._quiet:
            moving = []
        regions = tuple(self._region(group, contrast) for group in moving)
        return MotionResult(picture.utc_ns, self._lasting(regions, picture.utc_ns), regions, tampering)

    def _lay_out(self, shape: tuple[int, int]) -> None:
        masked = np.zeros(shape, bool)
        for mask in self.motion.masks:
            masked |= covered(mask, shape)
        self._zones = [
            (zone.name, covered(zone.polygon, shape) & ~masked, _floor(zone.sensitivity)) for zone in self.motion.zones
        ]
        self._looked = np.zeros(shape, bool)
        for _, inside, _ in self._zones:
            self._looked |= inside

    def _is_other(self, found: list[Group], lit: list[Group]) -> bool:
        """Tell of a picture that differs in most of it whether light or the camera has changed, not something in it."""
        light = sum(group.size for group in lit) > sum(group.size for group in found) / 2
        changes = self._changes
        return light or changes.share < STILL or self._large > PATIENCE or changes.turned()

    def _region(self, group: Group, contrast: np.ndarray) -> MotionRegion:
        rows, columns = contrast.shape
        place = group.rows, group.columns
        strength = contrast[place]
        names = [
            zone.name
            for zone, (_, inside, floor) in zip(self.motion.zones, self._zones, strict=True)
            if np.count_nonzero(inside[place] & (strength > floor)) >= max(1, zone.min_size * contrast.size)
        ]
        box = group.left / columns, group.top / rows, group.right / columns, group.bottom / rows
        return MotionRegion(*box, tuple(names))

    def _lasting(self, regions: tuple[MotionRegion, ...], now_ns: int) -> frozenset[str]:
        """Return the zones in which there has been motion for as long as they ask."""
        seen = {name for region in regions for name in region.zones}
        for name in seen:
            begin, last = self._since.get(name, (now_ns, now_ns))
            self._since[name] = (begin if 0 <= now_ns - last <= GAP * _NS else now_ns), now_ns
        durations = {zone.name: zone.min_duration for zone in self.motion.zones}
        return frozenset(name for name in seen if now_ns - self._since[name][0] >= durations[name] * _NS)


def _floor(sensitivity: int) -> float:
    """Return the least contrast, in levels of luma, that a sensitivity sees."""
    share = min(max(sensitivity, 0), 100) / 100
    return float(_STRONGEST * (_WEAKEST / _STRONGEST) ** share)
