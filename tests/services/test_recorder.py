"""Every sample of a live stream is in the files, whatever becomes of disks, jobs and the process."""

import asyncio
import errno
from collections.abc import Sequence
from dataclasses import replace

import pytest
from recorder_kit import PATH, RECORDING, Jobs, Kit, MemoryStorages, expected, job, recording

from gateway.domain.media import AccessUnit, MediaKind, StreamDescription, TrackDescription
from gateway.domain.recording import AUDIO_TRACK, VIDEO_TRACK
from gateway.protocols.mp4.reader import read_header
from gateway.protocols.mp4.writer import Muxer
from gateway.services import recorder
from gateway.services.streams import LiveStream
from gateway.testing.clock import settle
from gateway.testing.streams import video_description, video_unit


async def test_every_sample_is_recorded_over_rotations() -> None:
    units = [video_unit(number) for number in range(25 * 130)]
    async with recording(Kit()) as kit:
        await kit.feed(*units, description=video_description())
    assert kit.samples() == expected(units)
    assert len(kit.archive.segments) in {3, 4}
    assert {segment.run_ns for segment in kit.archive.segments} == {units[0].utc_ns}
    assert all(kit.samples_of(segment)[0].keyframe for segment in kit.archive.segments)
    assert all(len(segment.fragments) <= 60 for segment in kit.archive.segments)
    assert not kit.archive.growing


async def test_a_fragment_is_on_the_disk_when_its_gop_is_complete() -> None:
    async with recording(Kit()) as kit:
        await kit.feed(*(video_unit(number) for number in range(26)), description=video_description())
        segment = kit.archive.growing[RECORDING]
        file = kit.storages.all["one"].files[segment.name]
        assert (len(segment.fragments), file.synced) == (1, segment.size)
        assert segment.name == f"{RECORDING}/2023-11-14/22-13-20.000Z.mp4"
        assert kit.states == [("Active", "")]


async def test_a_storage_that_fails_loses_nothing() -> None:
    units = [video_unit(number) for number in range(25 * 6)]
    async with recording(Kit()) as kit:
        await kit.feed(*units[:60], description=video_description())
        kit.storages.all["one"].broken = OSError(errno.EIO, "input/output error")
        await kit.feed(*units[60:])
    assert kit.samples() == expected(units)
    assert [segment.storage for segment in kit.archive.segments] == ["one", "two"]
    assert len({segment.run_ns for segment in kit.archive.segments}) == 1
    assert kit.storages.failures == [("one", "[Errno 5] input/output error")]
    assert kit.states == [("Active", ""), ("Idle", "")]


async def test_a_full_disk_gets_room_first() -> None:
    units = [video_unit(number) for number in range(25 * 4)]
    async with recording(Kit()) as kit:
        kit.freed = True
        await kit.feed(*units[:30], description=video_description())
        kit.storages.all["one"].broken = OSError(errno.ENOSPC, "no space left")
        await kit.feed(*units[30:])
    assert kit.samples() == expected(units)
    assert kit.room == ["one"]
    assert {segment.storage for segment in kit.archive.segments} == {"one"}


async def test_without_a_storage_the_newest_gops_wait() -> None:
    units = [video_unit(number) for number in range(25 * 9)]
    async with recording(Kit(storages=MemoryStorages("one"))) as kit:
        await kit.feed(*units[:26], description=video_description())
        kit.storages.all["one"].broken = OSError(errno.EROFS, "read-only file system")
        await kit.feed(*units[26:151])
        assert kit.recorder.state(RECORDING)[0] == "Error"
        assert "no storage can be written to; one: read-only file system" in kit.recorder.state(RECORDING)[1]
        kit.storages.all["one"].broken = None
        kit.storages.off.clear()
        await kit.clock.advance(1.0)
        await kit.feed(*units[151:])
        dropped = kit.recorder.counters()[RECORDING].dropped
    assert dropped == 3
    assert kit.samples() == expected([*units[:25], *units[100:]])
    assert [segment.run_ns for segment in kit.archive.segments] == [units[0].utc_ns, units[100].utc_ns]
    errors = [error for state, error in kit.states if state == "Error"]
    assert errors[0] == "no storage can be written to; one: read-only file system"
    assert kit.states[-2:] == [("Active", ""), ("Idle", "")]


