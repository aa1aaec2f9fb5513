"""The simulated camera keeps every driver's contract, in time on the clock; a file plays in a loop."""

import asyncio
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind
from gateway.sdk.driver import CameraDriver
from gateway.testing.clock import FakeClock, settle
from gateway.testing.drivers import DriverContract, RecordingSink, driver_context
from gateway_testpattern.driver import TestPatternDriver as Driver
from gateway_testpattern.driver import TestPatternSettings as Settings
from gateway_testpattern.film import FilmReader
from gateway_testpattern.scene import Scene
from gateway_testpattern.timecode import read_time

SMALL = {"width": 320, "height": 180, "sub_width": 160, "sub_height": 160, "frame_rate": 20.0, "sub_frame_rate": 20.0}


def make_film(path: Path, *, video: str = "libx264", audio: str | None = "aac", frames: int = 20) -> Path:
    """Write a file of `frames` pictures at 10 per second whose time codes count from 0 in steps of 100 ms."""
    scene = Scene("Film", 320, 180, 5)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(video, rate=Fraction(10))
        stream.width, stream.height = 320, 180
        stream.pix_fmt = "yuvj420p" if video == "mjpeg" else "yuv420p"
        stream.options = {"g": "10"} | ({"bf": "2"} if video == "libx264" else {})
        sound = container.add_stream(audio, rate=8000) if audio else None
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(scene.draw(number * 100_000_000), format="yuv420p")
            picture.pts = number
            container.mux(stream.encode(picture.reformat(format=stream.pix_fmt)))
            if sound is not None:
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
                samples.sample_rate, samples.pts = 8000, number * 800
                container.mux(sound.encode(samples))
        container.mux(stream.encode())
        if sound is not None:
            container.mux(sound.encode())
    return path


class TestSimulation(DriverContract):
    def working(self) -> CameraDriver:
        return Driver(Settings(**SMALL), driver_context())

    def unreachable(self) -> CameraDriver:
        return Driver(Settings(file=Path("/nowhere/film.mp4")), driver_context())


class TestFilm(DriverContract):
    @pytest.fixture(autouse=True)
    def _film(self, tmp_path: Path) -> None:
        self.path = make_film(tmp_path / "film.mp4")

    def working(self) -> CameraDriver:
        return Driver(Settings(file=self.path), driver_context())

    def unreachable(self) -> CameraDriver:
        return Driver(Settings(file=self.path.with_name("other.mp4")), driver_context())


async def _advance(clock: FakeClock, seconds: float) -> None:
    for _ in range(round(seconds * 100)):
        while not clock.sleeping:  # noqa: ASYNC110 - a picture is being encoded, or read, in a thread
            await asyncio.sleep(0)
        await clock.advance(0.01)
        await settle()


