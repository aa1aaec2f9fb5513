"""The directory backend keeps every backend's contract, and is not fooled by what happens to directories."""

import errno
import json
import logging
import os
import stat
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.storage import StorageState
from gateway.sdk.storage import StorageBackend
from gateway.testing.storage import StorageContract
from gateway_filesystem.identity import FILE
from gateway_filesystem.storage import FilesystemSettings, FilesystemStorage

NAME = "Recording_door/2026-11-22/08-00-00.000Z.mp4"


def storage(path: Path, volume: str = "disk", installation: str = "here") -> FilesystemStorage:
    return FilesystemStorage(volume, installation, FilesystemSettings(path))


class TestDirectory(StorageContract):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.path = tmp_path

    def empty(self, volume: str = "disk", installation: str = "here") -> StorageBackend:
        return storage(self.path, volume, installation)


@pytest.fixture
def disk(tmp_path: Path) -> FilesystemStorage:
    made = storage(tmp_path / "disk")
    made.format()
    return made


def test_only_its_owner_reads_it(disk: FilesystemStorage, tmp_path: Path) -> None:
    disk.create(NAME).close()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "disk").rglob("*.mp4")}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "disk/Recording_door").stat().st_mode) == 0o700


def test_a_directory_that_is_away_is_not_written_to(disk: FilesystemStorage, tmp_path: Path) -> None:
    (tmp_path / "disk").rename(tmp_path / "away")
    assert disk.status().state is StorageState.NOT_INSTALLED
    assert disk.status().cause == f"the directory {str(tmp_path / 'disk')!r} does not exist"
    (tmp_path / "disk").mkdir()  # the mount point, with nothing mounted
    assert disk.status().state is StorageState.FORMATTING_REQUIRED
    with pytest.raises(GatewayError, match="storage 'disk' can't be written to"):
        disk.create(NAME)
    assert list((tmp_path / "disk").iterdir()) == []


def test_swapped_media_are_told_apart(tmp_path: Path) -> None:
    storage(tmp_path, "disk2").format()
    status = storage(tmp_path, "disk1").status()
    assert (status.state, status.cause) == (
        StorageState.NOT_INSTALLED,
        f"{str(tmp_path)!r} is the storage 'disk2', not 'disk1': the media were swapped",
    )


def test_an_identity_that_can_t_be_read_is_an_error(disk: FilesystemStorage, tmp_path: Path) -> None:
    (tmp_path / "disk" / FILE).write_text("[")
    assert disk.status().state is StorageState.ERROR
    assert FILE in disk.status().cause