async def test_a_storage_that_is_away_for_a_moment_loses_nothing() -> None:
    units = [video_unit(number) for number in range(100)]
    async with recording(Kit(storages=MemoryStorages("one"))) as kit:
        await kit.feed(*units[:30], description=video_description())
        kit.storages.all["one"].broken = OSError(errno.EIO, "input/output error")
        await kit.feed(*units[30:60])
        kit.storages.all["one"].broken = None
        kit.storages.off.clear()
        await kit.clock.advance(1.0)
        await kit.feed(*units[60:])
    assert kit.samples() == expected(units)
    assert len({segment.run_ns for segment in kit.archive.segments}) == 1


async def test_a_slow_disk_drops_whole_gops_and_begins_a_new_run() -> None:
    units = [video_unit(number) for number in range(25 * 40)]
    async with recording(Kit()) as kit:
        await kit.feed(*units[:26], description=video_description())
        kit.disk.stuck = True
        await kit.feed(*units[26:-30])
        kit.disk.release()
        await settle(200)
        await kit.feed(*units[-30:])
        dropped = kit.recorder.counters()[RECORDING].dropped
    first, second = kit.archive.segments[0], kit.archive.segments[1]
    assert dropped > 0
    assert len(kit.samples()) == len(units) - 25 * dropped
    assert second.run_ns == second.start_ns > first.end_ns
    assert kit.samples()[50:] == expected(units[50 + 25 * dropped :])


async def test_a_storage_that_hangs_is_left_for_the_next() -> None:
    units = [video_unit(number) for number in range(75)]
    async with recording(Kit(write_seconds=0.5)) as kit:
        await kit.feed(*units[:26], description=video_description())
        kit.disk.stuck = True
        await kit.feed(*units[26:51])
        await asyncio.wait_for(kit.storages.one_failed.wait(), 30)
        kit.disk.release()
        await settle()
        await kit.feed(*units[51:])
    assert kit.storages.failures == [("one", "[Errno 110] a write takes longer than 0.5 s")]
    assert kit.samples() == expected(units)
    assert not any(file.is_open for storage in kit.storages.all.values() for file in storage.files.values())


async def test_a_job_that_is_gone_closes_at_once() -> None:
    units = [video_unit(number) for number in range(40)]
    async with recording(Kit()) as kit:
        await kit.feed(*units, description=video_description())
        kit.jobs.set()
        await settle()
        assert kit.samples() == expected(units)
        assert kit.stream.readers == 0
        assert kit.recorder.state(RECORDING) == ("Idle", "")
        kit.jobs.set(job())
        await kit.feed(*(video_unit(number) for number in range(100, 130)))
    assert [segment.run_ns for segment in kit.archive.segments] == [units[0].utc_ns, video_unit(100).utc_ns]


async def test_another_job_of_the_same_source_loses_nothing() -> None:
    units = [video_unit(number) for number in range(100)]
    async with recording(Kit()) as kit:
        await kit.feed(*units[:60], description=video_description())
        kit.jobs.set(job(name="Job_other", audio=False))
        await kit.feed(*units[60:])
    assert kit.samples() == expected(units)
    assert len({segment.run_ns for segment in kit.archive.segments}) == 1


async def test_another_source_begins_a_new_run() -> None:
    kit = Kit()
    other = kit.streams["/live/door/sub"] = LiveStream("/live/door/sub")
    async with recording(kit):
        await kit.feed(*(video_unit(number) for number in range(30)), description=video_description())
        other.describe(video_description(320, 180))
        for number in range(25, 55):
            other.deliver(video_unit(number))
        kit.jobs.set(job(path=other.path))
        await settle()
        assert kit.stream.readers == 0
    assert [len(kit.samples_of(segment)) for segment in kit.archive.segments] == [30, 5]


