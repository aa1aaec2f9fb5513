"""Clips with labels: what is put into each picture is known, or a person has looked.

A clip yields gray pictures of `WIDTH` x `HEIGHT` at `RATE` a second, each with whether something moves in it, or None
where that does not count: in the first seconds, and for 0.6 seconds after an object comes or goes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, RATE = 320, 180, 10
SECONDS, BEGIN, END = 22, 12, 18
"""Of a clip, and when something happens in it."""
QUIET = 6
"""Seconds before that, in which nothing may be told."""
GRACE = 0.6
FILMS = Path(__file__).parents[2] / ".venv-peers" / "films"
Happening = Callable[["Clip", np.ndarray, int], np.ndarray]
Pictures = Iterator[tuple[np.ndarray, bool | None]]


@dataclass
class Clip:
    """A scene and what changes it, picture by picture."""

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

    def pictures(self) -> Pictures:
        for number in range(SECONDS * RATE):
            second = number / RATE
            picture = self.scene
            for happening in self.happenings:
                picture = happening(self, picture, number)
            noisy = picture + self.dice.normal(0, self.noise, picture.shape)
            there = self.moving and BEGIN <= second < END
            near = self.moving and any(0 <= second - edge < GRACE for edge in (BEGIN, END))
            yield _levels(noisy), there if second >= BEGIN - QUIET and not near else None


def _levels(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture, 0, 255).astype(np.uint8)


def thing(size: int, contrast: float) -> Happening:
    """Return an object of one brightness that crosses the picture."""

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


def light(_clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
    """A light is switched on, and off again."""
    on = BEGIN <= number / RATE < END - 2
    return picture * (1.45 if on else 1.0)


def exposure(_clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
    """The camera's exposure drifts."""
    return picture * (1 + 0.15 * np.sin(number / RATE))


def shadow(_clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
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


def turning(_clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
    """The camera turns for a second and looks at another part of its surroundings from then on."""
    done = np.clip(number / RATE - BEGIN, 0, 1)
    return np.roll(picture, round(done * WIDTH / 2), axis=1)


def infrared(_clip: Clip, picture: np.ndarray, number: int) -> np.ndarray:
    """The camera switches to its infrared lamp: other contrast, and bright in the middle only."""
    if number / RATE < BEGIN:
        return picture
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    lamp = np.exp(-(((x / WIDTH - 0.5) * 1.8) ** 2 + ((y / HEIGHT - 0.5) * 1.8) ** 2))
    return (40 + 0.7 * picture) * (0.35 + 0.85 * lamp)


@dataclass
class Encoded:
    """A clip as a camera of little bit rate sends it: blurred, and new with every key frame."""

    clip: Clip
    bit_rate: int = 60_000
    gop: int = 2 * RATE

    def pictures(self) -> Pictures:
        encoder, decoder = av.CodecContext.create("libx264", "w"), av.CodecContext.create("h264", "r")
        encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        encoder.bit_rate, encoder.gop_size, encoder.framerate = self.bit_rate, self.gop, Fraction(RATE)
        encoder.time_base = Fraction(1, RATE)
        encoder.options = {
            "tune": "zerolatency",
            "preset": "veryfast",
            "keyint_min": str(self.gop),
            "sc_threshold": "0",
        }
        for number, (image, label) in enumerate(self.clip.pictures()):
            frame = av.VideoFrame.from_ndarray(image, "gray").reformat(format="yuv420p")
            frame.pts = number
            for packet in encoder.encode(frame):
                for decoded in decoder.decode(packet):
                    yield decoded.reformat(format="gray").to_ndarray(), label


@dataclass
class Shot:
    """Real footage of a fixed camera: its first picture, held with the noise of a sensor, and then what happens."""

    seed: int
    film: str
    first: int
    last: int
    """Frames, from the first to the last in which something moves."""
    noise: float = 2.0

    def pictures(self) -> Pictures:
        dice = np.random.default_rng(self.seed)
        frames = self._frames()
        held = BEGIN * RATE
        for number in range(held + len(frames)):
            picture = frames[max(0, number - held)]
            noisy = _levels(picture + dice.normal(0, self.noise, picture.shape))
            second = number / RATE - BEGIN
            yield noisy, None if second < -QUIET or 0 <= second < GRACE else second > 0

    def _frames(self) -> list[np.ndarray]:
        with av.open(str(FILMS / self.film)) as container:
            stream = container.streams.video[0]
            step = float(stream.average_rate) / RATE
            wanted = {round(self.first + number * step) for number in range(int((self.last - self.first) / step) + 1)}
            return [
                frame.reformat(WIDTH, HEIGHT, "gray").to_ndarray()
                for number, frame in enumerate(container.decode(stream))
                if number in wanted
            ]
