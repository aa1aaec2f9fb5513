"""How well motion is told, and at what cost: `python tests/bench/motion.py`.

Clips are made of a scene, something that happens in it, and noise; each picture is labelled by what was put into it.
The engine `framediff` is set beside OpenCV's MOG2 and KNN at the same pictures, size, rate and least size of what
counts. A picture is right when motion is told exactly while an object is there; the half second after it comes or goes
does not count. Two seeds: settings were chosen with the first one.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from gateway.domain.motion import MotionSettings, MotionZone
from gateway.sdk.motion import GrayPicture
from gateway_framediff.engine import FrameDifference, FrameDifferenceSettings

WIDTH, HEIGHT, RATE = 320, 180, 10
SECONDS, BEGIN, END = 22, 12, 18
"""Of a clip, and when its object comes and is gone."""
GRACE = 0.5
MIN_SIZE = 0.002
_START_NS = 1_700_000_000_000_000_000
Happening = Callable[["Clip", np.ndarray, int], np.ndarray]
Detector = Callable[[np.ndarray, int], bool]


@dataclass
class Clip:
    """One clip: a scene and what changes it, picture by picture."""

    seed: int
    happenings: tuple[Happening, ...]
    moving: bool
    noise: float = 2.0
    dice: np.random.Generator = field(init=False)
    scene: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.dice = np.random.default_rng(self.seed)
        coarse = np.kron(self.dice.normal(0, 14, (HEIGHT // 20, WIDTH // 20)), np.ones((20, 20)))
        fine = np.kron(self.dice.normal(0, 7, (HEIGHT // 5, WIDTH // 5)), np.ones((5, 5)))
        self.scene = 105 + np.linspace(-25, 25, HEIGHT)[:, None] + coarse + fine

    def pictures(self) -> Iterator[tuple[np.ndarray, bool | None]]:
        """Yield pictures with their label; None where it does not count."""
        for number in range(SECONDS * RATE):
            second = number / RATE
            picture = self.scene
            for happening in self.happenings:
                picture = happening(self, picture, number)
            noisy = picture + self.dice.normal(0, self.noise, picture.shape)
            there = self.moving and BEGIN <= second < END
            near = self.moving and any(0 <= second - edge < GRACE for edge in (BEGIN, END))
            counts = second >= BEGIN - 6 and not near
            yield np.clip(noisy, 0, 255).astype(np.uint8), there if counts else None


def thing(size: int, contrast: float) -> Happening:
    """An object of one brightness that crosses the picture."""

    def draw(clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
        done = (number / RATE - BEGIN) / (END - BEGIN)
        if not 0 <= done < 1:
            return picture
        left, top = round(5 + done * (WIDTH - size - 10)), 70 + round(20 * np.sin(done * 6))
        changed = picture.copy()
        part = changed[top : top + size, left : left + size]
        y, x = np.mgrid[: part.shape[0], : part.shape[1]]
        inside = (2 * x / size - 1) ** 2 + (2 * y / size - 1) ** 2 < 1
        part[inside] = clip.scene.mean() + contrast + 6 * np.sin(y[inside] / 3)
        return changed

    return draw


def rain(clip: Clip, picture: np.ndarray, _number: int) -> np.ndarray:
    """Drops, elsewhere in every picture."""
    changed = picture.copy()
    for _ in range(45):
        x, y = clip.dice.integers(WIDTH - 1), clip.dice.integers(HEIGHT - 14)
        changed[y : y + 14, x] += 45
    return changed


def light(clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
    """A light is switched on, and off again."""
    on = BEGIN <= number / RATE < END - 2
    return picture * (1.45 if on else 1.0)


def exposure(_clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
    """The camera's exposure drifts."""
    return picture * (1 + 0.15 * np.sin(number / RATE))


