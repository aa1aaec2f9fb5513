"""What the configuration says becomes recordings with jobs, and storages with backends."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli

from gateway.config import Config, ConfigError, from_table
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.recording import JobMode, Retention, Trigger, WeeklyPeriod
from gateway.domain.storage import StorageState, StorageStatus, StoredObject
from gateway.recordings import configured_recordings
from gateway.registry import Registry
from gateway.sdk.storage import SegmentWriter, StorageBackend
from gateway.storages import storages

CAMERAS = '[[camera]]\nid = "door"\ndriver = "rtsp"\n[[camera]]\nid = "yard"\ndriver = "rtsp"\n'
NAMES = {"door": "Front door", "yard": "yard"}


def read(text: str) -> Config:
    return from_table(tomli.loads(text), Path("/etc"))


def test_without_a_section_every_camera_is_recorded_all_the_time() -> None:
    recordings, jobs = configured_recordings(read(CAMERAS), NAMES)
    assert [recording.token for recording in recordings] == ["Recording_door", "Recording_yard"]
    assert (recordings[0].source.source_id, recordings[0].source.name) == ("VideoSource_door", "Front door")
    assert [(job.token, job.recording, job.mode, job.trigger) for job in jobs] == [
        ("Job_door", "Recording_door", JobMode.ACTIVE, Trigger()),
        ("Job_yard", "Recording_yard", JobMode.ACTIVE, Trigger()),
    ]
    assert jobs[0].sources[0].token == "door_main"
    assert [track.destination for track in jobs[0].sources[0].tracks] == ["VIDEO001", "AUDIO001", "META001"]


def test_a_section_says_what_when_and_for_how_long() -> None:
    sections = (
        '[[recording]]\ncamera = "door"\nprofile = "sub"\naudio = false\nmode = "event"\ntopics = ["t:A"]\nafter = 3\n'
        '[[recording]]\ncamera = "door"\nmode = "schedule"\nschedule = ["mon 08:00-09:30"]\nmax_days = 9\n'
        '[[recording]]\ncamera = "yard"\nmode = "off"\n'
    )
    recordings, jobs = configured_recordings(read(CAMERAS + sections), NAMES)
    assert [recording.token for recording in recordings] == ["Recording_door_sub", "Recording_door", "Recording_yard"]
    assert jobs[0].trigger == Trigger((), ("t:A",), 5.0, 3.0)
    assert [track.destination for track in jobs[0].sources[0].tracks] == ["VIDEO001", "META001"]
    assert jobs[1].trigger == Trigger((WeeklyPeriod(0, 480, 570),))
    assert recordings[1].retention == Retention(9)
    assert jobs[2].mode is JobMode.IDLE


@dataclass(frozen=True)
class _Settings:
    path: Path


class _Shelf(StorageBackend):
    Settings = _Settings

    def __init__(self, volume: str, installation: str, settings: _Settings) -> None:
        super().__init__(volume, installation, settings)
        if settings.path.name == "bad":
            raise GatewayError(ErrorKind.INVALID, f"path {str(settings.path)!r} is no shelf")

    def status(self) -> StorageStatus:
        return StorageStatus(StorageState.OK)

    def format(self) -> None: ...

    def create(self, name: str) -> SegmentWriter:
        raise FileExistsError(name)

    def read(self, name: str, offset: int, size: int) -> bytes:
        raise FileNotFoundError(name, offset, size)

    def truncate(self, name: str, size: int) -> None: ...

    def delete(self, name: str) -> None: ...

    def objects(self) -> Iterator[StoredObject]:
        return iter(())


def _registry() -> Registry:
    registry = Registry((), [])
    registry.storages["shelf"] = _Shelf
    return registry


def test_a_storage_gets_its_backend_and_settings() -> None:
    text = '[[storage]]\nid = "a"\nbackend = "shelf"\nlimit = "2 GiB"\npriority = 3\n[storage.settings]\npath = "x"\n'
    [(volume, backend)] = storages(read(text), _registry(), "uuid")
    assert (volume.id, volume.backend, volume.limit, volume.priority) == ("a", "shelf", 2 * 2**30, 3)
    assert (backend.volume, backend.installation, backend.settings) == ("a", "uuid", _Settings(Path("/etc/x")))


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"backend": "shelv"}, "storage[0].backend: there is no storage backend 'shelv'; did you mean 'shelf'?"),
        ({"backend": "shelf", "settings": {}}, "storage[0].settings.path: is missing"),
        (
            {"backend": "shelf", "settings": {"path": "/bad"}},
            "storage[0].settings: path '/bad' is no shelf",
        ),
    ],
)
def test_a_storage_that_can_t_be_is_named(section: dict[str, Any], problem: str) -> None:
    config = from_table({"storage": [{"id": "a", **section}]}, Path("/etc"))
    with pytest.raises(ConfigError) as caught:
        storages(config, _registry(), "uuid")
    assert caught.value.problems == (problem,)
