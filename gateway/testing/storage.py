"""What every storage backend must do: inherit from `StorageContract` and give it a backend."""

from abc import ABC, abstractmethod

import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.storage import StorageState
from gateway.sdk.storage import StorageBackend

_NAME = "Recording_door/2026-11-22/08-00-00.000Z.mp4"


class StorageContract(ABC):
    """The tests of the contract in `gateway.sdk.storage`."""

    @abstractmethod
    def empty(self, volume: str = "disk", installation: str = "here") -> StorageBackend:
        """Return a backend on the one medium of this test, which nobody has formatted yet."""

    def formatted(self) -> StorageBackend:
        """Return a backend that is ready for use."""
        backend = self.empty()
        backend.format()
        return backend

    def test_a_new_medium_must_be_formatted_first(self) -> None:
        """Nothing is written to what is not known to be ours."""
        backend = self.empty()
        assert backend.status().state is StorageState.FORMATTING_REQUIRED
        assert backend.status().cause
        with pytest.raises(GatewayError) as caught:
            backend.create(_NAME)
        assert caught.value.kind is ErrorKind.UNAVAILABLE
        backend.format()
        assert backend.status().state is StorageState.OK
        assert backend.status().capacity >= backend.status().free > 0

    def test_what_is_written_is_read(self) -> None:
        """Parts are appended, and any piece can be read, also while the object grows."""
        backend = self.formatted()
        writer = backend.create(_NAME)
        writer.write([b"abc", memoryview(b"def")])
        writer.sync()
        assert backend.read(_NAME, 1, 4) == b"bcde"
        writer.write([bytes([number % 256]) for number in range(2000)])
        writer.close()
        assert backend.read(_NAME, 0, 6) == b"abcdef"
        assert backend.read(_NAME, 2004, 100) == bytes([1998 % 256, 1999 % 256])
        assert [(found.name, found.size) for found in backend.objects()] == [(_NAME, 2006)]

    def test_a_name_is_used_once(self) -> None:
        """An object is never overwritten."""
        backend = self.formatted()
        backend.create(_NAME).close()
        with pytest.raises(FileExistsError):
            backend.create(_NAME)

    def test_objects_are_cut_and_deleted(self) -> None:
        """Deleting twice is no error; reading what is gone is."""
        backend = self.formatted()
        names = [f"R/2026-11-{day:02}/00-00-00.000Z.mp4" for day in (3, 1, 2)]
        for name in names:
            writer = backend.create(name)
            writer.write([b"0123456789"])
            writer.close()
        assert [found.name for found in backend.objects()] == sorted(names)
        backend.truncate(names[0], 4)
        assert backend.read(names[0], 0, 10) == b"0123"
        backend.delete(names[1])
        backend.delete(names[1])
        with pytest.raises(FileNotFoundError):
            backend.read(names[1], 0, 1)
        assert [found.name for found in backend.objects()] == [names[2], names[0]]

    def test_it_knows_its_medium_again_and_no_other(self) -> None:
        """Another storage or installation finds that the medium is not its own."""
        self.formatted().create(_NAME).close()
        assert self.empty().status().state is StorageState.OK
        for other in (self.empty(volume="other"), self.empty(installation="elsewhere")):
            assert other.status().state in {StorageState.FORMATTING_REQUIRED, StorageState.NOT_INSTALLED}
            with pytest.raises(GatewayError):
                other.create("R/2026-11-22/00-00-00.000Z.mp4")
        assert [found.name for found in self.empty().objects()] == [_NAME]

    @pytest.mark.parametrize(
        "name", ["../x.mp4", "/etc/x.mp4", "a/../../x.mp4", "", "a//b.mp4", ".hidden/x.mp4", "a\0b"]
    )
    def test_no_name_leads_out_of_it(self, name: str) -> None:
        """Names are relative and plain."""
        backend = self.formatted()
        for use in (backend.create, backend.delete, lambda name: backend.read(name, 0, 1)):
            with pytest.raises(GatewayError, match="is not the name of a stored object"):
                use(name)

    def test_formatting_deletes_what_is_ours(self) -> None:
        """And the medium can be used at once."""
        backend = self.formatted()
        backend.create(_NAME).close()
        backend.format()
        assert list(backend.objects()) == []
        backend.create(_NAME).close()
