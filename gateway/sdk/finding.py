"""Finding a camera again whose address has changed."""

from typing import Protocol


class Finder(Protocol):
    """Searches the network by WS-Discovery."""

    async def find(self, endpoint: str) -> tuple[str, ...]:
        """Return the addresses of the device with an endpoint reference (`urn:uuid:…`), the most promising first.

        Empty when none answers. The network is searched at most once in some minutes, for all cameras together; what
        an address says of itself is not checked. Raises nothing.
        """
        ...
