"""Gaps of a recording are filled from the camera's own: every frame once, whatever its clock says."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path

import pytest
from recorder_kit import PATH, RECORDING, VIDEO_TRACK, Bus, Jobs, expected, job
from waiting import until

from gateway.db import open_database
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.domain.recording import Segment, Span, Trigger, WeeklyPeriod
from gateway.domain.storage import Volume
from gateway.protocols.mp4.check import check_samples
from gateway.protocols.mp4.reader import read_fragment, read_header
from gateway.protocols.mp4.scan import Scanner
from gateway.protocols.mp4.writer import Muxer
from gateway.protocols.rtp.packetize import Packetizer
from gateway.sdk.driver import EdgeArchive
from gateway.services import backfill
from gateway.services.archive import LATEST_NS, Archive
from gateway.services.backfill import ATTEMPTS, LONGEST_WAIT, Backfill, BackfillRules
from gateway.services.fsck import Fsck
from gateway.services.playback import Format, Player
from gateway.services.playback_choice import Wanted
from gateway.services.recorder import Recorder
from gateway.services.recorder_ports import RecorderPorts
from gateway.services.storages import Storages
from gateway.services.streams import LiveStream
from gateway.testing.clock import FakeClock, settle
from gateway.testing.sinks import DictMemory
from gateway.testing.streams import video_description, video_unit
from gateway_filesystem.storage import FilesystemSettings, FilesystemStorage

EVERYTHING = Span(0, LATEST_NS)
LOOK = 300.0
FORM = Format(read_header, read_fragment, lambda _: ())
"""What is read of a stored picture."""


@pytest.fixture(autouse=True)
def slow_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for gaps less often: hours pass in these tests."""
    monkeypatch.setattr(backfill, "LOOK_SECONDS", LOOK)


@dataclass
class Camera:
    """A camera that has recorded some units, by a clock of its own."""

    units: Sequence[AccessUnit]
    ahead_ns: int = 0
    error: GatewayError | None = None
    asked: list[Span] = field(default_factory=list)
    taken: int = 0
    broken_after: int = 1 << 30

    async def recorded(
        self, profile: str, start_ns: int, end_ns: int
    ) -> AsyncGenerator[StreamDescription | AccessUnit, None]:
        assert profile == "main"
        self.asked.append(Span(start_ns, end_ns))
        if self.error is not None:
            raise self.error
        keys = [unit.utc_ns for unit in self.units if unit.keyframe and unit.utc_ns <= start_ns]
        begin = max(keys, default=start_ns)
        yield video_description()
        for unit in self.units:
            if begin <= unit.utc_ns < end_ns:
                if self.taken >= self.broken_after:
                    self.broken_after = 1 << 30
                    raise GatewayError(ErrorKind.UNAVAILABLE, "camera door closed the connection")
                self.taken += 1
                yield replace(unit, utc_ns=unit.utc_ns + self.ahead_ns)


