"""Recordings, tracks and jobs: what clients may change, what is recorded then, and what survives a restart."""

import asyncio

import pytest
from recording_samples import SECOND, START, Site, segment

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.media import MediaKind
from gateway.domain.recording import (
    JobMode,
    JobSource,
    JobState,
    JobTrack,
    RecordingJob,
    RecordingSource,
    SourceKind,
    Span,
    Trigger,
)
from gateway.services import recordings_editing
from gateway.services.receivers import ReceiverMode, ReceiverState, ReceiverTransport
from gateway.services.recordings import Change, What
from gateway.services.recordings_editing import CLIENT_JOBS, CLIENT_RECORDINGS, TRACKS_PER_KIND
from gateway.services.recordings_errors import Reason, RecordingError
from gateway.testing.clock import settle

SOURCE = RecordingSource("urn:client:7", "Client", "yard", "made by a client", "rtsp://192.0.2.9/1")


def wanted(recording: str, profile: str = "door_main", priority: int = 5, **changes: object) -> RecordingJob:
    source = JobSource(SourceKind.PROFILE, profile)
    return RecordingJob("", recording, JobMode.ACTIVE, priority, (source,), **changes)  # type: ignore[arg-type]


def refused(reason: Reason, call: object, *args: object) -> str:
    with pytest.raises(RecordingError) as error:
        call(*args)  # type: ignore[operator]
    assert error.value.reason is reason
    return error.value.message


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def changes(site: Site) -> list[Change]:
    found: list[Change] = []
    site.recordings.watch(found.append)
    return found


def test_configured_jobs_are_what_is_recorded(site: Site) -> None:
    found = site.recordings.assignments()
    assert [(each.recording, each.job, each.path) for each in found] == [
        ("Recording_yard", "Job_yard", "/live/yard/main/metadata"),
        ("Recording_yard_sub", "Job_yard_sub", "/live/yard/sub/metadata"),
        ("Recording_door", "Job_door", "/live/door/main/metadata"),
    ]
    assert dict(found[0].tracks) == {
        MediaKind.VIDEO: "VIDEO001",
        MediaKind.AUDIO: "AUDIO001",
        MediaKind.APPLICATION: "META001",
    }


@pytest.mark.parametrize(
    ("token", "names"),
    [
        ("Recording_yard_sub", ["Recording_yard_sub"]),
        ("yard_sub", ["Recording_yard_sub"]),
        ("yard_main", ["Recording_yard"]),
        ("VideoSource_yard", ["Recording_yard", "Recording_yard_sub"]),
        ("door_sub", ["Recording_door"]),
        ("AudioSource_yard", ["Recording_yard", "Recording_yard_sub"]),
        ("ghost", []),
    ],
)
def test_a_recording_is_known_by_its_profile_and_video_source_too(site: Site, token: str, names: list[str]) -> None:
    assert [each.token for each in site.recordings.matching(token)] == names
    resolved = site.recordings.resolve(token)
    assert (resolved.token if resolved else None) == (names[0] if names else None)


def test_what_clients_make_survives_a_restart(site: Site) -> None:
    made = site.editor.create(SOURCE, "what a client wants", 7)
    track = site.editor.create_track(made.token, MediaKind.AUDIO, "second microphone")
    trigger = Trigger((), ("tns1:VideoSource/MotionAlarm",), 5.0, 10.0)
    job = site.editor.create_job(wanted(made.token, trigger=trigger))
    after = site.restarted()
    assert after.recordings.recording(made.token).tracks[-1] == track
    assert after.recordings.recording(made.token).retention.max_days == 7
    assert after.recordings.job(job.token) == job
    assert [each.recording for each in after.recordings.assignments()].count(made.token) == 1


async def test_a_deleted_recording_takes_all_that_is_its_own_along(site: Site, changes: list[Change]) -> None:
    made = site.editor.create(SOURCE, "", None)
    job = site.editor.create_job(wanted(made.token))
    site.record(segment(made.token, 0, 60))
    recorded: list[int] = []
    site.recordings.subscribe(lambda: recorded.append(len(site.recordings.assignments())))
    changes.clear()
    await site.editor.delete(made.token)
    assert site.erased == [made.token]
    assert recorded == [3], "recording stops before the data goes, and does not begin again"
    span = Span(START, START + 60 * SECOND)
    assert [change for change in changes if change.what is not What.JOB_STATE] == [
        Change(What.JOB_DELETED, made.token, job=job.token),
        Change(What.DATA_DELETED, made.token, "VIDEO001", span=span),
        Change(What.DATA_DELETED, made.token, "AUDIO001", span=span),
        Change(What.TRACK_DELETED, made.token, "VIDEO001"),
        Change(What.TRACK_DELETED, made.token, "AUDIO001"),
        Change(What.TRACK_DELETED, made.token, "META001"),
        Change(What.RECORDING_DELETED, made.token),
    ]
    after = site.restarted()
    refused(Reason.NO_RECORDING, after.recordings.recording, made.token)
    refused(Reason.NO_JOB, after.recordings.job, job.token)