async def test_a_camera_that_goes_away_leaves_a_closed_file() -> None:
    async with recording(Kit()) as kit:
        await kit.feed(*(video_unit(number) for number in range(30)), description=video_description())
        kit.stream.interrupted()
        for _ in range(8):
            await kit.clock.advance(1.0)
        assert len(kit.samples()) == 30
        assert kit.recorder.state(RECORDING) == ("Error", f"nothing comes from {PATH}")
        await kit.feed(*(video_unit(number) for number in range(250, 280)), description=video_description())
        await kit.clock.advance(1.0)
        assert kit.recorder.state(RECORDING) == ("Active", "")
    assert {segment.run_ns for segment in kit.archive.segments} == {video_unit(0).utc_ns, video_unit(250).utc_ns}


async def test_another_picture_size_is_another_segment_of_the_same_run() -> None:
    units = [video_unit(number) for number in range(75)]
    async with recording(Kit()) as kit:
        await kit.feed(*units[:50], description=video_description())
        await kit.feed(*units[50:], description=video_description(1280, 720))
    assert kit.samples() == expected(units)
    assert len(kit.archive.segments) == 2
    assert len({segment.run_ns for segment in kit.archive.segments}) == 1


async def test_a_missing_stream_is_told_and_waited_for() -> None:
    kit = Kit()
    late = kit.streams.pop(PATH)
    async with recording(kit):
        assert kit.recorder.state(RECORDING) == ("Error", f"there is no stream {PATH}")
        kit.streams[PATH] = late
        await kit.clock.advance(1.0)
        await kit.feed(*(video_unit(number) for number in range(30)), description=video_description())
        assert kit.recorder.state(RECORDING) == ("Active", "")


async def test_no_job_nothing_is_read() -> None:
    async with recording(Kit(jobs=Jobs())) as kit:
        await kit.feed(*(video_unit(number) for number in range(60)), description=video_description())
    assert kit.archive.segments == []


async def test_sound_is_recorded_beside_the_picture() -> None:
    sound = TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8_000)
    both = StreamDescription((sound, *video_description().tracks))
    pictures = [replace(video_unit(number), track=1) for number in range(50)]
    sounds = [
        replace(video_unit(0, size=40), rtp_time=number * 320, utc_ns=pictures[number].utc_ns, keyframe=True)
        for number in range(50)
    ]
    async with recording(Kit()) as kit:
        await kit.feed(*(unit for pair in zip(pictures, sounds, strict=True) for unit in pair), description=both)
        assert kit.recorder.track_state(RECORDING, AUDIO_TRACK) == ("Active", "")
    assert kit.samples(track=1) == expected(pictures)
    assert kit.samples(track=0) == expected(sounds)
    assert kit.archive.segments[0].tracks == (AUDIO_TRACK, VIDEO_TRACK)


async def test_a_job_without_sound_leaves_it_out() -> None:
    sound = TrackDescription(MediaKind.AUDIO, "PCMU", 0, 8_000)
    both = StreamDescription((sound, *video_description().tracks))
    pictures = [replace(video_unit(number), track=1) for number in range(50)]
    async with recording(Kit(jobs=Jobs(job(audio=False)))) as kit:
        await kit.feed(*pictures, replace(video_unit(0), utc_ns=pictures[-1].utc_ns), description=both)
    assert kit.archive.segments[0].tracks == (VIDEO_TRACK,)
    assert kit.samples() == expected(pictures)


async def test_a_codec_that_files_can_not_hold_is_told() -> None:
    odd = replace(video_description().tracks[0], encoding="VP8")
    async with recording(Kit()) as kit:
        await kit.feed(*(video_unit(number) for number in range(50)), description=StreamDescription((odd,)))
        error = f"{PATH} has nothing for this job that can be recorded: VP8"
        assert kit.recorder.state(RECORDING) == ("Error", error)
    assert kit.states == [("Error", error), ("Idle", "")]