class House:
    """A recorder and its backfill, with files and a catalogue that are real."""

    recording: asyncio.Task[None]

    def __init__(self, folder: Path, camera: Camera, trigger: Trigger = Trigger()) -> None:  # noqa: B008 - frozen
        self.camera = camera
        self.online = True
        self.memory = DictMemory()
        self.clock = FakeClock()
        self.disk = ThreadPoolExecutor(2)
        self.database = open_database(folder / "data")
        self.backend = FilesystemStorage("disk", "here", FilesystemSettings(folder / "disk"))
        self.backend.format()
        volume = Volume("disk", "memory")
        self.storages = Storages([(volume, self.backend)], self.disk, self.clock, self._used)
        self.archive = Archive(self.database.catalogue, self.storages)
        self.stream = LiveStream(PATH)
        self.ports = RecorderPorts({PATH: self.stream}.get, self.archive, self.storages, Muxer, self.clock, self.disk)
        self.jobs = Jobs(job(trigger))
        self.recorder = Recorder(self.ports, self.jobs, Bus(), UTC)
        self.backfill = self.backfiller()

    def backfiller(self, pace: float = 1e9) -> Backfill:
        def edge(camera: str) -> EdgeArchive | None:
            assert camera == "door"
            return self.camera if self.online else None

        rules = BackfillRules(240.0, pace)
        return Backfill(self.ports, self.archive, self.storages, FORM, self.jobs, edge, UTC, rules, self.memory)

    async def _used(self) -> dict[str, int]:
        return {}

    async def feed(self, units: Sequence[AccessUnit], description: StreamDescription | None = None) -> None:
        """Play a connection to the camera, up to its end."""
        self.stream.describe(description or video_description())
        for unit in units:
            self.stream.deliver(unit)
            if unit.keyframe:
                await settle()
        self.stream.interrupted()

    async def segments(self) -> list[Segment]:
        return await self.archive.segments(RECORDING, EVERYTHING)

    async def samples(self) -> list[tuple[int, bytes]]:
        """Return time and payload of all that is recorded, in the order of the files."""
        found = []
        for segment in await self.segments():
            header = read_header(await self.storages.read(segment, 0, segment.fragments[0].offset))
            for each in segment.fragments:
                data = await self.storages.read(segment, each.offset, each.size)
                found += [(round(one.utc_ns, -3), b"".join(one.payload)) for one in read_fragment(data, header)]
        return found

    async def until(self, condition: Callable[[], object], step: float = LOOK / 20) -> None:
        """Let time pass until something is the case."""
        async with asyncio.timeout(30):
            while not condition():
                await self.clock.advance(step)
                await asyncio.sleep(0.01)

    async def until_runs(self, count: int) -> None:
        """Let time pass until so many stretches are recorded, and closed."""
        async with asyncio.timeout(30):
            while len(await self.archive.runs(RECORDING, EVERYTHING)) < count or self.archive.writing(RECORDING):
                await self.clock.advance(1.0)
                await asyncio.sleep(0.01)

    async def quiet(self) -> None:
        """Let time pass until nothing is fetched any more, and nothing is left to try. Nothing is recorded then."""
        self.recording.cancel()
        await asyncio.gather(self.recording, return_exceptions=True)
        seen = -1
        while seen != len(self.camera.asked):
            seen = len(self.camera.asked)
            for _ in range(3):
                await self.clock.advance(LONGEST_WAIT)
                await until(lambda: self.clock.sleeping)  # for the next look

    async def fsck(self) -> list[str]:
        check = Fsck(self.database.catalogue, {"disk": self.backend}, Scanner, check_samples, self.disk)
        return [str(finding) for finding in (await check.check(2)).findings]


@asynccontextmanager
async def house(folder: Path, camera: Camera, trigger: Trigger = Trigger()) -> AsyncIterator[House]:  # noqa: B008
    made = House(folder, camera, trigger)
    await made.storages.check()
    made.recording = asyncio.create_task(made.recorder.run())
    try:
        await settle()
        yield made
    finally:
        made.recording.cancel()
        await asyncio.gather(made.recording, return_exceptions=True)
        made.disk.shutdown()
        made.database.close()


@asynccontextmanager
async def filling(at: House) -> AsyncIterator[None]:
    task = asyncio.create_task(at.backfill.run())
    await settle()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


ALL = [video_unit(number) for number in range(400)]


async def interrupted(at: House) -> None:
    """Record three seconds, the last GOP cut short, lose three and a half, and record two more."""
    await at.feed(ALL[:63])
    await at.feed(ALL[150:210])
    await at.until_runs(2)


@pytest.mark.parametrize("ahead_ns", [0, 7_000_000, -1_300_000_000, 40_000_000])
async def test_every_frame_of_a_gap_is_there_once(tmp_path: Path, ahead_ns: int) -> None:
    async with house(tmp_path, Camera(ALL, ahead_ns)) as at:
        await interrupted(at)
        assert await at.samples() == expected([*ALL[:63], *ALL[150:210]])
        async with filling(at):
            await at.quiet()
        assert await at.samples() == expected(ALL[:210])
        assert len(await at.archive.runs(RECORDING, EVERYTHING)) == 1
        assert [segment.origin for segment in await at.segments()] == ["", "camera door", ""]
        assert await at.fsck() == []
        assert len(at.camera.asked) == 1
        player = Player(at.archive, FORM)
        wanted = Wanted(ALL[0].utc_ns, ALL[209].utc_ns)
        played = [frame async for frame in player.frames(await player.open(RECORDING), wanted)]
        assert [frame.begins for frame in played] == [True] + [False] * 209  # nothing is marked as missing


async def test_a_cut_gop_that_is_alone_in_its_file_goes_with_it(tmp_path: Path) -> None:
    async with house(tmp_path, Camera(ALL)) as at:
        await at.feed(ALL[:13])
        await at.feed(ALL[50:80])
        await at.until_runs(2)
        async with filling(at):
            await at.quiet()
        assert await at.samples() == expected(ALL[:80])
        assert [segment.origin for segment in await at.segments()] == ["camera door", ""]
        assert await at.fsck() == []


