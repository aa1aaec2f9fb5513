"""The motion engine `framediff`: what it sees, what it must not, and when a picture is of no use."""

from collections.abc import Iterator

import numpy as np
import pytest

from gateway.domain.motion import MotionResult, MotionSettings, MotionZone, Tampering
from gateway.sdk.motion import GrayPicture
from gateway.testing.motion import MotionEngineContract
from gateway_framediff.engine import FrameDifference, FrameDifferenceSettings

WIDTH, HEIGHT, RATE = 320, 180, 10
START_NS = 1_700_000_000_000_000_000
CALM = 60
"""Pictures of the scene alone, before anything happens."""


class TestContract(MotionEngineContract):
    def engine(self, motion: MotionSettings) -> FrameDifference:
        return FrameDifference(motion, FrameDifferenceSettings())


def scene(seed: int = 1) -> np.ndarray:
    """Return a textured landscape."""
    dice = np.random.default_rng(seed)
    coarse = np.kron(dice.normal(0, 12, (HEIGHT // 20, WIDTH // 20)), np.ones((20, 20)))
    fine = np.kron(dice.normal(0, 8, (HEIGHT // 5, WIDTH // 5)), np.ones((5, 5)))
    return 110 + np.linspace(-25, 25, HEIGHT)[:, None] + coarse + fine


class Show:
    """Shows an engine one picture after the other."""

    def __init__(self, *zones: MotionZone, seed: int = 1) -> None:
        self.engine = FrameDifference(MotionSettings(zones or (MotionZone("all"),)), FrameDifferenceSettings())
        self.background = scene(seed)
        self.dice = np.random.default_rng(seed + 1000)
        self.number = 0

    def look(self, picture: np.ndarray, noise: float = 2.0) -> MotionResult:
        noisy = picture + self.dice.normal(0, noise, picture.shape)
        data = np.clip(noisy, 0, 255).astype(np.uint8).tobytes()
        self.number += 1
        time_ns = START_NS + self.number * 1_000_000_000 // RATE
        return self.engine.analyse(GrayPicture(WIDTH, HEIGHT, memoryview(data), time_ns))

    def calm(self, number: int = CALM) -> None:
        for _ in range(number):
            assert not self.look(self.background).zones


def crossing(show: Show, size: int, contrast: float, speed: int = 6) -> Iterator[np.ndarray]:
    for left in range(10, WIDTH - size - 10, speed):
        picture = show.background.copy()
        picture[80 : 80 + size, left : left + size] = show.background.mean() + contrast
        yield picture


@pytest.mark.parametrize(("size", "contrast"), [(40, 60), (40, -60), (16, 70), (60, 35)])
def test_an_object_that_crosses_is_seen_all_the_way(size: int, contrast: float) -> None:
    show = Show()
    show.calm()
    seen = [bool(show.look(picture).zones) for picture in crossing(show, size, contrast)]
    assert any(seen[:4])
    assert sum(seen) > 0.9 * len(seen)
    after = [bool(show.look(show.background).zones) for _ in range(30)]
    assert not any(after[10:])


def test_strong_noise_is_no_motion() -> None:
    show = Show()
    for _ in range(150):
        assert not show.look(show.background, noise=14).zones


def test_rain_is_no_motion() -> None:
    show = Show()
    told = 0
    for number in range(200):
        picture = show.background.copy()
        for _ in range(40):
            x, y = int(show.dice.integers(WIDTH - 1)), int(show.dice.integers(HEIGHT - 14))
            picture[y : y + 14, x] += 45
        told += bool(show.look(picture).zones) and number >= CALM
    assert told <= 3


@pytest.mark.parametrize("factor", [1.5, 0.6])
def test_a_light_switched_is_no_motion(factor: float) -> None:
    show = Show()
    show.calm()
    told = [bool(show.look(show.background * factor).zones) for _ in range(40)]
    assert not any(told)


def test_light_on_a_part_of_the_scene_is_no_motion() -> None:
    show = Show()
    show.calm()
    for number in range(40):
        picture = show.background.copy()
        picture[60:120, 100 + number : 180 + number] *= 0.65
        assert not show.look(picture).zones


def test_a_camera_that_shakes_sees_no_motion() -> None:
    show = Show()
    told = 0
    for number in range(160):
        moved = np.roll(show.background, tuple(show.dice.integers(-2, 3, 2)), axis=(0, 1))
        told += bool(show.look(moved).zones) and number >= CALM
    assert told <= 3


def test_a_camera_that_turns_sees_no_motion_then_or_later() -> None:
    show = Show()
    show.calm()
    turn = [np.roll(show.background, 16 * min(number, 10), axis=1) for number in range(1, 60)]
    assert not any(show.look(picture).zones for picture in turn)


@pytest.mark.parametrize("night", [False, True])
def test_another_scene_or_light_is_no_motion(night: bool) -> None:  # noqa: FBT001 - a table
    show = Show()
    show.calm()
    lamp = np.hypot(*np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j])
    picture = (40 + 0.7 * show.background) * (1.2 - 0.5 * lamp) if night else scene(seed=7)
    assert not any(show.look(picture).zones for _ in range(60))


def test_something_that_fills_most_of_the_picture_is_seen() -> None:
    """It changes from picture to picture, as a bus that passes does."""
    show = Show()
    show.calm()
    bus = 150 + 40 * np.sign(np.sin(np.arange(4 * WIDTH) / 15))
    results = []
    for number in range(30):
        picture = show.background.copy()
        picture[20:, 40:] = bus[number * 9 : number * 9 + WIDTH - 40]
        results.append(bool(show.look(picture).zones))
    assert all(results[2:])


def test_something_that_only_waves_is_seen() -> None:
    show = Show()
    show.calm()
    results = []
    for number in range(40):
        picture = show.background.copy()
        top = 60 + (number % 4) * 8
        picture[top : top + 24, 100:200] = 200
        results.append(bool(show.look(picture).zones))
    assert sum(results[4:]) >= 30


def test_something_that_appears_and_stays_is_no_motion() -> None:
    show = Show()
    show.calm()
    picture = show.background.copy()
    picture[60:100, 60:100] = 220
    assert not any(show.look(picture).zones for _ in range(40))


def test_size_and_duration_are_asked_for() -> None:
    show = Show(MotionZone("large", min_size=0.03), MotionZone("long", min_duration=1.0), MotionZone("any"))
    show.calm()
    results = [show.look(picture).zones for picture in crossing(show, 30, 70)]
    assert all("large" not in zones for zones in results)
    first = {name: next(number for number, zones in enumerate(results) if name in zones) for name in ("long", "any")}
    assert first["long"] - first["any"] >= RATE - 1


def test_pictures_that_are_of_no_use() -> None:
    show = Show()
    show.calm(120)
    dark = [show.look(np.full((HEIGHT, WIDTH), 8.0), noise=1).tampering for _ in range(50)]
    assert dark[-1] == {Tampering.DARK}
    assert not dark[20]
    show.calm(40)
    kernel = sum(np.roll(show.background, (y, x), (0, 1)) for y in range(-4, 5) for x in range(-4, 5)) / 81
    blurred = [show.look(kernel, noise=0.3).tampering for _ in range(50)]
    assert Tampering.BLURRED in blurred[-1]
    for _ in range(40):
        show.look(show.background)
    other = [show.look(scene(99)).tampering for _ in range(50)]
    assert other[-1] == {Tampering.CHANGED}


def test_settings_that_can_not_be() -> None:
    with pytest.raises(ValueError, match=r"^memory must be from 1 to 600 seconds, not 0\.5$"):
        FrameDifferenceSettings(memory=0.5)