def test_files_of_others_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = [
        "film.mp4",
        "holidays/sea.mp4",
        "holidays/2026/sea.mp4",
        ".cache/2026-11-22/x.mp4",
        "R/2026-11-22/notes.txt",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("mine")
    (tmp_path / "R/2026-11-22/08.mp4").write_text("ours")
    disk = storage(tmp_path)
    assert "files of others" in disk.status().cause
    assert [found.name for found in disk.objects()] == ["R/2026-11-22/08.mp4"]
    with caplog.at_level(logging.WARNING):
        disk.format()
    assert "files that are no recordings are left as they are: [" in caplog.text
    assert list(disk.objects()) == []
    assert {path.read_text() for path in map(tmp_path.joinpath, names)} == {"mine"}


def test_the_medium_of_another_storage_is_not_formatted_by_mistake(disk: FilesystemStorage, tmp_path: Path) -> None:
    disk.create(NAME).close()
    with pytest.raises(GatewayError, match="is the storage 'disk': format it under that id"):
        storage(tmp_path / "disk", "disk2").format()
    assert len(list(disk.objects())) == 1
    elsewhere = storage(tmp_path / "disk", "disk2", "elsewhere")
    elsewhere.format()
    assert (elsewhere.status().state, list(elsewhere.objects())) == (StorageState.OK, [])


def test_what_a_storage_writes_of_itself(disk: FilesystemStorage, tmp_path: Path) -> None:
    table = json.loads((tmp_path / "disk" / FILE).read_text())
    assert (table["volume"], table["installation"]) == ("disk", "here")
    assert datetime.fromisoformat(table["made"]).tzinfo is UTC


def test_links_lead_nowhere(disk: FilesystemStorage, tmp_path: Path) -> None:
    (tmp_path / "outside/2026-11-22").mkdir(parents=True)
    (tmp_path / "outside/2026-11-22/08.mp4").write_text("secret")
    (tmp_path / "disk/R").symlink_to(tmp_path / "outside")
    assert list(disk.objects()) == []
    for use in (disk.create, lambda name: disk.read(name, 0, 1), disk.delete):
        with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
            use("R/2026-11-22/08.mp4")
    assert (tmp_path / "outside/2026-11-22/08.mp4").exists()


def test_what_was_written_last_is_found_without_a_walk_through_everything(disk: FilesystemStorage) -> None:
    names = [f"R/2026-11-{day}/{hour}-00.mp4" for day in (21, 22, 23) for hour in ("07", "08", "09")]
    for name in [*names, "Q/2026-11-23/00-00.mp4", "S/2026-11-23/00-00.mp4"]:
        disk.create(name).close()
    assert [found.name for found in disk.objects_after(names[4])] == names[5:]
    assert list(disk.objects_after("T/2026-11-23/00-00.mp4")) == list(disk.objects_after(names[8])) == []


def test_a_short_write_is_finished_and_a_failing_one_raises(
    disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = disk.create(NAME)
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda descriptor, parts: real(descriptor, [b"".join(parts)[:2]]))
    writer.write([b"abc", b"def"])
    assert disk.read(NAME, 0, 9) == b"abcdef"
    monkeypatch.setattr(os, "writev", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(OSError, match="Input/output error"):
        writer.write([b"x"])
    monkeypatch.undo()
    monkeypatch.setattr(os, "writev", full_after(4))
    with pytest.raises(OSError, match="No space left"):
        writer.write([b"ghi", b"jkl"])
    assert [found.size for found in disk.objects()] == [6]  # nothing of what failed
    monkeypatch.undo()
    writer.write([b"ghi"])
    writer.close()
    assert disk.read(NAME, 0, 20) == b"abcdefghi"


def full_after(size: int) -> Callable[[int, Sequence[bytes]], int]:
    """Return a `writev` that writes so many bytes, and of the rest finds that the disk is full."""

    def writev(descriptor: int, parts: Sequence[bytes]) -> int:
        os.write(descriptor, b"".join(parts)[:size])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return writev


def test_a_read_only_medium_is_an_error(disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = SimpleNamespace(f_flag=os.ST_RDONLY, f_frsize=4096, f_blocks=10, f_bavail=5)
    monkeypatch.setattr(os, "fstatvfs", lambda _: figures)
    assert disk.status().state is StorageState.ERROR
    assert disk.status().cause.endswith("is mounted read-only")


FILL = """
import sys
from pathlib import Path
from gateway_filesystem.storage import FilesystemSettings, FilesystemStorage
disk = FilesystemStorage("disk", "here", FilesystemSettings(Path(sys.argv[1])))
disk.format()
writer = disk.create("R/2026-11-22/a.mp4")
written = 0
try:
    while True:
        writer.write([bytes(65536)])
        writer.sync()
        written += 65536
except OSError as error:
    print(error.errno, written, disk.status().state, disk.read("R/2026-11-22/a.mp4", written - 1, 1) == bytes(1))
"""


def test_a_full_disk_raises_and_keeps_what_was_synced(tmp_path: Path) -> None:
    mount = f'mount -t tmpfs -o size=1m none {tmp_path} && exec "$0" -c "$1" {tmp_path}'
    command = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(Path(os.sys.executable)), FILL)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code, written, state, intact = done.stdout.split()
    assert (int(code), state, intact) == (errno.ENOSPC, "ok", "True")
    assert 500_000 < int(written) < 1_000_000
