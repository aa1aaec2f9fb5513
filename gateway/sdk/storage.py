"""The storage backend: where segments are kept."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol

from gateway.domain.storage import StorageStatus, StoredObject


class SegmentWriter(Protocol):
    """An object being written, by one thread at a time. Every call may raise OSError."""

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Append all parts, or raise; what a failed call left behind is cut off by the next `truncate`."""
        ...

    def sync(self) -> None:
        """Return when all that was written would survive a power cut."""
        ...

    def close(self) -> None:
        """Sync and close."""
        ...


class StorageBackend(ABC):
    """Keeps segments of one configured storage. All calls block, come from disk threads, and may raise OSError.

    The same identity that `format` wrote to the medium (the volume's id and the installation's) must be found
    again by `status`, so that a swapped or unmounted medium is noticed and never written to by mistake.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass of the backend's own keys in `[storage.settings]`; types are checked from its hints."""

    def __init__(self, volume: str, installation: str, settings: Any) -> None:  # noqa: ANN401 - each backend has its own
        self.volume = volume
        self.installation = installation
        """UUID of this gateway's installation."""
        self.settings = settings

    @abstractmethod
    def status(self) -> StorageStatus:
        """Look at the medium: its state with the cause, its capacity and free bytes. Never raises."""

    @abstractmethod
    def format(self) -> None:
        """Delete every object of ours and give the medium its identity. Raises GatewayError when it is in use."""

    @abstractmethod
    def create(self, name: str) -> SegmentWriter:
        """Make an object. Raises GatewayError UNAVAILABLE unless `status` is OK, FileExistsError for a known name."""

    @abstractmethod
    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return so many bytes, fewer at the end. Raises FileNotFoundError."""

    @abstractmethod
    def truncate(self, name: str, size: int) -> None:
        """Cut an object to its first `size` bytes."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete an object; one that is not there is no error."""

    @abstractmethod
    def objects(self) -> Iterator[StoredObject]:
        """Yield every object, in order of names."""