async def test_one_track_that_files_can_not_hold_does_not_stop_the_others() -> None:
    odd = TrackDescription(MediaKind.AUDIO, "G726-32", 2, 8_000)
    both = StreamDescription((*video_description().tracks, odd))
    async with recording(Kit()) as kit:
        await kit.feed(*(video_unit(number) for number in range(50)), description=both)
        assert kit.recorder.state(RECORDING) == ("PartiallyActive", "")
        assert kit.recorder.track_state(RECORDING, AUDIO_TRACK) == ("Error", "G726-32 can't be recorded")
        assert kit.recorder.track_state(RECORDING, VIDEO_TRACK) == ("Active", "")


async def test_a_clock_set_back_overwrites_nothing() -> None:
    units = [video_unit(number) for number in range(50)]
    again = [replace(unit, rtp_time=unit.rtp_time + 50 * 3600) for unit in units]
    async with recording(Kit()) as kit:
        await kit.feed(*units, *again, description=video_description())
    first, second = kit.archive.segments
    assert first.name.endswith("/22-13-20.000Z.mp4")
    assert second.name.endswith("/22-13-20.000Z-1.mp4")
    assert kit.samples() == expected([*units, *again])


async def test_a_full_disk_without_room_is_left_for_the_next() -> None:
    units = [video_unit(number) for number in range(75)]
    async with recording(Kit()) as kit:
        kit.storages.all["one"].broken = OSError(errno.ENOSPC, "no space left")
        await kit.feed(*units, description=video_description())
    assert kit.room == ["one"]
    assert [segment.storage for segment in kit.archive.segments] == ["two"]
    assert kit.samples() == expected(units)
    assert kit.storages.all["one"].files == {}, "a file without a fragment is removed"


async def test_the_recorder_stops_although_a_disk_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "STOP_SECONDS", 0.05)
    async with recording(Kit()) as kit:
        await kit.feed(*(video_unit(number) for number in range(30)), description=video_description())
        kit.disk.stuck = True
    assert kit.stream.readers == 0
    assert not kit.recorder.counters()
    kit.disk.release()
    await settle()


async def test_a_recording_without_a_job_has_stopped_when_its_last_pictures_are_written() -> None:
    """No file is open before the first GOP is complete; what there is of that is written when the job goes."""
    units = [video_unit(number) for number in range(20)]
    async with recording(Kit()) as kit:
        await kit.feed(*units, description=video_description())
        kit.disk.stuck = True
        kit.jobs.set()
        stopped = asyncio.create_task(kit.recorder.stopped(RECORDING))
        await settle()
        assert not kit.archive.growing
        assert not stopped.done()
        kit.disk.release()
        await stopped
        assert kit.samples() == expected(units)
        assert not kit.archive.growing
        await kit.recorder.stopped(RECORDING)


async def test_a_muxer_that_fails_costs_one_gop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    units = [video_unit(number) for number in range(100)]
    fragment = Muxer.fragment

    def fails_once(self: Muxer, some: Sequence[AccessUnit], end_ns: int) -> object:
        if some[0] is units[25]:
            raise IndexError("a bug")
        return fragment(self, some, end_ns)

    monkeypatch.setattr(Muxer, "fragment", fails_once)
    async with recording(Kit()) as kit:
        await kit.feed(*units, description=video_description())
        assert kit.recorder.state(RECORDING) == ("Active", "")
    assert kit.samples() == expected([*units[:25], *units[50:]])
    assert len({segment.run_ns for segment in kit.archive.segments}) == 2
    assert "a GOP could not be written" in caplog.text


async def test_files_tell_where_they_belong() -> None:
    async with recording(Kit()) as kit:
        await kit.feed(*(video_unit(number) for number in range(30)), description=video_description())
    segment = kit.archive.segments[0]
    header = read_header(kit.storages.data(segment)[: segment.fragments[0].offset])
    assert header.info == {
        "version": "1",
        "recording": RECORDING,
        "run_ns": str(segment.run_ns),
        "origin": "",
        "path": PATH,
        "job": "Job_door",
        "track.0": VIDEO_TRACK,
    }
    assert header.size == segment.fragments[0].offset
    assert segment.size == len(kit.storages.data(segment))
