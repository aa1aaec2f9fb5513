"""A storage in memory that can be taken out, fail, hang, and lose its power."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.storage import StorageState, StorageStatus, StoredObject
from gateway.sdk.storage import SegmentWriter, StorageBackend


@dataclass(slots=True)
class Stored:
    """What stands in an object, and how much of it would survive a power cut: -1 means not even its name."""

    data: bytearray
    safe: int = -1


class MemoryStorage(StorageBackend):
    """Its state is as set, and every call fails while `broken` is."""

    Settings = Stored

    def __init__(self, volume: str, installation: str = "here", capacity: int = 100 * 2**30) -> None:
        super().__init__(volume, installation, None)
        self.stored: dict[str, Stored] = {}
        self.broken: OSError | None = None
        self.found = StorageStatus(StorageState.OK, "", capacity, capacity)
        self.answers = threading.Event()
        """Looks at it, reads and writes hang while it is not set."""
        self.answers.set()
        self.looks = 0

    def status(self) -> StorageStatus:
        self.looks += 1
        self.answers.wait(10)
        return self.found

    def format(self) -> None:
        self.stored.clear()
        self.found = StorageStatus(StorageState.OK, "", self.found.capacity, self.found.capacity)

    def create(self, name: str) -> SegmentWriter:
        self.fail()
        if self.status().state is not StorageState.OK:
            raise GatewayError(ErrorKind.UNAVAILABLE, f"storage {self.volume!r} is away")
        if name in self.stored:
            raise FileExistsError(name)
        self.stored[name] = Stored(bytearray())
        return MemoryWriter(self, name)

    def read(self, name: str, offset: int, size: int) -> bytes:
        self.fail()
        if name not in self.stored:
            raise FileNotFoundError(name)
        return bytes(self.stored[name].data[offset : offset + size])

    def truncate(self, name: str, size: int) -> None:
        self.fail()
        del self.stored[name].data[size:]

    def delete(self, name: str) -> None:
        self.fail()
        self.stored.pop(name, None)

    def objects(self) -> Iterator[StoredObject]:
        for name, stored in sorted(self.stored.items()):
            yield StoredObject(name, len(stored.data))

    def fail(self) -> None:
        self.answers.wait(10)
        if self.broken is not None:
            raise self.broken

    def cut_power(self, rest: int = 0) -> None:
        """Lose what was not synced, but for so many bytes of each object, which happened to be written."""
        for name, stored in list(self.stored.items()):
            if stored.safe < 0 and not rest:
                del self.stored[name]
            else:
                del stored.data[max(stored.safe, 0) + rest :]


class MemoryWriter:
    """A writer of one object."""

    def __init__(self, storage: MemoryStorage, name: str) -> None:
        self._storage = storage
        self._stored = storage.stored[name]

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        self._storage.fail()
        for part in parts:
            self._stored.data += part

    def sync(self) -> None:
        self._storage.fail()
        self._stored.safe = len(self._stored.data)

    def close(self) -> None:
        self.sync()
