"""A storage in a directory of the file system. Everything is opened below the directory's descriptor."""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.storage import StorageState, StorageStatus, StoredObject
from gateway.sdk.storage import SegmentWriter, StorageBackend
from gateway_filesystem.identity import FILE, Identity, read_identity, write_identity

_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,100}(/(?!\.)[A-Za-z0-9._-]{1,100}){0,4}")
_OURS = re.compile(r".+\.mp4")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_MOST_PARTS = 512
"""Below the system's limit of parts in one call (IOV_MAX)."""


@dataclass(frozen=True, slots=True)
class FilesystemSettings:
    """`[storage.settings]` of the backend `filesystem`."""

    path: Path


class FilesystemStorage(StorageBackend):
    """One directory. Its identity file is looked at whenever its state is asked for and before anything is made."""

    Settings = FilesystemSettings

    def __init__(self, volume: str, installation: str, settings: FilesystemSettings) -> None:
        super().__init__(volume, installation, settings)
        self._path = settings.path
        self._identity = Identity(volume, installation)

    def status(self) -> StorageStatus:
        """Look at the directory: is it there, is it ours, can it be written to, how much room is there."""
        try:
            with self._root() as root:
                state, cause = self._look(root)
                figures = os.fstatvfs(root)
        except FileNotFoundError:
            return StorageStatus(StorageState.NOT_INSTALLED, f"the directory {self._name} does not exist")
        except OSError as error:
            return StorageStatus(StorageState.ERROR, f"{self._name}: {error.strerror}")
        if state is StorageState.OK and figures.f_flag & os.ST_RDONLY:
            state, cause = StorageState.ERROR, f"{self._name} is mounted read-only"
        size = figures.f_frsize
        return StorageStatus(state, cause, figures.f_blocks * size, figures.f_bavail * size)

    def format(self) -> None:
        """Delete every recording below the directory, make it if it is missing, and write its identity."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._root() as root:
                for found in list(self.objects()):
                    self.delete(found.name)
                write_identity(root, self._identity)
        except OSError as error:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"{self._name} can't be formatted: {error.strerror}") from error

    def create(self, name: str) -> SegmentWriter:
        """Make a new file and the directories that it needs."""
        with self._root() as root:
            state, cause = self._look(root)
            if state is not StorageState.OK:
                raise GatewayError(ErrorKind.UNAVAILABLE, f"storage {self.volume!r} can't be written to: {cause}")
            folder = _open_folder(root, _parts(name)[:-1], make=True)
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                return _File(os.open(_parts(name)[-1], flags, 0o600, dir_fd=folder), folder)
            except BaseException:
                os.close(folder)
                raise

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return so many bytes of a file, fewer at its end."""
        with self._file(name, os.O_RDONLY) as descriptor:
            return os.pread(descriptor, size, offset)

    def truncate(self, name: str, size: int) -> None:
        """Cut a file to its first bytes."""
        with self._file(name, os.O_WRONLY) as descriptor:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)

    def delete(self, name: str) -> None:
        """Delete a file, and the directories that it leaves empty."""
        parts = _parts(name)
        with self._root() as root:
            try:
                folder = _open_folder(root, parts[:-1])
            except FileNotFoundError:
                return
            try:
                os.unlink(parts[-1], dir_fd=folder)
            except FileNotFoundError:
                return
            finally:
                os.close(folder)
            for depth in range(len(parts) - 1, 0, -1):
                try:
                    os.rmdir("/".join(parts[:depth]), dir_fd=root)
                except OSError as error:
                    if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
                        return
                    raise

    def objects(self) -> Iterator[StoredObject]:
        """Yield every recording's file, in order of names; what is not ours is passed over."""
        with self._root() as root:
            yield from _walk(root, "")

    @property
    def _name(self) -> str:
        return repr(str(self._path))

    def _look(self, root: int) -> tuple[StorageState, str]:
        try:
            found = read_identity(root)
        except (OSError, ValueError) as error:
            return StorageState.ERROR, f"{FILE} in {self._name} can't be read: {error}"
        if found == self._identity:
            return StorageState.OK, ""
        if found is None:
            if self._path.is_mount() or not any(os.scandir(root)):
                return StorageState.FORMATTING_REQUIRED, f"{self._name} has no recordings of ours: format it to use it"
            return (
                StorageState.FORMATTING_REQUIRED,
                f"{self._name} holds files of others and no {FILE}: is the right medium mounted?",
            )
        if found.installation != self.installation:
            return (
                StorageState.FORMATTING_REQUIRED,
                f"{self._name} belongs to the installation {found.installation}, not to {self.installation}",
            )
        return (
            StorageState.NOT_INSTALLED,
            f"{self._name} is the storage {found.volume!r}, not {self.volume!r}: the media were swapped",
        )

    @contextmanager
    def _root(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _file(self, name: str, flags: int) -> Iterator[int]:
        parts = _parts(name)
        with self._root() as root:
            folder = _open_folder(root, parts[:-1])
            try:
                descriptor = os.open(parts[-1], flags | os.O_NOFOLLOW, dir_fd=folder)
            finally:
                os.close(folder)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


class _File:
    """A file being written; holds the directory that it is new in until both are on the disk."""

    def __init__(self, descriptor: int, folder: int) -> None:
        self._descriptor = descriptor
        self._folder = folder

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Append all parts, or raise OSError."""
        for start in range(0, len(parts), _MOST_PARTS):
            some = parts[start : start + _MOST_PARTS]
            written, total = os.writev(self._descriptor, some), sum(map(len, some))
            if written < total:
                self._write_rest(memoryview(b"".join(some))[written:])

    def sync(self) -> None:
        """Wait until the file, and at first its name too, would survive a power cut."""
        os.fdatasync(self._descriptor)
        if self._folder >= 0:
            os.fsync(self._folder)
            os.close(self._folder)
            self._folder = -1

    def close(self) -> None:
        """Sync and close; a second call does nothing."""
        if self._descriptor < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
            if self._folder >= 0:
                os.close(self._folder)
                self._folder = -1

    def _write_rest(self, rest: memoryview) -> None:
        while rest:
            written = os.write(self._descriptor, rest)
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            rest = rest[written:]


def _parts(name: str) -> list[str]:
    if not _NAME.fullmatch(name):
        raise GatewayError(ErrorKind.INVALID, f"{name!r} is not the name of a stored object")
    return name.split("/")


def _open_folder(root: int, parts: Sequence[str], *, make: bool = False) -> int:
    """Return a descriptor of a directory below the root, through no symbolic link."""
    current = os.dup(root)
    for part in parts:
        try:
            if make:
                try:
                    os.mkdir(part, 0o700, dir_fd=current)
                    os.fsync(current)
                except FileExistsError:
                    pass
            following = os.open(part, _DIRECTORY, dir_fd=current)
        finally:
            os.close(current)
        current = following
    return current


def _walk(folder: int, prefix: str) -> Iterator[StoredObject]:
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if not _NAME.fullmatch(name) or entry.is_symlink():
            continue
        if entry.is_dir(follow_symlinks=False):
            inner = os.open(entry.name, _DIRECTORY, dir_fd=folder)
            try:
                yield from _walk(inner, name + "/")
            finally:
                os.close(inner)
        elif _OURS.fullmatch(entry.name) and prefix:
            yield StoredObject(name, entry.stat(follow_symlinks=False).st_size)
