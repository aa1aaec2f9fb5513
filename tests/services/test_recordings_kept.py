"""Recordings, jobs and receivers in the real database, and the history of the real catalogue."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from recording_samples import CONFIGURED, NoBytes, Site, job, recording, segment

from gateway.db import Database, open_database
from gateway.domain.media import MediaKind
from gateway.domain.recording import JobMode, RecordingSource, Trigger
from gateway.services.archive import LATEST_NS, Archive
from gateway.services.history import find_events
from gateway.services.receivers import Receiver, ReceiverMode, ReceiverTransport
from gateway.services.recordings_store import Table
from gateway.services.stored_events import NoEvents, RecordingEvents

SOURCE = RecordingSource("urn:client:7", "Client", "yard", "made by a client", "rtsp://192.0.2.9/1")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path, environment={})
    yield database
    database.close()


def test_everything_is_read_back_as_it_was(database: Database, tmp_path: Path) -> None:
    stores = {"recordings": database.recordings, "jobs": database.jobs, "receivers": database.receivers}
    site = Site(CONFIGURED, stores=stores)  # type: ignore[arg-type]
    made = site.editor.create(SOURCE, "content", 7)
    site.editor.create_track(made.token, MediaKind.AUDIO, "second")
    site.receivers.create(ReceiverMode.ALWAYS, "rtsp://user:pass@192.0.2.9/1", ReceiverTransport.HTTP)
    wanted = job("yard")
    trigger = Trigger((), ("tns1:VideoSource/MotionAlarm",), 5.0, 10.0)
    site.editor.configure_job("Job_yard", type(wanted)("", wanted.recording, JobMode.IDLE, 3, wanted.sources, trigger))
    deleted = site.editor.create(SOURCE, "", None)
    site.recordings.remove_recording(deleted.token)
    database.close()
    again = open_database(tmp_path, environment={})
    try:
        after = Site(
            CONFIGURED,
            stores={"recordings": again.recordings, "jobs": again.jobs, "receivers": again.receivers},  # type: ignore[dict-item]
        )
    finally:
        again.close()
    assert after.recordings.all() == site.recordings.all()
    assert after.recordings.jobs() == site.recordings.jobs()
    assert after.receivers.all() == site.receivers.all()


async def test_the_history_of_the_catalogue(database: Database) -> None:
    archive = Archive(database.catalogue, NoBytes())
    for each in (
        segment("Recording_yard", 0, 60),
        segment("Recording_yard", 60, 119.5, run=0),
        segment("Recording_yard", 300, 360, tracks=["VIDEO001"]),
    ):
        archive.closed(each)
    recordings = [recording("yard")]
    forward = find_events(recordings, archive, RecordingEvents(NoEvents(), {}), 0, LATEST_NS, start_states=False)
    told = [(each.track, each.event.data[0][1]) async for step in forward for each in step.results]
    assert [value for track, value in told if not track] == ["true", "false", "true", "false"]
    assert [value for track, value in told if track == "AUDIO001"] == ["true", "false"]
    assert Table(Receiver, (), database.receivers).values() == ()