async def test_data_that_is_held_keeps_its_recording(site: Site) -> None:
    made = site.editor.create(SOURCE, "", None)
    site.editor.create_job(wanted(made.token))
    site.refusal = GatewayError(ErrorKind.CONFLICT, "hold h1 protects it")
    with pytest.raises(RecordingError, match="can't be deleted: hold h1 protects it") as error:
        await site.editor.delete(made.token)
    assert error.value.reason is Reason.CANNOT_DELETE
    assert made.token in {each.recording for each in site.recordings.assignments()}


async def test_data_is_deleted_once_its_file_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    made = site.editor.create(SOURCE, "", None)
    site.editor.create_job(wanted(made.token))
    site.write(segment(made.token, 0, 20))
    deleting = asyncio.create_task(site.editor.delete(made.token))
    await settle()
    assert site.erased == []
    assert made.token not in {each.recording for each in site.recordings.assignments()}
    site.archive.closed(segment(made.token, 0, 25))
    await deleting
    assert site.archive.extent(made.token) is None
    monkeypatch.setattr(recordings_editing, "STOP_SECONDS", 0.0)
    stuck = site.editor.create(SOURCE, "", None)
    site.write(segment(stuck.token, 0, 20))
    with pytest.raises(RecordingError, match="can't be deleted: it is still being written after 0 seconds"):
        await site.editor.delete(stuck.token)


async def test_the_operators_recordings_are_not_the_clients_to_delete(site: Site) -> None:
    with pytest.raises(RecordingError, match="'Recording_yard' is part of the configuration"):
        await site.editor.delete("Recording_yard")
    refused(Reason.CANNOT_DELETE, site.editor.delete_job, "Job_yard")
    message = refused(Reason.BAD_CONFIGURATION, site.editor.configure, "Recording_yard", SOURCE, "", 3)
    assert message == "the retention of the configured recording 'Recording_yard' is changed in the configuration only"


def test_a_clients_change_of_a_configured_recording_lasts_until_the_configuration_changes(site: Site) -> None:
    site.editor.configure("Recording_yard", SOURCE, "renamed", 30)
    site.editor.set_mode("Job_yard", JobMode.IDLE)
    after = site.restarted()
    assert after.recordings.recording("Recording_yard").content == "renamed"
    assert after.recordings.job("Job_yard").mode is JobMode.IDLE
    record = site.stores["recordings"].records["Recording_yard"]
    record["base"]["content"] = "as it was configured then"
    assert site.restarted().recordings.recording("Recording_yard").content == "yard continuous"
    assert "Recording_yard" not in site.stores["recordings"].records


