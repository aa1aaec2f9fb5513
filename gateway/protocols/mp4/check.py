"""A look at every sample of a segment file."""

from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.protocols.mp4.reader import read_fragment
from gateway.protocols.mp4.scan import Scanner


class Place(Protocol):
    """Where a fragment is."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102


def check_samples(read: Callable[[int, int], bytes], fragments: Iterable[Place]) -> None:
    """Read every sample; `read(offset, size)` returns bytes of the file. Raises GatewayError INVALID."""
    header = Scanner(read).header
    for fragment in fragments:
        read_fragment(read(fragment.offset, fragment.size), header)
