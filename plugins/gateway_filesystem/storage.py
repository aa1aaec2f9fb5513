"""A storage in a directory of the file system. Everything is opened below the directory's descriptor."""

import errno
import itertools
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.storage import StorageState, StorageStatus, StoredObject
from gateway.sdk.storage import SegmentWriter, StorageBackend
from gateway_filesystem.file import NewFile
from gateway_filesystem.identity import FILE, Identity, read_identity, write_identity

_LEVELS = (r"(?!\.)[A-Za-z0-9._-]{1,100}", r"\d{4}-\d{2}-\d{2}", r"(?!\.)[A-Za-z0-9._-]{1,100}\.mp4")
"""Recording, day, file: what has another form is not ours, and never touched."""

_PARTS = tuple(re.compile(level) for level in _LEVELS)
_NAME = re.compile("/".join(_LEVELS))
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_MOST_NAMED = 5
_log = logging.getLogger(__name__)


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
        """Delete every recording below the directory, make it if it is missing, and write its identity.

        Other files are left, and logged. Raises GatewayError CONFLICT for another storage of this installation.
        """
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._root() as root:
                self._refuse_sibling(root)
                for found in self.objects():
                    self.delete(found.name)
                write_identity(root, self._identity)
                if foreign := list(itertools.islice(_files(root), _MOST_NAMED)):
                    _log.warning("%s: files that are no recordings are left as they are: %s", self._name, foreign)
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
                return NewFile(os.open(_parts(name)[-1], flags, 0o600, dir_fd=folder), folder)
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
            yield from _walk(root, ())

    def objects_after(self, name: str) -> Iterator[StoredObject]:
        """Yield the files of the same recording whose names come after one, in order."""
        recording = _parts(name)[0]
        with self._root() as root:
            try:
                folder = _open_folder(root, [recording])
            except FileNotFoundError:
                return
            try:
                yield from _walk(folder, (recording,), name)
            finally:
                os.close(folder)

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
            if next(_files(root), None):
                what = f"holds files of others and no {FILE}: is the right medium mounted?"
            else:
                what = "is empty: mount its medium, or format it to use it"
            return StorageState.FORMATTING_REQUIRED, f"{self._name} {what}"
        if found.installation != self.installation:
            return (
                StorageState.FORMATTING_REQUIRED,
                f"{self._name} belongs to the installation {found.installation}, not to {self.installation}",
            )
        return (
            StorageState.NOT_INSTALLED,
            f"{self._name} is the storage {found.volume!r}, not {self.volume!r}: the media were swapped",
        )

    def _refuse_sibling(self, root: int) -> None:
        with suppress(ValueError):
            found = read_identity(root)
            if found and found.installation == self.installation and found.volume != self.volume:
                message = f"{self._name} is the storage {found.volume!r}: format it under that id, or delete its {FILE}"
                raise GatewayError(ErrorKind.CONFLICT, message)

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


def _walk(folder: int, above: tuple[str, ...], after: str = "") -> Iterator[StoredObject]:
    """Yield the files below a directory that stands below others, in order; only names after one, if that is given."""
    level = len(above)
    with os.scandir(folder) as listing:
        found = {entry.name: entry for entry in listing if _PARTS[level].fullmatch(entry.name)}
    for name, entry in sorted(found.items()):
        parts = *above, name
        path = "/".join(parts)
        if len(parts) < len(_LEVELS):
            if path >= after[: len(path)] and entry.is_dir(follow_symlinks=False):
                yield from _walk_below(folder, parts, after)
        elif path > after and entry.is_file(follow_symlinks=False):
            try:
                size = entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue  # deleted since it was listed
            yield StoredObject(path, size)


def _walk_below(folder: int, parts: tuple[str, ...], after: str) -> Iterator[StoredObject]:
    try:
        inner = os.open(parts[-1], _DIRECTORY, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        yield from _walk(inner, parts, after)
    finally:
        os.close(inner)


def _files(root: int) -> Iterator[str]:
    """Yield the names of all files below a directory but its identity."""
    for folder, _, names, _ in os.fwalk(dir_fd=root):
        yield from (f"{folder}/{name}".removeprefix("./") for name in names if name != FILE)
