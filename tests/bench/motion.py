"""How well motion is told, and at what cost: `python tests/bench/motion.py`.

Clips are made of a scene, something that happens in it, and noise, or taken from real footage (`clips`). The engine
`framediff` is set beside OpenCV's MOG2 and KNN, each with shadows told apart and without, at the same pictures, size,
rate and least size of what counts, and motion is told until half a second after it was last seen. A picture is right
when motion is told exactly while an object is there. Two seeds: settings were chosen with the first one.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from clips import (
    HEIGHT,
    RATE,
    WIDTH,
    Clip,
    Encoded,
    Happening,
    Pictures,
    Shot,
    exposure,
    infrared,
    leaves,
    light,
    rain,
    shadow,
    shaking,
    thing,
    turning,
)

from gateway.domain.motion import MotionSettings, MotionZone
from gateway.sdk.motion import GrayPicture
from gateway_framediff.engine import FrameDifference, FrameDifferenceSettings

MIN_SIZE = 0.002
HOLD = round(0.5 * RATE)
"""Pictures."""
_START_NS = 1_700_000_000_000_000_000
Detector = Callable[[np.ndarray, int], bool]
Source = Callable[[int], Pictures]
"""Makes the pictures of a clip for a seed."""


def made(*happenings: Happening, moving: bool = False, noise: float = 2.0) -> Source:
    return lambda seed: Clip(seed, happenings, moving, noise).pictures()


def encoded(*happenings: Happening, moving: bool = False) -> Source:
    return lambda seed: Encoded(Clip(seed, happenings, moving, 6.0)).pictures()


def shot(film: str, first: int, last: int) -> Source:
    return lambda seed: Shot(seed, film, first, last).pictures()


MOVING: dict[str, Source] = {
    "large, strong": made(thing(60, 60), moving=True),
    "large, weak": made(thing(60, 25), moving=True),
    "small, strong": made(thing(18, -60), moving=True),
    "small, weak": made(thing(22, 30), moving=True),
    "in noise": made(thing(40, 50), moving=True, noise=10.0),
    "in rain": made(thing(40, 60), rain, moving=True),
    "while it shakes": made(thing(44, 70), shaking, moving=True),
    "exposure drifts": made(thing(40, 60), exposure, moving=True),
    "little bit rate": encoded(thing(40, 60), moving=True),
    "bus from above": shot("bikes.mp4", 0, 29),
    "man and taxi": shot("bikes.mp4", 31, 75),
    "vans": shot("bikes.mp4", 77, 112),
    "street": shot("bikes.mp4", 138, 186),
    "man passing": shot("bikes.mp4", 188, 210),
    "rabbit": shot("bigbuckbunny.mp4", 0, 131),
    "man in a car": shot("carphone_pristine.mp4", 0, 119),
}
STILL: dict[str, Source] = {
    "noise": made(noise=14.0),
    "rain": made(rain),
    "light": made(light),
    "exposure": made(exposure),
    "shadow": made(shadow),
    "shaking": made(shaking),
    "leaves": made(leaves),
    "key frames": encoded(),
    "turning camera": made(turning),
    "infrared": made(infrared),
}


def framediff() -> Detector:
    """Our engine, as it is installed."""
    zone = MotionZone("all", min_size=MIN_SIZE)
    engine = FrameDifference(MotionSettings((zone,)), FrameDifferenceSettings())
    return lambda image, number: bool(
        engine.analyse(
            GrayPicture(WIDTH, HEIGHT, memoryview(image.tobytes()), _START_NS + number * 1_000_000_000 // RATE)
        ).zones
    )


def opencv(make: Callable[..., cv2.BackgroundSubtractor], *, shadows: bool) -> Callable[[], Detector]:
    """One of OpenCV's models with an opening, and the same least size for connected parts."""

    def detector() -> Detector:
        model, kernel = make(history=80, detectShadows=shadows), np.ones((3, 3), np.uint8)

        def look(image: np.ndarray, _number: int) -> bool:
            mask = cv2.morphologyEx((model.apply(image) == 255).astype(np.uint8), cv2.MORPH_OPEN, kernel)
            count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
            return count > 1 and bool(stats[1:, cv2.CC_STAT_AREA].max() >= MIN_SIZE * mask.size)

        return look

    return detector


DETECTORS: dict[str, Callable[[], Detector]] = {
    "framediff": framediff,
    "MOG2": opencv(cv2.createBackgroundSubtractorMOG2, shadows=False),
    "MOG2 shadows": opencv(cv2.createBackgroundSubtractorMOG2, shadows=True),
    "KNN": opencv(cv2.createBackgroundSubtractorKNN, shadows=False),
    "KNN shadows": opencv(cv2.createBackgroundSubtractorKNN, shadows=True),
}


@dataclass
class Score:
    """Pictures by what was told and what was there."""

    right: int = 0
    false: int = 0
    missed: int = 0
    seconds: float = 0.0
    pictures: int = 0

    def add(self, *, told: bool, there: bool | None) -> None:
        """Count a picture."""
        if there is not None:
            self.right += told and there
            self.false += told and not there
            self.missed += there and not told

    def plus(self, other: "Score") -> "Score":
        """Return both together."""
        return Score(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def figures(self) -> tuple[float, float, float]:
        """Return precision, recall and F1."""
        precision = self.right / max(1, self.right + self.false)
        recall = self.right / max(1, self.right + self.missed)
        return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def score(source: Source, detector: Detector, seed: int) -> Score:
    """Show one clip."""
    found = Score()
    last = -HOLD - 1
    for number, (image, there) in enumerate(source(seed)):
        began = time.thread_time()
        seen = detector(image, number)
        found.seconds += time.thread_time() - began
        found.pictures += 1
        last = number if seen else last
        found.add(told=number - last <= HOLD, there=there)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for seed in options.seeds:
        whole = {name: Score() for name in DETECTORS}
        print(f"seed {seed:<16}" + "".join(f"{name:>26}" for name in DETECTORS))
        print(f"{'':21}" + f"{'prec. recall    F1 false':>26}" * len(DETECTORS))
        for kind, source in (MOVING | STILL).items():
            line = f"{kind:21}"
            for name, make in DETECTORS.items():
                found = score(source, make(), seed)
                whole[name] = whole[name].plus(found)
                line += shown(found, moving=kind in MOVING)
            print(line, flush=True)
        print(f"{'all':21}" + "".join(shown(each, moving=True) for each in whole.values()))
        cost = "".join(f"{each.seconds / each.pictures * 1000:26.2f}" for each in whole.values())
        print(f"{'CPU ms per picture':21}{cost}\n")
    return 0


def shown(found: Score, *, moving: bool) -> str:
    figures = "".join(f"{figure:6.2f}" if moving else "     -" for figure in found.figures)
    return f"{figures}{found.false:6}".rjust(26)


if __name__ == "__main__":
    sys.exit(main())