async def test_a_camera_that_records_another_picture_adds_no_frame_twice(tmp_path: Path) -> None:
    """Its GOPs begin elsewhere: what is fetched begins with its first one in the gap."""
    others = [
        replace(video_unit(1000 + number, keyframe=number % 25 == 10), utc_ns=unit.utc_ns, rtp_time=unit.rtp_time)
        for number, unit in enumerate(ALL)
    ]
    async with house(tmp_path, Camera(others)) as at:
        await interrupted(at)
        async with filling(at):
            await at.quiet()
        assert await at.samples() == expected([*ALL[:63], *others[85:150], *ALL[150:210]])
        assert len(await at.archive.runs(RECORDING, EVERYTHING)) == 2
        assert await at.fsck() == []


async def test_what_was_lost_in_fetching_is_fetched_again(tmp_path: Path) -> None:
    """The second time it begins where the first one was cut."""
    async with house(tmp_path, Camera(ALL, broken_after=70)) as at:
        await interrupted(at)
        async with filling(at):
            await at.quiet()
        assert len(at.camera.asked) == 2
        assert await at.samples() == expected(ALL[:210])
        assert len(await at.archive.runs(RECORDING, EVERYTHING)) == 1
        assert await at.fsck() == []


async def test_a_camera_that_recorded_a_part_only_closes_a_part(tmp_path: Path) -> None:
    async with house(tmp_path, Camera(ALL[75:125])) as at:
        await interrupted(at)
        async with filling(at):
            await at.quiet()
        assert await at.samples() == expected([*ALL[:63], *ALL[75:125], *ALL[150:210]])
        assert len(await at.archive.runs(RECORDING, EVERYTHING)) == 3
        assert len(at.camera.asked) <= 1 + 2 * ATTEMPTS  # not for ever