def test_a_broken_record_is_left_out(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.stores["jobs"].records["Job_x"] = {"entry": {"token": 5}, "base": None}
    with pytest.raises(RecordingError):
        site.restarted().recordings.job("Job_x")
    assert "the stored RecordingJob 'Job_x' is left out" in caplog.text


def test_a_job_whose_recording_is_not_configured_any_more_is_dropped(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    job = site.editor.create_job(wanted("Recording_yard_sub"))
    after = site.restarted([("yard", "main"), ("door", "main")])
    assert [each.token for each in after.recordings.jobs()] == ["Job_yard", "Job_door"]
    assert f"job {job.token} is dropped: its recording Recording_yard_sub is not configured any more" in caplog.text
    assert site.stores["jobs"].records == {}


def test_texts_are_checked_and_cut(site: Site) -> None:
    long = RecordingSource("x" * 257, "", "", "", "")
    assert refused(Reason.BAD_CONFIGURATION, site.editor.create, long, "", None) == (
        "SourceId 'xxxxxxxxxxxxxxxxxxxx'… has 257 characters, more than 256"
    )
    made = site.editor.create(RecordingSource("", "", "l" * 2000, "", ""), "c" * 2000, None)
    assert (len(made.source.location), len(made.content)) == (1024, 1024)
    message = refused(Reason.BAD_CONFIGURATION, site.editor.create, SOURCE, "", 361)
    assert message == "a retention of 361 days is not possible: 1 to 360, or PT0S for unlimited"


def test_there_is_an_end_to_everything(site: Site) -> None:
    made = [site.editor.create(SOURCE, "", None) for _ in range(CLIENT_RECORDINGS)]
    refused(Reason.MAX_RECORDINGS, site.editor.create, SOURCE, "", None)
    for _ in range(TRACKS_PER_KIND - 1):
        site.editor.create_track(made[0].token, MediaKind.VIDEO, "")
    assert site.editor.spare_tracks(made[0].token, MediaKind.VIDEO) == 0
    refused(Reason.MAX_TRACKS, site.editor.create_track, made[0].token, MediaKind.VIDEO, "")
    for _ in range(CLIENT_JOBS):
        site.editor.create_job(wanted(made[0].token))
    refused(Reason.MAX_JOBS, site.editor.create_job, wanted(made[0].token))


def test_tracks_with_data_or_a_job_stay(site: Site, changes: list[Change]) -> None:
    made = site.editor.create(SOURCE, "", None)
    site.record(segment(made.token, 0, 60, tracks=["VIDEO001"]))
    refused(Reason.NO_TRACK, site.editor.delete_track, made.token, "VIDEO007")
    message = refused(Reason.CANNOT_DELETE, site.editor.delete_track, made.token, "VIDEO001")
    assert message == f"track 'VIDEO001' of recording {made.token!r} can't be deleted: it holds data"
    refused(Reason.CANNOT_DELETE, site.editor.delete_track, "Recording_yard", "META001")
    site.editor.delete_track(made.token, "META001")
    assert changes[-1] == Change(What.TRACK_DELETED, made.token, "META001")
    assert site.editor.create_track(made.token, MediaKind.APPLICATION, "again").token == "META001"
    site.editor.configure_track(made.token, "AUDIO001", "microphone")
    assert site.recordings.track(made.token, "AUDIO001").description == "microphone"


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (wanted("ghost"), Reason.NO_RECORDING),
        (wanted("Recording_yard", "ghost"), Reason.BAD_CONFIGURATION),
        (wanted("Recording_yard", ""), Reason.BAD_CONFIGURATION),
        (wanted("Recording_yard", priority=-1), Reason.BAD_CONFIGURATION),
        (RecordingJob("", "Recording_yard", JobMode.IDLE, 0, ()), Reason.BAD_CONFIGURATION),
        (
            RecordingJob(
                "",
                "Recording_yard",
                JobMode.IDLE,
                0,
                (JobSource(SourceKind.PROFILE, "yard_main", (JobTrack("v", "VIDEO9"),)),),
            ),
            Reason.BAD_CONFIGURATION,
        ),
    ],
)
def test_impossible_jobs_are_refused(site: Site, job: RecordingJob, reason: Reason) -> None:
    before = site.recordings.jobs()
    refused(reason, site.editor.create_job, job)
    assert site.recordings.jobs() == before


def test_the_highest_priority_wins_and_the_loser_resumes(site: Site) -> None:
    site.recorder.states["Recording_yard"] = (JobState.ACTIVE, "")

    def states() -> list[JobState]:
        return [site.recordings.status(token).state for token in ("Job_yard", high.token)]

    high = site.editor.create_job(wanted("Recording_yard", "yard_sub", priority=20))
    assert site.recordings.assignments()[0].path == "/live/yard/sub/metadata"
    assert states() == [JobState.IDLE, JobState.ACTIVE]
    site.editor.set_mode(high.token, JobMode.IDLE)
    assert site.recordings.assignments()[0].path == "/live/yard/main/metadata"
    assert states() == [JobState.ACTIVE, JobState.IDLE]
    equal = site.editor.configure_job(high.token, wanted("Recording_yard", "yard_sub", priority=10))
    assert states() == [JobState.IDLE, JobState.ACTIVE], "of equal ones the last activated wins"
    assert [track.destination for track in equal.sources[0].tracks] == ["VIDEO001", "AUDIO001", "META001"]
    site.editor.delete_job(high.token)
    assert site.recordings.assignments()[0].job == "Job_yard"
    message = refused(Reason.BAD_CONFIGURATION, site.editor.configure_job, "Job_yard", wanted("Recording_door"))
    assert message == "job 'Job_yard' records into 'Recording_yard'; that can't be changed to 'Recording_door'"