def shadow(clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
    """A cloud's shadow passes."""
    left = round((number / RATE - BEGIN) / (END - BEGIN) * WIDTH) - 90
    x = np.arange(WIDTH)
    depth = np.clip((x - left) / 8, 0, 1) * np.clip((left + 90 - x) / 8, 0, 1)
    return picture * (1 - 0.35 * depth)[None, :]


def shaking(clip: Clip, picture: np.ndarray, _number: int) -> np.ndarray:
    """The camera shakes by up to two pixels."""
    return np.roll(picture, tuple(clip.dice.integers(-2, 3, 2)), axis=(0, 1))


def leaves(clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
    """A part of the scene sways by a few pixels."""
    changed = picture.copy()
    away = round(2.5 * np.sin(number / RATE * 4))
    changed[20:90, 200:290] = np.roll(clip.scene, away, axis=1)[20:90, 200:290]
    return changed


CLASSES: dict[str, tuple[tuple[Happening, ...], bool, float]] = {
    "large, strong": ((thing(60, 60),), True, 2.0),
    "large, weak": ((thing(60, 25),), True, 2.0),
    "small, strong": ((thing(18, -60),), True, 2.0),
    "small, weak": ((thing(22, 30),), True, 2.0),
    "in noise": ((thing(40, 50),), True, 10.0),
    "in rain": ((thing(40, 60), rain), True, 2.0),
    "while it shakes": ((thing(44, 70), shaking), True, 2.0),
    "exposure drifts": ((thing(40, 60), exposure), True, 2.0),
    "noise": ((), False, 14.0),
    "rain": ((rain,), False, 2.0),
    "light": ((light,), False, 2.0),
    "exposure": ((exposure,), False, 2.0),
    "shadow": ((shadow,), False, 2.0),
    "shaking": ((shaking,), False, 2.0),
    "leaves": ((leaves,), False, 2.0),
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


def opencv(make: Callable[..., cv2.BackgroundSubtractor]) -> Callable[[], Detector]:
    """One of OpenCV's models with shadows told apart, an opening, and the same least size for connected parts."""

    def detector() -> Detector:
        model, kernel = make(history=80, detectShadows=True), np.ones((3, 3), np.uint8)

        def look(image: np.ndarray, _number: int) -> bool:
            mask = cv2.morphologyEx((model.apply(image) == 255).astype(np.uint8), cv2.MORPH_OPEN, kernel)
            count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
            return count > 1 and bool(stats[1:, cv2.CC_STAT_AREA].max() >= MIN_SIZE * mask.size)

        return look

    return detector


DETECTORS: dict[str, Callable[[], Detector]] = {
    "framediff": framediff,
    "MOG2": opencv(cv2.createBackgroundSubtractorMOG2),
    "KNN": opencv(cv2.createBackgroundSubtractorKNN),
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


def score(kind: str, detector: Detector, seed: int) -> Score:
    """Show one clip."""
    happenings, moving, noise = CLASSES[kind]
    found = Score()
    for number, (image, there) in enumerate(Clip(seed, happenings, moving, noise).pictures()):
        began = time.thread_time()
        told = detector(image, number)
        found.seconds += time.thread_time() - began
        found.pictures += 1
        found.add(told=told, there=there)
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
        for kind in CLASSES:
            line = f"{kind:21}"
            for name, make in DETECTORS.items():
                found = score(kind, make(), seed)
                whole[name] = whole[name].plus(found)
                shown = [f"{figure:6.2f}" for figure in found.figures] if CLASSES[kind][1] else ["     -"] * 3
                line += f"{''.join(shown)}{found.false:6}".rjust(26)
            print(line, flush=True)
        print(
            f"{'all':21}"
            + "".join(
                ("".join(f"{figure:6.2f}" for figure in each.figures) + f"{each.false:6}").rjust(26)
                for each in whole.values()
            )
        )
        print(
            f"{'CPU ms per picture':21}"
            + "".join(f"{each.seconds / each.pictures * 1000:26.2f}" for each in whole.values())
            + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