async def _play(clock: FakeClock, settings: Settings, sink: RecordingSink, seconds: float) -> None:
    task = asyncio.create_task(Driver(settings, driver_context(clock)).stream("main", sink))
    try:
        await _advance(clock, seconds)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_pictures_come_at_their_rate_and_carry_their_time() -> None:
    clock, sink = FakeClock(), RecordingSink()
    await _play(clock, Settings(**SMALL | {"frame_rate": 10.0}, audio=False), sink, 2.0)
    assert 19 <= len(sink.units) <= 21
    assert [unit.rtp_time for unit in sink.units] == [index * 9000 for index in range(len(sink.units))]
    context = av.CodecContext.create("h264", "r")
    frames = []
    for unit in sink.units:
        frames += context.decode(av.Packet(b"".join(b"\0\0\0\1" + bytes(nal) for nal in unit.payload())))
    frames += context.decode(None)
    read = [read_time(frame.to_ndarray(format="gray")) for frame in frames]
    assert read == [unit.utc_ns // 1_000_000 for unit in sink.units]


async def test_it_describes_what_it_sends() -> None:
    sink = RecordingSink()
    await _play(FakeClock(), Settings(**SMALL), sink, 0.5)
    (description,) = sink.descriptions
    video, audio = description.first(MediaKind.VIDEO), description.first(MediaKind.AUDIO)
    assert video is not None
    assert video.video is not None
    assert (video.video.width, video.video.height, video.video.frame_rate) == (320, 180, 20.0)
    assert "sprop-parameter-sets=" in video.fmtp
    assert audio is not None
    assert (audio.encoding, audio.payload_type, audio.clock_rate) == ("PCMU", 0, 8000)


async def test_sound_is_paced_beside_the_pictures() -> None:
    sink = RecordingSink()
    await _play(FakeClock(), Settings(**SMALL), sink, 2.0)
    sound = [unit for unit in sink.units if unit.track == 1]
    assert 45 <= len(sound) <= 51
    assert [unit.rtp_time for unit in sound] == [index * 320 for index in range(len(sound))]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": 641}, "width must be a multiple of 4 from 160 to 4096, not 641"),
        ({"sub_height": 0}, "sub_height must be a multiple of 4 from 160 to 4096, not 0"),
        ({"seed": -1}, "seed must not be negative, and is -1"),
        ({"frame_rate": 0.0}, "frame_rate must be from 1 to 60, not 0"),
    ],
)
def test_sizes_and_rates_are_checked(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Settings(**settings)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[FilmReader]:
    film = FilmReader(make_film(tmp_path / "film.mp4", audio=None))
    yield film
    film.close()


def test_a_film_goes_on_in_time_when_it_begins_again(reader: FilmReader) -> None:
    video = [reader.read() for _ in range(60)]
    assert [round(piece.due * 10) for piece in video] == list(range(60))
    shown = sorted(round(piece.shown * 10) for piece in video)
    assert shown == list(range(shown[0], shown[0] + 60))
    assert [index for index, piece in enumerate(video) if piece.keyframe] == [0, 10, 20, 30, 40, 50]


async def test_a_film_that_was_held_up_goes_on_without_a_burst(tmp_path: Path) -> None:
    clock, sink = FakeClock(), RecordingSink()
    path = make_film(tmp_path / "film.mp4", audio=None)
    task = asyncio.create_task(Driver(Settings(file=path), driver_context(clock)).stream("main", sink))
    await _advance(clock, 1.0)
    before = len(sink.units)
    clock.stall(60.0)
    await _advance(clock, 1.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert before + 9 <= len(sink.units) <= before + 12  # a second's worth, and the frame that was waiting
    times = [unit.rtp_time for unit in sink.units]
    assert max(times) - min(times) < 45 * 9000
    assert sink.units[-1].utc_ns - sink.units[0].utc_ns > 60_000_000_000


def test_a_film_is_closed_only_after_the_frame_that_is_read(reader: FilmReader) -> None:
    with reader._reading:
        closing = threading.Thread(target=reader.close)
        closing.start()
        assert reader._read().units
        assert closing.is_alive()
    closing.join(10)
    assert not closing.is_alive()


@pytest.mark.parametrize(
    ("name", "video", "audio", "encodings"),
    [
        ("film.mp4", "libx264", "aac", ["H264", "MPEG4-GENERIC"]),
        ("film.mkv", "libx265", None, ["H265"]),
        ("film.ts", "libx264", None, ["H264"]),
        ("film.avi", "mjpeg", "pcm_mulaw", ["JPEG", "PCMU"]),
    ],
)
def test_films_of_many_kinds_play(
    tmp_path: Path, name: str, video: str, audio: str | None, encodings: list[str]
) -> None:
    film = FilmReader(make_film(tmp_path / name, video=video, audio=audio))
    try:
        assert [track.encoding for track in film.tracks] == encodings
        track = film.tracks[0].video
        assert track is not None
        assert (track.width, track.height) == (320, 180)
        assert film.read().units
    finally:
        film.close()


def test_a_film_that_cameras_do_not_send_is_refused(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.avi", video="mpeg4", audio=None)
    with pytest.raises(GatewayError) as caught:
        FilmReader(path)
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert (
        caught.value.message
        == f"the file {str(path)!r} can't be played: mpeg4 can't be sent; H.264, H.265 and MJPEG can"
    )