def test_states_come_from_the_recorder_and_are_told_once(site: Site, changes: list[Change]) -> None:
    site.recorder.states["Recording_yard"] = (JobState.ACTIVE, "")
    site.recordings.refresh()
    site.recordings.refresh()
    assert changes == [Change(What.JOB_STATE, "Recording_yard", job="Job_yard")]
    source = site.recordings.status("Job_yard").sources[0]
    assert [(each.track.destination, each.state) for each in source.tracks] == [
        ("VIDEO001", JobState.ACTIVE),
        ("AUDIO001", JobState.ACTIVE),
        ("META001", JobState.ACTIVE),
    ]
    site.recorder.states["Recording_yard"] = (JobState.ERROR, "no storage can be written to")
    site.recordings.refresh()
    status = site.recordings.status("Job_yard")
    assert status.state is JobState.ERROR
    assert status.sources[0].tracks[0].error == "no storage can be written to"


def test_a_job_without_its_source_is_in_error(site: Site) -> None:
    receiver = site.receivers.create(ReceiverMode.AUTO, "rtsp://192.0.2.9/1", ReceiverTransport.UDP)
    made = site.editor.create_job(
        RecordingJob("", "Recording_door", JobMode.ACTIVE, 99, (JobSource(SourceKind.RECEIVER, receiver.token),))
    )
    site.receivers.release(receiver.token)
    site.recordings.refresh()
    status = site.recordings.status(made.token)
    assert status.state is JobState.ERROR
    assert status.sources[0].tracks[0].error == f"the source {receiver.token!r} does not exist"


def test_a_receiver_connects_while_it_is_recorded(site: Site) -> None:
    receiver = site.receivers.create(ReceiverMode.AUTO, "rtsp://192.0.2.9/1", ReceiverTransport.RTSP)
    assert site.connections.open_now == {}
    job = site.editor.create_job(
        RecordingJob("", "Recording_door", JobMode.ACTIVE, 99, (JobSource(SourceKind.RECEIVER, receiver.token),))
    )
    assert site.connections.open_now == {receiver.token: ("rtsp://192.0.2.9/1", ReceiverTransport.RTSP)}
    assert site.recordings.assignments()[-1].path == f"/receiver/{receiver.token}"
    message = refused(Reason.CANNOT_DELETE_RECEIVER, site.receivers.delete, receiver.token)
    assert message == f"receiver {receiver.token!r} can't be deleted: a recording job refers to it"
    site.receivers.set_mode(receiver.token, ReceiverMode.NEVER)
    assert site.receivers.state(receiver.token) is ReceiverState.NOT_CONNECTED
    site.receivers.set_mode(receiver.token, ReceiverMode.ALWAYS)
    site.editor.set_mode(job.token, JobMode.IDLE)
    assert list(site.connections.open_now) == [receiver.token]
    site.receivers.set_mode(receiver.token, ReceiverMode.AUTO)
    assert site.connections.open_now == {}


def test_a_receiver_made_for_a_job_goes_with_it(site: Site) -> None:
    automatic = RecordingJob(
        "", "Recording_door", JobMode.ACTIVE, 99, (JobSource(SourceKind.RECEIVER, "", auto_created=True),)
    )
    first = site.editor.create_job(automatic)
    token = first.sources[0].token
    assert site.receivers.receiver(token).automatic
    shared = site.editor.create_job(
        RecordingJob("", "Recording_door", JobMode.IDLE, 0, (JobSource(SourceKind.RECEIVER, token),))
    )
    site.editor.delete_job(first.token)
    assert site.receivers.receiver(token).automatic
    site.editor.configure_job(shared.token, wanted("Recording_door"))
    assert site.receivers.all() == ()


def test_receivers_are_kept_and_their_states_told(site: Site) -> None:
    told: list[tuple[str, ReceiverState, ReceiverState]] = []
    site.receivers.watch(lambda receiver, old, new: told.append((receiver.token, old, new)))
    receiver = site.receivers.create(ReceiverMode.ALWAYS, "rtsp://user:pass@192.0.2.9/1", ReceiverTransport.HTTP)
    site.connections.states[receiver.token] = ReceiverState.CONNECTED
    site.receivers.refresh()
    site.receivers.refresh()
    assert told == [
        (receiver.token, ReceiverState.NOT_CONNECTED, ReceiverState.CONNECTING),
        (receiver.token, ReceiverState.CONNECTING, ReceiverState.CONNECTED),
    ]
    assert "pass" not in repr(receiver)
    assert site.restarted().receivers.all() == (receiver,)


@pytest.mark.parametrize("uri", ["", "ftp://192.0.2.9/1", "rtsp://", "rtsp://a:0/1", "rtsp://a b/", "rtsp://[/1"])
def test_only_rtsp_is_received(site: Site, uri: str) -> None:
    message = refused(Reason.BAD_CONFIGURATION, site.receivers.create, ReceiverMode.ALWAYS, uri, ReceiverTransport.RTSP)
    assert "one looks like rtsp://HOST:PORT/PATH" in message