@pytest.mark.parametrize(("kind", "times"), [(ErrorKind.UNSUPPORTED, 1), (ErrorKind.UNAVAILABLE, ATTEMPTS)])
async def test_a_camera_that_can_not_is_left_alone(
    tmp_path: Path, kind: ErrorKind, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with house(tmp_path, Camera(ALL, error=GatewayError(kind, "the camera does not record"))) as at:
        await interrupted(at)
        async with filling(at):
            await at.quiet()
        assert len(at.camera.asked) == times
        assert await at.samples() == expected([*ALL[:63], *ALL[150:210]])
        told = next(each for each in caplog.messages if "can't be filled" in each)
        assert told == f"recording {RECORDING}: a gap of 3.5 s can't be filled: the camera does not record"


async def test_a_camera_that_is_offline_is_not_asked(tmp_path: Path) -> None:
    async with house(tmp_path, Camera(ALL)) as at:
        at.online = False
        await interrupted(at)
        async with filling(at):
            await at.quiet()
            assert at.camera.asked == []
            at.online = True
            await at.until(lambda: at.camera.asked)


async def test_nothing_is_fetched_for_recordings_of_events(tmp_path: Path) -> None:
    async with house(tmp_path, Camera(ALL)) as at:
        await interrupted(at)
        at.jobs.set(job(Trigger(topics=("tns1:VideoSource/MotionAlarm",))))
        async with filling(at):
            await at.quiet()
        assert at.camera.asked == []


async def test_a_schedule_says_what_is_missing(tmp_path: Path) -> None:
    """The footage is of a Tuesday, 22:13:20 UTC: the schedule of Mondays misses nothing, that of Tuesdays does."""
    async with house(tmp_path, Camera(ALL)) as at:
        await interrupted(at)
        at.jobs.set(job(Trigger(schedule=(WeeklyPeriod(0, 0, 1440),))))
        async with filling(at):
            await at.quiet()
            assert at.camera.asked == []
            at.jobs.set(job(Trigger(schedule=(WeeklyPeriod(1, 0, 1440),))))
            await at.quiet()
        assert await at.samples() == expected(ALL[:210])


async def test_fetching_keeps_to_its_pace_and_ends_when_told(tmp_path: Path) -> None:
    async with house(tmp_path, Camera(ALL)) as at:
        await interrupted(at)
        at.backfill = at.backfiller(pace=1.0)
        async with filling(at):
            await at.clock.advance(LOOK)
            await at.until(lambda: at.camera.taken, step=0.0)
            await at.clock.advance(1.0)
            assert at.camera.taken <= 25 * 5
            await at.until(lambda: at.camera.taken > 80, step=0.1)
        assert await at.database.catalogue.open_segments() == []
        assert await at.fsck() == []
        at.backfill = at.backfiller()
        async with filling(at):
            await at.quiet()
        assert await at.samples() == expected(ALL[:210])


async def test_what_a_crash_left_twice_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway ended after the whole GOP was stored, and before the one that was cut short was taken away."""

    async def crashed(*_: object) -> None:
        raise GatewayError(ErrorKind.UNAVAILABLE, "the power was cut")

    async with house(tmp_path, Camera(ALL)) as at:
        await interrupted(at)
        with monkeypatch.context() as patch:
            patch.setattr(at.backfill, "_shorten", crashed)
            async with filling(at):
                await at.quiet()
        assert len(await at.samples()) == 210 + 13
        at.backfill = at.backfiller()
        async with filling(at):
            await at.quiet()
        assert await at.samples() == expected(ALL[:210])
        assert await at.fsck() == []


async def test_a_track_that_goes_with_what_was_cut_short_is_no_longer_in_its_file(tmp_path: Path) -> None:
    """The only document of metadata came with the last GOP before the loss; a camera's own are not fetched."""
    metadata = TrackDescription(MediaKind.APPLICATION, "VND.ONVIF.METADATA", 107, 90_000)
    document = Packetizer(1, metadata, 5, 1).unit([b"<MetadataStream/>"], 0, ALL[60].utc_ns, keyframe=True)
    async with house(tmp_path, Camera(ALL)) as at:
        tracks = (*job().tracks, (MediaKind.APPLICATION, "META001"))
        at.jobs.set(replace(job(), tracks=tracks))
        await at.feed([*ALL[:61], document, *ALL[61:63]], StreamDescription((*video_description().tracks, metadata)))
        await at.feed(ALL[150:210])
        await at.until_runs(2)
        assert [segment.tracks[-1] for segment in await at.segments()] == ["META001", VIDEO_TRACK]
        async with filling(at):
            await at.quiet()
        assert await at.samples() == expected(ALL[:210])
        assert {segment.tracks for segment in await at.segments()} == {(VIDEO_TRACK,)}
        assert await at.fsck() == []


async def test_what_was_deleted_is_not_fetched_again(tmp_path: Path) -> None:
    """Retention goes around what is held, and so leaves a gap in the middle."""
    async with house(tmp_path, Camera(ALL)) as at:
        for number, width in enumerate((640, 320, 640)):  # another size begins another file of the same run
            at.stream.describe(video_description(width))
            for frame in range(number * 100, number * 100 + 100):
                at.stream.deliver(video_unit(frame, keyframe=frame % 100 == 0))
            await settle()
        at.stream.interrupted()
        async with asyncio.timeout(30):
            while len(await at.segments()) < 3 or at.archive.writing(RECORDING):
                await at.clock.advance(1.0)
                await asyncio.sleep(0.01)
        first, middle, last = await at.segments()
        await at.archive.removed(await at.storages.delete([middle]))
        assert len(await at.archive.runs(RECORDING, EVERYTHING)) == 2
        async with filling(at):
            await at.quiet()
        assert at.camera.asked == []
        assert await at.segments() == [first, last]


async def test_what_was_not_to_be_recorded_is_not_fetched(tmp_path: Path) -> None:
    """Somebody sets the job idle, the gateway ends meanwhile, and records again later: that was no loss."""
    minute = [video_unit(number) for number in range(25 * 60)]
    async with house(tmp_path, Camera(minute)) as at:
        at.clock.set_utc(minute[0].utc_ns)
        async with filling(at):
            await at.clock.advance(LOOK)
            await at.feed(minute[:60])
            at.clock.set_utc(minute[60].utc_ns)
            at.jobs.set()
            await settle()
        at.backfill = at.backfiller()
        async with filling(at):
            await at.clock.advance(LOOK)
            at.clock.set_utc(minute[1250].utc_ns)
            at.jobs.set(job())
            await at.feed(minute[1250:1300])
            await at.until_runs(2)
            await at.quiet()
        assert at.camera.asked == []


async def test_nothing_is_fetched_for_a_recording_that_is_stopped(tmp_path: Path) -> None:
    async with house(tmp_path, Camera(ALL)) as at:
        await interrupted(at)
        at.backfill = at.backfiller(pace=1.0)
        async with filling(at):
            await at.until(lambda: at.camera.taken > 75, step=0.5)
            at.jobs.set()
            await at.backfill.stopped(RECORDING)
            left = await at.samples()
            assert expected(ALL[:50]) == left[:50]
            assert len(left) < 210
            await at.quiet()
            assert await at.samples() == left
            assert len(at.camera.asked) == 1
            at.jobs.set(job())
            await at.quiet()
        assert await at.samples() == expected(ALL[:210])
        assert await at.fsck() == []
